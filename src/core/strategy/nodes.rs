//! Batches over the nodes of one workload that has a pod on each. Owns that its
//! template reaches a node only by an eviction that a batch has asked for.
//!
//! Every batch writes the new template first, though only the first one changes
//! anything by that: the object then carries the mark and the epoch of the step
//! that evicts, as that of every other kind does. The kind's own rolling update
//! is off until nothing of an older template is left; then the update strategy is
//! as rendered again, which has nothing to do by then.

use super::compile::Parts;
use super::{
    CompileError, Condition, Driven, Effect, Goals, Movement, OnNodes, RolloutInput, Side, Verb,
};
use crate::core::model::Batches;

/// The template with every pod as it is, then so many nodes a batch.
pub(super) fn upgrade(input: &RolloutInput<'_>, goals: &[u32]) -> Result<Parts, CompileError> {
    input.together()?;
    let total = input.sizes.target;
    let mut batches = Vec::with_capacity(goals.len());
    let mut tolerated = 0;
    for (i, (goal, at_once)) in goals.iter().zip(at_once(input, goals)).enumerate() {
        let last = i + 1 == goals.len();
        let unready = input.tolerance(i);
        let mut effects = vec![template(input, Side::Target)];
        if i == 0 {
            effects.extend(input.rest(Side::Target));
        }
        // Nodes may have come: the last batch leaves none, however many there are.
        let at_most = if last { 0 } else { total.saturating_sub(*goal) };
        effects.extend(replace(input, (at_most, at_once), unready));
        if last {
            effects.push(as_rendered(input, Side::Target));
            effects.extend(input.leftovers(Side::Source));
        }
        tolerated = tolerated.max(unready);
        batches.push(effects);
    }
    // All the way, but never more at a time than the largest batch: what the
    // promised floor is, holds on the way back too.
    let largest = at_once(input, goals).max().unwrap_or(1);
    let mut abort = vec![template(input, Side::Source)];
    abort.extend(input.rest(Side::Source));
    abort.extend(replace(input, (0, largest), tolerated));
    abort.push(as_rendered(input, Side::Source));
    abort.extend(input.leftovers(Side::Target));
    let floor = Some(total.saturating_sub(largest)).filter(|_| total > 0);
    Ok(Parts { batches, abort, settle: settle(input), floor })
}

/// How many nodes each batch may have without an available pod: its own, and those
/// that the ones before it did not see ready.
fn at_once(input: &RolloutInput<'_>, goals: &[u32]) -> impl Iterator<Item = u32> {
    let mut sure = 0;
    goals.iter().enumerate().map(move |(i, goal)| {
        let at_once = goal.saturating_sub(sure).max(1);
        sure = sure.max(goal.saturating_sub(input.tolerance(i)));
        at_once
    })
}

/// The goals of a first deploy: one batch, whatever the plan says, of a size that
/// nobody knows before it stands.
pub(super) fn at_once_deployed(input: &RolloutInput<'_>) -> Goals {
    let several = match &input.rollout.plan.batches {
        Batches::Listed(list) => list.len() > 1,
        Batches::Even(count) => *count > 1,
    };
    let workload = &input.bodies.target.workload;
    let warning = format!(
        "{workload} is new: its pods come to all nodes at once, in one batch; the batches of the \
         plan count from the next revision on"
    );
    let warnings = several.then_some(warning).into_iter().collect();
    Goals { cumulative: vec![input.sizes.target], warnings }
}

/// A first deploy: all nodes at once, since nothing but the pods' own selection
/// of nodes could hold some back. What is moved from a size to the same one is
/// there already.
pub(super) fn whole(input: &RolloutInput<'_>, goals: &[u32]) -> Parts {
    let object = &input.bodies.target.workload;
    let deploys = input.movement == Movement::Deploy;
    let batches = goals.iter().map(|_| if deploys { settle(input) } else { Vec::new() });
    let nowhere = Driven { nodes: Some(OnNodes::Nowhere), ..Driven::default() };
    let abort = match deploys {
        true => vec![
            RolloutInput::write(Verb::Scale, object, Side::Target, nowhere),
            input.wait(object, Condition::ScaledTo { at_most: 0 }),
        ],
        false => settle(input),
    };
    Parts { batches: batches.collect(), abort, settle: settle(input), floor: None }
}

/// What stood after batches on a cluster that was rebuilt: the old template on
/// all nodes first, since a new pod is of the newest one.
pub(super) fn standing(
    input: &RolloutInput<'_>,
    goals: &[u32],
    reached: Option<(u32, u32)>,
) -> Result<Vec<Effect>, CompileError> {
    input.together()?;
    let total = input.sizes.target;
    let unready = reached.map_or(0, |(_, unready)| unready);
    let largest = at_once(input, goals).max().unwrap_or(1);
    let mut effects = vec![template(input, Side::Source)];
    effects.extend(replace(input, (0, largest), unready));
    if let Some((goal, unready)) = reached {
        effects.push(template(input, Side::Target));
        let at_most = total.saturating_sub(goal);
        effects.extend(replace(input, (at_most, largest), unready));
    }
    Ok(effects)
}

/// A side's template, and no pod of another one touched.
fn template(input: &RolloutInput<'_>, side: Side) -> Effect {
    let driven = Driven { nodes: Some(OnNodes::OnDelete), ..Driven::default() };
    RolloutInput::write(Verb::Apply, &input.bodies.target.workload, side, driven)
}

fn as_rendered(input: &RolloutInput<'_>, side: Side) -> Effect {
    RolloutInput::write(Verb::Apply, &input.bodies.target.workload, side, Driven::default())
}

/// Evictions down to so many old pods, and those that take their place.
fn replace(input: &RolloutInput<'_>, (at_most, at_once): (u32, u32), unready: u32) -> [Effect; 2] {
    let object = &input.bodies.target.workload;
    let deadline_seconds = input.rollout.deadline_seconds;
    let evict = Effect::Evict { object: object.clone(), at_most, at_once, deadline_seconds };
    [evict, input.wait(object, Condition::Replaced { at_most, unready })]
}

fn settle(input: &RolloutInput<'_>) -> Vec<Effect> {
    let object = &input.bodies.target.workload;
    // What the pods look for is there before they come.
    let mut effects = input.rest(Side::Target);
    effects.push(as_rendered(input, Side::Target));
    effects.push(input.wait(object, Condition::Healthy));
    effects
}
