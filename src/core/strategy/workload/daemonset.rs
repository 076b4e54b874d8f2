//! `apps/v1` DaemonSet: one object, a pod on each node that fits. Its size is
//! the cluster's, so it is read where the controller counts nodes.

use super::pods::pods_of;
use super::{FieldPath, Pods, Shape, StatusPaths, WorkloadKind, set};
use crate::core::object::{KindRef, at};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// DaemonSet. No descriptor says it: its counts are of nodes, and what it wants
/// is one of them.
pub(super) fn kind() -> Option<WorkloadKind> {
    let path = |text: &str| FieldPath::parse(text).ok();
    Some(WorkloadKind {
        of: KindRef::new("apps/v1", "DaemonSet"),
        shape: Shape::Nodes,
        replicas: path("status.desiredNumberScheduled")?,
        partition: None,
        template: path("spec.template")?,
        selector: None,
        status: StatusPaths {
            observed: path("status.observedGeneration")?,
            replicas: path("status.currentNumberScheduled")?,
            ready: path("status.numberReady")?,
            updated: path("status.updatedNumberScheduled")?,
            updated_ready: None,
            available: path("status.numberAvailable"),
        },
    })
}

/// A label that no node has: a template that asks for it is on none.
const NOWHERE: &str = "tranche.dev/nowhere";

/// What the template of a workload with one pod a node reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnNodes {
    /// Pods that are there stay as they are until they are evicted.
    OnDelete,
    /// No node: what is created in this state has no pods, as a size of 0 is for
    /// other kinds.
    Nowhere,
}

impl fmt::Display for OnNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnDelete => "with its pods as they are",
            Self::Nowhere => "to no node",
        })
    }
}

/// Writes what a template reaches into a body. In either state nothing of the
/// kind's own rolling update is left to begin by itself.
pub(super) fn drive(body: &mut Value, nodes: OnNodes) {
    set(body, &["spec", "updateStrategy"], json!({"type": "OnDelete"}));
    if nodes == OnNodes::Nowhere {
        set(body, &["spec", "template", "spec", "nodeSelector", NOWHERE], json!("true"));
    }
}

/// Whether a live object was left on no node by us.
#[must_use]
pub fn is_nowhere(live: &Value) -> bool {
    let selector = at(live, "/spec/template/spec/nodeSelector");
    selector.is_some_and(|selector| selector.get(NOWHERE).is_some())
}

/// Reads the counts of a live object, of which `observed` says whether they are
/// of its newest spec.
pub(super) fn counts(object: &Value, observed: bool) -> Pods {
    let status =
        |field: &str| at(object, &format!("/status/{field}")).and_then(pods_of).unwrap_or(0);
    // What is on no node wants no pods, whatever was counted before.
    let wanted = if is_nowhere(object) { 0 } else { status("desiredNumberScheduled") };
    let replicas = status("currentNumberScheduled").saturating_add(status("numberMisscheduled"));
    // What `minReadySeconds` has not let pass yet is not counted on.
    let ready = status("numberReady").min(status("numberAvailable"));
    let updated = status("updatedNumberScheduled");
    Pods {
        wanted,
        observed,
        replicas,
        ready,
        updated,
        // The status has no such count: the certain lower bound.
        updated_ready: updated.saturating_sub(wanted.saturating_sub(ready)),
        settled: observed && replicas == wanted && ready == wanted && updated == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(updated: u32, ready: u32, available: u32) -> Value {
        json!({"metadata": {"generation": 2}, "spec": {"template": {"spec": {}}}, "status": {
            "observedGeneration": 2, "desiredNumberScheduled": 5, "currentNumberScheduled": 5,
            "numberReady": ready, "numberAvailable": available, "updatedNumberScheduled": updated}})
    }

    #[test]
    fn ready_pods_of_an_older_template_are_not_counted_as_new() {
        assert_eq!(kind().unwrap().read(&live(0, 5, 5)).updated_ready, 0);
        assert_eq!(kind().unwrap().read(&live(2, 4, 4)).updated_ready, 1);
        assert_eq!(
            kind().unwrap().read(&live(2, 5, 3)).updated_ready,
            0,
            "two may not be available"
        );
        assert!(!kind().unwrap().read(&live(4, 5, 5)).settled);
        assert!(kind().unwrap().read(&live(5, 5, 5)).settled);
    }

    #[test]
    fn what_is_on_no_node_wants_no_pods_before_anybody_has_counted() {
        let mut object = live(5, 5, 5);
        drive(&mut object, OnNodes::Nowhere);
        let pods = kind().unwrap().read(&object);
        assert_eq!((pods.wanted, pods.replicas), (0, 5));
        assert_eq!(object["spec"]["updateStrategy"], json!({"type": "OnDelete"}));
        assert!(is_nowhere(&object) && !is_nowhere(&live(5, 5, 5)));
    }
}
