//! Canaries: weight that moves by an HTTPRoute, and what people do to it.

use crate::plans::{APPLICATION, ROLLOUT, broken_web, slow_web, web};
use crate::stage::Stage;
use crate::world::{World, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const ROUTE: &str = "route.yaml";
pub const LIVE: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/web";
/// Weights as they are written on the way, without the first deploy.
const WAY: [&str; 5] = ["web 1", "v1 100, v2 0", "v1 75, v2 25", "v1 25, v2 75", "v1 0, v2 100"];

/// A Gateway, and a route to the Service `web`; `more` are lines of its rule.
pub fn route(more: &[&str]) -> String {
    let mut text = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: sandbox
  listeners: [{name: http, protocol: HTTP, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: edge}]
  hostnames: [web.shop.example]
  rules:
    - backendRefs: [{name: web, port: 9898}]
"
    .to_owned();
    for line in more {
        text.push_str(&format!("      {line}\n"));
    }
    text
}

/// A canary of 25%, 75% and 100% of four pods; `more` are lines of its spec.
fn canary(revision: &str, more: &[&str]) -> String {
    with_steps(revision, "{weight: 25, replicas: 1}, {weight: 75}, {weight: 100}", more)
}

pub fn with_steps(revision: &str, steps: &str, more: &[&str]) -> String {
    let mut text = format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata:
  name: web
  annotations: {{tranche.dev/progress-deadline: 60s}}
spec:
  targetAppRevisionName: {revision}
  strategy:
    canary:
      traffic: {{httpRoute: {{name: web}}}}
      steps: [{steps}]
"
    );
    for line in more {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

/// `web-v1` serves with four pods behind the route.
pub fn serving() -> Stage {
    let stage = Stage::with(&[
        (APPLICATION, &web("6.7.0", 4, &[])),
        (ROLLOUT, &canary("web-v1", &[])),
        (ROUTE, &route(&[])),
    ]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    stage
}

pub fn upgrade(stage: &Stage, more: &[&str]) {
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &canary("web-v2", more))]);
}

pub fn hold_after(stage: &Stage, partition: &str) {
    upgrade(stage, &[&format!("rolloutPlan: {{batchPartition: {partition}}}")]);
    stage.apply_wait().ends(3).says("batchPartition");
}

/// Backends of a route and their weights.
fn backends(route: &Value) -> Vec<(String, u64)> {
    let rules = route["spec"]["rules"].as_array().unwrap();
    let refs = rules.iter().flat_map(|rule| rule["backendRefs"].as_array().unwrap());
    refs.map(|backend| {
        (backend["name"].as_str().unwrap().to_owned(), backend["weight"].as_u64().unwrap())
    })
    .collect()
}

pub fn told(route: &Value) -> String {
    let short = |name: &str| {
        name.strip_prefix("web-")
            .and_then(|n| n.strip_suffix("-traffic"))
            .unwrap_or(name)
            .to_owned()
    };
    let parts = backends(route).into_iter();
    parts.map(|(name, weight)| format!("{} {weight}", short(&name))).collect::<Vec<_>>().join(", ")
}

/// What the route said, one after another.
pub fn way(stage: &Stage) -> Vec<String> {
    let mut seen: Vec<String> =
        stage.history().iter().filter_map(|w| w.get("HTTPRoute", "web").map(told)).collect();
    seen.dedup();
    seen
}

/// Ready endpoints of each Service.
fn endpoints(world: &World) -> BTreeMap<String, u64> {
    let mut ready = BTreeMap::new();
    for (_, slice) in world.of_kind("EndpointSlice") {
        let service = slice["metadata"]["labels"]["kubernetes.io/service-name"].as_str().unwrap();
        let list = slice["endpoints"].as_array().unwrap();
        let count = list.iter().filter(|e| e["conditions"]["ready"] == true).count();
        *ready.entry(service.to_owned()).or_default() += u64::try_from(count).unwrap();
    }
    ready
}

fn accepted(route: &Value) -> bool {
    let parents = route["status"]["parents"].as_array();
    let current = |parent: &Value| {
        let conditions = parent["conditions"].as_array().unwrap();
        conditions.iter().all(|c| {
            c["status"] == "True" && c["observedGeneration"] == route["metadata"]["generation"]
        })
    };
    parents.is_some_and(|parents| parents.iter().all(current))
}

