//! The component types `raw` and `k8s-objects`: objects as they stand, which no
//! template makes. Owns what such a component may hold; it must never add to it.

use super::definition::TypeKind;
use super::error::hint;
use super::library::Library;
use crate::core::model::Component;
use serde_json::Value;

/// The type of one object, as KubeVela names it.
pub const RAW: &str = "raw";

/// The type of any number of them.
const OBJECTS: &str = "k8s-objects";

/// The types that no template makes.
pub(super) const WRITTEN: [&str; 2] = [RAW, OBJECTS];

/// The workload of a component of these types, and its other objects; none if it
/// is of another type, or if the plan has a type of its own by that name.
///
/// # Errors
/// What is missing, as a fragment.
pub(super) fn raw(
    component: &Component,
    library: &Library,
) -> Option<Result<(Value, Vec<Value>), String>> {
    let kind = component.kind.as_str();
    if !WRITTEN.contains(&kind) || library.find(TypeKind::Component, kind).is_some() {
        return None;
    }
    Some(match kind {
        RAW => whole(&component.properties, "`raw` takes a whole object")
            .map(|object| (object, Vec::new())),
        _ => listed(&component.properties),
    })
}

fn listed(properties: &Value) -> Result<(Value, Vec<Value>), String> {
    let mut names = properties.as_object().into_iter().flat_map(|map| map.keys());
    if let Some(name) = names.find(|name| *name != "objects") {
        let near = hint(name, ["objects"].into_iter());
        return Err(format!("there is no parameter `{name}`{near}"));
    }
    let objects = match properties.get("objects") {
        Some(Value::Array(objects)) if !objects.is_empty() => objects,
        Some(Value::Array(_)) => return Err("`objects` is empty: give the workload".to_owned()),
        Some(value) if !value.is_null() => return Err("`objects` must be a list".to_owned()),
        _ => return Err("parameter `objects` is missing".to_owned()),
    };
    let mut all = Vec::with_capacity(objects.len());
    for (index, object) in objects.iter().enumerate() {
        let object = whole(object, "each is a whole object");
        all.push(object.map_err(|why| format!("`objects[{index}]` {why}"))?);
    }
    let workload = all.remove(0);
    Ok((workload, all))
}

fn whole(object: &Value, what: &str) -> Result<Value, String> {
    let missing = ["apiVersion", "kind", "metadata"]
        .into_iter()
        .find(|field| object.get(field).is_none_or(Value::is_null));
    match missing {
        Some(field) => Err(format!("has no `{field}`: {what}")),
        None => Ok(object.clone()),
    }
}
