//! Create and server-side apply. Owns the order of the checks, which is the
//! real server's: body, fields, ownership, version, content.

use super::Answer;
use super::route::{Place, Query};
use crate::core::object::{self, Applier, Conflict, ObjectRef, schema, write_managed};
use crate::sandbox::fields::{set, text};
use crate::sandbox::kinds::{Model, Resource};
use crate::sandbox::status::Refusal;
use crate::sandbox::world::World;
use crate::sandbox::{defaults, validate};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(in crate::sandbox) fn create(
    world: &mut World,
    resource: &Resource,
    namespace: Option<&str>,
    mut body: Value,
    query: &Query,
) -> Answer {
    refuse_unmodelled(resource, &body)?;
    if text(&body, "/metadata/name").is_empty() {
        let prefix = text(&body, "/metadata/generateName").to_owned();
        if prefix.is_empty() {
            let cause = (
                "metadata.name".to_owned(),
                "Required value: name or generateName is required".to_owned(),
            );
            return Err(Refusal::invalid(resource, "", &[cause]));
        }
        let suffix: String = world.unique(&prefix).chars().take(5).collect();
        set(&mut body, &["metadata", "name"], json!(format!("{prefix}{suffix}")));
    }
    let place = Place {
        namespace: namespace.map(str::to_owned),
        name: text(&body, "/metadata/name").to_owned(),
    };
    let name = address(resource, &place, &mut body)?;
    if query.get("fieldValidation") == "Strict" {
        undeclared(&name, &body, "strict decoding error").map_err(Refusal::bad_request)?;
    }
    if !text(&body, "/metadata/resourceVersion").is_empty() {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Refusal::bad_request(message));
    }
    namespace_exists(world, &place)?;
    if world.get(&name).is_some() {
        return Err(Refusal::exists(resource, &place.name));
    }
    drop_server_fields(resource, &mut body);
    defaults::fill(world, resource.kind, None, &mut body);
    validate::check(resource, None, &body)?;
    let manager = match query.get("fieldManager") {
        "" => "unknown",
        manager => manager,
    };
    let now = world.now().to_string();
    let managed = object::update(&name.kind_ref(), None, &body, manager, None, &now);
    set(&mut body, &["metadata", "managedFields"], write_managed(&managed));
    Ok((201, store(world, body, query.get("dryRun") == "All")))
}

pub(in crate::sandbox) fn apply(
    world: &mut World,
    resource: &Resource,
    place: &Place,
    mut body: Value,
    query: &Query,
) -> Answer {
    refuse_unmodelled(resource, &body)?;
    let manager = query.get("fieldManager");
    if manager.is_empty() {
        let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is \
                       required for apply patch";
        return Err(Refusal::new(422, "Invalid", message));
    }
    let name = address(resource, place, &mut body)?;
    if body.pointer("/metadata/managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    // A real server says this with a 500 and no reason (measured, 1.36).
    undeclared(&name, &body, "failed to create typed patch object")
        .map_err(|message| Refusal::new(500, "", message))?;
    let live = world.get(&name).cloned();
    let uid = text(&body, "/metadata/uid").to_owned();
    let version = text(&body, "/metadata/resourceVersion").to_owned();
    if live.is_none() {
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(Refusal::conflict(resource, &place.name, &why));
        }
        namespace_exists(world, place)?;
    }
    drop_server_fields(resource, &mut body);
    let now = world.now().to_string();
    let applier = Applier { manager, force: query.yes("force"), time: &now };
    let done = object::apply(&name.kind_ref(), live.as_ref(), &body, &applier)
        .map_err(|conflicts| ownership(&conflicts))?;
    if let Some(live) = &live {
        if !version.is_empty() && version != text(live, "/metadata/resourceVersion") {
            return Err(Refusal::modified(resource, &place.name));
        }
        if !uid.is_empty() && uid != text(live, "/metadata/uid") {
            let cause = format!("Invalid value: {uid:?}: field is immutable");
            let causes = [("metadata.uid".to_owned(), cause)];
            return Err(Refusal::invalid(resource, &place.name, &causes));
        }
        if !done.changed {
            return Ok((200, live.clone()));
        }
    }
    let mut object = done.object;
    defaults::fill(world, resource.kind, live.as_ref(), &mut object);
    validate::check(resource, live.as_ref(), &object)?;
    set(&mut object, &["metadata", "managedFields"], write_managed(&done.managed));
    let code = if live.is_some() { 200 } else { 201 };
    Ok((code, store(world, object, query.get("dryRun") == "All")))
}

