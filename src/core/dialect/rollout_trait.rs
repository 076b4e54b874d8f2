//! KubeVela's trait `rollout`: a rollout of one component of an Application, by
//! the component's own revisions. Owns the trait's parameters; where component
//! and rollout fit together is told once the plan is whole.

use super::check::{Check, revision_of};
use super::rollout_plan::{self, number};
use super::shape::{Field, INT32, Kind, Shape};
use crate::core::model::{Amount, Batch, Batches, RolloutPlan, TargetRevision};
use crate::core::yaml::Node;

/// The trait's name.
pub(super) const TRAIT: &str = "rollout";

static PROPERTIES: Shape = Shape {
    doc: "A rollout of the component by revisions of its own.",
    fields: &[
        Field::optional(
            "targetRevision",
            Kind::Revision,
            "The component's revision to reach; the newest if left out.",
        ),
        Field::required(
            "targetSize",
            Kind::Count { min: 0, max: INT32 },
            "The number of pods to reach.",
        ),
        Field::optional(
            "rolloutBatches",
            Kind::SomeOf(&Kind::Object(&BATCH)),
            "The batches, in order; a single one if left out.",
        ),
        Field::optional(
            "batchPartition",
            Kind::Count { min: 0, max: INT32 },
            "The last batch, counted from 0, that may run; all may if left out.",
        ),
    ],
};

static BATCH: Shape = Shape {
    doc: "One batch.",
    fields: &[Field::required(
        "replicas",
        Kind::Count { min: 0, max: INT32 },
        "How many pods are in it.",
    )],
};

/// Checks a trait of a component.
pub(super) fn check(check: &mut Check<'_>, one: &Node, component: &str) {
    let path = format!("the trait `{TRAIT}` of component `{component}`");
    let Some(properties) = one.get("properties") else {
        let message = format!("`properties` is missing in {path}");
        check.errors.push(one.error(check.source, message).hint("`targetSize` is required"));
        return;
    };
    check.object(properties, &PROPERTIES, &path);
    let of = |node: &Node| node.text().and_then(revision_of).map(str::to_owned);
    if let Some(node) = properties.get("targetRevision")
        && of(node).is_some_and(|named| named != component)
    {
        let message = format!("{path}.targetRevision is {}", node.describe());
        check.wrong(node, message, &format!("a revision of the component, `{component}-vN`"));
    }
}

/// The revision that a trait names, or the component's newest.
pub(super) fn target(one: &Node, component: &str) -> TargetRevision {
    let named = one.get("properties").and_then(|p| p.get("targetRevision")).and_then(Node::text);
    match named {
        Some(name) => TargetRevision::Named(name.to_owned()),
        None => TargetRevision::Latest { application: component.to_owned() },
    }
}

/// The batches of a trait that was checked.
pub(super) fn plan(one: &Node) -> RolloutPlan {
    let field = |name: &str| one.get("properties").and_then(|properties| properties.get(name));
    let batch = |batch: &Node| Batch {
        replicas: number(batch.get("replicas")).map(Amount::Count),
        max_unavailable: Amount::Count(0),
    };
    let batches = field("rolloutBatches").map(|listed| listed.items().iter().map(batch).collect());
    RolloutPlan {
        target_size: number(field("targetSize")),
        batches: batches.map_or(Batches::Even(1), Batches::Listed),
        batch_partition: number(field("batchPartition")),
        ..rollout_plan::unstated()
    }
}
