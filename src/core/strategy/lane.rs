//! What a lane is on a cluster: its routes as the plan has them, or, while
//! rollouts are in it, with its requests sent to the pods that they try. Owns
//! that as a function of the plan and the members alone; it must never look at
//! what is live.
//!
//! A hop at which no member tries anything keeps its requests: they reach the
//! pods that all others reach, but still with the lane's headers, by which
//! those further down the chain tell them apart.

use super::routed::revision_number;
use super::trial::LABEL_TEMPLATE;
use super::workload::set;
use super::written::written;
use crate::core::model::{Hop, Lane, Member, RouteProvider, TrafficRoute};
use crate::core::object::ObjectRef;
use crate::core::traffic::{self, Apart, Label, Split};
use serde_json::{Value, json};
use std::sync::Arc;

/// The objects of a lane while `members` are in it.
#[must_use]
pub fn lane_objects(
    lane: &Lane,
    namespace: &str,
    members: &[Member],
) -> Vec<(ObjectRef, Arc<Value>)> {
    let mut objects = Vec::new();
    for route in &lane.traffic.routes {
        let (Some(body), Some(service)) = (&route.document, &route.service) else { continue };
        let mut body = body.clone();
        set(&mut body, &["metadata", "namespace"], json!(namespace));
        let object = route.object(namespace);
        let here = |hop: &Hop| {
            hop.service == *service && hop.routes.iter().any(|known| is_same(known, &object))
        };
        let tried = members.iter().find(|member| member.hops.iter().any(here));
        let tried = tried.map(|member| revision_number(&member.revision));
        if let (false, Ok(name)) = (members.is_empty(), Label::new(service)) {
            let split = split(lane, name, tried);
            if let RouteProvider::Ingress(class) = route.provider {
                let mut second = traffic::second(&body, class, service);
                traffic::share(&mut second, &split);
                objects.extend(ObjectRef::of(&second).map(|object| (object, Arc::new(second))));
            }
            // What cannot be said was refused when the plan was loaded.
            match written(&route.provider, &body, &split, &apart(), None) {
                Ok(Some(fields)) => traffic::lay(&mut body, &fields),
                Ok(None) | Err(_) => traffic::share(&mut body, &split),
            }
        }
        objects.extend(ObjectRef::of(&body).map(|object| (object, Arc::new(body))));
    }
    objects.sort_by(|(one, _), (other, _)| one.cmp(other));
    objects
}

/// How a lane's route is shared; where a hop tries nothing, with itself.
pub(super) fn split(lane: &Lane, service: Label, tried: Option<u64>) -> Split {
    Split {
        service,
        source: 0,
        target: tried.unwrap_or(0),
        weight: Some(lane.weight),
        matches: lane.matches.clone(),
        headers: lane.headers.clone(),
        mixed: true,
        alike: tried.is_none(),
        apart: false,
    }
}

/// What a route cannot say of a lane, in words that follow its name.
pub(super) fn inexpressible(lane: &Lane, route: &TrafficRoute, body: &Value) -> Option<String> {
    let name = Label::new(route.service.as_deref()?).ok()?;
    let says = |tried| written(&route.provider, body, &split(lane, name, tried), &apart(), None);
    says(Some(1)).and_then(|_| says(None)).err()
}

/// By which label pods are told apart is no route's business here: the Services
/// say it.
fn apart() -> Apart {
    Apart { key: LABEL_TEMPLATE, left: String::new(), reached: String::new() }
}

/// Whether two routes are one, whatever version of their kind they are in.
fn is_same(one: &ObjectRef, other: &ObjectRef) -> bool {
    (&one.kind, &one.name) == (&other.kind, &other.name)
}
