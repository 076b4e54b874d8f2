//! `spec.strategy.canary` of an AppRollout: steps that move traffic. Ours
//! alone; the original has no such field.

use super::check::Check;
use super::requests;
use super::shape::{Field, INT32, Kind, Shape};
use crate::core::model::{
    Amount, Canary, CanaryStep, DEFAULT_DRAIN_SECONDS, InputError, Place, PodPatch, RolloutPlan,
    RouteProvider, Traffic, TrafficRoute,
};
use crate::core::traffic::{Class, HeaderChange, Weight};
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
        Field::optional(
            "httpRoute",
            Kind::Object(&HTTP_ROUTE),
            "A Gateway API HTTPRoute of this plan that points at the component's Service.",
        ),
        Field::optional(
            "ingress",
            Kind::Object(&INGRESS),
            "An Ingress of this plan that points at the component's Service; a second one beside \
             it takes the new revision's share.",
        ),
        Field::optional(
            "drainSeconds",
            Kind::Count { min: 0, max: LONGEST_DRAIN },
            "How long pods serve on after a shift is confirmed, before they are taken away; 5.",
        ),
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

static INGRESS: Shape = Shape {
    doc: "An Ingress whose controller shares traffic by annotations.",
    fields: &[
        Field::required("name", Kind::Name, "Its name, in the rollout's namespace."),
        Field::optional(
            "classType",
            Kind::OneOf(&["nginx", "higress", "mse", "aliyun-alb"]),
            "Which controller's annotations are written; `nginx`.",
        ),
    ],
};

static STEP: Shape = Shape {
    doc: "One step: first the pods, then the traffic, then the old pods.",
    fields: &[
        Field::optional(
            "weight",
            Kind::Count { min: 0, max: 100 },
            "The new revision's share of the traffic in per cent; it never falls. Left out, it \
             stays what it was before.",
        ),
        Field::optional(
            "replicas",
            Kind::Amount,
            "Its pods: a number, or a percentage of all; as many as the weight needs if left out.",
        ),
        Field::unsupported("pause"),
        Field::optional(
            "matches",
            Kind::SomeOf(&Kind::Object(&requests::MATCH)),
            "Requests that the new revision takes whatever its weight, by any of these.",
        ),
        Field::optional(
            "requestHeaderModifier",
            Kind::Object(&requests::HEADERS),
            "What is changed in the headers of the requests that it takes.",
        ),
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
    let canary = strategy.get("canary");
    if let Some(traffic) = canary.and_then(|canary| canary.get("traffic"))
        && ["httpRoute", "ingress"].iter().all(|field| traffic.get(field).is_none())
    {
        let message = "AppRollout.spec.strategy.canary.traffic names nothing to move";
        check.wrong(traffic, message.to_owned(), "`httpRoute`, `ingress` or both");
    }
    let steps = canary.and_then(|canary| canary.get("steps"));
    steps_in_order(check, steps.map(Node::items).unwrap_or_default());
}

fn steps_in_order(check: &mut Check<'_>, steps: &[Node]) {
    let mut before = 0;
    for (i, step) in steps.iter().enumerate() {
        let path = format!("AppRollout.spec.strategy.canary.steps[{i}]");
        if step.get("weight").is_none() && step.get("matches").is_none() {
            let message = format!("{path} moves no traffic");
            check.wrong(step, message, "`weight`, `matches` or both");
        }
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
    let nodes = canary.get("steps").map(Node::items).unwrap_or_default();
    let mut steps: Vec<CanaryStep> = Vec::with_capacity(nodes.len() + 1);
    for node in nodes {
        let before = steps.last().map(|step| step.weight).unwrap_or_default();
        steps.push(CanaryStep {
            weight: number(node.get("weight")).and_then(Weight::new).unwrap_or(before),
            replicas: node.get("replicas").map(|node| amount(node, source)).transpose()?,
            matches: requests::matches(node.get("matches")),
            headers: requests::headers(node.get("requestHeaderModifier")),
            place: source.place(node.line),
        });
    }
    let whole = |step: &CanaryStep| step.weight == Weight::ALL && step.matches.is_empty();
    if !steps.last().is_some_and(whole) {
        steps.push(promotion(source.place(canary.line)));
    }
    let patch = PodPatch::default();
    let translated = Canary { traffic: traffic(canary.get("traffic")), steps, patch };
    if let Some(total) = plan.target_size.filter(|size| u64::from(*size) <= INT32)
        && let Err(error) = translated.pods(total)
    {
        return Err(canary.error(source, error.to_string()));
    }
    Ok(Some(translated))
}

/// The step that everything ends with, where the plan does not say it itself.
fn promotion(place: Place) -> CanaryStep {
    CanaryStep {
        weight: Weight::ALL,
        replicas: None,
        matches: Vec::new(),
        headers: HeaderChange::default(),
        place,
    }
}

fn number(node: Option<&Node>) -> Option<u32> {
    node.and_then(Node::count).and_then(|n| u32::try_from(n).ok())
}

fn traffic(node: Option<&Node>) -> Traffic {
    let route = |field: &str, provider: RouteProvider| {
        let name = node?.get(field)?.get("name")?.text()?.to_owned();
        Some(TrafficRoute { provider, name, document: None, document_file: None })
    };
    let class = node.and_then(|node| node.get("ingress")?.get("classType")?.text());
    let class = Class::named(class.unwrap_or_default());
    let routes = [
        route("httpRoute", RouteProvider::HttpRoute),
        class.and_then(|class| route("ingress", RouteProvider::Ingress(class))),
    ];
    let drain = node.and_then(|node| node.get("drainSeconds"));
    Traffic {
        routes: routes.into_iter().flatten().collect(),
        drain_seconds: number(drain).unwrap_or(DEFAULT_DRAIN_SECONDS),
    }
}