/// At every instant the pods that traffic is sent to are there, as many as
/// the weight needs: by the route that is written, and by the one that was
/// accepted last.
#[track_caller]
pub fn traffic_is_served(stage: &Stage, from: usize) {
    let mut followed: Option<Value> = None;
    let mut looked = 0;
    for (i, world) in stage.history().iter().enumerate() {
        let Some(route) = world.get("HTTPRoute", "web") else { continue };
        let ready = endpoints(world);
        if accepted(route) {
            followed = Some(route.clone());
        }
        for route in [Some(route), followed.as_ref()].into_iter().flatten().filter(|_| i >= from) {
            let all: u64 = backends(route).iter().map(|(_, weight)| weight).sum();
            assert!(all > 0, "instant {i}: nothing gets any traffic");
            for (service, weight) in backends(route).iter().filter(|(_, weight)| *weight > 0) {
                let there = ready.get(service).copied().unwrap_or(0);
                let needed = (4 * weight).div_ceil(all);
                assert!(
                    there >= needed,
                    "instant {i}: {weight} of {all} goes to {there} ready pods of {service}"
                );
                looked += 1;
            }
        }
    }
    assert!(looked > 0, "no traffic was looked at");
}

/// No Service of a single revision is left, and the route says what it said
/// before, field by field.
#[track_caller]
pub fn at_rest(stage: &Stage, before: &Value) {
    let world = stage.world();
    let services: Vec<&str> = world.of_kind("Service").map(|(name, _)| name).collect();
    assert_eq!(services, ["web"]);
    let slices = endpoints(&world);
    assert_eq!(slices, [("web".to_owned(), 4)].into(), "slices of what is gone are left");
    assert_eq!(world.get("HTTPRoute", "web").unwrap()["spec"], before["spec"]);
    stage.record_is_whole();
}

pub fn live(stage: &Stage) -> Value {
    stage.world().get("HTTPRoute", "web").unwrap().clone()
}

#[test]
fn a_canary_moves_pods_then_weight_then_takes_old_pods_away() {
    let stage = serving();
    let before = live(&stage);
    let (sizes, from) = (stage.deployment_sizes().len(), stage.history().len() - 1);
    upgrade(&stage, &[]);
    stage.run(&["plan"]).ends(0).says("route HTTPRoute/default/web to web-v1-traffic 75");
    stage.apply_wait().ends(0);
    assert_eq!(way(&stage), [&WAY[..], &["web 1"]].concat());
    assert_eq!(
        stage.deployment_sizes()[sizes..],
        [
            json!({"web-v1": 4, "web-v2": 0}),
            json!({"web-v1": 4, "web-v2": 1}),
            json!({"web-v1": 3, "web-v2": 1}),
            json!({"web-v1": 3, "web-v2": 3}),
            json!({"web-v1": 1, "web-v2": 3}),
            json!({"web-v1": 1, "web-v2": 4}),
            json!({"web-v1": 0, "web-v2": 4}),
            json!({"web-v2": 4}),
        ]
    );
    traffic_is_served(&stage, from);
    at_rest(&stage, &before);
    assert_eq!(stage.batches()[1..].len(), 3);
    let tip = stage.tip();
    stage.apply().ends(0);
    assert_eq!(stage.tip(), tip, "an idle run commits nothing");
}

#[test]
fn an_abort_after_each_step_goes_back_as_carefully() {
    for (partition, reached) in [("0", 3), ("1", 4)] {
        let stage = serving();
        let (before, from) = (live(&stage), stage.history().len() - 1);
        hold_after(&stage, partition);
        assert_eq!(way(&stage), WAY[..reached]);
        stage.run(&["abort", "web"]).ends(0);
        stage.apply_wait().ends(4);
        let begun = stage.subjects("intent").into_iter().filter(|s| s.ends_with(", aborted"));
        let mut verbs: Vec<String> = begun.collect();
        assert_eq!(verbs.remove(0), "web: back to web-v1 begins, aborted");
        assert_eq!(verbs, ["web: back to web-v1 goes on, aborted"; 1], "begun once");
        assert_eq!(way(&stage), [&WAY[..reached], &["v1 100, v2 0", "web 1"]].concat());
        assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
        traffic_is_served(&stage, from);
        at_rest(&stage, &before);
    }
}

