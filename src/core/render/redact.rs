//! What of an object may be recorded. Owns which values are secret; key names
//! stay, so that a reader sees what a Secret holds.

use serde_json::Value;

/// What stands in place of a secret value.
pub const REDACTED: &str = "<redacted>";

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// `object` with the values of a Secret's `data` and `stringData` replaced;
/// members of a List likewise.
#[must_use]
pub fn redacted(object: &Value) -> Value {
    let mut out = object.clone();
    redact(&mut out);
    out
}

fn redact(object: &mut Value) {
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(redact);
    }
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    for field in ["data", "stringData"] {
        match object.get_mut(field) {
            Some(Value::Object(map)) => {
                for value in map.values_mut() {
                    *value = Value::String(REDACTED.to_owned());
                }
            }
            Some(other) if !other.is_null() => *other = Value::String(REDACTED.to_owned()),
            _ => {}
        }
    }
    if let Some(copy) = object.pointer_mut("/metadata/annotations")
        && let Some(text) = copy.get_mut(LAST_APPLIED)
    {
        *text = Value::String(REDACTED.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_keep_their_keys_and_lose_their_values() {
        let secret = json!({"kind": "Secret", "metadata": {"name": "s", "annotations":
            {LAST_APPLIED: "{hunter2}"}}, "data": {"a": "aHVudGVyMg=="},
            "stringData": {"b": "hunter2"}});
        let list = json!({"kind": "List", "items": [secret]});
        let text = redacted(&list).to_string();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
        assert_eq!(redacted(&list)["items"][0]["data"], json!({"a": REDACTED}));
        let map = json!({"kind": "ConfigMap", "data": {"a": "b"}});
        assert_eq!(redacted(&map), map);
    }
}
