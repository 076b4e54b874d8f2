//! What a server's answer means. Owns telling failures apart by code, reason
//! and causes; texts are for people only, and those about Secrets are dropped.

use super::request::{Answer, Class, Sent};
use crate::port::{ClusterProblem, FieldConflict};
use kube::core::Status;
use serde_json::Value;

/// The most that is kept of a server's text.
const LIMIT: usize = 2048;

/// How an API server begins when a body has fields of a wrong type, doubled
/// keys, or fields that are not declared; and when its values cannot be read,
/// such as a quantity or a number with a fraction.
const NOT_OF_THE_TYPE: [&str; 2] =
    ["failed to create typed patch object", "failed to convert new object"];

/// The cause of a 429 by which an eviction was refused.
const BUDGET: &str = "DisruptionBudget";

/// What an API server says of a webhook that may do more than answer.
const NO_DRY_RUNS: &str = "does not support dry run";
/// What it says of one that did not answer.
const WEBHOOK_FAILED: &str = "failed calling webhook";

impl Sent {
    /// The answer's JSON, or why there is none.
    pub(super) fn json(self, class: Class, secret: bool) -> Result<Value, ClusterProblem> {
        let answer = self.answer(class)?;
        if !(200..300).contains(&answer.code) {
            return Err(problem(&answer, class, secret));
        }
        serde_json::from_slice(&answer.body).map_err(|_| {
            // The error's text would quote the body.
            lost(class, format!("the answer (code {}) is no whole JSON", answer.code))
        })
    }

    /// The answer, whatever its code.
    pub(super) fn answer(self, class: Class) -> Result<Answer, ClusterProblem> {
        match self {
            Self::Answer(answer) => Ok(answer),
            Self::Not(cause) => Err(ClusterProblem::Unreachable(cause)),
            Self::Lost(cause) => Err(lost(class, cause)),
        }
    }
}

impl Answer {
    /// Whether a 429 is about a disruption budget, and not about too many
    /// requests: waiting a moment changes nothing of it.
    pub(super) fn is_of_a_budget(&self) -> bool {
        let details = self.status().and_then(|status| status.details);
        details.is_some_and(|details| details.causes.iter().any(|cause| cause.reason == BUDGET))
    }

    /// The error object in the body, if there is one.
    pub(super) fn status(&self) -> Option<Status> {
        let value: Value = serde_json::from_slice(&self.body).ok()?;
        if value.get("kind").and_then(Value::as_str) != Some("Status") {
            return None;
        }
        serde_json::from_value(value).ok()
    }

    /// Whether a 500 is about the body. An API server says so with no reason,
    /// before it looks at the object, and will say it again (measured, 1.36):
    /// nothing was written, and asking again is in vain. Only its words tell
    /// it from its own failures; where they change it is one of those again,
    /// which is safe.
    pub(super) fn is_not_of_the_type(&self) -> bool {
        let about_the_body = |status: Status| {
            status.reason.is_empty()
                && NOT_OF_THE_TYPE.iter().any(|beginning| status.message.starts_with(beginning))
        };
        self.code == 500 && self.status().is_some_and(about_the_body)
    }
}

/// What a budget says of itself; the message beside it says only that there is one.
fn text_of_budget(status: Option<&Status>, text: String) -> String {
    let causes = status.and_then(|status| status.details.as_ref()).map(|details| &details.causes);
    let cause = causes.into_iter().flatten().find(|cause| cause.reason == BUDGET);
    cause.map(|cause| shorten(&cause.message)).filter(|said| !said.is_empty()).unwrap_or(text)
}

fn lost(class: Class, cause: String) -> ClusterProblem {
    match class {
        Class::Read => ClusterProblem::Unreachable(cause),
        Class::Write => ClusterProblem::Unknown(cause),
    }
}