#[test]
fn an_abort_in_the_middle_of_a_step_goes_back_too() {
    // While the first new pod takes its time, and while the last shift drains.
    let cases = [(slow_web("6.7.1"), 5, 2), (web("6.7.1", 4, &[]), 15, 5)];
    for (application, drain, reached) in cases {
        let stage = serving();
        let (before, from) = (live(&stage), stage.history().len() - 1);
        let drained = format!("{{name: web}}, drainSeconds: {drain}}}");
        let text = canary("web-v2", &[]).replace("{name: web}}", &drained);
        stage.commit(&[(APPLICATION, &application), (ROLLOUT, &text)]);
        for round in 0.. {
            assert!(round < 60, "the route never got there: {:?}", way(&stage));
            stage.apply().ends(3);
            if way(&stage).len() == reached {
                break;
            }
        }
        stage.run(&["abort", "web"]).ends(0);
        stage.apply_wait().ends(4);
        assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
        traffic_is_served(&stage, from);
        at_rest(&stage, &before);
    }
}

#[test]
fn pods_that_never_get_ready_get_no_traffic_and_the_route_returns() {
    let stage = serving();
    let (before, from) = (live(&stage), stage.history().len() - 1);
    stage.commit(&[(APPLICATION, &broken_web("6.7.1")), (ROLLOUT, &canary("web-v2", &[]))]);
    stage.apply_wait().ends(4).says("web-v2");
    assert_eq!(way(&stage), ["web 1", "v1 100, v2 0", "web 1"]);
    traffic_is_served(&stage, from);
    at_rest(&stage, &before);
}

/// Annotations of the route, as a person with kubectl sets them.
fn note(annotations: &Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web", "annotations": annotations},
    })
}

#[test]
fn a_route_that_nobody_accepts_takes_no_pods_away() {
    let stage = serving();
    let (before, from) = (live(&stage), stage.history().len() - 1);
    hold_after(&stage, "0");
    stage.meddle(LIVE, &note(&json!({"sandbox.tranche.dev/accept": "never"})));
    upgrade(&stage, &[]);
    stage.apply().ends(3).says("is not accepted");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 3)]));
    // Past its deadline the step fails, and the way back waits for the same.
    stage.apply_wait().ends(3).says("is not accepted");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4), ("6.7.1", 3)]));
    stage.meddle(LIVE, &note(&json!({})));
    stage.apply_wait().ends(4);
    traffic_is_served(&stage, from);
    at_rest(&stage, &before);
}

#[test]
fn a_service_that_somebody_deletes_under_the_way_back_is_brought_again() {
    for service in ["web-v1-traffic", "web-v2-traffic"] {
        let stage = serving();
        let before = live(&stage);
        hold_after(&stage, "0");
        stage.meddle(LIVE, &note(&json!({"sandbox.tranche.dev/accept": "never"})));
        stage.run(&["abort", "web"]).ends(0);
        stage.apply_wait().ends(3).says("is not accepted");
        assert_eq!(told(&live(&stage)), WAY[1]);
        stage.destroy(&format!("/api/v1/namespaces/default/services/{service}"));
        stage.meddle(LIVE, &note(&json!({})));
        stage.apply_wait().ends(4);
        assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
        at_rest(&stage, &before);
    }
}

/// Instants, what the route said and how many old pods were asked for.
fn trace(stage: &Stage) -> Vec<(Timestamp, String, Option<u64>)> {
    let text = std::fs::read_to_string(stage.journal()).unwrap();
    let at = text.lines().skip(1).map(|line| {
        let entry: Value = serde_json::from_str(line).unwrap();
        entry["at"].as_str().unwrap().parse().unwrap()
    });
    let worlds = stage.history();
    let seen = at.zip(&worlds).filter_map(|(at, world)| {
        let route = world.get("HTTPRoute", "web")?;
        Some((at, told(route), world.sizes("Deployment").get("web-v1").copied()))
    });
    seen.collect()
}

#[test]
fn a_drain_is_as_long_as_it_says_over_many_short_runs() {
    let stage = serving();
    let from = stage.history().len() - 1;
    let text = canary("web-v2", &["rolloutPlan: {batchPartition: 0}"])
        .replace("{name: web}}", "{name: web}, drainSeconds: 45}");
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &text)]);
    let mut rounds = 0;
    while stage.world().sizes("Deployment")["web-v1"] == 4 {
        rounds += 1;
        assert!(rounds < 60, "the drain never ends");
        stage.apply().ends(3);
    }
    assert!(rounds > 6, "a run of one round waits no longer than that: {rounds}");
    let trace = trace(&stage);
    let shifted = trace.iter().find(|(_, route, _)| route == WAY[2]).unwrap().0;
    let taken = trace.iter().find(|(_, _, old)| *old == Some(3)).unwrap().0;
    let drained = taken.duration_since(shifted).as_secs();
    // One second until it is accepted, and the second of the second read.
    assert!((46..90).contains(&drained), "{drained} s");
    stage.apply_wait().ends(3).says("batchPartition");
    traffic_is_served(&stage, from);
}

