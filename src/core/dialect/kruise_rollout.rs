//! KubeVela's trait `kruise-rollout`: a canary of one component of an
//! Application, beside its workload, whose name is kept. Owns the trait's
//! parameters, and what of OpenKruise's words cannot be done.

use super::check::{Check, Shares, misspelt};
use super::requests;
use super::rollout_plan::{self, amount, number};
use super::shape::{Field, INT32, Kind, Shape};
use crate::core::model::{
    Amount, Canary, CanaryStep, InputError, Leeway, Pause, PodPatch, RouteProvider, Traffic,
    TrafficRoute,
};
use crate::core::traffic::{Class, Weight};
use crate::core::yaml::{Node, Source};

/// The trait's name.
pub(super) const TRAIT: &str = "kruise-rollout";

/// How long a confirmed shift is given, as the original has it.
const GRACE_SECONDS: u32 = 5;

static PROPERTIES: Shape = Shape {
    doc: "A canary beside the component's workload, as OpenKruise does it.",
    fields: &[
        Field::required("canary", Kind::Object(&CANARY), "The canary."),
        Field::optional("auto", Kind::Flag, "Go on without approval after each step; false."),
        Field::optional(
            "releaseMode",
            Kind::OneOf(&["canary"]),
            "How pods are replaced; `canary`.",
        ),
        Field::unsupported("stepPartition"),
        Field::unsupported("workloadType"),
    ],
};

static CANARY: Shape = Shape {
    doc: "A canary.",
    fields: &[
        Field::required("steps", Kind::SomeOf(&Kind::Object(&STEP)), "The steps, in order."),
        Field::optional(
            "trafficRoutings",
            Kind::List(&Kind::Object(&ROUTING)),
            "What traffic is moved by.",
        ),
    ],
};

static STEP: Shape = Shape {
    doc: "One step.",
    fields: &[
        Field::optional(
            "weight",
            Kind::Count { min: 0, max: 100 },
            "The canary's share of the traffic in per cent.",
        ),
        Field::optional(
            "replicas",
            Kind::Amount,
            "Its pods: a number, or a percentage of the component's; as many as the weight says \
             if left out.",
        ),
        Field::optional(
            "duration",
            Kind::Count { min: 0, max: INT32 },
            "Seconds until the next step begins; without it somebody has to approve.",
        ),
        Field::optional(
            "matches",
            Kind::SomeOf(&Kind::Object(&requests::MATCH)),
            "Requests that the canary takes whatever its weight.",
        ),
    ],
};

static ROUTING: Shape = Shape {
    doc: "What traffic is moved by.",
    fields: &[
        Field::optional(
            "service",
            Kind::Name,
            "The Service that the route reaches the component by; the component's name.",
        ),
        Field::optional(
            "gracePeriodSeconds",
            Kind::Count { min: 0, max: 3_600 },
            "How long pods serve on after a shift is confirmed; 5.",
        ),
        Field::optional("ingressName", Kind::Name, "The Ingress; the component's name."),
        Field::optional("gatewayHTTPRouteName", Kind::Name, "The HTTPRoute; the component's name."),
        Field::optional(
            "type",
            Kind::OneOf(&["ingress", "nginx", "higress", "mse", "aliyun-alb", "gateway"]),
            "What kind of route it is, and whose annotations are written; `ingress` is nginx.",
        ),
    ],
};

/// What the trait says.
pub(super) struct Read {
    /// The canary.
    pub canary: Canary,
    /// What is waited for after each step.
    pub pauses: Vec<Option<Pause>>,
}

