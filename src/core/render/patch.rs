//! A trait's patch onto a workload. Owns which lists are matched by a key.

use serde_json::{Map, Value};

/// The key that tells the members of a list apart.
fn key_of(list: &str) -> Option<&'static str> {
    match list {
        "containers" | "initContainers" | "volumes" | "env" | "ports" | "imagePullSecrets" => {
            Some("name")
        }
        "volumeMounts" => Some("mountPath"),
        "hostAliases" => Some("ip"),
        _ => None,
    }
}

/// Merges `patch` into `target`: maps by key, `null` deletes, keyed lists by
/// their members' key, everything else is replaced.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            map.remove(name);
            continue;
        }
        let slot = map.entry(name.clone()).or_insert(Value::Null);
        match (key_of(name), &mut *slot, change) {
            (Some(key), Value::Array(members), Value::Array(changes)) => {
                changes.iter().for_each(|change| merge_member(members, key, change));
            }
            _ => merge(slot, change),
        }
    }
}

fn merge_member(members: &mut Vec<Value>, key: &str, change: &Value) {
    let name = change.get(key);
    let at = members.iter().position(|member| match name {
        Some(name) => member.get(key) == Some(name),
        None => member == change,
    });
    match at.and_then(|at| members.get_mut(at)) {
        Some(member) => merge(member, change),
        None => {
            let mut member = Value::Null;
            merge(&mut member, change);
            members.push(member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_matched_by_name_and_null_deletes() {
        let mut target = json!({"labels": {"a": "1", "b": "2"}, "containers": [
            {"name": "x", "image": "i", "env": [{"name": "A", "value": "1"}], "args": ["p"]},
            {"name": "y"}]});
        let patch = json!({"labels": {"a": null, "c": "3"}, "containers": [
            {"name": "x", "env": [{"name": "A", "value": "2"}, {"name": "B", "value": null}],
             "args": ["q"]}, {"name": "z"}]});
        merge(&mut target, &patch);
        let expected = json!({"labels": {"b": "2", "c": "3"}, "containers": [
            {"name": "x", "image": "i", "env": [{"name": "A", "value": "2"}, {"name": "B"}],
             "args": ["q"]}, {"name": "y"}, {"name": "z"}]});
        assert_eq!(target, expected);
    }
}
