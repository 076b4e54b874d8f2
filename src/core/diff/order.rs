//! Changes of nothing but the order of list items. Owns how they are told in
//! few lines; which lists have items that are known by a key is the schema's
//! business.

use crate::core::object::{ObjectRef, compare};
use serde_json::Value;

/// One list whose items only change places: its path, and the items before
/// and after.
type Moved = (String, String, String);

/// The lines of a change of order alone; none if anything else changes.
pub(super) fn order_only(object: &ObjectRef, old: &Value, new: &Value) -> Option<Vec<String>> {
    let change = compare(&object.kind_ref(), old, new);
    if change.is_empty() || !change.written.is_empty() || !change.removed.is_empty() {
        return None;
    }
    let mut moved = Vec::new();
    look(old, new, "", &mut moved);
    let lines = moved.into_iter().flat_map(|(path, old, new)| {
        [format!("@@ {path}: only the order @@"), format!("-{old}"), format!("+{new}")]
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then_some(lines)
}

fn look(old: &Value, new: &Value, path: &str, moved: &mut Vec<Moved>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, old) in a {
                if let Some(new) = b.get(key) {
                    look(old, new, &format!("{path}.{key}"), moved);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            let (before, after): (Vec<String>, Vec<String>) =
                (a.iter().map(label).collect(), b.iter().map(label).collect());
            if before != after {
                moved.push((path.to_owned(), before.join(", "), after.join(", ")));
            }
            for (old, name) in a.iter().zip(&before) {
                let same = after.iter().position(|other| other == name).and_then(|i| b.get(i));
                if let Some(new) = same {
                    look(old, new, &format!("{path}[{name}]"), moved);
                }
            }
        }
        _ => {}
    }
}

/// What an item is known by. No value that may be secret is among these.
fn label(item: &Value) -> String {
    let known = ["name", "mountPath", "devicePath", "containerPort", "port", "key", "type", "ip"];
    let found: Vec<String> = known
        .iter()
        .filter_map(|key| item.get(key))
        .take(2)
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    if found.is_empty() { item.to_string() } else { found.join("/") }
}
