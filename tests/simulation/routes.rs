//! What moves an application's traffic: how it is written, and what it sends to
//! whom. Owns how a data plane reads a route; whether that is right is for the
//! invariants.

use crate::mesh;
use crate::plan::{App, Kind};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::core::traffic::istio::{VERSIONS, destination_rule, virtual_service};
use tranche::core::traffic::{Acceptance, acceptance, route};

/// What an application's traffic is moved by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Nothing,
    HttpRoute,
    /// An Ingress, with a second one beside it.
    Ingress,
    /// Istio's, by the Services of single revisions.
    VirtualService,
    /// The same by the subsets of a DestinationRule.
    Subsets,
}

/// What is sent to each Service, in per cent; of what only some requests are
/// sent to, one.
pub type Shares = BTreeMap<String, u32>;

/// The routes of an application as they are, or as a write makes them.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    pub first: Option<Arc<Value>>,
    /// The second Ingress, or the DestinationRule.
    pub second: Option<Arc<Value>>,
}

impl App {
    /// The objects that move its traffic, the user's own first.
    pub fn routes(&self) -> Vec<ObjectRef> {
        let ingress = KindRef::new("networking.k8s.io/v1", "Ingress");
        let named = |name: &str| ObjectRef::new(&ingress, Some("default"), name);
        match self.via {
            Via::Nothing => Vec::new(),
            Via::HttpRoute => vec![route("default", self.name)],
            Via::Ingress => vec![named(self.name), named(&format!("{}-canary", self.name))],
            Via::VirtualService => vec![virtual_service(VERSIONS[0], "default", self.name)],
            Via::Subsets => vec![
                virtual_service(VERSIONS[0], "default", self.name),
                destination_rule(VERSIONS[0], "default", self.name),
            ],
        }
    }

    /// The route's document.
    pub fn route(&self) -> String {
        let (name, accept) = (self.name, self.accept);
        if self.via == Via::Ingress {
            return format!(
                "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\nspec:\n  \
                 ingressClassName: nginx\n  rules:\n    - http:\n        paths:\n          - {{path: /, \
                 pathType: Prefix, backend: {{service: {{name: {name}, port: {{number: 80}}}}}}}}\n"
            );
        }
        if matches!(self.via, Via::VirtualService | Via::Subsets) {
            return self.rules();
        }
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: {name}\n  \
             annotations: {{sandbox.tranche.dev/accept-after: {accept}s}}\nspec:\n  \
             parentRefs: [{{name: edge}}]\n  rules:\n    - backendRefs: \
             [{{name: {name}, port: 80}}]\n"
        )
    }

    /// Istio's documents.
    fn rules(&self) -> String {
        let (name, accept) = (self.name, self.accept);
        let head = |kind: &str| {
            let told = match self.fed {
                true => format!(", annotations: {{sandbox.tranche.dev/accept-after: {accept}s}}"),
                false => String::new(),
            };
            let version = VERSIONS[0];
            format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}{told}}}\nspec:\n"
            )
        };
        let rules = head("VirtualService");
        if self.via == Via::VirtualService {
            return format!(
                "{rules}  hosts: [{name}]\n  http: [{{route: [{{destination: {{host: {name}}}}}]}}]\n"
            );
        }
        let subset = |subset: &str, weight: u32| {
            format!(
                "        - {{destination: {{host: {name}, subset: {subset}}}, weight: {weight}}}\n"
            )
        };
        let (stable, canary) = (subset("stable", 100), subset("canary", 0));
        let named = |subset: &str| {
            format!("    - {{name: {subset}, labels: {{app.oam.dev/component: {name}}}}}\n")
        };
        let (one, other) = (named("stable"), named("canary"));
        format!(
            "{rules}  hosts: [{name}]\n  http:\n    - route:\n{stable}{canary}---\n{}  host: \
             {name}\n  subsets:\n{one}{other}",
            head("DestinationRule")
        )
    }

    /// How a canary names what moves its traffic.
    pub fn named(&self) -> String {
        let name = self.name;
        match self.via {
            Via::Ingress => format!("ingress: {{name: {name}}}"),
            Via::VirtualService => format!("istio: {{virtualService: {{name: {name}}}}}"),
            Via::Subsets => format!(
                "istio: {{virtualService: {{name: {name}}}, destinationRule: {{name: {name}, \
                 stableSubsetName: stable, canarySubsetName: canary}}}}"
            ),
            Via::HttpRoute | Via::Nothing => format!("httpRoute: {{name: {name}}}"),
        }
    }

    /// What a step says besides weight and pods, as fields: requests that the new
    /// side takes whatever its share.
    pub fn matches(&self, step: usize) -> &'static str {
        let first = step == 0 && self.matched && self.via != Via::Nothing;
        if first { ", matches: [{headers: [{name: x-tester, value: \"yes\"}]}]" } else { "" }
    }

    /// The trait that tries a revision beside the one that keeps its name.
    pub fn tried(&self) -> String {
        let Some(roll) = self.roll.filter(|_| self.kind == Kind::Beside) else {
            return String::new();
        };
        let drain = roll.drain;
        let kind = match self.via {
            Via::HttpRoute => Some("gateway"),
            Via::Ingress => Some("nginx"),
            _ => None,
        };
        let mut text = String::from(
            "        - type: kruise-rollout\n          properties:\n            canary:\n",
        );
        if let Some(kind) = kind {
            text.push_str(&format!(
                "              trafficRoutings: [{{type: {kind}, gracePeriodSeconds: {drain}}}]\n"
            ));
        }
        text.push_str("              steps:\n");
        for (place, (weight, pods)) in self.steps().iter().enumerate() {
            let pods = pods.map(|pods| format!(", replicas: \"{pods}\"")).unwrap_or_default();
            let (wait, matches) = (self.wait(place).of_trait(), self.matches(place));
            text.push_str(&format!(
                "                - {{weight: {weight}{pods}{wait}{matches}}}\n"
            ));
        }
        text
    }
}

