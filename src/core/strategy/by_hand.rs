//! Workloads whose pods nobody replaces but an operator. Owns what to say of a
//! rollout of one: it would wait for them until its deadline, and the server takes
//! no partition beside that strategy.

use super::RevisionBodies;
use crate::core::object::at;
use serde_json::Value;

/// What to do about it.
pub const BY_HAND_NEXT: &str = "say the type RollingUpdate (the trait `k8s-update-strategy` does, \
    or leave it out): the rollout sets the partition, batch by batch";

/// Why a revision cannot be rolled out, if its workload leaves that to people.
/// Only kinds with a partition: of others the pods are made anew, or the rollout
/// itself takes them away.
#[must_use]
pub fn by_hand(revision: &RevisionBodies) -> Option<String> {
    revision.rolled().find_map(left_to_people)
}

fn left_to_people(revision: &RevisionBodies) -> Option<String> {
    revision.kind.partition.as_ref()?;
    let body = revision.bodies.get(&revision.workload)?;
    let strategy = at(body, "/spec/updateStrategy/type").and_then(Value::as_str);
    (strategy == Some("OnDelete")).then(|| {
        format!(
            "{} has the update strategy OnDelete, under which no pod gets another template until \
             somebody deletes it",
            revision.workload
        )
    })
}
