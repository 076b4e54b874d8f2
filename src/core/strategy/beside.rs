//! A revision that is tried beside a workload which keeps its name.
//!
//! The workload itself is not touched until the last step: a second one, the
//! trial, is scaled up step by step, and takes requests where a route can send
//! them. Then the workload is updated natively, by its own update strategy,
//! while the trial still serves; the routes return to what is rendered, and the
//! trial is removed, in this order. What the workload cannot serve while it is
//! updated goes to the trial if that has all the pods, else to the user's
//! Service, which reaches the pods of both.
//!
//! A change that leaves the pod template alone needs no trial: it is applied.
//! The way back brings the workload back natively first, and is legal from any
//! effect.

use super::canary::{Shift, at_rest};
use super::compile::Parts;
use super::member::Membership;
use super::pair::replicas;
use super::{CompileError, Condition, Driven, Effect, RolloutInput, Side, Verb};
use crate::core::model::{Amount, Canary};
use crate::core::object::{ObjectRef, at};
use crate::core::traffic::{Split, Weight};
use serde_json::Value;

struct Trial<'a> {
    input: &'a RolloutInput<'a>,
    canary: &'a Canary,
    trial: &'a ObjectRef,
    shift: Option<Shift<'a>>,
    member: Option<Membership<'a>>,
}

pub(super) fn upgrade(
    input: &RolloutInput<'_>,
    canary: Option<&Canary>,
    goals: &[u32],
) -> Result<Parts, CompileError> {
    input.together()?;
    let trial = Trial::of(input, canary)?;
    let (batches, abort) = match &trial {
        None => (plain(input, goals), applied(input, Side::Source)),
        Some(trial) => (trial.batches(goals)?, trial.back()?),
    };
    let settle = applied(input, Side::Target);
    Ok(Parts { batches, abort, settle, floor: floor(input) })
}

/// The workload, the trial and the routes as they stood before the first step,
/// or after one that reached `goal` pods.
pub(super) fn standing(
    input: &RolloutInput<'_>,
    canary: Option<&Canary>,
    after: Option<(usize, u32)>,
) -> Result<Vec<Effect>, CompileError> {
    let mut effects = natively(input, Side::Source).to_vec();
    let Some(trial) = Trial::of(input, canary)? else { return Ok(effects) };
    let Some((i, goal)) = after else {
        effects.extend(trial.shift.iter().flat_map(Shift::rested));
        return Ok(effects);
    };
    if i >= trial.promoting() {
        // The workload is updated, and only what was tried is left to go.
        return Ok(applied(input, Side::Target));
    }
    effects.extend(trial.prepared()?);
    let split = trial.canary.steps.get(i).zip(trial.shift.as_ref());
    let split = split.map(|(step, shift)| shift.split(step));
    effects.extend(trial.grown(0, goal, split.as_ref())?);
    Ok(effects)
}

/// Fewest pods that are ready while the workload is updated natively.
fn floor(input: &RolloutInput<'_>) -> Option<u32> {
    let target = &input.bodies.target;
    let total = input.sizes.target;
    let body = target.bodies.get(&target.workload)?;
    let strategy = at(body, "/spec/strategy");
    let kind = strategy.and_then(|strategy| strategy.get("type")?.as_str());
    let most = strategy.and_then(|strategy| at(strategy, "/rollingUpdate/maxUnavailable"));
    let missing = match (kind, most) {
        (Some("Recreate"), _) => total,
        // Rounded down, as the controller does.
        (_, most) => {
            let amount = most.map_or(Some(Amount::Percent(25)), amount)?;
            amount.rounded_down(total)
        }
    };
    (missing > 0).then(|| total.saturating_sub(missing))
}

fn amount(value: &Value) -> Option<Amount> {
    let count = |number: u64| u32::try_from(number).ok();
    match value {
        Value::Number(number) => number.as_u64().and_then(count).map(Amount::Count),
        Value::String(text) => text.strip_suffix('%')?.parse().ok().map(Amount::Percent),
        _ => None,
    }
}

/// The workload's state on a side: its size is the manifest's where that says
/// one, and else nobody's of ours.
fn sized(input: &RolloutInput<'_>, side: Side) -> Driven {
    let replicas = is_sized(input, side).then_some(size(input, side));
    Driven { replicas, ..Driven::default() }
}

/// Whether the manifest says how many pods there are.
fn is_sized(input: &RolloutInput<'_>, side: Side) -> bool {
    input.bodies.side(side).is_some_and(|revision| revision.sized)
}

