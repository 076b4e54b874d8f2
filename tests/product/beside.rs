//! KubeVela's trait `kruise-rollout`: a canary beside a workload that keeps its
//! name, and its native update at the end.

use crate::stage::Stage;
use serde_json::{Value, json};

const APPLICATION: &str = "application.yaml";
const INGRESS: &str = "ingress.yaml";

/// The application: a Deployment of five pods and a Service behind an Ingress.
fn application(tag: &str, replicas: u32, canary: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: demo
  annotations: {{tranche.dev/progress-deadline: 60s}}
spec:
  components:
    - name: demo
      type: webservice
      properties:
        image: stefanprodan/podinfo:{tag}
        ports: [{{port: 9898, expose: true}}]
      traits:
        - type: scaler
          properties: {{replicas: {replicas}}}
        - type: kruise-rollout
          properties:
            canary: {canary}
"
    )
}

const ROUTE: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: demo}
spec:
  ingressClassName: nginx
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: demo, port: {number: 9898}}}}
";

pub const ROUTED: &str = "{steps: [{weight: 20}, {weight: 90}], trafficRoutings: [{type: nginx}]}";

pub fn serving(canary: &str) -> Stage {
    let stage = Stage::with(&[(APPLICATION, &application("6.7.0", 5, canary)), (INGRESS, ROUTE)]);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage), json!({"demo": 5}));
    stage
}

pub fn upgrade(stage: &Stage, canary: &str) {
    stage.commit(&[(APPLICATION, &application("6.7.1", 5, canary))]);
}

fn sizes(stage: &Stage) -> Value {
    json!(stage.world().sizes("Deployment"))
}

fn images(stage: &Stage) -> Value {
    json!(stage.world().ready_pods())
}

fn weight(stage: &Stage) -> Option<String> {
    let world = stage.world();
    let second = world.get("Ingress", "demo-canary")?;
    let annotations = &second["metadata"]["annotations"];
    Some(annotations["nginx.ingress.kubernetes.io/canary-weight"].as_str().unwrap().to_owned())
}

#[test]
fn the_first_deploy_is_plain_and_an_idle_run_does_nothing() {
    let stage = serving(ROUTED);
    assert_eq!(stage.world().of_kind("Ingress").count(), 1);
    assert_eq!(stage.world().of_kind("Service").count(), 1);
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
    stage.record_is_whole();
}

#[test]
fn a_first_deploy_that_was_given_up_is_followed_by_the_next_revision() {
    let slow = |tag: &str| {
        application(tag, 5, ROUTED).replace(
            "        - type: kruise-rollout",
            "        - type: annotations\n          properties: {sandbox.tranche.dev/ready-after: 30s}\n        \
             - type: kruise-rollout",
        )
    };
    let stage = Stage::with(&[(APPLICATION, &slow("6.7.0")), (INGRESS, ROUTE)]);
    stage.apply().ends(3);
    stage.run(&["abort", "demo"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(sizes(&stage), json!({"demo": 0}));
    stage.commit(&[(APPLICATION, &slow("6.7.1"))]);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage), json!({"demo": 5}));
    assert_eq!(images(&stage), json!({"6.7.1": 5}));
    stage.record_is_whole();
}

