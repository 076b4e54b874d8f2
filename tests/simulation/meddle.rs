//! People on the cluster: they scale, delete, replace and edit what is ours.
//! Owns what each such deed does; each tells the audit what it has disturbed.

use crate::people::{Deed, WORKLOADS};
use crate::plan::{App, Kind};
use crate::schedule::Sim;
use crate::side::side_of;
use serde_json::{Value, json};
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::port::WriteMode;

impl Sim {
    /// The live workloads of an application.
    pub fn workloads(&self, app: &str) -> Vec<ObjectRef> {
        let mut found = Vec::new();
        for (api_version, kind) in WORKLOADS {
            let kind = KindRef::new(api_version, kind);
            let _ = self.sandbox.visit(&kind, &mut |name, _| {
                let rest = name.name.strip_prefix(app);
                if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-v")) {
                    found.push(name.clone());
                }
            });
        }
        found
    }

    pub fn meddle(&self, deed: &Deed, app: usize) {
        let app = self.plans.borrow().model.apps[app].name;
        if let Deed::Weigh(_)
        | Deed::Unweigh(_)
        | Deed::DropRoute(_)
        | Deed::GatewayDown(_)
        | Deed::GatewayUp(_) = deed
        {
            let routes =
                self.plans.borrow().model.apps.iter().find(|a| a.name == app).map(App::routes);
            // Of two the second one is there only while traffic is shared.
            for object in routes.into_iter().flatten().rev() {
                if self.meddle_with_route(deed, app, &object) {
                    return;
                }
            }
            return;
        }
        let people = self.sandbox.cluster_of("kubectl");
        let mut workloads = self.workloads(app);
        workloads.extend(self.workloads(&side_of(app)));
        if workloads.is_empty() {
            return;
        }
        let object = self.random.borrow_mut().pick(&workloads).clone();
        self.audit.borrow_mut().disturbed(
            self.now.get(),
            app,
            &object,
            !matches!(deed, Deed::Touch(_)),
        );
        if matches!(deed, Deed::Scale(_) | Deed::Unplug(_) | Deed::Replace(_)) {
            self.audit.borrow_mut().took(self.now.get(), &object);
        }
        let head = json!({
            "apiVersion": object.api_version, "kind": object.kind,
            "metadata": {"name": object.name, "namespace": object.namespace},
        });
        match deed {
            Deed::Scale(_) => {
                let mut body = head;
                body["spec"] = json!({"replicas": self.below(6)});
                let _ = people.write(&object, &body, &WriteMode::Any, false);
            }
            Deed::Touch(_) => self.bump(&object),
            Deed::Unplug(_) => {
                let _ = people.remove(&object, None);
                self.audit.borrow_mut().deleted(&object);
            }
            Deed::Replace(_) => {
                let Ok(Some(live)) = people.read(&object) else { return };
                let mut live = Value::clone(&live);
                let _ = people.remove(&object, None);
                if let Some(fields) = live.as_object_mut() {
                    fields.remove("status");
                }
                live["metadata"] = head["metadata"].clone();
                let _ = people.write(&object, &live, &WriteMode::CreateOnly, false);
            }
            Deed::Evict(_) => {
                let pods = KindRef::new("v1", "Pod");
                let mut victims = Vec::new();
                let _ = self.sandbox.visit(&pods, &mut |name, pod| {
                    let label = pod.pointer("/metadata/labels/app.oam.dev~1component");
                    let label = label.and_then(Value::as_str);
                    if label.is_some_and(|label| label == app || label == side_of(app)) {
                        victims.push(name.clone());
                    }
                });
                if !victims.is_empty() {
                    let victim = self.random.borrow_mut().pick(&victims).clone();
                    let _ = people.remove(&victim, None);
                    let owns = |w: &&ObjectRef| victim.name.starts_with(&format!("{}-", w.name));
                    if let Some(owner) = workloads.iter().find(owns) {
                        self.audit.borrow_mut().took(self.now.get(), owner);
                    }
                }
            }
            Deed::DropService(_) => {
                let Some(service) = self.service_of(app) else { return };
                self.audit.borrow_mut().disturbed(self.now.get(), app, &service, true);
                self.audit.borrow_mut().took(self.now.get(), &service);
                let _ = people.remove(&service, None);
                self.audit.borrow_mut().deleted(&service);
            }
            _ => {}
        }
    }

    /// A StatefulSet whose pods start in order waits for a broken one for ever,
    /// also on its way back: its controller never replaces it, people do.
    pub fn unstick(&self) {
        let people = self.sandbox.cluster_of("kubectl");
        let apps: Vec<(&'static str, String)> = {
            let plans = self.plans.borrow();
            let all = plans.model.apps.iter().flat_map(App::components);
            let sets = all.filter(|component| component.kind() == Kind::StatefulSet);
            sets.map(|set| (set.app.name, set.name())).collect()
        };
        let audit = self.audit.borrow();
        let back = |app: &str| {
            audit.entities().values().any(|r| r.entity.name == app && r.ending.is_some())
        };
        let apps: Vec<String> =
            apps.into_iter().filter(|(app, _)| back(app)).map(|(_, component)| component).collect();
        drop(audit);
        let mut stuck = Vec::new();
        let _ = self.sandbox.visit(&KindRef::new("v1", "Pod"), &mut |name, pod| {
            let label = pod.pointer("/metadata/labels/app.oam.dev~1component");
            let app = label.and_then(Value::as_str).unwrap_or_default();
            let ready = at(pod, "/status/containerStatuses/0/ready");
            if apps.iter().any(|name| name == app) && ready != Some(&Value::Bool(true)) {
                stuck.push(name.clone());
            }
        });
        for pod in stuck {
            self.say("people", || format!("delete {pod}, which never gets ready"));
            self.hit("people: deleted a broken pod");
            let _ = people.remove(&pod, None);
        }
    }

    /// One of the Services of an application: its own, or one of a revision.
    fn service_of(&self, app: &str) -> Option<ObjectRef> {
        let mut found = Vec::new();
        let _ = self.sandbox.visit(&KindRef::new("v1", "Service"), &mut |name, _| {
            let rest = name.name.strip_prefix(app);
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-v")) {
                found.push(name.clone());
            }
        });
        (!found.is_empty()).then(|| self.random.borrow_mut().pick(&found).clone())
    }

    /// Somebody edits a route by hand, takes the edit back, deletes the route,
    /// or the Gateway's controller stops and starts again.
    /// False if it is not there.
    fn meddle_with_route(&self, deed: &Deed, app: &str, object: &ObjectRef) -> bool {
        let people = self.sandbox.cluster_of("kubectl");
        let Ok(Some(live)) = people.read(object) else { return false };
        let harmful = matches!(deed, Deed::Weigh(_) | Deed::Unweigh(_) | Deed::DropRoute(_));
        self.audit.borrow_mut().disturbed(self.now.get(), app, object, harmful);
        let mut body = json!({
            "apiVersion": object.api_version, "kind": object.kind,
            "metadata": {"name": object.name, "namespace": object.namespace},
        });
        match deed {
            Deed::Weigh(_) if object.kind == "Ingress" => {
                let key = "nginx.ingress.kubernetes.io/canary-weight";
                let annotations = json!({key: self.below(100).to_string()});
                body["metadata"]["annotations"] = annotations;
                let _ = people.write(object, &body, &WriteMode::Any, false);
            }
            Deed::Weigh(_) => {
                let mut rules = at(&live, "/spec/rules").cloned().unwrap_or(Value::Null);
                let refs = rules.pointer_mut("/0/backendRefs").and_then(Value::as_array_mut);
                for backend in refs.into_iter().flatten() {
                    backend["weight"] = json!(self.below(100));
                }
                body["spec"] = json!({"parentRefs": live["spec"]["parentRefs"], "rules": rules});
                let _ = people.write(object, &body, &WriteMode::Any, false);
            }
            Deed::DropRoute(_) => {
                let _ = people.remove(object, None);
                self.audit.borrow_mut().deleted(object);
            }
            Deed::GatewayDown(_) => {
                let annotations = json!({"sandbox.tranche.dev/accept": "never"});
                body["metadata"]["annotations"] = annotations;
                let _ = people.write(object, &body, &WriteMode::Any, false);
            }
            // What is left out of an apply is given back.
            _ => {
                let _ = people.write(object, &body, &WriteMode::Any, false);
            }
        }
        true
    }

    /// Somebody changes a field that nobody of us owns.
    pub fn bump(&self, object: &ObjectRef) {
        let people = self.sandbox.cluster_of("another-controller");
        if !matches!(people.read(object), Ok(Some(_))) {
            return;
        }
        let order = self.below(1_000_000).to_string();
        let body = json!({
            "apiVersion": object.api_version, "kind": object.kind,
            "metadata": {
                "name": object.name, "namespace": object.namespace,
                "annotations": {"example.com/touched": order},
            },
        });
        let _ = people.write(object, &body, &WriteMode::Any, false);
    }
}
