//! Batches over nodes, at their worst: pods get ready only where something has
//! to wait for them, nodes join in between, and each step is begun anew from any
//! of its effects. Which pods go is what `evicting` says, of objects as a cluster
//! would show them.

use crate::plan::{context, counts, revision, rollout};
use crate::steps;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tranche::core::model::{Batches, RolloutStrategy};
use tranche::core::object::ObjectRef;
use tranche::core::strategy::workload::Shape;
use tranche::core::strategy::{
    Bodies, Compiled, Condition, Effect, Evicting, Movement, OnNodes, RolloutInput, Side, Sizes,
    Standing, Step, StepKind, Verb, compile, compile_replay, evicting,
};

#[derive(Clone, Debug)]
pub struct Plan {
    nodes: u32,
    batches: Batches,
    /// After so many effects a node joins.
    joins: Vec<usize>,
}

pub fn plans() -> impl Strategy<Value = Plan> {
    let joins = proptest::collection::vec(0_usize..30, 0..3);
    (steps::plans(), 0_u32..12, joins).prop_map(|(plan, nodes, joins)| Plan {
        nodes,
        batches: plan.batches,
        joins,
    })
}

impl Plan {
    fn bodies(&self) -> Bodies {
        let source = revision(Shape::Nodes, 1, 0);
        Bodies { source: Some(source), target: revision(Shape::Nodes, 2, 0) }
    }

    fn with<T>(&self, movement: Movement, work: impl FnOnce(&RolloutInput<'_>) -> T) -> T {
        let bodies = match movement {
            Movement::Upgrade => self.bodies(),
            Movement::Deploy | Movement::Scale => Bodies { source: None, ..self.bodies() },
        };
        let rollout = rollout(RolloutStrategy::DecreaseFirst, self.batches.clone());
        let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
        let size = if movement == Movement::Deploy { 0 } else { self.nodes };
        let sizes = Sizes { original: size, target: size };
        work(&RolloutInput {
            rollout: &rollout,
            context: &context,
            movement,
            sizes,
            bodies: &bodies,
            beside: &[],
        })
    }

    fn compiled(&self) -> Option<Compiled> {
        self.with(Movement::Upgrade, |input| compile(input).ok())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pod {
    side: Side,
    ready: bool,
    uid: usize,
}

/// One DaemonSet and its nodes.
#[derive(Clone, Debug)]
struct Cluster {
    template: Option<Side>,
    rolls: bool,
    pods: BTreeMap<usize, Pod>,
    born: usize,
    lowest: usize,
}

fn hash(side: Side) -> &'static str {
    match side {
        Side::Source => "old",
        Side::Target => "new",
    }
}

impl Cluster {
    fn serving(nodes: u32) -> Self {
        let mut cluster = Self::empty(Some(Side::Source));
        cluster.rolls = true;
        for _ in 0..nodes {
            cluster.join(true);
        }
        cluster.lowest = cluster.ready();
        cluster
    }

    fn empty(template: Option<Side>) -> Self {
        Self { template, rolls: false, pods: BTreeMap::new(), born: 0, lowest: usize::MAX }
    }

    fn ready(&self) -> usize {
        self.pods.values().filter(|pod| pod.ready).count()
    }

    fn sides(&self, side: Side) -> usize {
        self.pods.values().filter(|pod| pod.side == side).count()
    }

    fn pod(&mut self, ready: bool) -> Option<Pod> {
        self.born += 1;
        Some(Pod { side: self.template?, ready, uid: self.born })
    }

    fn join(&mut self, ready: bool) {
        let node = self.pods.len();
        if let Some(pod) = self.pod(ready) {
            self.pods.insert(node, pod);
        }
    }

    /// The first pod that is not ready gets so. False if all are.
    fn one_gets_ready(&mut self) -> bool {
        let pod = self.pods.values_mut().find(|pod| !pod.ready);
        pod.map(|pod| pod.ready = true).is_some()
    }

    fn seen(&self, of: (u32, u32)) -> Evicting {
        let owner = json!([{"uid": "set", "controller": true}]);
        let newest = self.template.unwrap();
        let older = newest.other();
        let kept = |side: Side, revision: u32| {
            let metadata = json!({"labels": {"controller-revision-hash": hash(side)}, "ownerReferences": owner});
            Arc::new(json!({"metadata": metadata, "revision": revision}))
        };
        let pod = |(node, pod): (&usize, &Pod)| {
            let status = if pod.ready { "True" } else { "False" };
            Arc::new(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": format!("web-{}", pod.uid), "namespace": "default", "uid": pod.uid.to_string(),
                    "labels": {"controller-revision-hash": hash(pod.side)}, "ownerReferences": owner,
                },
                "spec": {"nodeName": format!("{node:03}")},
                "status": {"conditions": [{"type": "Ready", "status": status}]},
            }))
        };
        let pods: Vec<Arc<Value>> = self.pods.iter().map(pod).collect();
        let live = json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "web", "namespace": "default", "uid": "set", "generation": 1},
            "spec": {"updateStrategy": {"type": if self.rolls { "RollingUpdate" } else { "OnDelete" }}},
            "status": {
                "observedGeneration": 1, "desiredNumberScheduled": pods.len(),
                "numberReady": self.ready(), "numberAvailable": self.ready(),
            },
        });
        evicting(&live, &pods, &[kept(older, 1), kept(newest, 2)], of)
    }

    fn evict(&mut self, of: (u32, u32)) {
        loop {
            let found = self.seen(of);
            if found.done {
                return;
            }
            if found.now.is_empty() {
                assert!(
                    self.one_gets_ready(),
                    "it waits for ever: {} of {of:?} in {self:?}",
                    found.seen
                );
                continue;
            }
            for (_, uid) in found.now {
                let node = self.pods.iter().find(|(_, pod)| pod.uid.to_string() == uid).unwrap();
                let node = *node.0;
                let successor = self.pod(false).unwrap();
                self.pods.insert(node, successor);
                self.lowest = self.lowest.min(self.ready());
            }
        }
    }

    fn act(&mut self, effect: &Effect) {
        match effect {
            Effect::Write { object, side, driven, .. } if object.kind == "DaemonSet" => {
                assert_eq!(driven.replicas, None, "how many nodes there are is not ours to say");
                self.template = (driven.nodes != Some(OnNodes::Nowhere)).then_some(*side);
                self.rolls = driven.nodes.is_none();
                if self.template.is_none() {
                    self.pods.clear();
                }
                let stays = !self.rolls || self.sides(side.other()) == 0;
                assert!(stays, "the native update would begin: {self:?}");
            }
            Effect::Call { .. } => {}
            Effect::Evict { at_most, at_once, deadline_seconds, .. } => {
                assert!(*deadline_seconds > 0 && *at_once > 0);
                self.evict((*at_most, *at_once));
            }
            Effect::Await { condition: Condition::Replaced { at_most, unready }, .. } => {
                let old = self.sides(self.template.unwrap().other());
                assert!(old <= *at_most as usize, "nothing brings that: {effect} in {self:?}");
                while self.pods.len() - self.ready() > *unready as usize {
                    self.one_gets_ready();
                }
            }
            Effect::Await { condition: Condition::Healthy, object, .. }
                if object.kind == "DaemonSet" =>
            {
                while self.one_gets_ready() {}
            }
            Effect::Await { condition: Condition::ScaledTo { at_most }, .. } => {
                assert!(self.pods.len() <= *at_most as usize);
            }
            Effect::Write { .. } | Effect::Delete { .. } => {}
            Effect::Await { .. } => panic!("{effect} is nothing of nodes"),
        }
    }

    /// The same, each effect twice where that asks for nothing else: a run that
    /// was killed leaves its step to be begun anew.
    fn step(&mut self, step: &Step, again: usize) {
        let cut = again % (step.effects.len() + 1);
        let writes = |e: &&Effect| !matches!(e, Effect::Write { driven, verb: Verb::Apply, .. } if driven.nodes.is_none());
        // Marks keep the last write of the template from being undone.
        step.effects.iter().take(cut).filter(writes).for_each(|effect| self.act(effect));
        step.effects.iter().for_each(|effect| self.act(effect));
    }
}

