//! OpenKruise's Rollout, v1alpha1 and v1beta1. Owns what its fields and its
//! defaults mean; which workload it claims is `claimed`'s, and which of its
//! strategies it has is `kruise_strategy`'s.

use super::approllout::{DEADLINE, ON_DELETE, annotations};
use super::check::{Check, Shares, misspelt};
use super::kruise_fields::{BETA, ROLLOUT_ALPHA, ROLLOUT_BETA, STEP_ALPHA, STEP_BETA};
use super::kruise_route;
use super::kruise_strategy::{self, Strategy};
use super::metadata::{self, annotation};
use super::requests;
use super::rollout_plan::{self, amount, number};
use crate::core::health::Rules;
use crate::core::model::{
    Canary, CanaryStep, InputError, Joined, Leeway, Naming, Notice, Pause, Place, PodPatch,
    Rollout, TargetRevision, Traffic,
};
use crate::core::object::KindRef;
use crate::core::strategy::workload::{self, Shape};
use crate::core::traffic::Weight;
use crate::core::yaml::{Node, Source};
use std::sync::Arc;

/// The annotations that the original reads.
const LANE: &str = "rollouts.kruise.io/trafficrouting";
const STYLE: &str = "rollouts.kruise.io/rolling-style";
const IN_BATCH: &str = "rollouts.kruise.io/rollback-in-batch";

/// What one document says.
pub(super) struct Read {
    /// The rollout; of an application that stands for the workload.
    pub rollout: Rollout,
    /// The workload's API version and kind.
    pub workload: (String, String),
    /// Which of the original's defaults hold.
    pub hints: Vec<Notice>,
}

/// How a revision is tried.
enum Style {
    /// In a second workload.
    Canary,
    /// In place, behind a partition.
    Partition,
}

/// Translates one document of the version that it names.
pub(super) fn read(root: &Node, source: &Source, place: &Place) -> Result<Read, Vec<InputError>> {
    let beta = root.get("apiVersion").and_then(Node::text) == Some(BETA);
    let shape = if beta { &ROLLOUT_BETA } else { &ROLLOUT_ALPHA };
    let mut check = Check::new(source);
    check.object(root, shape, "Rollout");
    metadata::own_annotations(&mut check, root, &[ON_DELETE, DEADLINE], "Rollout");
    check_annotations(&mut check, root);
    let spec = root.get("spec");
    let reference = if beta { spec } else { spec.and_then(|spec| spec.get("objectRef")) };
    let reference = reference.and_then(|of| of.get("workloadRef"));
    let strategy = spec.and_then(|spec| spec.get("strategy"));
    let chosen = kruise_strategy::of(&mut check, strategy, beta);
    let lane = lane(&mut check, root, chosen);
    let style = style(&mut check, root, (reference, chosen), lane, beta);
    if let Some(chosen) = chosen {
        check_steps(&mut check, chosen, lane.is_some(), beta);
        chosen.check_failures(&mut check, lane.is_some());
    }
    let (on_delete, deadline_seconds) = annotations(&mut check, root);
    let (Some(chosen), Some(reference), true) = (chosen, reference, check.errors.is_empty()) else {
        return Err(check.errors);
    };
    let canary = chosen.node;
    let text = |name: &str| metadata::text(Some(reference), name).unwrap_or_default();
    let meta = root.get("metadata");
    let namespace = metadata::text(meta, "namespace");
    let (steps, pauses) =
        steps(canary, source, beta, lane.is_some()).map_err(|error| vec![error])?;
    let routings = canary.get("trafficRoutings").map(Node::items).unwrap_or_default();
    let traffic = match routings {
        [] => Traffic::default(),
        _ => kruise_route::traffic(routings),
    };
    let disabled = spec.and_then(|spec| spec.get("disabled")?.flag()).unwrap_or(false);
    let hints = style.hints(root, source, beta);
    let canary = Canary {
        traffic,
        leeway: Leeway::default(),
        failures: chosen.failures(source).map_err(|error| vec![error])?,
        stable_stays: true,
        steps,
        patch: patch(canary.get("patchPodTemplateMetadata")),
        lane: lane.map(|lane| Joined { lane: lane.to_owned(), ..Joined::default() }),
    };
    let mut plan = rollout_plan::at_once(&rollout_plan::unstated());
    plan.paused = strategy.and_then(|strategy| strategy.get("paused")?.flag()).unwrap_or(false);
    let rollout = Rollout {
        namespace,
        name: metadata::text(meta, "name").unwrap_or_default(),
        target: TargetRevision::Latest { application: text("name") },
        source: None,
        component: Some(text("name")),
        component_of: None,
        with: Vec::new(),
        plan,
        naming: Naming::Kept,
        canary: Some(canary),
        blue_green: None,
        ratio: None,
        disabled,
        pauses,
        on_delete: on_delete.unwrap_or_default(),
        deadline_seconds,
        owners: Arc::default(),
        health: Rules::default(),
        place: place.clone(),
    };
    Ok(Read { rollout, workload: (text("apiVersion"), text("kind")), hints })
}

