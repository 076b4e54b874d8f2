//! Batches that name their pods (`podList`). Owns which pods a batch moves, as
//! far as that can be told beforehand; it must never accept a name and then
//! move another pod.

use super::workload::Shape;
use super::{CompileError, Movement, RolloutInput};
use crate::core::object::at;
use serde_json::Value;
use std::collections::BTreeSet;

/// Refuses lists that name other pods than those that would be moved.
pub(super) fn check(input: &RolloutInput<'_>, goals: &[u32]) -> Result<(), CompileError> {
    let mut before = input.size_after(0);
    for (batch, goal) in goals.iter().enumerate() {
        let around = input.rollout.plan.around.batch(batch);
        let named = around.map(|around| around.pods.as_slice()).unwrap_or_default();
        // What stands at its size already has no pods to name.
        let still = input.movement == Movement::Scale && input.sizes.original == input.sizes.target;
        if !named.is_empty() && !still {
            let moved = moved(input, before, *goal)
                .map_err(|why| CompileError::PodList { batch, why: why.to_owned() })?;
            let same = named.len() == moved.len()
                && named.iter().collect::<BTreeSet<_>>() == moved.iter().collect();
            if !same {
                let why = format!(
                    "names other pods than the batch moves: that would be {}",
                    moved.join(", ")
                );
                return Err(CompileError::PodList { batch, why });
            }
        }
        before = *goal;
    }
    Ok(())
}

/// The pods that one batch moves, by name: a StatefulSet updates and removes
/// those with the highest ordinals first, and makes those with the lowest.
fn moved(input: &RolloutInput<'_>, before: u32, goal: u32) -> Result<Vec<String>, &'static str> {
    let revision = &input.bodies.target;
    let object = &revision.workload;
    if revision.kind.shape == Shape::Pair {
        return Err("names pods of a Deployment, which chooses by itself which of them go: \
                    say how many by `replicas`");
    }
    if object.kind != "StatefulSet" {
        return Err("names pods whose names nobody knows before they are made, and which their \
                    controller chooses among by itself: say how many by `replicas`");
    }
    let start = revision.bodies.get(object).and_then(|body| at(body, "/spec/ordinals/start"));
    let start = start.and_then(Value::as_u64).unwrap_or(0);
    let total = input.sizes.target;
    let ordinals = match input.movement {
        Movement::Upgrade => total.saturating_sub(goal)..total.saturating_sub(before),
        Movement::Deploy | Movement::Scale => before.min(goal)..before.max(goal),
    };
    let name = |ordinal| format!("{}-{}", object.name, start + u64::from(ordinal));
    Ok(ordinals.rev().map(name).collect())
}
