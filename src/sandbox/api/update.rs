//! What others do to an object without applying: the whole object anew, a
//! merge patch, its scale, its status. Owns those; who did it is in the
//! managed fields, so that the next apply meets it.

use super::Answer;
use super::route::{Place, Query};
use super::write::{
    address, drop_server_fields, dry_run, fill, manager, refuse_unmodelled, store, unshared,
};
use crate::core::object::{self, ObjectRef, at, schema};
use crate::sandbox::fields::{set, text};
use crate::sandbox::kinds::Resource;
use crate::sandbox::selector;
use crate::sandbox::status::Refusal;
use crate::sandbox::world::World;
use serde_json::{Map, Value, json};

/// What an update is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Status,
}

fn find(world: &World, resource: &Resource, place: &Place) -> Result<Value, Refusal> {
    let name = ObjectRef::new(&resource.kind_ref(), place.namespace.as_deref(), &place.name);
    world.get(&name).cloned().ok_or_else(|| Refusal::not_found(resource, &place.name))
}

/// PUT.
pub(super) fn replace(
    world: &mut World,
    resource: &Resource,
    place: &Place,
    mut body: Value,
    (part, query): (Part, &Query),
) -> Answer {
    refuse_unmodelled(resource, &body)?;
    address(resource, place, &mut body)?;
    let live = find(world, resource, place)?;
    let uid = text(&body, "/metadata/uid");
    let there = text(&live, "/metadata/uid");
    if !uid.is_empty() && uid != there {
        let namespace = place.namespace.as_deref().map(|n| format!("{n}/")).unwrap_or_default();
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{}/{namespace}{}, \
             ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: \
             {uid}, UID in object meta: {there}",
            resource.plural, place.name
        );
        return Err(Refusal::conflict(resource, &place.name, &why));
    }
    write(world, resource, (&live, body), (part, query), "UpdateOptions")
}

/// A merge patch.
pub(super) fn patch(
    world: &mut World,
    resource: &Resource,
    place: &Place,
    change: &Value,
    (part, query): (Part, &Query),
) -> Answer {
    let live = find(world, resource, place)?;
    let uid = text(change, "/metadata/uid");
    if !uid.is_empty() && uid != text(&live, "/metadata/uid") {
        let why = format!("Invalid value: {uid:?}: field is immutable");
        let cause = ("metadata.uid".to_owned(), why);
        return Err(Refusal::invalid(resource, &place.name, &[cause]));
    }
    let mut body = live.clone();
    merge(&mut body, change);
    let wrong = schema::undeclared(&resource.kind_ref(), &body);
    if let Some((path, why)) = wrong.iter().find(|(_, why)| why.starts_with("expected")) {
        let cause = ("patch".to_owned(), format!("Invalid value: {path}: {why}"));
        return Err(Refusal::invalid_as("", "", "", &[cause]));
    }
    refuse_unmodelled(resource, &body)?;
    write(world, resource, (&live, body), (part, query), "PatchOptions")
}

/// A JSON merge patch: null removes.
fn merge(target: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in change {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

fn write(
    world: &mut World,
    resource: &Resource,
    (live, body): (&Value, Value),
    (part, query): (Part, &Query),
    options: &str,
) -> Answer {
    let dry_run = dry_run(query, options)?;
    let version = text(&body, "/metadata/resourceVersion");
    if !version.is_empty() && version != text(live, "/metadata/resourceVersion") {
        return Err(Refusal::modified(resource, text(live, "/metadata/name")));
    }
    let mut object = match part {
        Part::Whole => {
            let mut object = body;
            drop_server_fields(resource, &mut object);
            for field in ["uid", "resourceVersion", "generation", "creationTimestamp"] {
                let kept = live["metadata"][field].clone();
                if !kept.is_null() {
                    set(&mut object, &["metadata", field], kept);
                }
            }
            if let Some(status) = live.get("status").filter(|_| resource.status) {
                set(&mut object, &["status"], status.clone());
            }
            schema::prune(&resource.kind_ref(), &mut object);
            fill(resource, &mut object);
            object
        }
        Part::Status => {
            let mut object = live.clone();
            object["status"] = body.get("status").cloned().unwrap_or_else(|| json!({}));
            object
        }
    };
    let now = world.now().to_string();
    let subresource = (part == Part::Status).then_some("status");
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let kind = resource.kind_ref();
    let managed = object::update(&kind, Some(live), &object, manager(query), subresource, &now);
    store(world, resource, Some(live), object, managed, dry_run).map(unshared)
}

/// The scale of a workload.
pub(super) fn scale(world: &World, resource: &Resource, place: &Place) -> Answer {
    scaled(resource)?;
    Ok((200, scale_of(&find(world, resource, place)?)))
}

fn scaled(resource: &Resource) -> Result<(), Refusal> {
    if resource.is_scaled() { Ok(()) } else { Err(Refusal::unknown()) }
}

fn scale_of(object: &Value) -> Value {
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata[field] = object["metadata"][field].clone();
    }
    let mut out = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {},
        "status": {
            "replicas": at(object, "/status/replicas").cloned().unwrap_or_else(|| json!(0)),
            "selector": selector::words(at(object, "/spec/selector")),
        },
    });
    let replicas = &object["spec"]["replicas"];
    if *replicas != json!(0) {
        out["spec"]["replicas"] = replicas.clone();
    }
    out
}

/// A new scale, whole or as a merge patch.
pub(super) fn rescale(
    world: &mut World,
    resource: &Resource,
    place: &Place,
    change: &Value,
    query: &Query,
) -> Answer {
    scaled(resource)?;
    let dry_run = dry_run(query, "UpdateOptions")?;
    let live = find(world, resource, place)?;
    let version = text(change, "/metadata/resourceVersion");
    if !version.is_empty() && version != text(&live, "/metadata/resourceVersion") {
        return Err(Refusal::modified(resource, &place.name));
    }
    let wanted = at(change, "/spec/replicas").and_then(Value::as_i64);
    let replicas = wanted.unwrap_or_else(|| live["spec"]["replicas"].as_i64().unwrap_or(0));
    if replicas < 0 {
        let why = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        let cause = ("spec.replicas".to_owned(), why);
        return Err(Refusal::invalid_as("autoscaling", "Scale", &place.name, &[cause]));
    }
    let mut object = live.clone();
    set(&mut object, &["spec", "replicas"], json!(replicas));
    let (kind, now) = (resource.kind_ref(), world.now().to_string());
    let mut managed =
        object::update(&kind, Some(&live), &object, manager(query), Some("scale"), &now);
    for entry in &mut managed {
        // The real server notes no instant here.
        if entry.manager == manager(query) && entry.subresource.as_deref() == Some("scale") {
            entry.time = None;
        }
    }
    let (code, stored) = store(world, resource, Some(&live), object, managed, dry_run)?;
    Ok((code, scale_of(&stored)))
}
