//! `traffic.istio` and `traffic.custom` of a canary: objects that need to be
//! told more of than their name. The names of Istio's are Argo Rollouts'.

use super::check::Check;
use super::shape::{Field, Kind, Shape};
use crate::core::model::{Custom, RouteProvider, TrafficRoute};
use crate::core::object::KindRef;
use crate::core::traffic::istio::{Rules, Subsets, VERSIONS};
use crate::core::yaml::Node;
use serde_json::Value;

pub(super) static ISTIO: Shape = Shape {
    doc: "Objects of Istio (`networking.istio.io`, v1, v1beta1 or v1alpha3) of this plan.",
    fields: &[
        Field::required(
            "virtualService",
            Kind::Object(&VIRTUAL_SERVICE),
            "The VirtualService that sends to the component's Service.",
        ),
        Field::optional(
            "destinationRule",
            Kind::Object(&DESTINATION_RULE),
            "The DestinationRule of the Service, if weight is to move between two subsets of it \
             instead of between Services of single revisions.",
        ),
        Field::unsupported("virtualServices"),
    ],
};

static VIRTUAL_SERVICE: Shape = Shape {
    doc: "A VirtualService.",
    fields: &[
        Field::required("name", Kind::Name, "Its name, in the rollout's namespace."),
        Field::optional(
            "routes",
            Kind::SomeOf(&Kind::Text),
            "The http rules that are shared, by name; all that send to the Service if left out. \
             Rules of `tls` and `tcp` that do so always are.",
        ),
        Field::unsupported("namespace"),
        Field::unsupported("tlsRoutes"),
        Field::unsupported("tcpRoutes"),
    ],
};

static DESTINATION_RULE: Shape = Shape {
    doc: "A DestinationRule with a subset for each side.",
    fields: &[
        Field::required("name", Kind::Name, "Its name, in the rollout's namespace."),
        Field::required(
            "stableSubsetName",
            Kind::Name,
            "The subset that takes everything at rest; while traffic is shared, the old pods.",
        ),
        Field::required(
            "canarySubsetName",
            Kind::Name,
            "The subset that takes nothing at rest; while traffic is shared, the new pods.",
        ),
        Field::unsupported("namespace"),
    ],
};

pub(super) static CUSTOM: Shape = Shape {
    doc: "A route of any other kind.",
    fields: &[
        Field::required("apiVersion", Kind::Text, "Group and version of its kind."),
        Field::required("kind", Kind::Text, "Its kind."),
        Field::required("name", Kind::Name, "Its name, in the rollout's namespace."),
        Field::optional("properties", Kind::Parameters, "Parameters of the template."),
        Field::unsupported("namespace"),
    ],
};

/// Kinds that need no template, and what they are named by.
const KNOWN: [(&str, &str, &str); 4] = [
    ("gateway.networking.k8s.io", "HTTPRoute", "`httpRoute`"),
    ("networking.k8s.io", "Ingress", "`ingress`"),
    ("networking.istio.io", "VirtualService", "`istio.virtualService`"),
    ("networking.istio.io", "DestinationRule", "`istio.destinationRule`"),
];

fn text<'a>(node: &'a Node, field: &str) -> Option<&'a str> {
    node.get(field).and_then(Node::text)
}

/// What the tables cannot say.
pub(super) fn check(check: &mut Check<'_>, traffic: Option<&Node>) {
    let Some(traffic) = traffic else { return };
    let path = "AppRollout.spec.strategy.canary.traffic";
    let rule = traffic.get("istio").and_then(|istio| istio.get("destinationRule"));
    if let Some(rule) = rule
        && let Some(canary) = rule.get("canarySubsetName")
        && canary.text().is_some()
        && canary.text() == text(rule, "stableSubsetName")
    {
        let message = format!("{path}.istio.destinationRule names one subset for both sides");
        check.wrong(canary, message, "another subset than `stableSubsetName`");
    }
    let custom = traffic.get("custom").map(Node::items).unwrap_or_default();
    for (i, one) in custom.iter().enumerate() {
        let (Some(kind), Some(version)) = (one.get("kind"), text(one, "apiVersion")) else {
            continue;
        };
        let (group, _) = version.split_once('/').unwrap_or_default();
        let known = KNOWN.iter().find(|known| known.0 == group && kind.text() == Some(known.1));
        if let Some((.., by)) = known {
            let message = format!("{path}.custom[{i}] is of a kind that needs no template");
            check.wrong(kind, message, &format!("it in {by}"));
        }
        if ["", "apps"].contains(&group) {
            let message = format!("{path}.custom[{i}] is of a kind that sends no requests");
            check.wrong(kind, message, "a kind of route");
        }
    }
}

/// Translates what was checked. What another route stands on comes before it.
pub(super) fn routes(traffic: &Node) -> Vec<TrafficRoute> {
    let named = |node: &Node, provider| {
        let name = text(node, "name").unwrap_or_default().to_owned();
        TrafficRoute::named(provider, name)
    };
    let version = VERSIONS[0];
    let mut routes = Vec::new();
    if let Some(istio) = traffic.get("istio") {
        let rule = istio.get("destinationRule");
        let subset = |rule: &Node, field| text(rule, field).unwrap_or_default().to_owned();
        let subsets = rule.map(|rule| Subsets {
            stable: subset(rule, "stableSubsetName"),
            canary: subset(rule, "canarySubsetName"),
        });
        if let Some((rule, subsets)) = rule.zip(subsets.clone()) {
            routes.push(named(rule, RouteProvider::DestinationRule { version, subsets }));
        }
        if let Some(service) = istio.get("virtualService") {
            let names = service.get("routes").map(Node::items).unwrap_or_default();
            let names = names.iter().filter_map(|name| Some(name.text()?.to_owned())).collect();
            let rules = Rules { names, subsets };
            routes.push(named(service, RouteProvider::VirtualService { version, rules }));
        }
    }
    for one in traffic.get("custom").map(Node::items).unwrap_or_default() {
        let field = |name| text(one, name).unwrap_or_default();
        let custom = Custom {
            kind: KindRef::new(field("apiVersion"), field("kind")),
            properties: one.get("properties").map_or(Value::Null, Node::to_value),
            template: None,
        };
        routes.push(named(one, RouteProvider::Custom(custom)));
    }
    routes
}
