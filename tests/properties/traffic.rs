//! Canaries keep to the rules: weight follows capacity, never the other way
//! round, whatever the data plane follows meanwhile.

use crate::model::Cluster;
use crate::plan::{context, counts, revision, rollout};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tranche::core::model::{
    Amount, Canary, CanaryRoute, CanaryStep, Leeway, Place, Rollout, RolloutStrategy,
};
use tranche::core::object::ObjectRef;
use tranche::core::strategy::workload::{Shape, drive};
use tranche::core::strategy::{
    Bodies, BodyTable, Compiled, Condition, Effect, Movement, RolloutInput, Side, Sizes, Verb,
    compile,
};
use tranche::core::traffic::{Split, Weight, confirms, is_route};

#[derive(Clone, Debug)]
struct Plan {
    sizes: Sizes,
    steps: Vec<(u32, Option<Amount>)>,
    drain: u32,
}

fn route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "parentRefs": [{"name": "edge"}],
            "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
        },
    })
}

impl Plan {
    fn rollout(&self) -> Rollout {
        let place = Place { file: "rollout.yaml".to_owned(), line: 1 };
        let step = |(weight, replicas): &(u32, Option<Amount>)| CanaryStep {
            weight: Weight::new(*weight).unwrap(),
            replicas: *replicas,
            place: place.clone(),
        };
        let route = CanaryRoute {
            name: "web".to_owned(),
            drain_seconds: self.drain,
            document: Some(route()),
            document_file: None,
        };
        let canary = Canary {
            route: Some(route),
            leeway: Leeway::default(),
            steps: self.steps.iter().map(step).collect(),
        };
        let plain = rollout(RolloutStrategy::IncreaseFirst, counts(&[]));
        Rollout { canary: Some(canary), ..plain }
    }

    fn compiled(&self) -> Option<(Compiled, Bodies)> {
        let rollout = self.rollout();
        let bodies = Bodies {
            source: Some(revision(Shape::Pair, 1, self.sizes.original)),
            target: revision(Shape::Pair, 2, self.sizes.target),
        };
        let bodies = bodies.routed(&rollout).unwrap();
        let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
        let input = RolloutInput {
            rollout: &rollout,
            context: &context,
            movement: Movement::Upgrade,
            sizes: self.sizes,
            bodies: &bodies,
        };
        compile(&input).ok().map(|compiled| (compiled, bodies))
    }
}

/// Steps that fit, most of the time: the pods of a step may be anything from
/// what its weight needs to all.
fn plans() -> impl Strategy<Value = Plan> {
    let step = (0_u32..=100, prop_oneof![Just(None), (0_u32..=40).prop_map(Some)]);
    let steps = proptest::collection::vec(step, 0..6);
    (0_u32..25, 0_u32..8, steps, 0_u32..3).prop_map(|(original, more, steps, drain)| {
        let mut weights: Vec<u32> = steps.iter().map(|(weight, _)| *weight).collect();
        weights.sort_unstable();
        let extra = steps.into_iter().map(|(_, extra)| extra);
        let step = |(weight, extra): (u32, Option<u32>)| {
            (weight, extra.map(|extra| Amount::Percent((weight + extra).min(100))))
        };
        let mut steps: Vec<_> = weights.into_iter().zip(extra).map(step).collect();
        steps.push((100, None));
        Plan { sizes: Sizes { original, target: original + more }, steps, drain }
    })
}

/// The cluster at its worst, and a data plane that may follow any route since
/// the last drain.
struct Stage<'a> {
    cluster: Cluster,
    bodies: &'a Bodies,
    table: BodyTable,
    sizes: Sizes,
    services: BTreeSet<ObjectRef>,
    live: Value,
    followed: Vec<Option<Weight>>,
    back: bool,
}

impl<'a> Stage<'a> {
    fn new(plan: &Plan, bodies: &'a Bodies) -> Self {
        let source = bodies.source.as_ref().unwrap();
        let routed = source.routed.as_ref().unwrap();
        Self {
            cluster: Cluster::with(&source.workload, Side::Source, plan.sizes.original),
            bodies,
            table: BodyTable::of(bodies),
            sizes: plan.sizes,
            services: BTreeSet::from([routed.service.clone()]),
            live: route(),
            followed: vec![None],
            back: false,
        }
    }

    fn pods(&self, side: Side) -> (u32, u32) {
        let workload = &self.bodies.side(side).unwrap().workload;
        self.cluster.workloads.get(workload).map_or((0, 0), |pods| (pods.wanted, pods.new))
    }

    fn act(&mut self, effect: &Effect) {
        let says = |live: &Value, split: &Split| {
            assert_eq!(confirms(live, split), Ok(()), "{effect} of a route that says otherwise");
        };
        match effect {
            Effect::Write { verb, object, side, driven } if is_route(object) => {
                assert_eq!(*verb, Verb::Route);
                let mut live = self.table.get(*side, object).unwrap().0.clone();
                drive(&mut live, None, driven);
                self.live = live;
                self.followed.push(driven.split.unwrap().weight);
            }
            Effect::Await { condition: Condition::RouteAccepted { split }, .. } => {
                says(&self.live, split);
                for name in [split.source_service(), split.target_service()] {
                    let there = self.services.iter().any(|service| service.name == name);
                    assert!(there || split.weight.is_none(), "{name} is missing: {effect}");
                }
            }
            Effect::Await { condition: Condition::Drained { split, .. }, .. } => {
                says(&self.live, split);
                self.followed = vec![split.weight];
            }
            Effect::Await { object, condition: Condition::Serving { at_least }, .. } => {
                // A wait for pods that nothing has made sure of never ends.
                assert!(self.services.contains(object), "{object} is missing");
                let (source, target) = (self.pods(Side::Source).1, self.pods(Side::Target).1);
                assert!(source.max(target) >= *at_least, "{effect}: {source}, {target}");
            }
            Effect::Write { object, .. } if object.kind == "Service" => {
                self.services.insert(object.clone());
            }
            Effect::Delete { object, .. } if object.kind == "Service" => {
                self.services.remove(object);
            }
            other => self.cluster.act(other),
        }
        self.holds(effect);
    }

