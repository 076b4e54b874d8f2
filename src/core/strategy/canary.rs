//! A canary over a pair of workloads: batches whose traffic is moved by a
//! route.
//!
//! At rest the route points at the user's Service, which selects the pods of
//! every revision. So before the first new pod exists the route is brought to
//! one Service a revision, everything to the old one, and that is seen
//! accepted and drained. Each step then scales the new side up, sees its pods
//! ready and served, moves the weight, sees the route accepted, lets the old
//! connections drain, and only then takes old pods away, never below what the
//! weight left to them needs. The last step goes on once the old side is empty
//! and the user's Service serves all new pods: the route returns to what is
//! rendered, and the Services of single revisions are deleted.
//!
//! The way back is the mirror image and legal from any effect: it first
//! brings everything back that it stands on, the old side and both Services.

use super::compile::Parts;
use super::pair::replicas;
use super::{
    CompileError, Condition, Driven, Effect, RevisionBodies, RolloutInput, Routed, Side, Verb,
};
use crate::core::model::{Canary, CanaryStep, RouteProvider};
use crate::core::object::ObjectRef;
use crate::core::traffic::{Split, Weight};

/// Everything that the effects of one rollout have in common.
pub(super) struct Shift<'a> {
    input: &'a RolloutInput<'a>,
    canary: &'a Canary,
    pub(super) source: &'a RevisionBodies,
    pub(super) target: &'a RevisionBodies,
    pub(super) left: &'a Routed,
    pub(super) reached: &'a Routed,
}

pub(super) fn upgrade(
    input: &RolloutInput<'_>,
    canary: &Canary,
    goals: &[u32],
) -> Result<Parts, CompileError> {
    let shift = Shift::of(input, canary)?;
    let target = shift.target;
    let mut batches = Vec::with_capacity(goals.len());
    let mut before = (0, input.sizes.original);
    for (i, (step, goal)) in canary.steps.iter().zip(goals).enumerate() {
        let now = (*goal, shift.kept(i, *goal));
        let mut effects = if i == 0 { shift.prepared()? } else { Vec::new() };
        effects.extend(shift.step(i, step, before, now)?);
        if i + 1 == goals.len() {
            effects.extend(shift.finished()?);
        }
        before = now;
        batches.push(effects);
    }
    let mut settle = vec![RolloutInput::write(
        Verb::Apply,
        &target.workload,
        Side::Target,
        replicas(input.sizes.target),
    )];
    settle.extend(input.rest(Side::Target));
    settle.extend(at_rest(input));
    settle.push(input.wait(&target.workload, Condition::Healthy));
    Ok(Parts { batches, abort: shift.back()?, settle, floor: None })
}

/// Both sides, their Services and the route as they stood before the first
/// step, or after one that reached `goal` pods.
pub(super) fn standing(
    input: &RolloutInput<'_>,
    canary: &Canary,
    after: Option<(usize, u32)>,
) -> Result<Vec<Effect>, CompileError> {
    let shift = Shift::of(input, canary)?;
    let original = input.sizes.original;
    let step = after.and_then(|(i, goal)| Some((canary.steps.get(i)?, goal)));
    let old = after.map_or(original, |(i, goal)| shift.kept(i, goal));
    let source = &shift.source.workload;
    let mut effects = Vec::new();
    if step.is_some() {
        effects.extend(shift.twins());
    }
    effects.push(RolloutInput::write(Verb::Apply, source, Side::Source, replicas(old)));
    effects.push(input.wait(source, Condition::Ready { at_least: old }));
    let Some((step, goal)) = step else {
        effects.extend(shift.rested());
        return Ok(effects);
    };
    let target = &shift.target.workload;
    effects.push(RolloutInput::write(Verb::Apply, target, Side::Target, replicas(goal)));
    effects.push(input.wait(target, Condition::Ready { at_least: goal }));
    effects.extend(shift.serving(&shift.left.twin, old));
    effects.extend(shift.serving(&shift.reached.twin, goal));
    effects.extend(shift.routed(Side::Target, Some(&shift.split(step)), goal)?);
    Ok(effects)
}

/// The write that holds a route at what is rendered, outside any shift.
pub(super) fn at_rest(input: &RolloutInput<'_>) -> Vec<Effect> {
    let routed = input.bodies.target.routed.as_ref();
    let routes = routed.map(|routed| routed.routes.as_slice()).unwrap_or_default();
    let write = |route| RolloutInput::write(Verb::Apply, route, Side::Target, Driven::default());
    routes.iter().map(write).collect()
}

/// What lets traffic in at the end of a first deploy: there is nothing to
/// shift it from.
pub(super) fn opened(input: &RolloutInput<'_>) -> Vec<Effect> {
    let Some(routed) = &input.bodies.target.routed else { return Vec::new() };
    let at_least = input.sizes.target;
    let split = routed.split(routed.number, None);
    let mut effects = vec![input.wait(&routed.service, Condition::Serving { at_least })];
    effects.extend(at_rest(input));
    effects.extend(
        routed
            .routes
            .iter()
            .map(|route| input.wait(route, Condition::RouteAccepted { split: split.clone() })),
    );
    effects
}

