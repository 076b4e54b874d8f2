//! The table of cases: reading it, and turning a step into a request. Owns the
//! table's notation:
//!
//! ```yaml
//! - case: what must be so
//!   steps:
//!     - APPLY deployments/web?force=true: {$base: web, spec: {replicas: 2}}
//!     - DELETE configmaps/a: {preconditions: {uid: "{1.metadata.uid}"}}
//! ```
//!
//! `APPLY`, `MERGE`, `STRATEGIC` and `JSON` are PATCHes of that type. A path
//! without a leading slash is one of the case's own namespace. An applied or
//! posted body names its kind and itself if it does not say otherwise (`$as`
//! set to `raw` stops that); `$base` merges it over one of `bases.yaml`.
//! `{N.path}` is a value of the N-th answer, `{ns}` the case's namespace.
//! A step is a map of one request to its body. A second key says in which way,
//! and why, the two answers may differ: [`Exception`].

use crate::server::Call;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

pub struct Case {
    pub name: String,
    pub steps: Vec<Step>,
}

pub struct Step {
    pub request: String,
    body: Value,
    pub exception: Option<Exception>,
}

/// How a step's answers differ on purpose. Each needs a reason in the table,
/// and each is checked: a difference that is gone has to be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// The embedded cluster does not model it, and says so: 501.
    Refused,
    /// The embedded cluster refuses what the real one takes.
    Stricter,
    /// The embedded cluster takes what the real one refuses.
    Laxer,
    /// Both refuse with the same code, in other words.
    Words,
}

const EXCEPTIONS: [(&str, Exception); 4] = [
    ("refused", Exception::Refused),
    ("stricter", Exception::Stricter),
    ("laxer", Exception::Laxer),
    ("words", Exception::Words),
];

/// Plural, API version and kind of what cases name by a short path.
const KINDS: &[(&str, &str, &str)] = &[
    ("configmaps", "v1", "ConfigMap"),
    ("secrets", "v1", "Secret"),
    ("services", "v1", "Service"),
    ("serviceaccounts", "v1", "ServiceAccount"),
    ("pods", "v1", "Pod"),
    ("persistentvolumeclaims", "v1", "PersistentVolumeClaim"),
    ("deployments", "apps/v1", "Deployment"),
    ("replicasets", "apps/v1", "ReplicaSet"),
    ("statefulsets", "apps/v1", "StatefulSet"),
    ("daemonsets", "apps/v1", "DaemonSet"),
    ("controllerrevisions", "apps/v1", "ControllerRevision"),
    ("jobs", "batch/v1", "Job"),
    ("cronjobs", "batch/v1", "CronJob"),
    ("leases", "coordination.k8s.io/v1", "Lease"),
    ("ingresses", "networking.k8s.io/v1", "Ingress"),
    ("networkpolicies", "networking.k8s.io/v1", "NetworkPolicy"),
    ("poddisruptionbudgets", "policy/v1", "PodDisruptionBudget"),
    ("horizontalpodautoscalers", "autoscaling/v2", "HorizontalPodAutoscaler"),
    ("roles", "rbac.authorization.k8s.io/v1", "Role"),
    ("rolebindings", "rbac.authorization.k8s.io/v1", "RoleBinding"),
];

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

