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
    /// Go back to the stable revision.
    Abort,
    /// Try a failed rollout again.
    Retry,
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
    pub const ALL: [Self; 4] = [Self::Pause, Self::Resume, Self::Abort, Self::Retry];

    /// The answer in a state.
    #[must_use]
    pub fn answer(self, state: State, paused: bool) -> Answer {
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
            Self::Abort => "abort",
            Self::Retry => "retry",
        })
    }
}
