//! `apps/v1` Deployment: a pair of them, one a revision.

use super::{Pods, Shape, WorkloadKind, all_ready, count, pods};
use serde_json::Value;

/// Deployment.
pub static DEPLOYMENT: WorkloadKind = WorkloadKind {
    api_version: "apps/v1",
    kind: "Deployment",
    shape: Shape::Pair,
    partition: None,
    read,
};

fn read(object: &Value) -> Pods {
    let seen = pods(object);
    let available = count(object, "/status/availableReplicas");
    Pods {
        // The status has no such count. With one template in all pods it is
        // the ready count; while templates mix, the certain lower bound.
        updated_ready: seen.updated.saturating_sub(seen.replicas.saturating_sub(seen.ready)),
        settled: all_ready(&seen) && seen.updated == seen.wanted && available == seen.wanted,
        ..seen
    }
}
