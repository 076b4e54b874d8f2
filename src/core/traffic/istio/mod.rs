//! Istio's VirtualService and DestinationRule. Owns what is written into both,
//! and in which order that is safe; each is a file of its own.
//!
//! # By the VirtualService alone
//!
//! Every destination that is the component's Service becomes two: the Services
//! of single revisions, which together get what the one had.
//!
//! # With a DestinationRule
//!
//! Destinations keep the Service as their host, and weight moves between two
//! subsets of it. Subsets are told apart by labels, and both are rendered so
//! that they select every pod of the component. While traffic is shared each is
//! narrowed to the pods of one revision: `stable` to the one that is left,
//! `canary` to the one that is reached. The two objects are written one after
//! the other, and a proxy may have either state of each, so every pair of
//! states that can meet has to be right:
//!
//! | subsets | rules | where | requests go to |
//! |---|---|---|---|
//! | rendered | rendered | at rest | all pods |
//! | narrowed | rendered | the beginning, before any new pod | old pods, by `stable`, which is all that rules send to at rest |
//! | rendered | shared | the beginning, if the rules are seen first | old pods: there are no others |
//! | narrowed | shared | every step | pods of both, by weight |
//! | rendered | shared, all to one side | the end, and the end of the way back | the pods that are left, by either subset |
//! | narrowed | rendered | **never at the end**: `stable` would be the side that is gone | |
//!
//! So the subsets are written first each time; at the end, with one side gone,
//! they are seen as rendered, and given the time of a drain, before the rules
//! are. The way back narrows first too, once the old side stands again: from
//! any pair above that reaches a pair in which old pods serve, or both do. What
//! is narrowed never changes in the middle, so a step that writes it again only
//! mends what somebody else has done to it.

mod matched;
mod rules;
mod status;
mod subsets;

pub use rules::{Rules, shared};
pub use subsets::{Subsets, pinned};

pub(super) use rules::backends;
pub(super) use status::acceptance;
pub(super) use subsets::host;

use crate::core::object::{KindRef, ObjectRef};
use serde_json::Value;

/// The versions that both kinds are served in, the newest first.
pub const VERSIONS: [&str; 3] =
    ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"];
const RULES: &str = "VirtualService";
const SUBSETS: &str = "DestinationRule";

/// The reference of a VirtualService.
#[must_use]
pub fn virtual_service(version: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(&KindRef::new(version, RULES), Some(namespace), name)
}

/// The reference of a DestinationRule.
#[must_use]
pub fn destination_rule(version: &str, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(&KindRef::new(version, SUBSETS), Some(namespace), name)
}

pub(super) fn is_virtual_service(object: &ObjectRef) -> bool {
    VERSIONS.contains(&object.api_version.as_str()) && object.kind == RULES
}

pub(super) fn is_destination_rule(object: &ObjectRef) -> bool {
    VERSIONS.contains(&object.api_version.as_str()) && object.kind == SUBSETS
}

/// The Service of a namespace that a host names, in any of the forms that
/// Kubernetes resolves.
fn service_of<'a>(host: &'a str, namespace: &str) -> Option<&'a str> {
    let (name, rest) = host.split_once('.').unwrap_or((host, ""));
    let here = rest.is_empty()
        || rest.strip_prefix(namespace).is_some_and(|rest| {
            ["", ".svc", ".svc.cluster.local"].contains(&rest.trim_end_matches('.'))
        });
    Some(name).filter(|name| here && !name.is_empty())
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
