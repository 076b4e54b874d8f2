//! The component type `raw`: one object as it stands, which no template makes.
//! Owns what such a component may hold; it must never add to it.

use super::definition::TypeKind;
use super::library::Library;
use crate::core::model::Component;
use serde_json::Value;

/// Its name, as KubeVela has it.
pub const RAW: &str = "raw";

/// The object of a component of the type; none if it is of another, or if the
/// plan has a type of its own by that name.
///
/// # Errors
/// What is missing, as a fragment.
pub(super) fn raw(component: &Component, library: &Library) -> Option<Result<Value, String>> {
    if component.kind != RAW || library.find(TypeKind::Component, RAW).is_some() {
        return None;
    }
    let object = &component.properties;
    let missing = ["apiVersion", "kind", "metadata"]
        .into_iter()
        .find(|field| object.get(field).is_none_or(Value::is_null));
    Some(match missing {
        Some(field) => Err(format!("has no `{field}`: `raw` takes a whole object")),
        None => Ok(object.clone()),
    })
}
