//! A rollout in a lane: whatever the lane does between the moments at which it
//! has to have come or gone, nobody but its own requests reaches what is tried,
//! and these always find pods.

use crate::plan::{context, revision, rollout};
use proptest::prelude::*;
use std::sync::Arc;
use tranche::core::model::{
    Amount, Canary, CanaryStep, Hop, Joined, Leeway, Naming, Place, PodPatch, Rollout,
    RolloutStrategy, Traffic,
};
use tranche::core::object::{KindRef, ObjectRef};
use tranche::core::strategy::workload::Shape;
use tranche::core::strategy::{
    Bodies, Compiled, Condition, Effect, Movement, RevisionBodies, RolloutInput, Side, Sizes,
    Standing, compile, compile_replay,
};
use tranche::core::traffic::Weight;

#[derive(Clone, Debug)]
pub struct Plan {
    sizes: Sizes,
    /// Pods that are tried, step by step.
    steps: Vec<u32>,
    /// Whether the lane enters at the rollout's own Service.
    enters: bool,
    drain: u32,
}

pub fn plans() -> impl Strategy<Value = Plan> {
    let parts = (1_u32..9, 1_u32..9, prop::collection::vec(0_u32..9, 1..4), any::<bool>());
    (parts, 0_u32..3).prop_map(|((original, target, mut steps, enters), drain)| {
        steps.iter_mut().for_each(|pods| *pods = (*pods).min(target));
        steps.sort_unstable();
        Plan { sizes: Sizes { original, target }, steps, enters, drain }
    })
}

fn kept(number: u64, pods: u32) -> Arc<RevisionBodies> {
    let mut revision = RevisionBodies::clone(&revision(Shape::Pair, number, pods));
    let mut name = revision.workload.clone();
    name.name = "web".to_owned();
    let mut body = revision.bodies.remove(&revision.workload).unwrap();
    Arc::make_mut(&mut body)["metadata"]["name"] = "web".into();
    revision.bodies.insert(name.clone(), body);
    revision.workload = name;
    revision.naming = Naming::Kept;
    Arc::new(revision)
}

fn ingress(name: &str) -> ObjectRef {
    ObjectRef::new(&KindRef::new("networking.k8s.io/v1", "Ingress"), Some("default"), name)
}

impl Plan {
    fn rollout(&self) -> Rollout {
        let place = Place { file: "rollout.yaml".to_owned(), line: 1 };
        let step = |weight, pods| CanaryStep::weighing(weight, pods, place.clone());
        let tried = self.steps.iter().map(|pods| step(Weight::NONE, Some(Amount::Count(*pods))));
        let rest = [step(Weight::ALL, None), step(Weight::ALL, None)];
        let hop =
            Hop { service: "web".to_owned(), routes: vec![ingress("web"), ingress("web-canary")] };
        let canary = Canary {
            traffic: Traffic::default(),
            leeway: Leeway::default(),
            failures: Amount::default(),
            stable_stays: true,
            steps: tried.chain(rest).collect(),
            patch: PodPatch::default(),
            lane: Some(Joined {
                lane: "gray".to_owned(),
                hops: if self.enters { vec![hop] } else { Vec::new() },
                routes: vec![ingress("web")],
                weight: Weight::NONE,
                drain_seconds: self.drain,
            }),
        };
        let plain = rollout(RolloutStrategy::IncreaseFirst, crate::plan::counts(&[]));
        Rollout { canary: Some(canary), naming: Naming::Kept, ..plain }
    }

    fn compiled(&self, standing: Option<Standing>) -> (Compiled, Bodies, Vec<Effect>) {
        let rollout = self.rollout();
        let bodies = Bodies {
            source: Some(kept(1, self.sizes.original)),
            target: kept(2, self.sizes.target),
        };
        let bodies = bodies.routed(&rollout).unwrap();
        let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
        let (movement, sizes) = (Movement::Upgrade, self.sizes);
        let input = RolloutInput {
            rollout: &rollout,
            context: &context,
            movement,
            sizes,
            bodies: &bodies,
            beside: &[],
        };
        let compiled = compile(&input).unwrap();
        let replay = standing.and_then(|standing| compile_replay(&input, standing, 1).unwrap());
        let replayed = replay.map_or_else(Vec::new, |step| step.effects);
        (compiled, bodies, replayed)
    }
}

