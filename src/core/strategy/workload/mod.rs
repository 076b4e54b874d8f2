//! Workload kinds: where each keeps its replicas, its partition and its pod
//! template, and how its status reads. Owns what a kind is to a rollout; it must
//! never know a strategy, and there is no table that anybody could write to: the
//! built-in kinds never change, and those of a plan travel with what it renders.
//!
//! A new kind is a descriptor: a file here with its line in [`BUILT_IN`], or one
//! under `templates/` of a plan.

mod daemonset;
mod descriptor;
mod known;
mod path;
mod pods;

pub use descriptor::{Fault, read};
pub use known::Workloads;
pub use path::FieldPath;
pub use pods::Pods;

pub use daemonset::{OnNodes, is_nowhere};

use super::Driven;
use crate::core::model::Amount;
use crate::core::object::{KindRef, at};
use crate::core::traffic;
use crate::core::yaml;
use pods::pods_of;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// Where a Service says which version is in production.
pub const VERSION: &[&str] = &["metadata", "labels", "version"];

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadKind {
    /// Group and version, and kind.
    pub of: KindRef,
    /// How batches move over it.
    pub shape: Shape,
    /// Where its size stands.
    pub replicas: FieldPath,
    /// Where the partition stands: what is in place has one.
    pub partition: Option<FieldPath>,
    /// Where its pod template stands.
    pub template: FieldPath,
    /// Where the labels stand by which it selects its pods: what is a pair has
    /// them, since each of the two selects its own.
    pub selector: Option<FieldPath>,
    /// Where its status has its counts.
    pub(super) status: StatusPaths,
}

/// Where a status has its counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatusPaths {
    /// The generation that the controller has seen.
    pub(super) observed: FieldPath,
    /// Pods in all.
    pub(super) replicas: FieldPath,
    /// Ready pods.
    pub(super) ready: FieldPath,
    /// Pods of the newest template.
    pub(super) updated: FieldPath,
    /// Ready pods of the newest template, where the kind tells.
    pub(super) updated_ready: Option<FieldPath>,
    /// Pods that are ready for a while, where that counts.
    pub(super) available: Option<FieldPath>,
}

/// The descriptors of the built-in kinds.
const BUILT_IN: &[&str] = &[
    include_str!("deployment.yaml"),
    include_str!("cloneset.yaml"),
    include_str!("statefulset.yaml"),
];

/// The kinds that rollouts can drive in any plan.
#[must_use]
pub fn built_in() -> &'static [Arc<WorkloadKind>] {
    static KINDS: LazyLock<Vec<Arc<WorkloadKind>>> = LazyLock::new(|| {
        let documents = BUILT_IN.iter().filter_map(|text| {
            yaml::parse("builtin", text.as_bytes(), &crate::core::model::Limits::default()).ok()
        });
        let kinds =
            documents.flatten().filter_map(|document| read(document.root.get("spec")?).ok());
        kinds.chain(daemonset::kind()).map(Arc::new).collect()
    });
    &KINDS
}

/// The built-in workload kind of `kind`.
#[must_use]
pub fn of(kind: &KindRef) -> Option<&'static Arc<WorkloadKind>> {
    built_in().iter().find(|known| known.of == *kind)
}

impl WorkloadKind {
    /// The size that an object says; 1 where it says none, as servers default it.
    #[must_use]
    pub fn size(&self, object: &Value) -> u32 {
        // How many nodes there are is nothing that an object says.
        if self.shape == Shape::Nodes {
            return 0;
        }
        self.replicas.of(object).and_then(pods_of).unwrap_or(1)
    }

    /// Pods that a live object's partition holds on the revision before. A
    /// CloneSet's may be a percentage, if somebody else has written it.
    #[must_use]
    pub fn held(&self, live: &Value) -> u32 {
        let set = self.partition.as_ref().and_then(|path| path.of(live));
        let percent = set.and_then(Value::as_str).and_then(|share| share.strip_suffix('%'));
        match percent.and_then(|percent| percent.parse().ok()) {
            Some(percent) => Amount::Percent(percent).of(self.size(live)),
            None => set.and_then(pods_of).unwrap_or(0),
        }
    }

    /// The labels of the pods that an object makes.
    #[must_use]
    pub fn pod_labels<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        at(self.template.of(object)?, "/metadata/labels")
    }
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
    if let Some(version) = &driven.version {
        set(body, VERSION, json!(version));
    }
    if let Some(replicas) = driven.replicas {
        let path = kind.map(|kind| kind.replicas.keys());
        set(body, path.as_deref().unwrap_or(&["spec", "replicas"]), json!(replicas));
    }
    let path = kind.and_then(|kind| kind.partition.as_ref());
    if let (Some(partition), Some(path)) = (driven.partition, path) {
        set(body, &path.keys(), json!(partition));
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

#[cfg(test)]
mod tests;
