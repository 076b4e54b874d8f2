//! Ingresses whose controllers share traffic by annotations of a second
//! Ingress. Owns the table of those controllers, the second Ingress, and what
//! is written into both.
//!
//! While weight moves the user's own Ingress points at the Service of the
//! revision that is left, and the second one, which has the same hosts and
//! paths, at that of the revision that is reached; its annotations say which
//! share of the requests it takes. At rest there is no second one.

use super::{Comparison, Header, Match, Split, ValueMatch};
use crate::core::object::{KindRef, ObjectRef, at};
use serde_json::{Map, Value, json};

const API: &str = "networking.k8s.io/v1";
const KIND: &str = "Ingress";

/// A controller that shares traffic by annotations.
#[derive(Debug)]
pub struct Class {
    /// Its name in plans, as OpenKruise has it.
    pub name: &'static str,
    /// The prefix of the annotations that say which requests are taken.
    prefix: &'static str,
    /// Annotations that the second Ingress needs besides.
    fixed: &'static [(&'static str, &'static str)],
    /// Annotations that it takes over from the first.
    taken_over: &'static [&'static str],
    /// The prefix of the annotations that change headers, if it has any.
    headers: Option<&'static str>,
    /// Whether query parameters can be compared.
    queries: bool,
}

impl PartialEq for Class {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Class {}

/// The controllers.
pub static CLASSES: &[Class] = &[
    Class {
        name: "nginx",
        prefix: "nginx.ingress.kubernetes.io/",
        fixed: &[],
        taken_over: &[],
        headers: None,
        queries: false,
    },
    Class {
        name: "higress",
        prefix: "nginx.ingress.kubernetes.io/",
        fixed: &[],
        taken_over: &[],
        headers: None,
        queries: false,
    },
    Class {
        name: "mse",
        prefix: "nginx.ingress.kubernetes.io/",
        fixed: &[],
        taken_over: &["mse.ingress.kubernetes.io/service-subset"],
        headers: Some("mse.ingress.kubernetes.io/request-header-control-"),
        queries: true,
    },
    Class {
        name: "aliyun-alb",
        prefix: "alb.ingress.kubernetes.io/",
        fixed: &[("alb.ingress.kubernetes.io/order", "1")],
        taken_over: &[],
        headers: None,
        queries: false,
    },
];

/// Says on the second Ingress which controller it is for: some share prefixes.
const MARK: &str = "tranche.dev/ingress-class";
/// The name in a match that stands for a cookie, as OpenKruise has it.
const COOKIE: &str = "canary-by-cookie";

impl Class {
    /// The controller of a name; an empty one is nginx.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let name = if name.is_empty() { "nginx" } else { name };
        CLASSES.iter().find(|class| class.name == name)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What keeps the controller from sharing traffic so, in words.
    #[must_use]
    pub fn inexpressible(&self, split: &Split) -> Option<String> {
        if let Err(why) = self.by_request(&split.matches) {
            return Some(format!("{} {why}", self.name));
        }
        (self.headers.is_none() && !split.headers.is_empty())
            .then(|| format!("{} changes no request headers for one share of them", self.name))
    }

    /// The annotations for requests that are taken whatever the weight: one
    /// header, one cookie and one query parameter, each by itself.
    fn by_request(&self, matches: &[Match]) -> Result<Vec<(String, String)>, String> {
        let mut all: Vec<(String, String)> = Vec::new();
        for one in matches {
            if one.path.is_some() {
                return Err("takes no requests by another path than the Ingress has".to_owned());
            }
            if !one.query_params.is_empty() && !self.queries {
                return Err("takes no requests by query parameters".to_owned());
            }
            let values = [("header", &one.headers), ("query", &one.query_params)];
            let values: Vec<(&str, &ValueMatch)> =
                values.iter().flat_map(|(by, list)| list.iter().map(move |v| (*by, v))).collect();
            let [(by, value)] = values.as_slice() else {
                return Err("takes requests by one condition at a time, not by several that all \
                            have to hold"
                    .to_owned());
            };
            let by = if value.name == COOKIE { "cookie" } else { by };
            let key = self.key(&format!("canary-by-{by}"));
            if all.iter().any(|(known, _)| *known == key) {
                return Err(format!("takes requests by one {by} only"));
            }
            match (by, value.comparison) {
                ("cookie", _) => all.push((key, value.value.clone())),
                (_, comparison) => {
                    let how = if comparison == Comparison::Exact { "value" } else { "pattern" };
                    all.push((format!("{key}-{how}"), value.value.clone()));
                    all.push((key, value.name.clone()));
                }
            }
        }
        Ok(all)
    }

