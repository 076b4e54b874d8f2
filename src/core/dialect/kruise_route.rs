//! What OpenKruise's Rollout and TrafficRouting move traffic by, and the
//! TrafficRouting itself: a lane that any number of rollouts join.

use super::check::Check;
use super::metadata::{self, METADATA};
use super::requests;
use super::rollout_plan::number;
use super::shape::{Field, Kind, Shape};
use crate::core::model::{Custom, InputError, Lane, Place, RouteProvider, Traffic, TrafficRoute};
use crate::core::object::KindRef;
use crate::core::traffic::istio::{Rules, VERSIONS};
use crate::core::traffic::{Class, Weight};
use crate::core::yaml::{Node, Source};
use serde_json::Value;
use std::collections::BTreeMap;

/// How long a confirmed shift is given, as the original has it.
const GRACE_SECONDS: u32 = 3;
/// Istio's group.
const ISTIO: &str = "networking.istio.io/";

pub(super) static ROUTING: Shape = Shape {
    doc: "What traffic is moved by: an Ingress, an HTTPRoute, routes of other kinds, or several together.",
    fields: &[
        Field::required(
            "service",
            Kind::Name,
            "The Service that the route reaches the workload by.",
        ),
        Field::optional(
            "gracePeriodSeconds",
            Kind::Count { min: 0, max: 3_600 },
            "How long pods serve on after a shift is confirmed; 3.",
        ),
        Field::optional("ingress", Kind::Object(&INGRESS), "An Ingress of this plan."),
        Field::optional("gateway", Kind::Object(&GATEWAY), "An HTTPRoute of this plan."),
        Field::optional(
            "customNetworkRefs",
            Kind::List(&Kind::Object(&CUSTOM)),
            "Routes of other kinds: Istio's VirtualService, or one that a template of this plan \
             writes.",
        ),
    ],
};

static INGRESS: Shape = Shape {
    doc: "An Ingress whose controller shares traffic by annotations.",
    fields: &[
        Field::required("name", Kind::Name, "Its name."),
        Field::optional(
            "classType",
            Kind::OneOf(&["nginx", "higress", "mse", "aliyun-alb"]),
            "Which controller's annotations are written; `nginx`.",
        ),
    ],
};

static CUSTOM: Shape = Shape {
    doc: "A route of another kind.",
    fields: &[
        Field::required("apiVersion", Kind::Text, "Its API version."),
        Field::required("kind", Kind::Text, "Its kind."),
        Field::required("name", Kind::Name, "Its name."),
    ],
};

static GATEWAY: Shape = Shape {
    doc: "A Gateway API HTTPRoute.",
    fields: &[Field::required("httpRouteName", Kind::Name, "Its name.")],
};

pub(super) static TRAFFIC_ROUTING: Shape = Shape {
    doc: "OpenKruise's TrafficRouting: a lane that any number of rollouts join.",
    fields: &[
        Field::required(
            "apiVersion",
            Kind::OneOf(&[super::kruise_fields::ALPHA]),
            "The API version.",
        ),
        Field::required("kind", Kind::OneOf(&["TrafficRouting"]), "The kind."),
        Field::required("metadata", Kind::Object(&METADATA), "Standard object metadata."),
        Field::required("spec", Kind::Object(&SPEC), "What is shared, and how."),
        Field::unsupported("status"),
    ],
};

static SPEC: Shape = Shape {
    doc: "What is shared, and how.",
    fields: &[
        Field::required(
            "objectRef",
            Kind::SomeOf(&Kind::Object(&ROUTING)),
            "The routes through which requests enter the lane.",
        ),
        Field::required("strategy", Kind::Object(&STRATEGY), "Which requests are the lane's."),
    ],
};

static STRATEGY: Shape = Shape {
    doc: "Which requests are the lane's, while any rollout is in it.",
    fields: &[
        Field::optional("weight", Kind::Count { min: 0, max: 100 }, "Their share in per cent."),
        Field::optional(
            "matches",
            Kind::SomeOf(&Kind::Object(&requests::MATCH)),
            "Those that are the lane's whatever its share, by any of these.",
        ),
        Field::optional(
            "requestHeaderModifier",
            Kind::Object(&requests::HEADERS),
            "What is changed in their headers.",
        ),
    ],
};

/// Translates a TrafficRouting.
pub(super) fn read(root: &Node, source: &Source, place: &Place) -> Result<Lane, Vec<InputError>> {
    let mut check = Check::new(source);
    check.object(root, &TRAFFIC_ROUTING, "TrafficRouting");
    metadata::own_annotations(&mut check, root, &[], "TrafficRouting");
    let spec = root.get("spec");
    let routings = spec.and_then(|spec| spec.get("objectRef")).map(Node::items).unwrap_or_default();
    check_routings(&mut check, routings, "TrafficRouting.spec.objectRef");
    let strategy = spec.and_then(|spec| spec.get("strategy"));
    let field = |name: &str| strategy.and_then(|strategy| strategy.get(name));
    if let Some(node) = strategy.filter(|_| field("weight").is_none() && field("matches").is_none())
    {
        let message = "TrafficRouting.spec.strategy takes no requests".to_owned();
        check.wrong(node, message, "`matches`, `weight` or both");
    }
    if !check.errors.is_empty() {
        return Err(check.errors);
    }
    let meta = root.get("metadata");
    Ok(Lane {
        namespace: metadata::text(meta, "namespace"),
        name: metadata::text(meta, "name").unwrap_or_default(),
        traffic: traffic(routings),
        weight: number(field("weight")).and_then(Weight::new).unwrap_or_default(),
        matches: requests::matches(field("matches")),
        headers: requests::headers(field("requestHeaderModifier")),
        place: place.clone(),
    })
}

