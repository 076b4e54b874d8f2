//! Edits of the plan while a rollout is under way.

use crate::pair::{lowest, serving, upgrade};
use crate::plans::{APPLICATION, ROLLOUT, annotated, rollout, slow_web, web};
use crate::stage::Stage;
use crate::world::pods;

fn after_the_first_batch(annotations: &[(&str, &str)]) -> Stage {
    let stage = serving();
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &annotated("web-v2", annotations, &["batchPartition: 0"])),
    ]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 1)]));
    stage
}

#[test]
fn a_new_target_goes_back_to_stable_first() {
    let stage = after_the_first_batch(&[]);
    let from = stage.history().len() - 1;
    let (attempt, sizes) =
        (stage.rollout("web")["attempt"].as_u64().unwrap(), stage.deployment_sizes().len());
    stage.commit(&[(APPLICATION, &web("6.7.2", 4, &[])), (ROLLOUT, &rollout("web-v3", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.state("web"), "rolloutSucceed");
    assert_eq!(stage.rollout("web")["attempt"].as_u64().unwrap(), attempt + 1);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.2", 4)]));
    assert_eq!(lowest(&stage, from), 4);
    let back = serde_json::json!({"web-v1": 4});
    assert!(stage.deployment_sizes()[sizes..].contains(&back), "100% on stable in between");
    assert!(
        stage
            .subjects("result")
            .contains(&"web: back to web-v1 done, locatingTargetApp".to_owned())
    );
    stage.record_is_whole();
}

#[test]
fn the_stable_revision_as_the_target_is_the_way_back() {
    let stage = after_the_first_batch(&[]);
    let from = stage.history().len() - 1;
    stage.commit(&[(ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.state("web"), "rolloutSucceed");
    assert_eq!(stage.rollout("web")["status"]["lastTargetAppRevision"], "web-v1");
    let said = |phase, subject: &str| stage.subjects(phase).iter().any(|s| s == subject);
    assert!(said("intent", "web: back to web-v1 begins, reverted"));
    assert!(said("result", "web: back to web-v1 done, rolloutSucceed"), "one step, one name");
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    assert_eq!(lowest(&stage, from), 4);
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
    stage.record_is_whole();
}

#[test]
fn a_rollout_that_vanishes_is_frozen_until_it_is_back() {
    let stage = after_the_first_batch(&[]);
    let (tip, world) = (stage.tip(), stage.world().all_pods());
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(77).says("tranche.dev/on-delete").says("tranche.dev/rollout: none");
    stage.apply().ends(77);
    assert_eq!(stage.tip(), tip);
    assert_eq!(stage.world().all_pods(), world);
    stage.commit(&[(ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

#[test]
fn a_rollout_that_vanishes_goes_back_if_its_policy_says_so() {
    let stage = after_the_first_batch(&[("tranche.dev/on-delete", "abort")]);
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
    stage.record_is_whole();
}

#[test]
fn a_rollout_that_vanishes_goes_on_if_its_policy_says_so() {
    let stage = after_the_first_batch(&[("tranche.dev/on-delete", "promote")]);
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v2".to_owned(), 4)].into());
    assert_eq!(stage.batches().last().unwrap(), "4 of 4 pods on web-v2");
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
    stage.record_is_whole();
}

#[test]
fn later_batches_may_be_edited_and_done_ones_may_not() {
    let stage = after_the_first_batch(&[]);
    let plan = rollout("web-v2", &[]);
    let first = plan
        .replacen("- replicas: 25%", "- replicas: 50%", 1)
        .replace("      - replicas: 25%\n      - replicas: 50%", "      - replicas: 50%");
    stage.commit(&[(ROLLOUT, &first)]);
    stage.apply_wait().ends(65).says("has done batches up to 1 pods");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 1)]));
    let later =
        plan.replace("      - replicas: 25%\n      - replicas: 50%", "      - replicas: 75%");
    stage.commit(&[(ROLLOUT, &later)]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.batches()[4..], ["4 of 4 pods on web-v2"]);
    stage.record_is_whole();
}

#[test]
fn earlier_content_is_its_earlier_revision() {
    let stage = serving();
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.subjects("publish").len(), 2);
    assert_eq!(stage.recorded("revisions/default/web").len(), 2);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    stage.commit(&[(APPLICATION, &web("6.7.9", 4, &[])), (ROLLOUT, &rollout("web-v3", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.9", 4)]));
    stage.record_is_whole();
}

#[test]
fn an_invalid_plan_publishes_nothing_and_what_is_under_way_goes_on() {
    let stage = serving();
    stage.commit(&[(APPLICATION, &slow_web("6.7.1")), (ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply().ends(3);
    let typo = web("6.7.2", 4, &[]).replace("image:", "imgae:");
    stage.commit(&[
        (APPLICATION, &typo),
        ("more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n"),
    ]);
    stage.apply_wait().ends(65).says("imgae");
    assert_eq!(stage.state("web"), "rolloutSucceed");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    assert_eq!(stage.subjects("publish").len(), 2);
    assert!(stage.world().get("ConfigMap", "more").is_none());
    let tip = stage.tip();
    stage.apply_wait().ends(65);
    assert_eq!(stage.tip(), tip);
    stage.commit(&[(APPLICATION, &slow_web("6.7.1"))]);
    stage.apply_wait().ends(0);
    assert!(stage.world().get("ConfigMap", "more").is_some());
    stage.record_is_whole();
}

#[test]
fn a_first_plan_that_is_invalid_is_refused_whole() {
    let stage = Stage::with(&[(APPLICATION, "kind: Application\n")]);
    stage.apply_wait().ends(65).says(APPLICATION);
    assert!(stage.repository().find_reference(crate::stage::RECORD).is_err());
}

#[test]
fn a_revision_that_does_not_exist_is_named_with_those_that_do() {
    let stage = serving();
    stage.commit(&[(ROLLOUT, &rollout("web-v7", &[]))]);
    stage.apply_wait().ends(65).says("web-v7").says("web-v1");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
}

#[test]
fn a_partition_never_falls_below_what_is_done() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 1"]);
    stage.apply_wait().ends(3);
    let half = pods(&[("6.7.0", 2), ("6.7.1", 2)]);
    assert_eq!(stage.world().ready_pods(), half);
    let tip = stage.tip();
    stage.commit(&[(ROLLOUT, &rollout("web-v2", &["batchPartition: 0"]))]);
    let ran = stage.apply_wait().ends(65).says("batchPartition is 0, but batch 2");
    ran.says("`batchPartition: 1` holds it");
    assert_eq!((stage.tip(), stage.world().ready_pods()), (tip, half.clone()), "nothing written");
    // Down to what is done it is a hold, from whatever it was before.
    stage.commit(&[(ROLLOUT, &rollout("web-v2", &["batchPartition: 1"]))]);
    stage.apply_wait().ends(3).says("batchPartition is 1");
    assert_eq!(stage.world().ready_pods(), half);
    stage.commit(&[(ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

#[test]
fn a_list_never_gets_shorter_than_what_is_done() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 1"]);
    stage.apply_wait().ends(3);
    let (tip, world) = (stage.tip(), stage.world().ready_pods());
    let short = rollout("web-v2", &[]).replace(
        "      - replicas: 25%\n      - replicas: 25%\n      - replicas: 50%",
        "      - {}",
    );
    stage.commit(&[(ROLLOUT, &short)]);
    stage.apply_wait().ends(65).says("has done batches up to 1, 2 pods");
    assert_eq!((stage.tip(), stage.world().ready_pods()), (tip, world));
    stage.commit(&[(ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply_wait().ends(0);
    stage.record_is_whole();
}

#[test]
fn a_rollout_that_vanishes_goes_back_by_revert_on_delete() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 0"]);
    let reverting = rollout("web-v2", &["batchPartition: 0"]) + "  revertOnDelete: true\n";
    stage.commit(&[(ROLLOUT, &reverting)]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 1)]));
    let from = stage.history().len() - 1;
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    assert_eq!(lowest(&stage, from), 4);
    let told = "default/web on sandbox: back at web-v1, rolloutFailed";
    stage.run(&["status"]).ends(0).says(told).says("no longer in the plan");
    stage.record_is_whole();
}
