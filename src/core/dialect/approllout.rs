//! KubeVela's AppRollout.

use super::blue_green;
use super::canary::{self, STRATEGY};
use super::check::{Check, misspelt, revision_of};
use super::duration;
use super::metadata::{self, METADATA, annotation};
use super::pause;
use super::ratio;
use super::rollout_plan::{self, ROLLOUT_PLAN};
use super::shape::{Field, Kind, Shape};
use crate::core::health::Rules;
use crate::core::model::{
    DEFAULT_DEADLINE_SECONDS, InputError, Naming, OnDelete, Place, Rollout, TargetRevision,
};
use crate::core::yaml::{Node, Source};
use std::sync::Arc;

/// What becomes of an open rollout that vanishes from the plan.
pub(super) const ON_DELETE: &str = "tranche.dev/on-delete";
/// How long a batch may wait for readiness.
pub(super) const DEADLINE: &str = "tranche.dev/progress-deadline";

pub(super) static APPROLLOUT: Shape = Shape {
    doc: "A rollout of components of an application from one revision to another.",
    fields: &[
        Field::required(
            "apiVersion",
            Kind::OneOf(&["core.oam.dev/v1beta1", "tranche.dev/v1alpha1"]),
            "The API version.",
        ),
        Field::required("kind", Kind::OneOf(&["AppRollout"]), "The kind."),
        Field::required("metadata", Kind::Object(&METADATA), "Standard object metadata."),
        Field::required("spec", Kind::Object(&SPEC), "What to roll out."),
        Field::unsupported("status"),
    ],
};

static SPEC: Shape = Shape {
    doc: "What to roll out.",
    fields: &[
        Field::optional(
            "targetAppRevisionName",
            Kind::Revision,
            "The revision to reach; only `strategy.replicaRatio` leaves it out.",
        ),
        Field::optional("sourceAppRevisionName", Kind::MaybeRevision, "The revision to come from."),
        Field::optional(
            "componentList",
            Kind::List(&Kind::Name),
            "The components that are driven, batch by batch together.",
        ),
        Field::optional(
            "rolloutPlan",
            Kind::Object(&ROLLOUT_PLAN),
            "The batches; may be left out only beside `strategy`.",
        ),
        Field::optional(
            "strategy",
            Kind::Object(&STRATEGY),
            "How traffic follows the pods; its steps take the place of the batches.",
        ),
        Field::optional(
            "revertOnDelete",
            Kind::Flag,
            "Go back to the source when the rollout vanishes from the plan while it is open.",
        ),
    ],
};

/// Translates one document.
pub(super) fn read(
    root: &Node,
    source: &Source,
    place: &Place,
) -> Result<Rollout, Vec<InputError>> {
    let mut check = Check::new(source);
    check.object(root, &APPROLLOUT, "AppRollout");
    metadata::own_annotations(&mut check, root, &[ON_DELETE, DEADLINE], "AppRollout");
    let spec = root.get("spec");
    let plan = spec.and_then(|spec| spec.get("rolloutPlan"));
    let shifts = spec.is_some_and(|spec| spec.get("strategy").is_some());
    if let Some(plan) = plan.filter(|_| !shifts) {
        rollout_plan::check(&mut check, plan, "AppRollout.spec.rolloutPlan");
    }
    canary::check(&mut check, root, spec);
    names_its_target(&mut check, spec);
    if let Some(spec) = spec {
        pause::check(&mut check, spec);
    }
    components(&mut check, spec);
    one_application(&mut check, spec);
    let (on_delete, deadline_seconds) = annotations(&mut check, root);
    let (Some(spec), true) = (spec, check.errors.is_empty()) else { return Err(check.errors) };
    let plan = match spec.get("rolloutPlan") {
        Some(plan) => rollout_plan::translate(plan, source).map_err(|error| vec![error])?,
        None => rollout_plan::unstated(),
    };
    let canary = canary::translate(spec, source, &plan).map_err(|error| vec![error])?;
    let blue_green = blue_green::translate(spec);
    let ratio = ratio::translate(spec);
    let strategic = canary.is_some() || blue_green.is_some() || ratio.is_some();
    let plan = if strategic { rollout_plan::at_once(&plan) } else { plan };
    let pauses = match (&blue_green, &ratio) {
        (Some(blue_green), _) => blue_green::gates(spec, blue_green),
        (None, Some(ratio)) => ratio::gates(spec, ratio),
        (None, None) => pause::translate(spec),
    };
    let named = metadata::text(Some(spec), "targetAppRevisionName").unwrap_or_default();
    let target = match &ratio {
        // What it reads from the cluster is called after the Deployment.
        Some(ratio) => TargetRevision::Latest { application: ratio.deployment.clone() },
        None => TargetRevision::Named(named),
    };
    let reverts = spec.get("revertOnDelete").and_then(Node::flag).unwrap_or(false);
    let default = if reverts { OnDelete::Abort } else { OnDelete::default() };
    let listed = spec.get("componentList").map(Node::items).unwrap_or_default();
    let mut listed = listed.iter().filter_map(Node::text).map(str::to_owned);
    let meta = root.get("metadata");
    Ok(Rollout {
        namespace: metadata::text(meta, "namespace"),
        name: metadata::text(meta, "name").unwrap_or_default(),
        target,
        source: metadata::text(Some(spec), "sourceAppRevisionName").filter(|name| !name.is_empty()),
        component: listed.next(),
        component_of: None,
        with: listed.collect(),
        plan,
        naming: if ratio.is_some() { Naming::Captured } else { Naming::Revision },
        canary,
        blue_green,
        ratio,
        disabled: false,
        pauses,
        on_delete: on_delete.unwrap_or(default),
        deadline_seconds,
        owners: Arc::default(),
        health: Rules::default(),
        place: place.clone(),
    })
}

