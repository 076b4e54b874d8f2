//! `apps/v1` StatefulSet.

use super::conditions::{count, text};
use super::generic::unseen;
use super::{Around, Verdict};
use crate::core::strategy::workload::rendered_replicas;
use serde_json::Value;

pub(super) fn health(live: &Value, around: &Around<'_>) -> Verdict {
    if let Some(verdict) = unseen(live) {
        return verdict;
    }
    let wanted = u64::from(rendered_replicas(live));
    let status = |field: &str| count(live, &format!("/status/{field}"));
    let (ready, updated) = (status("readyReplicas"), status("updatedReplicas"));
    let pods = format!("{ready} of {wanted} pods ready, {updated} updated");
    if status("replicas") != wanted || ready < wanted {
        return Verdict::in_progress(pods);
    }
    let current = text(live, "/status/currentRevision");
    let is_old = !current.is_empty() && current != text(live, "/status/updateRevision");
    if text(live, "/spec/updateStrategy/type") == "OnDelete" {
        let left = wanted.saturating_sub(updated);
        return if left > 0 && is_old {
            Verdict::but(format!("{pods}; {left} wait for an operator to delete them (OnDelete)"))
        } else {
            Verdict::current(pods)
        };
    }
    let partition = count(live, "/spec/updateStrategy/rollingUpdate/partition");
    // Somebody else's partition holds back pods that the step has moved.
    let held = around.partition.map_or(partition, |ours| partition.min(u64::from(ours)));
    if updated < wanted.saturating_sub(held) {
        let why = if held < partition {
            format!(", its partition is {partition}")
        } else {
            String::new()
        };
        return Verdict::in_progress(format!("{pods}{why}"));
    }
    if held == 0 && is_old {
        return Verdict::in_progress(format!("{pods}, its newest revision is not the current one"));
    }
    Verdict::current(pods)
}
