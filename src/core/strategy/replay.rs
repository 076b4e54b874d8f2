//! What stood between two batches, brought back on a cluster that was
//! rebuilt. Owns that state for every movement and shape; it must never take
//! down what stands already, because a person may have been wrong about the
//! cluster.

use super::beside;
use super::canary::{self, at_rest};
use super::compile::listed;
use super::in_place::driven;
use super::pair::{replicas, sides};
use super::workload::Shape;
use super::{
    CompileError, Condition, Driven, Effect, Movement, RolloutInput, Side, Sides, Sizes, Step,
    StepContext, StepKind, Verb, nodes, ratio, spread, switch, together,
};
use crate::core::model::{Canary, Naming};
use std::sync::Arc;

/// Between which batches a rollout stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// After so many of them.
    After(u32),
    /// At its end; so many batches were recorded.
    Finished(u32),
}

/// The step that brings back what stood, or none if nothing did.
pub(super) fn standing(
    input: &RolloutInput<'_>,
    standing: Standing,
    round: u32,
) -> Result<Option<Step>, CompileError> {
    let (done, effects) = match standing {
        Standing::Finished(done) => (done, listed(input)?.settle.effects),
        Standing::After(done) if input.bodies.target.parts.is_empty() => {
            (done, after(input, done)?)
        }
        Standing::After(done) => (done, together::standing(input, &|one| after(one, done))?),
    };
    let context = Arc::new(StepContext { round, ..StepContext::clone(input.context) });
    let step = context.step(StepKind::Replay(done), effects, 0);
    Ok(Some(step).filter(|step| !step.effects.is_empty()))
}

fn after(input: &RolloutInput<'_>, done: u32) -> Result<Vec<Effect>, CompileError> {
    let moved = input.goals()?.cumulative;
    let batch = usize::try_from(done).ok().and_then(|done| done.checked_sub(1));
    let reached = batch.map(|batch| {
        let moved = moved.get(batch).or(moved.last()).copied().unwrap_or(0);
        (input.size_after(moved), input.tolerance(batch))
    });
    match (input.movement, input.bodies.target.kind.shape) {
        (Movement::Upgrade, Shape::Pair) if input.bodies.target.naming == Naming::Kept => {
            let mut effects = rest(input, reached.is_some());
            let moved = reached.map(|(goal, _)| goal);
            effects.extend(beside::standing(input, input.canary(), batch.zip(moved))?);
            Ok(effects)
        }
        (Movement::Upgrade, Shape::Pair) if input.ratio().is_some() => {
            ratio::standing(input, batch)
        }
        (Movement::Upgrade, Shape::Pair) => match (input.blue_green(), input.canary()) {
            (Some(blue_green), _) => switch::standing(input, blue_green, done),
            (None, Some(canary)) if input.rollout.spreads() => {
                let stood = spread::stands(input, canary, batch)?;
                pair(input, stood, reached.map(|(_, tolerance)| tolerance))
            }
            (None, Some(canary)) => routed(input, canary, batch, reached),
            (None, None) => {
                let Sizes { original, target } = input.sizes;
                let (new, old) =
                    reached.map_or((0, original), |(goal, _)| sides(goal, original, target));
                pair(input, Sides { old, new }, reached.map(|(_, tolerance)| tolerance))
            }
        },
        (Movement::Upgrade, Shape::InPlace) => {
            let goal = reached.map(|(goal, _)| goal);
            in_place(input, batch.zip(goal).map(|(i, goal)| (goal, input.certain(i, goal))))
        }
        (Movement::Upgrade, Shape::Nodes) => {
            let mut effects = rest(input, reached.is_some());
            effects.extend(nodes::standing(input, &moved, reached)?);
            Ok(effects)
        }
        (Movement::Deploy, _) if reached.is_none() => Ok(Vec::new()),
        (Movement::Deploy | Movement::Scale, Shape::Nodes) => Ok(listed(input)?.settle.effects),
        (Movement::Deploy | Movement::Scale, _) => Ok(alone(input, reached)),
    }
}

