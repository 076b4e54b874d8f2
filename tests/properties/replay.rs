//! What is brought back on a rebuilt cluster is what stood there.

use crate::model::{Cluster, Pods};
use crate::plan::{context, rollout};
use crate::steps::{Plan, plans};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tranche::core::object::ObjectRef;
use tranche::core::strategy::{
    Bodies, Driven, Effect, Movement, RolloutInput, Side, Standing, Step, Verb, compile_replay,
};

fn replay(plan: &Plan, bodies: &Bodies, standing: Standing, round: u32) -> Option<Step> {
    let rollout = rollout(plan.strategy, plan.batches.clone());
    let context = Arc::new(context(bodies.source.as_deref(), &bodies.target));
    let (movement, sizes) = (plan.movement, plan.sizes);
    let input =
        RolloutInput { rollout: &rollout, context: &context, movement, sizes, bodies, beside: &[] };
    compile_replay(&input, standing, round).expect("what compiles can be brought back")
}

/// As the engine does it: a missing object is created without pods first.
fn act(cluster: &mut Cluster, effect: &Effect) {
    if let Effect::Write { verb: Verb::Apply, object, side, driven } = effect
        && driven.replicas.is_some_and(|replicas| replicas > 0)
        && !cluster.workloads.contains_key(object)
    {
        let driven = Driven { replicas: Some(0), ..driven.clone() };
        let (object, side) = (object.clone(), *side);
        cluster.act(&Effect::Write { verb: Verb::Apply, object, side, driven });
    }
    cluster.act(effect);
}

/// Which revision each workload is of, its size, and what is held back; one
/// without pods stands for none.
fn shape(cluster: &Cluster) -> BTreeMap<ObjectRef, (Side, u32, u32)> {
    let with_pods = cluster.workloads.iter().filter(|(_, pods)| pods.wanted > 0);
    let shape = |pods: &Pods| (pods.side, pods.wanted, pods.partition.min(pods.wanted));
    with_pods.map(|(object, pods)| (object.clone(), shape(pods))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_stood_after_each_batch_stands_again(plan in plans()) {
        let bodies = plan.bodies();
        let Some(compiled) = plan.compiled(&bodies) else { return Ok(()) };
        let mut stood = plan.cluster(&bodies);
        let mut ids = Vec::new();
        for done in 0..=compiled.steps.len() {
            if let Some(before) = done.checked_sub(1) {
                compiled.steps[before].effects.iter().for_each(|effect| stood.act(effect));
            }
            let count = u32::try_from(done).expect("few batches");
            let last = done == compiled.steps.len();
            let standing = if last { Standing::Finished(count) } else { Standing::After(count) };
            let Some(step) = replay(&plan, &bodies, standing, 0) else {
                prop_assert!(plan.movement == Movement::Deploy && done == 0);
                continue;
            };
            let mut rebuilt = Cluster::default();
            step.effects.iter().for_each(|effect| act(&mut rebuilt, effect));
            prop_assert_eq!(shape(&rebuilt), shape(&stood), "after {} batches", done);
            let deletes = step.effects.iter().any(|e| matches!(e, Effect::Delete { .. }));
            prop_assert!(!deletes, "nothing is deleted to bring something back");
            let again = replay(&plan, &bodies, standing, 1).map(|step| step.id().clone());
            ids.extend([Some(step.id().clone()), again]);
        }
        let all = ids.len();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), all, "each has an id of its own");
    }
}