/// Whether a plan compiles; its list then keeps to the rules.
pub fn keeps_to_the_rules(plan: &Plan) -> bool {
    let Some(compiled) = plan.compiled() else { return false };
    let mut cluster = Cluster::serving(plan.nodes);
    let (mut done, mut new) = (0, 0);
    for (i, (step, goal)) in compiled.steps.iter().zip(&compiled.goals).enumerate() {
        for join in &plan.joins {
            if (done..done + step.effects.len()).contains(join) {
                cluster.join(false);
            }
        }
        done += step.effects.len();
        cluster.step(step, plan.joins.first().copied().unwrap_or(0));
        let old = cluster.sides(Side::Source);
        assert!(old + (*goal as usize) <= plan.nodes as usize || i + 1 == compiled.steps.len());
        assert!(cluster.sides(Side::Target) >= new, "the new share falls");
        new = cluster.sides(Side::Target);
    }
    assert_eq!((cluster.template, cluster.rolls), (Some(Side::Target), true));
    assert_eq!(cluster.sides(Side::Source), 0, "nodes that joined are covered");
    let floor = compiled.floor.unwrap_or(0) as usize;
    assert!(cluster.lowest >= floor, "{} ready, but the floor says {floor}", cluster.lowest);
    true
}

/// The way back after so many effects ends with the old template on every node,
/// and holds the same floor.
pub fn comes_back<C: IntoIterator<Item = usize>>(plan: &Plan, cuts: impl Fn(usize) -> C) -> usize {
    let Some(compiled) = plan.compiled() else { return 0 };
    let effects: Vec<&Effect> = compiled.steps.iter().flat_map(|step| &step.effects).collect();
    let mut ways = 0;
    for cut in cuts(effects.len() + 1) {
        let mut cluster = Cluster::serving(plan.nodes);
        effects.iter().take(cut).for_each(|effect| cluster.act(effect));
        cluster.step(&compiled.abort, cut);
        assert_eq!((cluster.template, cluster.rolls), (Some(Side::Source), true));
        assert_eq!(cluster.sides(Side::Target), 0);
        let floor = compiled.floor.unwrap_or(0) as usize;
        assert!(cluster.lowest >= floor, "{} ready, but the floor says {floor}", cluster.lowest);
        ways += 1;
    }
    ways
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_list_over_nodes_keeps_to_the_rules(plan in plans()) {
        keeps_to_the_rules(&plan);
    }

    #[test]
    fn an_abort_brings_the_old_template_to_every_node(plan in plans(), cut in any::<prop::sample::Index>()) {
        comes_back(&plan, |count| [cut.index(count)]);
    }

    /// On nodes that are there already with whatever template, what is brought
    /// back takes down no more than a batch would.
    #[test]
    fn what_stood_after_a_batch_is_brought_back_within_the_floor(plan in plans(), done in 0_u32..6) {
        let Some(compiled) = plan.compiled() else { return Ok(()) };
        let after = Standing::After(done.min(u32::try_from(compiled.steps.len()).unwrap() - 1));
        let step = plan.with(Movement::Upgrade, |input| compile_replay(input, after, 0).unwrap());
        let step = step.unwrap();
        let Standing::After(done) = after else { unreachable!() };
        let goal = done.checked_sub(1).map_or(0, |last| compiled.goals[last as usize]);
        for mut cluster in [Cluster::serving(plan.nodes), Cluster::empty(None)] {
            let fresh = cluster.template.is_none();
            if fresh {
                cluster.template = Some(Side::Source);
                (0..plan.nodes).for_each(|_| cluster.join(false));
            }
            step.effects.iter().for_each(|effect| cluster.act(effect));
            prop_assert_eq!(cluster.sides(Side::Target), goal as usize);
            let floor = compiled.floor.unwrap_or(0) as usize;
            prop_assert!(fresh || cluster.lowest >= floor);
        }
    }
}

