//! A canary without a route, over a pair of workloads: the share of traffic is
//! the share of pods.
//!
//! Whoever selects the pods of every revision, the user's Service as a rule,
//! reaches both sides by their numbers. So a step brings both workloads to the
//! numbers that come nearest to its weight (`split`), in passes that keep
//! within the surge and what may be missing (`pass`): what a pass scales up is
//! seen ready before it scales the other side down, and what it scales down is
//! seen gone before the next one scales up.
//!
//! The way back is the same, mirrored. It has no fixed list: where the bounds
//! are tight, the only legal pass is one of exactly so many pods. So it is
//! compiled from the sizes that it begins at, which the record keeps.

mod pass;
mod split;

use super::compile::Parts;
use super::pair::replicas;
use super::{CompileError, Condition, Effect, RevisionBodies, RolloutInput, Side, Verb};
use crate::core::model::{Canary, CanaryStep, CapacityError, Notice};
use crate::core::object::ObjectRef;
use crate::core::traffic::Weight;
use pass::Bounds;
use serde::{Deserialize, Serialize};
use split::split;

/// More passes than anybody waits for; a slip of the hand.
const MOST_PASSES: usize = 1_000;

/// A share of pods further than this from its weight, in hundredths, is told.
const FAR: u64 = 10;

/// Pods of both workloads of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sides {
    /// Of the revision that is left.
    pub old: u32,
    /// Of the revision that is reached.
    pub new: u32,
}

impl Sides {
    fn all(self) -> u32 {
        self.old.saturating_add(self.new)
    }

    fn of(self, side: Side) -> u32 {
        match side {
            Side::Source => self.old,
            Side::Target => self.new,
        }
    }
}

/// Both sides after each step, of `total` pods in all.
///
/// # Errors
/// Fails where the pods that a step names are too many, fall, or leave
/// something to the old side at the end.
pub(super) fn sides(canary: &Canary, total: u32) -> Result<Vec<Sides>, CapacityError> {
    let surges = canary.leeway.beyond(total) > 0;
    let mut all = Vec::with_capacity(canary.steps.len());
    let mut before = 0;
    for (i, CanaryStep { weight, replicas, place, .. }) in canary.steps.iter().enumerate() {
        let (step, place) = (i + 1, place.clone());
        let (weight, near) = (*weight, split(total, *weight, surges));
        let pods = replicas.map_or(near.new.max(before), |amount| amount.of(total));
        if weight == Weight::ALL && pods < total {
            let needed = total;
            return Err(CapacityError::TooFew { place, step, weight, pods, total, needed });
        }
        if pods > total {
            return Err(CapacityError::TooMany { place, step, pods, total });
        }
        if pods < before {
            return Err(CapacityError::Fewer { place, step, pods, before });
        }
        let named = Sides { old: total.saturating_sub(pods), new: pods };
        all.push(if replicas.is_none() && pods == near.new { near } else { named });
        before = pods;
    }
    Ok(all)
}

/// Where pods cannot be shared out as the weights say.
pub(super) fn notices(canary: &Canary, total: u32) -> Vec<Notice> {
    let sides = sides(canary, total).unwrap_or_default();
    let steps = canary.steps.iter().zip(sides).enumerate();
    let notice = |(i, (step, sides)): (usize, (&CanaryStep, Sides))| {
        let (new, all) = (u64::from(sides.new), u64::from(sides.all()));
        let off = (100 * new).abs_diff(u64::from(step.weight.percent()) * all);
        (off > FAR * all).then(|| Notice {
            place: step.place.clone(),
            message: format!(
                "step {} is at weight {}, but {new} of {all} pods take {}% of the traffic",
                i + 1,
                step.weight,
                (200 * new + all) / (2 * all).max(1)
            ),
        })
    };
    steps.filter_map(notice).collect()
}

pub(super) fn upgrade(input: &RolloutInput<'_>, canary: &Canary) -> Result<Parts, CompileError> {
    let pair = Pair::of(input)?;
    let (original, total) = (input.sizes.original, input.sizes.target);
    let (target, leeway) = (&input.bodies.target.workload, canary.leeway);
    let below = |pods: u32| pods.saturating_sub(leeway.below(pods));
    let bounds = Bounds { most: total.saturating_add(leeway.beyond(total)), least: below(total) };
    let goals = sides(canary, total)?;
    let mut batches = Vec::with_capacity(goals.len());
    let mut from = Sides { old: original, new: 0 };
    let mut left = MOST_PASSES;
    for (i, to) in goals.iter().enumerate() {
        let passes: Vec<Sides> = bounds.passes(from, *to).take(left).collect();
        left -= passes.len();
        if passes.last().unwrap_or(&from) != to {
            return Err(CompileError::Passes { most: MOST_PASSES });
        }
        let mut effects = Vec::new();
        if i == 0 {
            let inert = replicas(0);
            effects.push(RolloutInput::write(Verb::Apply, target, Side::Target, inert));
            effects.extend(input.rest(Side::Target));
        }
        if passes.is_empty() {
            // No step ends on pods that it has not seen.
            pair.see(&mut effects, Side::Target, to.new);
        }
        pair.go(&mut effects, from, &passes);
        if i + 1 == goals.len() {
            effects.extend(input.leftovers(Side::Source));
            effects.push(Effect::Delete { object: pair.source.workload.clone(), uid: None });
        }
        from = *to;
        batches.push(effects);
    }
    let mut settle = vec![RolloutInput::write(Verb::Apply, target, Side::Target, replicas(total))];
    settle.extend(input.rest(Side::Target));
    settle.push(input.wait(target, Condition::Healthy));
    // The way back may leave as few.
    let floor = below(original).min(below(total));
    let floor = (floor < original.min(total)).then_some(floor);
    let abort = back(input, canary, Sides { old: 0, new: total })?;
    Ok(Parts { batches, abort, settle, floor })
}

