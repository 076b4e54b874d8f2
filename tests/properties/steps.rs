//! Every compiled list keeps to the rules.

use crate::model::Cluster;
use crate::plan::{context, counts, revision, rollout};
use proptest::prelude::*;
use std::sync::Arc;
use tranche::core::model::{Amount, Batch, Batches, RolloutStrategy};
use tranche::core::object::ObjectRef;
use tranche::core::strategy::workload::Shape;
use tranche::core::strategy::{
    Bodies, Compiled, Condition, Effect, Movement, RolloutInput, Side, Sizes, Step, Verb, compile,
};

#[derive(Clone, Debug)]
pub struct Plan {
    pub shape: Shape,
    pub strategy: RolloutStrategy,
    pub movement: Movement,
    pub sizes: Sizes,
    pub batches: Batches,
}

impl Plan {
    pub fn bodies(&self) -> Bodies {
        let source = (self.movement == Movement::Upgrade)
            .then(|| revision(self.shape, 1, self.sizes.original));
        Bodies { source, target: revision(self.shape, 2, self.sizes.target) }
    }

    pub fn compiled(&self, bodies: &Bodies) -> Option<Compiled> {
        let rollout = rollout(self.strategy, self.batches.clone());
        let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
        let (movement, sizes) = (self.movement, self.sizes);
        let input = RolloutInput {
            rollout: &rollout,
            context: &context,
            movement,
            sizes,
            bodies,
            beside: &[],
        };
        compile(&input).ok()
    }

    /// The cluster as the rollout finds it.
    pub fn cluster(&self, bodies: &Bodies) -> Cluster {
        let original = self.sizes.original;
        match (&bodies.source, self.movement) {
            (Some(source), _) => Cluster::with(&source.workload, Side::Source, original),
            (None, Movement::Scale) => {
                Cluster::with(&bodies.target.workload, Side::Target, original)
            }
            (None, _) => Cluster::default(),
        }
    }
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![(0_u32..8).prop_map(Amount::Count), (0_u32..=100).prop_map(Amount::Percent)]
}

fn batches() -> impl Strategy<Value = Batches> {
    let unready = prop_oneof![Just(Amount::Count(0)), amount()];
    let listed = proptest::collection::vec((amount(), unready), 1..6).prop_map(|list| {
        let last = list.len() - 1;
        let batch = |(i, (amount, max_unavailable)): (usize, (Amount, Amount))| Batch {
            // The last one takes the rest, so that the sums come out right.
            replicas: (i < last).then_some(amount),
            max_unavailable,
        };
        Batches::Listed(list.into_iter().enumerate().map(batch).collect())
    });
    prop_oneof![3 => listed, 1 => (1_u32..8).prop_map(Batches::Even)]
}

pub fn plans() -> impl Strategy<Value = Plan> {
    let shape = prop_oneof![Just(Shape::Pair), Just(Shape::InPlace)];
    let strategy =
        prop_oneof![Just(RolloutStrategy::IncreaseFirst), Just(RolloutStrategy::DecreaseFirst)];
    let movement = prop_oneof![3 => Just(Movement::Upgrade), 1 => Just(Movement::Deploy), 1 => Just(Movement::Scale)];
    (shape, strategy, movement, 0_u32..30, 0_u32..10, batches()).prop_map(
        |(shape, strategy, movement, size, more, batches)| {
            let sizes = match (movement, shape) {
                (Movement::Deploy, _) => Sizes { original: 0, target: size },
                (Movement::Upgrade, Shape::InPlace | Shape::Nodes) => {
                    Sizes { original: size, target: size }
                }
                (Movement::Upgrade, Shape::Pair) => Sizes { original: size, target: size + more },
                (Movement::Scale, _) if more % 2 == 0 => {
                    Sizes { original: size + more, target: size }
                }
                (Movement::Scale, _) => Sizes { original: size, target: size + more },
            };
            Plan { shape, strategy, movement, sizes, batches }
        },
    )
}

