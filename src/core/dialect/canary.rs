//! `spec.strategy.canary` of an AppRollout: steps that move traffic. Ours
//! alone; the original has no such field.

use super::blue_green::{self, BLUE_GREEN};
use super::check::{Check, Shares, misspelt};
use super::networks;
use super::pause::PAUSE;
use super::ratio::{self, REPLICA_RATIO};
use super::requests;
use super::rollout_plan::number;
use super::shape::{Field, INT32, Kind, Shape};
use crate::core::model::{
    Amount, Canary, CanaryStep, DEFAULT_DRAIN_SECONDS, InputError, Leeway, PodPatch, RolloutPlan,
    RouteProvider, Traffic, TrafficRoute,
};
use crate::core::traffic::{Class, Weight};
use crate::core::yaml::{Node, Source};

/// Longer than an hour is a gate, not a drain.
const LONGEST_DRAIN: u64 = 3_600;

pub(super) static STRATEGY: Shape = Shape {
    doc: "How traffic follows the pods; needs `apiVersion: tranche.dev/v1alpha1`.",
    fields: &[
        Field::optional("canary", Kind::Object(&CANARY), "Move traffic step by step."),
        Field::optional(
            "blueGreen",
            Kind::Object(&BLUE_GREEN),
            "Move all traffic at once, by a Service's selector; instead of a canary.",
        ),
        Field::optional(
            "replicaRatio",
            Kind::Object(&REPLICA_RATIO),
            "Take a running Deployment over, and share traffic by numbers of pods; instead of both.",
        ),
        Field::unsupported("paused"),
    ],
};

