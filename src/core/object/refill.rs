//! What a server has filled into lists and maps that are replaced whole. Owns
//! telling that from what was applied, for merges that no server does: of a
//! field in such a list only its last applied state says who put it there.

use super::KindRef;
use super::fields::{FieldSet, Step, item_step};
use super::learned::shape_beside;
use super::managed::owned_by;
use super::schema::{ListKind, Node};
use serde_json::{Map, Value};

/// `merged` with what the server has filled into `live`, where `manager` owns a
/// list or map as a whole. `before` is what it has applied last; what is in
/// neither of the two, and in `live`, is the server's.
#[must_use]
pub fn refilled(
    kind: &KindRef,
    live: &Value,
    before: &Value,
    merged: &Value,
    manager: &str,
) -> Value {
    let owned = owned_by(live, manager);
    granular(&shape_beside(kind, Some(live)), (live, before, merged), Some(&owned))
}

/// Live, applied before, to be.
type Three<'v> = (&'v Value, &'v Value, &'v Value);

fn granular(node: &Node, three: Three<'_>, owned: Option<&FieldSet>) -> Value {
    let (live, before, new) = three;
    let Some(owned) = owned.filter(|_| live != new) else { return new.clone() };
    // What somebody else has written last has nothing of the server's that is ours.
    if owned.is_leaf() {
        return whole(three);
    }
    let below = |step: &Step| owned.at(std::slice::from_ref(step));
    match (live, new, node) {
        (Value::Object(there), Value::Object(map), _) => {
            let field = |(name, new): (&String, &Value)| {
                let Some(live) = there.get(name) else { return (name.clone(), new.clone()) };
                let three = (live, &before[name.as_str()], new);
                (name.clone(), granular(node.field(name).0, three, below(&Step::field(name))))
            };
            Value::Object(map.iter().map(field).collect())
        }
        (Value::Array(there), Value::Array(items), Node::List { of, kind }) => {
            let item = |new: &Value| {
                let step = item_step(kind, new);
                let same = |item: &&Value| item_step(kind, item) == step;
                let Some(live) = there.iter().find(same) else { return new.clone() };
                let old = before.as_array().and_then(|items| items.iter().find(same));
                granular(of, (live, old.unwrap_or(&Value::Null), new), below(&step))
            };
            match kind {
                ListKind::Atomic => new.clone(),
                _ => items.iter().map(item).collect(),
            }
        }
        _ => new.clone(),
    }
}

fn whole((live, before, new): Three<'_>) -> Value {
    match (live, before, new) {
        (Value::Object(live), Value::Object(before), Value::Object(new)) => {
            let null = Value::Null;
            let mut out = Map::new();
            for (name, value) in new {
                let filled = live.get(name).map(|live| {
                    let before = before.get(name).unwrap_or(&null);
                    whole((live, before, value))
                });
                out.insert(name.clone(), filled.unwrap_or_else(|| value.clone()));
            }
            for (name, value) in live.iter().filter(|(name, _)| !before.contains_key(*name)) {
                out.entry(name).or_insert_with(|| value.clone());
            }
            Value::Object(out)
        }
        // A server fills items in, and adds none.
        (Value::Array(live), Value::Array(before), Value::Array(new))
            if live.len() == before.len() =>
        {
            let item = |(place, item): (usize, &Value)| {
                let same_place = Some(place).filter(|_| new.len() == before.len());
                let then = before.iter().position(|then| then == item).or(same_place);
                match then.and_then(|at| Some((live.get(at)?, before.get(at)?))) {
                    Some((live, before)) => whole((live, before, item)),
                    None => item.clone(),
                }
            };
            new.iter().enumerate().map(item).collect()
        }
        (_, _, new) => new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::{Applier, apply, write_managed};
    use serde_json::json;

    fn claims(items: &Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "default"},
            "spec": {"serviceName": "db", "volumeClaimTemplates": items}})
    }

    fn kind() -> KindRef {
        KindRef::new("apps/v1", "StatefulSet")
    }

    fn named(name: &str, spec: &Value) -> Value {
        json!({"metadata": {"name": name}, "spec": spec})
    }

    /// What is to be of `new`, applied over `before` as the server keeps it.
    fn after(before: &Value, new: &Value, manager: &str) -> Value {
        let applier = Applier { manager, force: true, time: "2026-01-01T00:00:00Z" };
        let before = claims(before);
        let applied = apply(&kind(), None, &before, &applier).unwrap();
        let mut live = applied.object;
        live["metadata"]["managedFields"] = write_managed(&applied.managed);
        for claim in live["spec"]["volumeClaimTemplates"].as_array_mut().unwrap() {
            claim["status"] = json!({"phase": "Pending"});
            claim["spec"]["volumeMode"] = json!("Filesystem");
        }
        let ours = Applier { manager: "tranche", ..applier };
        let merged = apply(&kind(), Some(&live), &claims(new), &ours).unwrap().object;
        let refilled = refilled(&kind(), &live, &before, &merged, "tranche");
        refilled["spec"]["volumeClaimTemplates"].clone()
    }

    #[test]
    fn what_the_server_filled_in_stays_and_what_the_plan_takes_out_goes() {
        let before = json!([named("a", &json!({"size": 1, "class": "fast"}))]);
        let got = after(&before, &json!([named("a", &json!({"size": 2}))]), "tranche");
        let mut filled = named("a", &json!({"size": 2, "volumeMode": "Filesystem"}));
        filled["status"] = json!({"phase": "Pending"});
        assert_eq!(got, json!([filled]));
    }

    #[test]
    fn an_item_is_found_again_by_what_it_was_and_a_new_one_is_bare() {
        let (a, b) = (named("a", &json!({"size": 1})), named("b", &json!({"size": 1})));
        let got = after(&json!([a, b]), &json!([named("c", &json!({})), b, a]), "tranche");
        assert_eq!(got[0], named("c", &json!({})));
        assert_eq!(got[1]["metadata"]["name"], "b");
        assert_eq!(got[2]["spec"]["volumeMode"], "Filesystem");
    }

    #[test]
    fn of_what_somebody_else_wrote_nothing_is_taken_for_the_servers() {
        let before = json!([named("a", &json!({"size": 1}))]);
        let new = json!([named("a", &json!({"size": 2}))]);
        assert_eq!(after(&before, &new, "other"), new);
    }
}
