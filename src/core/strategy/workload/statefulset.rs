//! `apps/v1` StatefulSet: one object, pods behind a partition, from the
//! highest ordinal down.

use super::{Pods, Shape, WorkloadKind, all_ready, pods};
use serde_json::Value;

/// StatefulSet.
pub static STATEFULSET: WorkloadKind = WorkloadKind {
    api_version: "apps/v1",
    kind: "StatefulSet",
    shape: Shape::InPlace,
    partition: Some(&["spec", "updateStrategy", "rollingUpdate", "partition"]),
    read,
};

fn read(object: &Value) -> Pods {
    let seen = pods(object);
    Pods {
        // The status tells how many pods are updated and how many are ready,
        // not how many are both. Counting ready pods of the old revision as
        // new ones is the original's defect; this is the certain lower bound.
        updated_ready: seen.updated.saturating_sub(seen.wanted.saturating_sub(seen.ready)),
        settled: all_ready(&seen) && seen.updated == seen.wanted,
        ..seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ready_pods_of_the_old_revision_are_not_counted_as_new() {
        let live = |updated: u32, ready: u32| {
            json!({"spec": {"replicas": 5}, "metadata": {"generation": 2},
                   "status": {"observedGeneration": 2, "replicas": 5,
                              "readyReplicas": ready, "updatedReplicas": updated}})
        };
        assert_eq!(read(&live(0, 5)).updated_ready, 0);
        assert_eq!(read(&live(1, 4)).updated_ready, 0);
        assert_eq!(read(&live(1, 5)).updated_ready, 1);
        assert!(!read(&live(4, 5)).settled);
        assert!(read(&live(5, 5)).settled);
    }
}
