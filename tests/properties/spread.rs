//! Canaries without a route keep to the rules: never more pods than the surge
//! allows, never fewer ready ones than may be missing, and back from anywhere.

use crate::plan::{context, counts, revision, rollout};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tranche::core::model::{
    Amount, Canary, CanaryStep, Leeway, Place, PodPatch, Rollout, RolloutStrategy, Traffic,
};
use tranche::core::object::ObjectRef;
use tranche::core::strategy::workload::{self, Shape};
use tranche::core::strategy::{
    Bodies, Compiled, Condition, Effect, Movement, RolloutInput, Sides, Sizes, Standing, Step,
    Verb, compile, compile_back, compile_replay,
};
use tranche::core::traffic::Weight;

#[derive(Clone, Debug)]
pub struct Plan {
    pub sizes: Sizes,
    pub leeway: Leeway,
    pub steps: Vec<(u32, Option<Amount>)>,
}

impl Plan {
    fn rollout(&self) -> Rollout {
        let place = Place { file: "rollout.yaml".to_owned(), line: 1 };
        let step = |(weight, replicas): &(u32, Option<Amount>)| {
            CanaryStep::weighing(Weight::new(*weight).unwrap(), *replicas, place.clone())
        };
        let steps = self.steps.iter().map(step).collect();
        let (traffic, patch) = (Traffic::default(), PodPatch::default());
        let canary = Canary {
            traffic,
            leeway: self.leeway,
            failures: Amount::default(),
            stable_stays: false,
            steps,
            patch,
            lane: None,
        };
        let plain = rollout(RolloutStrategy::IncreaseFirst, counts(&[]));
        Rollout { canary: Some(canary), ..plain }
    }

    fn bodies(&self) -> Bodies {
        Bodies {
            source: Some(revision(Shape::Pair, 1, self.sizes.original)),
            target: revision(Shape::Pair, 2, self.sizes.target),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&RolloutInput<'_>) -> T) -> T {
        let (rollout, bodies) = (self.rollout(), self.bodies());
        let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
        work(&RolloutInput {
            rollout: &rollout,
            context: &context,
            movement: Movement::Upgrade,
            sizes: self.sizes,
            bodies: &bodies,
            beside: &[],
        })
    }

    pub fn compiled(&self) -> Option<Compiled> {
        self.with(|input| compile(input).ok())
    }

    fn back(&self, from: Sides) -> Step {
        self.with(|input| compile_back(input, Some(from)).unwrap())
    }

    /// The most pods that there may be, and the fewest ready ones on the way up
    /// and back.
    fn bounds(&self) -> (u32, u32, u32) {
        let Sizes { original, target } = self.sizes;
        let least = |pods: u32| pods.saturating_sub(self.leeway.below(pods));
        (target + self.leeway.beyond(target), original.min(least(target)), least(original))
    }
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![(0_u32..5).prop_map(Amount::Count), (0_u32..=50).prop_map(Amount::Percent)]
}

pub fn plans() -> impl Strategy<Value = Plan> {
    let more = prop_oneof![3 => Just(0_u32), 1 => 1_u32..8];
    let pods =
        prop_oneof![6 => Just(None), 1 => (0_u32..=100).prop_map(|p| Some(Amount::Percent(p)))];
    let steps = proptest::collection::vec((0_u32..=100, pods), 0..5);
    (1_u32..20, more, amount(), amount(), steps).prop_map(
        |(original, more, surge, unavailable, steps)| {
            let mut weights: Vec<u32> = steps.iter().map(|(weight, _)| *weight).collect();
            weights.sort_unstable();
            let mut steps: Vec<_> =
                weights.into_iter().zip(steps.into_iter().map(|(_, pods)| pods)).collect();
            steps.push((100, None));
            let sizes = Sizes { original, target: original + more };
            Plan { sizes, leeway: Leeway { surge, unavailable }, steps }
        },
    )
}

/// One workload at its worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pods {
    wanted: u32,
    /// Pods there may still be: what goes is there until it is seen gone.
    most: u32,
    /// Pods that were seen ready and are not taken away: an unready one goes
    /// first.
    ready: u32,
}

