//! What people decided about a rollout.

use super::EntityRecord;
use super::file::FORMAT;
use crate::core::model::Pause;
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
    /// Let the batch after one gate begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<Approval>,
    /// Let every batch of one attempt begin that a gate is before. A version that
    /// does not know it waits for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve_all: Option<Verdict>,
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

/// The approval of one gate, and of no other: not of the next one, nor of the
/// same one in another attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The batch, from 0, that is done at that gate.
    pub after_batch: u32,
    /// The attempt, and who approved it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl Decisions {
    /// The approval of the gate after a batch of an attempt, if there is one: its
    /// own, or one of all gates, which is not for a delay.
    #[must_use]
    pub fn approval(&self, attempt: u32, after_batch: u32, pause: &Pause) -> Option<&Verdict> {
        let all = || self.approves_all(attempt).filter(|_| !pause.is_delay());
        self.approves_one(attempt, after_batch).or_else(all)
    }

    /// The approval of that gate alone.
    #[must_use]
    pub fn approves_one(&self, attempt: u32, after_batch: u32) -> Option<&Verdict> {
        let approval = self.approve.as_ref().filter(|a| a.after_batch == after_batch)?;
        Some(&approval.verdict).filter(|verdict| verdict.attempt == attempt)
    }

    /// The approval of all gates of an attempt, if there is one.
    #[must_use]
    pub fn approves_all(&self, attempt: u32) -> Option<&Verdict> {
        self.approve_all.as_ref().filter(|verdict| verdict.attempt == attempt)
    }

    /// Whether this attempt is to be aborted.
    #[must_use]
    pub fn aborts(&self, attempt: u32) -> bool {
        self.abort.as_ref().is_some_and(|verdict| verdict.attempt == attempt)
    }

    /// Whether what is open has to go back, and has not begun to.
    #[must_use]
    pub fn turn_back(&self, record: &EntityRecord) -> bool {
        let going = record.open.as_ref().is_some_and(|open| open.kind.is_patient());
        self.aborts(record.attempt) && !going && !record.status.rolling_state.terminal()
    }

    /// Whether a new attempt is wanted after this one.
    #[must_use]
    pub fn retries(&self, attempt: u32) -> bool {
        self.retry.as_ref().is_some_and(|verdict| verdict.attempt == attempt)
    }

    /// What a person has decided about an attempt that is under way, in words,
    /// and when: an abort before a pause, which it overrides.
    #[must_use]
    pub fn standing(&self, attempt: u32) -> Option<(String, Timestamp)> {
        let said = |verdict: &Verdict| match &verdict.reason {
            Some(reason) => format!("{} ({reason})", verdict.by),
            None => verdict.by.clone(),
        };
        match (&self.abort, &self.paused) {
            (Some(abort), _) if abort.attempt == attempt => {
                Some((format!("`tranche apply` to go back: aborted by {}", said(abort)), abort.at))
            }
            (_, Some(paused)) => Some((format!("paused by {}", said(paused)), paused.at)),
            _ => None,
        }
    }

    /// The same decisions with the format that is written.
    #[must_use]
    pub fn stamped(mut self) -> Self {
        self.format = FORMAT;
        self
    }
}
