//! One entity's way through a run: what became of each round, and when it has
//! had enough. Owns the bounds against running in circles; it must never act.

use super::MAX_LOSSES;
use super::outcome::{Class, Halt, Rest, RunError};
use crate::core::strategy::{EntityKey, StepId};
use jiff::Timestamp;

/// How often objects are settled in one run before somebody else must be
/// changing them.
const MAX_SETTLES: u32 = 2;
/// How often a step may be set back to its first effect in one run.
const MAX_SET_BACKS: u32 = 3;
/// More rounds than any run takes for one entity.
const MAX_ROUNDS: u32 = 10_000;

/// What a round came to for one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something was done: look again.
    Moved,
    /// Objects were brought to their state outside any batch.
    Settled,
    /// The open step has more to write: an intent from this effect comes next.
    Wants(Want),
    /// There is nothing to do now.
    Rest(Rest),
}

/// The lock that an open step needs to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Want {
    /// The step.
    pub(super) step: StepId,
    /// Its newest intent when this was found.
    pub(super) epoch: u64,
    /// The effect to begin with.
    pub(super) cursor: usize,
    /// What was set back, if anything was.
    pub(super) set_back: Option<String>,
}

/// One entity in a run.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) key: EntityKey,
    /// Where it rests, once it does.
    pub(super) rest: Option<Rest>,
    /// This run has won a lock for it.
    pub(super) won: bool,
    /// The lock that the last round found to be needed.
    pub(super) wants: Option<Want>,
    lost: u32,
    again: u32,
    settled: u32,
    set_backs: u32,
    rounds: u32,
}

impl Course {
    pub(super) fn new(key: EntityKey) -> Self {
        Self {
            key,
            rest: None,
            won: false,
            wants: None,
            lost: 0,
            again: 0,
            settled: 0,
            set_backs: 0,
            rounds: 0,
        }
    }

    /// Takes note of a round. True if plan and record have to be read again.
    pub(super) fn note(&mut self, turn: Result<Turn, Halt>) -> bool {
        self.rounds += 1;
        self.wants = None;
        if self.rounds > MAX_ROUNDS {
            let next = "this is a fault of tranche: please report it with the record branch";
            let message = format!("{}: {MAX_ROUNDS} rounds in one run", self.key);
            self.rest = Some(RunError::new(Class::Failed, message, next).into());
            return false;
        }
        match turn {
            Ok(Turn::Moved) => true,
            Ok(Turn::Settled) => self.settles(),
            Ok(Turn::Wants(want)) => self.wants_more(want),
            Ok(Turn::Rest(rest)) => {
                // What this run wanted to do, another one did.
                let beaten = self.lost > 0 && !self.won && rest.class >= Class::Waiting;
                self.rest = Some(if beaten {
                    Rest::of(
                        Class::Busy,
                        format!(
                            "{}: another run won the race; `tranche status` shows what it did",
                            self.key
                        ),
                    )
                } else {
                    rest
                });
                false
            }
            Err(Halt::Lost) => {
                self.lost += 1;
                if self.lost > MAX_LOSSES {
                    self.rest = Some(crowded().into());
                }
                true
            }
            // An object changed between its look and its dry-run.
            Err(Halt::Again) => {
                self.again += 1;
                if self.again > MAX_LOSSES {
                    self.rest = Some(crowded().into());
                }
                false
            }
            Err(Halt::Outdated(error)) => {
                self.again += 1;
                if self.again > MAX_LOSSES {
                    self.rest = Some(error.into());
                }
                true
            }
            Err(Halt::Superseded(message)) => {
                let next =
                    "`tranche status` shows how far that run is; `tranche apply` goes on after it";
                self.rest = Some(RunError::new(Class::Busy, message, next).into());
                true
            }
            Err(Halt::Error(error)) => {
                self.rest = Some(error.into());
                false
            }
        }
    }

    fn settles(&mut self) -> bool {
        self.settled += 1;
        if self.settled > MAX_SETTLES {
            let message = format!(
                "{}: what was applied {MAX_SETTLES} times is changed back each time\n  next: \
                 find out who writes it (`kubectl get -o yaml --show-managed-fields`), and leave \
                 the field to one of you",
                self.key
            );
            self.rest = Some(Rest::of(Class::Failed, message));
        }
        true
    }

    fn wants_more(&mut self, want: Want) -> bool {
        if let Some(seen) = &want.set_back {
            self.set_backs += 1;
            if self.set_backs > MAX_SET_BACKS {
                // Somebody undoes it each time: to look again in this run would
                // only fill the record with intents.
                let message = format!("{}: waiting, {seen}", self.key);
                self.rest = Some(Rest::of(Class::Waiting, message));
                return true;
            }
        }
        self.wants = Some(want);
        true
    }

    /// Until when nothing but time keeps it.
    pub(super) fn held_until(&self) -> Option<Timestamp> {
        self.rest.as_ref().and_then(|rest| rest.until)
    }

    /// Looks again at a hold, over or not.
    pub(super) fn rouse(&mut self) {
        if self.held_until().is_some() {
            self.rest = None;
        }
    }

    /// Looks again at what another entity has had a part in: what is done, and
    /// what waits for something that is not just time.
    pub(super) fn reconsider(&mut self) {
        let again = |rest: &Rest| rest.class == Class::Done || rest.awaiting;
        if self.held_until().is_none() && self.rest.as_ref().is_some_and(again) {
            self.rest = None;
        }
    }

    /// Looks again at what comes by itself, at a hold once it is over. True if
    /// there is anything to look at.
    pub(super) fn wake(&mut self, now: Timestamp) -> bool {
        let held = self.held_until().is_some_and(|until| now < until);
        let awaiting = !held && self.rest.as_ref().is_some_and(|rest| rest.awaiting);
        if awaiting {
            self.rest = None;
        }
        awaiting
    }
}

pub(super) fn crowded() -> RunError {
    RunError::new(
        Class::Busy,
        format!("{MAX_LOSSES} pushes were lost to other runs"),
        "`tranche apply` again; the others make progress",
    )
}
