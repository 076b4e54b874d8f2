//! What moves by itself. Owns who looks at which object; each controller is a
//! function of the state at one instant, and must never ask what time it is
//! elsewhere.

mod claim;
mod cloneset;
mod daemonset;
mod deployment;
mod gateway;
mod istio;
mod pod;
mod replicaset;
mod revision;
mod service;
mod statefulset;
mod template;

pub(super) use pod::{terminate, terminating};
pub(super) use template::only_images_differ;

use super::fields::text;
use super::world::{World, owners};
use crate::core::object::ObjectRef;
use jiff::Timestamp;
use serde_json::Value;

/// Brings one object, or what it owns, one step nearer to what it should be.
pub(super) fn reconcile(world: &mut World, name: &ObjectRef) {
    let Some(object) = world.bare(name).cloned() else { return };
    if orphaned(world, &object) {
        if name.kind == "Pod" {
            terminate(world, name);
        } else {
            world.remove(name);
            return;
        }
    }
    match name.kind.as_str() {
        "Pod" => pod::reconcile(world, name),
        "ReplicaSet" => replicaset::reconcile(world, &object),
        "Deployment" => deployment::reconcile(world, &object),
        "CloneSet" => cloneset::reconcile(world, &object),
        "StatefulSet" => statefulset::reconcile(world, &object),
        "DaemonSet" => daemonset::reconcile(world, &object),
        "PersistentVolumeClaim" => claim::bind(world, &object),
        "Service" => service::reconcile(world, &object),
        "Gateway" | "GatewayClass" => gateway::works(world, &object),
        "HTTPRoute" => gateway::route(world, &object),
        "VirtualService" | "DestinationRule" => istio::told(world, &object),
        _ => {}
    }
}

/// Whose turn it is first: what is owned before its owner, and who follows
/// pods last. An owner then looks once at all that has changed below it.
pub(super) fn rank(name: &ObjectRef) -> u8 {
    match name.kind.as_str() {
        "Pod" => 0,
        "ReplicaSet" | "StatefulSet" | "CloneSet" | "DaemonSet" => 1,
        "Service" => 3,
        "HTTPRoute" => 4,
        _ => 2,
    }
}

/// What looks at an object without owning it, now that it is new, changed or
/// gone.
pub(super) fn watchers(world: &World, name: &ObjectRef, object: &Value) -> Vec<ObjectRef> {
    match name.kind.as_str() {
        "Pod" => service::of_pod(world, object),
        "Service" | "Gateway" => gateway::routes_of(world, name),
        _ => Vec::new(),
    }
}

/// When the object's controller has to look again, if nothing else happens.
pub(super) fn due(world: &World, name: &ObjectRef) -> Option<Timestamp> {
    let object = world.bare(name)?;
    match name.kind.as_str() {
        "Pod" => pod::due(object),
        "Deployment" => deployment::due(object),
        "HTTPRoute" => gateway::due(world, name, object),
        "VirtualService" | "DestinationRule" => istio::due(world, name, object),
        "Service" => service::due(world, name, object),
        "ReplicaSet" | "CloneSet" | "StatefulSet" | "DaemonSet" => {
            template::next_available(world, object)
        }
        _ => None,
    }
}

/// Whether a pod is ready.
pub(super) fn is_ready(pod: &Value) -> bool {
    template::ready_since(pod).is_some()
}

/// Whether every owner of the object is gone.
fn orphaned(world: &World, object: &Value) -> bool {
    let owners = owners(object);
    !owners.is_empty()
        && owners.iter().all(|(name, uid)| {
            world.bare(name).is_none_or(|owner| text(owner, "/metadata/uid") != uid)
        })
}
