//! Istio and kinds that a template writes, in `traffic` of a canary.

use super::{errors, plan};
use crate::core::model::RouteProvider;
use crate::core::object::KindRef;
use crate::core::traffic::istio::{Rules, Subsets, VERSIONS};
use serde_json::json;

fn canary(traffic: &str) -> String {
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {{name: web}}
spec:
  targetAppRevisionName: web-v2
  strategy:
    canary:
      traffic: {{{traffic}}}
      steps: [{{weight: 20}}]
"
    )
}

/// The routes by name, in the order in which they are written.
fn routes(traffic: &str) -> Vec<(String, RouteProvider)> {
    let plan = plan(&canary(traffic));
    let canary = plan.rollouts[0].canary.clone().unwrap();
    canary.traffic.routes.into_iter().map(|route| (route.name, route.provider)).collect()
}

#[test]
fn a_virtual_service_is_driven_by_its_rules() {
    let version = VERSIONS[0];
    let rules = Rules { names: vec!["a".to_owned(), "b".to_owned()], subsets: None };
    assert_eq!(
        routes("istio: {virtualService: {name: web, routes: [a, b]}}"),
        [("web".to_owned(), RouteProvider::VirtualService { version, rules })]
    );
}

#[test]
fn the_subsets_stand_before_the_rules_that_send_to_them() {
    let version = VERSIONS[0];
    let subsets = Subsets { stable: "old".to_owned(), canary: "new".to_owned() };
    let rules = Rules { names: Vec::new(), subsets: Some(subsets.clone()) };
    let written = "istio: {virtualService: {name: web}, destinationRule: {name: subs, \
                   stableSubsetName: old, canarySubsetName: new}}, httpRoute: {name: edge}";
    assert_eq!(
        routes(written),
        [
            ("edge".to_owned(), RouteProvider::HttpRoute),
            ("subs".to_owned(), RouteProvider::DestinationRule { version, subsets }),
            ("web".to_owned(), RouteProvider::VirtualService { version, rules }),
        ]
    );
}

#[test]
fn a_kind_of_its_own_has_parameters() {
    let written = "custom: [{apiVersion: traefik.io/v1alpha1, kind: TraefikService, name: web, \
                   properties: {sticky: true}}]";
    let routes = routes(written);
    let [(name, RouteProvider::Custom(custom))] = routes.as_slice() else { panic!("{routes:?}") };
    assert_eq!(name, "web");
    assert_eq!(custom.kind, KindRef::new("traefik.io/v1alpha1", "TraefikService"));
    assert_eq!(custom.properties, json!({"sticky": true}));
    assert_eq!(custom.template, None);
}

#[test]
fn what_is_missing_or_means_something_else_is_named() {
    let service = "virtualService: {name: web}";
    let rule = |text: &str| format!("istio: {{{service}, destinationRule: {{{text}}}}}");
    let custom = |version: &str, kind: &str| {
        format!("custom: [{{apiVersion: {version}, kind: {kind}, name: web}}]")
    };
    let cases = [
        ("istio: {}".to_owned(), "`virtualService` is missing"),
        ("istio: {virtualService: {}}".to_owned(), "`name` is missing"),
        ("istio: {virtualService: {name: web, routes: []}}".to_owned(), "routes is empty"),
        ("istio: {virtualServices: {}}".to_owned(), "`virtualServices` in"),
        ("istio: {virtualService: {name: web, tlsRoutes: {}}}".to_owned(), "`tlsRoutes` in"),
        (rule("name: web, stableSubsetName: a"), "`canarySubsetName` is missing"),
        (
            rule("name: web, stableSubsetName: a, canarySubsetName: a"),
            "names one subset for both sides",
        ),
        ("custom: []".to_owned(), "custom is empty"),
        ("custom: [{kind: A, name: web}]".to_owned(), "`apiVersion` is missing"),
        (custom("networking.istio.io/v1beta1", "VirtualService"), "needs no template"),
        (custom("gateway.networking.k8s.io/v1", "HTTPRoute"), "needs no template"),
        (custom("v1", "Service"), "sends no requests"),
        (custom("apps/v1", "Deployment"), "sends no requests"),
        ("drainSeconds: 3".to_owned(), "names nothing to move"),
    ];
    for (traffic, words) in cases {
        let said = errors(&canary(&traffic));
        assert!(said.contains(words), "{traffic}: {said}");
    }
}
