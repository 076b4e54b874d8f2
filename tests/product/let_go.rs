//! A rollout has left the plan, and `tranche.dev/rollout: none` lets go of it:
//! its application is applied as it stands, and what the rollout had goes then,
//! never before.

use crate::plans::{APPLICATION, web};
use crate::stage::Stage;
use crate::traffic::route;
use crate::world::{World, pods};
use serde_json::json;
use std::collections::BTreeMap;

const ROLLOUT: &str = "approllout.yaml";

/// `shop`: a component `web` of three pods; `beside` are lines of its
/// properties and traits.
fn shop(tag: &str, annotations: &str, kind: &str, traits: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {{name: shop, annotations: \
         {{{annotations}}}}}\nspec:\n  components:\n  - name: web\n    type: {kind}\n    properties: \
         {{image: \"web:{tag}\"{}}}\n    traits:\n    - {{type: scaler, properties: {{replicas: \
         3}}}}\n{traits}",
        if kind == "webservice" { ", ports: [{port: 80, expose: true}]" } else { "" }
    )
}

const ROLLED: &str = "app.oam.dev/rollout-template: \"true\"";
const LET_GO: &str = "tranche.dev/rollout: none";

fn rollout(revision: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {{name: shop}}\nspec:\n  \
         targetAppRevisionName: {revision}\n  rolloutPlan:\n    rolloutBatches: [{{replicas: 1}}, \
         {{}}]\n"
    )
}

fn ready(value: &str) -> String {
    format!("    - {{type: annotations, properties: {{sandbox.tranche.dev/ready: \"{value}\"}}}}\n")
}

/// `shop-v1` stands, rolled out.
fn rolled(kind: &str) -> Stage {
    let first = rollout("shop-v1");
    let stage = Stage::with(&[(APPLICATION, &*shop("1", ROLLED, kind, "")), (ROLLOUT, &*first)]);
    stage.apply_wait().ends(0);
    stage
}

fn sizes(world: &World) -> BTreeMap<String, u64> {
    world.sizes("Deployment")
}

fn size(named: &[(&str, u64)]) -> BTreeMap<String, u64> {
    named.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect()
}

/// The fewest ready pods since the cluster's `from`th instant.
fn lowest(stage: &Stage, from: usize) -> usize {
    stage.history()[from..].iter().map(World::ready).min().unwrap()
}

#[test]
fn what_a_whole_rollout_had_goes_once_its_application_stands() {
    let stage = rolled("webservice");
    assert_eq!(sizes(&stage.world()), size(&[("web-v1", 3)]));
    stage.remove(ROLLOUT);
    stage.commit(&[(APPLICATION, &shop("2", "", "webservice", ""))]);
    stage.apply_wait().ends(0).says("stays as its rollout left it");
    assert_eq!(sizes(&stage.world()), size(&[("web-v1", 3)]), "nobody has let go of it");
    let from = stage.history().len() - 1;
    stage.commit(&[(APPLICATION, &shop("2", LET_GO, "webservice", ""))]);
    stage.apply_wait().ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("web", 3)]));
    assert_eq!(stage.world().ready_pods(), pods(&[("2", 3)]));
    assert!(stage.world().get("Service", "web").is_some(), "it is the application's by now");
    assert!(lowest(&stage, from) >= 3, "first the new ones, then the old ones go");
    stage.record_is_whole();
    stage.run(&["status"]).ends(0).says("nothing of it is left");
    let inventory = stage.record_file("inventory/default/shop.rollout.yaml");
    assert!(!inventory.contains("Service") && !inventory.contains("web-v1"), "{inventory}");
    stage.run(&["plan", "--detailed-exitcode"]).ends(0);
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
}

#[test]
fn nothing_goes_before_what_takes_its_place_is_ready() {
    let stage = rolled("webservice");
    stage.remove(ROLLOUT);
    let waits = shop("2", LET_GO, "webservice", &ready("never"));
    stage.commit(&[(APPLICATION, &waits)]);
    for _ in 0..2 {
        stage.run(&["apply", "--wait", "1m"]).ends(3);
        assert_eq!(stage.world().ready_pods(), pods(&[("1", 3)]));
    }
    stage.run(&["apply", "--allow-prune", "--wait", "1m"]).ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 3)]));
    stage.commit(&[(APPLICATION, &shop("2", LET_GO, "webservice", &ready("always")))]);
    stage.apply_wait().ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("web", 3)]));
    stage.record_is_whole();
}

/// The record says that the application was applied just so: before there was a
/// rollout. What serves today is the rollout's.
#[test]
fn what_was_applied_before_the_rollout_began_is_no_reason_to_let_anything_go() {
    let stage = Stage::with(&[(APPLICATION, &*shop("1", "", "webservice", ""))]);
    stage.apply_wait().ends(0);
    stage.commit(&[
        (APPLICATION, &shop("1", ROLLED, "webservice", "")),
        (ROLLOUT, &rollout("shop-v1")),
    ]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment").get("web-v1"), Some(&3));
    // Its own Deployment of old is gone by hand.
    stage.destroy("/apis/apps/v1/namespaces/default/deployments/web");
    stage.remove(ROLLOUT);
    stage.commit(&[(APPLICATION, &shop("1", ROLLED, "webservice", ""))]);
    stage.apply_wait().ends(0);
    let from = stage.history().len() - 1;
    // And it cannot come back, as long as somebody else has a field of the Service.
    let ports = |port: u32| json!([{"name": "port-80", "port": 80, "targetPort": port}]);
    let service = "/api/v1/namespaces/default/services/web";
    let of = |port: u32| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
               "spec": {"ports": ports(port)}})
    };
    stage.meddle(service, &of(81));
    stage.commit(&[(APPLICATION, &shop("1", LET_GO, "webservice", ""))]);
    for _ in 0..2 {
        stage.run(&["apply", "--allow-prune", "--wait", "1m"]).ends(77).says("Service/default/web");
        assert_eq!(sizes(&stage.world()), size(&[("web-v1", 3)]));
    }
    stage.meddle(service, &of(80));
    stage.apply_wait().ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("web", 3)]));
    assert!(lowest(&stage, from) >= 3);
}

