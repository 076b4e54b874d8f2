//! Workload kinds: where each keeps its replicas and its partition, and how
//! its status reads. Owns the table of kinds that rollouts can drive.
//!
//! A new kind is a file here and a line in [`KINDS`].

mod cloneset;
mod daemonset;
mod deployment;
mod statefulset;

pub use daemonset::{OnNodes, is_nowhere};

use super::Driven;
use crate::core::model::Amount;
use crate::core::object::{KindRef, at};
use crate::core::traffic;
use serde_json::{Value, json};

/// How batches move over a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Two objects, one a revision, scaled against each other.
    Pair,
    /// One object whose pods are updated in place or replaced behind a
    /// partition.
    InPlace,
    /// One object with a pod on each node that it fits: how many there are is
    /// nobody's to say, and pods are updated by their being evicted.
    Nodes,
}

/// A kind that rollouts can drive.
#[derive(Debug)]
pub struct WorkloadKind {
    /// Group and version.
    pub api_version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// How batches move over it.
    pub shape: Shape,
    /// Where the partition stands, if the kind has one.
    pub partition: Option<&'static [&'static str]>,
    /// Reads pod counts from a live object.
    pub read: fn(&Value) -> Pods,
}

/// The kinds that rollouts can drive.
pub static KINDS: &[&WorkloadKind] = &[
    &deployment::DEPLOYMENT,
    &cloneset::CLONESET,
    &statefulset::STATEFULSET,
    &daemonset::DAEMONSET,
];

impl WorkloadKind {
    /// Pods that a live object's partition holds on the revision before. A
    /// CloneSet's may be a percentage, if somebody else has written it.
    #[must_use]
    pub fn held(&self, live: &Value) -> u32 {
        let set =
            self.partition.and_then(|path| path.iter().try_fold(live, |set, key| set.get(*key)));
        let percent = set.and_then(Value::as_str).and_then(|share| share.strip_suffix('%'));
        match percent.and_then(|percent| percent.parse().ok()) {
            Some(percent) => Amount::Percent(percent).of(rendered_replicas(live)),
            None => set.and_then(pods_of).unwrap_or(0),
        }
    }
}

/// What a live workload says about its pods. Counts that the status leaves
/// out are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// `spec.replicas`.
    pub wanted: u32,
    /// The controller has seen the newest spec.
    pub observed: bool,
    /// Pods in all.
    pub replicas: u32,
    /// Ready pods.
    pub ready: u32,
    /// Pods of the newest template.
    pub updated: u32,
    /// Ready pods of the newest template, where the kind tells.
    pub updated_ready: u32,
    /// The whole object is rolled out and healthy.
    pub settled: bool,
}

/// The workload kind of `kind`, if rollouts can drive it.
#[must_use]
pub fn of(kind: &KindRef) -> Option<&'static WorkloadKind> {
    KINDS.iter().copied().find(|k| k.api_version == kind.api_version && k.kind == kind.kind)
}

/// `spec.replicas` as rendered; 1 where it is left out, as the server
/// defaults it.
#[must_use]
pub fn rendered_replicas(body: &Value) -> u32 {
    at(body, "/spec/replicas").and_then(pods_of).unwrap_or(1)
}

/// Writes the driven fields into a body: the pods of a workload, the weights
/// of a route, the revision that a Service selects.
pub fn drive(body: &mut Value, kind: Option<&WorkloadKind>, driven: &Driven) {
    if let Some(split) = &driven.split {
        traffic::share(body, split);
    }
    if let Some(fields) = &driven.fields {
        traffic::lay(body, fields);
    }
    if let Some(pin) = &driven.pin {
        traffic::pin(body, pin.label());
    }
    if let Some(nodes) = driven.nodes {
        daemonset::drive(body, nodes);
    }
    if let Some(replicas) = driven.replicas {
        set(body, &["spec", "replicas"], json!(replicas));
    }
    if let (Some(partition), Some(path)) = (driven.partition, kind.and_then(|k| k.partition)) {
        set(body, path, json!(partition));
    }
}

/// Sets a field, creating the maps on the way.
pub fn set(body: &mut Value, path: &[&str], value: Value) {
    let mut at = body;
    for key in path {
        if !at.is_object() {
            *at = json!({});
        }
        let Some(map) = at.as_object_mut() else { return };
        at = map.entry((*key).to_owned()).or_insert(Value::Null);
    }
    *at = value;
}

/// What every kind's status tells in the same fields. What is updated *and*
/// ready, and what counts as rolled out, each kind says itself.
fn pods(object: &Value) -> Pods {
    Pods {
        wanted: rendered_replicas(object),
        observed: observed(object),
        replicas: count(object, "/status/replicas"),
        ready: count(object, "/status/readyReplicas"),
        updated: count(object, "/status/updatedReplicas"),
        updated_ready: 0,
        settled: false,
    }
}

/// Whether all pods there are, and no others, are ready.
fn all_ready(pods: &Pods) -> bool {
    pods.observed && pods.replicas == pods.wanted && pods.ready == pods.wanted
}

/// A count in a live object.
fn count(object: &Value, pointer: &str) -> u32 {
    at(object, pointer).and_then(pods_of).unwrap_or(0)
}

fn pods_of(number: &Value) -> Option<u32> {
    number.as_u64().map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

/// Whether the controller has seen the newest spec.
fn observed(object: &Value) -> bool {
    let generation = at(object, "/metadata/generation").and_then(Value::as_u64).unwrap_or(0);
    let seen = at(object, "/status/observedGeneration").and_then(Value::as_u64);
    seen.is_some_and(|seen| seen >= generation)
}