/// All objects beside the workloads: those of the source until the target's
/// stand, and then both, as the target has those they share.
fn rest(input: &RolloutInput<'_>, begun: bool) -> Vec<Effect> {
    if !begun {
        return input.rest(Side::Source);
    }
    let target = &input.bodies.target.bodies;
    let mut effects = input.rest(Side::Source);
    effects.retain(|effect| !target.contains_key(effect.object()));
    effects.extend(input.rest(Side::Target));
    effects
}

/// The old side first, and seen ready, then the new one: whatever stands
/// there already, no pod goes before those that replace it.
fn pair(
    input: &RolloutInput<'_>,
    Sides { old, new }: Sides,
    reached: Option<u32>,
) -> Result<Vec<Effect>, CompileError> {
    let Some(source) = &input.bodies.source else { return Err(CompileError::NoSource) };
    let mut effects = rest(input, reached.is_some());
    effects.push(RolloutInput::write(Verb::Apply, &source.workload, Side::Source, replicas(old)));
    effects.push(input.wait(&source.workload, Condition::Ready { at_least: old }));
    if let Some(tolerance) = reached {
        let target = &input.bodies.target.workload;
        effects.push(RolloutInput::write(Verb::Apply, target, Side::Target, replicas(new)));
        let at_least = new.saturating_sub(tolerance);
        effects.push(input.wait(target, Condition::Ready { at_least }));
    }
    Ok(effects)
}

/// Both sides as a canary's step left them, seen ready before the route sends
/// them anything.
fn routed(
    input: &RolloutInput<'_>,
    canary: &Canary,
    step: Option<usize>,
    reached: Option<(u32, u32)>,
) -> Result<Vec<Effect>, CompileError> {
    let mut effects = rest(input, step.is_some());
    effects.extend(canary::standing(input, canary, step.zip(reached.map(|(goal, _)| goal)))?);
    Ok(effects)
}

/// The old template for all pods first: a partition holds pods on a revision
/// only if they were on it before.
fn in_place(
    input: &RolloutInput<'_>,
    reached: Option<(u32, u32)>,
) -> Result<Vec<Effect>, CompileError> {
    if input.bodies.source.is_none() {
        return Err(CompileError::NoSource);
    }
    let object = &input.bodies.target.workload;
    let (original, total) = (input.sizes.original, input.sizes.target);
    let mut effects = rest(input, reached.is_some());
    let all = Driven { replicas: Some(original), partition: Some(0), ..Driven::default() };
    effects.push(RolloutInput::write(Verb::Apply, object, Side::Source, all));
    effects.push(input.wait(object, Condition::UpdatedReady { at_least: original }));
    if let Some((goal, at_least)) = reached {
        let held = |partition| Driven {
            replicas: Some(total),
            partition: Some(partition),
            ..Driven::default()
        };
        effects.push(RolloutInput::write(Verb::Apply, object, Side::Target, held(total)));
        let partition = held(total.saturating_sub(goal));
        effects.push(RolloutInput::write(Verb::Partition, object, Side::Target, partition));
        effects.push(input.wait(object, Condition::UpdatedReady { at_least }));
    }
    Ok(effects)
}

/// One workload at the size that was reached.
fn alone(input: &RolloutInput<'_>, reached: Option<(u32, u32)>) -> Vec<Effect> {
    let (size, tolerance) = reached.unwrap_or((input.sizes.original, 0));
    let object = &input.bodies.target.workload;
    let mut effects = input.rest(Side::Target);
    effects.push(RolloutInput::write(Verb::Apply, object, Side::Target, driven(input, size)));
    let at_least = size.saturating_sub(tolerance);
    if input.movement == Movement::Scale {
        effects.extend(at_rest(input));
    }
    effects.push(input.wait(
        object,
        match input.bodies.target.kind.shape {
            Shape::Pair => Condition::Ready { at_least },
            Shape::InPlace | Shape::Nodes => Condition::UpdatedReady { at_least },
        },
    ));
    effects
}
