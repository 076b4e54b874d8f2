//! What KubeVela's own tests of AppRollouts over a CloneSet go through: the rows
//! C1 to C11 of docs/scenarios-kubevela.md.

use crate::plans::{APPLICATION, ROLLOUT};
use crate::stage::Stage;
use crate::world::pods;
use serde_json::{Value, json};

/// The batches that the originals' tests share.
const B: &str = "{rolloutBatches: [{replicas: 10%}, {replicas: 40%}, {replicas: 50%}]";

/// One component, a CloneSet; `traits` are lines of it.
pub fn metrics(tag: &str, traits: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: shop\n  \
         annotations: {{app.oam.dev/rollout-template: \"true\"}}\nspec:\n  components:\n  - name: \
         metrics\n    type: clonesetservice\n    properties: {{image: \"metrics:{tag}\", port: \
         8080}}\n"
    );
    if !traits.is_empty() {
        text.push_str("    traits:\n");
        traits.iter().for_each(|line| text.push_str(&format!("    - {line}\n")));
    }
    text
}

/// A rollout of it; `plan` is its plan without the closing brace.
pub fn roll(source: &str, target: &str, plan: &str) -> String {
    let source = match source {
        "" => String::new(),
        source => format!("  sourceAppRevisionName: {source}\n"),
    };
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {{name: shop}}\nspec:\n  \
         targetAppRevisionName: {target}\n{source}  componentList: [metrics]\n  rolloutPlan: \
         {plan}}}\n"
    )
}

/// `shop-v1` serves with so many pods.
fn serving(pods: u32) -> Stage {
    let first = roll("", "shop-v1", &format!("{B}, targetSize: {pods}"));
    let stage = Stage::with(&[(APPLICATION, &metrics("1", &[])), (ROLLOUT, &first)]);
    stage.apply_wait().ends(0);
    stage
}

/// As far as the first batch of the way to `shop-v2`.
fn in_batches() -> Stage {
    let stage = serving(5);
    let held = roll("shop-v1", "shop-v2", &format!("{B}, batchPartition: 0"));
    stage.commit(&[(APPLICATION, &metrics("2", &[])), (ROLLOUT, &held)]);
    stage.apply_wait().ends(3);
    stage
}

fn status(stage: &Stage) -> Value {
    stage.rollout("shop")["status"].clone()
}

fn cloneset(stage: &Stage) -> Value {
    stage.world().get("CloneSet", "metrics").unwrap().clone()
}

#[test]
fn c1_a_first_deploy_of_seven_pods_goes_by_one_four_and_seven() {
    let stage = serving(7);
    let reached: Vec<String> = stage.batches();
    let words = [1, 4, 7].map(|pods| format!("{pods} of 7 pods on shop-v1"));
    assert_eq!(reached, words);
    let status = status(&stage);
    assert_eq!(status["rollingState"], "rolloutSucceed");
    for field in ["upgradedReplicas", "upgradedReadyReplicas", "rolloutTargetSize"] {
        assert_eq!(status[field], 7, "{field}");
    }
    assert_eq!(stage.world().all_pods(), pods(&[("1", 7)]));
}

#[test]
fn c2_a_partition_of_0_stops_after_the_first_batch_and_stays_there() {
    let stage = in_batches();
    let (before, tip) = (cloneset(&stage), stage.tip());
    assert_eq!(status(&stage)["currentBatch"], 0);
    assert_eq!(status(&stage)["batchRollingState"], "batchReady");
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 4), ("2", 1)]));
    stage.pass(15);
    stage.apply().ends(3);
    assert_eq!((cloneset(&stage), stage.tip()), (before.clone(), tip));
    let owner = &before["metadata"]["annotations"]["tranche.dev/entity"];
    assert_eq!(*owner, json!("rollout/default/shop"), "who owns it is said by an annotation");
    assert_eq!(before["metadata"].get("ownerReferences"), None);
}

#[test]
fn c3_a_partition_of_the_last_batch_lets_it_end() {
    let stage = in_batches();
    let open = roll("shop-v1", "shop-v2", &format!("{B}, batchPartition: 2"));
    stage.commit(&[(ROLLOUT, &open)]);
    stage.apply_wait().ends(0);
    assert_eq!(status(&stage)["rollingState"], "rolloutSucceed");
    assert_eq!(stage.world().all_pods(), pods(&[("2", 5)]));
    let marks = cloneset(&stage)["metadata"]["annotations"].clone();
    assert_eq!(status(&stage)["lastTargetAppRevision"], "shop-v2");
    assert_eq!(marks["tranche.dev/revision"], status(&stage)["targetGeneration"], "v2's now");
}