pub fn read_yaml(file: &str) -> Value {
    let path = directory().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The cases of one file, in order.
pub fn cases(file: &str) -> Vec<Case> {
    let table = read_yaml(file);
    let case = |entry: &Value| Case {
        name: entry["case"].as_str().expect("a case has a name").to_owned(),
        steps: entry["steps"].as_array().expect("a case has steps").iter().map(step).collect(),
    };
    table.as_array().expect("a table of cases").iter().map(case).collect()
}

fn step(entry: &Value) -> Step {
    let map = entry.as_object().unwrap_or_else(|| panic!("no step: {entry}"));
    let mut exception = None;
    for (name, kind) in EXCEPTIONS {
        if let Some(why) = map.get(name) {
            assert!(why.as_str().is_some_and(|why| why.len() > 10), "no reason: {entry}");
            exception = Some(kind);
        }
    }
    let mut requests = map.iter().filter(|(name, _)| EXCEPTIONS.iter().all(|e| e.0 != *name));
    let (request, body) = requests.next().unwrap_or_else(|| panic!("no request: {entry}"));
    assert!(requests.next().is_none(), "two requests in one step: {entry}");
    Step { request: request.clone(), body: body.clone(), exception }
}

impl Step {
    /// The request, with the values of earlier answers of the same server.
    pub fn call(&self, namespace: &str, answers: &[Value], bases: &Value) -> Call {
        let fill = |text: &str| fill(text, namespace, answers);
        let request = fill(&self.request);
        let (verb, target) = request.split_once(' ').expect("a method and a path");
        let (place, query) = target.split_once('?').unwrap_or((target, ""));
        let (method, media) = match verb {
            "APPLY" => ("PATCH", "application/apply-patch+yaml"),
            "MERGE" => ("PATCH", "application/merge-patch+json"),
            "STRATEGIC" => ("PATCH", "application/strategic-merge-patch+json"),
            "JSON" => ("PATCH", "application/json-patch+json"),
            other => (other, "application/json"),
        };
        let (path, kind) = resolve(place, namespace);
        let mut query = query.to_owned();
        let manager = query.contains("fieldManager=");
        if !manager && matches!(verb, "APPLY" | "MERGE" | "STRATEGIC" | "JSON" | "PUT" | "POST") {
            let name = if verb == "APPLY" { "tranche" } else { "kubectl-edit" };
            query = format!("{query}&fieldManager={name}").trim_start_matches('&').to_owned();
        }
        let path = if query.is_empty() { path } else { format!("{path}?{query}") };
        let mut body = filled(&self.body, namespace, answers);
        if let Some(base) = body.as_object_mut().and_then(|body| body.remove("$base")) {
            let mut whole = bases[base.as_str().unwrap()].clone();
            assert!(!whole.is_null(), "no base {base}");
            merge(&mut whole, &body);
            body = whole;
        }
        let raw = body.as_object_mut().and_then(|body| body.remove("$as")).is_some();
        let whole = matches!(verb, "APPLY" | "POST" | "PUT") && !place.contains("/scale");
        if let Some((version, kind, name)) = kind.filter(|_| !raw && whole && body.is_object()) {
            name_itself(&mut body, version, kind, name);
        }
        let body = match &body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Call { method: method.to_owned(), path, media: media.to_owned(), body }
    }
}

/// The full path, and what a body at a short one is: version, kind, name.
fn resolve<'a>(
    place: &'a str,
    namespace: &str,
) -> (String, Option<(&'static str, &'static str, &'a str)>) {
    if place.starts_with('/') {
        return (place.to_owned(), None);
    }
    let plural = place.split('/').next().unwrap();
    let name = place.split('/').nth(1).unwrap_or("");
    if plural == "namespaces" {
        return (format!("/api/v1/{place}"), Some(("v1", "Namespace", name)));
    }
    let (_, version, kind) =
        KINDS.iter().find(|row| row.0 == plural).unwrap_or_else(|| panic!("no kind {plural}"));
    let root = if version.contains('/') { "apis" } else { "api" };
    (format!("/{root}/{version}/namespaces/{namespace}/{place}"), Some((version, kind, name)))
}

fn name_itself(body: &mut Value, version: &str, kind: &str, name: &str) {
    let fields = body.as_object_mut().unwrap();
    fields.entry("apiVersion").or_insert_with(|| json!(version));
    fields.entry("kind").or_insert_with(|| json!(kind));
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    if let Some(metadata) = metadata.as_object_mut().filter(|_| !name.is_empty()) {
        metadata.entry("name").or_insert_with(|| json!(name));
    }
}

/// `{N.path}` and `{ns}` in a text.
fn fill(text: &str, namespace: &str, answers: &[Value]) -> String {
    let mut out = text.replace("{ns}", namespace);
    for (index, answer) in answers.iter().enumerate() {
        let mark = format!("{{{}.", index + 1);
        while let Some(start) = out.find(&mark) {
            let end = out[start..].find('}').expect("a closed reference") + start;
            let pointer = format!("/{}", out[start + mark.len()..end].replace('.', "/"));
            let value = answer.pointer(&pointer);
            // A server that gave no such value is compared all the same.
            let value = value.map_or_else(
                || "none".to_owned(),
                |v| match v {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                },
            );
            out.replace_range(start..=end, &value);
        }
    }
    out
}

fn filled(value: &Value, namespace: &str, answers: &[Value]) -> Value {
    match value {
        Value::String(text) => match whole(text, answers) {
            Some(found) => found,
            None => Value::String(fill(text, namespace, answers)),
        },
        Value::Array(items) => items.iter().map(|v| filled(v, namespace, answers)).collect(),
        Value::Object(map) => {
            let all = map.iter().map(|(name, value)| {
                (fill(name, namespace, answers), filled(value, namespace, answers))
            });
            Value::Object(all.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// `{N}` alone: the whole N-th answer.
fn whole(text: &str, answers: &[Value]) -> Option<Value> {
    let number: usize = text.strip_prefix('{')?.strip_suffix('}')?.parse().ok()?;
    answers.get(number.checked_sub(1)?).cloned()
}

/// `right` over `left`, as a JSON merge patch; a null stays one.
fn merge(left: &mut Value, right: &Value) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            for (name, value) in right {
                merge(left.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (left, right) => *left = right.clone(),
    }
}
