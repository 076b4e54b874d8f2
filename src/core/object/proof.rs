//! The short way to "unchanged": live fields, owned fields and desired fields
//! walked side by side, without putting any set of fields together. Owns
//! speed alone: a yes is one of [`unchanged`](super::unchanged) too, and a no
//! says nothing.

use super::managed::entries_of;
use super::schema::{ListKey, ListKind, Node, shape_of};
use super::{KindRef, at};
use crate::core::object::fields::item_step;
use serde_json::{Map, Value};

/// What of an object's metadata nobody owns.
pub(super) const UNOWNED: [&str; 8] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// Whether `manager` owns on `live` exactly the fields of `desired`, with their
/// values. `metadata` stands in the place of the desired object's own.
#[must_use]
pub fn proven(
    kind: &KindRef,
    live: &Value,
    desired: &Value,
    metadata: &Value,
    manager: &str,
) -> bool {
    let mut mine = entries_of(live, manager);
    let (Some(entry), None) = (mine.next(), mine.next()) else { return false };
    if entry.get("apiVersion").and_then(Value::as_str) != Some(&kind.api_version) {
        return false;
    }
    let (Some(live), Some(desired)) = (live.as_object(), desired.as_object()) else {
        return false;
    };
    let Some(owned) = at(entry, "/fieldsV1").and_then(Value::as_object) else { return false };
    let node = shape_of(kind);
    let root = desired.iter().filter(|(name, _)| *name != "apiVersion" && *name != "kind");
    let root = root.map(|(name, value)| match name.as_str() {
        "metadata" => (name, metadata),
        _ => (name, value),
    });
    fields(root, live, owned, |name| node.field(name).0, &|node, name, live, owned, value| match (
        name, value,
    ) {
        ("metadata", Value::Object(map)) => {
            let (Value::Object(live), Value::Object(owned)) = (live, owned) else {
                return false;
            };
            let own = map.iter().filter(|(name, _)| !UNOWNED.contains(&name.as_str()));
            fields(own, live, owned, |name| node.field(name).0, &below)
        }
        _ => below(node, name, live, owned, value),
    })
}

type Below<'f> = &'f dyn Fn(&Node, &str, &Value, &Value, &Value) -> bool;

fn below(node: &Node, _: &str, live: &Value, owned: &Value, value: &Value) -> bool {
    same(node, live, owned, value)
}

/// Whether the fields of a map are those that are owned, each with its value.
/// Both come sorted by name.
fn fields<'v, 'n>(
    wanted: impl Iterator<Item = (&'v String, &'v Value)>,
    live: &Map<String, Value>,
    owned: &Map<String, Value>,
    shape: impl Fn(&str) -> &'n Node,
    below: Below<'_>,
) -> bool {
    let mut owned = owned.iter().filter(|(name, _)| *name != ".");
    for (name, value) in wanted {
        let Some((own, inner)) = owned.next() else { return false };
        let (Some(own), Some(live)) = (own.strip_prefix("f:"), live.get(name)) else {
            return false;
        };
        if own != name || !below(shape(name), name, live, inner, value) {
            return false;
        }
    }
    owned.next().is_none()
}

fn same(node: &Node, live: &Value, owned: &Value, value: &Value) -> bool {
    let Some(owned) = owned.as_object() else { return false };
    let leaf = || owned.keys().all(|name| name == ".");
    if node.atomic() {
        return leaf() && live == value;
    }
    match (value, live) {
        (Value::Object(map), Value::Object(live)) if !map.is_empty() => {
            fields(map.iter(), live, owned, |name| node.field(name).0, &below)
        }
        (Value::Array(items), Value::Array(live)) if !items.is_empty() => match node {
            Node::List { of, kind } => list(of, kind, (items, live), owned),
            _ if leaf() => items == live,
            // No schema says so, but its owner has it by items.
            _ => items_of(owned).is_some_and(|kind| list(node, &kind, (items, live), owned)),
        },
        // Empty ones and nulls have rules of their own.
        (Value::Object(_) | Value::Array(_) | Value::Null, _) => false,
        _ => leaf() && live == value,
    }
}

