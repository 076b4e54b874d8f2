//! Canaries behind an HTTPRoute under load: to the end, back from the middle,
//! and with a version that fails.

use crate::plans::PODS;
use crate::scene::Scene;
use crate::verdict::{ENOUGH, nothing_lost, only_failures_of, shares};
use serde_json::json;

#[test]
fn a_canary_to_its_end_loses_no_request_and_keeps_its_shares() {
    let scene = Scene::serving("canary");
    let mut load = scene.load();
    for (until, stage) in [(Some(0), "20%"), (Some(1), "60%"), (None, "100%")] {
        scene.plan("v2", &[20, 60, 100], until);
        load.stage("moving").unwrap();
        scene.site.apply_wait().ends(if until.is_some() { 3 } else { 0 });
        load.stage(stage).unwrap();
        load.answered(2_000).unwrap();
    }
    let report = load.finish().unwrap();
    assert_eq!(nothing_lost(&report, 10_000), Ok(()));
    assert!(["20%", "60%", "100%"].iter().all(|one| report.stage(one).unwrap().requests >= 2_000));
    assert_eq!(shares(&report, "20%", &[("v1", 80.0), ("v2", 20.0)]), Ok(()));
    assert_eq!(shares(&report, "60%", &[("v1", 40.0), ("v2", 60.0)]), Ok(()));
    assert_eq!(shares(&report, "100%", &[("v2", 100.0)]), Ok(()));
    scene.is_at_rest(&json!({"web-v2": PODS}));
}

#[test]
fn an_abort_in_the_middle_loses_no_request() {
    let scene = Scene::serving("abort");
    let mut load = scene.load();
    scene.plan("v2", &[60, 100], Some(0));
    scene.site.apply_wait().ends(3);
    load.stage("60%").unwrap();
    load.answered(ENOUGH).unwrap();
    scene.site.run(&["abort", "web"]).ends(0);
    load.stage("back").unwrap();
    scene.site.apply_wait().ends(4);
    load.stage("after").unwrap();
    load.answered(ENOUGH).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(nothing_lost(&report, 3 * ENOUGH), Ok(()));
    assert_eq!(shares(&report, "60%", &[("v1", 40.0), ("v2", 60.0)]), Ok(()));
    assert_eq!(shares(&report, "after", &[("v1", 100.0)]), Ok(()));
    scene.is_at_rest(&json!({"web-v1": PODS}));
}

#[test]
fn a_version_that_fails_costs_its_own_answers_until_the_abort() {
    let scene = Scene::serving("bad");
    let mut load = scene.load();
    scene.plan("bad1", &[20, 100], Some(0));
    scene.site.apply_wait().ends(3);
    load.stage("20%").unwrap();
    load.answered(ENOUGH).unwrap();
    scene.site.run(&["abort", "web"]).ends(0);
    load.stage("back").unwrap();
    scene.site.apply_wait().ends(4);
    load.stage("after").unwrap();
    load.answered(ENOUGH).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(only_failures_of(&report, "bad1"), Ok(()));
    assert_eq!(shares(&report, "20%", &[("v1", 80.0), ("bad1", 20.0)]), Ok(()));
    assert_eq!(shares(&report, "after", &[("v1", 100.0)]), Ok(()));
    assert_eq!(report.stage("after").unwrap().failed(), 0);
    assert!(nothing_lost(&report, 0).is_err(), "its answers are failures");
    scene.is_at_rest(&json!({"web-v1": PODS}));
}
