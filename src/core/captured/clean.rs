//! A live object as somebody would have written it. Owns what of it is the
//! server's or ours; the rest is kept as it is.

use crate::core::strategy::{ANNOTATION_PREFIX, LABEL_MANAGED_BY, MANAGED_BY};
use serde_json::{Map, Value, json};

/// Annotations that are about one object and not about what it is.
const OF_ONE: [&str; 2] =
    ["deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration"];

/// Metadata that people write.
const WRITTEN: [&str; 4] = ["name", "namespace", "labels", "annotations"];

/// A live object without what the server says of it and what we have marked it
/// with.
pub(super) fn cleaned(live: &Value) -> Value {
    let mut body = live.clone();
    let Some(fields) = body.as_object_mut() else { return body };
    fields.remove("status");
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| WRITTEN.contains(&name.as_str()));
        retain(metadata, "annotations", |name, _| {
            !OF_ONE.contains(&name) && !name.starts_with(ANNOTATION_PREFIX)
        });
        retain(metadata, "labels", |name, value| {
            name != LABEL_MANAGED_BY || *value != json!(MANAGED_BY)
        });
    }
    without_nulls(&mut body);
    body
}

fn retain(metadata: &mut Map<String, Value>, field: &str, keep: impl Fn(&str, &Value) -> bool) {
    let Some(map) = metadata.get_mut(field).and_then(Value::as_object_mut) else { return };
    map.retain(|name, value| keep(name, value));
    if map.is_empty() {
        metadata.remove(field);
    }
}

/// A null says nothing, and who applies it takes the field away.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