/// Both workloads, of which some pods of the new revision never get ready.
#[derive(Clone, Debug)]
pub struct Cluster {
    workloads: BTreeMap<ObjectRef, Pods>,
    target: ObjectRef,
    source: ObjectRef,
    good: u32,
}

impl Cluster {
    pub fn new(plan: &Plan, good: u32) -> Self {
        let bodies = plan.bodies();
        let (source, target) =
            (bodies.source.unwrap().workload.clone(), bodies.target.workload.clone());
        let pods = plan.sizes.original;
        let all = Pods { wanted: pods, most: pods, ready: pods };
        Self { workloads: BTreeMap::from([(source.clone(), all)]), target, source, good }
    }

    fn empty(plan: &Plan) -> Self {
        let mut cluster = Self::new(plan, u32::MAX);
        cluster.workloads.clear();
        cluster
    }

    pub fn sides(&self) -> Sides {
        let wanted = |object| self.workloads.get(object).map_or(0, |pods: &Pods| pods.wanted);
        Sides { old: wanted(&self.source), new: wanted(&self.target) }
    }

    fn most(&self) -> u32 {
        self.workloads.values().map(|pods| pods.most).sum()
    }

    fn ready(&self) -> u32 {
        self.workloads.values().map(|pods| pods.ready).sum()
    }

    /// Whether the effect could be done: a wait for pods that never get ready
    /// cannot.
    pub fn act(&mut self, effect: &Effect) -> bool {
        let object = effect.object();
        if workload::of(&object.kind_ref()).is_none() {
            return true;
        }
        match effect {
            Effect::Write { driven, .. } => {
                let wanted = driven.replicas.unwrap();
                // What is missing is created without pods first.
                let pods = self.workloads.entry(object.clone()).or_default();
                *pods = Pods { wanted, most: pods.most.max(wanted), ready: pods.ready.min(wanted) };
            }
            Effect::Await { condition: Condition::Ready { at_least }, .. } => {
                let good = if *object == self.target { self.good } else { u32::MAX };
                let pods = self.workloads.get_mut(object).unwrap();
                assert!(pods.wanted >= *at_least, "{effect} never comes: {pods:?}");
                if *at_least > good {
                    return false;
                }
                pods.ready = pods.ready.max(*at_least);
            }
            Effect::Await { condition: Condition::ScaledTo { at_most }, .. } => {
                let pods = self.workloads.get_mut(object).unwrap();
                assert!(pods.wanted <= *at_most, "{effect} never comes: {pods:?}");
                pods.most = pods.most.min(*at_most);
            }
            Effect::Await { condition, .. } => panic!("{condition} is nothing of a pair"),
            Effect::Evict { .. } => panic!("{effect} is nothing of a pair"),
            Effect::Call { .. } => {}
            Effect::Delete { .. } => {
                let pods = self.workloads.remove(object).unwrap();
                assert_eq!((pods.wanted, pods.most), (0, 0), "{effect} takes pods with it");
            }
        }
        true
    }
}

fn effects(compiled: &Compiled) -> Vec<&Effect> {
    compiled.steps.iter().flat_map(|step| &step.effects).collect()
}

/// The way back from what stands, within the bounds; it waits for no new pod.
fn goes_back(plan: &Plan, mut cluster: Cluster) {
    let (most, _, least) = plan.bounds();
    let least = least.min(cluster.ready());
    let from = cluster.sides();
    let step = plan.back(from);
    cluster.good = 0;
    for effect in &step.effects {
        assert!(cluster.act(effect), "{from:?}: {effect}");
        assert!(cluster.most() <= most, "{from:?}: {effect}: {cluster:?}");
        assert!(cluster.ready() >= least, "{from:?}: {effect}: {cluster:?}");
    }
    let original = plan.sizes.original;
    assert_eq!(cluster.workloads.len(), 1, "{from:?}: {cluster:?}");
    assert_eq!(cluster.sides(), Sides { old: original, new: 0 });
    assert_eq!(cluster.ready(), original);
}