/// Whether each entry names what it moves traffic by.
pub(super) fn check_routings(check: &mut Check<'_>, routings: &[Node], path: &str) {
    named_once(check, routings, path);
    for (i, routing) in routings.iter().enumerate() {
        let customs = routing.get("customNetworkRefs").map(Node::items).unwrap_or_default();
        let named = ["ingress", "gateway"].iter().any(|field| routing.get(field).is_some());
        if !named && customs.is_empty() {
            let message = format!("{path}[{i}] names nothing to move");
            check.wrong(routing, message, "`ingress`, `gateway` or `customNetworkRefs`");
        }
        for custom in customs {
            let text = |name: &str| metadata::text(Some(custom), name).unwrap_or_default();
            if text("kind") == "DestinationRule" && text("apiVersion").starts_with(ISTIO) {
                let message = format!("{path}[{i}].customNetworkRefs names a DestinationRule");
                let hint = "the canary has a Service of its own, to which the VirtualService \
                            sends: leave it out";
                check.errors.push(custom.error(check.source, message).hint(hint));
            }
        }
    }
}

fn text<'n>(node: &'n Node, name: &str) -> &'n str {
    node.get(name).and_then(Node::text).unwrap_or_default()
}

/// Whether no two entries are of one route: it has one state.
fn named_once(check: &mut Check<'_>, routings: &[Node], path: &str) {
    let mut first: BTreeMap<(&str, &str, &str), u32> = BTreeMap::new();
    for (i, routing) in routings.iter().enumerate() {
        let ingress = routing.get("ingress").map(|node| ("", "Ingress", "name", node));
        let gateway = routing.get("gateway").map(|node| ("", "HTTPRoute", "httpRouteName", node));
        let customs = routing.get("customNetworkRefs").map(Node::items).unwrap_or_default();
        let customs = customs.iter().map(|node| {
            let group = text(node, "apiVersion").split_once('/').map_or("", |(group, _)| group);
            (group, text(node, "kind"), "name", node)
        });
        for (group, kind, field, node) in ingress.into_iter().chain(gateway).chain(customs) {
            let Some(name) = node.get(field) else { continue };
            let route = text(node, field);
            let Some(known) = first.insert((group, kind, route), name.line) else { continue };
            let known = check.source.place(known);
            let message = format!("{path}[{i}] names {kind} `{route}`, which {known} names too");
            check.wrong(name, message, "each route once");
        }
    }
}

/// The routes of a list that was checked.
pub(super) fn traffic(routings: &[Node]) -> Traffic {
    let grace = routings.iter().filter_map(|routing| number(routing.get("gracePeriodSeconds")));
    Traffic {
        routes: routings.iter().flat_map(routes).collect(),
        drain_seconds: grace.max().unwrap_or(GRACE_SECONDS),
    }
}

fn routes(routing: &Node) -> impl Iterator<Item = TrafficRoute> {
    let text = |node: Option<&Node>, name: &str| metadata::text(node, name);
    let service = text(Some(routing), "service");
    let ingress = routing.get("ingress");
    let class = Class::named(&text(ingress, "classType").unwrap_or_default());
    let ingress = text(ingress, "name").zip(class);
    let gateway = text(routing.get("gateway"), "httpRouteName");
    let found = [
        ingress.map(|(name, class)| (name, RouteProvider::Ingress(class))),
        gateway.map(|name| (name, RouteProvider::HttpRoute)),
    ];
    let customs = routing.get("customNetworkRefs").map(Node::items).unwrap_or_default();
    let customs = customs.iter().map(|custom| {
        let field = |name: &str| text(Some(custom), name).unwrap_or_default();
        (field("name"), provider(&field("apiVersion"), &field("kind")))
    });
    let customs: Vec<(String, RouteProvider)> = customs.collect();
    found.into_iter().flatten().chain(customs).map(move |(name, provider)| TrafficRoute {
        provider,
        name,
        service: service.clone(),
        document: None,
        document_file: None,
    })
}

/// Who acts on a route of another kind.
fn provider(api_version: &str, kind: &str) -> RouteProvider {
    if api_version.starts_with(ISTIO) && kind == "VirtualService" {
        let rules = Rules { names: Vec::new(), subsets: None };
        return RouteProvider::VirtualService { version: VERSIONS[0], rules };
    }
    let kind = KindRef::new(api_version, kind);
    RouteProvider::Custom(Custom { kind, properties: Value::Null, template: None })
}
