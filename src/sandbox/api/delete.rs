//! Delete, with preconditions. Owns what a deletion takes along; owned objects
//! go in the background, by the garbage collector.

use super::Answer;
use super::route::{Place, Query};
use crate::core::object::{ObjectRef, at};
use crate::sandbox::controllers;
use crate::sandbox::fields::{set, text};
use crate::sandbox::kinds::Resource;
use crate::sandbox::status::Refusal;
use crate::sandbox::world::World;
use serde_json::{Value, json};

/// Kinds whose deletion answers with the object and not with a status.
const SHOWN: [&str; 4] = ["PersistentVolumeClaim", "Pod", "Service", "ServiceAccount"];

pub(in crate::sandbox) fn delete(
    world: &mut World,
    resource: &Resource,
    place: &Place,
    options: &Value,
    query: &Query,
) -> Answer {
    let dry_run = query.get("dryRun") == "All"
        || at(options, "/dryRun/0").and_then(Value::as_str) == Some("All");
    propagation(options, query)?;
    let name = ObjectRef::new(&resource.kind_ref(), place.namespace.as_deref(), &place.name);
    let live = world.get(&name).ok_or_else(|| Refusal::not_found(resource, &place.name))?.clone();
    if resource.kind == "Namespace" && ["default", "kube-system"].contains(&place.name.as_str()) {
        let why = "this namespace may not be deleted";
        return Err(Refusal::forbidden(resource, &place.name, why));
    }
    precondition(resource, place, options, &live)?;
    if resource.kind == "Pod" {
        let grace = options.get("gracePeriodSeconds").and_then(Value::as_i64);
        let scheduled = text(&live, "/status/phase") != "Pending";
        if grace != Some(0) && scheduled {
            let body = controllers::terminating(world, &live);
            if !dry_run {
                controllers::terminate(world, &name);
            }
            return Ok((200, body));
        }
    }
    let body = gone(resource, place, live, world.rv() + 1);
    if !dry_run {
        remove_with_content(world, resource, &name);
    }
    Ok((200, body))
}

fn gone(resource: &Resource, place: &Place, mut live: Value, version: u64) -> Value {
    if SHOWN.contains(&resource.kind) {
        set(&mut live, &["metadata", "resourceVersion"], json!(version.to_string()));
        if resource.kind == "Pod" {
            let now = text(&live, "/metadata/creationTimestamp").to_owned();
            set(&mut live, &["metadata", "deletionTimestamp"], json!(now));
            set(&mut live, &["metadata", "deletionGracePeriodSeconds"], json!(0));
            let generation = live["metadata"]["generation"].as_i64().unwrap_or(1);
            set(&mut live, &["metadata", "generation"], json!(generation + 1));
        }
        return live;
    }
    let mut details = json!({
        "name": place.name, "kind": resource.plural, "uid": text(&live, "/metadata/uid"),
    });
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    })
}

fn propagation(options: &Value, query: &Query) -> Result<(), Refusal> {
    let policy = match text(options, "/propagationPolicy") {
        "" => query.get("propagationPolicy"),
        policy => policy,
    };
    let invalid = |why: String| {
        let causes = [("propagationPolicy".to_owned(), why)];
        Refusal::invalid_as("meta.k8s.io", "DeleteOptions", "", &causes)
    };
    if !policy.is_empty() && options.get("orphanDependents").is_some_and(|o| !o.is_null()) {
        return Err(invalid(format!(
            "Invalid value: {policy:?}: orphanDependents and deletionPropagation cannot be both set"
        )));
    }
    match policy {
        "" | "Background" => Ok(()),
        "Foreground" | "Orphan" => {
            Err(Refusal::not_modelled(&format!("the propagation policy {policy}")))
        }
        other => Err(invalid(format!(
            "Unsupported value: {other:?}: supported values: \"Foreground\", \"Background\", \
             \"Orphan\", \"nil\""
        ))),
    }
}

fn precondition(
    resource: &Resource,
    place: &Place,
    options: &Value,
    live: &Value,
) -> Result<(), Refusal> {
    const CHECKS: [(&str, &str, &str); 2] = [
        ("uid", "UID", "The object might have been deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "The object might have been modified"),
    ];
    for (field, words, because) in CHECKS {
        let wanted =
            options.get("preconditions").and_then(|p| p.get(field)).and_then(Value::as_str);
        let there = text(live, &format!("/metadata/{field}"));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != there) {
            let why = format!(
                "the {words} in the precondition ({wanted}) does not match the {words} in record \
                 ({there}). {because}"
            );
            return Err(Refusal::precondition(resource, &place.name, &why));
        }
    }
    Ok(())
}

fn remove_with_content(world: &mut World, resource: &Resource, name: &ObjectRef) {
    if resource.kind == "Namespace" {
        let within = world.names();
        let within: Vec<ObjectRef> =
            within.filter(|o| o.namespace.as_ref() == Some(&name.name)).cloned().collect();
        within.iter().for_each(|object| world.remove(object));
    }
    world.remove(name);
}
