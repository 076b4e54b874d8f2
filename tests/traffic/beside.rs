//! A canary beside a workload that keeps its name, under load: its native
//! update at the end, and back from the middle.

use crate::plans::{PODS, application};
use crate::scene::Scene;
use crate::verdict::{ENOUGH, nothing_lost, shares};
use serde_json::json;

/// The application in a version, with KubeVela's trait.
fn tried(tag: &str) -> String {
    let plain =
        application(tag).replace("rollout-template: \"true\"", "rollout-template: \"false\"");
    format!(
        "{plain}        - type: kruise-rollout
          properties:
            canary:
              steps: [{{weight: 20}}, {{weight: 60}}]
              trafficRoutings: [{{type: gateway, gracePeriodSeconds: 1}}]
"
    )
}

fn serving(prefix: &str) -> Scene {
    let scene = Scene::of(prefix, &[("application.yaml", tried("v1"))]);
    assert_eq!(scene.sizes(), json!({"web": PODS}));
    scene
}

#[test]
fn a_workload_that_keeps_its_name_is_updated_while_the_trial_serves() {
    let scene = serving("beside");
    let mut load = scene.load();
    scene.site.commit(&[("application.yaml", &tried("v2"))]);
    for stage in ["20%", "60%"] {
        load.stage("moving").unwrap();
        scene.site.apply_wait().ends(3);
        load.stage(stage).unwrap();
        load.answered(2_000).unwrap();
        scene.site.run(&["approve", "web"]).ends(0);
    }
    load.stage("updating").unwrap();
    scene.site.apply_wait().ends(0);
    load.stage("after").unwrap();
    load.answered(2_000).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(nothing_lost(&report, 10_000), Ok(()));
    assert_eq!(shares(&report, "20%", &[("v1", 80.0), ("v2", 20.0)]), Ok(()));
    assert_eq!(shares(&report, "60%", &[("v1", 40.0), ("v2", 60.0)]), Ok(()));
    assert_eq!(shares(&report, "after", &[("v2", 100.0)]), Ok(()));
    scene.is_at_rest(&json!({"web": PODS}));
}

#[test]
fn an_abort_of_a_trial_loses_no_request() {
    let scene = serving("untried");
    let mut load = scene.load();
    scene.site.commit(&[("application.yaml", &tried("v2"))]);
    scene.site.apply_wait().ends(3);
    scene.site.run(&["abort", "web"]).ends(0);
    load.stage("back").unwrap();
    scene.site.apply_wait().ends(4);
    load.stage("after").unwrap();
    load.answered(ENOUGH).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(nothing_lost(&report, 2 * ENOUGH), Ok(()));
    assert_eq!(shares(&report, "after", &[("v1", 100.0)]), Ok(()));
    scene.is_at_rest(&json!({"web": PODS}));
}
