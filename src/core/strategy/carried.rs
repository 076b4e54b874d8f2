//! ConfigMaps and Secrets that travel with a revision: each revision has its own
//! copies, under names of their own, and its pod template refers to those. So
//! old pods keep what they were started with, and who goes back goes back whole.
//! Owns which objects travel and what they are called; it must never travel what
//! anybody else refers to.
//!
//! A ConfigMap is called after its content, `<name>-<8 hex digits>`: as long as
//! that stays two revisions share it, and no pod is replaced for it. A digest of
//! a Secret would let anybody who sees a name try out values, and names are on
//! the record and in reviews; so a Secret is called after its revision,
//! `<name>-v<N>`.

use super::RevisionBodies;
use super::bodies::BodyError;
use super::refers::{Config, each_reference, references, references_of};
use super::routed::revision_number;
use super::workload::{WorkloadKind, set};
use crate::core::digest::Digest;
use crate::core::model::{Naming, Notice, Place};
use crate::core::object::{ObjectRef, at};
use crate::core::render::Rendered;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// ConfigMaps and Secrets that others in the plan refer to, and who does.
pub type Held = BTreeMap<ObjectRef, String>;

/// The longest name of such an object.
const LONGEST: usize = 253;

/// What becomes of an object that a pod template refers to.
enum Fate {
    /// It travels, under this name.
    Travels(String),
    /// It stays what it is called, for this reason.
    Stays(String),
}

/// A component whose pods take what travels along.
struct Carrier {
    component: String,
    workload: ObjectRef,
    kind: Arc<WorkloadKind>,
}

impl Carrier {
    fn of(one: &RevisionBodies) -> Self {
        let (component, workload) = (one.component.clone(), one.workload.clone());
        Self { component, workload, kind: Arc::clone(&one.kind) }
    }
}

impl RevisionBodies {
    /// The same with the ConfigMaps and Secrets that it alone refers to under
    /// names of their own. What keeps its name has documents that are the user's
    /// own, and nothing of them is renamed.
    ///
    /// # Errors
    /// Fails where such a name is too long, or taken.
    pub fn carrying(mut self, rendered: &Rendered, held: &Held) -> Result<Self, BodyError> {
        for place in 0..=self.parts.len() {
            let Some(carrier) = self.rolled().nth(place).map(Carrier::of) else { continue };
            for (object, fate) in self.fates(&carrier, rendered, held) {
                if let Fate::Travels(name) = fate {
                    self.rename(&object, name)?;
                }
            }
            self.refer(place, &carrier);
        }
        Ok(self)
    }

    /// Has the pods of a component refer to what travels by the names of this
    /// revision.
    fn refer(&mut self, place: usize, carrier: &Carrier) {
        if self.carried.is_empty() {
            return;
        }
        let carried = &self.carried;
        let own = |config: Config, name: &str| {
            let mut named = carried.iter().filter(|(_, plain)| config.is(plain));
            named.find(|(_, plain)| plain.name == name).map(|(own, _)| own.name.clone())
        };
        let Some(body) = self.bodies.get_mut(&carrier.workload) else { return };
        let Some(template) = carrier.kind.template.of_mut(Arc::make_mut(body)) else { return };
        each_reference(template, &mut |config, name| {
            if let Some(own) = own(config, name) {
                *name = own;
            }
        });
        let digest = Digest::of("tranche-pod-template-v1", template);
        let body = Arc::clone(body);
        match place.checked_sub(1).and_then(|part| self.parts.get_mut(part)) {
            None => self.template = digest,
            Some(part) => {
                let part = Arc::make_mut(&mut part.revision);
                part.template = digest;
                part.bodies.insert(carrier.workload.clone(), body);
            }
        }
    }

    /// The name that people gave to an object that travels.
    #[must_use]
    pub fn plain<'o>(&'o self, object: &'o ObjectRef) -> &'o ObjectRef {
        self.carried.get(object).unwrap_or(object)
    }

