//! Canaries that take requests by what is in them, and Ingresses whose
//! controllers share traffic by annotations.

use crate::plans::{APPLICATION, ROLLOUT, web};
use crate::stage::Stage;
use crate::traffic::route;
use serde_json::{Value, json};

const ROUTES: &str = "routes.yaml";

const INGRESS: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    cert-manager.io/cluster-issuer: letsencrypt
    nginx.ingress.kubernetes.io/proxy-body-size: 8m
spec:
  ingressClassName: nginx
  tls: [{hosts: [web.shop.example], secretName: web-tls}]
  rules:
    - host: web.shop.example
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 9898}}}}
          - {path: /api, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}
";

fn canary(revision: &str, traffic: &str, steps: &str, partition: &str) -> String {
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {{name: web}}
spec:
  targetAppRevisionName: {revision}
  rolloutPlan: {{{partition}}}
  strategy:
    canary:
      traffic: {{{traffic}}}
      steps: {steps}
"
    )
}

/// `web-v1` serves, and its upgrade is held back after its first step.
fn stage(routes: &str, traffic: &str, steps: &str) -> Stage {
    let first = canary("web-v1", traffic, steps, "");
    let stage =
        Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &first), (ROUTES, routes)]);
    stage.apply_wait().ends(0);
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &canary("web-v2", traffic, steps, "batchPartition: 0")),
    ]);
    stage
}

fn go_on(stage: &Stage, traffic: &str, steps: &str) {
    stage.commit(&[(ROLLOUT, &canary("web-v2", traffic, steps, ""))]);
    stage.apply_wait().ends(0);
}

fn get(stage: &Stage, kind: &str, name: &str) -> Value {
    stage.world().get(kind, name).unwrap().clone()
}

const BY_HEADER: &str = "\
[{matches: [{headers: [{name: User-Agent, value: foo}]}], replicas: 1, \
requestHeaderModifier: {set: [{name: x-tag, value: gray}]}}, {weight: 50}]";

#[test]
fn requests_that_match_go_to_the_canary_and_nothing_else_does() {
    let traffic = "httpRoute: {name: web}";
    let stage = stage(&route(&[]), traffic, BY_HEADER);
    let before = get(&stage, "HTTPRoute", "web");
    stage.run(&["plan"]).ends(0).says("and whatever has User-Agent=foo, with x-tag=gray");
    stage.apply_wait().ends(3);
    let rules = get(&stage, "HTTPRoute", "web")["spec"]["rules"].clone();
    assert_eq!(rules.as_array().unwrap().len(), 2, "{rules:#}");
    assert_eq!(rules[0]["matches"][0]["headers"][0]["value"], "foo");
    assert_eq!(rules[0]["backendRefs"][0]["name"], "web-v2-traffic");
    let set = &rules[0]["filters"][0]["requestHeaderModifier"]["set"];
    assert_eq!(*set, json!([{"name": "x-tag", "value": "gray"}]));
    let weights = rules[1]["backendRefs"].as_array().unwrap().iter().map(|b| b["weight"].clone());
    assert_eq!(weights.collect::<Vec<_>>(), [json!(100), json!(0)]);
    assert_eq!(stage.world().sizes("Deployment")["web-v1"], 4, "nothing was taken from the old");
    go_on(&stage, traffic, BY_HEADER);
    assert_eq!(get(&stage, "HTTPRoute", "web")["spec"], before["spec"]);
    assert_eq!(stage.batches().len(), 1 + 3, "the last step needs not be written");
}

#[test]
fn an_edit_of_the_header_by_hand_is_found() {
    let traffic = "httpRoute: {name: web}";
    let stage = stage(&route(&[]), traffic, BY_HEADER);
    stage.apply_wait().ends(3);
    let live = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/web";
    let mut edited = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {"rules": get(&stage, "HTTPRoute", "web")["spec"]["rules"]},
    });
    edited["spec"]["rules"][0]["matches"][0]["headers"][0]["value"] = json!("bar");
    stage.meddle(live, &edited);
    stage.commit(&[(ROLLOUT, &canary("web-v2", traffic, BY_HEADER, ""))]);
    stage.apply_wait().ends(77).says("kubectl");
}

