//! Hooks in a list of steps. Owns before and after which effects each of them
//! is called; what a call says, and what counts as an answer, is the engine's
//! and the hook's.
//!
//! `initialize-rollout` is the first effect of the first batch and
//! `finalize-rollout` the last one of the last; on the way back it is the last
//! one of all, when all capacity is there again. `post-batch-rollout` comes
//! before what a batch deletes, and the waits that those deletes stand on
//! come once more after it, since an answer may take its time.

use super::{Compiled, Effect, RolloutInput, Step, StepKind};
use crate::core::model::{HookType, PlacedHook};
use crate::core::object::ObjectRef;

/// The list with its calls.
pub(super) fn around(input: &RolloutInput<'_>, compiled: Compiled) -> Compiled {
    if input.rollout.plan.around.all_hooks().next().is_none() {
        return compiled;
    }
    let of = compiled.steps.len();
    let steps = compiled.steps.into_iter().enumerate();
    let steps = steps.map(|(batch, step)| {
        let Step { kind, goal, .. } = step;
        let effects = around_batch(input, batch, batch + 1 == of, step.effects);
        input.context.step(kind, effects, goal)
    });
    let steps = steps.collect();
    let effects = back(input, compiled.abort.effects);
    let abort = input.context.step(StepKind::Abort, effects, compiled.abort.goal);
    Compiled { steps, abort, ..compiled }
}

/// A way back with its calls.
pub(super) fn back(input: &RolloutInput<'_>, mut effects: Vec<Effect>) -> Vec<Effect> {
    let bodies = input.bodies;
    let stable = bodies.source.as_ref().unwrap_or(&bodies.target);
    let hooks = &input.rollout.plan.around.hooks;
    effects.extend(calls(input, hooks, HookType::FinalizeRollout, &stable.workload));
    effects
}

fn around_batch(
    input: &RolloutInput<'_>,
    batch: usize,
    last: bool,
    mut effects: Vec<Effect>,
) -> Vec<Effect> {
    let object = &input.bodies.target.workload;
    let plan = &input.rollout.plan.around;
    let own = plan.batch(batch).map(|around| around.hooks.as_slice()).unwrap_or_default();
    let of = |hooks, kind| calls(input, hooks, kind, object);
    let mut all = Vec::with_capacity(effects.len() + own.len() + plan.hooks.len());
    if batch == 0 {
        all.extend(of(&plan.hooks, HookType::InitializeRollout));
    }
    all.extend(of(own, HookType::PreBatchRollout));
    let kept = effects.iter().rev().take_while(|e| matches!(e, Effect::Delete { .. })).count();
    let deletes = effects.split_off(effects.len() - kept);
    let after = of(own, HookType::PostBatchRollout);
    let again = match deletes.is_empty() || after.is_empty() {
        true => Vec::new(),
        false => waits_again(&effects),
    };
    for part in [effects, after, again, deletes] {
        all.extend(part);
    }
    if last {
        all.extend(of(&plan.hooks, HookType::FinalizeRollout));
    }
    all
}

/// The waits that a list ends with, without the time for which they held.
fn waits_again(effects: &[Effect]) -> Vec<Effect> {
    let waits = effects.iter().rev().take_while(|e| matches!(e, Effect::Await { .. })).count();
    let waits = effects.iter().skip(effects.len() - waits).cloned();
    waits.map(Effect::at_once).collect()
}

fn calls(
    input: &RolloutInput<'_>,
    hooks: &[PlacedHook],
    kind: HookType,
    object: &ObjectRef,
) -> Vec<Effect> {
    let due = hooks.iter().filter(|placed| placed.hook.kind == kind);
    let call = |placed: &PlacedHook| Effect::Call {
        hook: placed.hook.clone(),
        object: object.clone(),
        deadline_seconds: input.rollout.deadline_seconds,
    };
    due.map(call).collect()
}
