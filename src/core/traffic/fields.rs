//! Fields that are written over a rendered route where its kind and the share
//! alone do not say them: maps are merged, `null` takes a field away, and all
//! else, lists too, is replaced.

use serde_json::{Map, Value};

/// Writes fields over a body.
pub fn lay(body: &mut Value, fields: &Value) {
    let Value::Object(fields) = fields else {
        *body = fields.clone();
        return;
    };
    if !body.is_object() {
        *body = Value::Object(Map::new());
    }
    let Value::Object(map) = body else { return };
    for (name, value) in fields {
        if value.is_null() {
            map.remove(name);
        } else {
            lay(map.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The first of the fields that a live object does not have as written, as
/// people write its path. What the server adds inside of them is no difference.
pub(super) fn differing(live: Option<&Value>, fields: &Value) -> Option<String> {
    let Value::Object(map) = fields else {
        let same = match fields {
            Value::Null => live.is_none_or(Value::is_null),
            wanted => live.is_some_and(|live| holds(live, wanted)),
        };
        return (!same).then(String::new);
    };
    map.iter().find_map(|(name, value)| {
        let inner = differing(live.and_then(|live| live.get(name)), value)?;
        Some(if inner.is_empty() { name.clone() } else { format!("{name}.{inner}") })
    })
}

/// Whether a live value has everything that is wanted; maps may have more.
pub(super) fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| live.get(key).is_some_and(|live| holds(live, wanted)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(l, w)| holds(l, w))
        }
        _ => live == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_are_merged_and_lists_are_replaced() {
        let mut body = json!({"spec": {"a": [1, 2], "b": {"c": 1, "d": 2}, "e": 1}});
        let fields = json!({"spec": {"a": [3], "b": {"c": null, "f": 4}}, "metadata": {"x": "y"}});
        lay(&mut body, &fields);
        let expected =
            json!({"spec": {"a": [3], "b": {"d": 2, "f": 4}, "e": 1}, "metadata": {"x": "y"}});
        assert_eq!(body, expected);
        assert_eq!(differing(Some(&body), &fields), None);
    }

    #[test]
    fn what_differs_is_told_by_its_path() {
        let live = json!({"spec": {"a": [{"n": 1, "added": 2}], "gone": 1}});
        let told = |fields: Value| differing(Some(&live), &fields);
        assert_eq!(told(json!({"spec": {"a": [{"n": 1}], "other": null}})), None);
        assert_eq!(told(json!({"spec": {"a": [{"n": 2}]}})).unwrap(), "spec.a");
        assert_eq!(told(json!({"spec": {"a": [{"n": 1}, {}]}})).unwrap(), "spec.a");
        assert_eq!(told(json!({"spec": {"gone": null}})).unwrap(), "spec.gone");
        assert_eq!(told(json!({"spec": {"b": {"c": "x"}}})).unwrap(), "spec.b.c");
    }
}