    /// Whatever is followed has the pods that it needs, and only them.
    fn holds(&self, effect: &Effect) {
        let (source, target) = (self.pods(Side::Source), self.pods(Side::Target));
        let Sizes { original, target: total } = self.sizes;
        for weight in &self.followed {
            let Some(weight) = weight else {
                assert!(source.1 + target.1 >= original, "{effect}: {source:?} {target:?}");
                // On the way back old pods may serve as soon as they are there.
                let mixed = !self.back && source.0.min(target.0) > 0;
                assert!(!mixed, "{effect}: the user's Service reaches both revisions");
                continue;
            };
            let (left, reached) = (weight.rest().needs(original), weight.needs(total));
            assert!(source.1 >= left, "{effect}: {weight} leaves {left} to {source:?}");
            assert!(target.1 >= reached, "{effect}: {weight} sends {reached} to {target:?}");
        }
    }

    fn at_rest(&self, side: Side, size: u32) {
        let revision = self.bodies.side(side).unwrap();
        assert_eq!(self.cluster.workloads.len(), 1);
        assert_eq!(self.pods(side), (size, size));
        let service = revision.routed.as_ref().unwrap().service.clone();
        assert_eq!(self.services, BTreeSet::from([service]));
        assert_eq!((&self.live, self.followed.as_slice()), (&route(), [None].as_slice()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn weight_follows_capacity_and_pods_stay_for_what_is_left(plan in plans()) {
        let Some((compiled, bodies)) = plan.compiled() else { return Ok(()) };
        let mut stage = Stage::new(&plan, &bodies);
        let mut share = Weight::NONE;
        prop_assert_eq!(compiled.steps.len(), plan.steps.len());
        for effect in compiled.steps.iter().flat_map(|step| &step.effects) {
            stage.act(effect);
            if let Effect::Write { driven, .. } = effect
                && let Some(weight) = driven.split.and_then(|split| split.weight)
            {
                prop_assert!(weight >= share, "the new share falls from {} to {}", share, weight);
                share = weight;
            }
        }
        prop_assert_eq!(share, Weight::ALL);
        stage.at_rest(Side::Target, plan.sizes.target);
    }

    #[test]
    fn the_way_back_is_as_careful_from_every_effect(plan in plans(), cut in any::<prop::sample::Index>()) {
        let Some((compiled, bodies)) = plan.compiled() else { return Ok(()) };
        let effects: Vec<&Effect> = compiled.steps.iter().flat_map(|step| &step.effects).collect();
        let mut stage = Stage::new(&plan, &bodies);
        // The last effect deletes the old workload, and then the rollout is over.
        for effect in effects.iter().take(cut.index(effects.len())) {
            stage.act(effect);
        }
        stage.back = true;
        for effect in &compiled.abort.effects {
            stage.act(effect);
        }
        stage.at_rest(Side::Source, plan.sizes.original);
    }

    /// Between a route that moves and pods that go there is always a drain,
    /// and each write of a route is seen accepted before the next one.
    #[test]
    fn nothing_is_taken_away_before_the_drain(plan in plans()) {
        let Some((compiled, _)) = plan.compiled() else { return Ok(()) };
        let abort = std::iter::once(&compiled.abort);
        for step in compiled.steps.iter().chain(abort) {
            let mut open = false;
            let mut sizes = std::collections::BTreeMap::new();
            for effect in &step.effects {
                match effect {
                    Effect::Write { object, .. } if is_route(object) => {
                        prop_assert!(!open, "{}", effect);
                        open = true;
                    }
                    Effect::Await { condition: Condition::Drained { .. }, .. } => open = false,
                    Effect::Write { object, driven, .. } => {
                        if let Some(now) = driven.replicas {
                            let before = sizes.insert(object.clone(), now).unwrap_or(now);
                            prop_assert!(now >= before || !open, "{}", effect);
                        }
                    }
                    Effect::Delete { .. } => prop_assert!(!open, "{}", effect),
                    Effect::Await { .. } => {}
                }
            }
            prop_assert!(!open);
        }
    }
}

/// Ids are on live objects and in records: they never change for one plan.
#[test]
fn ids_of_canaries_are_golden() {
    let plan = Plan {
        sizes: Sizes { original: 5, target: 5 },
        steps: vec![(20, Some(Amount::Count(1))), (60, Some(Amount::Percent(60))), (100, None)],
        drain: 5,
    };
    let (compiled, _) = plan.compiled().unwrap();
    assert_eq!(compiled.goals, [1, 3, 5]);
    let steps = compiled.steps.iter().chain([&compiled.abort, &compiled.settle]);
    let ids: Vec<&str> = steps.map(|step| step.id().0.as_str()).collect();
    assert_eq!(
        ids,
        ["3f4030e00ff1", "ac3e89af9e54", "06512012403a", "1106db1cb802", "03578552d2d0"]
    );
}

#[test]
fn most_generated_plans_compile() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let good =
        (0..500).filter(|_| plans().new_tree(&mut runner).unwrap().current().compiled().is_some());
    assert!(good.count() > 200);
}
