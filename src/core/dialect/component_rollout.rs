//! KubeVela's Rollout of `standard.oam.dev`: a rollout of one component, by the
//! component's own revisions. Which application has the component is found once
//! the plan is whole.

use super::approllout::{DEADLINE, ON_DELETE, annotations};
use super::check::{Check, revision_of};
use super::metadata::{self, METADATA};
use super::rollout_plan::{self, ROLLOUT_PLAN};
use super::shape::{Field, Kind, Shape};
use crate::core::health::Rules;
use crate::core::model::{InputError, Naming, Place, Rollout, TargetRevision};
use crate::core::yaml::{Node, Source};
use std::sync::Arc;

/// Its only version.
pub(super) const STANDARD: &str = "standard.oam.dev/v1alpha1";

pub(super) static ROLLOUT: Shape = Shape {
    doc: "A rollout of one component from one of its revisions to another.",
    fields: &[
        Field::required("apiVersion", Kind::OneOf(&[STANDARD]), "The API version."),
        Field::required("kind", Kind::OneOf(&["Rollout"]), "The kind."),
        Field::required("metadata", Kind::Object(&METADATA), "Standard object metadata."),
        Field::required("spec", Kind::Object(&SPEC), "What to roll out."),
        Field::unsupported("status"),
    ],
};

static SPEC: Shape = Shape {
    doc: "What to roll out.",
    fields: &[
        Field::required("componentName", Kind::Name, "The component that is driven."),
        Field::required("targetRevisionName", Kind::Revision, "The component's revision to reach."),
        Field::optional(
            "sourceRevisionName",
            Kind::MaybeRevision,
            "The component's revision to come from.",
        ),
        Field::required("rolloutPlan", Kind::Object(&ROLLOUT_PLAN), "The batches."),
    ],
};

/// Translates one document.
pub(super) fn read(
    root: &Node,
    source: &Source,
    place: &Place,
) -> Result<Rollout, Vec<InputError>> {
    let mut check = Check::new(source);
    check.object(root, &ROLLOUT, "Rollout");
    metadata::own_annotations(&mut check, root, &[ON_DELETE, DEADLINE], "Rollout");
    let spec = root.get("spec");
    let plan = spec.and_then(|spec| spec.get("rolloutPlan"));
    if let Some(plan) = plan {
        rollout_plan::check(&mut check, plan, "Rollout.spec.rolloutPlan");
    }
    let component = metadata::text(spec, "componentName").unwrap_or_default();
    for name in ["targetRevisionName", "sourceRevisionName"] {
        let Some(node) = spec.and_then(|spec| spec.get(name)) else { continue };
        if node.text().and_then(revision_of).is_some_and(|named| named != component) {
            let message = format!("Rollout.spec.{name} is {}", node.describe());
            let due = format!("a revision of the component, `{component}-vN`");
            check.wrong(node, message, &due);
        }
    }
    let (on_delete, deadline_seconds) = annotations(&mut check, root);
    let (Some(plan), true) = (plan, check.errors.is_empty()) else { return Err(check.errors) };
    let meta = root.get("metadata");
    Ok(Rollout {
        namespace: metadata::text(meta, "namespace"),
        name: metadata::text(meta, "name").unwrap_or_default(),
        target: TargetRevision::Named(
            metadata::text(spec, "targetRevisionName").unwrap_or_default(),
        ),
        source: metadata::text(spec, "sourceRevisionName").filter(|name| !name.is_empty()),
        component: Some(component),
        component_of: None,
        with: Vec::new(),
        plan: rollout_plan::translate(plan, source).map_err(|error| vec![error])?,
        naming: Naming::Revision,
        canary: None,
        ratio: None,
        blue_green: None,
        disabled: false,
        pauses: Vec::new(),
        on_delete: on_delete.unwrap_or_default(),
        deadline_seconds,
        owners: Arc::default(),
        health: Rules::default(),
        place: place.clone(),
    })
}