/// Back to the stable revision, from whatever stands. The old workload is
/// written first in any case: the last step may have deleted it.
pub(super) fn back(
    input: &RolloutInput<'_>,
    canary: &Canary,
    from: Sides,
) -> Result<Vec<Effect>, CompileError> {
    let pair = Pair::of(input)?;
    let original = input.sizes.original;
    let (most, leeway) = (original.max(input.sizes.target), canary.leeway);
    let bounds = Bounds {
        // As many as the way up may have brought.
        most: most.saturating_add(leeway.beyond(most)),
        least: original.saturating_sub(leeway.below(original)),
    };
    let passes: Vec<Sides> = bounds.passes(from, Sides { old: original, new: 0 }).collect();
    let first = passes.first().map_or(original, |first| first.old);
    let up = first.max(from.old);
    let mut effects = vec![pair.scaled(Side::Source, up)];
    effects.extend(input.rest(Side::Source));
    pair.see(&mut effects, Side::Source, first);
    pair.go(&mut effects, Sides { old: up, ..from }, &passes);
    if from.new == 0 {
        effects.extend(pair.lowered(Side::Target, 0));
    }
    effects.extend(input.leftovers(Side::Target));
    let object = input.bodies.target.workload.clone();
    effects.push(Effect::Delete { object, uid: None });
    Ok(effects)
}

/// Both sides before the first step, or after one.
pub(super) fn stands(
    input: &RolloutInput<'_>,
    canary: &Canary,
    after: Option<usize>,
) -> Result<Sides, CompileError> {
    let all = sides(canary, input.sizes.target)?;
    let reached = after.and_then(|step| all.get(step).or(all.last())).copied();
    Ok(reached.unwrap_or(Sides { old: input.sizes.original, new: 0 }))
}

/// Sizes at which the way back may begin: those that each step writes.
pub(super) fn begins(input: &RolloutInput<'_>, canary: &Canary) -> Vec<Sides> {
    let Ok(parts) = upgrade(input, canary) else { return Vec::new() };
    let mut now = Sides { old: input.sizes.original, new: 0 };
    let mut all = vec![now];
    for effect in parts.batches.iter().flatten() {
        let Effect::Write { verb: Verb::Scale, side, driven, .. } = effect else { continue };
        let pods = driven.replicas.unwrap_or(0);
        match side {
            Side::Source => now.old = pods,
            Side::Target => now.new = pods,
        }
        all.push(now);
    }
    all
}

/// What the effects of one rollout have in common.
struct Pair<'a> {
    input: &'a RolloutInput<'a>,
    source: &'a RevisionBodies,
}

impl<'a> Pair<'a> {
    fn of(input: &'a RolloutInput<'a>) -> Result<Self, CompileError> {
        Ok(Self { input, source: input.apart()? })
    }

    fn workload(&self, side: Side) -> &ObjectRef {
        match side {
            Side::Source => &self.source.workload,
            Side::Target => &self.input.bodies.target.workload,
        }
    }

    fn scaled(&self, side: Side, to: u32) -> Effect {
        RolloutInput::write(Verb::Scale, self.workload(side), side, replicas(to))
    }

    fn lowered(&self, side: Side, to: u32) -> [Effect; 2] {
        let gone = Condition::ScaledTo { at_most: to };
        [self.scaled(side, to), self.input.wait(self.workload(side), gone)]
    }

    /// Waits for ready pods, unless that is what was waited for last.
    fn see(&self, effects: &mut Vec<Effect>, side: Side, at_least: u32) {
        let workload = self.workload(side);
        let seen = matches!(
            effects.last(),
            Some(Effect::Await { object, condition: Condition::Ready { at_least: seen }, .. })
                if object == workload && *seen >= at_least
        );
        if at_least > 0 && !seen {
            effects.push(self.input.wait(workload, Condition::Ready { at_least }));
        }
    }

    /// Pass by pass: up and seen ready, then down and seen gone. What goes down
    /// rests on the other side's pods, so those are seen right before.
    fn go(&self, effects: &mut Vec<Effect>, mut from: Sides, passes: &[Sides]) {
        let sides = [Side::Source, Side::Target];
        let last = passes.last().copied().unwrap_or(from);
        // The side that is to go is the first one to fall.
        let falling = if last.new >= from.new { sides } else { [Side::Target, Side::Source] };
        for to in passes {
            let rising = sides.into_iter().filter(|side| to.of(*side) > from.of(*side));
            let rising: Vec<Side> = rising.collect();
            effects.extend(rising.iter().map(|side| self.scaled(*side, to.of(*side))));
            for side in rising {
                self.see(effects, side, to.of(side));
            }
            for side in falling.into_iter().filter(|side| to.of(*side) < from.of(*side)) {
                let other = side.other();
                self.see(effects, other, to.of(other));
                effects.extend(self.lowered(side, to.of(side)));
            }
            from = *to;
        }
    }
}
