//! What is true of any object: a deletion, an unseen generation, and what
//! conditions mean by convention.

use super::Verdict;
use super::conditions::{Said, all, said};
use crate::core::object::{at, managed_of};
use crate::core::strategy::FIELD_MANAGER;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Conditions that say by convention whether an object works. Where it has
/// several, all must be true.
const READY: &[&str] = &["Ready", "Available", "Established"];

/// How long after our write an object without any status is waited for: its
/// controller may not have come to it yet.
const GRACE: SignedDuration = SignedDuration::from_secs(15);

/// An object that is being deleted, or of which the status is about an older
/// generation.
pub(super) fn stale(live: &Value) -> Option<Verdict> {
    if at(live, "/metadata/deletionTimestamp").is_some_and(|at| !at.is_null()) {
        return Some(Verdict::of(super::Health::Terminating, "it is being deleted"));
    }
    let generation = at(live, "/metadata/generation").and_then(Value::as_u64)?;
    let observed = at(live, "/status/observedGeneration").and_then(Value::as_u64)?;
    (observed < generation).then(|| Verdict::in_progress("the newest change is unseen"))
}

/// The two conditions of kstatus's own convention.
pub(super) fn stalled(live: &Value) -> Option<Verdict> {
    let is_true = |name: &str| said(live, name).filter(Said::is_true);
    if let Some(said) = is_true("Stalled") {
        return Some(Verdict::failed(said.words()));
    }
    is_true("Reconciling").map(|said| Verdict::in_progress(said.words()))
}

/// Whether the controller of a built-in workload has seen the newest spec. One
/// that has not said so has not.
pub(super) fn unseen(live: &Value) -> Option<Verdict> {
    let observed = at(live, "/status/observedGeneration").and_then(Value::as_u64);
    observed.is_none().then(|| Verdict::in_progress("the newest change is unseen"))
}

/// An object of a kind that nobody knows.
pub(super) fn health(live: &Value, now: Option<Timestamp>) -> Verdict {
    let known: Vec<Said<'_>> = READY.iter().filter_map(|name| said(live, name)).collect();
    if let Some(said) = known.iter().find(|said| !said.is_true()) {
        return Verdict::in_progress(said.words());
    }
    if !known.is_empty() {
        return Verdict::current("it is ready");
    }
    let why = if all(live).next().is_some() {
        "none of its conditions is known"
    } else {
        "it has no conditions"
    };
    unruled(live, now, &format!("health unknown, {why} and no rule names its kind"))
}

/// Nothing is known of an object, nor will be: as long as its controller may
/// just not have come to it, the wait goes on.
pub(super) fn unruled(live: &Value, now: Option<Timestamp>, words: &str) -> Verdict {
    let settled = match (now, written(live)) {
        (Some(now), Some(written)) => now.duration_since(written) >= GRACE,
        _ => true,
    };
    let remark = settled.then(|| words.to_owned());
    Verdict { unruled: settled, remark, ..Verdict::unknown(words) }
}

/// When an object was created, or last written by us.
fn written(live: &Value) -> Option<Timestamp> {
    let instant = |value: Option<&Value>| value?.as_str()?.parse::<Timestamp>().ok();
    let created = instant(at(live, "/metadata/creationTimestamp"));
    let entries = managed_of(live).into_iter().filter(|entry| entry.manager == FIELD_MANAGER);
    let applied = entries.filter_map(|entry| entry.time?.parse::<Timestamp>().ok()).max();
    created.max(applied)
}
