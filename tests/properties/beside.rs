//! A revision that is tried beside a workload which keeps its name: whatever
//! the data plane follows, and however the native update goes, there are pods
//! for it.

use crate::plan::{context, counts, revision};
use crate::traffic::{Plan, plans};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tranche::core::model::{Naming, Rollout};
use tranche::core::object::ObjectRef;
use tranche::core::strategy::workload::{Shape, drive};
use tranche::core::strategy::{
    Bodies, BodyTable, Compiled, Condition, Effect, Movement, RevisionBodies, RolloutInput, Side,
    compile,
};
use tranche::core::traffic::{Split, Weight, confirms, is_route};

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

fn compiled(plan: &Plan) -> Option<(Compiled, Bodies)> {
    let rollout = Rollout { naming: Naming::Kept, ..plan.rollout() };
    let bodies =
        Bodies { source: Some(kept(1, plan.sizes.original)), target: kept(2, plan.sizes.target) };
    let bodies = bodies.routed(&rollout).unwrap();
    let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
    let (movement, sizes) = (Movement::Upgrade, plan.sizes);
    let input = RolloutInput {
        rollout: &rollout,
        context: &context,
        movement,
        sizes,
        bodies: &bodies,
        beside: &[],
    };
    compile(&input).ok().map(|compiled| (compiled, bodies))
}

/// The workload that keeps its name: what it is being brought to, and whether
/// that was seen. Until then nothing is known of the mixture but how many are
/// ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named {
    side: Side,
    wanted: u32,
    settled: bool,
}

type Followed = Option<Split>;

struct Stage<'a> {
    bodies: &'a Bodies,
    table: BodyTable,
    plan: &'a Plan,
    named: Named,
    /// Ready pods of the trial, at least, and its size.
    trial: Option<(u32, u32)>,
    services: BTreeSet<ObjectRef>,
    live: BTreeMap<ObjectRef, Value>,
    followed: BTreeMap<ObjectRef, Vec<Followed>>,
    back: bool,
}

impl<'a> Stage<'a> {
    fn new(plan: &'a Plan, bodies: &'a Bodies) -> Self {
        let rest = plan.at_rest();
        Self {
            bodies,
            table: BodyTable::of(bodies),
            plan,
            named: Named { side: Side::Source, wanted: plan.sizes.original, settled: true },
            trial: None,
            services: BTreeSet::from([bodies.target.routed.as_ref().unwrap().service.clone()]),
            followed: rest.keys().map(|route| (route.clone(), vec![None])).collect(),
            live: rest,
            back: false,
        }
    }

    /// Pods that certainly serve a revision by its own Service.
    fn of(&self, side: Side) -> u32 {
        let named = match self.named {
            Named { side: is, wanted, settled: true } if is == side => wanted,
            _ => 0,
        };
        let trial = self.trial.filter(|_| side == Side::Target).map_or(0, |(ready, _)| ready);
        named + trial
    }

    fn says(&self, object: &ObjectRef, split: &Split, effect: &Effect) {
        let side = if self.back { Side::Source } else { Side::Target };
        let rendered = self.table.get(side, object).or(self.table.get(Side::Target, object));
        let said = confirms(&self.live[object], split, rendered.map(|(body, _)| body), None);
        assert_eq!(said, Ok(()), "{effect} of a route that says otherwise");
    }

    fn act(&mut self, effect: &Effect) {
        let workload = &self.bodies.target.workload;
        let trial = self.bodies.target.trial.as_ref();
        match effect {
            Effect::Write { object, side, driven, .. } if object == workload => {
                let wanted = driven.replicas.expect("the manifest says a size");
                let next = Named { side: *side, wanted, settled: false };
                if (next.side, next.wanted) != (self.named.side, self.named.wanted) {
                    self.named = next;
                }
            }
            Effect::Await { object, condition: Condition::Healthy, .. } if object == workload => {
                self.named.settled = true;
            }
            Effect::Write { object, driven, .. } if Some(object) == trial => {
                let wanted = driven.replicas.unwrap();
                let ready = self.trial.map_or(0, |(ready, _)| ready.min(wanted));
                self.trial = Some((ready, wanted));
            }
            Effect::Await { object, condition, .. } if Some(object) == trial => {
                let (ready, wanted) = self.trial.expect("the trial is there");
                match condition {
                    Condition::Ready { at_least } => {
                        assert!(wanted >= *at_least, "{effect}: of {wanted}");
                        self.trial = Some((ready.max(*at_least), wanted));
                    }
                    Condition::ScaledTo { at_most } => assert!(wanted <= *at_most),
                    other => panic!("{other}"),
                }
            }
            Effect::Delete { object, .. } if Some(object) == trial => {
                let pods = self.trial.take();
                assert!(pods.is_none_or(|(_, wanted)| wanted == 0), "{effect} with pods");
            }
            Effect::Write { object, side, driven, .. } if is_route(object) => {
                let split = driven.split.clone();
                let mut live = self.table.get(*side, object).unwrap().0.clone();
                drive(&mut live, None, driven);
                self.live.insert(object.clone(), live);
                let share = split.filter(|split| split.weight.is_some());
                self.followed.entry(object.clone()).or_default().push(share);
            }
            Effect::Delete { object, .. } if is_route(object) => {
                self.live.remove(object);
                self.followed.remove(object);
            }
            Effect::Await { object, condition: Condition::RouteAccepted { split }, .. } => {
                self.says(object, split, effect);
                for name in split.services() {
                    assert!(self.services.iter().any(|s| s.name == name), "{name}: {effect}");
                }
            }
            Effect::Await { condition: Condition::Drained { split, .. }, .. } => {
                let routes: Vec<ObjectRef> = self.live.keys().cloned().collect();
                for route in routes {
                    self.says(&route, split, effect);
                    let share = Some(split.clone()).filter(|split| split.weight.is_some());
                    self.followed.insert(route, vec![share]);
                }
            }
            Effect::Write { object, .. } if object.kind == "Service" => {
                self.services.insert(object.clone());
            }
            Effect::Delete { object, .. } if object.kind == "Service" => {
                self.services.remove(object);
            }
            _ => {}
        }
        self.holds(effect);
    }