/// The problem behind an answer that is no success.
pub(super) fn problem(answer: &Answer, class: Class, secret: bool) -> ClusterProblem {
    let status = answer.status();
    let text = text(answer, status.as_ref(), secret);
    match answer.code {
        401 | 403 => ClusterProblem::Forbidden(text),
        404 => ClusterProblem::Missing(text),
        409 => match conflicts(status.as_ref()) {
            found if found.is_empty() => ClusterProblem::Stale(text),
            found => ClusterProblem::Conflict(found),
        },
        422 if is_other_object(status.as_ref()) => ClusterProblem::Stale(text),
        400 if text.contains(NO_DRY_RUNS) => ClusterProblem::NoDryRun(text),
        422 => immutable(status.as_ref()).unwrap_or(ClusterProblem::Invalid(text)),
        400 | 413 | 415 => ClusterProblem::Invalid(text),
        429 if answer.is_of_a_budget() => {
            ClusterProblem::Budget(text_of_budget(status.as_ref(), text))
        }
        // Refused before it was looked at.
        429 => ClusterProblem::Unreachable(text),
        501 => ClusterProblem::NotImplemented(text),
        500 if answer.is_not_of_the_type() => ClusterProblem::Invalid(text),
        // Of a write nobody knows who answered for whom on the way.
        500 if class == Class::Read && text.contains(WEBHOOK_FAILED) => {
            ClusterProblem::Webhook(text)
        }
        500..=599 => lost(class, text),
        _ => ClusterProblem::Other(text),
    }
}

/// A wrong uid on a present object is a 422 (measured), though it says the
/// same as a 409: this is not the object that was read.
fn is_other_object(status: Option<&Status>) -> bool {
    let details = status.and_then(|status| status.details.as_ref());
    details.is_some_and(|details| {
        !details.causes.is_empty()
            && details.causes.iter().all(|cause| cause.field == "metadata.uid")
    })
}

fn immutable(status: Option<&Status>) -> Option<ClusterProblem> {
    let causes = status.and_then(|status| status.details.as_ref()).map(|details| &details.causes);
    let causes = causes.into_iter().flatten();
    ClusterProblem::immutable(causes.map(|c| (c.field.as_str(), c.message.as_str())))
}

fn conflicts(status: Option<&Status>) -> Vec<FieldConflict> {
    let Some(details) = status.and_then(|status| status.details.as_ref()) else {
        return Vec::new();
    };
    let by_field = details.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict");
    by_field
        .map(|cause| FieldConflict {
            field: cause.field.clone(),
            manager: manager(&cause.message).unwrap_or_else(|| shorten(&cause.message)),
        })
        .collect()
}

/// The manager in `conflict with "kubectl" with subresource "scale" using v1`.
fn manager(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("conflict with \"")?;
    let mut name = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(name),
            '\\' => name.push(characters.next()?),
            other => name.push(other),
        }
    }
}

fn text(answer: &Answer, status: Option<&Status>, secret: bool) -> String {
    let reason = status.map(|status| status.reason.as_str()).unwrap_or_default();
    let message = status.map(|status| status.message.as_str()).unwrap_or_default();
    if secret || message.is_empty() {
        let reason = if reason.is_empty() { "no reason given" } else { reason };
        return format!("{} (code {})", shorten(reason), answer.code);
    }
    shorten(message)
}

fn shorten(text: &str) -> String {
    let mut short = String::new();
    for character in text.trim().chars() {
        if short.len() >= LIMIT {
            short.push_str(" ...");
            break;
        }
        if character.is_control() {
            short.push(' ');
        } else {
            short.push(character);
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_read_from_every_form_of_the_cause() {
        for (message, wanted) in [
            ("conflict with \"kubectl\" using apps/v1", Some("kubectl")),
            ("conflict with \"hpa\" with subresource \"scale\" using apps/v1", Some("hpa")),
            ("conflict with \"a\\\"b\" using v1 at 2026-01-01T00:00:00Z", Some("a\"b")),
            ("something else", None),
        ] {
            assert_eq!(manager(message).as_deref(), wanted, "{message}");
        }
    }
}
