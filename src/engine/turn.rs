//! One turn of one entity: observe, decide, act.

use super::outcome::{Class, Halt, Rest};
use super::{Engine, Reading};
use crate::core::decide::{Decision, Idle};
use crate::core::record::CommitPhase;
use crate::core::strategy::{EntityKey, StepKind};
use crate::port::Ports;

/// What a turn came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something was done: look again.
    Moved,
    /// Objects were brought to their state outside any batch.
    Settled,
    /// There is nothing to do now.
    Rest(Rest),
}

impl<P: Ports> Engine<'_, P> {
    /// One turn.
    pub(super) async fn turn(&self, reading: &mut Reading, key: &EntityKey) -> Result<Turn, Halt> {
        match self.decide(reading, key).await? {
            Decision::Idle(idle) => Ok(Turn::Rest(rest(key, idle))),
            Decision::Act(act) => {
                let settles = act.step.kind == StepKind::Settle;
                match self.perform(reading, key, *act).await? {
                    Turn::Moved if settles => Ok(Turn::Settled),
                    turn => Ok(turn),
                }
            }
            Decision::Amend(record, subject) => {
                self.decision_commit(reading, &record, CommitPhase::Result, &subject).await?;
                Ok(Turn::Moved)
            }
            Decision::Refuse(refusal) => Err(refusal.into()),
        }
    }
}

fn rest(key: &EntityKey, idle: Idle) -> Rest {
    match idle {
        Idle::Done => Rest::of(Class::Done, ""),
        Idle::Waiting { reason } => Rest::of(Class::Waiting, format!("{key}: {reason}")),
        Idle::Failed { reason } => Rest::of(Class::RolledBack, format!("{key}: {reason}")),
        Idle::Busy { holder, until } => Rest::of(
            Class::Busy,
            format!("{key}: run {} is writing, at most until {until}", holder.run),
        ),
    }
}
