//! What happens while a batch is open: its pods are written and not ready.

use crate::pair::{lowest, serving};
use crate::plans::{APPLICATION, ROLLOUT, annotated, broken_web, rollout, slow_web, web};
use crate::stage::Stage;
use crate::world::pods;

/// Batch 1 of the way to `web-v2` waits for a pod that takes its time.
fn waiting(annotations: &[(&str, &str)]) -> Stage {
    let stage = serving();
    stage.commit(&[
        (APPLICATION, &slow_web("6.7.1")),
        (ROLLOUT, &annotated("web-v2", annotations, &[])),
    ]);
    stage.apply().ends(3);
    assert_eq!(stage.rollout("web")["status"]["batchRollingState"], "batchVerifying");
    assert_eq!(stage.rollout("web")["step"]["index"], 0);
    stage
}

#[track_caller]
fn only(stage: &Stage, revision: &str, tag: &str) {
    assert_eq!(stage.world().sizes("Deployment"), [(revision.to_owned(), 4)].into());
    assert_eq!(stage.world().all_pods(), pods(&[(tag, 4)]));
    stage.record_is_whole();
}

#[test]
fn a_new_target_does_not_wait_for_the_old_one() {
    let stage = waiting(&[]);
    let from = stage.history().len() - 1;
    stage.commit(&[(APPLICATION, &web("6.7.2", 4, &[])), (ROLLOUT, &rollout("web-v3", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.state("web"), "rolloutSucceed");
    assert_eq!(lowest(&stage, from), 4);
    only(&stage, "web-v3", "6.7.2");
}

#[test]
fn the_way_back_does_not_wait_for_the_new_pods() {
    let stage = waiting(&[]);
    let from = stage.history().len() - 1;
    stage.commit(&[(ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.state("web"), "rolloutSucceed");
    assert_eq!(lowest(&stage, from), 4);
    only(&stage, "web-v1", "6.7.0");
}

#[test]
fn a_pause_lets_the_open_batch_end() {
    let stage = waiting(&[]);
    stage.run(&["pause", "web"]).ends(0);
    stage.apply_wait().ends(3).says("paused by Operator");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 1)]));
    stage.run(&["resume", "web"]).ends(0);
    stage.apply_wait().ends(0);
    only(&stage, "web-v2", "6.7.1");
}

#[test]
fn removal_freezes_the_open_batch() {
    let stage = waiting(&[]);
    let (tip, world) = (stage.tip(), stage.world().sizes("Deployment"));
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(77);
    assert_eq!(stage.tip(), tip);
    assert_eq!(stage.world().sizes("Deployment"), world);
}

#[test]
fn removal_aborts_the_open_batch_if_the_policy_says_so() {
    let stage = waiting(&[("tranche.dev/on-delete", "abort")]);
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(0);
    only(&stage, "web-v1", "6.7.0");
}

#[test]
fn removal_promotes_the_open_batch_if_the_policy_says_so() {
    let stage = waiting(&[("tranche.dev/on-delete", "promote")]);
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(0);
    only(&stage, "web-v2", "6.7.1");
}

#[test]
fn a_frozen_rollout_can_be_aborted() {
    let stage = waiting(&[]);
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(77);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(0);
    only(&stage, "web-v1", "6.7.0");
    assert!(
        stage.subjects("result").contains(&"web: back to web-v1 done, rolloutFailed".to_owned())
    );
}

#[test]
fn a_rollout_that_is_frozen_between_batches_can_be_aborted() {
    let stage = serving();
    crate::pair::upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(77);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(0);
    only(&stage, "web-v1", "6.7.0");
}

#[test]
fn the_deadline_counts_over_cron_rounds() {
    let stage = serving();
    let deadline = [("tranche.dev/progress-deadline", "30s")];
    stage.commit(&[
        (APPLICATION, &broken_web("6.7.1")),
        (ROLLOUT, &annotated("web-v2", &deadline, &[])),
    ]);
    let mut rounds = 0;
    loop {
        let ran = stage.apply();
        rounds += 1;
        if ran.code == 4 {
            break;
        }
        ran.ends(3);
        assert!(rounds < 20, "{:#?}", stage.log());
    }
    assert!(rounds > 2, "30 seconds are more than a round or two of ten");
    only(&stage, "web-v1", "6.7.0");
    stage.run(&["retry", "web"]).ends(0);
    stage.apply_wait().ends(4);
    only(&stage, "web-v1", "6.7.0");
}

#[test]
fn an_aborted_scale_keeps_its_first_size() {
    let stage = serving();
    stage.commit(&[(ROLLOUT, &rollout("web-v1", &["targetSize: 8", "batchPartition: 0"]))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 5)].into());
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    only(&stage, "web-v1", "6.7.0");
}

#[test]
fn an_aborted_cloneset_is_back_in_place() {
    let seed = |number: &str| {
        let path = format!(
            "{}/testdata/seeds/kubevela-approllout/{number}.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read_to_string(path).unwrap()
    };
    let stage =
        Stage::with(&[(APPLICATION, &seed("1-application")), (ROLLOUT, &seed("2-approllout"))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &seed("3-application")), (ROLLOUT, &seed("overview"))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("4.0.6", 1), ("5.0.2", 4)]));
    stage.run(&["abort", "rolling-example"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().ready_pods(), pods(&[("4.0.6", 5)]));
    assert_eq!(stage.state("rolling-example"), "rolloutFailed");
    stage.run(&["retry", "rolling-example"]).ends(0);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("4.0.6", 1), ("5.0.2", 4)]));
    stage.record_is_whole();
}

#[test]
fn one_failed_rollout_does_not_hold_up_another() {
    let stage = serving();
    let named = |text: &str| text.replace("name: web\n", "name: shop\n");
    let deadline = [("tranche.dev/progress-deadline", "30s")];
    stage.commit(&[
        (APPLICATION, &broken_web("6.7.1")),
        (ROLLOUT, &annotated("web-v2", &deadline, &[])),
        ("shop/application.yaml", &named(&web("6.8.0", 4, &[]))),
        ("shop/approllout.yaml", &named(&rollout("shop-v1", &[]))),
    ]);
    stage.apply_wait().ends(4);
    assert_eq!(stage.state("web"), "rolloutFailed");
    assert_eq!(stage.state("shop"), "rolloutSucceed");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4), ("6.8.0", 4)]));
    stage.record_is_whole();
}
