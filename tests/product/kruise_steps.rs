//! OpenKruise's Rollout, step by step: the pods and the share of requests that
//! each of its steps means, by every provider that it knows.

use crate::kruise::{canary, go_on, is_at_rest, rollout, weight, workload};
use crate::stage::Stage;
use crate::traffic::route;
use crate::world::{World, pods};
use serde_json::{Value, json};

const NGINX: &str = "nginx.ingress.kubernetes.io";

fn with(rollout: &str, echo: &dyn Fn(&str) -> String) -> Stage {
    let stage = Stage::with(&[("rollout.yaml", rollout), ("echo.yaml", &echo("v1"))]);
    stage.apply_wait().ends(0);
    stage.commit(&[("echo.yaml", &echo("v2"))]);
    stage
}

/// A Rollout of v1alpha1, whose steps may leave their pods to the weight.
fn alpha(steps: &[&str]) -> String {
    let beta = rollout(steps, "", "");
    let old = beta.replace("v1beta1", "v1alpha1").replace(
        "  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: echo}\n",
        "  objectRef:\n    workloadRef: {apiVersion: apps/v1, kind: Deployment, name: echo}\n",
    );
    old.replace("      enableExtraWorkloadForCanary: true\n", "")
}

fn by_label(world: &World, service: &str) -> Value {
    world.get("Service", service).unwrap()["spec"]["selector"].clone()
}

#[test]
fn weights_alone_take_pods_along_and_everything_is_as_it_was_at_the_end() {
    let shares = ["20", "40", "60", "80", "90"];
    let steps = shares.map(|share| format!("{{weight: {share}}}"));
    let plan = alpha(&steps.each_ref().map(String::as_str));
    let stage = with(&plan, &|image| workload(image, 3));
    stage.apply_wait().ends(3);
    for (share, tried) in shares.iter().zip([1, 2, 2, 3, 3]) {
        let world = stage.world();
        assert_eq!((canary(&world, 2), weight(&world)), (tried, Some(*share)));
        go_on(&stage, if *share == "90" { 0 } else { 3 });
    }
    is_at_rest(&stage, "v2", 3);
    assert_eq!(by_label(&stage.world(), "echo"), json!({"app": "echo"}), "as it is rendered");
    assert_eq!(stage.state("echo"), "rolloutSucceed");
}

#[test]
fn pods_of_a_step_may_be_more_than_its_weight_needs_and_both_sides_have_a_service() {
    let plan = alpha(&["{weight: 20, replicas: 2}", "{weight: 60}"]);
    let stage = with(&plan, &|image| workload(image, 5));
    stage.apply_wait().ends(3);
    for (tried, share) in [(2, "20"), (3, "60")] {
        let world = stage.world();
        assert_eq!((canary(&world, 2), weight(&world)), (tried, Some(share)));
        assert_eq!(world.ready_pods()["v1"], 5, "what serves is not touched");
        let (old, new) = (by_label(&world, "echo-v1-traffic"), by_label(&world, "echo-v2-traffic"));
        assert_ne!(old, new, "each reaches one revision alone");
        go_on(&stage, if tried == 2 { 3 } else { 0 });
    }
    is_at_rest(&stage, "v2", 5);
}

const BY_REQUEST: &[&str] = &[
    "{replicas: 1, matches: [{headers: [{type: RegularExpression, name: user-agent, value: \
     '.*beta.*'}]}, {headers: [{name: canary-by-cookie, value: demo}]}]}",
    "{replicas: 50%, traffic: 30%}",
];

#[test]
fn requests_of_one_step_are_gone_in_the_next_whose_weight_alone_counts() {
    for (class, prefix) in [("nginx", NGINX), ("aliyun-alb", "alb.ingress.kubernetes.io")] {
        let plan = rollout(BY_REQUEST, "", "").replace(
            "{name: echo}\n      steps",
            &format!("{{name: echo, classType: {class}}}\n      steps"),
        );
        assert!(plan.contains(class));
        let stage = with(&plan, &|image| workload(image, 4));
        stage.apply_wait().ends(3);
        let says = |key: &str| {
            let world = stage.world();
            let second = world.get("Ingress", "echo-canary").unwrap();
            second["metadata"]["annotations"][format!("{prefix}/canary-{key}")].clone()
        };
        assert_eq!(says("by-header"), "user-agent");
        assert_eq!(says("by-header-pattern"), ".*beta.*");
        assert_eq!(says("by-cookie"), "demo");
        assert_eq!(says("weight"), "0", "nothing of all others");
        go_on(&stage, 3);
        assert_eq!(says("weight"), "30");
        for gone in ["by-header", "by-header-pattern", "by-header-value", "by-cookie"] {
            assert_eq!(says(gone), Value::Null, "{gone}");
        }
        go_on(&stage, 0);
        is_at_rest(&stage, "v2", 4);
    }
}

