//! The subresource `eviction` of pods: a deletion that asks the disruption
//! budgets first. Owns that question; there is no controller here that counts
//! for a budget beforehand, so it is counted when it is asked.

use super::Answer;
use super::delete::delete;
use super::route::{Place, Query};
use crate::core::object::{KindRef, ObjectRef, at};
use crate::sandbox::controllers;
use crate::sandbox::fields::{label, text};
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
    let counts = text(&pod, "/status/phase") == "Running"
        && text(&pod, "/metadata/deletionTimestamp").is_empty();
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
        if is_about(budget, pod)? {
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
    let Some(needed) = budget["spec"]["minAvailable"].as_u64() else {
        return Err(Refusal::not_modelled("budgets without a number as `minAvailable`"));
    };
    let pods = KindRef::new("v1", "Pod");
    let healthy = world.of_kind(&pods).filter(|(name, other)| {
        here(name)
            && is_about(budget, other).unwrap_or(false)
            && text(other, "/metadata/deletionTimestamp").is_empty()
            && controllers::is_ready(other)
    });
    let healthy = u64::try_from(healthy.count()).unwrap_or(u64::MAX);
    let unhealthy = !controllers::is_ready(pod);
    let always = text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
    if healthy > needed || (unhealthy && (always || (needed > 0 && healthy >= needed))) {
        return Ok(());
    }
    Err(Refusal::over_budget(text(budget, "/metadata/name"), needed, healthy))
}

/// Whether a budget is about a pod.
fn is_about(budget: &Value, pod: &Value) -> Result<bool, Refusal> {
    let selector = at(budget, "/spec/selector");
    let wanted = selector.and_then(|s| s.get("matchLabels")).and_then(Value::as_object);
    if selector.is_some_and(|s| s.get("matchExpressions").is_some()) {
        return Err(Refusal::not_modelled(
            "spec.selector.matchExpressions of a PodDisruptionBudget",
        ));
    }
    let carries = |(name, value): (&String, &Value)| label(pod, name) == value.as_str();
    Ok(selector.is_some() && wanted.into_iter().flatten().all(carries))
}
