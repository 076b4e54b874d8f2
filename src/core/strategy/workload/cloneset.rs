//! `apps.kruise.io/v1alpha1` CloneSet: one object, pods behind a partition.

use super::{Pods, Shape, WorkloadKind, count, observed, rendered_replicas};
use serde_json::Value;

/// CloneSet.
pub static CLONESET: WorkloadKind = WorkloadKind {
    api_version: "apps.kruise.io/v1alpha1",
    kind: "CloneSet",
    shape: Shape::InPlace,
    partition: Some(&["spec", "updateStrategy", "partition"]),
    read,
};

fn read(object: &Value) -> Pods {
    let wanted = rendered_replicas(object);
    let replicas = count(object, "/status/replicas");
    let ready = count(object, "/status/readyReplicas");
    let updated = count(object, "/status/updatedReplicas");
    let updated_ready = count(object, "/status/updatedReadyReplicas");
    let observed = observed(object);
    let rolled_out = replicas == wanted && ready == wanted && updated_ready == wanted;
    Pods {
        wanted,
        observed,
        replicas,
        ready,
        updated,
        updated_ready,
        settled: observed && rolled_out,
    }
}
