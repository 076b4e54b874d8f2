//! Two versions of a Deployment behind one Service, which both were captured from
//! the cluster: requests are shared by the numbers of their pods.
//!
//! The first turn brings new pods beside all of production. Each turn after it
//! begins by seeing that they are sound, brings more, sees those, and only then
//! takes as many from production. The last one brings all, has the Service's
//! label say the new version while the old Deployment is still there to go back
//! to, takes the old pods away, and looks once more. Then the old Deployment is
//! deleted, in a step of its own where it is kept for a while.
//!
//! The way back is one list from wherever it begins: production whole, the label
//! as it was, and then the new pods and their Deployment go.

use super::compile::Parts;
use super::{CompileError, Condition, Driven, Effect, RevisionBodies, RolloutInput, Side, Verb};
use crate::core::captured::label_of;
use crate::core::model::{Plan, ReplicaRatio, Turn};
use crate::core::object::{ObjectRef, at};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// After so many steps the new version has all requests.
pub(super) fn serves_after(ratio: &ReplicaRatio) -> u32 {
    u32::try_from(ratio.count()).unwrap_or(u32::MAX)
}

/// Pods of the new version after each step.
pub(super) fn goals(ratio: &ReplicaRatio, total: u32) -> Result<Vec<u32>, CompileError> {
    let turns = ratio.turns(total)?;
    let mut goals: Vec<u32> = turns.iter().map(|turn| turn.new).collect();
    if ratio.retain > 0 {
        goals.push(total);
    }
    Ok(goals)
}

/// The new version's share of the requests after each step, in per cent.
pub(super) fn shares(ratio: &ReplicaRatio, total: u32) -> Vec<u32> {
    let turns = ratio.turns(total).unwrap_or_default();
    let mut shares: Vec<u32> = turns.into_iter().map(Turn::share).collect();
    if ratio.retain > 0 {
        shares.push(100);
    }
    shares
}

/// What a person should know: the shares that pods make of the requests.
pub(super) fn told(ratio: &ReplicaRatio, total: u32) -> Vec<String> {
    let turns = ratio.turns(total).unwrap_or_default();
    let one = |(i, turn): (usize, &Turn)| {
        let Turn { old, new } = *turn;
        format!("step {}: {new} of {} pods take {}%", i + 1, old + new, turn.share())
    };
    let shares: Vec<String> = turns.iter().enumerate().map(one).collect();
    let told = format!("requests are shared by pods: {}", shares.join("; "));
    let still = turns.windows(2).filter(|pair| pair.first() == pair.last()).count();
    let few = (still > 0).then(|| {
        format!(
            "{total} pods cannot be shared out as finely as the turns ask: in {still} of them \
             nothing moves"
        )
    });
    std::iter::once(told).chain(few).collect()
}

pub(super) fn upgrade(input: &RolloutInput<'_>) -> Result<Parts, CompileError> {
    let ratio = taken_over(input)?;
    let way = Way::of(input, ratio)?;
    let (target, total) = (&input.bodies.target.workload, input.sizes.target);
    let turns = ratio.turns(total)?;
    let mut batches = Vec::with_capacity(turns.len() + 1);
    let mut before = Turn { old: total, new: 0 };
    for (i, turn) in turns.iter().enumerate() {
        let mut effects = match i {
            0 => way.begins(total),
            _ => vec![way.sound(before.new)],
        };
        if turn.new > before.new {
            effects.push(way.scaled(Side::Target, turn.new));
            effects.push(way.sound(turn.new));
        }
        if i + 1 == turns.len() {
            effects.push(way.labelled(Side::Target));
        }
        if turn.old < before.old {
            effects.extend(way.lowered(Side::Source, turn.old));
            effects.push(way.sound(turn.new));
        }
        before = *turn;
        batches.push(effects);
    }
    let leaves = Effect::Delete { object: way.source.workload.clone(), uid: None };
    match batches.last_mut() {
        Some(last) if ratio.retain == 0 => last.push(leaves),
        _ => batches.push(vec![way.sound(total), leaves]),
    }
    let mut settle = vec![way.written(Verb::Apply, Side::Target, total)];
    settle.push(input.wait(target, Condition::Healthy));
    Ok(Parts { batches, abort: way.back(), settle, floor: None })
}

/// What stood between two steps.
pub(super) fn standing(
    input: &RolloutInput<'_>,
    step: Option<usize>,
) -> Result<Vec<Effect>, CompileError> {
    let ratio = taken_over(input)?;
    let way = Way::of(input, ratio)?;
    let total = input.sizes.target;
    let turns = ratio.turns(total)?;
    let stood = step.and_then(|step| turns.get(step).or(turns.last())).copied();
    let Turn { old, new } = stood.unwrap_or(Turn { old: total, new: 0 });
    let mut effects = vec![way.written(Verb::Apply, Side::Source, old)];
    if old > 0 {
        effects.push(input.wait(&way.source.workload, Condition::Ready { at_least: old }));
    }
    if stood.is_some() {
        effects.push(way.written(Verb::Apply, Side::Target, new));
        effects.push(way.sound(new));
        if old == 0 {
            effects.push(way.labelled(Side::Target));
        }
    }
    Ok(effects)
}

