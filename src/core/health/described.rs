//! A kind of workload by its descriptor: its pods are those that it wants.

use super::Verdict;
use crate::core::strategy::workload::{Shape, WorkloadKind};
use serde_json::Value;

/// How a workload is; `written` is the partition that the step has written.
pub(super) fn health(live: &Value, kind: &WorkloadKind, written: Option<u32>) -> Verdict {
    let seen = kind.read(live);
    if !seen.observed {
        return Verdict::in_progress("the newest change is unseen");
    }
    let pods = format!("{} of {} pods ready, {} updated", seen.ready, seen.wanted, seen.updated);
    let partition = kind.held(live);
    // Somebody else's partition holds back pods that the step has moved.
    let held = written.map_or(partition, |ours| partition.min(ours));
    let moved = seen.updated_ready >= seen.wanted.saturating_sub(held);
    let counted = match kind.shape {
        Shape::Pair | Shape::Nodes => seen.settled,
        Shape::InPlace => seen.replicas == seen.wanted && seen.ready >= seen.wanted,
    };
    if counted && moved {
        return Verdict::current(pods);
    }
    let why = if !moved && held < partition {
        format!(", its partition is {partition}")
    } else {
        String::new()
    };
    Verdict::in_progress(format!("{pods}{why}"))
}
