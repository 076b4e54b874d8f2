//! What people decide: pause, resume, abort, retry.

use crate::pair::{lowest, serving, upgrade};
use crate::plans::{APPLICATION, ROLLOUT, rollout, slow_web};
use crate::stage::Stage;
use crate::world::pods;
use serde_json::Value;

/// Batch 1 of the way to `web-v2` is done, and the partition holds batch 2.
fn after_the_first_batch() -> Stage {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 1)]));
    stage
}

/// Batch 1 waits for a pod that takes its time.
fn in_the_first_batch() -> Stage {
    let stage = serving();
    stage.commit(&[(APPLICATION, &slow_web("6.7.1")), (ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply().ends(3);
    assert_eq!(stage.rollout("web")["status"]["batchRollingState"], "batchVerifying");
    stage
}

#[track_caller]
fn back_on_v1(stage: &Stage) {
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    stage.record_is_whole();
}

#[test]
fn a_plan_that_is_paused_holds_before_the_first_batch() {
    let stage = serving();
    upgrade(&stage, &["paused: true"]);
    stage.apply_wait().ends(3).says("paused by the plan");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    upgrade(&stage, &["paused: false"]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
}

#[test]
fn pause_holds_the_next_batch_and_resume_lets_it_go() {
    let stage = after_the_first_batch();
    stage.run(&["resume", "web"]).ends(0).says("it is not paused").says("nothing was recorded");
    stage.run(&["pause", "web", "--reason", "error rate"]).ends(0).says("no further batch");
    let again = stage.run(&["pause", "web"]).ends(0).says("already").says("nothing was recorded");
    assert!(!again.out.contains("no further batch"), "{again}");
    upgrade(&stage, &[]);
    stage.apply_wait().ends(3).says("paused by Operator").says("error rate");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 1)]));
    assert_ne!(stage.rollout("web")["waiting"], Value::Null);
    stage.run(&["resume", "web"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.run(&["pause", "web"]).ends(77);
    stage.run(&["abort", "web"]).ends(77);
    assert_eq!(stage.subjects("decision").len(), 2);
    stage.record_is_whole();
}

#[test]
fn abort_between_batches_goes_back_and_retry_starts_another_attempt() {
    let stage = after_the_first_batch();
    let attempt = stage.rollout("web")["attempt"].as_u64().unwrap();
    let from = stage.history().len() - 1;
    stage.run(&["retry", "web"]).ends(77);
    let reason = ["abort", "web", "--reason", "checkout is broken"];
    stage.run(&reason).ends(0).says("the next `tranche apply` goes back");
    stage.run(&reason).ends(0).says("being aborted already").says("nothing was recorded");
    stage.apply_wait().ends(4).says("tranche retry web");
    assert_eq!(stage.state("web"), "rolloutFailed");
    assert_eq!(lowest(&stage, from), 4);
    back_on_v1(&stage);
    let tip = stage.tip();
    let again = stage.run(&["abort", "web"]).ends(0).says("it has failed already");
    assert!(!again.out.contains("apply"), "nothing goes back any more: {again}");
    stage.apply().ends(4);
    stage.apply_wait().ends(4);
    assert_eq!(stage.tip(), tip);
    upgrade(&stage, &["batchPartition: 0", "paused: false"]);
    stage.apply_wait().ends(4);
    back_on_v1(&stage);
    upgrade(&stage, &[]);
    stage.run(&["retry", "web"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.rollout("web")["attempt"].as_u64().unwrap(), attempt + 1);
    assert_eq!(stage.state("web"), "rolloutSucceed");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

#[test]
fn abort_takes_effect_while_a_batch_waits() {
    let stage = in_the_first_batch();
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.state("web"), "rolloutFailed");
    back_on_v1(&stage);
}

#[test]
fn abort_of_a_first_deploy_ends_with_no_pods() {
    let stage =
        Stage::with(&[(APPLICATION, &slow_web("6.7.0")), (ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply().ends(3);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.state("web"), "rolloutFailed");
    assert_eq!(stage.world().all_pods(), pods(&[]));
    stage.record_is_whole();
    stage.run(&["retry", "web"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
}

#[test]
fn an_aborted_target_comes_back_by_a_newer_revision_only() {
    let stage = after_the_first_batch();
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    stage.commit(&[
        (APPLICATION, &crate::plans::web("6.7.2", 4, &[])),
        (ROLLOUT, &rollout("web-v3", &[])),
    ]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.2", 4)]));
    stage.record_is_whole();
}

#[test]
fn a_command_for_a_rollout_that_is_not_there_is_wrong_usage() {
    let stage = serving();
    stage.run(&["abort", "wbe"]).ends(64);
}
