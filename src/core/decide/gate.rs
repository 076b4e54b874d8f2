//! The gate between two batches. Owns whether what a plan has waited for there
//! is over, and how that is told; it must never look at a cluster.
//!
//! A gate is no part of a step: editing one changes no step, and the newest
//! plan says what it is. What opens it is an instant, a person's approval of
//! this gate in this attempt, or a plan that lets the revision through.

use super::view::RolloutView;
use super::{BatchState, Idle, RollingState};
use crate::core::model::{Hold, Pause, Rollout};
use crate::core::record::{Decisions, EntityRecord};
use crate::core::strategy::Movement;
use jiff::{SignedDuration, Timestamp};

/// A gate that nobody has opened; time may have.
#[derive(Clone, Copy, Debug)]
pub struct Closed<'a> {
    /// What the plan says of it.
    pub pause: &'a Pause,
    record: &'a EntityRecord,
    after: u32,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When time opens it; none where it never does.
    pub until: Option<Timestamp>,
}

impl<'a> Closed<'a> {
    /// The gate after a batch, unless the plan or a person has opened it.
    #[must_use]
    pub fn gate(
        pauses: &'a [Option<Pause>],
        record: &'a EntityRecord,
        decisions: &Decisions,
        after: u32,
    ) -> Option<Self> {
        Self::written(pauses, record, after)
            .filter(|closed| decisions.approval(record.attempt, after, closed.pause).is_none())
    }

    /// The same, whatever people have decided.
    #[must_use]
    pub fn written(
        pauses: &'a [Option<Pause>],
        record: &'a EntityRecord,
        after: u32,
    ) -> Option<Self> {
        // A first deploy and another size follow no revision.
        if record.movement != Some(Movement::Upgrade) {
            return None;
        }
        Self::at(Pause::after(pauses, after)?, record, after)
    }

    /// The gate that a pause makes for a record.
    #[must_use]
    pub fn at(pause: &'a Pause, record: &'a EntityRecord, after: u32) -> Option<Self> {
        if pause.lets_through(target(record)) {
            return None;
        }
        let since = since(record);
        let until = match pause {
            Pause::For { seconds, .. } => {
                let until = since?.checked_add(SignedDuration::from_secs(i64::from(*seconds)));
                Some(until.unwrap_or(Timestamp::MAX))
            }
            Pause::UntilApproved { .. } => None,
        };
        Some(Self { pause, record, after, since, until })
    }

    /// What it waits for, and what opens it, by what the plan says of the rollout
    /// where that is at hand.
    #[must_use]
    pub fn reason(&self, hold: Option<&Hold>) -> String {
        let (pause, name, next) = (self.pause, &self.record.entity.name, self.after + 2);
        let place = hold.map_or_else(String::new, |hold| format!(" ({})", hold.place));
        if let Some(until) = self.until {
            return format!(
                "{pause} after batch {}{place}, until {until}; `tranche approve {name}` lets batch \
                 {next} run at once",
                self.after + 1
            );
        }
        let edit = match hold {
            Some(hold) if hold.approves => {
                format!(", or `approvedFor: {}` in the plan,", target(self.record))
            }
            Some(_) => ", or a `duration` in the plan,".to_owned(),
            None => String::new(),
        };
        format!(
            "batch {next} waits for approval{place}; `tranche approve {name}`{edit} lets it run"
        )
    }
}

fn target(record: &EntityRecord) -> &str {
    record.target.as_ref().map_or("", |target| target.name.as_str())
}

/// When the last batch was recorded as done. A record of an earlier version does
/// not say so: its last result is no earlier.
fn since(record: &EntityRecord) -> Option<Timestamp> {
    let boundary = record.boundary.as_ref().map(|boundary| boundary.at);
    boundary.or(record.last.as_ref().map(|last| last.at))
}

/// The batch, from 0, after whose gate a rollout stands with nothing under way.
#[must_use]
pub fn stands_after(record: &EntityRecord) -> Option<u32> {
    let state = record.state();
    let between =
        state.rolling == RollingState::RollingInBatches && state.batch == BatchState::BatchReady;
    (between && record.open.is_none()).then_some(record.status.current_batch)
}

/// What is waited for between the batches to come, as the newest plan says.
pub(super) fn ahead(view: &RolloutView<'_>, record: &EntityRecord) -> Vec<Option<Pause>> {
    let follows = record.movement == Some(Movement::Upgrade);
    view.rollout.filter(|_| follows).map_or_else(Vec::new, |rollout| rollout.pauses.clone())
}

/// Whether a plan has a gate that people can open, from the one after a batch on;
/// a delay is not theirs to skip with the others.
#[must_use]
pub fn gates_left(pauses: &[Option<Pause>], record: &EntityRecord, from: u32) -> bool {
    let follows = record.movement == Some(Movement::Upgrade);
    let mut left = pauses.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)).flatten();
    follows && left.any(|pause| !pause.is_delay() && !pause.lets_through(target(record)))
}

/// Why the pause before a batch holds it back now, if it does.
pub(super) fn held(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
    index: u32,
) -> Option<Idle> {
    let after = index.checked_sub(1)?;
    let closed = Closed::gate(&rollout.pauses, record, view.decisions, after)?;
    let reason = closed.reason(Some(&rollout.hold()));
    match closed.until {
        Some(until) if until <= view.now => None,
        Some(until) => Some(Idle::Held { reason, until }),
        None => Some(Idle::Waiting { reason }),
    }
}
