//! What KubeVela's controllers compute: rows I4, I5 and I7 of
//! docs/scenarios-kubevela.md.

use crate::plan::{context, revision, rollout};
use serde_json::{Value, json};
use std::sync::Arc;
use tranche::core::model::{Amount, Batch, Batches, RolloutStrategy};
use tranche::core::strategy::workload::Shape;
use tranche::core::strategy::{
    Bodies, Compiled, Condition, Effect, Movement, RolloutInput, Side, Sight, Sizes, Verb, compile,
    look,
};

fn compiled(strategy: RolloutStrategy, sizes: Sizes, list: Vec<Batch>) -> (Compiled, Bodies) {
    let source = Some(revision(Shape::Pair, 1, sizes.original));
    let bodies = Bodies { source, target: revision(Shape::Pair, 2, sizes.target) };
    let rollout = rollout(strategy, Batches::Listed(list));
    let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
    let input = RolloutInput {
        rollout: &rollout,
        context: &context,
        movement: Movement::Upgrade,
        sizes,
        bodies: &bodies,
        beside: &[],
    };
    (compile(&input).unwrap(), bodies)
}

fn batch(replicas: Amount, max_unavailable: Amount) -> Batch {
    Batch { replicas: Some(replicas), max_unavailable }
}

fn deployment(wanted: u32, replicas: u32, ready: u32) -> Value {
    json!({"spec": {"replicas": wanted}, "metadata": {"generation": 2},
           "status": {"observedGeneration": 2, "replicas": replicas, "readyReplicas": ready}})
}

/// The waits of a list that are met by a Deployment as it is now.
fn met(condition: &Condition, bodies: &Bodies, live: &Value) -> bool {
    let sight = Sight { live: Some(live), ..Sight::default() };
    look(condition, &bodies.target.workload, &sight).met
}

const NONE: Amount = Amount::Count(0);

#[test]
fn i4_a_batch_is_not_done_before_the_old_side_is_down_to_its_goal() {
    let list = [Amount::Percent(20), Amount::Count(2), Amount::Count(2), Amount::Percent(50)];
    let list = list.into_iter().map(|amount| batch(amount, NONE)).collect();
    let sizes = Sizes { original: 20, target: 20 };
    let (compiled, bodies) = compiled(RolloutStrategy::IncreaseFirst, sizes, list);
    let gone = compiled.steps[0].effects.iter().find_map(|effect| match effect {
        Effect::Await { condition: gone @ Condition::ScaledTo { .. }, .. } => Some(gone.clone()),
        _ => None,
    });
    let gone = gone.unwrap();
    let left = [17, 16, 15].map(|pods| met(&gone, &bodies, &deployment(16, pods, pods)));
    assert_eq!(left, [false, true, true]);
}

#[test]
fn i5_one_of_six_may_be_missing_only_if_the_batch_says_so() {
    for (tolerated, done) in [(NONE, false), (Amount::Percent(10), true)] {
        let list = vec![batch(Amount::Count(6), tolerated), batch(Amount::Count(14), NONE)];
        let sizes = Sizes { original: 20, target: 20 };
        let (compiled, bodies) = compiled(RolloutStrategy::DecreaseFirst, sizes, list);
        let ready = compiled.steps[0].effects.iter().rev().find_map(|effect| match effect {
            Effect::Await { condition: ready @ Condition::Ready { .. }, .. } => Some(ready.clone()),
            _ => None,
        });
        assert_eq!(met(&ready.unwrap(), &bodies, &deployment(6, 6, 5)), done);
    }
}

/// The original brings the new side to its surplus before the first batch. Here
/// the first batch does, in the same write as its own pods.
#[test]
fn differs_i7_what_a_larger_size_adds_comes_with_the_first_batch() {
    let sizes = Sizes { original: 7, target: 10 };
    let list = vec![batch(Amount::Count(1), NONE), batch(Amount::Count(9), NONE)];
    let (compiled, bodies) = compiled(RolloutStrategy::IncreaseFirst, sizes, list);
    let scales =
        compiled.steps.iter().flat_map(|step| &step.effects).filter_map(|effect| match effect {
            Effect::Write { verb: Verb::Scale, object, side: Side::Target, driven, .. } => {
                assert_eq!(*object, bodies.target.workload);
                driven.replicas
            }
            _ => None,
        });
    assert_eq!(scales.collect::<Vec<u32>>(), [3, 10]);
}