#[test]
fn a_second_ingress_takes_the_share_and_goes_at_the_end() {
    let traffic = "ingress: {name: web}";
    let steps = "[{weight: 25}, {weight: 75}]";
    let stage = stage(INGRESS, traffic, steps);
    let before = get(&stage, "Ingress", "web");
    stage.run(&["plan"]).ends(0).says("Ingress/default/web-canary");
    stage.apply_wait().ends(3);
    let second = get(&stage, "Ingress", "web-canary");
    let annotations = &second["metadata"]["annotations"];
    assert_eq!(annotations["nginx.ingress.kubernetes.io/canary"], "true");
    assert_eq!(annotations["nginx.ingress.kubernetes.io/canary-weight"], "25");
    assert_eq!(annotations["cert-manager.io/cluster-issuer"], Value::Null, "others act on it");
    assert_eq!(second["spec"]["ingressClassName"], "nginx");
    let paths = second["spec"]["rules"][0]["http"]["paths"].as_array().unwrap().clone();
    assert_eq!(paths.len(), 1, "only what leads to the component");
    assert_eq!(paths[0]["backend"]["service"]["name"], "web-v2-traffic");
    let first = get(&stage, "Ingress", "web");
    let paths = &first["spec"]["rules"][0]["http"]["paths"];
    assert_eq!(paths[0]["backend"]["service"]["name"], "web-v1-traffic");
    assert_eq!(paths[1]["backend"]["service"]["name"], "api");
    go_on(&stage, traffic, steps);
    let world = stage.world();
    assert_eq!(world.of_kind("Ingress").count(), 1);
    assert_eq!(get(&stage, "Ingress", "web")["spec"], before["spec"]);
    let services: Vec<&str> = world.of_kind("Service").map(|(name, _)| name).collect();
    assert_eq!(services, ["web"]);
    let weight = |world: &crate::world::World| {
        let second = world.get("Ingress", "web-canary")?;
        let weight =
            &second["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"];
        Some(weight.as_str().unwrap().to_owned())
    };
    let mut weights: Vec<String> = stage.history().iter().filter_map(weight).collect();
    weights.dedup();
    assert_eq!(weights, ["0", "25", "75", "100"]);
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
    stage.record_is_whole();
}

#[test]
fn an_abort_brings_the_ingress_back_field_by_field() {
    let stage = stage(INGRESS, "ingress: {name: web}", "[{weight: 25}]");
    let before = get(&stage, "Ingress", "web");
    stage.apply_wait().ends(3);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    let world = stage.world();
    assert_eq!(world.of_kind("Ingress").count(), 1);
    assert_eq!(get(&stage, "Ingress", "web")["spec"], before["spec"]);
    assert_eq!(world.sizes("Deployment")["web-v1"], 4);
    assert_eq!(world.of_kind("Service").count(), 1);
}

/// A run that was superseded creates it again, before or after the way back has
/// had its last look: the record knows it, or does not.
#[test]
fn a_second_ingress_that_lands_late_is_removed_known_or_not() {
    let stage = stage(INGRESS, "ingress: {name: web}, drainSeconds: 45", "[{weight: 25}]");
    stage.apply_wait().ends(3);
    let second = get(&stage, "Ingress", "web-canary");
    stage.run(&["abort", "web"]).ends(0);
    let mut rounds = 0;
    while stage.world().get("Ingress", "web-canary").is_some() {
        rounds += 1;
        assert!(rounds < 20, "the way back never comes to it");
        stage.apply().ends(3);
    }
    let uid = |stage: &Stage| {
        let uid = get(stage, "Ingress", "web-canary")["metadata"]["uid"].clone();
        uid.as_str().unwrap().to_owned()
    };
    let gone = |stage: &Stage| {
        let world = stage.world();
        assert_eq!(world.of_kind("Ingress").count(), 1);
        assert_eq!(world.of_kind("Service").count(), 1);
        let tip = stage.tip();
        stage.apply_wait().ends(4);
        assert_eq!(stage.tip(), tip, "once");
        stage.record_is_whole();
    };
    stage.land_late(&second, "0");
    let known = uid(&stage);
    stage.apply_wait().ends(4);
    let path = "inventory/default/web.rollout.yaml";
    assert!(stage.has_been_in(path, &known), "the way back has seen it");
    let inventory = stage.record_file(path);
    assert!(!inventory.contains(&known), "it is removed, and known no more: {inventory}");
    gone(&stage);
    stage.land_late(&second, "0");
    let inventory = stage.record_file("inventory/default/web.rollout.yaml");
    assert!(!inventory.contains(&uid(&stage)), "nobody has seen this one: {inventory}");
    stage.run(&["plan"]).says("remove leftovers").says("delete Ingress/default/web-canary");
    stage.apply_wait().ends(4);
    gone(&stage);
}

