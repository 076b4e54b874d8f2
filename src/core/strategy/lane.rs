//! What a lane is on a cluster: its routes as the plan has them, or, while
//! rollouts are in it, with its requests sent to the pods that they try. Owns
//! that as a function of the plan and the members alone; it must never look at
//! what is live.
//!
//! A hop at which no member tries anything keeps its requests: they reach the
//! pods that all others reach, but still with the lane's headers, by which
//! those further down the chain tell them apart.

use super::trial::LABEL_TEMPLATE;
use super::workload::set;
use super::written::written;
use crate::core::model::{Joined, Lane, Member, RouteProvider, TrafficRoute};
use crate::core::object::ObjectRef;
use crate::core::traffic::{self, Apart, Label, Split};
use serde_json::{Value, json};
use std::sync::Arc;

/// The objects of a lane while `members` are in it: with each, by which
/// Services it is reached, and the number of the revision that it tries.
#[must_use]
pub fn lane_objects(
    lane: &Lane,
    namespace: &str,
    members: &[(&Joined, u64)],
) -> Vec<(ObjectRef, Arc<Value>)> {
    let mut objects = Vec::new();
    for route in &lane.traffic.routes {
        let (Some(body), Some(service)) = (&route.document, &route.service) else { continue };
        let mut body = body.clone();
        set(&mut body, &["metadata", "namespace"], json!(namespace));
        let hop = |(joined, number): &(&Joined, u64)| {
            joined.hops.iter().any(|hop| hop.service == *service).then_some(*number)
        };
        let tried = members.iter().find_map(hop);
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
    let split = split(lane, name, Some(1));
    written(&route.provider, body, &split, &apart(), None).err()
}

/// By which label pods are told apart is no route's business here: the Services
/// say it.
fn apart() -> Apart {
    Apart { key: LABEL_TEMPLATE, left: String::new(), reached: String::new() }
}

/// The members of a lane, as those of its rollouts that are in it have them.
#[must_use]
pub fn revision_number(member: &Member) -> u64 {
    let number = member.revision.rsplit_once("-v").and_then(|(_, number)| number.parse().ok());
    number.unwrap_or(0)
}
