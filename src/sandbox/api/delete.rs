//! Delete, with preconditions. Owns what a deletion takes along; owned objects
//! go in the background, by the garbage collector.

use super::Answer;
use super::route::{Place, Query};
use crate::core::object::ObjectRef;
use crate::sandbox::controllers;
use crate::sandbox::fields::text;
use crate::sandbox::kinds::Resource;
use crate::sandbox::status::Refusal;
use crate::sandbox::world::World;
use serde_json::{Value, json};

pub(in crate::sandbox) fn delete(
    world: &mut World,
    resource: &Resource,
    place: &Place,
    options: &Value,
    query: &Query,
) -> Answer {
    let dry_run = query.get("dryRun") == "All"
        || options.pointer("/dryRun/0").and_then(Value::as_str) == Some("All");
    let policy = match text(options, "/propagationPolicy") {
        "" => query.get("propagationPolicy"),
        policy => policy,
    };
    if !matches!(policy, "" | "Background") {
        return Err(Refusal::not_modelled(&format!("the propagation policy {policy}")));
    }
    let name = ObjectRef::new(&resource.kind_ref(), place.namespace.as_deref(), &place.name);
    let live = world.get(&name).ok_or_else(|| Refusal::not_found(resource, &place.name))?.clone();
    precondition(resource, place, options, &live)?;
    if resource.kind == "Namespace" && ["default", "kube-system"].contains(&place.name.as_str()) {
        let message = format!(
            "namespaces \"{}\" is forbidden: this namespace may not be deleted",
            place.name
        );
        return Err(Refusal::new(403, "Forbidden", message));
    }
    let gone = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {
            "name": place.name, "group": resource.group, "kind": resource.plural,
            "uid": text(&live, "/metadata/uid"),
        },
    });
    if resource.kind == "Pod" {
        let grace = options.get("gracePeriodSeconds").and_then(Value::as_i64);
        let body = if grace == Some(0) { gone } else { controllers::terminating(world, &live) };
        if !dry_run {
            match grace {
                Some(0) => world.remove(&name),
                _ => controllers::terminate(world, &name),
            }
        }
        return Ok((200, body));
    }
    if !dry_run {
        remove_with_content(world, resource, &name);
    }
    Ok((200, gone))
}

fn precondition(
    resource: &Resource,
    place: &Place,
    options: &Value,
    live: &Value,
) -> Result<(), Refusal> {
    for (field, words) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let wanted =
            options.get("preconditions").and_then(|p| p.get(field)).and_then(Value::as_str);
        let there = text(live, &format!("/metadata/{field}"));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != there) {
            let why = format!(
                "Precondition failed: {words} in precondition: {wanted}, {words} in object meta: {there}"
            );
            return Err(Refusal::conflict(resource, &place.name, &why));
        }
    }
    Ok(())
}

fn remove_with_content(world: &mut World, resource: &Resource, name: &ObjectRef) {
    if resource.kind == "Namespace" {
        let within = world.all().map(|(name, _)| name);
        let within: Vec<ObjectRef> =
            within.filter(|o| o.namespace.as_ref() == Some(&name.name)).cloned().collect();
        within.iter().for_each(|object| world.remove(object));
    }
    world.remove(name);
}
