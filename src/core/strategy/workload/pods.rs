//! What a live workload says about its pods. Owns how a status is read by the
//! places that a descriptor names; a count that is not there is zero.

use super::{Shape, WorkloadKind, daemonset};
use crate::core::object::at;
use serde_json::Value;

/// What a live workload says about its pods. Counts that the status leaves
/// out are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// The size that is wanted.
    pub wanted: u32,
    /// The controller has seen the newest spec.
    pub observed: bool,
    /// Pods in all.
    pub replicas: u32,
    /// Ready pods.
    pub ready: u32,
    /// Pods of the newest template.
    pub updated: u32,
    /// Ready pods of the newest template; where the kind does not tell, as many
    /// as there certainly are.
    pub updated_ready: u32,
    /// The whole object is rolled out and healthy.
    pub settled: bool,
}

impl WorkloadKind {
    /// Reads pod counts from a live object.
    #[must_use]
    pub fn read(&self, object: &Value) -> Pods {
        let status = &self.status;
        if self.shape == Shape::Nodes {
            return daemonset::counts(object, self.has_seen(object));
        }
        let count = |path: &super::FieldPath| path.of(object).and_then(pods_of).unwrap_or(0);
        let wanted = self.size(object);
        let (replicas, ready) = (count(&status.replicas), count(&status.ready));
        let updated = count(&status.updated);
        let observed = self.has_seen(object);
        // Where the status tells how many pods are updated and how many are
        // ready, not how many are both: to count ready pods of the old revision
        // as new ones is the original's defect. With one template in all pods
        // this is the ready count; while templates mix, the certain lower bound.
        let all = match self.shape {
            Shape::Pair | Shape::Nodes => replicas,
            // On the way to fewer pods some that are to go are not ready.
            Shape::InPlace => wanted.max(replicas),
        };
        let told = status.updated_ready.as_ref().map(count);
        let updated_ready = told.unwrap_or(updated.saturating_sub(all.saturating_sub(ready)));
        let moved = if told.is_some() { updated_ready } else { updated };
        let available = status.available.as_ref().map(count);
        let settled = observed
            && [replicas, ready, moved, available.unwrap_or(wanted)].iter().all(|n| *n == wanted);
        Pods { wanted, observed, replicas, ready, updated, updated_ready, settled }
    }

    /// Whether the controller has seen the newest spec.
    fn has_seen(&self, object: &Value) -> bool {
        let generation = at(object, "/metadata/generation").and_then(Value::as_u64).unwrap_or(0);
        // Some controllers write it as a text.
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let seen = self.status.observed.of(object).and_then(number);
        seen.is_some_and(|seen| seen >= generation)
    }
}

/// A count.
pub(super) fn pods_of(number: &Value) -> Option<u32> {
    number.as_u64().map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}