    fn annotations(&self, split: &Split) -> Vec<(String, String)> {
        let mut all = self.by_request(&split.matches).unwrap_or_default();
        let weight = split.weight.unwrap_or_default();
        all.push((self.key("canary-weight"), weight.to_string()));
        if let Some(prefix) = self.headers {
            let lines = |list: &[Header]| {
                let lines: Vec<String> =
                    list.iter().map(|h| format!("{} {}", h.name, h.value)).collect();
                lines.join("\n")
            };
            let changes = [
                ("update", lines(&split.headers.set)),
                ("add", lines(&split.headers.add)),
                ("remove", split.headers.remove.join("\n")),
            ];
            let said = changes.into_iter().filter(|(_, text)| !text.is_empty());
            all.extend(said.map(|(how, text)| (format!("{prefix}{how}"), text)));
        }
        all
    }
}

/// The reference of an Ingress by its name.
#[must_use]
pub fn ingress(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(&KindRef::new(API, KIND), Some(namespace), name)
}

/// Whether a rendered route is there only while traffic is shared.
#[must_use]
pub fn is_made(body: &Value) -> bool {
    class_of(body).is_some()
}

/// Whether a live route is there only while traffic is shared, and takes
/// nothing of it: as a creation of ours is that landed late.
#[must_use]
pub fn takes_nothing(live: &Value) -> bool {
    class_of(live).is_some_and(|class| {
        let says = |name: &str| {
            let annotations = at(live, "/metadata/annotations");
            annotations.and_then(|all| all.get(class.key(name))?.as_str())
        };
        let by_request = ["canary-by-header", "canary-by-cookie", "canary-by-query"];
        says("canary-weight") == Some("0") && by_request.iter().all(|name| says(name).is_none())
    })
}

/// A route that is there only while traffic is shared, as it is created: taking
/// nothing. None of any other, and of one that takes nothing anyway.
#[must_use]
pub fn idle(body: &Value) -> Option<Value> {
    let class = class_of(body).filter(|_| !takes_nothing(body))?;
    let mut idle = body.clone();
    let by_request = class.key("canary-by-");
    let annotations = idle.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)?;
    annotations.retain(|key, _| !key.starts_with(&by_request));
    annotations.insert(class.key("canary-weight"), json!("0"));
    Some(idle)
}

pub(super) fn is_ingress(object: &ObjectRef) -> bool {
    object.api_version == API && object.kind == KIND
}

/// The name of the second Ingress.
#[must_use]
pub fn second_name(name: &str) -> String {
    format!("{name}-canary")
}

/// The second Ingress, made of the user's: the rules that lead to `service`
/// and nothing of what other controllers act on.
#[must_use]
pub fn second(first: &Value, class: &Class, service: &str) -> Value {
    let name = at(first, "/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let mut metadata = json!({"name": second_name(name)});
    for field in ["namespace", "labels"] {
        if let Some(value) = first.get("metadata").and_then(|metadata| metadata.get(field)) {
            metadata[field] = value.clone();
        }
    }
    let mut annotations = Map::new();
    annotations.insert(MARK.to_owned(), json!(class.name));
    annotations.insert(class.key("canary"), json!("true"));
    for (key, value) in class.fixed {
        annotations.insert((*key).to_owned(), json!(value));
    }
    let given = at(first, "/metadata/annotations").and_then(Value::as_object);
    for (key, value) in given.into_iter().flatten() {
        // The class, where it is said by the older annotation.
        if class.taken_over.contains(&key.as_str()) || key == "kubernetes.io/ingress.class" {
            annotations.insert(key.clone(), value.clone());
        }
    }
    metadata["annotations"] = Value::Object(annotations);
    let mut spec = Map::new();
    for field in ["ingressClassName", "tls"] {
        if let Some(value) = first.get("spec").and_then(|spec| spec.get(field)) {
            spec.insert(field.to_owned(), value.clone());
        }
    }
    let rules = at(first, "/spec/rules").and_then(Value::as_array);
    let narrowed = rules.into_iter().flatten().filter_map(|rule| {
        let paths = at(rule, "/http/paths")?.as_array()?;
        let mine: Vec<Value> =
            paths.iter().filter(|path| leads_to(path, service)).cloned().collect();
        if mine.is_empty() {
            return None;
        }
        let mut rule = rule.clone();
        rule["http"]["paths"] = Value::Array(mine);
        Some(rule)
    });
    spec.insert("rules".to_owned(), narrowed.collect());
    json!({"apiVersion": API, "kind": KIND, "metadata": metadata, "spec": spec})
}

fn leads_to(path: &Value, service: &str) -> bool {
    at(path, "/backend/service/name").and_then(Value::as_str) == Some(service)
}

/// The controller of a second Ingress; none of any other.
fn class_of(ingress: &Value) -> Option<&'static Class> {
    Class::named(at(ingress, "/metadata/annotations")?.get(MARK)?.as_str()?)
}

/// The Services that an Ingress leads to, in order of their names.
pub(super) fn backends(ingress: &Value) -> Vec<&str> {
    let rules = at(ingress, "/spec/rules").and_then(Value::as_array);
    let paths = rules.into_iter().flatten().filter_map(|rule| at(rule, "/http/paths")?.as_array());
    let mut names: Vec<&str> =
        paths.flatten().filter_map(|path| at(path, "/backend/service/name")?.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Writes a share into a rendered Ingress, the first or the second.
pub(super) fn share(body: &mut Value, split: &Split) {
    if split.weight.is_none() {
        return;
    }
    let second = class_of(body);
    let to = match second {
        Some(_) => split.target_service(),
        None => split.left_service(),
    };
    if let Some(class) = second {
        for (key, value) in class.annotations(split) {
            body["metadata"]["annotations"][key] = json!(value);
        }
    }
    let rules = body.pointer_mut("/spec/rules").and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten() {
        let paths = rule.pointer_mut("/http/paths").and_then(Value::as_array_mut);
        for path in paths.into_iter().flatten() {
            if leads_to(path, split.service.as_str()) {
                path["backend"]["service"]["name"] = json!(to);
            }
        }
    }
}
