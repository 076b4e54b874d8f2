//! An object taken apart into its single values, each at a path of its own.
//! Owns what counts as one value: what is owned as a whole is one, and so is
//! the order of a list whose items are known by keys. It must never drop a
//! value: two objects with equal leaves are the same.

use super::fields::{Step, item_step, path_text};
use super::schema::{Node, shape_of};
use super::{KindRef, at};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every value of an object by its path, as the API server writes paths.
#[must_use]
pub fn leaves(kind: &KindRef, object: &Value) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    take(shape_of(kind), object, &mut Vec::new(), &mut out);
    out
}

fn take(
    node: &'static Node,
    value: &Value,
    path: &mut Vec<Step>,
    out: &mut BTreeMap<String, Value>,
) {
    match value {
        Value::Object(map) if !node.atomic() && !map.is_empty() => {
            for (name, value) in map {
                path.push(Step::field(name));
                take(node.field(name).0, value, path, out);
                path.pop();
            }
        }
        Value::Array(items) if !node.atomic() && !items.is_empty() => match node {
            Node::List { of, kind } => {
                let mut order = Vec::new();
                for item in items {
                    path.push(item_step(kind, item));
                    order.push(Value::String(path_text(path)));
                    take(of, item, path, out);
                    path.pop();
                }
                put(path, Value::Array(order), out);
            }
            _ => put(path, value.clone(), out),
        },
        _ => put(path, value.clone(), out),
    }
}

/// Items of a list may have the same keys, where the server lets them.
fn put(path: &[Step], value: Value, out: &mut BTreeMap<String, Value>) {
    let mut name = path_text(path);
    while out.contains_key(&name) {
        name.push('\'');
    }
    out.insert(name, value);
}

/// Whether a path is one that the server fills in by what is free at that
/// moment, unless `body` asks for a certain value: no two dry-runs of the same
/// creation agree on it.
#[must_use]
pub fn allotted(kind: &KindRef, path: &str, body: Option<&Value>) -> bool {
    if kind.api_version != "v1" || kind.kind != "Service" {
        return false;
    }
    let asked = |pointer: &str| body.is_some_and(|body| at(body, pointer).is_some());
    if path.starts_with(".spec.clusterIP") {
        return !asked("/spec/clusterIP") && !asked("/spec/clusterIPs");
    }
    if path == ".spec.healthCheckNodePort" {
        return !asked("/spec/healthCheckNodePort");
    }
    let ports = body.and_then(|body| at(body, "/spec/ports")).and_then(Value::as_array);
    let named = ports.into_iter().flatten().any(|port| port.get("nodePort").is_some());
    path.ends_with(".nodePort") && !named
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn items_have_their_keys_and_their_order_and_what_is_whole_stays_so() {
        let kind = KindRef::new("apps/v1", "Deployment");
        let object = json!({"metadata": {"labels": {}}, "spec": {"template": {"spec": {
            "containers": [{"name": "b", "args": ["x", "y"]}, {"name": "a"}]}}}});
        let found = leaves(&kind, &object);
        let all = ".spec.template.spec.containers";
        let (a, b) = (format!("{all}[name=\"a\"]"), format!("{all}[name=\"b\"]"));
        assert_eq!(found[".metadata.labels"], json!({}));
        assert_eq!(found[&format!("{b}.args")], json!(["x", "y"]));
        assert_eq!(found[all], json!([b, a]), "the order is a value of its own");
        assert_eq!(found.len(), 5);
        let route = KindRef::new("gateway.networking.k8s.io/v1", "HTTPRoute");
        let found = leaves(&route, &json!({"spec": {"rules": [{"a": 1}]}}));
        assert_eq!(found[".spec.rules"], json!([{"a": 1}]));
    }

    #[test]
    fn equal_keys_lose_nothing() {
        let kind = KindRef::new("v1", "Pod");
        let env = |second: &str| {
            json!({"spec": {"containers": [{"name": "x", "env":
                [{"name": "A", "value": "1"}, {"name": "A", "value": second}]}]}})
        };
        assert_ne!(leaves(&kind, &env("2")), leaves(&kind, &env("3")));
    }

    #[test]
    fn what_is_allotted_counts_only_where_it_was_asked_for() {
        let kind = KindRef::new("v1", "Service");
        let asks = json!({"spec": {"clusterIP": "None"}});
        assert!(allotted(&kind, ".spec.clusterIPs", None));
        assert!(!allotted(&kind, ".spec.clusterIPs", Some(&asks)));
        assert!(allotted(&kind, ".spec.ports[port=80,protocol=\"TCP\"].nodePort", Some(&asks)));
        assert!(!allotted(&KindRef::new("v1", "Pod"), ".spec.clusterIP", None));
    }
}