fn taken_over<'a>(input: &'a RolloutInput<'_>) -> Result<&'a ReplicaRatio, CompileError> {
    input.ratio().ok_or(CompileError::NoSource)
}

/// What the effects of one rollout have in common.
struct Way<'a> {
    input: &'a RolloutInput<'a>,
    source: &'a RevisionBodies,
    restarts: u32,
    service: &'a ObjectRef,
}

impl<'a> Way<'a> {
    fn of(input: &'a RolloutInput<'a>, ratio: &ReplicaRatio) -> Result<Self, CompileError> {
        let service = input.bodies.target.rest.first().ok_or(CompileError::NoRoute)?;
        Ok(Self { input, source: input.apart()?, restarts: ratio.restarts, service })
    }

    fn workload(&self, side: Side) -> &ObjectRef {
        match side {
            Side::Source => &self.source.workload,
            Side::Target => &self.input.bodies.target.workload,
        }
    }

    /// A workload with so many pods. The size of the one that is taken over is
    /// somebody else's until then.
    fn written(&self, verb: Verb, side: Side, pods: u32) -> Effect {
        let takes = side == Side::Source;
        let driven = Driven { replicas: Some(pods), takes, ..Driven::default() };
        RolloutInput::write(verb, self.workload(side), side, driven)
    }

    fn scaled(&self, side: Side, pods: u32) -> Effect {
        self.written(Verb::Scale, side, pods)
    }

    /// The first writes move nothing: production is taken over with the pods that
    /// it has, so that whatever would keep this from it is found before there is
    /// a new pod.
    fn begins(&self, total: u32) -> Vec<Effect> {
        vec![self.scaled(Side::Source, total), self.written(Verb::Apply, Side::Target, 0)]
    }

    fn sound(&self, at_least: u32) -> Effect {
        let target = &self.input.bodies.target;
        let selector = target.bodies.get(&target.workload);
        let selector = selector.and_then(|body| at(body, "/spec/selector/matchLabels"));
        let labels = selector.and_then(Value::as_object).into_iter().flatten();
        let pods: BTreeMap<String, String> = labels
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        let restarts = self.restarts;
        self.input.wait(&target.workload, Condition::Sound { at_least, restarts, pods })
    }

    fn lowered(&self, side: Side, pods: u32) -> [Effect; 2] {
        let gone = Condition::ScaledTo { at_most: pods };
        [self.scaled(side, pods), self.input.wait(self.workload(side), gone)]
    }

    /// The Service's label as one side has it.
    fn labelled(&self, side: Side) -> Effect {
        let revision = self.input.bodies.side(side);
        let body = revision.and_then(|revision| revision.bodies.get(self.service));
        let version = body.and_then(|body| label_of(body)).map(str::to_owned);
        let driven = Driven { version, takes: true, ..Driven::default() };
        RolloutInput::write(Verb::Relabel, self.service, side, driven)
    }

    fn back(&self) -> Vec<Effect> {
        let original = self.input.sizes.original;
        let old = self.workload(Side::Source);
        let mut effects = vec![self.scaled(Side::Source, original)];
        effects.push(self.input.wait(old, Condition::Ready { at_least: original }));
        effects.push(self.labelled(Side::Source));
        effects.extend(self.lowered(Side::Target, 0));
        let object = self.workload(Side::Target).clone();
        effects.push(Effect::Delete { object, uid: None });
        effects
    }
}

/// Whether a live Service says already what a write of its label would have it
/// say. Then nothing is written: it may never have been ours.
#[must_use]
pub fn says(live: &Value, body: &Value) -> bool {
    label_of(live).is_some() && label_of(live) == label_of(body)
}

/// What is wrong with the rollouts of a plan that take over what runs: each has a
/// Deployment and a Service for itself, and no application has its revisions.
pub(super) fn clashes(plan: &Plan, namespace: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let mut taken = BTreeSet::new();
    for rollout in &plan.rollouts {
        let Some(ratio) = &rollout.ratio else { continue };
        let own = rollout.namespace.as_deref().unwrap_or(namespace);
        let place = &rollout.place;
        let names = [("Deployments", &ratio.deployment), ("Service", &ratio.service)];
        for (what, name) in names {
            if !taken.insert((what, own, name)) {
                errors.push(format!("{place}: another rollout takes over {what} {name} already"));
            }
        }
        let called = |name: &str, of: Option<&str>| {
            name == ratio.deployment && of.unwrap_or(namespace) == own
        };
        if plan.applications.iter().any(|a| called(&a.name, a.namespace.as_deref())) {
            errors.push(format!(
                "{place}: an application of this plan is called {}, as the revisions of what this \
                 takes over would be: rename it",
                ratio.deployment
            ));
        }
    }
    errors
}