/// How the items of a list are told apart whose owner has them one by one. What
/// a missing key means is not known here: a dry-run tells.
fn items_of(owned: &Map<String, Value>) -> Option<ListKind> {
    let item = owned.keys().find(|name| *name != ".")?;
    if item.starts_with("v:") {
        return Some(ListKind::Set);
    }
    let keys: Map<String, Value> = serde_json::from_str(item.strip_prefix("k:")?).ok()?;
    let keys = keys.into_iter().map(|(name, _)| ListKey { name, default: None });
    Some(ListKind::Map(keys.collect()))
}

fn list(
    of: &Node,
    kind: &ListKind,
    (items, live): (&[Value], &[Value]),
    owned: &Map<String, Value>,
) -> bool {
    let count = owned.keys().filter(|name| *name != ".").count();
    // Items of others in between are merged in an order that is not told here.
    items.len() == live.len()
        && items.len() == count
        && items.iter().zip(live).all(|(item, live)| {
            let step = item_step(kind, item);
            step == item_step(kind, live)
                && owned.get(&step.print()).is_some_and(|owned| same(of, live, owned, item))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::{Applier, apply, unchanged, write_managed};
    use serde_json::json;

    fn desired() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [
                        {"name": "web", "image": "web:1", "args": ["a"],
                         "ports": [{"containerPort": 80, "name": "http"}],
                         "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                        {"name": "proxy", "image": "proxy:1", "resources": {"limits": {"cpu": "1"}}},
                    ]},
                },
            },
        })
    }

    fn live() -> Value {
        let applier = Applier { manager: "tranche", force: false, time: "2026-01-01T00:00:00Z" };
        let applied = apply(&kind(), None, &desired(), &applier).unwrap();
        let mut live = applied.object;
        live["metadata"]["managedFields"] = write_managed(&applied.managed);
        // What the server fills in.
        live["spec"]["revisionHistoryLimit"] = json!(10);
        live["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = json!("TCP");
        live
    }

    fn kind() -> KindRef {
        KindRef::new("apps/v1", "Deployment")
    }

    fn both(live: &Value, desired: &Value) -> (bool, bool) {
        let short = proven(&kind(), live, desired, &desired["metadata"], "tranche");
        (short, unchanged(live, desired, "tranche"))
    }

    #[test]
    fn what_was_applied_is_proven_by_either_way() {
        assert_eq!(both(&live(), &desired()), (true, true));
    }

    #[test]
    fn every_change_by_hand_and_in_the_plan_is_a_no() {
        let paths = [
            "/metadata/labels/app",
            "/spec/replicas",
            "/spec/selector/matchLabels/app",
            "/spec/template/spec/containers/0/image",
            "/spec/template/spec/containers/0/args/0",
            "/spec/template/spec/containers/0/ports/0/containerPort",
            "/spec/template/spec/containers/0/env/1/value",
            "/spec/template/spec/containers/0/env/1/name",
            "/spec/template/spec/containers/1/resources/limits/cpu",
        ];
        for path in paths {
            let mut edited = live();
            *edited.pointer_mut(path).unwrap() = json!("other");
            assert_eq!(both(&edited, &desired()), (false, false), "{path} by hand");
            let mut edited = desired();
            *edited.pointer_mut(path).unwrap() = json!("other");
            assert_eq!(both(&live(), &edited), (false, false), "{path} in the plan");
        }
    }

    #[test]
    fn a_field_more_or_less_is_a_no() {
        let mut more = desired();
        more["spec"]["paused"] = json!(true);
        let mut less = desired();
        less["spec"].as_object_mut().unwrap().remove("replicas");
        let mut item = desired();
        item["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().pop();
        let mut swapped = desired();
        swapped["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().reverse();
        for desired in [more, less, item, swapped] {
            assert_eq!(both(&live(), &desired), (false, false), "{desired}");
        }
        let mut added = live();
        let containers = added["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
        containers.insert(0, json!({"name": "injected", "image": "i"}));
        assert!(!both(&added, &desired()).0, "an order that is not told here");
    }

    #[test]
    fn fields_of_another_version_or_of_two_entries_prove_nothing() {
        let mut older = live();
        older["metadata"]["managedFields"][0]["apiVersion"] = json!("apps/v1beta1");
        assert_eq!(both(&older, &desired()), (false, false));
        let mut twice = live();
        let entry = twice["metadata"]["managedFields"][0].clone();
        twice["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
        assert_eq!(both(&twice, &desired()), (false, false));
    }
}