    /// Whether another revision has all that this one has beside its workload,
    /// with the same content. What travels is compared by the name that people
    /// gave it.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        let theirs: BTreeMap<&ObjectRef, &ObjectRef> =
            other.rest.iter().map(|object| (other.plain(object), object)).collect();
        self.rest.iter().all(|object| {
            let Some(their) = theirs.get(self.plain(object)) else { return false };
            let (mine, their) = (self.bodies.get(object), other.bodies.get(*their));
            match self.carried.contains_key(object) {
                false => mine == their,
                true => {
                    mine.zip(their).is_some_and(|(mine, their)| content(mine) == content(their))
                }
            }
        })
    }

    /// What to tell of objects that the pod template refers to and that do not
    /// travel.
    pub(super) fn staying(&self, rendered: &Rendered, held: &Held, place: &Place) -> Vec<Notice> {
        let fates = self.rolled().map(Carrier::of).flat_map(|carrier| {
            let fates = self.fates(&carrier, rendered, held).into_iter();
            fates.map(move |(object, fate)| (object, fate, carrier.component.clone()))
        });
        let stays = fates.filter_map(|(object, fate, component)| match fate {
            Fate::Travels(_) => None,
            Fate::Stays(why) => Some(format!(
                "{object} does not travel with the revisions of component {component}: {why}; a \
                 change of it is under its one name at once, for old pods too"
            )),
        });
        stays.map(|message| Notice { place: place.clone(), message }).collect()
    }

    fn fates(&self, carrier: &Carrier, rendered: &Rendered, held: &Held) -> Vec<(ObjectRef, Fate)> {
        let mut fates = Vec::new();
        let workload = self.bodies.get(&carrier.workload);
        let own = rendered.components.iter().find(|part| part.name == carrier.component);
        let (Naming::Revision, Some(workload), Some(own)) = (self.naming, workload, own) else {
            return fates;
        };
        let template = carrier.kind.template.of(workload);
        let used = template.map(references).unwrap_or_default();
        let mut around = Value::clone(workload);
        set(&mut around, &carrier.kind.template.keys(), Value::Null);
        for object in own.extras.iter().filter_map(|body| ObjectRef::of(body)) {
            let Some(config) = Config::of(&object) else { continue };
            let refers =
                |body: &Value| references_of(body).contains(&(config, object.name.clone()));
            let Some(body) = self.bodies.get(&object) else { continue };
            if !used.contains(&(config, object.name.clone())) {
                continue;
            }
            let others = self.rolled().map(|one| &one.workload);
            let others = others.filter(|other| **other != carrier.workload);
            let beside = self.rest.iter().chain(others).filter(|other| **other != object);
            let mut beside = beside.filter(|other| other.namespace == object.namespace);
            let other = beside.find(|other| self.bodies.get(other).is_some_and(|b| refers(b)));
            let fate = match (other, held.get(&object)) {
                (Some(other), _) => Fate::Stays(format!("{other} refers to it too")),
                (None, Some(who)) => Fate::Stays(format!("{who} refers to it too")),
                _ if refers(&around) => {
                    Fate::Stays(format!("{} refers to it beside its pods", carrier.workload))
                }
                _ if is_empty(body) => {
                    Fate::Stays("the plan has no data for it, so somebody else fills it".to_owned())
                }
                _ => Fate::Travels(self.name_of(config, &object.name, body)),
            };
            fates.push((object, fate));
        }
        fates
    }

    fn name_of(&self, config: Config, name: &str, body: &Value) -> String {
        match config {
            Config::Secret => format!("{name}-v{}", revision_number(&self.revision)),
            Config::Map => {
                let digest = Digest::of("tranche-config-v1", &content(body));
                format!("{name}-{}", digest.short().get(..8).unwrap_or_default())
            }
        }
    }

    fn rename(&mut self, object: &ObjectRef, name: String) -> Result<(), BodyError> {
        let own = ObjectRef { name, ..object.clone() };
        let wrong = |what: String| BodyError::Object { revision: self.revision.clone(), what };
        if own.name.len() > LONGEST {
            return Err(wrong(format!(
                "{object}, whose copy for one revision would have a name of more than {LONGEST} \
                 characters: choose a shorter one"
            )));
        }
        if self.bodies.contains_key(&own) {
            return Err(wrong(format!("{own}, which is the name of this revision's {object}")));
        }
        let Some(body) = self.bodies.remove(object) else { return Ok(()) };
        let mut body = Arc::unwrap_or_clone(body);
        set(&mut body, &["metadata", "name"], json!(own.name));
        self.bodies.insert(own.clone(), Arc::new(body));
        for rest in self.rest.iter_mut().filter(|rest| *rest == object) {
            *rest = own.clone();
        }
        self.carried.insert(own, object.clone());
        Ok(())
    }
}

/// What pods read of an object.
fn content(body: &Value) -> Value {
    let of = |field: &str| body.get(field).filter(|value| !value.is_null());
    json!({
        "data": of("data"),
        "binaryData": of("binaryData"),
        "stringData": of("stringData"),
        "type": of("type"),
        "immutable": of("immutable"),
        "annotations": at(body, "/metadata/annotations"),
        "labels": at(body, "/metadata/labels"),
    })
}

