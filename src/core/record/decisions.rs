//! What people decided about a rollout.

use super::file::FORMAT;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The decisions that hold for a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decisions {
    /// The file's format.
    #[serde(default)]
    pub format: u32,
    /// Hold before the next batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Verdict>,
    /// Abort one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<Verdict>,
    /// Try again after one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Verdict>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The attempt it is about; 0 where none has begun.
    pub attempt: u32,
    /// Who decided.
    pub by: String,
    /// When, by the clock of the machine that recorded it: for people only.
    pub at: Timestamp,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Decisions {
    /// Whether this attempt is to be aborted.
    #[must_use]
    pub fn aborts(&self, attempt: u32) -> bool {
        self.abort.as_ref().is_some_and(|verdict| verdict.attempt == attempt)
    }

    /// Whether a new attempt is wanted after this one.
    #[must_use]
    pub fn retries(&self, attempt: u32) -> bool {
        self.retry.as_ref().is_some_and(|verdict| verdict.attempt == attempt)
    }

    /// The same decisions with the format that is written.
    #[must_use]
    pub fn stamped(mut self) -> Self {
        self.format = FORMAT;
        self
    }
}
