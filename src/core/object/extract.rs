//! The part of an object that a field set names. Owns nothing but that cut; it
//! needs no schema, because a field set says itself where lists are lists of
//! items.

use super::fields::{FieldSet, Step, canonical};
use serde_json::{Map, Value};

/// The values of the fields in `set`, as an object of their own: what a
/// manager would apply to change nothing of what it owns.
#[must_use]
pub fn extract(object: &Value, set: &FieldSet) -> Value {
    // A leaf of the set owns all that is below it.
    if set.is_leaf() {
        return object.clone();
    }
    match object {
        Value::Object(fields) => {
            let kept = fields.iter().filter_map(|(name, value)| {
                let inner = set.at(&[Step::field(name)])?;
                Some((name.clone(), extract(value, inner)))
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().filter_map(|item| extract_item(item, set)).collect(),
        other => other.clone(),
    }
}

/// Whether there is something at a path.
#[must_use]
pub fn holds(object: &Value, path: &[Step]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let inner = match (first, object) {
        (Step::Field(name), Value::Object(fields)) => fields.get(name),
        (Step::Key(keys), Value::Array(items)) => items.iter().find(|item| has_keys(item, keys)),
        (Step::Value(value), Value::Array(items)) => {
            items.iter().find(|item| canonical(item) == *value)
        }
        _ => None,
    };
    inner.is_some_and(|inner| holds(inner, rest))
}

fn extract_item(item: &Value, set: &FieldSet) -> Option<Value> {
    set.steps().find_map(|(step, inner)| {
        let found = match step {
            Step::Value(value) => canonical(item) == *value,
            Step::Key(keys) => has_keys(item, keys),
            Step::Field(_) | Step::Index(_) => false,
        };
        found.then(|| extract(item, inner))
    })
}

/// Whether an item of an associative list is the one with these keys. A key
/// that the item leaves out is one that the server fills in.
fn has_keys(item: &Value, keys: &str) -> bool {
    let Ok(Value::Object(keys)) = serde_json::from_str::<Value>(keys) else { return false };
    keys.iter().all(|(name, value)| item.get(name).is_none_or(|found| found == value))
        && keys.iter().any(|(name, value)| item.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_what_the_set_names_and_no_more() {
        let live = json!({
            "metadata": {
                "name": "web",
                "labels": {"a": "1", "foreign": "2"},
                "finalizers": ["ours", "theirs"],
            },
            "spec": {
                "replicas": 3,
                "paused": false,
                "template": {"spec": {"containers": [
                    {"name": "web", "image": "web:1", "imagePullPolicy": "Always"},
                    {"name": "sidecar", "image": "proxy:7"},
                ], "volumes": [{"name": "tmp", "emptyDir": {}}]}},
            },
        });
        let set = FieldSet::parse(&json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}, "f:finalizers": {"v:\"ours\"": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:template": {"f:spec": {
                    "f:containers": {
                        "k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}},
                    },
                    "f:volumes": {
                        "k:{\"name\":\"tmp\"}": {".": {}, "f:name": {}, "f:emptyDir": {}},
                    },
                }},
            },
        }))
        .unwrap();
        let expected = json!({
            "metadata": {"labels": {"a": "1"}, "finalizers": ["ours"]},
            "spec": {
                "replicas": 3,
                "template": {"spec": {
                    "containers": [{"name": "web", "image": "web:1"}],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                }},
            },
        });
        assert_eq!(extract(&live, &set), expected);
    }

    #[test]
    fn nothing_owned_is_nothing() {
        let set = FieldSet::new();
        assert!(set.is_empty());
        assert_eq!(extract(&json!({"spec": {"a": 1}}), &set), json!({}));
    }
}
