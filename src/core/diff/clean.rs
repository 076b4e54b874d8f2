//! What of an object people compare.

use crate::core::strategy::ANNOTATION_PREFIX;
use serde_json::Value;

/// Fields of `metadata` that the server keeps for itself.
const SERVER_SIDE: &[&str] =
    &["managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"];

/// An annotation in which the server counts how often a DaemonSet's template has
/// changed.
const COUNTED: &str = "deprecated.daemonset.template.generation";

/// The object without status, without what the server keeps in its metadata
/// and without our marks: they are never a difference.
#[must_use]
pub fn cleaned(object: &Value) -> Value {
    let mut out = object.clone();
    let Some(map) = out.as_object_mut() else { return out };
    map.remove("status");
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in SERVER_SIDE {
            metadata.remove(*field);
        }
        let empty = match metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            Some(annotations) => {
                annotations.retain(|key, _| !key.starts_with(ANNOTATION_PREFIX) && key != COUNTED);
                annotations.is_empty()
            }
            None => false,
        };
        if empty {
            metadata.remove("annotations");
        }
    }
    out
}
