//! The shape of kinds that no schema here knows, as far as an object's own
//! `managedFields` show it: the server writes an owner's list items by their
//! keys there, or by value, where the list is a map or a set. Owns reading that
//! back. What nobody owns yet stays unknown: a new list is one for all.

use super::KindRef;
use super::fields::{FieldSet, Step};
use super::managed::{ManagedEntry, Operation, managed_of};
use super::schema::{ListKey, ListKind, Node, common_shape, own_shape};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The shape of an object: by the schema of its kind, else by its owners.
pub(super) fn shape_beside(kind: &KindRef, live: Option<&Value>) -> Cow<'static, Node> {
    if let Some(known) = own_shape(kind) {
        return Cow::Borrowed(known);
    }
    shape_by(kind, &live.map(managed_of).unwrap_or_default())
}

/// The same from owners that are read already.
pub(super) fn shape_by(kind: &KindRef, owners: &[ManagedEntry]) -> Cow<'static, Node> {
    if let Some(known) = own_shape(kind) {
        return Cow::Borrowed(known);
    }
    let known = common_shape();
    let of_version = owners.iter().filter(|entry| entry.api_version == kind.api_version);
    let sets: Vec<Owned<'_>> = of_version
        .map(|entry| Owned { set: &entry.fields, applied: entry.operation == Operation::Apply })
        .collect();
    // Most have no such list, and the common shape does.
    if !sets.iter().any(|owned| has_items(owned.set)) {
        return Cow::Borrowed(known);
    }
    let mut fields = BTreeMap::new();
    for (name, below) in by_field(&sets) {
        let (node, declared) = known.field(name);
        let node = if *node == Node::Untyped { learn(&below) } else { node.clone() };
        fields.insert(name.to_owned(), (node, declared));
    }
    for name in ["apiVersion", "kind", "metadata", "spec", "status"] {
        let (node, declared) = known.field(name);
        fields.entry(name.to_owned()).or_insert_with(|| (node.clone(), declared));
    }
    Cow::Owned(Node::Learned(fields))
}

/// What one owner has at one place.
#[derive(Clone, Copy)]
struct Owned<'s> {
    set: &'s FieldSet,
    /// By an apply: then it lists exactly what was sent.
    applied: bool,
}

fn has_items(set: &FieldSet) -> bool {
    set.steps().any(|(step, inner)| !matches!(step, Step::Field(_)) || has_items(inner))
}

fn by_field<'s>(sets: &[Owned<'s>]) -> BTreeMap<&'s str, Vec<Owned<'s>>> {
    let mut fields: BTreeMap<&str, Vec<Owned<'_>>> = BTreeMap::new();
    for owned in sets {
        for (step, set) in owned.set.steps() {
            if let Step::Field(name) = step {
                fields.entry(name).or_default().push(Owned { set, ..*owned });
            }
        }
    }
    fields
}

fn learn(sets: &[Owned<'_>]) -> Node {
    let items: Vec<(&Step, Owned<'_>)> = sets
        .iter()
        .flat_map(|owned| owned.set.steps().map(|(step, set)| (step, Owned { set, ..*owned })))
        .filter(|(step, _)| !matches!(step, Step::Field(_)))
        .collect();
    if items.iter().any(|(step, _)| matches!(step, Step::Value(_))) {
        return Node::List { of: Box::new(Node::Untyped), kind: ListKind::Set };
    }
    let keys = keys(&items);
    if !keys.is_empty() {
        let below: Vec<Owned<'_>> = items.into_iter().map(|(_, owned)| owned).collect();
        return Node::List { of: Box::new(learn(&below)), kind: ListKind::Map(keys) };
    }
    let fields = by_field(sets);
    if fields.is_empty() {
        return Node::Untyped;
    }
    let fields = fields.into_iter().map(|(name, sets)| (name.to_owned(), (learn(&sets), false)));
    Node::Learned(fields.collect())
}

/// The keys of a list by its items' own; the default of one is the value that an
/// item has in its key and its applier has not sent.
fn keys(items: &[(&Step, Owned<'_>)]) -> Vec<ListKey> {
    let mut keys: BTreeMap<String, Option<Value>> = BTreeMap::new();
    for (step, owned) in items {
        let Step::Key(text) = step else { continue };
        let values: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        for (name, value) in values {
            let sent = owned.set.at(&[Step::field(&name)]).is_some();
            let default = keys.entry(name).or_default();
            if owned.applied && !sent {
                *default = Some(value);
            }
        }
    }
    keys.into_iter().map(|(name, default)| ListKey { name, default }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::fields::fields_in;
    use serde_json::json;

    fn live(fields: &Value, operation: &str) -> Value {
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w",
            "managedFields": [{"manager": "tranche", "operation": operation,
                "apiVersion": "example.com/v1", "fieldsType": "FieldsV1", "fieldsV1": fields}]}})
    }

    fn ports() -> Value {
        json!({"f:spec": {
            "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {},
                "f:tags": {"v:\"a\"": {}}}},
            "f:args": {},
        }})
    }

    #[test]
    fn lists_are_told_apart_as_the_server_tells_them() {
        let kind = KindRef::new("example.com/v1", "Widget");
        let shape = shape_beside(&kind, Some(&live(&ports(), "Apply")));
        let object = json!({"spec": {"args": ["x"], "new": [{"port": 1}], "ports": [
            {"port": 81, "tags": ["b"]}]}, "metadata": {"finalizers": ["f/g"]}});
        let expected = json!({
            "f:metadata": {"f:finalizers": {"v:\"f/g\"": {}}},
            "f:spec": {
                "f:args": {}, "f:new": {},
                "f:ports": {".": {}, "k:{\"port\":81,\"protocol\":\"TCP\"}": {".": {}, "f:port": {},
                    "f:tags": {".": {}, "v:\"b\"": {}}}},
            },
        });
        assert_eq!(fields_in(&shape, &object).print(), expected);
    }

    #[test]
    fn a_key_that_an_update_does_not_list_is_no_default() {
        let kind = KindRef::new("example.com/v1", "Widget");
        let shape = shape_beside(&kind, Some(&live(&ports(), "Update")));
        let object = json!({"spec": {"ports": [{"port": 81}]}});
        let set = fields_in(&shape, &object);
        assert!(set.texts().contains(&".spec.ports[port=81]".to_owned()), "{:?}", set.texts());
    }

    #[test]
    fn an_object_without_such_lists_has_the_common_shape() {
        let kind = KindRef::new("example.com/v1", "Widget");
        let plain = live(&json!({"f:spec": {"f:size": {}}}), "Apply");
        assert!(matches!(shape_beside(&kind, Some(&plain)), Cow::Borrowed(_)));
    }
}
