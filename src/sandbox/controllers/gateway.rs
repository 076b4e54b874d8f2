//! Gateway API: every Gateway works at once, and takes over each change of an
//! HTTPRoute that names it after a while. Owns their status, steered by
//! annotations of the route:
//!
//! ```text
//! sandbox.tranche.dev/accept-after: 30s   until a change is taken over (default 1s)
//! sandbox.tranche.dev/accept: never       changes are never looked at
//! ```

use crate::core::object::{KindRef, ObjectRef, at};
use crate::sandbox::fields::{after, annotation, int, seconds, text};
use crate::sandbox::world::World;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) const ACCEPT: &str = "sandbox.tranche.dev/accept";
pub(super) const ACCEPT_AFTER: &str = "sandbox.tranche.dev/accept-after";
const CONTROLLER: &str = "sandbox.tranche.dev/gateway";
const API: &str = "gateway.networking.k8s.io/v1";

/// The routes that name a Gateway or a Service.
pub(super) fn routes_of(world: &World, object: &ObjectRef) -> Vec<ObjectRef> {
    let list = if object.kind == "Gateway" { "parentRefs" } else { "backendRefs" };
    let kind = KindRef::new(API, "HTTPRoute");
    let routes = world.of_kind(&kind);
    let names = |route: &Value| references(route, list).iter().any(|r| r["name"] == object.name);
    routes.filter(|(_, route)| names(route)).map(|(name, _)| name.clone()).collect()
}

fn references(route: &Value, list: &str) -> Vec<Value> {
    let items =
        |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    if list == "parentRefs" {
        return items(at(route, "/spec/parentRefs"));
    }
    let rules = items(at(route, "/spec/rules"));
    rules.iter().flat_map(|rule| items(rule.get(list))).collect()
}

/// When the newest change of a route is taken over, if it has not been.
pub(super) fn due(world: &World, name: &ObjectRef, route: &Value) -> Option<Timestamp> {
    if annotation(route, ACCEPT) == Some("never") || seen(route) {
        return None;
    }
    let delay = annotation(route, ACCEPT_AFTER).and_then(seconds).unwrap_or(1);
    changed(world, name).map(|changed| after(changed, delay))
}

/// When anything of an object but its status was written last.
pub(super) fn changed(world: &World, name: &ObjectRef) -> Option<Timestamp> {
    let written = world.managed(name).iter().filter(|entry| entry.subresource.is_none());
    written.filter_map(|e| e.time.as_deref()?.parse::<Timestamp>().ok()).max()
}

fn seen(route: &Value) -> bool {
    let generation = int(route, "/metadata/generation", 1);
    let parents = at(route, "/status/parents").and_then(Value::as_array);
    parents.is_some_and(|parents| {
        let first = "/conditions/0/observedGeneration";
        !parents.is_empty() && parents.iter().all(|parent| int(parent, first, 0) == generation)
    })
}

/// Looks at a route that is due, or whose Gateways or Services have changed.
pub(super) fn route(world: &mut World, route: &Value) {
    let never = annotation(route, ACCEPT) == Some("never");
    let Some(name) = ObjectRef::of(route) else { return };
    if never || due(world, &name, route).is_some_and(|at| at > world.now()) {
        return;
    }
    let namespace = text(route, "/metadata/namespace");
    let there = |api: &str, kind: &str, reference: &Value| {
        let namespace = reference.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
        let kind = KindRef::new(api, kind);
        world.bare(&ObjectRef::new(&kind, Some(namespace), text(reference, "/name"))).is_some()
    };
    let backends = references(route, "backendRefs");
    let resolved = backends.iter().all(|backend| there("v1", "Service", backend));
    let parents: Vec<Value> = references(route, "parentRefs")
        .into_iter()
        .filter(|parent| there(API, "Gateway", parent))
        .map(|parent| {
            let resolved =
                if resolved { ("True", "ResolvedRefs") } else { ("False", "BackendNotFound") };
            let conditions = [("Accepted", ("True", "Accepted")), ("ResolvedRefs", resolved)];
            let old = old_conditions(route, &parent);
            let conditions = conditions_of(world, route, &conditions, &old);
            json!({"parentRef": parent, "controllerName": CONTROLLER, "conditions": conditions})
        })
        .collect();
    world.write_status(route, json!({"parents": parents}), CONTROLLER);
}

fn old_conditions(route: &Value, parent: &Value) -> Vec<Value> {
    let parents = at(route, "/status/parents").and_then(Value::as_array);
    let old = parents.into_iter().flatten().find(|old| old["parentRef"] == *parent);
    old.and_then(|old| old["conditions"].as_array().cloned()).unwrap_or_default()
}

/// A Gateway or a GatewayClass: it works.
pub(super) fn works(world: &mut World, object: &Value) {
    let mut new = object.clone();
    let old = at(object, "/status/conditions").and_then(Value::as_array).cloned();
    let mut wanted = vec![("Accepted", ("True", "Accepted"))];
    if text(object, "/kind") == "Gateway" {
        wanted.push(("Programmed", ("True", "Programmed")));
    }
    let conditions = conditions_of(world, object, &wanted, &old.unwrap_or_default());
    new["status"]["conditions"] = Value::Array(conditions);
    world.write(new, CONTROLLER, Some("status"));
}

type Wanted<'a> = (&'a str, (&'a str, &'a str));

/// Conditions of the newest generation; one that stays keeps its instant.
fn conditions_of(
    world: &World,
    object: &Value,
    wanted: &[Wanted<'_>],
    old: &[Value],
) -> Vec<Value> {
    let condition = |(kind, (status, reason)): &Wanted<'_>| {
        let kept = old.iter().find(|c| c["type"] == *kind && c["status"] == *status);
        let since = kept.map_or_else(|| json!(world.now()), |c| c["lastTransitionTime"].clone());
        json!({
            "type": kind, "status": status, "reason": reason, "message": "",
            "observedGeneration": int(object, "/metadata/generation", 1),
            "lastTransitionTime": since,
        })
    };
    wanted.iter().map(condition).collect()
}