#[test]
fn c4_c5_a_scale_that_is_paused_stands_still_and_resumed_it_ends() {
    let stage = serving(5);
    let scale = |more: &str| roll("", "shop-v1", &format!("{B}, targetSize: 10{more}"));
    stage.commit(&[(ROLLOUT, &scale(", batchPartition: 0"))]);
    stage.apply_wait().ends(3);
    stage.commit(&[(ROLLOUT, &scale(", paused: true"))]);
    stage.apply_wait().ends(3).says("paused by the plan");
    let (before, tip) = (cloneset(&stage), stage.tip());
    stage.pass(15);
    stage.apply().ends(3);
    assert_eq!((cloneset(&stage), stage.tip()), (before, tip), "frozen");
    stage.commit(&[(ROLLOUT, &scale(", paused: false"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("1", 10)]));
    let (after, tip) = (cloneset(&stage), stage.tip());
    stage.apply().ends(0);
    assert_eq!((cloneset(&stage), stage.tip()), (after, tip), "a second look changes nothing");
}

#[test]
fn c6_earlier_content_is_its_earlier_revision_and_is_rolled_out_again() {
    let stage = serving(5);
    let to = |source, target| roll(source, target, B);
    stage.commit(&[(APPLICATION, &metrics("2", &[])), (ROLLOUT, &to("shop-v1", "shop-v2"))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &metrics("1", &[])), (ROLLOUT, &to("shop-v2", "shop-v1"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.subjects("publish").len(), 2, "v1 is published once");
    assert_eq!(stage.world().all_pods(), pods(&[("1", 5)]));
    assert_eq!(status(&stage)["lastTargetAppRevision"], "shop-v1");
    assert_eq!(status(&stage)["rollingState"], "rolloutSucceed");
    assert_eq!(stage.recorded("revisions/default/shop").len(), 2, "no third revision");
}

#[test]
fn c7_the_names_swapped_in_the_middle_lead_back_to_v1() {
    let stage = in_batches();
    let swapped = roll("shop-v2", "shop-v1", B);
    stage.commit(&[(APPLICATION, &metrics("1", &[])), (ROLLOUT, &swapped)]);
    stage.apply_wait().ends(0);
    assert_eq!(status(&stage)["rollingState"], "rolloutSucceed");
    assert_eq!(stage.world().all_pods(), pods(&[("1", 5)]));
}

/// The original leaves the workload behind, mixed and paused, whatever becomes
/// of the pods that are missing. Here nobody touches it until somebody says what
/// is to become of it, and each run says so.
#[test]
fn differs_c8_a_rollout_deleted_in_the_middle_is_frozen_until_its_end_is_named() {
    let stage = in_batches();
    let before = cloneset(&stage);
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(77).says("frozen where it stands");
    assert_eq!(cloneset(&stage), before);
    stage.run(&["abort", "shop"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("1", 5)]));
}

fn gateway(host: &str) -> String {
    format!("{{type: gateway, properties: {{domain: {host}, http: {{/: 8080}}}}}}")
}

/// Seven pods behind an Ingress for host A.
fn behind_an_ingress() -> Stage {
    let first = roll("", "shop-v1", &format!("{B}, targetSize: 7"));
    let application = metrics("1", &[&gateway("a.example")]);
    let stage = Stage::with(&[(APPLICATION, &application), (ROLLOUT, &first)]);
    stage.apply_wait().ends(0);
    stage
}

#[test]
fn c9_a_revision_with_another_host_changes_the_ingress() {
    let stage = behind_an_ingress();
    let host = |stage: &Stage| {
        stage.world().get("Ingress", "metrics").unwrap()["spec"]["rules"][0]["host"].clone()
    };
    assert_eq!(host(&stage), "a.example");
    let second = metrics("2", &[&gateway("b.example")]);
    stage.commit(&[(APPLICATION, &second), (ROLLOUT, &roll("shop-v1", "shop-v2", B))]);
    stage.apply_wait().ends(0);
    assert_eq!(host(&stage), "b.example");
    assert_eq!(stage.world().all_pods(), pods(&[("2", 7)]));
    let ingress = stage.world().get("Ingress", "metrics").unwrap().clone();
    let owner = &ingress["metadata"]["annotations"]["tranche.dev/entity"];
    assert_eq!(*owner, "rollout/default/shop");
}

#[test]
fn c10_a_revision_without_an_ingress_removes_it_once_it_is_through() {
    let stage = behind_an_ingress();
    let held = roll("shop-v1", "shop-v2", &format!("{B}, batchPartition: 1"));
    stage.commit(&[(APPLICATION, &metrics("2", &[])), (ROLLOUT, &held)]);
    stage.apply_wait().ends(3);
    assert!(stage.world().get("Ingress", "metrics").is_some(), "old pods still serve by it");
    stage.commit(&[(ROLLOUT, &roll("shop-v1", "shop-v2", B))]);
    stage.apply_wait().ends(0);
    assert!(stage.world().get("Ingress", "metrics").is_none());
}

/// The original re-computes stored batches and fails from the second scale on
/// where they do not add up; there is nothing stored here.
#[test]
fn c11_one_scale_after_another_by_the_same_plan() {
    let by_two = |size: u32| {
        roll("", "shop-v1", &format!("{{rolloutBatches: [{{replicas: 2}}], targetSize: {size}"))
    };
    let stage = Stage::with(&[(APPLICATION, &metrics("1", &[])), (ROLLOUT, &by_two(2))]);
    stage.apply_wait().ends(0);
    for size in [4, 6] {
        stage.commit(&[(ROLLOUT, &by_two(size))]);
        stage.apply_wait().ends(0);
        assert_eq!(cloneset(&stage)["spec"]["replicas"], size);
        assert_eq!(status(&stage)["rollingState"], "rolloutSucceed");
    }
    assert_eq!(stage.world().all_pods(), pods(&[("1", 6)]));
}