#[test]
fn a_drain_that_is_longer_than_a_round_ends() {
    let patient = ROUTED.replace("{type: nginx}", "{type: nginx, gracePeriodSeconds: 20}");
    let stage = serving(&patient);
    upgrade(&stage, &patient);
    stage.apply_wait().ends(3).says("approve demo");
    assert_eq!(weight(&stage).unwrap(), "20");
    stage.run(&["abort", "demo"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!((sizes(&stage), weight(&stage)), (json!({"demo": 5}), None));
    stage.record_is_whole();
}

#[test]
fn a_new_image_is_tried_beside_the_old_one_until_it_is_approved() {
    let stage = serving(ROUTED);
    let before = stage.world().get("Ingress", "demo").unwrap()["spec"].clone();
    let from = stage.history().len() - 1;
    upgrade(&stage, ROUTED);
    stage.apply_wait().ends(3).says("`tranche approve demo`, or a `duration` in the plan");
    assert_eq!(sizes(&stage), json!({"demo": 5, "demo-v2-canary": 1}));
    assert_eq!(images(&stage), json!({"6.7.0": 5, "6.7.1": 1}));
    assert_eq!(weight(&stage).unwrap(), "20");
    stage.run(&["status"]).ends(0).says("approve");
    stage.run(&["approve", "demo"]).ends(0);
    stage.apply_wait().ends(3);
    assert_eq!(sizes(&stage), json!({"demo": 5, "demo-v2-canary": 5}), "90% of 5, rounded up");
    assert_eq!(weight(&stage).unwrap(), "90");
    stage.run(&["approve", "demo"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage), json!({"demo": 5}));
    assert_eq!(images(&stage), json!({"6.7.1": 5}));
    assert_eq!(weight(&stage), None);
    assert_eq!(stage.world().get("Ingress", "demo").unwrap()["spec"], before);
    assert_eq!(stage.world().of_kind("Service").count(), 1);
    let lowest = stage.history()[from..].iter().map(crate::world::World::ready).min();
    assert_eq!(lowest, Some(5), "the trial serves while the workload is updated");
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
    stage.record_is_whole();
}

#[test]
fn at_any_gate_the_previous_revision_is_a_commit_or_an_abort_away() {
    for (approved, by_commit) in [(0, true), (0, false), (1, true), (1, false)] {
        let stage = serving(ROUTED);
        upgrade(&stage, ROUTED);
        stage.apply_wait().ends(3);
        for _ in 0..approved {
            stage.run(&["approve", "demo"]).ends(0);
            stage.apply_wait().ends(3);
        }
        if by_commit {
            stage.commit(&[(APPLICATION, &application("6.7.0", 5, ROUTED))]);
            stage.apply_wait().ends(0);
        } else {
            stage.run(&["abort", "demo"]).ends(0);
            stage.apply_wait().ends(4);
        }
        assert_eq!(sizes(&stage), json!({"demo": 5}));
        assert_eq!(images(&stage), json!({"6.7.0": 5}));
        assert_eq!(weight(&stage), None);
        assert_eq!(stage.world().of_kind("Service").count(), 1);
        stage.record_is_whole();
    }
}

#[test]
fn a_third_version_in_the_middle_starts_anew_from_the_first() {
    let stage = serving(ROUTED);
    upgrade(&stage, ROUTED);
    stage.apply_wait().ends(3);
    stage.commit(&[(APPLICATION, &application("6.7.2", 5, ROUTED))]);
    stage.apply_wait().ends(3);
    assert_eq!(sizes(&stage), json!({"demo": 5, "demo-v3-canary": 1}));
    assert_eq!(images(&stage), json!({"6.7.0": 5, "6.7.2": 1}));
    assert_eq!(weight(&stage).unwrap(), "20");
}

#[test]
fn another_size_is_no_new_version() {
    let stage = serving(ROUTED);
    stage.commit(&[(APPLICATION, &application("6.7.0", 6, ROUTED))]);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage), json!({"demo": 6}));
    let tried = |world: &crate::world::World| world.get("Deployment", "demo-v2-canary").is_some();
    assert!(!stage.history().iter().any(tried));
    stage.record_is_whole();
}

#[test]
fn without_a_route_the_trial_waits_and_the_workload_is_updated_natively() {
    let steps = "{steps: [{replicas: 2, duration: 30}]}";
    let stage = serving(steps);
    upgrade(&stage, steps);
    stage.apply().ends(3);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage), json!({"demo": 5}));
    assert_eq!(images(&stage), json!({"6.7.1": 5}));
    assert!(
        stage.history().iter().any(|w| w.sizes("Deployment").get("demo-v2-canary") == Some(&2))
    );
    let services = stage.history().iter().map(|w| w.of_kind("Service").count()).max();
    assert_eq!(services, Some(1), "nothing is routed, so nothing is divided");
}

