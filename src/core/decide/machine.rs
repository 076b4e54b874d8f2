//! The rollout state machine: KubeVela's states, made total.
//!
//! Every pair of state and event has an answer here: a new state, "nothing
//! changes", or "cannot happen". The original turns what it does not expect
//! into a failed rollout; here an impossible event changes nothing and is
//! reported. `docs/state-machine.md` is generated from [`transition`].
//!
//! Owns which states there are and what leads from one to another; it must
//! never know of plans or clusters.

use serde::{Deserialize, Serialize};
use std::fmt;

/// KubeVela's rolling states, with its spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RollingState {
    /// Looking for the target revision.
    #[serde(rename = "locatingTargetApp")]
    LocatingTargetApp,
    /// Checking the plan against the revisions and the live sizes.
    #[serde(rename = "verifyingSpec")]
    VerifyingSpec,
    /// Preparing the workloads.
    #[serde(rename = "initializing")]
    Initializing,
    /// Going through the batches; see [`BatchState`].
    #[serde(rename = "rollingInBatches")]
    RollingInBatches,
    /// Removing what only the source had.
    #[serde(rename = "finalising")]
    Finalising,
    /// Going back to the stable revision after a failure or an abort.
    #[serde(rename = "rolloutFailing")]
    RolloutFailing,
    /// Going back to the stable revision because the target has changed.
    #[serde(rename = "rolloutAbandoning")]
    RolloutAbandoning,
    /// Going back to the stable revision because the rollout was removed.
    #[serde(rename = "RolloutDeletingState")]
    RolloutDeleting,
    /// The target revision is rolled out.
    #[serde(rename = "rolloutSucceed")]
    RolloutSucceed,
    /// The rollout has failed, and the stable revision serves.
    #[serde(rename = "rolloutFailed")]
    RolloutFailed,
}

/// KubeVela's batch states, inside `rollingInBatches`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BatchState {
    /// The batch may begin.
    #[serde(rename = "batchInitializing")]
    BatchInitializing,
    /// Its effects are being written.
    #[serde(rename = "batchInRolling")]
    BatchInRolling,
    /// Waiting for its pods.
    #[serde(rename = "batchVerifying")]
    BatchVerifying,
    /// Its pods are ready, and its result is being recorded.
    #[serde(rename = "batchFinalizing")]
    BatchFinalizing,
    /// The batch is done; the next one waits for its gate.
    #[serde(rename = "batchReady")]
    BatchReady,
    /// Its pods were not ready in time.
    #[serde(rename = "batchVerifyFailed")]
    BatchVerifyFailed,
}

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The rolling state.
    pub rolling: RollingState,
    /// The batch state; it means something in `rollingInBatches` only.
    pub batch: BatchState,
}

/// What can happen to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The target revision exists.
    TargetLocated,
    /// Batches, sizes and revisions fit together.
    SpecVerified,
    /// The workloads are prepared for the first batch.
    Initialized,
    /// The batch's intent is recorded.
    BatchStarted,
    /// The batch's writes are done.
    BatchRolled,
    /// What the batch waits for is missing or was set back: it is done again.
    BatchSetBack,
    /// The batch's pods are ready.
    BatchAvailable,
    /// The batch's result is recorded, and it is not the last.
    BatchFinished,
    /// The last batch's result is recorded.
    AllBatchesFinished,
    /// The gate before the next batch is open.
    BatchApproved,
    /// The batch's pods were not ready in time.
    DeadlineExceeded,
    /// A person aborted the rollout.
    Aborted,
    /// The plan names another target.
    Modified,
    /// The rollout vanished from the plan, and its policy says abort.
    Deleted,
    /// The way back, or the clean-up, is done.
    Finalized,
    /// The way back is done, and the stable revision is the new target.
    Restored,
    /// A person asked for another attempt.
    Retried,
}

/// The answer to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A new state.
    To(State),
    /// The event is legal and changes nothing.
    Stay,
    /// The event cannot happen in this state.
    Impossible,
}

impl RollingState {
    /// All states, in their usual order.
    pub const ALL: [Self; 10] = [
        Self::LocatingTargetApp,
        Self::VerifyingSpec,
        Self::Initializing,
        Self::RollingInBatches,
        Self::Finalising,
        Self::RolloutFailing,
        Self::RolloutAbandoning,
        Self::RolloutDeleting,
        Self::RolloutSucceed,
        Self::RolloutFailed,
    ];

    /// Whether nothing more happens by itself.
    #[must_use]
    pub fn terminal(self) -> bool {
        matches!(self, Self::RolloutSucceed | Self::RolloutFailed)
    }

    /// Whether the rollout is on its way back to the stable revision.
    #[must_use]
    pub fn going_back(self) -> bool {
        matches!(self, Self::RolloutFailing | Self::RolloutAbandoning | Self::RolloutDeleting)
    }
}

impl BatchState {
    /// All batch states, in their usual order.
    pub const ALL: [Self; 6] = [
        Self::BatchInitializing,
        Self::BatchInRolling,
        Self::BatchVerifying,
        Self::BatchFinalizing,
        Self::BatchReady,
        Self::BatchVerifyFailed,
    ];
}

impl Event {
    /// All events.
    pub const ALL: [Self; 17] = [
        Self::TargetLocated,
        Self::SpecVerified,
        Self::Initialized,
        Self::BatchStarted,
        Self::BatchRolled,
        Self::BatchSetBack,
        Self::BatchAvailable,
        Self::BatchFinished,
        Self::AllBatchesFinished,
        Self::BatchApproved,
        Self::DeadlineExceeded,
        Self::Aborted,
        Self::Modified,
        Self::Deleted,
        Self::Finalized,
        Self::Restored,
        Self::Retried,
    ];
}