static CANARY: Shape = Shape {
    doc: "Move traffic step by step from the old revision's pods to the new one's.",
    fields: &[
        Field::optional(
            "traffic",
            Kind::Object(&TRAFFIC),
            "What traffic is moved by; without it the share of traffic is the share of pods.",
        ),
        Field::required(
            "steps",
            Kind::SomeOf(&Kind::Object(&STEP)),
            "The steps, in order; each is one batch. What is left after the last one is a step of \
             its own.",
        ),
        Field::optional(
            "dynamicStableScale",
            Kind::Flag,
            "Scale the old revision down with the traffic that is left to it; true. Only with \
             `traffic`.",
        ),
        Field::optional(
            "maxSurge",
            Kind::Amount,
            "Pods that there may be beyond all, rounded up; 25%. Only without `traffic`.",
        ),
        Field::optional(
            "maxUnavailable",
            Kind::Amount,
            "Pods that may be missing of all, rounded down; 25%, and 1 where both come to 0. Only \
             without `traffic`.",
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
        Field::optional("istio", Kind::Object(&networks::ISTIO), "Objects of Istio."),
        Field::optional(
            "custom",
            Kind::SomeOf(&Kind::Object(&networks::CUSTOM)),
            "Routes of other kinds, which a template of the plan writes (`kind: RouteType`).",
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
            "Its pods: a number, or a percentage of all; if left out, as many as the weight needs, \
             or, without `traffic`, as come nearest to it.",
        ),
        Field::optional(
            "pause",
            Kind::Object(&PAUSE),
            "What is waited for after it, before the next one.",
        ),
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
    if ratio::is_meant(spec) {
        return ratio::check(check, spec);
    }
    let plan = spec.and_then(|spec| spec.get("rolloutPlan"));
    let canary = strategy.get("canary");
    let beside = if canary.is_some() { "a canary" } else { "`blueGreen`" };
    for field in ["rolloutBatches", "numBatches"] {
        if let Some(node) = plan.and_then(|plan| plan.get(field)) {
            let message = format!("AppRollout.spec.rolloutPlan.{field} stands beside {beside}");
            let hint = if canary.is_some() {
                "the steps of the canary are the batches: leave one of the two out"
            } else {
                "it has three steps, and they are the batches: leave one of the two out"
            };
            check.errors.push(node.error(check.source, message).hint(hint));
        }
    }
    if blue_green::check(check, strategy, spec, plan) {
        return;
    }
    let traffic = canary.and_then(|canary| canary.get("traffic"));
    if let Some(node) = plan.and_then(|plan| plan.get("rolloutStrategy"))
        && node.text() == Some("DecreaseFirst")
    {
        let message = "DecreaseFirst takes pods away that the route still sends traffic to";
        let (message, expected) = if traffic.is_some() {
            (message, "`IncreaseFirst`, or leave it out")
        } else {
            ("DecreaseFirst stands beside a canary", "`maxSurge: 0` in the canary instead")
        };
        check.wrong(node, message.to_owned(), expected);
    }
    if let Some(traffic) = traffic
        && ["httpRoute", "ingress", "istio", "custom"]
            .iter()
            .all(|field| traffic.get(field).is_none())
    {
        let message = "AppRollout.spec.strategy.canary.traffic names nothing to move";
        let expected = "`httpRoute`, `ingress`, `istio` or `custom`, or several of them";
        check.wrong(traffic, message.to_owned(), expected);
    }
    networks::check(check, traffic);
    for field in ["maxSurge", "maxUnavailable"] {
        if let Some(node) = canary.and_then(|c| c.get(field)).filter(|_| traffic.is_some()) {
            let message =
                format!("AppRollout.spec.strategy.canary.{field} stands beside `traffic`");
            let hint = "it says how pods are shared where nothing else moves traffic: leave it out";
            check.errors.push(node.error(check.source, message).hint(hint));
        }
    }
    let steps = canary.and_then(|canary| canary.get("steps")).map(Node::items).unwrap_or_default();
    steps_in_order(check, steps);
    if traffic.is_some() {
        steps_of_route(check, steps);
    } else {
        steps_of_pods(check, canary, steps);
    }
}

/// What only a route can do.
fn steps_of_pods(check: &mut Check<'_>, canary: Option<&Node>, steps: &[Node]) {
    if let Some(node) = canary.and_then(|canary| canary.get("dynamicStableScale")) {
        let message = "AppRollout.spec.strategy.canary.dynamicStableScale stands without `traffic`";
        let hint = "the share of traffic is the share of pods then: leave it out";
        check.errors.push(node.error(check.source, message).hint(hint));
    }
    for (i, step) in steps.iter().enumerate() {
        for field in ["matches", "requestHeaderModifier"] {
            if let Some(node) = step.get(field) {
                let message = format!(
                    "AppRollout.spec.strategy.canary.steps[{i}].{field} needs something that moves \
                     requests"
                );
                let hint = "name it in `traffic`: `httpRoute`, `ingress`, `istio` or `custom`";
                check.errors.push(node.error(check.source, message).hint(hint));
            }
        }
    }
}

fn steps_in_order(check: &mut Check<'_>, steps: &[Node]) {
    let mut shares = Shares::new("the new share");
    for (i, step) in steps.iter().enumerate() {
        let path = format!("AppRollout.spec.strategy.canary.steps[{i}]");
        let missing = |name: &str| step.get(name).is_none() && !misspelt(step, &STEP, name);
        if missing("weight") && missing("matches") {
            let message = format!("{path} moves no traffic");
            let error = step.error(check.source, message).expected("`weight`, `matches` or both");
            // As users of Argo Rollouts write it.
            let alone = step.get("pause").is_some();
            let hint = "write the `pause` into the step that it follows";
            check.errors.push(if alone { error.hint(hint) } else { error });
        }
        let Some((node, weight)) = step.get("weight").and_then(|n| Some((n, n.count()?))) else {
            continue;
        };
        shares.next(check, node, &format!("{path}.weight"), weight);
    }
}

/// What a route asks of them besides: pods for all that it sends.
fn steps_of_route(check: &mut Check<'_>, steps: &[Node]) {
    for (i, step) in steps.iter().enumerate() {
        let path = format!("AppRollout.spec.strategy.canary.steps[{i}]");
        let Some(weight) = step.get("weight").and_then(Node::count) else { continue };
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
        // The step that everything ends with, where the plan does not say it.
        steps.push(CanaryStep::weighing(Weight::ALL, None, source.place(canary.line)));
    }
    let limit = |name: &str, default: Amount| {
        canary.get(name).map_or(Ok(default), |n| super::rollout_plan::amount(n, source, name))
    };
    let default = Leeway::default();
    let leeway = Leeway {
        surge: limit("maxSurge", default.surge)?,
        unavailable: limit("maxUnavailable", default.unavailable)?,
    };
    let (traffic, patch) = (traffic(canary.get("traffic")), PodPatch::default());
    let dynamic = canary.get("dynamicStableScale").and_then(Node::flag).unwrap_or(true);
    let failures = Amount::default();
    let stable_stays = !dynamic;
    let translated = Canary { traffic, leeway, failures, stable_stays, steps, patch, lane: None };
    if !translated.is_routed() {
        // Whether its steps fit is told once its size is known: there is more
        // to it than the weights.
        return Ok(Some(translated));
    }
    if let Some(total) = plan.target_size.filter(|size| u64::from(*size) <= INT32)
        && let Err(error) = translated.pods(total)
    {
        return Err(canary.error(source, error.to_string()));
    }
    Ok(Some(translated))
}

fn traffic(node: Option<&Node>) -> Traffic {
    let route = |field: &str, provider: RouteProvider| {
        let name = node?.get(field)?.get("name")?.text()?.to_owned();
        Some(TrafficRoute::named(provider, name))
    };
    let class = node.and_then(|node| node.get("ingress")?.get("classType")?.text());
    let class = Class::named(class.unwrap_or_default());
    let routes = [
        route("httpRoute", RouteProvider::HttpRoute),
        class.and_then(|class| route("ingress", RouteProvider::Ingress(class))),
    ];
    let drain = node.and_then(|node| node.get("drainSeconds"));
    let networks = node.map(networks::routes).unwrap_or_default();
    Traffic {
        routes: routes.into_iter().flatten().chain(networks).collect(),
        drain_seconds: number(drain).unwrap_or(DEFAULT_DRAIN_SECONDS),
    }
}
