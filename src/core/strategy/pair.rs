//! Batches over a pair of workloads, one a revision.

use super::compile::Parts;
use super::{
    CompileError, Condition, Driven, Effect, RevisionBodies, RolloutInput, Side, Verb, paced,
};
use crate::core::model::RolloutStrategy;

pub(super) fn replicas(count: u32) -> Driven {
    Driven { replicas: Some(count), ..Driven::default() }
}

/// The sizes of both sides after a batch. What a larger target size adds
/// belongs to the new side from the start, so the old side falls only once
/// the new one has outgrown that surplus.
pub(super) fn sides(goal: u32, original: u32, total: u32) -> (u32, u32) {
    (goal.max(total.saturating_sub(original)), original.min(total.saturating_sub(goal)))
}

pub(super) fn upgrade(input: &RolloutInput<'_>, goals: &[u32]) -> Result<Parts, CompileError> {
    let source = input.apart()?;
    let target = &input.bodies.target;
    let (original, total) = (input.sizes.original, input.sizes.target);
    let mut batches = Vec::with_capacity(goals.len());
    let mut before = (0, original);
    let mut floor = total;
    // New pods that are certainly ready: what a batch tolerated as unready may
    // still be so while the next one begins.
    let mut sure = 0;
    for (i, goal) in goals.iter().enumerate() {
        let now = sides(*goal, original, total);
        let mut effects = Vec::new();
        if i == 0 {
            effects.push(RolloutInput::write(
                Verb::Apply,
                &target.workload,
                Side::Target,
                replicas(0),
            ));
            effects.extend(input.rest(Side::Target));
        }
        let tolerance = input.tolerance(i);
        for next in paced::sides(input, i, before, now) {
            let ready =
                if next.0 == before.0 { sure } else { sure.max(next.0.saturating_sub(tolerance)) };
            floor = floor.min(next.1.saturating_add(match input.rollout.plan.strategy {
                RolloutStrategy::IncreaseFirst => ready,
                RolloutStrategy::DecreaseFirst => sure,
            }));
            sure = ready;
            effects.extend(batch(input, source, before, next, tolerance));
            if next != now {
                let at_least = next.0.saturating_sub(tolerance);
                effects.push(paced::pause(input, i, &target.workload, at_least));
            }
            before = next;
        }
        if i + 1 == goals.len() {
            effects.extend(input.leftovers(Side::Source));
            effects.push(Effect::Delete { object: source.workload.clone(), uid: None });
        }
        before = now;
        batches.push(effects);
    }
    let mut settle =
        vec![RolloutInput::write(Verb::Apply, &target.workload, Side::Target, replicas(total))];
    settle.extend(input.rest(Side::Target));
    settle.push(input.wait(&target.workload, Condition::Healthy));
    let floor = (floor < original.min(total)).then_some(floor);
    Ok(Parts { batches, abort: abort(input, source), settle, floor })
}

fn batch(
    input: &RolloutInput<'_>,
    source: &RevisionBodies,
    before: (u32, u32),
    now: (u32, u32),
    tolerance: u32,
) -> Vec<Effect> {
    let target = &input.bodies.target;
    let mut up = Vec::new();
    if now.0 != before.0 {
        up.push(RolloutInput::write(Verb::Scale, &target.workload, Side::Target, replicas(now.0)));
        let at_least = now.0.saturating_sub(tolerance);
        up.push(input.wait(&target.workload, Condition::Ready { at_least }));
    }
    let mut down = Vec::new();
    if now.1 != before.1 {
        if before.0 > 0 && input.rollout.plan.strategy == RolloutStrategy::DecreaseFirst {
            // The new side has to be seen ready before the old one falls.
            let at_least = before.0.saturating_sub(tolerance);
            down.push(input.wait(&target.workload, Condition::Ready { at_least }));
        }
        down.push(RolloutInput::write(
            Verb::Scale,
            &source.workload,
            Side::Source,
            replicas(now.1),
        ));
        down.push(input.wait(&source.workload, Condition::ScaledTo { at_most: now.1 }));
    }
    match input.rollout.plan.strategy {
        RolloutStrategy::IncreaseFirst => [up, down].concat(),
        RolloutStrategy::DecreaseFirst => [down, up].concat(),
    }
}

/// The way up mirrored: the old side back to its size and ready, then the new
/// side down and away.
fn abort(input: &RolloutInput<'_>, source: &RevisionBodies) -> Vec<Effect> {
    let target = &input.bodies.target;
    let original = input.sizes.original;
    let mut effects =
        vec![RolloutInput::write(Verb::Scale, &source.workload, Side::Source, replicas(original))];
    effects.extend(input.rest(Side::Source));
    effects.push(input.wait(&source.workload, Condition::Ready { at_least: original }));
    effects.push(RolloutInput::write(Verb::Scale, &target.workload, Side::Target, replicas(0)));
    effects.push(input.wait(&target.workload, Condition::ScaledTo { at_most: 0 }));
    effects.extend(input.leftovers(Side::Target));
    effects.push(Effect::Delete { object: target.workload.clone(), uid: None });
    effects
}