/// The bounds of a plan hold all the way, and back from every effect. How often
/// it went back: never, if it does not compile.
pub fn keeps_to_the_rules(plan: &Plan) -> usize {
    let Some(compiled) = plan.compiled() else { return 0 };
    let (most, least, _) = plan.bounds();
    let mut cluster = Cluster::new(plan, u32::MAX);
    let floor = compiled.floor.unwrap_or(plan.sizes.original);
    let mut new = 0;
    goes_back(plan, cluster.clone());
    for effect in effects(&compiled) {
        assert!(cluster.act(effect));
        assert!(cluster.most() <= most, "{}: {:?}", effect, cluster);
        assert!(cluster.ready() >= least.max(floor), "{}: {:?}", effect, cluster);
        let now = cluster.sides().new;
        assert!(now >= new, "the new side falls from {} to {}", new, now);
        new = now;
        goes_back(plan, cluster.clone());
    }
    let total = plan.sizes.target;
    assert_eq!(cluster.workloads.len(), 1);
    assert_eq!(cluster.sides(), Sides { old: 0, new: total });
    assert_eq!(cluster.ready(), total);
    effects(&compiled).len() + 1
}

/// Whether a plan compiles; pods that never get ready then hold everything.
pub fn holds_everything(plan: &Plan, good: u32) -> bool {
    let Some(compiled) = plan.compiled() else { return false };
    let (most, least, _) = plan.bounds();
    let mut cluster = Cluster::new(plan, good);
    for effect in effects(&compiled) {
        let before = cluster.clone();
        if !cluster.act(effect) {
            assert_eq!(before.sides(), cluster.sides());
            break;
        }
        assert!(cluster.most() <= most && cluster.ready() >= least, "{:?}", cluster);
    }
    if good < plan.sizes.target {
        assert!(cluster.workloads.contains_key(&cluster.source), "the old side is gone");
    }
    goes_back(plan, cluster);
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_bounds_hold_all_the_way_and_back_from_everywhere(plan in plans()) {
        keeps_to_the_rules(&plan);
    }

    /// Where some new pods never get ready, the first wait for one of them
    /// holds everything, and the way back is free.
    #[test]
    fn pods_that_never_get_ready_hold_everything(plan in plans(), good in 0_u32..12) {
        holds_everything(&plan, good);
    }

    /// What a step deletes may be gone when it is done again: nothing else of
    /// the step needs it then.
    #[test]
    fn no_step_needs_what_it_deletes(plan in plans(), old in 0_u32..25, new in 0_u32..25) {
        let Some(compiled) = plan.compiled() else { return Ok(()) };
        let back = plan.back(Sides { old, new });
        for step in compiled.steps.iter().chain([&back]) {
            let deletes = |object: &ObjectRef| {
                step.effects.iter().any(|e| matches!(e, Effect::Delete { object: gone, .. } if gone == object))
            };
            for effect in step.effects.iter().filter(|effect| deletes(effect.object())) {
                let free = match effect {
                    Effect::Write { verb, .. } => *verb == Verb::Scale,
                    Effect::Await { condition, .. } => matches!(condition, Condition::ScaledTo { .. }),
                    Effect::Delete { .. } | Effect::Call { .. } => true,
                    Effect::Evict { .. } => false,
                };
                prop_assert!(free, "{}", effect);
            }
        }
    }

    /// What a run takes down rests on readiness that it has seen itself: that of
    /// the other side is what every step looks at right before.
    #[test]
    fn the_other_side_is_seen_before_one_falls(plan in plans(), cut in any::<prop::sample::Index>()) {
        let Some(compiled) = plan.compiled() else { return Ok(()) };
        let mut cluster = Cluster::new(&plan, u32::MAX);
        let begins = compiled.steps.iter().map(|step| {
            let begin = cluster.clone();
            step.effects.iter().for_each(|effect| { cluster.act(effect); });
            begin
        });
        let begins: Vec<Cluster> = begins.collect();
        let begin = begins[cut.index(begins.len())].clone();
        let back = plan.back(begin.sides());
        let ups = begins.into_iter().zip(compiled.steps.iter().map(|step| &step.effects));
        for (mut cluster, effects) in ups.chain([(begin, &back.effects)]) {
            let mut seen = None;
            for effect in effects {
                let before = cluster.sides();
                cluster.act(effect);
                let now = cluster.sides();
                let other = if now.old < before.old && back.effects != *effects {
                    (&cluster.target, now.new)
                } else if now.new < before.new {
                    // What is beyond the old size goes in the same pass.
                    (&cluster.source, now.old.min(plan.sizes.original))
                } else {
                    if let Effect::Await { object, condition, .. } = effect {
                        seen = Some((object.clone(), condition.clone()));
                    }
                    continue;
                };
                let wanted = (other.0.clone(), Condition::Ready { at_least: other.1 });
                prop_assert!(other.1 == 0 || seen == Some(wanted), "{}: {:?}", effect, seen);
            }
        }
    }

    #[test]
    fn what_is_compiled_again_is_the_same(plan in plans(), old in 0_u32..30, new in 0_u32..30) {
        let Some(compiled) = plan.compiled() else { return Ok(()) };
        let again = plan.compiled().unwrap();
        prop_assert_eq!(&compiled, &again);
        prop_assert_eq!(compiled.steps.len(), plan.steps.len());
        let from = Sides { old, new };
        let (back, again) = (plan.back(from), plan.back(from));
        prop_assert_eq!(back.id(), again.id());
        let mut ids: Vec<_> = compiled.steps.iter().chain([&compiled.abort]).map(|s| s.id().clone()).collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), compiled.steps.len() + 1);
    }

    #[test]
    fn what_stood_after_each_step_stands_again(plan in plans()) {
        let Some(compiled) = plan.compiled() else { return Ok(()) };
        let mut stood = Cluster::new(&plan, u32::MAX);
        for done in 0..compiled.steps.len() {
            if let Some(before) = done.checked_sub(1) {
                for effect in &compiled.steps[before].effects {
                    stood.act(effect);
                }
            }
            let standing = Standing::After(u32::try_from(done).unwrap());
            let step = plan.with(|input| compile_replay(input, standing, 0).unwrap().unwrap());
            let mut rebuilt = Cluster::empty(&plan);
            for effect in &step.effects {
                prop_assert!(rebuilt.act(effect));
            }
            prop_assert_eq!(rebuilt.sides(), stood.sides(), "after {} steps", done);
        }
    }
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

