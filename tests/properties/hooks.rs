//! Where calls stand in a list of steps.

use crate::plan::{context, counts, revision, rollout};
use crate::steps::plans;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tranche::core::model::{AroundBatch, Hook, HookType, Place, PlacedHook, RolloutStrategy};
use tranche::core::strategy::workload::Shape;
use tranche::core::strategy::{
    Bodies, Compiled, Effect, Movement, RolloutInput, Sizes, compile, compile_back,
};

fn hook(kind: HookType) -> PlacedHook {
    let hook = Hook {
        kind,
        name: kind.name().to_owned(),
        url: "https://hooks.example.com/x?token=abc".to_owned(),
        method: "POST".to_owned(),
        expected: Vec::new(),
        metadata: BTreeMap::new(),
    };
    PlacedHook { hook, place: Place::default() }
}

/// An upgrade of four pods in two batches; a hook of each type if `hooked`, and
/// seconds between the pods.
fn compiled(shape: Shape, hooked: bool, interval_seconds: u32) -> Compiled {
    let mut rollout = rollout(RolloutStrategy::IncreaseFirst, counts(&[(2, 0), (2, 0)]));
    let batch = AroundBatch {
        hooks: match hooked {
            true => vec![hook(HookType::PostBatchRollout), hook(HookType::PreBatchRollout)],
            false => Vec::new(),
        },
        interval_seconds,
        pods: Vec::new(),
    };
    rollout.plan.around.batches = vec![batch.clone(), batch];
    if hooked {
        rollout.plan.around.hooks =
            vec![hook(HookType::FinalizeRollout), hook(HookType::InitializeRollout)];
    }
    let bodies = Bodies { source: Some(revision(shape, 1, 4)), target: revision(shape, 2, 4) };
    let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
    let input = RolloutInput {
        rollout: &rollout,
        context: &context,
        movement: Movement::Upgrade,
        sizes: Sizes { original: 4, target: 4 },
        bodies: &bodies,
        beside: &[],
    };
    let compiled = compile(&input).unwrap();
    assert_eq!(compile_back(&input, None).unwrap(), compiled.abort);
    compiled
}

fn words(effects: &[Effect]) -> Vec<String> {
    let word = |effect: &Effect| match effect {
        Effect::Call { hook, .. } => hook.name.clone(),
        Effect::Await { .. } => "wait".to_owned(),
        Effect::Delete { .. } => "delete".to_owned(),
        Effect::Write { .. } => "write".to_owned(),
        Effect::Evict { .. } => "evict".to_owned(),
    };
    let mut words: Vec<String> = effects.iter().map(word).collect();
    words.dedup();
    words
}

#[test]
fn hooks_stand_around_what_they_are_about() {
    for shape in [Shape::Pair, Shape::InPlace] {
        let list = compiled(shape, true, 0);
        let [first, last] = list.steps.as_slice() else { unreachable!() };
        let first = words(&first.effects);
        assert_eq!(first[..3], ["initialize-rollout", "pre-batch-rollout", "write"]);
        assert_eq!(first[first.len() - 2..], ["wait", "post-batch-rollout"]);
        let last = words(&last.effects);
        assert_eq!(last[0], "pre-batch-rollout");
        // What is deleted stands on waits that come once more, since an answer may
        // take its time.
        assert_eq!(
            last[last.len() - 5..],
            ["wait", "post-batch-rollout", "wait", "delete", "finalize-rollout"]
        );
        let back = words(&list.abort.effects);
        assert_eq!(back.iter().filter(|word| word.ends_with("rollout")).count(), 1);
        assert_eq!(back.last().unwrap(), "finalize-rollout");
        let settle = words(&list.settle.effects);
        assert!(!settle.iter().any(|word| word.ends_with("rollout")), "{settle:?}");
    }
}