/// New pods, as the writes so far ask for them.
fn share(cluster: &Cluster, bodies: &Bodies) -> u32 {
    cluster.workloads.get(&bodies.target.workload).map_or(0, |pods| {
        if pods.side == Side::Target { pods.wanted.saturating_sub(pods.partition) } else { 0 }
    })
}

fn position(step: &Step, wanted: impl Fn(&Effect) -> bool) -> Option<usize> {
    step.effects.iter().position(wanted)
}

/// Scale one side, await it, only then scale the other.
fn in_order(step: &Step, first: &ObjectRef, second: &ObjectRef) -> bool {
    let scale = |of: &ObjectRef| {
        position(
            step,
            |e| matches!(e, Effect::Write { verb: Verb::Scale, object, .. } if object == of),
        )
    };
    let (Some(before), Some(after)) = (scale(first), scale(second)) else { return true };
    let wait = position(step, |e| matches!(e, Effect::Await { object, .. } if object == first));
    wait.is_some_and(|wait| before < wait && wait < after)
}

/// Whether a plan compiles; its list then keeps to the rules.
pub fn keeps_to_the_rules(plan: &Plan) -> bool {
    let bodies = plan.bodies();
    let Some(compiled) = plan.compiled(&bodies) else { return false };
    assert_eq!(compiled.goals.len(), compiled.steps.len());
    let mut cluster = plan.cluster(&bodies);
    let (mut new, mut largest) = (0, 0);
    for step in &compiled.steps {
        let before = share(&cluster, &bodies);
        for effect in &step.effects {
            cluster.act(effect);
            let now = share(&cluster, &bodies);
            if plan.movement != Movement::Scale {
                assert!(now >= new, "the new share falls from {} to {}", new, now);
            }
            new = now;
        }
        largest = largest.max(new.abs_diff(before));
        if let Some(source) = &bodies.source {
            let (up, down) = (&bodies.target.workload, &source.workload);
            let kept = match plan.strategy {
                _ if plan.shape == Shape::InPlace => true,
                RolloutStrategy::IncreaseFirst => in_order(step, up, down),
                RolloutStrategy::DecreaseFirst => in_order(step, down, up),
            };
            assert!(kept, "{:?}", step.effects);
        }
    }
    // The last batch lands on the totals, with nothing of the source left.
    let end = cluster.workloads.get(&bodies.target.workload).copied();
    assert_eq!(cluster.workloads.len(), 1);
    assert_eq!(end.map(|pods| (pods.wanted, pods.side)), Some((plan.sizes.target, Side::Target)));
    assert_eq!(end.map(|pods| pods.partition), Some(0));
    let most = plan.sizes.target.max(plan.sizes.original) + largest;
    assert!(cluster.highest <= most, "{} pods were asked for", cluster.highest);
    if plan.movement == Movement::Upgrade {
        let whole = plan.sizes.original.min(plan.sizes.target);
        let floor = compiled.floor.unwrap_or(whole);
        let lowest = cluster.lowest.unwrap_or(0);
        assert!(lowest >= floor, "{} ready, but the floor says {}", lowest, floor);
    }
    true
}

/// The way back after so many effects, each of what `cuts` says of as many as
/// there are, ends where the rollout began. How often it was gone: never, if the
/// plan does not compile.
pub fn comes_back<C: IntoIterator<Item = usize>>(plan: &Plan, cuts: impl Fn(usize) -> C) -> usize {
    let bodies = plan.bodies();
    let Some(compiled) = plan.compiled(&bodies) else { return 0 };
    let effects: Vec<&Effect> = compiled.steps.iter().flat_map(|s| &s.effects).collect();
    let deleting = |e: &&Effect| matches!(e, Effect::Delete { .. });
    let legal = effects.iter().position(deleting).unwrap_or(effects.len());
    let mut ways = 0;
    for cut in cuts(legal + 1) {
        let mut cluster = plan.cluster(&bodies);
        let before = effects.iter().copied().take(cut);
        before.chain(&compiled.abort.effects).for_each(|effect| cluster.act(effect));
        plan.is_back(&cluster, &bodies);
        ways += 1;
    }
    ways
}

