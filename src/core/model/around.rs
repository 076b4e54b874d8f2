//! What a RolloutPlan says of its batches besides their sizes.

use super::{Hook, Place};

/// Hooks, and how pods follow each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Around {
    /// `rolloutWebhooks`.
    pub hooks: Vec<PlacedHook>,
    /// What the batches say, in their order; none where no batch says anything.
    pub batches: Vec<AroundBatch>,
}

/// The same of one batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AroundBatch {
    /// `batchRolloutWebhooks`.
    pub hooks: Vec<PlacedHook>,
    /// `instanceInterval`: seconds from one pod of the batch to the next.
    pub interval_seconds: u32,
    /// `podList`: the pods that the batch moves, by name.
    pub pods: Vec<String>,
}

/// A hook, and where it stands in the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedHook {
    /// The hook.
    pub hook: Hook,
    /// Its place.
    pub place: Place,
}

impl Around {
    /// Whether two say the same, wherever it stands.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let hooks = |all: &[PlacedHook]| all.iter().map(|one| one.hook.clone()).collect::<Vec<_>>();
        let batch = |one: &AroundBatch| (hooks(&one.hooks), one.interval_seconds, one.pods.clone());
        let all = |of: &Self| (hooks(&of.hooks), of.batches.iter().map(batch).collect::<Vec<_>>());
        all(self) == all(other)
    }

    /// What a batch says; nothing where there is none.
    #[must_use]
    pub fn batch(&self, index: usize) -> Option<&AroundBatch> {
        self.batches.get(index)
    }

    /// Every hook.
    pub fn all_hooks(&self) -> impl Iterator<Item = &PlacedHook> {
        self.hooks.iter().chain(self.batches.iter().flat_map(|batch| &batch.hooks))
    }
}