#[test]
fn a_list_without_hooks_is_the_same_but_for_its_calls() {
    for shape in [Shape::Pair, Shape::InPlace] {
        let (bare, with) = (compiled(shape, false, 0), compiled(shape, true, 0));
        for (bare, with) in bare.steps.iter().zip(&with.steps) {
            let called = |effect: &&Effect| !matches!(effect, Effect::Call { .. });
            let mut left = with.effects.iter().filter(called);
            assert!(bare.effects.iter().all(|effect| left.any(|other| other == effect)));
            assert_ne!(bare.id(), with.id());
        }
        assert_eq!((&bare.floor, &bare.goals), (&with.floor, &with.goals));
    }
}

#[test]
fn an_interval_moves_one_pod_after_another() {
    for shape in [Shape::Pair, Shape::InPlace] {
        let list = compiled(shape, false, 30);
        let driven = |step: &tranche::core::strategy::Step| -> Vec<u32> {
            let writes = step.effects.iter().filter_map(|effect| match effect {
                Effect::Write { driven, .. } if shape == Shape::InPlace => driven.partition,
                Effect::Write { object, driven, .. } if object.name == "web-v2" => driven.replicas,
                _ => None,
            });
            writes.collect()
        };
        let sizes: Vec<u32> = list.steps.iter().flat_map(driven).collect();
        match shape {
            Shape::Pair => assert_eq!(sizes, [0, 1, 2, 3, 4]),
            Shape::InPlace | Shape::Nodes => assert_eq!(sizes, [4, 3, 2, 1, 0]),
        }
        for step in &list.steps {
            let pauses = step.effects.iter().map(ToString::to_string);
            let pauses = pauses.filter(|text| text.contains("ready for 30 s")).count();
            assert_eq!(pauses, 1, "behind each pod but the last of the batch");
        }
        assert_eq!(list.floor, if shape == Shape::Pair { None } else { Some(3) });
    }
}

#[test]
fn a_call_is_shown_by_its_host_alone() {
    let list = compiled(Shape::Pair, true, 0);
    let shown = list.steps[0].effects[0].to_string();
    assert_eq!(
        shown,
        "call initialize-rollout \"initialize-rollout\": POST https://hooks.example.com, until \
         2xx, at most 600 s"
    );
}

proptest! {
    /// One by one a list ends where it would end, and keeps what it promises,
    /// which is no less than without an interval.
    #[test]
    fn an_interval_never_costs_a_pod(plan in plans()) {
        let bodies = plan.bodies();
        let of = |interval_seconds| {
            let mut rollout = rollout(plan.strategy, plan.batches.clone());
            let batch = AroundBatch { interval_seconds, ..AroundBatch::default() };
            rollout.plan.around.batches = vec![batch; 8];
            let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
            let (movement, sizes) = (plan.movement, plan.sizes);
            let input = RolloutInput {
                rollout: &rollout,
                context: &context,
                movement,
                sizes,
                bodies: &bodies,
                beside: &[],
            };
            compile(&input).ok()
        };
        let (Some(bare), Some(paced)) = (of(0), of(30)) else { return Ok(()) };
        let run = |compiled: &Compiled| {
            let mut cluster = plan.cluster(&bodies);
            let effects = compiled.steps.iter().flat_map(|step| &step.effects);
            effects.for_each(|effect| cluster.act(effect));
            cluster
        };
        let (at_once, one_by_one) = (run(&bare), run(&paced));
        prop_assert_eq!(&at_once.workloads, &one_by_one.workloads);
        prop_assert_eq!(&bare.goals, &paced.goals);
        prop_assert!(one_by_one.highest <= at_once.highest);
        if plan.movement == Movement::Upgrade {
            let whole = plan.sizes.original.min(plan.sizes.target);
            let floor = |compiled: &Compiled| compiled.floor.unwrap_or(whole);
            prop_assert!(floor(&paced) >= floor(&bare));
            prop_assert!(one_by_one.lowest.unwrap_or(0) >= floor(&paced));
        }
    }
}