fn plan(nodes: u32, list: &[(u32, u32)]) -> Plan {
    Plan { nodes, batches: counts(list), joins: Vec::new() }
}

fn evictions(step: &Step) -> Vec<(u32, u32)> {
    let of = |effect: &Effect| match effect {
        Effect::Evict { at_most, at_once, .. } => Some((*at_most, *at_once)),
        _ => None,
    };
    step.effects.iter().filter_map(of).collect()
}

#[test]
fn each_batch_evicts_down_to_its_goal_and_the_way_back_by_the_largest() {
    let compiled = plan(5, &[(1, 0), (2, 0), (2, 0)]).compiled().unwrap();
    let all: Vec<_> = compiled.steps.iter().map(evictions).collect();
    assert_eq!(all, [[(4, 1)], [(2, 2)], [(0, 2)]]);
    assert_eq!(evictions(&compiled.abort), [(0, 2)]);
    assert_eq!((compiled.floor, compiled.goals), (Some(3), vec![1, 3, 5]));
}

/// What one batch left unready is missing while the next one begins.
#[test]
fn the_floor_counts_what_an_earlier_batch_left_unready() {
    let compiled = plan(10, &[(5, 2), (5, 0)]).compiled().unwrap();
    let all: Vec<_> = compiled.steps.iter().map(evictions).collect();
    assert_eq!(all, [[(5, 5)], [(0, 7)]]);
    assert_eq!(compiled.floor, Some(3));
}

#[test]
fn a_first_deploy_is_one_step_and_its_way_back_leaves_no_pod() {
    let plan = plan(5, &[(1, 0), (2, 0), (2, 0)]);
    let compiled = plan.with(Movement::Deploy, |input| compile(input).unwrap());
    assert_eq!((compiled.steps.len(), compiled.warnings.len()), (1, 1));
    assert_eq!(compiled.abort.kind, StepKind::Abort);
    let mut cluster = Cluster::empty(None);
    cluster.template = Some(Side::Target);
    (0..5).for_each(|_| cluster.join(false));
    compiled.steps[0].effects.iter().for_each(|effect| cluster.act(effect));
    assert_eq!(cluster.ready(), 5);
    compiled.abort.effects.iter().for_each(|effect| cluster.act(effect));
    assert_eq!(cluster.pods.len(), 0);
}

/// Ids are on live objects and in records: they never change for one plan.
#[test]
fn ids_over_nodes_are_golden() {
    let compiled = plan(5, &[(1, 0), (4, 0)]).compiled().unwrap();
    let steps = compiled.steps.iter().chain([&compiled.abort, &compiled.settle]);
    let ids: Vec<&str> = steps.map(|step| step.id().0.as_str()).collect();
    assert_eq!(ids, ["ca44e8857178", "e12601790c2f", "c663ccc25898", "db07053d7bdd"]);
    let written = |effect: &&Effect| matches!(effect, Effect::Write { .. });
    let objects: Vec<&ObjectRef> =
        compiled.steps[1].effects.iter().filter(written).map(Effect::object).collect();
    assert!(objects.iter().all(|object| object.kind == "DaemonSet"), "{objects:?}");
}