impl<'a> Shift<'a> {
    pub(super) fn of(
        input: &'a RolloutInput<'a>,
        canary: &'a Canary,
    ) -> Result<Self, CompileError> {
        let target = &input.bodies.target;
        let source = match target.trial {
            Some(_) => input.together()?,
            None => input.apart()?,
        };
        let (Some(left), Some(reached)) = (&source.routed, &target.routed) else {
            return Err(CompileError::NoRoute);
        };
        Ok(Self { input, canary, source, target, left, reached })
    }

    /// Both sides' shares at a step.
    pub(super) fn split(&self, step: &CanaryStep) -> Split {
        Split {
            matches: step.matches.clone(),
            headers: step.headers.clone(),
            ..self.weighing(step.weight)
        }
    }

    pub(super) fn weighing(&self, weight: Weight) -> Split {
        self.reached.split(self.left.number, Some(weight))
    }

    /// Old pods that stay once a step is done: what the weight left to them
    /// needs, and what the new side does not make up for; or all of them, until
    /// the last step.
    fn kept(&self, step: usize, goal: u32) -> u32 {
        let (original, total) = (self.input.sizes.original, self.input.sizes.target);
        let last = step + 1 >= self.canary.steps.len();
        if self.canary.stable_stays && !last {
            return original;
        }
        let weight = self.canary.steps.get(step).map(|step| step.weight).unwrap_or_default();
        let missing = total.saturating_sub(goal);
        original.min(missing.max(weight.rest().needs(original)))
    }

    /// The new side without pods, and the route on the Services of single
    /// revisions, before any new pod exists: the user's Service would select
    /// it.
    fn prepared(&self) -> Result<Vec<Effect>, CompileError> {
        let mut effects = vec![RolloutInput::write(
            Verb::Apply,
            &self.target.workload,
            Side::Target,
            replicas(0),
        )];
        effects.extend(self.input.rest(Side::Target));
        effects.extend(self.divided(self.input.sizes.original)?);
        Ok(effects)
    }

    /// The routes as the old revision has them, once its pods are served.
    pub(super) fn rested(&self) -> Vec<Effect> {
        let mut effects = self.serving(&self.left.service, self.input.sizes.original);
        effects.extend(
            self.left.routes.iter().map(|route| {
                RolloutInput::write(Verb::Apply, route, Side::Source, Driven::default())
            }),
        );
        effects
    }

    /// The routes on the Services of single revisions, everything to the old
    /// one, which has to serve so many.
    pub(super) fn divided(&self, at_least: u32) -> Result<Vec<Effect>, CompileError> {
        let mut effects = self.twins().to_vec();
        effects.extend(self.serving(&self.left.twin, at_least));
        let nothing = self.weighing(Weight::NONE);
        effects.extend(self.routed(Side::Target, Some(&nothing), at_least)?);
        Ok(effects)
    }

    /// The routes as rendered, once the user's Service serves `at_least` pods,
    /// and nothing left of what shared them.
    pub(super) fn whole(&self, side: Side, at_least: u32) -> Result<Vec<Effect>, CompileError> {
        let routed = if side == Side::Source { self.left } else { self.reached };
        let mut effects = self.serving(&routed.service, at_least);
        effects.extend(self.routed(side, None, at_least)?);
        effects.extend(self.without_twins());
        Ok(effects)
    }

    fn step(
        &self,
        i: usize,
        step: &CanaryStep,
        before: (u32, u32),
        now: (u32, u32),
    ) -> Result<Vec<Effect>, CompileError> {
        let mut effects = Vec::new();
        let target = &self.target.workload;
        if now.0 != before.0 {
            effects.push(RolloutInput::write(Verb::Scale, target, Side::Target, replicas(now.0)));
        }
        if now.0 > 0 {
            // Also where nothing was scaled: no weight moves on readiness that
            // an earlier run has seen.
            effects.push(self.input.wait(target, Condition::Ready { at_least: now.0 }));
            effects.extend(self.serving(&self.reached.twin, now.0));
        }
        if i > 0 || step.weight > Weight::NONE || !step.matches.is_empty() {
            effects.extend(self.routed(Side::Target, Some(&self.split(step)), now.0)?);
        }
        if now.1 != before.1 {
            effects.extend(self.scaled_down(self.source, Side::Source, now.1));
        }
        Ok(effects)
    }

    /// After the last step, with no old pods left: everything as rendered.
    fn finished(&self) -> Result<Vec<Effect>, CompileError> {
        let mut effects = self.whole(Side::Target, self.input.sizes.target)?;
        effects.extend(self.input.leftovers(Side::Source));
        effects.push(Effect::Delete { object: self.source.workload.clone(), uid: None });
        Ok(effects)
    }

