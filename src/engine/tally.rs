//! What a run counts of itself: rounds, pushes and commits by kind. Owns
//! numbers only.

use crate::core::record::CommitPhase;
use std::cell::RefCell;

/// One round of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Pushes, lost ones included.
    pub pushes: u32,
    /// Intents that won.
    pub intents: u32,
    /// Steps that were given back.
    pub waits: u32,
    /// Steps that were closed, and changes of the record outside any step.
    pub results: u32,
    /// Revisions that were published.
    pub published: u32,
}

/// The counts of a run.
#[derive(Debug, Default)]
pub(super) struct Tally(RefCell<Vec<Round>>);

impl Tally {
    /// What is counted from here on belongs to a new round.
    pub(super) fn begin(&self) {
        self.0.borrow_mut().push(Round::default());
    }

    pub(super) fn push(&self) {
        self.last(|round| round.pushes += 1);
    }

    pub(super) fn commit(&self, phase: CommitPhase) {
        self.last(|round| match phase {
            CommitPhase::Intent => round.intents += 1,
            CommitPhase::Waiting => round.waits += 1,
            CommitPhase::Result | CommitPhase::Decision | CommitPhase::Rebuild => {
                round.results += 1;
            }
            CommitPhase::Publish => round.published += 1,
        });
    }

    fn last(&self, count: impl FnOnce(&mut Round)) {
        let mut rounds = self.0.borrow_mut();
        if rounds.is_empty() {
            rounds.push(Round::default());
        }
        if let Some(round) = rounds.last_mut() {
            count(round);
        }
    }

    /// The rounds in which anything was pushed.
    pub(super) fn rounds(&self) -> Vec<Round> {
        self.0.borrow().iter().filter(|round| round.pushes > 0).copied().collect()
    }
}