/// Checks a trait of a component.
pub(super) fn check(check: &mut Check<'_>, one: &Node, component: &str) {
    let path = format!("the trait `{TRAIT}` of component `{component}`");
    let Some(properties) = one.get("properties") else {
        let message = format!("`properties` is missing in {path}");
        check.errors.push(one.error(check.source, message));
        return;
    };
    check.object(properties, &PROPERTIES, &path);
    let canary = properties.get("canary");
    let steps = canary.and_then(|canary| canary.get("steps")).map(Node::items).unwrap_or_default();
    let routings = canary.and_then(|canary| canary.get("trafficRoutings")).map(Node::items);
    let routed = routings.is_some_and(|routings| !routings.is_empty());
    let mut shares = Shares::new("the share");
    for (i, step) in steps.iter().enumerate() {
        let path = format!("{path}: canary.steps[{i}]");
        let missing = |name: &&str| step.get(name).is_none() && !misspelt(step, &STEP, name);
        if ["weight", "replicas", "matches"].iter().all(missing) {
            let message = format!("{path} says nothing");
            check.wrong(step, message, "`weight`, `replicas` or `matches`");
        }
        if let Some(node) = step.get("matches").filter(|_| !routed) {
            let message = format!("{path}.matches needs something that moves requests");
            check.wrong(node, message, "an entry in `trafficRoutings`");
        }
        let Some((node, weight)) = step.get("weight").and_then(|n| Some((n, n.count()?))) else {
            continue;
        };
        shares.next(check, node, &format!("{path}.weight"), weight);
    }
}

/// Translates a trait that was checked.
pub(super) fn translate(one: &Node, source: &Source, component: &str) -> Result<Read, InputError> {
    let properties = one.get("properties");
    let canary = properties.and_then(|properties| properties.get("canary"));
    let list = |name: &str| {
        canary.and_then(|canary| canary.get(name)).map(Node::items).unwrap_or_default()
    };
    let auto = properties.and_then(|p| p.get("auto")?.flag()).unwrap_or(false);
    let mut steps: Vec<CanaryStep> = Vec::new();
    let mut pauses = Vec::new();
    for node in list("steps") {
        let before = steps.last().map(|step| step.weight).unwrap_or_default();
        let weight = number(node.get("weight")).and_then(Weight::new);
        steps.push(CanaryStep {
            matches: requests::matches(node.get("matches")),
            ..CanaryStep::weighing(
                weight.unwrap_or(before),
                node.get("replicas").map(|node| amount(node, source, "replicas")).transpose()?,
                source.place(node.line),
            )
        });
        pauses.push(Some(match number(node.get("duration")) {
            Some(seconds) => Pause::held(seconds),
            None if auto => Pause::held(0),
            None => Pause::UntilApproved { approved_for: None },
        }));
    }
    // At the end the workload itself is updated.
    steps.push(CanaryStep::weighing(Weight::ALL, None, source.place(one.line)));
    let routings = list("trafficRoutings");
    let grace = routings.iter().filter_map(|routing| number(routing.get("gracePeriodSeconds")));
    let traffic = Traffic {
        routes: routings.iter().filter_map(|routing| route(routing, component)).collect(),
        drain_seconds: grace.max().unwrap_or(GRACE_SECONDS),
    };
    let canary = Canary {
        traffic,
        leeway: Leeway::default(),
        failures: Amount::default(),
        stable_stays: true,
        steps,
        patch: PodPatch::default(),
        lane: None,
    };
    Ok(Read { canary, pauses })
}

fn route(routing: &Node, component: &str) -> Option<TrafficRoute> {
    let text = |name: &str| routing.get(name).and_then(Node::text);
    let (provider, field) = match text("type").unwrap_or("ingress") {
        "gateway" => (RouteProvider::HttpRoute, "gatewayHTTPRouteName"),
        "ingress" => (RouteProvider::Ingress(Class::named("nginx")?), "ingressName"),
        class => (RouteProvider::Ingress(Class::named(class)?), "ingressName"),
    };
    Some(TrafficRoute {
        provider,
        name: text(field).unwrap_or(component).to_owned(),
        service: Some(text("service").unwrap_or(component).to_owned()),
        document: None,
        document_file: None,
    })
}

/// The plan beside the canary: whatever there is no traffic to shift for is one
/// batch.
pub(super) fn plan() -> crate::core::model::RolloutPlan {
    rollout_plan::at_once(&rollout_plan::unstated())
}
