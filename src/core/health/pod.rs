//! A Pod without an owner.

use super::conditions::{Said, one_line, said, text};
use super::{Around, Verdict};
use crate::core::object::at;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How long a scheduler may find no node before that is a failure.
const UNSCHEDULABLE: SignedDuration = SignedDuration::from_secs(15);

pub(super) fn health(live: &Value, around: &Around<'_>) -> Verdict {
    match text(live, "/status/phase") {
        "Succeeded" => return Verdict::current("it has succeeded"),
        "Failed" => {
            let why = one_line(text(live, "/status/reason"));
            let why = if why.is_empty() { why } else { format!(": {why}") };
            return Verdict::lost(format!("it has failed{why}"));
        }
        _ => {}
    }
    let ready = said(live, "Ready");
    if text(live, "/status/phase") == "Running" && ready.is_some_and(|said| said.is_true()) {
        return Verdict::current("it is ready");
    }
    if let Some((container, why)) = waiting(live) {
        let words = format!("container {container} is waiting: {why}");
        // Its next start may work.
        return if why == "CrashLoopBackOff" {
            Verdict::failed(words)
        } else {
            Verdict::in_progress(words)
        };
    }
    if let Some(said) = said(live, "PodScheduled").filter(Said::is_false) {
        return unschedulable(&said, around.now);
    }
    match ready {
        Some(said) => Verdict::in_progress(said.words()),
        None => Verdict::in_progress("it is not running yet"),
    }
}

/// The first container that waits for something, and for what.
fn waiting(live: &Value) -> Option<(String, String)> {
    let of = |pointer: &str| at(live, pointer).and_then(Value::as_array).into_iter().flatten();
    let mut all = of("/status/initContainerStatuses").chain(of("/status/containerStatuses"));
    all.find_map(|container| {
        let why = text(container, "/state/waiting/reason");
        // Every container says so at first.
        let first = matches!(why, "" | "PodInitializing" | "ContainerCreating");
        (!first).then(|| (one_line(text(container, "/name")), one_line(why)))
    })
}

fn unschedulable(said: &Said<'_>, now: Option<Timestamp>) -> Verdict {
    let since = said.since.parse::<Timestamp>().ok();
    let long = now.zip(since).is_some_and(|(now, at)| now.duration_since(at) > UNSCHEDULABLE);
    if said.reason == "Unschedulable" && long {
        return Verdict::failed(said.words());
    }
    Verdict::in_progress(said.words())
}