/// Every other rollout is from one revision of an application to another.
fn names_its_target(check: &mut Check<'_>, spec: Option<&Node>) {
    let field = "targetAppRevisionName";
    if let Some(spec) = spec.filter(|spec| spec.is_map())
        && !ratio::is_meant(Some(spec))
        && spec.get(field).is_none()
        && !misspelt(spec, &SPEC, field)
    {
        let message = format!("`{field}` is missing in AppRollout.spec");
        check.errors.push(spec.error(check.source, message));
    }
}

/// Several components go through batches, and through nothing else: a route or a
/// Service is one component's, and so is a size.
fn components(check: &mut Check<'_>, spec: Option<&Node>) {
    let node = |name: &str| spec.and_then(|spec| spec.get(name));
    let list = node("componentList").map(Node::items).unwrap_or_default();
    for (i, one) in list.iter().enumerate() {
        if one.text().is_some() && list.iter().take(i).any(|other| other.text() == one.text()) {
            let message = format!("AppRollout.spec.componentList names {} twice", one.describe());
            check.wrong(one, message, "each component once");
        }
    }
    if list.len() < 2 {
        return;
    }
    let of = "with more than one component in AppRollout.spec.componentList";
    if let Some(strategy) = node("strategy") {
        let message = format!("a strategy {of}");
        check.wrong(strategy, message, "`rolloutPlan` alone, or a rollout for each component");
    }
    if let Some(size) = node("rolloutPlan").and_then(|plan| plan.get("targetSize")) {
        let message = format!("one targetSize {of}");
        check.wrong(size, message, "no targetSize: each keeps its own size");
    }
}

fn one_application(check: &mut Check<'_>, spec: Option<&Node>) {
    let node = |name: &str| spec.and_then(|spec| spec.get(name));
    let application = |name: &str| node(name).and_then(Node::text).and_then(revision_of);
    let (target, source) =
        (application("targetAppRevisionName"), application("sourceAppRevisionName"));
    if let (Some(target), Some(other), Some(at)) = (target, source, node("sourceAppRevisionName"))
        && target != other
    {
        let message =
            format!("the source is a revision of `{other}`, the target one of `{target}`");
        check.wrong(at, message, &format!("a revision of `{target}`"));
    }
}

/// What the annotations say: on deletion, and the deadline in seconds.
pub(super) fn annotations(check: &mut Check<'_>, root: &Node) -> (Option<OnDelete>, u32) {
    let mut on_delete = None;
    if let Some(node) = annotation(root, ON_DELETE) {
        on_delete = match node.text() {
            Some("freeze") => Some(OnDelete::Freeze),
            Some("abort") => Some(OnDelete::Abort),
            Some("promote") => Some(OnDelete::Promote),
            _ => {
                let message = format!("the annotation {ON_DELETE} is {}", node.describe());
                check.wrong(node, message, "one of `freeze`, `abort`, `promote`");
                None
            }
        };
    }
    let mut deadline = DEFAULT_DEADLINE_SECONDS;
    if let Some(node) = annotation(root, DEADLINE) {
        match node.text().and_then(duration::seconds) {
            Some(seconds) => deadline = seconds,
            None => {
                let message = format!("the annotation {DEADLINE} is {}", node.describe());
                check.wrong(node, message, "a duration such as `10m` or `1h30m`, from 1s to 168h");
            }
        }
    }
    (on_delete, deadline)
}