#[test]
fn a_weight_that_somebody_edits_holds_the_rollout() {
    let stage = serving();
    hold_after(&stage, "0");
    let mut edited = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web"}, "spec": {"rules": live(&stage)["spec"]["rules"]},
    });
    edited["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(1);
    stage.meddle(LIVE, &edited);
    upgrade(&stage, &[]);
    let (seen, tip) = (stage.world(), stage.tip());
    stage.apply_wait().ends(77).says("kubectl").says("spec.rules");
    assert_eq!(stage.tip(), tip, "refused before anything is promised");
    assert_eq!(stage.world().sizes("Deployment"), seen.sizes("Deployment"));
    assert_eq!(told(&live(&stage)), "v1 75, v2 1");
    // Nor does an abort write over it.
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(77).says("kubectl");
    assert_eq!(stage.world().sizes("Deployment"), seen.sizes("Deployment"));
    assert_eq!(told(&live(&stage)), "v1 75, v2 1");
}

#[test]
fn a_weight_that_somebody_edits_while_it_drains_keeps_the_old_pods() {
    let stage = serving();
    let text = canary("web-v2", &[]).replace("{name: web}}", "{name: web}, drainSeconds: 45}");
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &text)]);
    let mut rounds = 0;
    while way(&stage).len() < 3 {
        rounds += 1;
        assert!(rounds < 60, "the route never moves");
        stage.apply().ends(3);
    }
    let mut edited = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web"}, "spec": {"rules": live(&stage)["spec"]["rules"]},
    });
    edited["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(0);
    stage.meddle(LIVE, &edited);
    stage.apply_wait().ends(77).says("kubectl");
    assert_eq!(stage.world().sizes("Deployment")["web-v1"], 4);
    assert_eq!(told(&live(&stage)), "v1 75, v2 0");
}

#[test]
fn a_rollout_that_vanished_keeps_its_route() {
    let stage = serving();
    let (before, from) = (live(&stage), stage.history().len() - 1);
    hold_after(&stage, "0");
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(77).says("frozen");
    assert_eq!(told(&live(&stage)), WAY[2], "nobody writes what the rollout drives");
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    traffic_is_served(&stage, from);
    at_rest(&stage, &before);
}

#[test]
fn the_rest_of_the_route_follows_the_plan() {
    let stage = serving();
    hold_after(&stage, "0");
    let timed = |time: &str| route(&[&format!("timeouts: {{request: {time}}}")]);
    let time = |stage: &Stage| live(stage)["spec"]["rules"][0]["timeouts"]["request"].clone();
    stage.commit(&[(ROUTE, &timed("3s"))]);
    stage.apply_wait().ends(3);
    assert_eq!(time(&stage), Value::Null, "an edit counts from the next step");
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    assert_eq!((time(&stage), told(&live(&stage)).as_str()), (json!("3s"), "web 1"));
    stage.commit(&[(ROUTE, &timed("4s"))]);
    stage.apply_wait().ends(0);
    assert_eq!(time(&stage), json!("4s"), "and after the end at once");
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
    stage.record_is_whole();
}

#[test]
fn what_was_moved_already_cannot_be_edited() {
    let stage = serving();
    hold_after(&stage, "1");
    let steps = "{weight: 25, replicas: 1}, {weight: 50, replicas: 3}, {weight: 60}, {weight: 100}";
    stage.commit(&[(ROLLOUT, &with_steps("web-v2", steps, &[]))]);
    stage.apply_wait().ends(65).says("other weights in steps that are done");
    stage.commit(&[(ROLLOUT, &crate::plans::rollout("web-v2", &[]))]);
    stage.apply_wait().ends(65);
    assert_eq!(told(&live(&stage)), WAY[3]);
    let steps = "{weight: 25, replicas: 1}, {weight: 75}, {weight: 80}, {weight: 100}";
    stage.commit(&[(ROLLOUT, &with_steps("web-v2", steps, &[]))]);
    stage.apply_wait().ends(0);
    assert!(way(&stage).contains(&"v1 20, v2 80".to_owned()));
}

