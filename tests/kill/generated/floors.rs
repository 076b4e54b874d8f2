//! How many ready pods each kind of rollout is promised to leave, out of how
//! many. Each function says how many may be missing and where that is promised;
//! it must never ask the product, which says what it believes.

use super::written::Plan;

/// Ready pods that may be missing of so many, by one plan.
pub type Dip = fn(u32, &Plan) -> u32;

/// New pods are seen ready before old ones go: IncreaseFirst, requests that follow
/// pods, a switch, and a Deployment that is taken over.
pub fn none(_: u32, _: &Plan) -> u32 {
    0
}

/// Old pods go first, batch by batch: DecreaseFirst, and pods that are replaced in
/// place by a controller which takes any number at a time. The way back takes no
/// more than the largest batch.
pub fn largest(pods: u32, plan: &Plan) -> u32 {
    plan.amounts(pods).into_iter().max().unwrap_or(0)
}

/// A StatefulSet's pods go one by one, whatever the batch has, and so does what
/// has seconds between its pods.
pub fn one(_: u32, _: &Plan) -> u32 {
    1
}

/// Steps whose shares are of all pods, rounded up each.
pub fn largest_step(pods: u32, plan: &Plan) -> u32 {
    let goals = plan.shares.iter().map(|share| (pods * share).div_ceil(100));
    let mut before = 0;
    let batches = goals.map(|goal| goal - std::mem::replace(&mut before, goal));
    batches.max().unwrap_or(0)
}

/// A Deployment that keeps its name is updated natively in the end, by its own
/// strategy: a quarter at a time, rounded down.
pub fn quarter(pods: u32, _: &Plan) -> u32 {
    pods / 4
}

/// What each batch may leave unready: `maxUnavailable: 1`.
pub fn tolerated(_: u32, _: &Plan) -> u32 {
    1
}
