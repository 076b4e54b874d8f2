//! `apps/v1` DaemonSet.

use super::conditions::{count, text};
use super::generic::unseen;
use super::{Around, Verdict};
use serde_json::Value;

pub(super) fn health(live: &Value, _: &Around<'_>) -> Verdict {
    if let Some(verdict) = unseen(live) {
        return verdict;
    }
    let status = |field: &str| count(live, &format!("/status/{field}"));
    let wanted = status("desiredNumberScheduled");
    let (ready, updated) = (status("numberReady"), status("updatedNumberScheduled"));
    let pods = format!("{ready} of {wanted} pods ready, {updated} updated");
    let there = [status("currentNumberScheduled"), status("numberAvailable"), ready];
    if there.iter().any(|count| *count < wanted) {
        return Verdict::in_progress(pods);
    }
    if updated >= wanted {
        return Verdict::current(pods);
    }
    if text(live, "/spec/updateStrategy/type") == "OnDelete" {
        let left = wanted - updated;
        return Verdict::but(format!(
            "{pods}; {left} wait for an operator to delete them (OnDelete)"
        ));
    }
    Verdict::in_progress(pods)
}
