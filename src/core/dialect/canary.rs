//! `spec.strategy.canary` of an AppRollout: steps that move traffic. Ours
//! alone; the original has no such field.

use super::check::Check;
use super::pause::PAUSE;
use super::shape::{Field, INT32, Kind, Shape};
use crate::core::model::{
    Amount, Canary, CanaryStep, DEFAULT_DRAIN_SECONDS, InputError, RolloutPlan,
};
use crate::core::traffic::Weight;
use crate::core::yaml::{Node, Source};

/// Longer than an hour is a gate, not a drain.
const LONGEST_DRAIN: u64 = 3_600;

pub(super) static STRATEGY: Shape = Shape {
    doc: "How traffic follows the pods; needs `apiVersion: tranche.dev/v1alpha1`.",
    fields: &[
        Field::required("canary", Kind::Object(&CANARY), "Move traffic step by step."),
        Field::unsupported("blueGreen"),
        Field::unsupported("paused"),
    ],
};

static CANARY: Shape = Shape {
    doc: "Move traffic step by step from the old revision's pods to the new one's.",
    fields: &[
        Field::required("traffic", Kind::Object(&TRAFFIC), "What traffic is moved by."),
        Field::required(
            "steps",
            Kind::SomeOf(&Kind::Object(&STEP)),
            "The steps, in order; each is one batch, and the last one is at weight 100.",
        ),
        Field::unsupported("trafficRoutings"),
        Field::unsupported("trafficRoutingRef"),
        Field::unsupported("enableExtraWorkloadForCanary"),
        Field::unsupported("patchPodTemplateMetadata"),
        Field::unsupported("disableGenerateCanaryService"),
        Field::unsupported("failureThreshold"),
        Field::unsupported("analysis"),
    ],
};

static TRAFFIC: Shape = Shape {
    doc: "What traffic is moved by.",
    fields: &[
        Field::required(
            "httpRoute",
            Kind::Object(&HTTP_ROUTE),
            "A Gateway API HTTPRoute of this plan that points at the component's Service.",
        ),
        Field::optional(
            "drainSeconds",
            Kind::Count { min: 0, max: LONGEST_DRAIN },
            "How long pods serve on after a shift is confirmed, before they are taken away; 5.",
        ),
        Field::unsupported("ingress"),
        Field::unsupported("virtualService"),
        Field::unsupported("gracePeriodSeconds"),
    ],
};

static HTTP_ROUTE: Shape = Shape {
    doc: "A Gateway API HTTPRoute.",
    fields: &[
        Field::required("name", Kind::Name, "Its name, in the rollout's namespace."),
        Field::unsupported("namespace"),
    ],
};

static STEP: Shape = Shape {
    doc: "One step: first the pods, then the traffic, then the old pods.",
    fields: &[
        Field::required(
            "weight",
            Kind::Count { min: 0, max: 100 },
            "The new revision's share of the traffic in per cent; it never falls.",
        ),
        Field::optional(
            "replicas",
            Kind::Amount,
            "Its pods: a number, or a percentage of all; as many as the weight needs if left out.",
        ),
        Field::optional(
            "pause",
            Kind::Object(&PAUSE),
            "What is waited for after it, before the next one.",
        ),
        Field::unsupported("matches"),
        Field::unsupported("requestHeaderModifier"),
        Field::unsupported("traffic"),
        Field::unsupported("analysis"),
    ],
};