#[test]
fn a_gateway_and_an_ingress_move_together() {
    let traffic = "httpRoute: {name: web}, ingress: {name: web, classType: aliyun-alb}";
    let steps = "[{weight: 50}]";
    let both = format!("{}---\n{INGRESS}", route(&[]));
    let stage = stage(&both, traffic, steps);
    stage.apply_wait().ends(3);
    let route = get(&stage, "HTTPRoute", "web");
    assert_eq!(route["spec"]["rules"][0]["backendRefs"][1]["weight"], 50);
    let second = get(&stage, "Ingress", "web-canary");
    let annotations = &second["metadata"]["annotations"];
    assert_eq!(annotations["alb.ingress.kubernetes.io/canary-weight"], "50");
    assert_eq!(annotations["alb.ingress.kubernetes.io/order"], "1");
    go_on(&stage, traffic, steps);
    assert_eq!(stage.world().of_kind("Ingress").count(), 1);
}

/// What a controller has no words for is told before anything is published.
#[test]
fn what_a_provider_cannot_say_is_refused_by_lint() {
    let step = |step: &str| format!("[{step}]");
    let cases = [
        ("nginx", "{matches: [{path: {value: /beta}}]}", "by another path"),
        ("nginx", "{matches: [{queryParams: [{name: a, value: b}]}]}", "query parameters"),
        (
            "nginx",
            "{matches: [{headers: [{name: a, value: b}, {name: c, value: d}]}]}",
            "several that all have to hold",
        ),
        (
            "nginx",
            "{matches: [{headers: [{name: a, value: b}]}, {headers: [{name: c, value: d}]}]}",
            "by one header only",
        ),
        (
            "higress",
            "{weight: 10, requestHeaderModifier: {set: [{name: a, value: b}]}}",
            "changes no request headers",
        ),
    ];
    for (class, steps, why) in cases {
        let traffic = format!("ingress: {{name: web, classType: {class}}}");
        let stage = Stage::with(&[
            (APPLICATION, &web("6.7.0", 4, &[])),
            (ROLLOUT, &canary("web-v1", &traffic, &step(steps), "")),
            (ROUTES, INGRESS),
        ]);
        stage.run(&["lint"]).ends(65).says(why).says("approllout.yaml:10");
    }
    let mse = "ingress: {name: web, classType: mse}";
    let steps = "[{matches: [{headers: [{name: User-Agent, value: foo}]}, \
                 {headers: [{name: canary-by-cookie, value: beta}]}, \
                 {queryParams: [{name: v, value: '2'}]}], \
                 requestHeaderModifier: {set: [{name: x-mse-tag, value: gray}]}}]";
    let stage = stage(INGRESS, mse, steps);
    stage.apply_wait().ends(3);
    let second = get(&stage, "Ingress", "web-canary");
    let annotations = &second["metadata"]["annotations"];
    let says =
        |name: &str| annotations[format!("nginx.ingress.kubernetes.io/canary-{name}")].clone();
    assert_eq!(says("by-header"), "User-Agent");
    assert_eq!(says("by-header-value"), "foo");
    assert_eq!(says("by-cookie"), "beta");
    assert_eq!(says("by-query"), "v");
    assert_eq!(says("weight"), "0");
    let control = "mse.ingress.kubernetes.io/request-header-control-update";
    assert_eq!(annotations[control], "x-mse-tag gray");
}