    /// Back to the stable revision.
    fn back(&self) -> Result<Vec<Effect>, CompileError> {
        let original = self.input.sizes.original;
        let source = &self.source.workload;
        let mut effects =
            vec![RolloutInput::write(Verb::Scale, source, Side::Source, replicas(original))];
        effects.extend(self.input.rest(Side::Source));
        effects.extend(self.twins());
        effects.push(self.input.wait(source, Condition::Ready { at_least: original }));
        effects.extend(self.serving(&self.left.twin, original));
        let nothing = self.weighing(Weight::NONE);
        effects.extend(self.routed(Side::Source, Some(&nothing), original)?);
        effects.extend(self.scaled_down(self.target, Side::Target, 0));
        effects.extend(self.whole(Side::Source, original)?);
        effects.extend(self.input.leftovers(Side::Target));
        effects.push(Effect::Delete { object: self.target.workload.clone(), uid: None });
        Ok(effects)
    }

    /// The Services of both revisions.
    pub(super) fn twins(&self) -> [Effect; 2] {
        [(self.left, Side::Source), (self.reached, Side::Target)].map(|(routed, side)| {
            RolloutInput::write(Verb::Apply, &routed.twin, side, Driven::default())
        })
    }

    fn without_twins(&self) -> [Effect; 2] {
        [self.left, self.reached]
            .map(|routed| Effect::Delete { object: routed.twin.clone(), uid: None })
    }

    pub(super) fn serving(&self, service: &ObjectRef, at_least: u32) -> Vec<Effect> {
        let wait = || self.input.wait(service, Condition::Serving { at_least });
        if at_least == 0 { Vec::new() } else { vec![wait()] }
    }

    /// Moves traffic to `at_least` pods, all routes together, and waits until
    /// nothing follows the old shares any more. Without a share all is as
    /// rendered, and what was made is gone; what other routes stand on is
    /// brought back first, and nothing follows it any more before they are.
    pub(super) fn routed(
        &self,
        side: Side,
        split: Option<&Split>,
        at_least: u32,
    ) -> Result<Vec<Effect>, CompileError> {
        let first = |route: &ObjectRef| {
            split.is_none() && self.provider(route).is_some_and(RouteProvider::stands_first)
        };
        let made = self.reached.made.iter();
        let made_now = made.clone().filter(|_| split.is_some());
        let routes = self.reached.routes.iter().map(|route| (route, side));
        let routes = routes.chain(made_now.map(|route| (route, Side::Target)));
        let (first, then): (Vec<_>, Vec<_>) = routes.partition(|(route, _)| first(route));
        let split = split.cloned().unwrap_or_else(|| self.reached.split(self.left.number, None));
        let gone: Vec<&ObjectRef> = made.filter(|_| split.weight.is_none()).collect();
        let mut effects = self.moved(&first, &[], &split, at_least)?;
        effects.extend(self.moved(&then, &gone, &split, at_least)?);
        Ok(effects)
    }

    fn moved(
        &self,
        routes: &[(&ObjectRef, Side)],
        gone: &[&ObjectRef],
        split: &Split,
        at_least: u32,
    ) -> Result<Vec<Effect>, CompileError> {
        let accepted = |(route, _): &(&ObjectRef, Side)| {
            let split = self.split_of(route, split);
            self.input.wait(route, Condition::RouteAccepted { split })
        };
        let mut effects = Vec::new();
        for (route, side) in routes {
            let driven = self.driven((*route, *side), split)?;
            effects.push(RolloutInput::write(Verb::Route, route, *side, driven));
        }
        effects.extend(routes.iter().map(accepted));
        if !gone.is_empty() {
            // What is deleted may still have all the requests: they go to the user's
            // Service with it, whatever an earlier run has seen there.
            effects.extend(self.serving(&self.reached.service, at_least));
        }
        let delete = |route: &&ObjectRef| Effect::Delete { object: (*route).clone(), uid: None };
        effects.extend(gone.iter().map(delete));
        let Some((last, others)) = routes.split_last() else { return Ok(effects) };
        let seconds = self.canary.traffic.drain_seconds;
        effects.push(Effect::Await {
            object: last.0.clone(),
            condition: Condition::Drained {
                split: self.split_of(last.0, split),
                seconds,
                at_least,
            },
            // The drain itself is no reason to fail.
            deadline_seconds: self.input.rollout.deadline_seconds.saturating_add(seconds),
        });
        // While it lasted only the last one was looked at; and whoever goes on from
        // here alone has not seen the pods.
        effects.extend(others.iter().map(accepted));
        if !others.is_empty() {
            let service = ObjectRef { name: split.moved_to(), ..self.reached.service.clone() };
            effects.extend(self.serving(&service, at_least));
        }
        Ok(effects)
    }

    fn scaled_down(&self, of: &RevisionBodies, side: Side, to: u32) -> [Effect; 2] {
        [
            RolloutInput::write(Verb::Scale, &of.workload, side, replicas(to)),
            self.input.wait(&of.workload, Condition::ScaledTo { at_most: to }),
        ]
    }
}