fn check_annotations(check: &mut Check<'_>, root: &Node) {
    let Some(annotations) = root.get("metadata").and_then(|m| m.get("annotations")) else { return };
    for entry in annotations.entries() {
        let name = entry.key.text.as_str();
        if name.starts_with("rollouts.kruise.io/") && ![LANE, STYLE].contains(&name) {
            let message = match name {
                IN_BATCH => format!("the annotation `{name}` is not supported yet"),
                _ => format!("unknown annotation `{name}` of a Rollout"),
            };
            let hint = "take it out: nothing is accepted and then ignored";
            check.errors.push(entry.key.error(check.source, message).hint(hint));
        }
    }
}

/// The lane that it names, by field or by annotation.
fn lane<'n>(
    check: &mut Check<'_>,
    root: &'n Node,
    chosen: Option<Strategy<'n>>,
) -> Option<&'n str> {
    let canary = chosen.map(|chosen| chosen.node);
    let field = canary.and_then(|canary| canary.get("trafficRoutingRef"));
    let annotation = annotation(root, LANE);
    let (first, second) = (field.and_then(Node::text), annotation.and_then(Node::text));
    if let (Some(one), Some(other), Some(node)) = (first, second, annotation)
        && one != other
    {
        let message =
            format!("the annotation {LANE} names `{other}`, but `trafficRoutingRef` `{one}`");
        check.wrong(node, message, &format!("`{one}`, or leave it out"));
    }
    let routings = canary.and_then(|canary| canary.get("trafficRoutings"));
    if let Some(node) = routings.filter(|routings| !routings.items().is_empty())
        && (first.is_some() || second.is_some())
    {
        let message = "`trafficRoutings` stands beside a TrafficRouting that is joined";
        let hint = "either moves the traffic of this workload: leave one of the two out";
        check.errors.push(node.error(check.source, message).hint(hint));
    }
    first.or(second).filter(|name| !name.is_empty())
}

