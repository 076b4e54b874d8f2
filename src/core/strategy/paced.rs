//! Batches whose pods follow each other one by one (`instanceInterval`). Owns
//! which states a batch passes through and what is waited for between two; how
//! one state is reached from the one before is each compiler's.

use super::workload::Shape;
use super::{CompileError, Condition, Effect, RolloutInput};
use crate::core::object::ObjectRef;

/// Pods that go one by one at most.
const MOST_PODS: u64 = 1_000;

fn interval(input: &RolloutInput<'_>, batch: usize) -> u32 {
    input.rollout.plan.around.batch(batch).map_or(0, |around| around.interval_seconds)
}

/// Refuses lists that nobody would wait for.
pub(super) fn check(input: &RolloutInput<'_>, goals: &[u32]) -> Result<(), CompileError> {
    let mut before = input.size_after(0);
    let mut pods = 0_u64;
    for (i, goal) in goals.iter().enumerate() {
        if interval(input, i) > 0 && input.bodies.target.kind.shape == Shape::Nodes {
            return Err(CompileError::NodeInterval { batch: i });
        }
        if interval(input, i) > 0 {
            pods = pods.saturating_add(u64::from(goal.abs_diff(before)));
        }
        before = *goal;
    }
    if pods > MOST_PODS {
        return Err(CompileError::Interval { pods, most: MOST_PODS });
    }
    Ok(())
}

/// The goals that a batch passes through, the last one its own; none where
/// nothing moves.
pub(super) fn goals(input: &RolloutInput<'_>, batch: usize, before: u32, goal: u32) -> Vec<u32> {
    match interval(input, batch) {
        _ if before == goal => Vec::new(),
        0 => vec![goal],
        _ if before < goal => (before + 1..=goal).collect(),
        _ => (goal..before).rev().collect(),
    }
}

/// The sizes of a pair that a batch passes through, the last ones its own. The
/// new side grows first and the old one falls last where they differ.
pub(super) fn sides(
    input: &RolloutInput<'_>,
    batch: usize,
    before: (u32, u32),
    now: (u32, u32),
) -> Vec<(u32, u32)> {
    let (up, down) = (now.0.saturating_sub(before.0), before.1.saturating_sub(now.1));
    let passes = up.max(down);
    if interval(input, batch) == 0 || passes == 0 {
        return vec![now];
    }
    let after = |pass: u32| {
        let fallen = pass.saturating_sub(passes - down);
        (before.0.saturating_add(pass.min(up)), before.1.saturating_sub(fallen))
    };
    (1..=passes).map(after).collect()
}

/// The wait between one pod and the next.
pub(super) fn pause(
    input: &RolloutInput<'_>,
    batch: usize,
    object: &ObjectRef,
    at_least: u32,
) -> Effect {
    let seconds = interval(input, batch);
    let updated = input.bodies.target.kind.shape == Shape::InPlace;
    Effect::Await {
        object: object.clone(),
        condition: Condition::ReadyFor { at_least, updated, seconds },
        deadline_seconds: input.rollout.deadline_seconds.saturating_add(seconds),
    }
}