    fn holds(&self, effect: &Effect) {
        let sizes = self.plan.sizes;
        let (left, reached) = (self.of(Side::Source), self.of(Side::Target));
        for split in self.followed.values().flatten().flatten() {
            let weight = split.weight.unwrap();
            let needed = weight.needs(sizes.target);
            assert!(reached >= needed, "{effect}: {split}: {reached} of {needed}");
            assert!(split.matches.is_empty() || reached > 0, "{effect}: {split}");
            // What is left to every pod is bounded by the native update alone.
            if !split.mixed && weight < Weight::ALL {
                let needed = weight.rest().needs(sizes.original);
                assert!(left >= needed, "{effect}: {split}: {left} of {needed} are left");
            }
        }
        let whole = self.followed.values().flatten().any(Option::is_none);
        let tried = self.trial.is_some_and(|(_, wanted)| wanted > 0);
        let updated = self.named.side == Side::Target;
        if whole && tried && !self.back {
            assert!(updated && self.named.settled, "{effect}: the user's Service reaches a trial");
        }
    }

    fn at_rest(&self, side: Side, pods: u32) {
        assert_eq!(self.named, Named { side, wanted: pods, settled: true });
        assert_eq!(self.trial, None);
        assert_eq!(self.services.len(), 1);
        assert_eq!(self.live, self.plan.at_rest());
        assert!(self.followed.values().all(|all| *all == [None]));
    }
}

/// Whether a plan compiles; its workload is then untouched until the trial is
/// over.
pub fn keeps_to_the_rules(plan: &Plan) -> bool {
    let Some((compiled, bodies)) = compiled(plan) else { return false };
    let mut stage = Stage::new(plan, &bodies);
    let (last, before) = compiled.steps.split_last().unwrap();
    for effect in before.iter().flat_map(|step| &step.effects) {
        stage.act(effect);
        assert_eq!(stage.named.side, Side::Source);
    }
    for effect in &last.effects {
        stage.act(effect);
    }
    stage.at_rest(Side::Target, plan.sizes.target);
    // Upgraded, then restored, then deleted.
    let at = |wanted: &dyn Fn(&Effect) -> bool| last.effects.iter().position(wanted).unwrap();
    let upgraded = at(&|e| e.writes() && *e.object() == bodies.target.workload);
    let restored = at(&|e| {
        matches!(e, Effect::Write { driven, .. }
        if driven.split.as_ref().is_some_and(|split| split.weight.is_none()))
    });
    let deleted = at(&|e| {
        matches!(e, Effect::Delete { object, .. }
        if Some(object) == bodies.target.trial.as_ref())
    });
    assert!(upgraded < restored && restored < deleted);
    true
}

/// The way back after so many effects, each of what `cuts` says of as many as
/// there are, ends where the rollout began. How often it was gone: never, if the
/// plan does not compile.
pub fn comes_back<C: IntoIterator<Item = usize>>(plan: &Plan, cuts: impl Fn(usize) -> C) -> usize {
    let Some((compiled, bodies)) = compiled(plan) else { return 0 };
    let effects: Vec<&Effect> = compiled.steps.iter().flat_map(|step| &step.effects).collect();
    let mut ways = 0;
    for cut in cuts(effects.len()) {
        let mut stage = Stage::new(plan, &bodies);
        effects.iter().take(cut).for_each(|effect| stage.act(effect));
        stage.back = true;
        compiled.abort.effects.iter().for_each(|effect| stage.act(effect));
        stage.at_rest(Side::Source, plan.sizes.original);
        ways += 1;
    }
    ways
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_workload_is_untouched_until_the_trial_is_over(plan in plans()) {
        keeps_to_the_rules(&plan);
    }

    #[test]
    fn the_way_back_from_every_effect_brings_the_workload_back_first(
        plan in plans(),
        cut in any::<prop::sample::Index>(),
    ) {
        comes_back(&plan, |count| [cut.index(count)]);
    }
}

#[test]
fn what_leaves_the_template_alone_is_applied_in_one_step() {
    let plan = Plan {
        sizes: tranche::core::strategy::Sizes { original: 5, target: 6 },
        steps: vec![(20, None, false), (100, None, false)],
        drain: 5,
        routes: crate::traffic::Routes::Gateway,
        stays: true,
    };
    let mut rollout = Rollout { naming: Naming::Kept, ..plan.rollout() };
    rollout.plan.batches = counts(&[(6, 0)]);
    let (source, mut target) = (kept(1, 5), RevisionBodies::clone(&kept(2, 6)));
    target.template = source.template.clone();
    let bodies = Bodies { source: Some(source), target: Arc::new(target) };
    let bodies = bodies.routed(&rollout).unwrap();
    let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
    let (movement, sizes) = (Movement::Upgrade, plan.sizes);
    let input = RolloutInput {
        rollout: &rollout,
        context: &context,
        movement,
        sizes,
        bodies: &bodies,
        beside: &[],
    };
    let compiled = compile(&input).unwrap();
    assert_eq!(compiled.steps.len(), 1);
    let trial = bodies.target.trial.as_ref().unwrap();
    assert!(compiled.steps[0].effects.iter().all(|effect| effect.object() != trial));
}