/// The cluster, as far as it is certain.
struct Scene<'a> {
    bodies: &'a Bodies,
    plan: &'a Plan,
    /// Which revision the workload is of, its size, and whether that was seen.
    named: (Side, u32, bool),
    /// Ready pods of the trial, at least, and its size.
    trial: Option<(u32, u32)>,
    /// Whether the user's Service selects the source's pods alone.
    pinned: bool,
    own: bool,
    /// Whether the lane may send to the trial.
    lane: bool,
    /// It was approved: everybody may reach it.
    promoting: bool,
    back: bool,
}

impl<'a> Scene<'a> {
    fn new(plan: &'a Plan, bodies: &'a Bodies) -> Self {
        let named = (Side::Source, plan.sizes.original, true);
        let (trial, pinned, own, lane) = (None, false, false, false);
        let (promoting, back) = (false, false);
        Self { bodies, plan, named, trial, pinned, own, lane, promoting, back }
    }

    fn act(&mut self, effect: &Effect) {
        let target = &self.bodies.target;
        let (workload, trial) = (&target.workload, target.trial.as_ref());
        let berth = target.berth.as_ref().unwrap();
        match effect {
            Effect::Write { object, side, driven, .. } if object == workload => {
                let wanted = driven.replicas.expect("the manifest says a size");
                if (*side, wanted) != (self.named.0, self.named.1) {
                    self.named = (*side, wanted, false);
                }
            }
            Effect::Await { object, condition: Condition::Healthy, .. } if object == workload => {
                self.named.2 = true;
            }
            Effect::Write { object, driven, .. } if Some(object) == trial => {
                let wanted = driven.replicas.unwrap();
                let ready = self.trial.map_or(0, |(ready, _)| ready.min(wanted));
                self.trial = Some((ready, wanted));
            }
            Effect::Await { object, condition, .. } if Some(object) == trial => {
                let Some((ready, wanted)) = self.trial else { return };
                match condition {
                    Condition::Ready { at_least } => {
                        assert!(wanted >= *at_least, "{effect}: of {wanted}");
                        self.trial = Some((ready.max(*at_least), wanted));
                    }
                    Condition::ScaledTo { at_most } => assert!(wanted <= *at_most),
                    other => panic!("{other}"),
                }
            }
            Effect::Delete { object, .. } if Some(object) == trial => self.trial = None,
            Effect::Write { object, driven, .. } if berth.services.contains(object) => {
                self.pinned = driven.pin.is_some();
            }
            Effect::Await {
                object,
                condition: Condition::Serving { at_least } | Condition::Reaches { at_least, .. },
                ..
            } => {
                let pods = if berth.services.contains(object) {
                    // Nothing is certain of a mixture but what the update leaves.
                    self.named.1
                } else {
                    assert!(self.own, "{effect}: there is no such Service");
                    self.trial.map_or(0, |(ready, _)| ready)
                };
                assert!(pods >= *at_least, "{effect}: {pods}");
            }
            Effect::Write { object, .. } if berth.own.iter().any(|(_, own)| own == object) => {
                self.own = true;
            }
            Effect::Delete { object, .. } if berth.own.iter().any(|(_, own)| own == object) => {
                assert!(!self.lane, "{effect} while the lane sends to it");
                self.own = false;
            }
            Effect::Await { condition: Condition::Withdrawn { .. }, .. } => self.lane = false,
            _ => {}
        }
        self.holds(effect);
    }

    fn holds(&self, effect: &Effect) {
        let (side, _, settled) = self.named;
        let tried = self.trial.is_some_and(|(_, wanted)| wanted > 0);
        if self.lane {
            let ready = self.trial.map_or(0, |(ready, _)| ready);
            let least = self.plan.steps.first().copied().unwrap_or(0);
            assert!(self.own && ready >= least, "{effect}: the lane finds {ready} pods");
        }
        if self.pinned {
            assert!(side == Side::Source && settled, "{effect}: the Service selects what goes");
        } else if tried {
            let updated = self.promoting && !self.back || !settled;
            let restored = self.back && side == Side::Source && self.effect_is_native(effect);
            assert!(updated || restored, "{effect}: everybody reaches what is tried");
        }
    }

