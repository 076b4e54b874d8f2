//! Objects of the plan that somebody has deleted and that are not gone yet.
//! Owns their words. A write to one would be lost with it, so there is nothing
//! to mend before it is gone; it is applied anew then.

use crate::core::object::{ObjectRef, at};
use serde_json::Value;

/// Whether an object is being deleted.
#[must_use]
pub fn is_leaving(live: &Value) -> bool {
    at(live, "/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
}

/// What a person should know of an object that is being deleted, and that the
/// plan has.
#[must_use]
pub fn leaving(object: &ObjectRef, live: &Value) -> String {
    let then = "`tranche apply` creates it again once it is gone";
    match held(object, live) {
        None => format!("{object} is being deleted; {then}"),
        Some(held) => format!("{held}; {then}"),
    }
}

/// The same of one that the plan leaves out: nothing, unless something holds it.
#[must_use]
pub(super) fn held(object: &ObjectRef, live: &Value) -> Option<String> {
    let finalizers = at(live, "/metadata/finalizers").and_then(Value::as_array);
    let names: Vec<&str> = finalizers.into_iter().flatten().filter_map(Value::as_str).collect();
    (!names.is_empty()).then(|| {
        format!(
            "{object} is being deleted and held by {}: whoever has set that takes it off after \
             its work",
            names.join(", ")
        )
    })
}
