//! KubeVela's AppRollout, with its own documents.

use crate::stage::Stage;
use crate::world::pods;

const APPLICATION_V1: &str =
    include_str!("../../testdata/seeds/kubevela-approllout/1-application.yaml");
const ROLLOUT_V1: &str = include_str!("../../testdata/seeds/kubevela-approllout/2-approllout.yaml");
const APPLICATION_V2: &str =
    include_str!("../../testdata/seeds/kubevela-approllout/3-application.yaml");
const ROLLOUT_V2: &str = include_str!("../../testdata/seeds/kubevela-approllout/4-approllout.yaml");
const OVERVIEW: &str = include_str!("../../testdata/seeds/kubevela-approllout/overview.yaml");

/// The first three commits, each applied.
fn up_to_v2_published() -> Stage {
    let stage = Stage::with(&[("application.yaml", APPLICATION_V1)]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.subjects("publish"), ["test-rolling: revision test-rolling-v1 published"]);
    assert_eq!(stage.log().len(), 1, "a published revision moves nothing");
    stage.commit(&[("approllout.yaml", ROLLOUT_V1)]);
    stage.apply_wait().ends(0);
    assert_eq!(
        stage.batches(),
        [
            "1 of 5 pods on test-rolling-v1",
            "3 of 5 pods on test-rolling-v1",
            "5 of 5 pods on test-rolling-v1"
        ]
    );
    assert_eq!(stage.state("rolling-example"), "rolloutSucceed");
    assert_eq!(stage.world().ready_pods(), pods(&[("4.0.6", 5)]));
    let before = stage.world();
    stage.commit(&[("application.yaml", APPLICATION_V2)]);
    stage.apply_wait().ends(0);
    assert_eq!(
        stage.subjects("publish").last().unwrap(),
        "test-rolling: revision test-rolling-v2 published"
    );
    let after = stage.world();
    let cloneset = |world: &crate::world::World| {
        world.get("CloneSet", "metrics-provider").unwrap()["metadata"]["generation"].clone()
    };
    assert_eq!(cloneset(&after), cloneset(&before), "v2 is published without movement");
    assert_eq!(after.all_pods(), before.all_pods());
    stage
}

#[test]
fn the_four_commits_of_the_seed_roll_v1_and_then_v2_out() {
    let stage = up_to_v2_published();
    stage.commit(&[("approllout.yaml", ROLLOUT_V2)]);
    stage.apply_wait().ends(0);
    assert_eq!(
        stage.batches()[3..],
        [
            "1 of 5 pods on test-rolling-v2",
            "3 of 5 pods on test-rolling-v2",
            "5 of 5 pods on test-rolling-v2"
        ]
    );
    let rollout = stage.rollout("rolling-example");
    assert_eq!(rollout["status"]["rollingState"], "rolloutSucceed");
    assert_eq!(rollout["status"]["upgradedReplicas"], 5);
    assert_eq!(rollout["status"]["upgradedReadyReplicas"], 5);
    assert_eq!(rollout["step"], serde_json::Value::Null);
    assert_eq!(stage.world().ready_pods(), pods(&[("5.0.2", 5)]));
    let phases: Vec<String> = stage.log().into_iter().map(|entry| entry.phase).collect();
    let batches = ["intent", "result"].repeat(3);
    let expected = [vec!["publish"], batches.clone(), vec!["publish"], batches].concat();
    assert_eq!(phases, expected);
    stage.record_is_whole();
    assert_eq!(stage.recorded("revisions/default/test-rolling").len(), 2);
}

#[test]
fn in_place_batches_never_have_more_new_pods_than_their_goal() {
    let stage = up_to_v2_published();
    stage.commit(&[("approllout.yaml", ROLLOUT_V2)]);
    stage.apply_wait().ends(0);
    let mut most = Vec::new();
    for world in stage.history() {
        let new = world.all_pods().get("5.0.2").copied().unwrap_or(0);
        let partition = world.get("CloneSet", "metrics-provider").map_or(5, |cloneset| {
            cloneset["spec"]["updateStrategy"]["partition"].as_u64().unwrap_or(0)
        });
        if new > 0 {
            assert!(new <= 5 - usize::try_from(partition).unwrap(), "{new} beyond {partition}");
            assert!(world.all_pods().values().sum::<usize>() >= 3);
            most.push(5 - partition);
        }
    }
    most.dedup();
    assert_eq!(most, [1, 3, 5]);
}