impl State {
    /// Where every rollout begins.
    pub const START: Self =
        Self { rolling: RollingState::LocatingTargetApp, batch: BatchState::BatchInitializing };

    /// Every state: batch states vary only in `rollingInBatches`.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for rolling in RollingState::ALL {
            if rolling == RollingState::RollingInBatches {
                all.extend(BatchState::ALL.map(|batch| Self { rolling, batch }));
            } else {
                all.push(Self::in_rolling(rolling));
            }
        }
        all
    }

    fn in_rolling(rolling: RollingState) -> Self {
        let batch = match rolling {
            RollingState::Finalising | RollingState::RolloutSucceed => BatchState::BatchReady,
            _ => BatchState::BatchInitializing,
        };
        Self { rolling, batch }
    }

    fn in_batch(batch: BatchState) -> Self {
        Self { rolling: RollingState::RollingInBatches, batch }
    }

    /// Applies events one after another; impossible ones change nothing.
    #[must_use]
    pub fn after(self, events: &[Event]) -> Self {
        events.iter().fold(self, |state, event| match transition(state, *event) {
            Transition::To(next) => next,
            Transition::Stay | Transition::Impossible => state,
        })
    }
}

/// The table.
#[must_use]
pub fn transition(state: State, event: Event) -> Transition {
    use RollingState as R;
    let rolling = state.rolling;
    let to = |rolling| Transition::To(State::in_rolling(rolling));
    match event {
        Event::Modified if rolling.terminal() => to(R::LocatingTargetApp),
        Event::Modified if rolling == R::LocatingTargetApp => Transition::Stay,
        Event::Modified if rolling.going_back() => Transition::Stay,
        Event::Modified => to(R::RolloutAbandoning),
        Event::Aborted if rolling.terminal() => Transition::Impossible,
        Event::Aborted if rolling == R::RolloutDeleting => Transition::Stay,
        Event::Aborted => to(R::RolloutFailing),
        Event::Deleted if rolling.terminal() => Transition::Stay,
        Event::Deleted => to(R::RolloutDeleting),
        Event::TargetLocated if rolling == R::LocatingTargetApp => to(R::VerifyingSpec),
        Event::TargetLocated => Transition::Stay,
        Event::SpecVerified if rolling == R::VerifyingSpec => to(R::Initializing),
        Event::Initialized if rolling == R::Initializing => {
            Transition::To(State::in_batch(BatchState::BatchInitializing))
        }
        Event::Finalized => finalized(rolling),
        Event::Restored if rolling == R::RolloutAbandoning => to(R::RolloutSucceed),
        Event::Retried if rolling == R::RolloutFailed => to(R::LocatingTargetApp),
        _ if rolling == R::RollingInBatches => in_batches(state.batch, event),
        _ => Transition::Impossible,
    }
}

fn finalized(rolling: RollingState) -> Transition {
    use RollingState as R;
    let next = match rolling {
        R::Finalising => R::RolloutSucceed,
        R::RolloutFailing | R::RolloutDeleting => R::RolloutFailed,
        R::RolloutAbandoning => R::LocatingTargetApp,
        _ => return Transition::Impossible,
    };
    Transition::To(State::in_rolling(next))
}

fn in_batches(batch: BatchState, event: Event) -> Transition {
    use BatchState as B;
    let next = match (batch, event) {
        (B::BatchInitializing, Event::BatchStarted) => B::BatchInRolling,
        (B::BatchInRolling, Event::BatchRolled) => B::BatchVerifying,
        (B::BatchVerifying, Event::BatchSetBack) => B::BatchInRolling,
        (B::BatchInRolling, Event::BatchStarted | Event::BatchSetBack)
        | (B::BatchVerifying, Event::BatchRolled) => return Transition::Stay,
        (B::BatchVerifying, Event::BatchAvailable) => B::BatchFinalizing,
        (B::BatchFinalizing, Event::BatchFinished) => B::BatchReady,
        (B::BatchFinalizing, Event::AllBatchesFinished) => {
            return Transition::To(State::in_rolling(RollingState::Finalising));
        }
        (B::BatchReady, Event::BatchApproved) => B::BatchInitializing,
        (B::BatchInRolling | B::BatchVerifying, Event::DeadlineExceeded) => {
            return Transition::To(State {
                rolling: RollingState::RolloutFailing,
                batch: B::BatchVerifyFailed,
            });
        }
        _ => return Transition::Impossible,
    };
    Transition::To(State::in_batch(next))
}

impl fmt::Display for RollingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LocatingTargetApp => "locatingTargetApp",
            Self::VerifyingSpec => "verifyingSpec",
            Self::Initializing => "initializing",
            Self::RollingInBatches => "rollingInBatches",
            Self::Finalising => "finalising",
            Self::RolloutFailing => "rolloutFailing",
            Self::RolloutAbandoning => "rolloutAbandoning",
            Self::RolloutDeleting => "RolloutDeletingState",
            Self::RolloutSucceed => "rolloutSucceed",
            Self::RolloutFailed => "rolloutFailed",
        })
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BatchInitializing => "batchInitializing",
            Self::BatchInRolling => "batchInRolling",
            Self::BatchVerifying => "batchVerifying",
            Self::BatchFinalizing => "batchFinalizing",
            Self::BatchReady => "batchReady",
            Self::BatchVerifyFailed => "batchVerifyFailed",
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rolling == RollingState::RollingInBatches {
            write!(f, "{} / {}", self.rolling, self.batch)
        } else {
            write!(f, "{}", self.rolling)
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