#[test]
fn more_than_half_of_it_goes_only_with_a_persons_word() {
    let stage = rolled("worker");
    stage.remove(ROLLOUT);
    stage.commit(&[(APPLICATION, &shop("2", LET_GO, "worker", ""))]);
    stage.apply_wait().ends(77).says("Deployment/default/web-v1");
    assert_eq!(sizes(&stage.world()), size(&[("web", 3), ("web-v1", 3)]));
    stage.run(&["plan", "--allow-prune"]).ends(0).says("delete Deployment/default/web-v1");
    stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("web", 3)]));
    stage.record_is_whole();
}

/// Another rollout of the application has what is there.
#[test]
fn another_rollout_of_the_same_application_keeps_what_is_there() {
    let stage = rolled("webservice");
    let other = rollout("shop-v1").replace("{name: shop}", "{name: other}");
    stage.remove(ROLLOUT);
    stage.commit(&[(APPLICATION, &shop("1", LET_GO, "webservice", "")), ("other.yaml", &other)]);
    stage.run(&["apply", "--allow-prune", "--wait", "1m"]);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 3)]));
    assert_eq!(sizes(&stage.world()), size(&[("web-v1", 3)]));
}

/// A workload that keeps its name is handed over, pods and all.
#[test]
fn a_workload_that_keeps_its_name_is_handed_over_and_never_deleted() {
    let kept = |tag: &str, annotations: &str| {
        format!(
            "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {{name: shop, \
             annotations: {{{annotations}}}}}\nspec:\n  components:\n  - name: web\n    type: \
             raw\n    properties:\n      apiVersion: apps.kruise.io/v1alpha1\n      kind: \
             CloneSet\n      metadata: {{name: web}}\n      spec:\n        replicas: 3\n        \
             selector: {{matchLabels: {{app: web}}}}\n        template: {{metadata: {{labels: \
             {{app: web}}}}, spec: {{containers: [{{name: web, image: \"web:{tag}\"}}]}}}}\n"
        )
    };
    let stage = Stage::with(&[(APPLICATION, &*kept("1", ROLLED)), (ROLLOUT, &*rollout("shop-v1"))]);
    stage.apply_wait().ends(0);
    let uid =
        |stage: &Stage| stage.world().get("CloneSet", "web").unwrap()["metadata"]["uid"].clone();
    let was = uid(&stage);
    stage.remove(ROLLOUT);
    stage.commit(&[(APPLICATION, &kept("1", LET_GO))]);
    stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    assert_eq!(uid(&stage), was);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 3)]));
    let live = stage.world().get("CloneSet", "web").unwrap().clone();
    let owner = live["metadata"]["annotations"]["tranche.dev/entity"].as_str().unwrap().to_owned();
    assert!(owner.starts_with("application/"), "{owner}");
}

/// Where a route has led to a Service of the rollout, it leads elsewhere before
/// that goes.
#[test]
fn a_route_never_leads_to_what_is_gone() {
    let canary = |revision: &str| {
        format!(
            "apiVersion: tranche.dev/v1alpha1\nkind: AppRollout\nmetadata: {{name: web}}\nspec:\n  \
             targetAppRevisionName: {revision}\n  strategy:\n    canary:\n      traffic: \
             {{httpRoute: {{name: web}}}}\n      steps: [{{weight: 50}}]\n"
        )
    };
    let first = canary("web-v1");
    let (app, path) = (|tag: &str| web(tag, 4, &[]), "routes.yaml");
    let stage = Stage::with(&[(APPLICATION, &*app("1")), (ROLLOUT, &*first), (path, &*route(&[]))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &app("2")), (ROLLOUT, &canary("web-v2"))]);
    stage.apply_wait().ends(0);
    let from = stage.history().len() - 1;
    stage.remove(ROLLOUT);
    let gone = app("2").replace(ROLLED, LET_GO);
    assert_ne!(gone, app("2"));
    stage.commit(&[(APPLICATION, &gone)]);
    for _ in 0..2 {
        stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    }
    assert_eq!(sizes(&stage.world()), size(&[("web", 4)]));
    assert!(lowest(&stage, from) >= 4);
    let history = stage.history();
    for world in &history[from..] {
        let route = world.get("HTTPRoute", "web").unwrap();
        for backend in route["spec"]["rules"][0]["backendRefs"].as_array().unwrap() {
            let name = backend["name"].as_str().unwrap();
            assert!(world.get("Service", name).is_some(), "{name} is gone: {route}");
        }
    }
    stage.record_is_whole();
}
