//! Blue-green under load: a Service is switched to the next version and back,
//! and each request is answered by the one whose turn it is.

use crate::plans::{PODS, application};
use crate::scene::Scene;
use crate::verdict::{ENOUGH, nothing_lost, shares};
use serde_json::json;
use tranche_lab::User;

/// Each stage has at least so many requests.
const MANY: u64 = 2_000;

fn rollout(revision: &str) -> String {
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {{name: web}}
spec:
  targetAppRevisionName: {revision}
  strategy:
    blueGreen:
      activeService: web
      previewReplicaCount: 1
      autoPromotionEnabled: false
      scaleDownDelaySeconds: 15
"
    )
}

/// v1 serves all requests.
fn serving(prefix: &str) -> Scene {
    let plan = [("application.yaml", application("v1")), ("approllout.yaml", rollout("web-v1"))];
    let scene = Scene::of(prefix, &plan);
    assert_eq!(scene.sizes(), json!({"web-v1": PODS}));
    scene
}

/// The first step: v2 is there, and waits for its approval.
fn previewed(scene: &Scene) {
    scene.site.commit(&[
        ("application.yaml", &application("v2")),
        ("approllout.yaml", &rollout("web-v2")),
    ]);
    scene.site.apply_wait().ends(3).says("tranche approve web");
    assert_eq!(scene.sizes(), json!({"web-v1": PODS, "web-v2": 1}));
}

/// The second one: the switch. The old pods run on.
fn switched(scene: &Scene) {
    scene.site.run(&["approve", "web"]).ends(0);
    scene.site.run(&["apply", "--wait", "12s"]).ends(3).says("hold for 15s");
    assert_eq!(scene.sizes(), json!({"web-v1": PODS, "web-v2": PODS}));
}

#[test]
fn a_switch_to_its_end_loses_no_request_and_each_stage_is_of_one_version() {
    let scene = serving("switch");
    let mut load = scene.load();
    load.stage("preview").unwrap();
    previewed(&scene);
    load.answered(MANY).unwrap();
    load.stage("switching").unwrap();
    switched(&scene);
    load.stage("held").unwrap();
    load.answered(MANY).unwrap();
    load.stage("old pods away").unwrap();
    scene.site.apply_wait().ends(0);
    load.stage("after").unwrap();
    load.answered(MANY).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(nothing_lost(&report, 4 * MANY), Ok(()));
    assert_eq!(shares(&report, "preview", &[("v1", 100.0)]), Ok(()));
    for stage in ["held", "old pods away", "after"] {
        assert_eq!(shares(&report, stage, &[("v2", 100.0)]), Ok(()));
    }
    scene.is_at_rest(&json!({"web-v2": PODS}));
}

#[test]
fn a_switch_back_loses_no_request() {
    let scene = serving("return");
    let mut load = scene.load();
    previewed(&scene);
    switched(&scene);
    load.stage("held").unwrap();
    load.answered(MANY).unwrap();
    scene.site.run(&["abort", "web"]).ends(0);
    load.stage("back").unwrap();
    scene.site.apply_wait().ends(4);
    load.stage("after").unwrap();
    load.answered(MANY).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(nothing_lost(&report, 4 * MANY), Ok(()));
    assert_eq!(shares(&report, "held", &[("v2", 100.0)]), Ok(()));
    assert_eq!(shares(&report, "after", &[("v1", 100.0)]), Ok(()));
    scene.is_at_rest(&json!({"web-v1": PODS}));
}

/// What the order is for: the same two versions, and somebody who takes the old
/// pods away before the switch.
#[test]
fn old_pods_that_go_before_the_switch_lose_requests() {
    let scene = serving("defect");
    let mut load = scene.load();
    previewed(&scene);
    load.stage("too early").unwrap();
    let namespace = scene.site.namespace.name();
    let scale = ["scale", "-n", namespace, "deployment/web-v1", "--replicas=0"];
    scene.lab.plane().kubectl_as(User::Admin, &scale, "").unwrap();
    load.answered(ENOUGH).unwrap();
    let report = load.finish().unwrap();
    assert!(nothing_lost(&report, ENOUGH).is_err());
    assert!(report.stage("too early").unwrap().failed() > 0);
}
