//! Two states of an object, side by side. Owns that a secret value which
//! changes is seen to change, without a word on how.

use super::object::redacted;
use super::{CHANGED, REDACTED};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Both states of an object without secret values. Where both would look the
/// same though they are not, the new one says that it changes.
#[must_use]
pub fn redacted_apart(
    asked: &str,
    old: Option<&Value>,
    new: Option<&Value>,
) -> (Option<Value>, Option<Value>) {
    let old_shown = old.map(|old| redacted(asked, old));
    let mut new_shown = new.map(|new| redacted(asked, new));
    if let (Some(old), Some(new), Some(before), Some(after)) =
        (old, new, &old_shown, &mut new_shown)
    {
        mark(Pair { raw: old, shown: before }, new, after);
    }
    (old_shown, new_shown)
}

/// One value of the old state, as it is and as it is shown.
#[derive(Clone, Copy)]
struct Pair<'v> {
    raw: &'v Value,
    shown: &'v Value,
}

fn mark(old: Pair<'_>, raw: &Value, shown: &mut Value) {
    if old.raw == raw {
        return;
    }
    // A value that is hidden whole may hide one of another type.
    if let (Value::String(before), Value::String(after)) = (old.shown, &mut *shown) {
        if before == after && after.contains(REDACTED) {
            *after = after.replace(REDACTED, CHANGED);
        }
        return;
    }
    match (old.raw, raw, old.shown, shown) {
        (Value::Object(a), Value::Object(b), Value::Object(before), Value::Object(after)) => {
            mark_maps((a, before), b, after);
        }
        (Value::Array(a), Value::Array(b), Value::Array(before), Value::Array(after)) => {
            let places = places(a);
            for (i, (raw, shown)) in b.iter().zip(after).enumerate() {
                let at = match name(raw) {
                    Some(name) if places.contains_key(name) => places.get(name).copied(),
                    Some(_) if !places.is_empty() => None,
                    _ => Some(i),
                };
                let at = at.and_then(|at| Some((a.get(at)?, before.get(at)?)));
                if let Some((old_raw, old_shown)) = at {
                    mark(Pair { raw: old_raw, shown: old_shown }, raw, shown);
                }
            }
        }
        _ => {}
    }
}

fn mark_maps(
    (old, before): (&Map<String, Value>, &Map<String, Value>),
    new: &Map<String, Value>,
    after: &mut Map<String, Value>,
) {
    for (key, shown) in after {
        if let (Some(old), Some(before), Some(new)) = (old.get(key), before.get(key), new.get(key))
        {
            mark(Pair { raw: old, shown: before }, new, shown);
        }
    }
}

fn name(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

/// Where the items of a list stand by their names, if each has its own.
fn places(items: &[Value]) -> BTreeMap<&str, usize> {
    let found: BTreeMap<&str, usize> =
        items.iter().enumerate().filter_map(|(i, item)| Some((name(item)?, i))).collect();
    if found.len() == items.len() { found } else { BTreeMap::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_is_marked_once_and_on_the_new_side() {
        let env = |b: &str| {
            json!({"kind": "Pod", "spec": {"containers": [{"name": "x", "env":
                [{"name": "A_TOKEN", "value": "same"}, {"name": "B_TOKEN", "value": b}],
                "args": ["--password=same"]}]}})
        };
        let (old, new) = redacted_apart("Pod", Some(&env("one")), Some(&env("two")));
        assert!(!old.unwrap().to_string().contains(CHANGED));
        let new = new.unwrap();
        let env_of = |i: usize| new["spec"]["containers"][0]["env"][i]["value"].clone();
        assert_eq!((env_of(0), env_of(1)), (json!(REDACTED), json!(CHANGED)));
        let (a, b) = redacted_apart("Pod", Some(&env("one")), Some(&env("one")));
        assert_eq!(a, b);
    }

    #[test]
    fn lists_are_compared_by_name_and_whole_values_as_one() {
        let of = |data: Value| json!({"kind": "Secret", "data": data});
        let (old, new) = redacted_apart("Secret", Some(&of(json!("a"))), Some(&of(json!(["b"]))));
        assert_eq!(
            (&old.unwrap()["data"], &new.unwrap()["data"]),
            (&json!(REDACTED), &json!(CHANGED))
        );
        let a = json!({"l": [{"name": "x", "token": 1}, {"name": "t_token", "value": "s"}]});
        let b = json!({"l": [{"name": "t_token", "value": "s"}, {"name": "x", "token": 2}]});
        let (_, new) = redacted_apart("X", Some(&a), Some(&b));
        assert_eq!(new.unwrap()["l"][0]["value"], REDACTED);
    }
}