/// What the tables cannot say.
pub(super) fn check(check: &mut Check<'_>, root: &Node, spec: Option<&Node>) {
    let Some(strategy) = spec.and_then(|spec| spec.get("strategy")) else {
        if let Some(spec) = spec.filter(|spec| spec.get("rolloutPlan").is_none()) {
            let message = "`rolloutPlan` is missing in AppRollout.spec";
            check.errors.push(spec.error(check.source, message));
        }
        return;
    };
    if let Some(version) =
        root.get("apiVersion").filter(|v| v.text() == Some("core.oam.dev/v1beta1"))
    {
        let message = "`strategy` is no field of an AppRollout of `core.oam.dev/v1beta1`";
        check.wrong(version, message.to_owned(), "`tranche.dev/v1alpha1`");
    }
    let plan = spec.and_then(|spec| spec.get("rolloutPlan"));
    for field in ["rolloutBatches", "numBatches"] {
        if let Some(node) = plan.and_then(|plan| plan.get(field)) {
            let message = format!("AppRollout.spec.rolloutPlan.{field} stands beside a canary");
            let hint = "the steps of the canary are the batches: leave one of the two out";
            check.errors.push(node.error(check.source, message).hint(hint));
        }
    }
    if let Some(node) = plan.and_then(|plan| plan.get("rolloutStrategy"))
        && node.text() == Some("DecreaseFirst")
    {
        let message = "DecreaseFirst takes pods away that the route still sends traffic to";
        check.wrong(node, message.to_owned(), "`IncreaseFirst`, or leave it out");
    }
    let steps = strategy.get("canary").and_then(|canary| canary.get("steps"));
    steps_in_order(check, steps.map(Node::items).unwrap_or_default());
}

fn steps_in_order(check: &mut Check<'_>, steps: &[Node]) {
    let mut before = 0;
    for (i, step) in steps.iter().enumerate() {
        let path = format!("AppRollout.spec.strategy.canary.steps[{i}]");
        let Some((node, weight)) = step.get("weight").and_then(|n| Some((n, n.count()?))) else {
            continue;
        };
        if weight < before {
            let message = format!("{path}.weight is {weight}, less than the {before} before it");
            check.wrong(node, message, &format!("{before} or more: the new share never falls"));
        }
        before = before.max(weight);
        if let Some(replicas) = step.get("replicas")
            && let Ok(Amount::Percent(percent)) = amount(replicas, check.source)
            && u64::from(percent) < weight
        {
            let message =
                format!("{path} sends {weight}% of the traffic to {percent}% of the pods");
            check.wrong(replicas, message, &format!("`{weight}%` or more"));
        }
    }
    let last = steps.last().and_then(|step| step.get("weight"));
    if let Some(node) = last.filter(|node| node.count().is_some_and(|weight| weight < 100)) {
        let message = "the last step of AppRollout.spec.strategy.canary leaves traffic behind";
        check.wrong(node, message.to_owned(), "100");
    }
}

fn amount(node: &Node, source: &Source) -> Result<Amount, InputError> {
    super::rollout_plan::amount(node, source, "replicas")
}

/// Translates a canary that was checked.
pub(super) fn translate(
    spec: &Node,
    source: &Source,
    plan: &RolloutPlan,
) -> Result<Option<Canary>, InputError> {
    let Some(canary) = spec.get("strategy").and_then(|strategy| strategy.get("canary")) else {
        return Ok(None);
    };
    let traffic = canary.get("traffic");
    let number =
        |node: Option<&Node>| node.and_then(Node::count).and_then(|n| u32::try_from(n).ok());
    let route = traffic.and_then(|t| t.get("httpRoute")?.get("name")?.text());
    let steps = canary.get("steps").map(Node::items).unwrap_or_default();
    let step = |node: &Node| {
        Ok(CanaryStep {
            weight: number(node.get("weight")).and_then(Weight::new).unwrap_or_default(),
            replicas: node.get("replicas").map(|node| amount(node, source)).transpose()?,
            place: source.place(node.line),
        })
    };
    let translated = Canary {
        route: route.unwrap_or_default().to_owned(),
        drain_seconds: number(traffic.and_then(|t| t.get("drainSeconds")))
            .unwrap_or(DEFAULT_DRAIN_SECONDS),
        steps: steps.iter().map(step).collect::<Result<_, InputError>>()?,
        document: None,
        document_file: None,
    };
    if let Some(total) = plan.target_size.filter(|size| u64::from(*size) <= INT32)
        && let Err(error) = translated.pods(total)
    {
        return Err(canary.error(source, error.to_string()));
    }
    Ok(Some(translated))
}
