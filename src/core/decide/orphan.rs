//! Orphans: workloads, Services of single revisions and second Ingresses that
//! say they are ours and that the record does not know, such as a superseded run
//! leaves when its create lands late. Owns what counts as one and the step that
//! removes them; it must never choose one that has pods or takes requests, or
//! that anything wanted is called.

use super::removal::Removal;
use super::{Act, Decision, Entry, Refusal};
use crate::core::object::{ObjectRef, at};
use crate::core::record::{EntityRecord, Inventory, OpenStep};
use crate::core::strategy::workload::{WorkloadKind, Workloads};
use crate::core::strategy::{
    BodyTable, EntityKey, EntityKind, StepKind, entity_of, epoch_of, is_twin,
};
use crate::core::traffic::takes_nothing;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is looked at to find orphans of a rollout or a lane at which nothing is
/// due.
#[derive(Clone, Debug)]
pub struct OrphanView<'a> {
    /// The rollout, or the lane.
    pub key: &'a EntityKey,
    /// The project's id.
    pub project: &'a str,
    /// The target's name.
    pub target: &'a str,
    /// Its record.
    pub record: &'a EntityRecord,
    /// The objects that the record knows.
    pub inventory: &'a Inventory,
    /// The names of everything that it wants.
    pub wanted: &'a BTreeSet<ObjectRef>,
    /// Every live workload that is labelled as ours: a complete list; every
    /// Service of a single revision that no route leads to; and every second
    /// Ingress that takes nothing.
    pub labelled: &'a [Arc<Value>],
    /// The kinds of workload, as the plans of its revisions have them.
    pub workloads: &'a Workloads,
    /// The plan commit in force.
    pub plan_commit: &'a str,
}

/// The step that removes an entity's orphans, a refusal that names one with
/// pods, or none.
#[must_use]
pub fn decide_orphans(view: &OrphanView<'_>) -> Option<Decision> {
    let found: Vec<(ObjectRef, &Value)> = view
        .labelled
        .iter()
        .filter_map(|live| Some((ObjectRef::of(live)?, live.as_ref())))
        .filter(|(object, live)| is_orphan(view, object, live))
        .collect();
    let kind = |object: &ObjectRef| view.workloads.of_object(object).map(|kind| &**kind);
    if let Some((object, live)) = found.iter().find(|(object, live)| !inert(kind(object), live)) {
        let epoch = epoch_of(live).unwrap_or_default();
        return Some(Decision::Refuse(Refusal::safety(
            format!(
                "{}: {object} says it is ours (epoch {epoch}), the record does not know it, and it \
                 has pods",
                view.key
            ),
            format!(
                "see what serves from it; then scale it to 0, and `tranche apply` removes it, or take \
                 the annotation `tranche.dev/entity` off {object} to keep it"
            ),
        )));
    }
    let orphans = found.into_iter().filter_map(|(object, live)| {
        let uid = at(live, "/metadata/uid").and_then(Value::as_str)?.to_owned();
        Some((object, uid))
    });
    let mut orphans: Vec<_> = orphans.collect();
    orphans.sort();
    let step = removal(view.project, view.target, view.key, view.record).step(orphans)?;
    let mut record = view.record.clone();
    record.step_plan.get_or_insert_with(|| view.plan_commit.to_owned());
    let step_plan = record.step_plan.clone().unwrap_or_default();
    let table = BodyTable::default().knowing(view.workloads);
    let act = Act { table, ..Act::bare(Entry::Fresh, step, record, step_plan) };
    Some(Decision::Act(Box::new(act)))
}

/// An open removal whose run is gone.
pub(super) fn reopened(
    (project, target): (&str, &str),
    key: &EntityKey,
    record: &EntityRecord,
    open: &OpenStep,
    entry: Entry,
) -> Result<Decision, Refusal> {
    removal(project, target, key, record).reopened(open, entry, <[_]>::sort)
}

fn removal<'a>(
    project: &'a str,
    target: &'a str,
    key: &'a EntityKey,
    record: &'a EntityRecord,
) -> Removal<'a> {
    Removal { project, target, key, record, kind: StepKind::Orphans, round: record.settled }
}

fn is_orphan(view: &OrphanView<'_>, object: &ObjectRef, live: &Value) -> bool {
    let uid = at(live, "/metadata/uid").and_then(Value::as_str);
    let known = view.inventory.objects.iter().any(|owned| Some(owned.uid.as_str()) == uid);
    entity_of(live).as_ref() == Some(view.key)
        && epoch_of(live).is_some()
        && (!known || is_nobodys(view.key, live))
        && !view.wanted.contains(object)
        && at(live, "/metadata/deletionTimestamp").is_none()
}

/// Whether an object is nobody's at rest, known or not: what a rollout has only
/// while it shares traffic. What a lane is known to have it keeps or prunes.
fn is_nobodys(key: &EntityKey, live: &Value) -> bool {
    key.kind == EntityKind::Rollout && (is_twin(live) || takes_nothing(live))
}

/// No pods, wanted or left; a Service of a single revision has none of its own,
/// and a second Ingress that takes nothing leads to none.
#[must_use]
pub fn inert(kind: Option<&WorkloadKind>, live: &Value) -> bool {
    let Some(kind) = kind else { return is_twin(live) || takes_nothing(live) };
    let pods = kind.read(live);
    pods.wanted == 0 && pods.replicas == 0
}
