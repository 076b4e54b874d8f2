//! A unified diff of one object.

use super::cleaned;
use crate::core::object::ObjectRef;
use crate::core::render::{REDACTED, redacted};
use crate::core::yaml::to_yaml_sorted;
use serde_json::Value;
use similar::TextDiff;

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// Nothing.
    None,
}

/// One object's difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDiff {
    /// The object.
    pub object: ObjectRef,
    /// What happens to it.
    pub change: Change,
    /// The lines of a unified diff with three lines of context, without file
    /// headers; empty if nothing changes.
    pub lines: Vec<String>,
}

/// Compares an object as it is with what it is going to be.
#[must_use]
pub fn diff(object: &ObjectRef, live: Option<&Value>, desired: Option<&Value>) -> ObjectDiff {
    let (old, new) = shown(live, desired);
    let change = match (live, desired) {
        (None, Some(_)) => Change::Create,
        (Some(_), None) => Change::Delete,
        _ if old == new => Change::None,
        _ => Change::Update,
    };
    let texts = TextDiff::from_lines(old.as_str(), new.as_str());
    let mut lines = Vec::new();
    if change != Change::None {
        let unified = texts.unified_diff().context_radius(3).to_string();
        lines.extend(unified.lines().map(str::to_owned));
    }
    ObjectDiff { object: object.clone(), change, lines }
}

/// Both sides as text. Values of Secrets are replaced; one that changes is
/// marked so, and says no more than that.
fn shown(live: Option<&Value>, desired: Option<&Value>) -> (String, String) {
    let old = live.map(cleaned);
    let new = desired.map(cleaned);
    let mut new_shown = new.as_ref().map(redacted);
    if let (Some(old), Some(new), Some(shown)) = (&old, &new, &mut new_shown) {
        for field in ["data", "stringData"] {
            mark_changed(old.get(field), new.get(field), shown.get_mut(field));
        }
    }
    let text = |value: Option<Value>| value.map_or_else(String::new, |v| to_yaml_sorted(&v));
    (text(old.as_ref().map(redacted)), text(new_shown))
}

fn mark_changed(old: Option<&Value>, new: Option<&Value>, shown: Option<&mut Value>) {
    let (Some(new), Some(shown)) =
        (new.and_then(Value::as_object), shown.and_then(Value::as_object_mut))
    else {
        return;
    };
    for (key, value) in new {
        let hidden = shown.get(key).and_then(Value::as_str) == Some(REDACTED);
        if hidden && old.and_then(|old| old.get(key)) != Some(value) {
            shown.insert(key.clone(), Value::String("<redacted, changed>".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(value: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
               "data": {"password": value, "same": "eA=="}})
    }

    #[test]
    fn a_changed_secret_shows_that_it_changed_and_nothing_else() {
        let object = ObjectRef::of(&secret("")).unwrap();
        let got = diff(&object, Some(&secret("aHVudGVyMg==")), Some(&secret("bmV3")));
        assert_eq!(got.change, Change::Update);
        let text = got.lines.join("\n");
        assert!(text.contains("+  password: \"<redacted, changed>\""), "{text}");
        assert!(!text.contains("aHVudGVyMg") && !text.contains("bmV3"), "{text}");
        assert!(!text.contains("+  same"), "{text}");
    }

    #[test]
    fn marks_and_server_fields_are_no_difference() {
        let live = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "uid": "1", "annotations": {"tranche.dev/epoch": "3"}}});
        let desired = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
        let object = ObjectRef::of(&live).unwrap();
        assert_eq!(diff(&object, Some(&live), Some(&desired)).change, Change::None);
    }
}
