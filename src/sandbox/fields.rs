//! Reading and setting single fields of JSON objects by pointer. Owns nothing
//! else; it must never know what a field means, but for instants and amounts.

use jiff::Timestamp;
use serde_json::{Map, Value};

pub(super) use crate::core::object::at;

/// The text at `pointer`, empty if there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or("")
}

/// The integer at `pointer`, or `default`.
pub(super) fn int(object: &Value, pointer: &str, default: i64) -> i64 {
    at(object, pointer).and_then(Value::as_i64).unwrap_or(default)
}

/// Whether `pointer` holds `true`.
pub(super) fn yes(object: &Value, pointer: &str) -> bool {
    at(object, pointer) == Some(&Value::Bool(true))
}

/// The instant at `pointer`.
pub(super) fn instant(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

/// An annotation's text.
pub(super) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    at(object, "/metadata/annotations")?.get(name)?.as_str()
}

/// A label's text.
pub(super) fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    at(object, "/metadata/labels")?.get(name)?.as_str()
}

/// Sets the field at a path of names, making the maps on the way.
pub(super) fn set(object: &mut Value, path: &[&str], value: Value) {
    match path.split_first() {
        None => *object = value,
        Some((name, rest)) => {
            if !object.is_object() {
                *object = Value::Object(Map::new());
            }
            if let Some(map) = object.as_object_mut() {
                set(map.entry((*name).to_owned()).or_insert(Value::Null), rest, value);
            }
        }
    }
}

/// Sets the field at a path of names where it is missing or null.
pub(super) fn default(object: &mut Value, path: &[&str], value: Value) {
    let there = path.iter().try_fold(&*object, |value, name| value.get(name));
    if there.is_none_or(Value::is_null) {
        set(object, path, value);
    }
}

/// Whether the labels of `object` are matched by `selector` (a LabelSelector's
/// `matchLabels`; expressions are refused where selectors are accepted).
pub(super) fn selects(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let wanted = selector.and_then(|s| s.get("matchLabels")).and_then(Value::as_object);
    wanted.is_some_and(|wanted| {
        !wanted.is_empty()
            && wanted.iter().all(|(name, value)| labels.and_then(|l| l.get(name)) == Some(value))
    })
}

/// An absolute number, or a percentage of `total`, rounded up or down.
pub(super) fn amount(value: Option<&Value>, total: i64, up: bool, default: &str) -> i64 {
    let text = match value {
        Some(Value::Number(number)) => return number.as_i64().unwrap_or(0),
        Some(Value::String(text)) => text.as_str(),
        _ => default,
    };
    match text.strip_suffix('%').map(str::parse::<i64>) {
        Some(Ok(percent)) => (total * percent + if up { 99 } else { 0 }) / 100,
        _ => text.parse().unwrap_or(0),
    }
}

/// A duration such as `30s`, `2m`, `1m30s` or `500ms` in whole seconds, rounded
/// up.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let mut millis: i64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..end)?.parse().ok()?;
        let tail = rest.get(end..)?;
        let (unit, length) = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
            .into_iter()
            .find(|(unit, _)| tail.starts_with(unit))
            .map(|(unit, length)| (unit.len(), length))?;
        millis = millis.checked_add(number.checked_mul(length)?)?;
        rest = tail.get(unit..)?;
    }
    Some((millis + 999) / 1000)
}

/// `from` plus whole seconds.
pub(super) fn after(from: Timestamp, seconds: i64) -> Timestamp {
    from.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_whole_seconds_rounded_up() {
        let read = ["30s", "1m30s", "500ms", "0s", "1h"].map(seconds);
        assert_eq!(read, [Some(30), Some(90), Some(1), Some(0), Some(3600)]);
        assert_eq!(["", "5", "never", "5d"].map(seconds), [None; 4]);
    }

    #[test]
    fn percentages_round_as_asked() {
        assert_eq!(amount(Some(&json!("25%")), 5, true, "0"), 2);
        assert_eq!(amount(Some(&json!("25%")), 5, false, "0"), 1);
        assert_eq!(amount(None, 10, true, "20%"), 2);
        assert_eq!(amount(Some(&json!(3)), 10, true, "0"), 3);
    }
}
