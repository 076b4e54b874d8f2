//! `batch/v1` Job: healthy only once it has completed.

use super::conditions::{Said, count, said};
use super::{Around, Verdict};
use crate::core::object::at;
use jiff::SignedDuration;
use serde_json::Value;

pub(super) fn health(live: &Value, _: &Around<'_>) -> Verdict {
    let is_true = |name: &str| said(live, name).filter(Said::is_true);
    // The controller says first that the Job will have failed, and that it has
    // once its pods are gone: to us it is the same, in the same words.
    if let Some(said) = is_true("Failed").or_else(|| is_true("FailureTarget")) {
        return Verdict::lost(format!("it failed{}", said.why()));
    }
    if is_true("Complete").is_some() {
        return Verdict::current("it has completed");
    }
    if at(live, "/spec/suspend").and_then(Value::as_bool) == Some(true) {
        return Verdict::but("it is suspended and has not completed");
    }
    let status = |field: &str| count(live, &format!("/status/{field}"));
    let wanted = at(live, "/spec/completions").and_then(Value::as_u64).unwrap_or(1);
    let (done, active) = (status("succeeded"), status("active"));
    Verdict::in_progress(format!("{done} of {wanted} completed, {active} running"))
}

/// Whether a Job that was written and is gone may have removed itself, as its
/// `ttlSecondsAfterFinished` says: it finished, then. One that is gone earlier
/// was deleted by somebody.
#[must_use]
pub fn removed_itself(written: &Value, waited: SignedDuration) -> bool {
    let seconds = at(written, "/spec/ttlSecondsAfterFinished").and_then(Value::as_i64);
    seconds.is_some_and(|seconds| waited >= SignedDuration::from_secs(seconds))
}
