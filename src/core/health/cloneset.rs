//! `apps.kruise.io` CloneSet.

use super::conditions::count;
use super::generic::unseen;
use super::{Around, Verdict};
use crate::core::object::KindRef;
use crate::core::strategy::workload::{self, rendered_replicas};
use serde_json::Value;

pub(super) fn health(live: &Value, around: &Around<'_>) -> Verdict {
    if let Some(verdict) = unseen(live) {
        return verdict;
    }
    let wanted = u64::from(rendered_replicas(live));
    let status = |field: &str| count(live, &format!("/status/{field}"));
    let ready = status("readyReplicas");
    let updated = status("updatedReplicas");
    let pods = format!("{ready} of {wanted} pods ready, {updated} updated");
    let kind = workload::of(&KindRef::new("apps.kruise.io/v1alpha1", "CloneSet"));
    let partition = kind.map_or(0, |kind| kind.held(live));
    let held = u64::from(around.partition.map_or(partition, |ours| partition.min(ours)));
    let moved = status("updatedReadyReplicas") >= wanted.saturating_sub(held);
    if status("replicas") == wanted && ready >= wanted && moved {
        return Verdict::current(pods);
    }
    let why = if !moved && held < u64::from(partition) {
        format!(", its partition is {partition}")
    } else {
        String::new()
    };
    Verdict::in_progress(format!("{pods}{why}"))
}
