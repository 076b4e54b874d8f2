//! `apps/v1` Deployment: a pair of them, one a revision.

use super::{Pods, Shape, WorkloadKind, count, observed, rendered_replicas};
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
    let wanted = rendered_replicas(object);
    let replicas = count(object, "/status/replicas");
    let ready = count(object, "/status/readyReplicas");
    let updated = count(object, "/status/updatedReplicas");
    let available = count(object, "/status/availableReplicas");
    let observed = observed(object);
    let rolled_out = updated == wanted && replicas == wanted && ready == wanted;
    Pods {
        wanted,
        observed,
        replicas,
        ready,
        updated,
        // The status has no such count. With one template in all pods it is
        // the ready count; while templates mix, the certain lower bound.
        updated_ready: updated.saturating_sub(replicas.saturating_sub(ready)),
        settled: observed && rolled_out && available == wanted,
    }
}