/// Pods of the workload that a Service has to reach before requests go to it.
/// Of one that an autoscaler sizes the number at the start is nothing to wait
/// for, least of all on the way back: it may have been taken down since. That
/// all are ready which it wants is seen before.
pub(super) fn served(input: &RolloutInput<'_>, side: Side) -> u32 {
    let pods = size(input, side);
    if is_sized(input, side) { pods } else { pods.min(1) }
}

fn size(input: &RolloutInput<'_>, side: Side) -> u32 {
    match side {
        Side::Source => input.sizes.original,
        Side::Target => input.sizes.target,
    }
}

/// The workload as one side has it, updated natively.
fn natively(input: &RolloutInput<'_>, side: Side) -> [Effect; 2] {
    let object = &input.bodies.target.workload;
    [
        RolloutInput::write(Verb::Apply, object, side, sized(input, side)),
        input.wait(object, Condition::Healthy),
    ]
}

/// Everything as one side has it.
fn applied(input: &RolloutInput<'_>, side: Side) -> Vec<Effect> {
    let mut effects = input.rest(side);
    effects.extend(natively(input, side));
    match side {
        Side::Target => effects.extend(at_rest(input)),
        Side::Source => effects.extend(input.leftovers(Side::Target)),
    }
    effects
}

/// A change without a trial: all of it in the first step.
fn plain(input: &RolloutInput<'_>, goals: &[u32]) -> Vec<Vec<Effect>> {
    let mut batches = vec![Vec::new(); goals.len().max(1)];
    if let Some(first) = batches.first_mut() {
        first.extend(applied(input, Side::Target));
        first.extend(input.leftovers(Side::Source));
    }
    batches
}

impl<'a> Trial<'a> {
    /// None where nothing is to be tried.
    fn of(
        input: &'a RolloutInput<'a>,
        canary: Option<&'a Canary>,
    ) -> Result<Option<Self>, CompileError> {
        let trial = input.bodies.target.trial.as_ref();
        let Some((canary, trial)) = canary.zip(trial) else { return Ok(None) };
        let shift = canary.is_routed().then(|| Shift::of(input, canary)).transpose()?;
        let source = input.together()?;
        let berth = input.bodies.target.berth.as_ref();
        let member = canary.lane.as_ref().zip(berth);
        let member = member.map(|(joined, berth)| Membership { input, joined, source, berth });
        Ok(Some(Self { input, canary, trial, shift, member }))
    }

    /// The step that updates the workload: the last one, but where a lane has to
    /// leave the trial before that goes.
    fn promoting(&self) -> usize {
        let last = self.canary.steps.len().saturating_sub(1);
        last.saturating_sub(usize::from(self.member.is_some()))
    }

    fn batches(&self, goals: &[u32]) -> Result<Vec<Vec<Effect>>, CompileError> {
        let canary = self.canary;
        let mut batches = Vec::with_capacity(goals.len());
        let mut pods = 0;
        let promoting = self.promoting();
        let mut before: Option<Split> = None;
        for (i, (step, goal)) in canary.steps.iter().zip(goals).enumerate() {
            let mut effects = if i == 0 { self.prepared()? } else { Vec::new() };
            if i > promoting {
                let workload = &self.input.bodies.target.workload;
                effects.extend(self.member.iter().flat_map(Membership::left));
                // The user's Services count the trial's pods too, and a lane may be
                // waited for long: the last look is at what is left without them.
                effects.push(self.input.wait(workload, Condition::Healthy));
                effects.extend(self.removed());
                effects.extend(self.member.iter().flat_map(Membership::gone));
                effects.extend(self.input.leftovers(Side::Source));
            } else if i == promoting {
                effects.extend(self.promoted(before.as_ref(), pods)?);
            } else {
                let split = self.shift.as_ref().map(|shift| shift.split(step));
                let moves = i > 0 || step.weight > Weight::NONE || !step.matches.is_empty();
                effects.extend(self.grown(pods, *goal, split.as_ref().filter(|_| moves))?);
                pods = *goal;
                before = split;
            }
            batches.push(effects);
        }
        Ok(batches)
    }

    /// The trial without pods, and the routes on the Services of single
    /// revisions before it has any: the user's Service would select them.
    fn prepared(&self) -> Result<Vec<Effect>, CompileError> {
        let mut effects =
            vec![RolloutInput::write(Verb::Apply, self.trial, Side::Target, replicas(0))];
        effects.extend(self.rest(Side::Target));
        if let Some(shift) = &self.shift {
            if !is_sized(self.input, Side::Source) {
                let workload = &self.input.bodies.target.workload;
                effects.push(self.input.wait(workload, Condition::Healthy));
            }
            effects.extend(shift.divided(served(self.input, Side::Source))?);
        }
        if let Some(member) = &self.member {
            // Its pods have the label by which they are told apart; they may be
            // older than the lane.
            effects.extend(natively(self.input, Side::Source));
            effects.extend(member.prepared());
        }
        Ok(effects)
    }