fn store(world: &mut World, object: Value, dry_run: bool) -> Value {
    if dry_run { world.preview(object) } else { world.put(object) }
}

fn refuse_unmodelled(resource: &Resource, body: &Value) -> Result<(), Refusal> {
    if resource.model == Model::Refused {
        return Err(Refusal::not_modelled(&format!("the kind {}", resource.qualified_kind())));
    }
    if body
        .pointer("/metadata/finalizers")
        .is_some_and(|f| f.as_array().is_some_and(|f| !f.is_empty()))
    {
        return Err(Refusal::not_modelled("metadata.finalizers"));
    }
    Ok(())
}

/// The object's full name, checked against the URL and put into the body.
fn address(resource: &Resource, place: &Place, body: &mut Value) -> Result<ObjectRef, Refusal> {
    let kind = resource.kind_ref();
    let given = (text(body, "/apiVersion"), text(body, "/kind"));
    if given != (kind.api_version.as_str(), kind.kind.as_str()) {
        return Err(Refusal::bad_request(format!(
            "the object's kind {} ({}) does not match the URL's {kind}",
            given.1, given.0,
        )));
    }
    let named = text(body, "/metadata/name");
    if !named.is_empty() && named != place.name {
        return Err(Refusal::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({})",
            place.name,
        )));
    }
    let within = text(body, "/metadata/namespace");
    if !within.is_empty() && Some(within) != place.namespace.as_deref() {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    set(body, &["metadata", "name"], json!(place.name));
    if let Some(namespace) = &place.namespace {
        set(body, &["metadata", "namespace"], json!(namespace));
    }
    Ok(ObjectRef::new(&kind, place.namespace.as_deref(), &place.name))
}

fn undeclared(name: &ObjectRef, body: &Value, what: &str) -> Result<(), String> {
    let found = schema::undeclared(&name.kind_ref(), body);
    if found.is_empty() {
        return Ok(());
    }
    let place = match &name.namespace {
        Some(namespace) => format!("{namespace}/{}", name.name),
        None => format!("/{}", name.name),
    };
    let lines: Vec<String> = found.iter().map(|(path, why)| format!("{path}: {why}")).collect();
    Err(
        format!("{what} ({place}; {}, Kind={}): {}", name.api_version, name.kind, lines.join("\n"),),
    )
}

fn namespace_exists(world: &World, place: &Place) -> Result<(), Refusal> {
    let Some(namespace) = &place.namespace else { return Ok(()) };
    let Some(resource) = crate::sandbox::kinds::find("", "v1", "namespaces") else { return Ok(()) };
    let name = ObjectRef::new(&resource.kind_ref(), None, namespace);
    world.get(&name).map(|_| ()).ok_or_else(|| Refusal::not_found(resource, namespace))
}

/// Takes out what only the server writes. (Status is another subresource.)
fn drop_server_fields(resource: &Resource, body: &mut Value) {
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            metadata.remove(field);
        }
    }
    if let Some(object) = body.as_object_mut().filter(|_| resource.status) {
        object.remove("status");
    }
}

/// A 409 in the words of the real server.
fn ownership(conflicts: &[Conflict]) -> Refusal {
    let causes = conflicts.iter().map(|conflict| {
        json!({
            "reason": "FieldManagerConflict",
            "message": format!("conflict with {}", conflict.owner.words()),
            "field": conflict.field(),
        })
    });
    let message = match conflicts {
        [one] => format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            one.owner.words(),
            one.field()
        ),
        many => {
            let mut by_owner: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for conflict in many {
                by_owner.entry(conflict.owner.words()).or_default().push(conflict.field());
            }
            let lines: Vec<String> = by_owner
                .into_iter()
                .map(|(owner, fields)| {
                    format!("conflicts with {owner}:\n- {}", fields.join("\n- "))
                })
                .collect();
            format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    Refusal::new(409, "Conflict", message).with_causes(&causes.collect::<Vec<_>>())
}