impl Plan {
    fn is_back(&self, cluster: &Cluster, bodies: &Bodies) {
        let original = self.sizes.original;
        match &bodies.source {
            Some(source) => {
                let pods = cluster.workloads.get(&source.workload).copied().unwrap();
                assert_eq!(cluster.workloads.len(), 1);
                assert_eq!(
                    (pods.wanted, pods.partition, pods.side, pods.new),
                    (original, 0, Side::Source, original)
                );
            }
            None => {
                let pods = cluster.workloads.values().map(|pods| pods.wanted).sum::<u32>();
                assert_eq!(pods, original);
            }
        }
    }
}

/// Whether a plan compiles; its ids are then unique, and stay what they are.
pub fn has_ids_of_its_own(plan: &Plan) -> bool {
    let bodies = plan.bodies();
    let Some(compiled) = plan.compiled(&bodies) else { return false };
    let all = |list: &Compiled| {
        let steps = list.steps.iter().chain([&list.abort, &list.settle]);
        steps.map(|step| step.id().0.clone()).collect::<Vec<_>>()
    };
    let ids = all(&compiled);
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
    assert_eq!(Some(ids), plan.compiled(&bodies).map(|again| all(&again)));
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_list_keeps_to_the_rules(plan in plans()) {
        keeps_to_the_rules(&plan);
    }

    /// From the end of any effect but the last, the way back ends at the
    /// stable revision's size.
    #[test]
    fn an_abort_ends_at_the_stable_revision(plan in plans(), cut in any::<prop::sample::Index>()) {
        comes_back(&plan, |count| [cut.index(count)]);
    }

    #[test]
    fn ids_are_unique_and_stable(plan in plans()) {
        has_ids_of_its_own(&plan);
    }
}

/// Ids are on live objects and in records: they never change for one plan.
#[test]
fn ids_are_golden() {
    let plan = Plan {
        shape: Shape::Pair,
        strategy: RolloutStrategy::IncreaseFirst,
        movement: Movement::Upgrade,
        sizes: Sizes { original: 4, target: 4 },
        batches: counts(&[(1, 0), (3, 0)]),
    };
    let compiled = plan.compiled(&plan.bodies()).unwrap();
    let steps = compiled.steps.iter().chain([&compiled.abort, &compiled.settle]);
    let ids: Vec<&str> = steps.map(|step| step.id().0.as_str()).collect();
    assert_eq!(ids, ["b247906e8b0f", "29cc613ee7bb", "ec160caddaf3", "6d4f2c54dd67"]);
}

/// What one batch left unready is missing while the next one begins.
#[test]
fn the_floor_counts_what_an_earlier_batch_left_unready() {
    for (shape, strategy) in [
        (Shape::InPlace, RolloutStrategy::IncreaseFirst),
        (Shape::Pair, RolloutStrategy::DecreaseFirst),
    ] {
        let plan = Plan {
            shape,
            strategy,
            movement: Movement::Upgrade,
            sizes: Sizes { original: 10, target: 10 },
            batches: counts(&[(5, 2), (5, 0)]),
        };
        let compiled = plan.compiled(&plan.bodies()).unwrap();
        let waits = |e: &Effect| match e {
            Effect::Await { condition: Condition::Ready { at_least }, .. }
            | Effect::Await { condition: Condition::UpdatedReady { at_least }, .. } => {
                Some(*at_least)
            }
            _ => None,
        };
        let first: Vec<u32> = compiled.steps[0].effects.iter().filter_map(waits).collect();
        assert_eq!(first, [3], "{shape:?}");
        assert_eq!(compiled.floor, Some(3), "{shape:?}");
    }
}