    /// What is beside the workload, but for the Services that a member pins.
    fn rest(&self, side: Side) -> Vec<Effect> {
        let mut effects = self.input.rest(side);
        if let Some(member) = &self.member {
            effects.retain(|effect| !member.berth.services.contains(effect.object()));
        }
        effects
    }

    fn grown(
        &self,
        before: u32,
        now: u32,
        split: Option<&Split>,
    ) -> Result<Vec<Effect>, CompileError> {
        let mut effects = Vec::new();
        if let Some(member) = self.member.as_ref().filter(|_| before > 0) {
            // Whoever else has written a Service while nobody looked: more pods are
            // no more for everybody than the first ones were.
            effects.extend(member.pinned(Side::Target));
        }
        if now != before {
            effects.push(self.scaled(now));
        }
        if now > 0 {
            let at_least = self.canary.certain(now);
            effects.push(self.input.wait(self.trial, Condition::Ready { at_least }));
        }
        if let Some(member) = &self.member {
            effects.extend(member.serving(now));
        }
        if let Some(shift) = &self.shift {
            effects.extend(shift.serving(&shift.reached.twin, now));
            if split.is_some() {
                effects.extend(shift.routed(Side::Target, split, now)?);
            }
        }
        Ok(effects)
    }

    fn scaled(&self, to: u32) -> Effect {
        RolloutInput::write(Verb::Scale, self.trial, Side::Target, replicas(to))
    }

    /// The workload is updated, the traffic restored, and the trial removed.
    fn promoted(&self, before: Option<&Split>, pods: u32) -> Result<Vec<Effect>, CompileError> {
        let total = self.input.sizes.target;
        let mut effects = Vec::new();
        if pods > 0 {
            let at_least = self.canary.certain(pods);
            effects.push(self.input.wait(self.trial, Condition::Ready { at_least }));
        }
        if let Some(shift) = &self.shift {
            let all = pods >= total && pods > 0;
            let split = match before {
                _ if all => shift.weighing(Weight::ALL),
                Some(before) => Split { mixed: true, ..before.clone() },
                None => Split { mixed: true, ..shift.weighing(Weight::NONE) },
            };
            let at_least = if all { pods } else { pods.min(1) };
            effects.extend(shift.routed(Side::Target, Some(&split), at_least)?);
        }
        if let Some(member) = &self.member {
            // While the workload is updated its old pods go, and the Services
            // would select nothing else.
            effects.extend(member.released(Side::Target));
            effects.extend(natively(self.input, Side::Target));
            return Ok(effects);
        }
        effects.extend(natively(self.input, Side::Target));
        if let Some(shift) = &self.shift {
            effects.extend(shift.whole(Side::Target, served(self.input, Side::Target))?);
            // The user's Service counts the trial's pods too: what is left without
            // them is looked at by whoever takes them away.
            effects.push(self.input.wait(&self.input.bodies.target.workload, Condition::Healthy));
        }
        effects.extend(self.removed());
        effects.extend(self.input.leftovers(Side::Source));
        Ok(effects)
    }

    /// The trial is emptied and deleted.
    fn removed(&self) -> [Effect; 3] {
        [
            self.scaled(0),
            self.input.wait(self.trial, Condition::ScaledTo { at_most: 0 }),
            Effect::Delete { object: self.trial.clone(), uid: None },
        ]
    }

    /// Back to the stable revision: while its workload is brought back, traffic
    /// stays where it is.
    fn back(&self) -> Result<Vec<Effect>, CompileError> {
        let served = served(self.input, Side::Source);
        let mut effects = natively(self.input, Side::Source).to_vec();
        if let Some(member) = &self.member {
            // Before the lane is waited for: what is tried may be no good.
            effects.extend(member.pinned(Side::Source));
        }
        effects.extend(self.rest(Side::Source));
        if let Some(shift) = &self.shift {
            effects.extend(shift.twins());
            effects.extend(shift.serving(&shift.left.twin, served));
            let nothing = shift.weighing(Weight::NONE);
            effects.extend(shift.routed(Side::Source, Some(&nothing), served)?);
        }
        if let Some(member) = &self.member {
            effects.extend(member.left());
        }
        let [empty, emptied, gone] = self.removed();
        effects.extend([empty, emptied]);
        if let Some(member) = &self.member {
            effects.extend(member.released(Side::Source));
            effects.extend(member.gone());
        }
        if let Some(shift) = &self.shift {
            effects.extend(shift.whole(Side::Source, served)?);
        }
        effects.push(gone);
        effects.extend(self.input.leftovers(Side::Target));
        Ok(effects)
    }
}