/// A plan that lint refuses, and why.
#[track_caller]
fn refused(files: &[(&str, &str)], why: &str) {
    let stage = Stage::with(files);
    stage.run(&["lint"]).ends(65).says(why);
    stage.apply().ends(65).says(why);
}

#[test]
fn what_cannot_be_done_is_refused_by_lint() {
    let (application, routes) = (web("6.7.0", 4, &[]), route(&[]));
    let plan = |rollout: &str, why: &str| {
        refused(&[(APPLICATION, &application), (ROLLOUT, rollout), (ROUTE, &routes)], why);
    };
    let steps = |steps: &str| with_steps("web-v1", steps, &[]);
    plan(&steps("{weight: 30, replicas: 1}, {weight: 100}"), "1 of 4 pods: it needs at least 2");
    plan(&steps("{weight: 30, replicas: 20%}, {weight: 100}"), "30% of the traffic to 20% of");
    plan(&steps("{weight: 30}, {weight: 20}, {weight: 100}"), "the new share never falls");
    plan(&steps("{replicas: 1}"), "moves no traffic");
    plan(&steps("{weight: 30}, {weight: 100, pause: {}}"), "stands after the last step");
    plan(&steps("{weight: 30, matches: []}, {weight: 100}"), "matches is empty");
    let more = |line: &str| canary("web-v1", &[line]);
    plan(&more("rolloutPlan: {numBatches: 2}"), "numBatches stands beside a canary");
    plan(&more("rolloutPlan: {rolloutStrategy: DecreaseFirst}"), "DecreaseFirst takes pods away");
    plan(&canary("web-v1", &[]).replace("name: web}}", "name: other}}"), "is not in this plan");
    plan(
        &canary("web-v1", &[]).replace("tranche.dev/v1alpha1", "core.oam.dev/v1beta1"),
        "`strategy` is no field",
    );
    let blue = canary("web-v1", &[]).replace("    canary:", "    blueGreen: {}\n    canary:");
    plan(&blue, "blueGreen stands beside a canary");

    let rollout = canary("web-v1", &[]);
    let with_route = |routes: &str, why: &str| {
        refused(&[(APPLICATION, &application), (ROLLOUT, &rollout), (ROUTE, routes)], why);
    };
    with_route(&route(&[]).replace("name: web, port", "name: api, port"), "it points at api");
    with_route(&route(&[]).replace("parentRefs: [{name: edge}]", "parentRefs: []"), "parentRefs");
    let second = canary("web-v1", &[]).replace("  name: web\n", "  name: web-too\n");
    refused(
        &[(APPLICATION, &application), (ROLLOUT, &rollout), (ROUTE, &routes), ("b.yaml", &second)],
        "is driven already",
    );
    let ports = "ports:\n          - port: 9898\n            expose: true\n";
    let in_place = application.replace("type: webservice", "type: clonesetservice");
    let in_place = in_place.replace(ports, "port: 9898\n");
    refused(
        &[(APPLICATION, &in_place), (ROLLOUT, &rollout), (ROUTE, &routes)],
        "is updated in place",
    );
}

#[test]
fn a_rebuilt_cluster_gets_the_weight_of_the_recorded_step() {
    let stage = serving();
    hold_after(&stage, "0");
    assert_eq!(told(&live(&stage)), "v1 75, v2 25");
    let (before, ready) = (endpoints(&stage.world()), stage.world().ready_pods());
    stage.wipe();
    stage.apply_wait().ends(77).says("tranche adopt --rebuilt");
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply_wait().ends(3).says("bringing back batch 1/3 done");
    assert_eq!(told(&live(&stage)), "v1 75, v2 25");
    assert_eq!(way(&stage), ["v1 75, v2 25"], "no weight before the pods that serve it");
    assert_eq!(stage.world().ready_pods(), ready);
    assert_eq!(endpoints(&stage.world()), before);
    traffic_is_served(&stage, 0);
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

#[test]
fn an_aborting_canary_brings_its_route_back_on_a_rebuilt_cluster() {
    let stage = serving();
    let before = live(&stage);
    hold_after(&stage, "1");
    stage.run(&["abort", "web"]).ends(0);
    stage.wipe();
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(backends(&live(&stage)), backends(&before));
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    stage.record_is_whole();
}