    /// On the way back from a promotion the workload is brought back before the
    /// Service is pinned to it.
    fn effect_is_native(&self, effect: &Effect) -> bool {
        *effect.object() == self.bodies.target.workload
    }

    fn batches(&mut self, compiled: &Compiled, mut left: usize) {
        let promoting = compiled.steps.len() - 2;
        for (i, step) in compiled.steps.iter().enumerate() {
            self.promoting = i >= promoting;
            for effect in &step.effects {
                if left == 0 {
                    return;
                }
                left -= 1;
                self.act(effect);
            }
            // From the result of the first to that of the update.
            if i < promoting {
                self.lane = self.plan.enters;
            }
        }
    }

    fn at_rest(&self, side: Side, pods: u32) {
        assert_eq!(self.named, (side, pods, true));
        assert_eq!((self.trial, self.pinned, self.own, self.lane), (None, false, false, false));
    }
}

/// Nobody but the lane reaches what is tried.
pub fn keeps_to_the_rules(plan: &Plan) {
    let (compiled, bodies, _) = plan.compiled(None);
    let mut scene = Scene::new(plan, &bodies);
    scene.batches(&compiled, usize::MAX);
    scene.at_rest(Side::Target, plan.sizes.target);
}

/// The way back after so many effects, each of what `cuts` says of as many as
/// there are, ends where the rollout began: also gone once more, after a run
/// that was killed where `again` says. How often it was gone.
pub fn comes_back<C: IntoIterator<Item = usize>>(
    plan: &Plan,
    cuts: impl Fn(usize) -> C,
    again: impl Fn(usize) -> usize,
) -> usize {
    let (compiled, bodies, _) = plan.compiled(None);
    let back = &compiled.abort.effects;
    let mut ways = 0;
    for cut in cuts(compiled.steps.iter().map(|step| step.effects.len()).sum()) {
        let mut scene = Scene::new(plan, &bodies);
        scene.batches(&compiled, cut);
        scene.back = true;
        back.iter().take(again(back.len())).for_each(|effect| scene.act(effect));
        back.iter().for_each(|effect| scene.act(effect));
        scene.at_rest(Side::Source, plan.sizes.original);
        ways += 1;
    }
    ways
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_but_the_lane_reaches_what_is_tried(plan in plans()) {
        keeps_to_the_rules(&plan);
    }

    #[test]
    fn the_way_back_is_legal_from_every_effect(
        plan in plans(),
        cut in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        comes_back(&plan, |count| [cut.index(count)], |count| again.index(count));
    }

    #[test]
    fn what_stood_between_two_steps_is_brought_back_for_both_ways(
        plan in plans(),
        done in any::<prop::sample::Index>(),
    ) {
        let count = plan.steps.len() + 2;
        let done = done.index(count);
        let standing = Standing::After(u32::try_from(done).unwrap());
        let (compiled, bodies, replayed) = plan.compiled(Some(standing));
        for goes_on in [true, false] {
            let mut scene = Scene::new(&plan, &bodies);
            if done == count - 1 {
                scene.named = (Side::Target, plan.sizes.target, false);
            }
            replayed.iter().for_each(|effect| scene.act(effect));
            scene.lane = plan.enters && done > 0 && done < count - 1;
            if goes_on {
                for (i, step) in compiled.steps.iter().enumerate().skip(done) {
                    scene.promoting = i >= count - 2;
                    step.effects.iter().for_each(|effect| scene.act(effect));
                }
                scene.at_rest(Side::Target, plan.sizes.target);
            } else {
                scene.back = true;
                compiled.abort.effects.iter().for_each(|effect| scene.act(effect));
                scene.at_rest(Side::Source, plan.sizes.original);
            }
        }
    }
}