fn style(
    check: &mut Check<'_>,
    root: &Node,
    (reference, chosen): (Option<&Node>, Option<Strategy<'_>>),
    lane: Option<&str>,
    beta: bool,
) -> Style {
    let field = |name: &str| chosen.and_then(|chosen| chosen.node.get(name));
    let blue_green = chosen.is_some_and(|chosen| chosen.blue_green);
    let of = |name: &str| reference.and_then(|r| r.get(name)).and_then(Node::text);
    let deployment = (of("apiVersion"), of("kind")) == (Some("apps/v1"), Some("Deployment"));
    let implied = blue_green || lane.is_some() || field("patchPodTemplateMetadata").is_some();
    let extra = field("enableExtraWorkloadForCanary").and_then(Node::flag).unwrap_or(false);
    let said = annotation(root, STYLE);
    let word = said.and_then(Node::text).map(str::to_ascii_lowercase);
    if let Some(node) = said
        && !matches!(word.as_deref(), Some("canary" | "partition"))
    {
        check.wrong(
            node,
            format!("the annotation {STYLE} is {}", node.describe()),
            "`canary` or `partition`",
        );
    }
    if let Some(node) = said.filter(|_| word.as_deref() == Some("partition") && (implied || extra))
    {
        let message = format!(
            "the annotation {STYLE} is `partition`, beside what only pods of a second workload have"
        );
        check.wrong(node, message, "`canary`, or leave it out");
    }
    let off = field("enableExtraWorkloadForCanary").filter(|node| node.flag() == Some(false));
    if let Some(node) = off.filter(|_| implied) {
        let message =
            "`enableExtraWorkloadForCanary: false` stands beside what needs a second workload";
        check.wrong(node, message.to_owned(), "`true`, or leave it out");
    }
    let canary = match word.as_deref() {
        Some("canary") => true,
        Some("partition") => implied || extra,
        _ => extra || implied || deployment && !beta,
    };
    let Some(node) = reference else { return Style::Canary };
    match (canary, deployment) {
        (true, true) => Style::Canary,
        (false, false) => {
            let (api_version, name) = (of("apiVersion"), of("kind"));
            let known = api_version.zip(name).map(|(version, kind)| KindRef::new(version, kind));
            let steps = |kind: &KindRef| {
                workload::of(kind).is_some_and(|known| known.shape != Shape::Nodes)
            };
            if let Some(kind) = known.filter(|kind| !steps(kind)) {
                let message = format!(
                    "{} {} is of a kind that is not updated step by step",
                    kind.api_version, kind.kind
                );
                let hint = "without a Rollout its document is applied as it stands; steps have an \
                            apps/v1 Deployment or StatefulSet, and a CloneSet";
                check.errors.push(node.error(check.source, message).hint(hint));
            }
            Style::Partition
        }
        (true, false) => {
            let message = "a second workload is made of an apps/v1 Deployment only";
            let hint = match blue_green {
                true => "other kinds are updated in place: write a `canary`",
                false => {
                    "other kinds are updated in place: take out what only pods of a second one \
                     would have"
                }
            };
            check.errors.push(node.error(check.source, message).hint(hint));
            Style::Canary
        }
        (false, true) => {
            let message = "a Deployment cannot be updated in place step by step";
            let hint = "`enableExtraWorkloadForCanary: true` tries the revision in a second \
                        workload (v1beta1); or take out the annotation that says `partition`";
            check.errors.push(node.error(check.source, message).hint(hint));
            Style::Partition
        }
    }
}

impl Style {
    /// Which of the original's defaults hold.
    fn hints(&self, root: &Node, source: &Source, beta: bool) -> Vec<Notice> {
        let canary = root.get("spec").and_then(|s| s.get("strategy")?.get("canary"));
        let said = canary.and_then(|c| c.get("enableExtraWorkloadForCanary"));
        let message = match self {
            Self::Canary if beta && canary.is_some() && said.is_none() => {
                "without `enableExtraWorkloadForCanary: true` the original would update the \
                 Deployment in place; its pod labels or its TrafficRouting mean a second workload, \
                 so there is one"
            }
            _ => return Vec::new(),
        };
        vec![Notice { place: source.place(root.line), message: message.to_owned() }]
    }
}

fn check_steps(check: &mut Check<'_>, chosen: Strategy<'_>, joined: bool, beta: bool) {
    let steps = chosen.node.get("steps").map(Node::items).unwrap_or_default();
    let routings = chosen.node.get("trafficRoutings").map(Node::items);
    let routed = routings.is_some_and(|routings| !routings.is_empty());
    if let Some(second) = routings.and_then(|routings| routings.get(1)) {
        let message = "more than one entry in `trafficRoutings`";
        check.wrong(second, message.to_owned(), "one; it may name several kinds of route");
    }
    kruise_route::check_routings(
        check,
        routings.unwrap_or_default(),
        &format!("{}.trafficRoutings", chosen.path()),
    );
    let (shape, weight_field) =
        if beta { (&STEP_BETA, "traffic") } else { (&STEP_ALPHA, "weight") };
    let mut shares = Shares::new("the share");
    for (i, step) in steps.iter().enumerate() {
        let path = format!("{}.steps[{i}]", chosen.path());
        let missing = |name: &str| step.get(name).is_none() && !misspelt(step, shape, name);
        if missing("replicas") && (beta || missing(weight_field)) {
            let expected = if beta { "`replicas`" } else { "`weight` or `replicas`" };
            check.wrong(step, format!("{path} says of no pods"), expected);
        }
        for field in ["matches", "requestHeaderModifier", weight_field] {
            if let Some(node) = step.get(field).filter(|_| joined) {
                let message =
                    format!("{path}.{field} stands beside a TrafficRouting that is joined");
                let hint = "the TrafficRouting says which requests are the lane's: leave it out";
                check.errors.push(node.error(check.source, message).hint(hint));
            } else if let Some(node) =
                step.get(field).filter(|_| !routed && (beta || field != "weight"))
            {
                let message = format!("{path}.{field} needs something that moves requests");
                check.wrong(node, message, "an entry in `trafficRoutings`");
            }
        }
        let Some(node) = step.get(weight_field) else { continue };
        let least = chosen.least_share();
        let Some(share) = share(node).filter(|share| *share >= least) else {
            if beta {
                let message = format!("{path}.traffic is {}", node.describe());
                check.wrong(node, message, &format!("a percentage from `{least}%` to `100%`"));
            }
            continue;
        };
        shares.next(check, node, &format!("{path}.{weight_field}"), u64::from(share));
    }
}

/// A share in per cent, as either version writes it.
fn share(node: &Node) -> Option<u32> {
    match node.text() {
        Some(text) => text.strip_suffix('%')?.parse().ok().filter(|n| *n <= 100),
        None => number(Some(node)).filter(|n| *n <= 100),
    }
}

type Steps = (Vec<CanaryStep>, Vec<Option<Pause>>);

fn steps(canary: &Node, source: &Source, beta: bool, joined: bool) -> Result<Steps, InputError> {
    let mut steps: Vec<CanaryStep> = Vec::new();
    let mut pauses = Vec::new();
    let weight_field = if beta { "traffic" } else { "weight" };
    let routed = canary.get("trafficRoutings").is_some_and(|list| !list.items().is_empty());
    let nodes = canary.get("steps").map(Node::items).unwrap_or_default();
    for node in nodes {
        let said = node.get(weight_field).and_then(share);
        let before = steps.last().map(|step| step.weight).unwrap_or_default();
        // Without a route there is no share, and the weight is of pods.
        let weight = said.filter(|_| routed).and_then(Weight::new).unwrap_or(before);
        let replicas = match (node.get("replicas"), said) {
            (Some(replicas), _) => Some(amount(replicas, source, "replicas")?),
            (None, share) => share.map(crate::core::model::Amount::Percent),
        };
        steps.push(CanaryStep {
            matches: requests::matches(node.get("matches")),
            headers: requests::headers(node.get("requestHeaderModifier")),
            ..CanaryStep::weighing(weight, replicas, source.place(node.line))
        });
        let pause = node.get("pause");
        pauses.push(Some(match pause.and_then(|pause| number(pause.get("duration"))) {
            Some(seconds) => Pause::held(seconds),
            None => Pause::UntilApproved { approved_for: None },
        }));
    }
    // At the end the workload itself is updated; and, once a lane has left the
    // pods that were tried, these go.
    for _ in 0..=usize::from(joined) {
        steps.push(CanaryStep::weighing(Weight::ALL, None, source.place(canary.line)));
    }
    Ok((steps, pauses))
}

fn patch(node: Option<&Node>) -> PodPatch {
    PodPatch {
        labels: metadata::texts(node, "labels"),
        annotations: metadata::texts(node, "annotations"),
    }
}