fn is_empty(body: &Value) -> bool {
    let none = |field: &str| {
        body.get(field).and_then(Value::as_object).is_none_or(serde_json::Map::is_empty)
    };
    ["data", "binaryData", "stringData"].into_iter().all(none)
}

#[cfg(test)]
mod tests {
    use super::super::refers::Referrers;
    use super::super::workload::Workloads;
    use super::*;
    use crate::core::render::RenderedComponent;

    fn config(kind: &str, name: &str, data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": kind,
               "metadata": {"name": name, "namespace": "default"}, "data": data})
    }

    /// A Deployment that refers to everything in every way.
    fn web(extras: Vec<Value>, others: Vec<Value>) -> Rendered {
        let env = json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "env", "key": "a"}}},
                         {"name": "B", "valueFrom": {"secretKeyRef": {"name": "key", "key": "b"}}}]);
        let workload = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"template": {"metadata": {"annotations": {"secretName": "key"}}, "spec": {
                "imagePullSecrets": [{"name": "pull"}],
                "initContainers": [{"name": "i", "envFrom": [{"secretRef": {"name": "from"}}]}],
                "containers": [{"name": "c", "env": env,
                                "envFrom": [{"configMapRef": {"name": "all"}}]}],
                "volumes": [
                    {"name": "v", "configMap": {"name": "env"}},
                    {"name": "s", "secret": {"secretName": "key"}},
                    {"name": "p", "projected": {"sources": [{"configMap": {"name": "proj"}},
                                                            {"secret": {"name": "key"}}]}},
                    {"name": "o", "configMap": {"name": "not-rendered"}},
                ]}}},
        });
        let arcs = |all: Vec<Value>| all.into_iter().map(Arc::new).collect();
        let component = |name: &str, workload, extras| RenderedComponent {
            name: name.to_owned(),
            workload: Arc::new(workload),
            extras: arcs(extras),
        };
        let mut components = vec![component("web", workload, extras)];
        components.extend(others.into_iter().map(|other| component("other", other, Vec::new())));
        Rendered {
            application: "web".to_owned(),
            namespace: "default".to_owned(),
            components,
            workloads: Workloads::default(),
        }
    }

    fn carrying(rendered: &Rendered, number: u64, held: &Held) -> RevisionBodies {
        let name = format!("web-v{number}");
        let digest = Digest::of_bytes(b"web");
        let of = (Some("web"), Naming::Revision);
        let bodies = RevisionBodies::of(rendered, of, &name, number, &digest).unwrap();
        bodies.carrying(rendered, held).unwrap()
    }

    fn all(data: &str) -> Vec<Value> {
        let maps = ["env", "all", "proj", "unused"];
        let maps = maps.map(|name| config("ConfigMap", name, &json!({"a": data})));
        let secrets =
            ["key", "from", "pull"].map(|name| config("Secret", name, &json!({"b": data})));
        [maps.to_vec(), secrets.to_vec()].concat()
    }

    fn names(bodies: &RevisionBodies) -> Vec<&str> {
        bodies.rest.iter().map(|object| object.name.as_str()).collect()
    }

    #[test]
    fn every_reference_of_the_pod_template_follows() {
        let rendered = web(all("x"), Vec::new());
        let one = carrying(&rendered, 3, &Held::new());
        let named = names(&one);
        let own = |name: &str| *named.iter().find(|own| own.starts_with(name)).unwrap();
        assert_eq!(&named[3..], ["unused", "key-v3", "from-v3", "pull-v3"]);
        assert!(
            named[..3].iter().all(|name| name.len() - 9 == name.find('-').unwrap()),
            "{named:?}"
        );
        let pods = &one.bodies[&one.workload]["spec"]["template"]["spec"];
        let at = |pointer: &str| pods.pointer(pointer).unwrap().as_str().unwrap();
        assert_eq!(at("/imagePullSecrets/0/name"), "pull-v3");
        assert_eq!(at("/initContainers/0/envFrom/0/secretRef/name"), "from-v3");
        assert_eq!(at("/containers/0/env/0/valueFrom/configMapKeyRef/name"), own("env"));
        assert_eq!(at("/containers/0/env/1/valueFrom/secretKeyRef/name"), "key-v3");
        assert_eq!(at("/containers/0/envFrom/0/configMapRef/name"), own("all"));
        assert_eq!(at("/volumes/0/configMap/name"), own("env"));
        assert_eq!(at("/volumes/1/secret/secretName"), "key-v3");
        assert_eq!(at("/volumes/2/projected/sources/0/configMap/name"), own("proj"));
        assert_eq!(at("/volumes/2/projected/sources/1/secret/name"), "key-v3");
        assert_eq!(at("/volumes/3/configMap/name"), "not-rendered");
        let marks = &one.bodies[&one.workload]["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(marks["secretName"], "key", "an annotation is no reference");
        let body = &one.bodies[one.rest.iter().find(|o| o.name == "key-v3").unwrap()];
        assert_eq!(body["metadata"]["name"], "key-v3");
    }

    #[test]
    fn a_map_of_the_same_content_is_shared_and_no_name_tells_of_a_secret() {
        let of = |data: &str, number: u64| {
            let rendered = web(all(data), Vec::new());
            carrying(&rendered, number, &Held::new())
        };
        let (one, same, other) = (of("x", 1), of("x", 2), of("y", 2));
        assert_eq!(names(&one)[..3], names(&same)[..3]);
        assert_ne!(names(&one)[0], names(&other)[0]);
        assert_eq!(names(&same)[4..], names(&other)[4..], "whatever its value is");
        assert!(one.is_beside(&same) && same.is_beside(&one), "by the names that people gave");
        assert!(!one.is_beside(&other));
    }

    #[test]
    fn what_others_refer_to_stays_and_so_does_what_keeps_its_name() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "j", "namespace": "default"}, "spec": {"template": {"spec":
                {"containers": [{"envFrom": [{"secretRef": {"name": "key"}}]}]}}}});
        let mut extras = all("x");
        extras[1] = config("ConfigMap", "all", &json!({}));
        let rendered = web(extras, vec![job]);
        let object = ObjectRef::of(&config("ConfigMap", "env", &Value::Null)).unwrap();
        let mut all = Referrers::default();
        let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
                          "spec": [{"configMapRef": {"name": "env"}}]});
        all.add(&"cron", "default", &cron);
        assert_eq!(all.other(&"cron", "default", &object), None, "its own");
        assert_eq!(all.other(&"web", "elsewhere", &object), None);
        let who = all.other(&"web", "default", &object).unwrap().to_string();
        let held = Held::from([(object, who)]);
        let one = carrying(&rendered, 2, &held);
        assert_eq!(names(&one)[..2], ["env", "all"]);
        assert!(names(&one).contains(&"key") && names(&one).contains(&"pull-v2"));
        let pods = &one.bodies[&one.workload]["spec"]["template"]["spec"];
        assert_eq!(pods["volumes"][1]["secret"]["secretName"], "key");
        let place = Place { file: "web.yaml".to_owned(), line: 1 };
        let bare = RevisionBodies::of(
            &rendered,
            (Some("web"), Naming::Revision),
            "web-v2",
            2,
            &one.digest,
        )
        .unwrap();
        let told: Vec<String> =
            bare.staying(&rendered, &held, &place).into_iter().map(|n| n.message).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("CronJob/c refers to it too"), "{told:?}");
        assert!(told[1].contains("somebody else fills it"), "{told:?}");
        assert!(told[2].contains("Job/default/j refers to it too"), "{told:?}");
        let kept =
            RevisionBodies::of(&rendered, (Some("web"), Naming::Kept), "web-v2", 2, &one.digest)
                .unwrap();
        assert!(kept.carrying(&rendered, &Held::new()).unwrap().carried.is_empty());
    }

    #[test]
    fn a_name_that_is_taken_or_too_long_is_refused() {
        let refused = |extras: Vec<Value>| {
            let rendered = web(extras, Vec::new());
            let of = (Some("web"), Naming::Revision);
            let bodies =
                RevisionBodies::of(&rendered, of, "web-v2", 2, &Digest::of_bytes(b"w")).unwrap();
            bodies.carrying(&rendered, &Held::new()).unwrap_err().to_string()
        };
        let taken =
            [config("Secret", "key", &json!({"a": "b"})), config("Secret", "key-v2", &json!({}))];
        assert!(refused(taken.to_vec()).contains("which is the name of this revision's"));
        let long = "k".repeat(252);
        let mut rendered = web(vec![config("Secret", &long, &json!({"a": "b"}))], Vec::new());
        let workload = Arc::make_mut(&mut rendered.components[0].workload);
        workload["spec"]["template"]["spec"]["volumes"][1]["secret"]["secretName"] = json!(long);
        let of = (Some("web"), Naming::Revision);
        let bodies = RevisionBodies::of(&rendered, of, "web-v2", 2, &Digest::of_bytes(b"w"));
        let error = bodies.unwrap().carrying(&rendered, &Held::new()).unwrap_err().to_string();
        assert!(error.contains("more than 253 characters"), "{error}");
    }
}