#[test]
fn a_version_that_never_gets_ready_goes_by_itself() {
    let stage = serving(ROUTED);
    let broken = application("6.7.1", 5, ROUTED).replace(
        "        - type: kruise-rollout",
        "        - type: annotations\n          properties: {sandbox.tranche.dev/ready: never}\n        - \
         type: kruise-rollout",
    );
    stage.commit(&[(APPLICATION, &broken)]);
    stage.apply_wait().ends(4);
    assert_eq!(sizes(&stage), json!({"demo": 5}));
    assert_eq!(images(&stage), json!({"6.7.0": 5}));
    assert_eq!(weight(&stage), None);
}

#[test]
fn what_the_trait_cannot_do_is_refused_by_name() {
    let refused = |canary: &str, why: &str| {
        let files = [(APPLICATION, application("6.7.0", 5, canary)), (INGRESS, ROUTE.to_owned())];
        let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
        Stage::with(&files).run(&["lint"]).ends(65).says(why).says("application.yaml:");
    };
    refused("{steps: []}", "is empty");
    refused("{steps: [{}]}", "says nothing");
    refused("{steps: [{weight: 50}, {weight: 20}]}", "the share never falls");
    refused("{steps: [{matches: [{headers: [{name: a, value: b}]}]}]}", "trafficRoutings");
    refused("{steps: [{weight: 20, replicas: 0}], trafficRoutings: [{}]}", "at least 1");
    refused(
        "{steps: [{weight: 20}], trafficRoutings: [{service: other}]}",
        "by Service demo, but the plan says other",
    );
    refused(
        "{steps: [{weight: 20}], trafficRoutings: [{ingressName: other}]}",
        "is not in this plan",
    );
}

#[test]
fn content_that_changes_under_an_old_version_moves_nothing_and_lint_says_so() {
    let versioned = |tag: &str, version: &str| {
        let annotation = format!("annotations: {{app.oam.dev/publishVersion: {version}, ");
        application(tag, 5, ROUTED).replace("annotations: {", &annotation)
    };
    let stage = Stage::with(&[(APPLICATION, &versioned("6.7.0", "alpha")), (INGRESS, ROUTE)]);
    stage.apply_wait().ends(0);
    stage.commit(&[("README.md", "no part of the plan")]);
    assert!(!stage.run(&["lint"]).ends(0).out.contains("publishVersion"));
    stage.commit(&[(APPLICATION, &versioned("6.7.1", "alpha"))]);
    stage.run(&["lint"]).ends(0).says("publishVersion \"alpha\": nothing moves");
    stage.apply_wait().ends(0);
    assert_eq!(images(&stage), json!({"6.7.0": 5}));
    stage.commit(&[(APPLICATION, &versioned("6.7.1", "beta"))]);
    assert!(!stage.run(&["lint"]).ends(0).out.contains("publishVersion"));
    stage.apply_wait().ends(3);
    assert_eq!(images(&stage), json!({"6.7.0": 5, "6.7.1": 1}));
}

#[test]
fn a_second_ingress_that_is_removed_is_known_no_more() {
    let stage = serving(ROUTED);
    upgrade(&stage, ROUTED);
    stage.apply_wait().ends(3);
    let second = stage.world().get("Ingress", "demo-canary").unwrap().clone();
    for _ in 0..2 {
        stage.run(&["approve", "demo"]).ends(0);
        stage.apply_wait();
    }
    stage.land_late(&second, "0");
    let uid = stage.world().get("Ingress", "demo-canary").unwrap()["metadata"]["uid"].clone();
    let uid = uid.as_str().unwrap();
    // The end of the step has seen it, as it may have landed just then.
    let known = format!(
        "- object:\n    apiVersion: networking.k8s.io/v1\n    kind: Ingress\n    namespace: \
         default\n    name: demo-canary\n  uid: {uid}\n"
    );
    let message = stage.next_message("demo: a fine subject");
    let path = "inventory/default/demo.rollout.yaml";
    stage.forge(path, &message, |text| format!("{}\n{known}", text.trim_end()));
    stage.apply_wait().ends(0).says("demo");
    assert_eq!(stage.world().of_kind("Ingress").count(), 1);
    let inventory = stage.record_file(path);
    assert!(inventory.contains("name: demo\n") && !inventory.contains(uid), "{inventory}");
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
}
