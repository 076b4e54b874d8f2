//! What went wrong elsewhere and is a rule over all plans here; `docs/traps.md`
//! has the whole table.

use crate::spread::{Cluster, Plan as Pods};
use crate::traffic::{Plan, Routes};
use proptest::prelude::*;
use tranche::core::model::{Amount, Leeway};
use tranche::core::strategy::{Compiled, Effect, Sides, Sizes};
use tranche::core::traffic::Weight;

/// The pods of both sides after one step to a weight.
fn shared(pods: u32, weight: u32, surge: u32) -> Sides {
    let leeway = Leeway { surge: Amount::Count(surge), unavailable: Amount::Percent(34) };
    let sizes = Sizes { original: pods, target: pods };
    let plan = Pods { sizes, leeway, steps: vec![(weight, None), (100, None)] };
    let mut cluster = Cluster::new(&plan, u32::MAX);
    for effect in &plan.compiled().unwrap().steps[0].effects {
        assert!(cluster.act(effect), "{effect}");
    }
    cluster.sides()
}

/// Argo Rollouts' shares without a route: where there is no surge and a weight
/// falls half a pod below a whole number, neither rounding is taken and the canary
/// has no pod at all.
#[test]
fn no_weight_in_between_leaves_a_side_without_pods() {
    for (pods, weight, expected) in [
        (2, 75, Sides { old: 1, new: 1 }),
        (5, 90, Sides { old: 1, new: 4 }),
        (10, 95, Sides { old: 1, new: 9 }),
        (25, 98, Sides { old: 1, new: 24 }),
        (50, 99, Sides { old: 1, new: 49 }),
    ] {
        assert_eq!(shared(pods, weight, 0), expected, "{weight}% of {pods}");
    }
    for pods in 2..=20 {
        for surge in [0, 1] {
            let mut before = 0;
            for weight in 1..100 {
                let Sides { old, new } = shared(pods, weight, surge);
                assert!(old > 0 && new > 0, "{weight}% of {pods}: {old} old, {new} new");
                assert!(old + new <= pods + surge, "{weight}% of {pods}: {old} old, {new} new");
                // It may have a pod less where the surge lends the old side one.
                assert!(new + surge >= before, "{weight}% of {pods}: fewer than at {}", weight - 1);
                before = before.max(new);
            }
        }
    }
}

/// What the routes are told by a step, one after another.
fn told(compiled: &Compiled, step: usize) -> Vec<Weight> {
    let effects = compiled.steps[step].effects.iter();
    let weights = effects.filter_map(|effect| match effect {
        Effect::Write { driven, .. } => driven.split.as_ref()?.weight,
        _ => None,
    });
    weights.collect()
}

fn routes() -> impl Strategy<Value = Routes> {
    prop::sample::select(vec![Routes::Gateway, Routes::Ingress, Routes::Both, Routes::Template])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// argo-rollouts#4642: a step that only changes the number of pods drops the
    /// canary's traffic to 0.
    #[test]
    fn a_step_of_pods_alone_never_moves_weight(
        pods in 1_u32..40, weight in 0_u32..100, more in 0_u32..40, stays in any::<bool>(),
        routes in routes(),
    ) {
        let fewest = (pods * weight).div_ceil(100);
        let second = (fewest + more).min(pods);
        let step = |replicas| (weight, Some(Amount::Count(replicas)), false);
        let sizes = Sizes { original: pods, target: pods };
        let steps = vec![step(fewest), step(second)];
        let plan = Plan { sizes, steps, drain: 5, routes, stays };
        let Some((compiled, _)) = plan.compiled() else { return Ok(()) };
        let at = Weight::new(weight).unwrap();
        prop_assert!(told(&compiled, 0).contains(&at), "{:?}", told(&compiled, 0));
        prop_assert!(told(&compiled, 1).iter().all(|told| *told == at), "{:?}", told(&compiled, 1));
    }
}
