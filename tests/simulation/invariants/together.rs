//! S20: a batch is done once all its pods are, of every component that goes
//! through it.

use super::Audit;
use crate::plan::Kind;
use crate::schedule::Sim;
use crate::side::Component;
use serde_json::Value;
use tranche::core::object::{KindRef, at};
use tranche::core::record::{EntityRecord, OpenStep};
use tranche::core::strategy::{Movement, Sizes, StepKind, goals};
use tranche::port::CommitId;

/// A pod, as an audit sees it.
pub(super) struct Seen {
    pub(super) image: String,
    pub(super) ready: bool,
}

/// The pods of a component that stay.
pub(super) fn staying(sim: &Sim, component: &str) -> Vec<Seen> {
    let mut found = Vec::new();
    let _ = sim.sandbox.visit(&KindRef::new("v1", "Pod"), &mut |_, pod| {
        let label = pod.pointer("/metadata/labels/app.oam.dev~1component").and_then(Value::as_str);
        if label == Some(component) && at(pod, "/metadata/deletionTimestamp").is_none() {
            found.push(seen(pod));
        }
    });
    found
}

pub(super) fn seen(pod: &Value) -> Seen {
    let image = at(pod, "/spec/containers/0/image").and_then(Value::as_str);
    let ready = at(pod, "/status/containerStatuses/0/ready") == Some(&Value::Bool(true));
    Seen { image: image.unwrap_or_default().to_owned(), ready }
}

/// The sizes of a component, as the record has them.
pub(super) fn sizes(record: &EntityRecord, component: &str, second: bool) -> Option<Sizes> {
    if !second {
        return Some(record.sizes());
    }
    record.beside.iter().find(|one| one.component == component).map(|one| one.sizes)
}

/// How many pods of a component there are once its rollout has succeeded. A first
/// deploy of a DaemonSet is of a size that nobody knows before it stands.
pub(super) fn whole(component: &Component<'_>, sizes: Sizes) -> u32 {
    match component.kind() {
        Kind::Nodes => u32::try_from(component.app.replicas).unwrap_or(0),
        _ => sizes.target,
    }
}

impl Audit {
    /// A batch was recorded as done.
    pub(super) fn all_moved(
        &mut self,
        sim: &Sim,
        run: &str,
        record: &EntityRecord,
        was: &OpenStep,
    ) {
        let StepKind::Batch(index) = was.kind else { return };
        let app = record.entity.name.as_str();
        let upgrades = record.movement == Some(Movement::Upgrade);
        if upgrades && !record.beside.is_empty() {
            sim.hit("batch: of two components");
        }
        let charged = upgrades && !self.rewritten && !self.disturbed.contains_key(app);
        let Some(target) = record.target.as_ref().filter(|_| charged) else { return };
        let model = sim.plans.borrow().commits.get(&CommitId(was.step_plan.clone())).cloned();
        let Some(model) = model else { return };
        let Some(app) = model.apps.iter().find(|found| found.name == app) else { return };
        let Some(roll) = app.roll.filter(|_| app.kind.has_batches()) else { return };
        for component in app.components() {
            let name = component.name();
            let Some(sizes) = sizes(record, &name, component.is_second()) else {
                self.broken("S20 a batch is done once all its pods are", || {
                    format!("{run} knows no size of {name}")
                });
                continue;
            };
            let all = goals(&roll.parsed_batches(), sizes.target).map(|goals| goals.cumulative);
            let goal = all.ok().and_then(|all| all.get(usize::try_from(index).ok()?).copied());
            let (Some(goal), Some(image)) = (goal, component.image(&target.name)) else { continue };
            let least = goal.saturating_sub(roll.unavailable());
            let pods = staying(sim, &name);
            let ready = pods.iter().filter(|pod| pod.ready && pod.image == image).count();
            if u32::try_from(ready).unwrap_or(u32::MAX) < least {
                self.broken("S20 a batch is done once all its pods are", || {
                    format!(
                        "{run} records batch {index}: {ready} pods of {image} are ready, of {least}"
                    )
                });
            }
        }
    }
}
