//! `apps/v1` ReplicaSet.

use super::conditions::{Said, count, said};
use super::generic::unseen;
use super::{Around, Verdict};
use crate::core::strategy::workload::rendered_replicas;
use serde_json::Value;

pub(super) fn health(live: &Value, _: &Around<'_>) -> Verdict {
    if let Some(verdict) = unseen(live) {
        return verdict;
    }
    let wanted = u64::from(rendered_replicas(live));
    let status = |field: &str| count(live, &format!("/status/{field}"));
    let pods = format!("{} of {wanted} pods ready", status("readyReplicas"));
    if let Some(said) = said(live, "ReplicaFailure").filter(Said::is_true) {
        return Verdict::in_progress(format!("{pods}, {}", said.words()));
    }
    let all = ["fullyLabeledReplicas", "availableReplicas", "readyReplicas"];
    if all.iter().any(|field| status(field) < wanted) || status("replicas") != wanted {
        return Verdict::in_progress(pods);
    }
    Verdict::current(pods)
}
