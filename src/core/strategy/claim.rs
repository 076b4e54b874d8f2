//! A plan's rollouts and the routes that they drive: each route is handed to
//! the rollout that names it, and what cannot be done with it is refused
//! before anything is published.

use super::{Bodies, RevisionBodies, lane, spread};
use crate::core::digest::Digest;
use crate::core::model::{Application, Hop, Joined, Lane, Plan, Rollout, RouteProvider};
use crate::core::object::ObjectRef;
use crate::core::render::{ApplicationKey, Rendered};
use crate::core::traffic;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Hands the routes of a plan to its rollouts, and says all that is wrong
/// with them. A route that is a document of its own leaves the plan's plain
/// objects: an object has one owner. `namespace` is that of documents which
/// name none.
pub fn claim(
    plan: &mut Plan,
    rendered: &BTreeMap<ApplicationKey, &Rendered>,
    namespace: &str,
) -> Vec<String> {
    let mut claimed: BTreeMap<ObjectRef, String> = BTreeMap::new();
    let mut errors = lanes(plan, &mut claimed, namespace);
    for rollout in &mut plan.rollouts {
        let own = rollout.namespace.clone().unwrap_or_else(|| namespace.to_owned());
        let place = rollout.place.to_string();
        let application = rollout.application().to_owned();
        let key = ApplicationKey { namespace: own.clone(), name: application };
        let Some(canary) = &mut rollout.canary else { continue };
        let mut wrong = None;
        if let Some(joined) = &mut canary.lane {
            let reached = rendered.get(&key).map(|own| services(own)).unwrap_or_default();
            wrong = join(joined, &plan.lanes, (&own, namespace), &reached).err();
        }
        for route in &mut canary.traffic.routes {
            let object = route.object(&own);
            if let Some(first) = claimed.insert(object.clone(), place.clone()) {
                wrong = Some(format!("{object} is driven already by the rollout at {first}"));
                break;
            }
            let at = plan.objects.iter().position(|plain| is(&plain.body, &object, namespace));
            if let Some(at) = at {
                let plain = plan.objects.remove(at);
                let mut body = Arc::unwrap_or_clone(plain.body);
                body["metadata"]["namespace"] = json!(own);
                route.document = Some(body);
                route.document_file = Some(plain.place.file);
            } else if let Some(why) = missing(&object, &key, rendered) {
                wrong = Some(why);
                break;
            }
        }
        if let Some(why) = wrong {
            errors.push(format!("{place}: {why}"));
            continue;
        }
        let application = plan.applications.iter().find(|a| {
            a.name == key.name && a.namespace.as_deref().unwrap_or(namespace) == key.namespace
        });
        let Some((application, rendered)) = application.zip(rendered.get(&key)) else { continue };
        let Some(target) = newest(rollout, application, rendered) else { continue };
        let total = rollout.plan.target_size.unwrap_or(target.replicas);
        if let Some(why) = unfit(rollout, target, total) {
            errors.push(format!("{place}: {why}"));
        } else if let Some(canary) = rollout.canary.as_ref().filter(|_| rollout.spreads()) {
            plan.notices.extend(spread::notices(canary, total));
        }
    }
    errors
}

/// Hands the routes of lanes to them.
fn lanes(
    plan: &mut Plan,
    claimed: &mut BTreeMap<ObjectRef, String>,
    namespace: &str,
) -> Vec<String> {
    let mut errors = Vec::new();
    for lane in &mut plan.lanes {
        let own = lane.namespace.clone().unwrap_or_else(|| namespace.to_owned());
        let place = lane.place.to_string();
        for at in 0..lane.traffic.routes.len() {
            let Some(route) = lane.traffic.routes.get_mut(at) else { break };
            let object = route.object(&own);
            if let Some(first) = claimed.insert(object.clone(), place.clone()) {
                errors.push(format!("{place}: {object} is driven already by what is at {first}"));
                continue;
            }
            let found = plan.objects.iter().position(|plain| is(&plain.body, &object, namespace));
            let Some(found) = found else {
                errors.push(format!(
                    "{place}: {object} is no document of this plan: a lane's route is one; add it"
                ));
                continue;
            };
            let plain = plan.objects.remove(found);
            let mut body = Arc::unwrap_or_clone(plain.body);
            body["metadata"]["namespace"] = json!(own);
            let service = route.service.clone().unwrap_or_default();
            let backends = traffic::backends(&body);
            if !backends.contains(&service.as_str()) {
                errors.push(format!(
                    "{place}: {object} does not send to Service {service}, but to {}",
                    if backends.is_empty() { "none".to_owned() } else { backends.join(", ") }
                ));
            }
            route.document_file = Some(plain.place.file);
            route.document = Some(body.clone());
            let route = route.clone();
            if let Some(why) = lane::inexpressible(lane, &route, &body) {
                errors.push(format!("{place}: {object} {why}"));
            }
        }
    }
    errors
}