fn amount_of(value: &Value) -> Amount {
    match value.as_str() {
        Some(text) => Amount::Percent(text.trim_end_matches('%').parse().unwrap()),
        None => Amount::Count(number(value)),
    }
}

fn parsed(way: &str) -> Vec<Sides> {
    let sides = |text: &str| {
        let (old, new) = text.split_once('/').unwrap();
        Sides { old: old.parse().unwrap(), new: new.parse().unwrap() }
    };
    way.split(' ').map(sides).collect()
}

/// Every pair of sizes that a pass goes through: what goes up does so first.
fn spelt_out(passes: &[Sides]) -> Vec<Sides> {
    let mut all: Vec<Sides> = Vec::new();
    for to in passes {
        if let Some(from) = all.last().copied() {
            all.push(Sides { old: from.old.max(to.old), new: from.new.max(to.new) });
        }
        all.push(*to);
    }
    all.dedup();
    all
}

/// The pairs of sizes that effects go through.
fn walked(cluster: &mut Cluster, effects: &[Effect]) -> Vec<Sides> {
    let mut all = vec![cluster.sides()];
    for effect in effects {
        assert!(cluster.act(effect));
        if matches!(effect, Effect::Write { verb: Verb::Scale, .. }) {
            all.push(cluster.sides());
        }
    }
    all.dedup();
    all
}

fn trajectories() -> Value {
    serde_json::from_str(include_str!("../../testdata/canary/trajectories.json")).unwrap()
}

