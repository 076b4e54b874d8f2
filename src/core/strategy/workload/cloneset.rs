//! `apps.kruise.io/v1alpha1` CloneSet: one object, pods behind a partition.

use super::{Pods, Shape, WorkloadKind, all_ready, count, pods};
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
    let seen = pods(object);
    let updated_ready = count(object, "/status/updatedReadyReplicas");
    let settled = all_ready(&seen) && updated_ready == seen.wanted;
    Pods { updated_ready, settled, ..seen }
}
