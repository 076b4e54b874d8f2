//! Batches over one workload: upgrades behind a partition, and first deploys
//! and scaling of any kind.

use super::compile::Parts;
use super::workload::Shape;
use super::{
    CompileError, Condition, Driven, Effect, Movement, RolloutInput, Side, Verb, canary, paced,
};

/// An upgrade of one object: the new template goes in with every pod held on
/// the old one, then the partition falls batch by batch.
pub(super) fn upgrade(input: &RolloutInput<'_>, goals: &[u32]) -> Result<Parts, CompileError> {
    input.together()?;
    let object = &input.bodies.target.workload;
    let total = input.sizes.target;
    let driven = |partition| Driven {
        replicas: Some(total),
        partition: Some(partition),
        ..Driven::default()
    };
    let mut batches = Vec::with_capacity(goals.len());
    let mut before = 0;
    let mut floor = total;
    // New pods that are certainly ready: what a batch tolerated as unready may
    // still be so while the next one begins.
    let mut sure = 0;
    for (i, goal) in goals.iter().enumerate() {
        let mut effects = Vec::new();
        if i == 0 {
            effects.push(RolloutInput::write(Verb::Apply, object, Side::Target, driven(total)));
            effects.extend(input.rest(Side::Target));
        }
        for next in paced::goals(input, i, before, *goal) {
            let partition = total.saturating_sub(next);
            if before > 0 {
                // Whatever the gate before this batch let pass: no more pods
                // are taken down before the moved ones are seen ready.
                let at_least = input.certain(i, before);
                effects.push(input.wait(object, Condition::UpdatedReady { at_least }));
            }
            floor = floor.min(total.saturating_sub(next.saturating_sub(sure)));
            effects.push(RolloutInput::write(
                Verb::Partition,
                object,
                Side::Target,
                driven(partition),
            ));
            let at_least = input.certain(i, next);
            effects.push(input.wait(object, Condition::UpdatedReady { at_least }));
            sure = sure.max(at_least);
            if next != *goal {
                effects.push(paced::pause(input, i, object, at_least));
            }
            before = next;
        }
        if i + 1 == goals.len() {
            effects.extend(input.leftovers(Side::Source));
        }
        before = *goal;
        batches.push(effects);
    }
    let original = input.sizes.original;
    let back = Driven { replicas: Some(original), partition: Some(0), ..Driven::default() };
    let mut abort = vec![RolloutInput::write(Verb::Apply, object, Side::Source, back)];
    abort.extend(input.rest(Side::Source));
    abort.push(input.wait(object, Condition::UpdatedReady { at_least: original }));
    abort.extend(input.leftovers(Side::Target));
    let floor = (floor < total).then_some(floor);
    Ok(Parts { batches, abort, settle: settle(input), floor })
}

/// A first deploy, or a change of size.
pub(super) fn resize(input: &RolloutInput<'_>, goals: &[u32]) -> Parts {
    let object = &input.bodies.target.workload;
    let mut batches = Vec::with_capacity(goals.len());
    let mut before = input.sizes.original;
    for (i, goal) in goals.iter().enumerate() {
        let mut effects = Vec::new();
        if i == 0 && input.movement == Movement::Deploy {
            effects.push(RolloutInput::write(Verb::Apply, object, Side::Target, driven(input, 0)));
            effects.extend(input.rest(Side::Target));
        }
        for next in paced::goals(input, i, before, *goal) {
            effects.push(RolloutInput::write(
                Verb::Scale,
                object,
                Side::Target,
                driven(input, next),
            ));
            let at_least = next.saturating_sub(input.tolerance(i));
            let condition = match (next < before, input.bodies.target.kind.shape) {
                (true, _) => Condition::ScaledTo { at_most: next },
                (false, Shape::Pair) => Condition::Ready { at_least },
                (false, Shape::InPlace | Shape::Nodes) => Condition::UpdatedReady { at_least },
            };
            effects.push(input.wait(object, condition));
            if next != *goal {
                effects.push(paced::pause(input, i, object, at_least));
            }
            before = next;
        }
        if i + 1 == goals.len() && input.movement == Movement::Deploy {
            effects.extend(canary::opened(input));
        }
        before = *goal;
        batches.push(effects);
    }
    let original = input.sizes.original;
    let back = driven(input, original);
    let condition = if original < input.sizes.target {
        Condition::ScaledTo { at_most: original }
    } else {
        Condition::Ready { at_least: original }
    };
    let abort = vec![
        RolloutInput::write(Verb::Scale, object, Side::Target, back),
        input.wait(object, condition),
    ];
    Parts { batches, abort, settle: settle(input), floor: None }
}

pub(super) fn driven(input: &RolloutInput<'_>, replicas: u32) -> Driven {
    let partition = (input.bodies.target.kind.shape == Shape::InPlace).then_some(0);
    Driven { replicas: Some(replicas), partition, ..Driven::default() }
}

fn settle(input: &RolloutInput<'_>) -> Vec<Effect> {
    let object = &input.bodies.target.workload;
    let state = driven(input, input.sizes.target);
    let mut effects = vec![RolloutInput::write(Verb::Apply, object, Side::Target, state)];
    effects.extend(input.rest(Side::Target));
    effects.extend(canary::at_rest(input));
    effects.push(input.wait(object, Condition::Healthy));
    effects
}
