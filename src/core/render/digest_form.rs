//! The form of an object that digests are taken of. Owns it for good: digests
//! of earlier records were taken of this form, so it must never change. What
//! may be shown or recorded is decided by [`crate::core::secrecy`].

use crate::core::secrecy::REDACTED;
use serde_json::Value;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// `object` with the values of a Secret's `data` and `stringData` replaced;
/// members of a List likewise.
#[must_use]
pub fn digest_form(object: &Value) -> Value {
    let mut out = object.clone();
    replace(&mut out);
    out
}

fn replace(object: &mut Value) {
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(replace);
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
        let text = digest_form(&list).to_string();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
        assert_eq!(digest_form(&list)["items"][0]["data"], json!({"a": REDACTED}));
        let map = json!({"kind": "ConfigMap", "data": {"a": "b"}});
        assert_eq!(digest_form(&map), map);
    }
}