#[test]
fn the_overview_stops_at_its_partition_until_an_edit_opens_it() {
    let stage = up_to_v2_published();
    stage.commit(&[("approllout.yaml", OVERVIEW)]);
    stage.apply_wait().ends(3).says("batchPartition is 1");
    assert_eq!(
        stage.batches()[3..],
        ["1 of 5 pods on test-rolling-v2", "4 of 5 pods on test-rolling-v2"]
    );
    assert_eq!(stage.world().ready_pods(), pods(&[("4.0.6", 1), ("5.0.2", 4)]));
    let rollout = stage.rollout("rolling-example");
    assert_eq!(rollout["status"]["rollingState"], "rollingInBatches");
    assert_eq!(rollout["status"]["batchRollingState"], "batchReady");
    assert_eq!(rollout["status"]["currentBatch"], 1);
    let tip = stage.tip();
    stage.apply().ends(3);
    assert_eq!(stage.tip(), tip, "waiting at a partition says nothing new");
    stage.commit(&[(
        "approllout.yaml",
        &OVERVIEW.replace("batchPartition: 1", "batchPartition: 2"),
    )]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.batches().last().unwrap(), "5 of 5 pods on test-rolling-v2");
    assert_eq!(stage.state("rolling-example"), "rolloutSucceed");
    assert_eq!(stage.world().ready_pods(), pods(&[("5.0.2", 5)]));
    stage.record_is_whole();
}

const CANARY: &str = include_str!("../../testdata/seeds/kubevela-canary/application.yaml");

/// The application of the canary with another image, published as `version`.
fn canary(version: &str) -> String {
    let changed = CANARY.replace("canarydemo:v1", &format!("canarydemo:{version}"));
    changed.replace("publishVersion: v1", &format!("publishVersion: {version}"))
}

fn weight(stage: &Stage) -> Option<String> {
    let world = stage.world();
    let second = world.get("Ingress", "canary-demo-canary")?;
    let annotations = &second["metadata"]["annotations"];
    Some(annotations["nginx.ingress.kubernetes.io/canary-weight"].as_str().unwrap().to_owned())
}

/// Version 2 is tried on one pod of five, and nobody has approved it yet.
fn v2_is_tried() -> Stage {
    let stage = Stage::with(&[("application.yaml", CANARY)]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 5)]), "the first deploy is plain");
    assert_eq!(stage.world().of_kind("Ingress").count(), 1);
    stage.commit(&[("application.yaml", &canary("v2"))]);
    stage.run(&["plan"]).ends(0).says("wait for approval");
    stage.apply_wait().ends(3).says("tranche approve canary-demo");
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 5), ("v2", 1)]));
    assert_eq!(weight(&stage).unwrap(), "20");
    stage
}

#[test]
fn s3_the_canary_by_the_kruise_rollout_trait() {
    let stage = v2_is_tried();
    stage.run(&["approve", "canary-demo"]).ends(0);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 5), ("v2", 5)]), "90% of 5, rounded up");
    assert_eq!(weight(&stage).unwrap(), "90");
    stage.run(&["approve", "canary-demo"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v2", 5)]));
    assert_eq!(stage.world().sizes("Deployment"), [("canary-demo".to_owned(), 5)].into());
    assert_eq!(stage.world().of_kind("Ingress").count(), 1);
    assert_eq!(stage.state("canary-demo"), "rolloutSucceed");
    stage.record_is_whole();
}

#[test]
fn s3_suspend_resume_and_back_to_the_previous_revision_at_any_moment() {
    let stage = v2_is_tried();
    stage.run(&["pause", "canary-demo"]).ends(0);
    stage.run(&["approve", "canary-demo"]).ends(0);
    stage.apply_wait().ends(3).says("tranche resume canary-demo");
    assert_eq!(weight(&stage).unwrap(), "20", "suspended");
    stage.run(&["resume", "canary-demo"]).ends(0);
    stage.apply_wait().ends(3);
    assert_eq!(weight(&stage).unwrap(), "90");
    stage.run(&["pause", "canary-demo"]).ends(0);
    // Without resuming first.
    stage.commit(&[("application.yaml", &canary("v1"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1", 5)]));
    assert_eq!(weight(&stage), None);
    assert_eq!(stage.world().sizes("Deployment"), [("canary-demo".to_owned(), 5)].into());
    stage.record_is_whole();
}