impl Routes {
    /// What they send to whom; nothing without the user's own.
    pub fn shares(&self) -> Option<Shares> {
        let (first, second) = (self.first.as_deref()?, self.second.as_deref());
        Some(match first.get("kind").and_then(Value::as_str) {
            Some("Ingress") => of_ingresses(first, second),
            Some("VirtualService") => mesh::shares(first, second),
            _ => of_http_route(first),
        })
    }

    /// Whether they are what a data plane follows.
    pub fn are_accepted(&self) -> bool {
        let all = self.first.iter().chain(&self.second);
        self.first.is_some() && all.into_iter().all(|route| is_followed(route))
    }
}

/// Whether a data plane follows what an object says, as far as that can be told.
pub fn is_followed(route: &Value) -> bool {
    acceptance(route) == Acceptance::Accepted && mesh::is_told(route)
}

/// The rules of an HTTPRoute that say which headers they are for.
fn is_matched(rule: &Value) -> bool {
    let matches = rule.get("matches").and_then(Value::as_array);
    matches.into_iter().flatten().any(|one| one.get("headers").is_some())
}

/// What the weights of each of its rules add up to, where one has several
/// backends.
pub fn sums(route: &Value) -> Vec<u64> {
    if route.get("kind").and_then(Value::as_str) == Some("VirtualService") {
        return mesh::sums(route);
    }
    let rules = at(route, "/spec/rules").and_then(Value::as_array);
    let refs = rules.into_iter().flatten().filter_map(|rule| rule.get("backendRefs")?.as_array());
    let several = refs.filter(|refs| refs.len() > 1);
    several.map(|refs| refs.iter().filter_map(|one| one.get("weight")?.as_u64()).sum()).collect()
}

fn of_http_route(route: &Value) -> Shares {
    let rules = at(route, "/spec/rules").and_then(Value::as_array);
    let mut all = Shares::new();
    for rule in rules.into_iter().flatten() {
        let refs = rule.get("backendRefs").and_then(Value::as_array);
        let mut shares = Shares::new();
        for backend in refs.into_iter().flatten() {
            let name = backend.get("name").and_then(Value::as_str).unwrap_or_default();
            let weight = backend.get("weight").map_or(Some(1), Value::as_u64).unwrap_or(0);
            *shares.entry(name.to_owned()).or_default() +=
                u32::try_from(weight).unwrap_or(u32::MAX);
        }
        let sum: u32 = shares.values().fold(0, |sum, weight| sum.saturating_add(*weight));
        for (name, weight) in shares {
            let share = match sum {
                0 => 0,
                _ if is_matched(rule) => u32::from(weight > 0),
                _ => u32::try_from(u64::from(weight) * 100 / u64::from(sum)).unwrap_or(100),
            };
            let known = all.entry(name).or_default();
            *known = share.max(*known);
        }
    }
    all
}

fn of_ingresses(first: &Value, second: Option<&Value>) -> Shares {
    let service = |ingress: &Value| {
        let name = at(ingress, "/spec/rules/0/http/paths/0/backend/service/name");
        name.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let said = |name: &str| {
        let annotations = second.and_then(|second| at(second, "/metadata/annotations"));
        let key = format!("nginx.ingress.kubernetes.io/{name}");
        annotations.and_then(|all| all.get(key)?.as_str())
    };
    let weight = said("canary-weight").and_then(|weight| weight.parse().ok()).unwrap_or(0);
    let weight = u32::min(weight, 100);
    let some = u32::from(said("canary-by-header").is_some());
    let mut shares = Shares::new();
    shares.insert(service(first), 100 - weight);
    if let Some(second) = second {
        let known = shares.entry(service(second)).or_default();
        *known = weight.max(some).max(*known);
    }
    shares
}
