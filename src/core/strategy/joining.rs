//! A plan's lanes and who joins them: each lane is handed its routes, and each
//! member is told by which of them its Services are reached. What cannot be done
//! is refused before anything is published.

use super::claim::{is, template, version};
use super::lane;
use crate::core::model::{Hop, Joined, Lane, Plan, RouteProvider};
use crate::core::object::{ObjectRef, at};
use crate::core::render::{Library, Rendered};
use crate::core::traffic::{self, Weight};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Hands the routes of a plan's lanes to them, and says what is wrong.
pub(super) fn lanes(
    plan: &mut Plan,
    library: &Library,
    claimed: &mut BTreeMap<ObjectRef, String>,
    namespace: &str,
) -> Vec<String> {
    let mut errors = Vec::new();
    for lane in &mut plan.lanes {
        let own = lane.namespace.clone().unwrap_or_else(|| namespace.to_owned());
        let place = lane.place.to_string();
        for at in 0..lane.traffic.routes.len() {
            let Some(route) = lane.traffic.routes.get_mut(at) else { break };
            if let Err(why) = template(route, library, &plan.project.limits) {
                errors.push(format!("{place}: {why}"));
                continue;
            }
            version(route, &own, (&plan.objects, namespace), None);
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
    objects.filter(is_service).map(|o| o.name).collect()
}

/// Tells a member by which routes its lane reaches which of its Services.
pub(super) fn join(
    joined: &mut Joined,
    lanes: &[Lane],
    (own, namespace): (&str, &str),
    rendered: Option<&Rendered>,
) -> Result<(), String> {
    let reached = rendered.map(services).unwrap_or_default();
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
    joined.routes = lane.traffic.routes.iter().map(|route| route.object(own)).collect();
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
    joined.weight = if hops.is_empty() { Weight::NONE } else { lane.weight };
    joined.hops = hops.into_iter().map(|(service, routes)| Hop { service, routes }).collect();
    Ok(())
}

/// Services by which others than a member's own pods are reached, or by which its
/// pods are reached without the rollout's having them: while something is tried
/// they would be narrowed wrongly, or not at all.
pub(super) fn shared(
    own: &Rendered,
    component: Option<&str>,
    others: &[(ObjectRef, Arc<Value>)],
) -> Result<(), String> {
    let rolled = |name: &str| component.is_none_or(|component| component == name);
    let Some(part) = own.components.iter().find(|part| rolled(&part.name)) else { return Ok(()) };
    let labels = at(&part.workload, "/spec/template/metadata/labels");
    let parts = own.components.iter();
    let bodies = parts.flat_map(|part| std::iter::once(&part.workload).chain(&part.extras));
    for (other, body) in others {
        if is_service(other) && traffic::selects(body, labels) {
            return Err(format!(
                "{other} selects its pods too, but is not among what the rollout has: name its \
                 namespace as the workload's document does, or both not at all"
            ));
        }
        let others_labels = at(body, "/spec/template/metadata/labels");
        let service = bodies.clone().find(|body| {
            ObjectRef::of(body).is_some_and(|object| is_service(&object))
                && traffic::selects(body, labels)
                && traffic::selects(body, others_labels)
        });
        if let Some(service) = service.and_then(|service| ObjectRef::of(service)) {
            return Err(format!(
                "{service} selects the pods of {other} too: while a revision is tried it would \
                 reach none of them; give each workload a Service of its own"
            ));
        }
    }
    Ok(())
}

/// Whether an object is a Service.
pub(super) fn is_service(object: &ObjectRef) -> bool {
    (object.api_version.as_str(), object.kind.as_str()) == ("v1", "Service")
}
