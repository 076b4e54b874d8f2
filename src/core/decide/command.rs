//! What a person's command does in each state: the table command × state.

use super::machine::{RollingState, State};
use std::fmt;

/// A decision of a person about a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    /// Hold before the next batch.
    Pause,
    /// Take the hold away.
    Resume,
    /// Let the batch after the gate begin that the rollout stands at.
    Approve,
    /// Let every batch of the attempt begin that a gate is before.
    ApproveAll,
    /// Go back to the stable revision.
    Abort,
    /// Try a failed rollout again.
    Retry,
}

/// What an answer depends on besides the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stance {
    /// A person holds it.
    pub paused: bool,
    /// The gate that it stands at; for an approval of all, those that are left.
    pub gate: Gate,
}

/// The gate that a rollout stands at, of those that people can open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// None.
    #[default]
    None,
    /// One that waits for approval, or for an instant.
    Closed,
    /// One that a person has opened.
    Approved,
}

/// The answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The decision is recorded.
    Accepted,
    /// It holds already; nothing is recorded.
    Already(&'static str),
    /// It cannot be done; nothing is recorded.
    Refused(&'static str),
}

impl Command {
    /// All commands.
    pub const ALL: [Self; 6] =
        [Self::Pause, Self::Resume, Self::Approve, Self::ApproveAll, Self::Abort, Self::Retry];

    /// The answer in a state.
    #[must_use]
    pub fn answer(self, state: State, stance: Stance) -> Answer {
        let Stance { paused, gate } = stance;
        let rolling = state.rolling;
        match self {
            Self::Pause if rolling.terminal() => {
                Answer::Refused("the rollout is over: there is nothing to hold")
            }
            Self::Pause if rolling.going_back() => {
                Answer::Refused("the rollout is going back to stable, which is never held")
            }
            Self::Pause if paused => Answer::Already("it is paused already"),
            Self::Resume if !paused => Answer::Already("it is not paused"),
            Self::Pause | Self::Resume => Answer::Accepted,
            Self::Approve | Self::ApproveAll if rolling.terminal() => {
                Answer::Refused("the rollout is over: no batch waits for approval")
            }
            Self::Approve | Self::ApproveAll if rolling.going_back() => {
                Answer::Refused("the rollout is going back to stable, which waits for no approval")
            }
            Self::Approve | Self::ApproveAll if rolling != RollingState::RollingInBatches => {
                Answer::Refused("no attempt is under way: no batch waits for approval")
            }
            Self::Approve => match gate {
                // What holds it besides stays: a pause, a partition.
                Gate::Closed => Answer::Accepted,
                Gate::Approved => Answer::Already("it is approved already"),
                Gate::None => Answer::Refused("no batch waits for approval"),
            },
            Self::ApproveAll => match gate {
                Gate::Closed => Answer::Accepted,
                Gate::Approved => Answer::Already("every gate of this attempt is approved already"),
                Gate::None => Answer::Refused("the plan has no gate left to approve"),
            },
            Self::Abort if rolling == RollingState::RolloutSucceed => Answer::Refused(
                "the rollout has succeeded: to go back, name the earlier revision as the target",
            ),
            Self::Abort if rolling == RollingState::RolloutFailed => {
                Answer::Already("it has failed already: there is nothing left to go back from")
            }
            Self::Abort if rolling == RollingState::LocatingTargetApp => {
                Answer::Refused("no attempt is under way; `pause` keeps the next one from starting")
            }
            Self::Abort
                if matches!(
                    rolling,
                    RollingState::RolloutFailing | RollingState::RolloutDeleting
                ) =>
            {
                Answer::Already("it is going back to the stable revision already")
            }
            Self::Abort => Answer::Accepted,
            Self::Retry if rolling == RollingState::RolloutFailed => Answer::Accepted,
            Self::Retry if rolling == RollingState::RolloutSucceed => {
                Answer::Already("it has succeeded")
            }
            Self::Retry => {
                Answer::Refused("it has not failed; only a failed rollout is tried again")
            }
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Approve => "approve",
            Self::ApproveAll => "approve --all-gates",
            Self::Abort => "abort",
            Self::Retry => "retry",
        })
    }
}
