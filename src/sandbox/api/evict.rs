//! The subresource `eviction` of pods: a deletion that asks the disruption
//! budgets first. Owns that question; what a budget allows is counted in
//! `budget.rs`, and it must never decide that itself.

use super::delete::delete;
use super::route::{Place, Query};
use super::{Answer, budget};
use crate::core::object::{KindRef, ObjectRef};
use crate::sandbox::controllers;
use crate::sandbox::fields::text;
use crate::sandbox::kinds::Resource;
use crate::sandbox::status::Refusal;
use crate::sandbox::world::World;
use serde_json::{Value, json};

pub(in crate::sandbox) fn evict(
    world: &mut World,
    resource: &Resource,
    place: &Place,
    body: &Value,
    query: &Query,
) -> Answer {
    if resource.kind != "Pod" {
        return Err(Refusal::unknown());
    }
    let named = text(body, "/metadata/name");
    if named != place.name {
        let why = "name in URL does not match name in Eviction object";
        return Err(Refusal::bad_request(why));
    }
    let name = ObjectRef::new(&resource.kind_ref(), place.namespace.as_deref(), &place.name);
    let pod = world.get(&name).ok_or_else(|| Refusal::not_found(resource, &place.name))?.clone();
    let over = ["Pending", "Succeeded", "Failed"].contains(&text(&pod, "/status/phase"));
    let counts = !over && text(&pod, "/metadata/deletionTimestamp").is_empty();
    if counts {
        ask_budget(world, place, &pod)?;
    }
    let options = body.get("deleteOptions").cloned().unwrap_or_default();
    delete(world, resource, place, &options, query)?;
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    });
    Ok((201, status))
}

/// Whether the one budget that is about a pod lets it go.
fn ask_budget(world: &World, place: &Place, pod: &Value) -> Result<(), Refusal> {
    let kind = KindRef::new("policy/v1", "PodDisruptionBudget");
    let here = |name: &ObjectRef| name.namespace == place.namespace;
    let mut about = Vec::new();
    for (_, budget) in world.of_kind(&kind).filter(|(name, _)| here(name)) {
        if budget::is_about(budget, pod) {
            about.push(budget);
        }
    }
    let budget = match about.as_slice() {
        [] => return Ok(()),
        [one] => *one,
        _ => {
            let why = "This pod has more than one PodDisruptionBudget, which the eviction \
                       subresource does not support.";
            return Err(Refusal::new(500, "InternalError", why));
        }
    };
    let standing = budget::standing(world, budget)?;
    let always = text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
    if !controllers::is_ready(pod) && (always || standing.spares_unready()) {
        return Ok(());
    }
    match standing.refusal(text(budget, "/metadata/name")) {
        None => Ok(()),
        Some(why) => Err(Refusal::over_budget(&why)),
    }
}