/// The names of the Services that an application renders.
fn services(rendered: &Rendered) -> BTreeSet<String> {
    let parts = rendered.components.iter();
    let bodies = parts.flat_map(|part| std::iter::once(&part.workload).chain(&part.extras));
    let objects = bodies.filter_map(|body| ObjectRef::of(body));
    objects.filter(|o| o.api_version == "v1" && o.kind == "Service").map(|o| o.name).collect()
}

/// Tells a member by which routes its lane reaches which of its Services.
fn join(
    joined: &mut Joined,
    lanes: &[Lane],
    (own, namespace): (&str, &str),
    reached: &BTreeSet<String>,
) -> Result<(), String> {
    let here = |lane: &&Lane| {
        lane.name == joined.lane && lane.namespace.as_deref().unwrap_or(namespace) == own
    };
    let Some(lane) = lanes.iter().find(here) else {
        let known: Vec<&str> = lanes.iter().map(|lane| lane.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(format!(
            "it joins TrafficRouting {own}/{}, which is not in this plan; there is {known}",
            joined.lane
        ));
    };
    joined.drain_seconds = lane.traffic.drain_seconds;
    let mut hops: BTreeMap<String, Vec<ObjectRef>> = BTreeMap::new();
    for route in &lane.traffic.routes {
        let Some(service) = route.service.as_ref().filter(|s| reached.contains(*s)) else {
            continue;
        };
        let routes = hops.entry(service.clone()).or_default();
        routes.push(route.object(own));
        if let RouteProvider::Ingress(_) = route.provider {
            routes.push(traffic::ingress(own, &traffic::second_name(&route.name)));
        }
    }
    joined.hops = hops.into_iter().map(|(service, routes)| Hop { service, routes }).collect();
    Ok(())
}

/// Whether a document is an object.
fn is(body: &Value, object: &ObjectRef, namespace: &str) -> bool {
    ObjectRef::of(body).is_some_and(|mut found| {
        found.namespace.get_or_insert_with(|| namespace.to_owned());
        found == *object
    })
}

/// Why a route that is no document cannot be driven, unless the rollout's own
/// application renders it.
fn missing(
    object: &ObjectRef,
    key: &ApplicationKey,
    rendered: &BTreeMap<ApplicationKey, &Rendered>,
) -> Option<String> {
    let renders = |rendered: &Rendered| {
        rendered.components.iter().flat_map(|c| &c.extras).any(|body| is(body, object, ""))
    };
    if rendered.get(key).is_none_or(|own| renders(own)) {
        // Without the application the revision tells, once it is read.
        return None;
    }
    let other = rendered.iter().find(|(_, other)| renders(other));
    Some(match other {
        Some((other, _)) => format!(
            "{object} belongs to application {}, but the rollout is of {}",
            other.name, key.name
        ),
        None => format!(
            "{object} is not in this plan; a route that stands only on the cluster cannot be \
             driven yet: add its document"
        ),
    })
}

/// The newest rendering of what is rolled. Which component is meant, and
/// whether it can be rolled at all, is told by the decision about the revision
/// itself.
fn newest(
    rollout: &Rollout,
    application: &Application,
    rendered: &Rendered,
) -> Option<RevisionBodies> {
    let rolling = application.rolling_components.first().map(String::as_str);
    let rolling = rolling.filter(|_| rendered.components.len() > 1);
    let component = rollout.component.as_deref().or(rolling);
    let name = format!("{}-v1", application.name);
    let digest = Digest::of_bytes(name.as_bytes());
    let driven = (component, rollout.naming);
    RevisionBodies::of(rendered, driven, &name, 1, &digest).ok()
}

/// What keeps it from being rolled out so.
fn unfit(rollout: &Rollout, target: RevisionBodies, total: u32) -> Option<String> {
    let bodies = Bodies { source: None, target: Arc::new(target) };
    if let Err(error) = bodies.routed(rollout) {
        return Some(error.to_string());
    }
    let canary = rollout.canary.as_ref()?;
    let pods = match rollout.spreads() {
        true => spread::sides(canary, total).err(),
        false => canary.pods(total).err(),
    };
    pods.map(|error| error.to_string())
}