/// OpenKruise moves the traffic of a workload that is updated in place too, by
/// pinning Services to a revision while its pods change over. Here the pods of a
/// share have to be there before it moves, which takes a second workload: a
/// Deployment has that, and any other kind goes by pods alone.
#[test]
fn traffic_of_what_is_updated_in_place_differs_by_being_refused() {
    let clone = |image: &str| {
        let of = workload(image, 4);
        of.replacen(
            "apiVersion: apps/v1\nkind: Deployment",
            "apiVersion: apps.kruise.io/v1alpha1\nkind: CloneSet",
            1,
        )
    };
    let in_place = |steps: &[&str], routed: bool| {
        let plan = rollout(steps, "", "")
            .replace("apps/v1, kind: Deployment", "apps.kruise.io/v1alpha1, kind: CloneSet")
            .replace("      enableExtraWorkloadForCanary: true\n", "");
        let routing =
            "      trafficRoutings:\n      - service: echo\n        ingress: {name: echo}\n";
        if routed { plan } else { plan.replace(routing, "") }
    };
    let steps = &["{replicas: 50%, traffic: 50%}"];
    let stage =
        Stage::with(&[("rollout.yaml", &in_place(steps, true)), ("echo.yaml", &clone("v1"))]);
    stage.run(&["lint"]).ends(65).says("CloneSet");
    // By pods alone it goes.
    stage.commit(&[("rollout.yaml", &in_place(&["{replicas: 50%}"], false))]);
    stage.apply_wait().ends(0);
    stage.commit(&[("echo.yaml", &clone("v2"))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 2), ("v2", 2)]));
}

#[test]
fn a_gateways_route_has_both_weights_of_each_step_and_is_restored() {
    let shares = [20, 40, 60, 80, 90];
    let steps = shares.map(|share| format!("{{replicas: {share}%, traffic: {share}%}}"));
    let plan = rollout(&steps.each_ref().map(String::as_str), "", "")
        .replace("ingress: {name: echo}", "gateway: {httpRouteName: echo}");
    let edge = route(&[])
        .replace("name: web, port: 9898", "name: echo, port: 80")
        .replace("{name: web}", "{name: echo}");
    let stage = Stage::with(&[
        ("rollout.yaml", &plan),
        ("route.yaml", &edge),
        ("echo.yaml", &workload("v1", 5)),
    ]);
    stage.apply_wait().ends(0);
    let rules =
        |stage: &Stage| stage.world().get("HTTPRoute", "echo").unwrap()["spec"]["rules"].clone();
    let before = rules(&stage);
    stage.commit(&[("echo.yaml", &workload("v2", 5))]);
    stage.apply_wait().ends(3);
    for share in shares {
        let backends = rules(&stage)[0]["backendRefs"].clone();
        let weights: Vec<Value> =
            backends.as_array().unwrap().iter().map(|b| b["weight"].clone()).collect();
        assert_eq!(weights, [json!(100 - share), json!(share)]);
        go_on(&stage, if share == 90 { 0 } else { 3 });
    }
    assert_eq!(rules(&stage), before);
    assert_eq!(stage.world().all_pods(), pods(&[("v2", 5)]));
}

const MESH: &str = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  http:
  - timeout: 3s
    route: [{destination: {host: echo}}]
";

#[test]
fn a_meshs_rules_by_header_query_and_path_are_there_for_their_step_alone() {
    let plan = rollout(
        &[
            "{replicas: 1, matches: [{headers: [{name: user-agent, value: beta}]}, {queryParams: [{name: v, value: '2'}]}, {path: {type: PathPrefix, value: /beta}}]}",
            "{replicas: 50%, traffic: 50%}",
        ],
        "",
        "",
    )
    .replace(
        "ingress: {name: echo}",
        "customNetworkRefs: [{apiVersion: networking.istio.io/v1, kind: VirtualService, name: echo}]",
    );
    let stage = Stage::with(&[
        ("rollout.yaml", &plan),
        ("mesh.yaml", MESH),
        ("echo.yaml", &workload("v1", 4)),
    ]);
    stage.apply_wait().ends(0);
    let mesh = |stage: &Stage| stage.world().get("VirtualService", "echo").unwrap().clone();
    let before = mesh(&stage);
    stage.commit(&[("echo.yaml", &workload("v2", 4))]);
    stage.apply_wait().ends(3);
    let rules = mesh(&stage)["spec"]["http"].clone();
    let text = rules[0].to_string();
    for said in ["user-agent", "queryParams", "/beta", "3s", "echo-v2-traffic"] {
        assert!(text.contains(said), "{said}: {rules:#}");
    }
    go_on(&stage, 3);
    let rules = mesh(&stage)["spec"]["http"].clone();
    assert_eq!(rules.as_array().unwrap().len(), 1, "{rules:#}");
    let weights: Vec<Value> =
        rules[0]["route"].as_array().unwrap().iter().map(|r| r["weight"].clone()).collect();
    assert_eq!(weights, [json!(50), json!(50)]);
    go_on(&stage, 0);
    let after = mesh(&stage);
    assert_eq!(after["spec"], before["spec"]);
    let notes = |of: &Value| {
        let all = of["metadata"]["annotations"].as_object();
        let names = all.into_iter().flatten().map(|(name, _)| name.clone());
        names.filter(|name| !name.starts_with("tranche.dev/")).collect::<Vec<String>>()
    };
    assert_eq!(notes(&after), notes(&before), "no copy of what was there is kept on it");
}
