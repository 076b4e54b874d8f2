//! `apps/v1` Deployment.

use super::conditions::{Said, count, said};
use super::generic::unseen;
use super::{Around, Verdict};
use crate::core::object::at;
use crate::core::strategy::workload::rendered_replicas;
use serde_json::Value;

/// `progressDeadlineSeconds` that means none: then there is no condition
/// `Progressing` either.
const NO_DEADLINE: u64 = 2_147_483_647;

pub(super) fn health(live: &Value, _: &Around<'_>) -> Verdict {
    if let Some(verdict) = unseen(live) {
        return verdict;
    }
    let wanted = u64::from(rendered_replicas(live));
    let status = |field: &str| count(live, &format!("/status/{field}"));
    let (ready, updated) = (status("readyReplicas"), status("updatedReplicas"));
    let pods = format!("{ready} of {wanted} pods ready, {updated} updated");
    let progressing = said(live, "Progressing");
    // It may still come: a pull that works at last, a quota that is raised.
    if let Some(said) = progressing.filter(|said| said.reason == "ProgressDeadlineExceeded") {
        return Verdict::failed(format!("{pods}, {}", said.words()));
    }
    if let Some(said) = said(live, "ReplicaFailure").filter(Said::is_true) {
        return Verdict::in_progress(format!("{pods}, {}", said.words()));
    }
    let counted = status("replicas") == wanted
        && updated == wanted
        && ready >= wanted
        && status("availableReplicas") >= wanted;
    let paused = at(live, "/spec/paused").and_then(Value::as_bool).unwrap_or(false);
    if !counted {
        let paused = if paused { ", and it is paused" } else { "" };
        return Verdict::in_progress(format!("{pods}{paused}"));
    }
    if let Some(said) = said(live, "Available").filter(|said| !said.is_true()) {
        return Verdict::in_progress(format!("{pods}, {}", said.words()));
    }
    // A paused one says that it is paused, whatever its pods are.
    let deadline = at(live, "/spec/progressDeadlineSeconds").and_then(Value::as_u64);
    let is_new = |said: &Said<'_>| said.is_true() && said.reason == "NewReplicaSetAvailable";
    match progressing {
        Some(said) if !paused && deadline != Some(NO_DEADLINE) && !is_new(&said) => {
            Verdict::in_progress(format!("{pods}, {}", said.words()))
        }
        _ => Verdict::current(pods),
    }
}