fn plan_of(case: &Value, steps: Vec<(u32, Option<Amount>)>) -> Plan {
    let pods = number(&case["pods"]);
    let leeway =
        Leeway { surge: amount_of(&case["surge"]), unavailable: amount_of(&case["unavailable"]) };
    Plan { sizes: Sizes { original: pods, target: pods }, leeway, steps }
}

#[test]
fn the_steps_go_the_known_ways() {
    let file = trajectories();
    let cases = file["rollouts"].as_array().unwrap();
    assert!(cases.len() >= 5, "trajectories are missing");
    for case in cases {
        let steps = case["steps"].as_array().unwrap();
        let plan = plan_of(case, steps.iter().map(|step| (number(&step[0]), None)).collect());
        let compiled = plan.compiled().unwrap();
        let mut cluster = Cluster::new(&plan, u32::MAX);
        let (mut peak, mut lowest) = (cluster.most(), cluster.ready());
        for (wanted, step) in steps.iter().zip(&compiled.steps) {
            let mut way = vec![cluster.sides()];
            way.extend(parsed(wanted[1].as_str().unwrap()));
            let got = walked(&mut cluster, &step.effects);
            assert_eq!(got, spelt_out(&way), "{case}");
            peak = got.iter().map(|sides| sides.old + sides.new).fold(peak, u32::max);
            lowest = got.iter().map(|sides| sides.old + sides.new).fold(lowest, u32::min);
        }
        assert_eq!((peak, lowest), (number(&case["peak"]), number(&case["floor"])), "{case}");
        assert_eq!(cluster.sides().old, 0, "{case}");
    }
}

#[test]
fn the_way_back_is_the_known_one() {
    let file = trajectories();
    let cases = file["aborts"].as_array().unwrap();
    assert!(!cases.is_empty(), "trajectories are missing");
    for case in cases {
        let plan = plan_of(case, vec![(100, None)]);
        let from = Sides { old: number(&case["from"][0]), new: number(&case["from"][1]) };
        let mut cluster = Cluster::new(&plan, u32::MAX);
        let pods = |count| Pods { wanted: count, most: count, ready: count };
        cluster.workloads.insert(cluster.source.clone(), pods(from.old));
        cluster.workloads.insert(cluster.target.clone(), pods(from.new));
        let got = walked(&mut cluster, &plan.back(from).effects);
        assert_eq!(got, spelt_out(&parsed(case["way"].as_str().unwrap())), "{case}");
    }
}

/// Ids are on live objects and in records: they never change for one plan.
#[test]
fn ids_of_canaries_without_a_route_are_golden() {
    let plan = Plan {
        sizes: Sizes { original: 5, target: 5 },
        leeway: Leeway::default(),
        steps: vec![(20, None), (60, Some(Amount::Count(3))), (100, None)],
    };
    let compiled = plan.compiled().unwrap();
    assert_eq!((compiled.goals.as_slice(), compiled.floor), ([1, 3, 5].as_slice(), Some(4)));
    let back = plan.back(Sides { old: 2, new: 3 });
    let steps = compiled.steps.iter().chain([&compiled.abort, &compiled.settle, &back]);
    let ids: Vec<&str> = steps.map(|step| step.id().0.as_str()).collect();
    assert_eq!(
        ids,
        [
            "3c7690ad9ec1",
            "489449d9ab44",
            "1aebda78653d",
            "da32685df362",
            "50de831498dc",
            "2b1fb6d2e8d6"
        ]
    );
}

#[test]
fn more_passes_than_anybody_waits_for_are_refused() {
    let of = |pods| Plan {
        sizes: Sizes { original: pods, target: pods },
        leeway: Leeway { surge: Amount::Count(1), unavailable: Amount::Count(0) },
        steps: vec![(50, None), (100, None)],
    };
    assert!(of(400).compiled().is_some());
    assert!(of(u32::MAX).compiled().is_none(), "and it is told without counting them all");
}

#[test]
fn most_generated_plans_compile() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let good =
        (0..500).filter(|_| plans().new_tree(&mut runner).unwrap().current().compiled().is_some());
    assert!(good.count() > 300);
}
