//! What KubeVela's controllers check, and what its tests left out: rows I1 to I8
//! of docs/scenarios-kubevela.md, and those below them.

use crate::kubevela::{metrics, roll};
use crate::pair::serving;
use crate::plans::{APPLICATION, ROLLOUT, annotated, broken_web, rollout, web};
use crate::stage::Stage;
use crate::world::pods;
use serde_json::json;

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/web-v1";

/// Ten pods of `web-v1`.
fn ten() -> Stage {
    let stage = Stage::with(&[
        (APPLICATION, &web("1", 10, &[])),
        (ROLLOUT, &batches("web-v1", "[{replicas: 100%}]", "")),
    ]);
    stage.apply_wait().ends(0);
    stage
}

fn batches(revision: &str, list: &str, more: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {{name: web}}\nspec:\n  \
         targetAppRevisionName: {revision}\n  rolloutPlan: {{rolloutBatches: {list}{more}}}\n"
    )
}

fn refused(stage: &Stage, plan: &str, words: &str) {
    stage.commit(&[(APPLICATION, &web("2", 10, &[])), (ROLLOUT, plan)]);
    let before = stage.world().sizes("Deployment");
    stage.apply_wait().ends(65).says(words);
    assert_eq!(stage.world().sizes("Deployment"), before, "nothing is written");
}

#[test]
fn i1_an_upgrade_to_fewer_pods_than_are_live_is_refused() {
    let plan = batches("web-v2", "[{replicas: 50%}, {replicas: 50%}]", ", targetSize: 8");
    refused(&ten(), &plan, "names targetSize 8, but 10 pods are live");
}

#[test]
fn i2_batches_have_to_add_up_to_the_size() {
    let stage = ten();
    let list = "[{replicas: 2}, {replicas: 13}]";
    let told = "the batches add up to 15 pods, but 10 are to move";
    refused(&stage, &batches("web-v2", list, ""), told);
    stage.commit(&[(ROLLOUT, &batches("web-v2", list, ", targetSize: 15"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("2", 15)]));
}

#[test]
fn i3_a_workload_that_another_controller_has_is_not_taken() {
    let stage = serving();
    let uid = stage.world().get("Service", "web").unwrap()["metadata"]["uid"].clone();
    stage.meddle(
        DEPLOYMENT,
        &json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web-v1", "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Service", "name": "web", "uid": uid,
                     "controller": true}]}}),
    );
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &rollout("web-v2", &[]))]);
    let told = "Deployment/default/web-v1 is controlled by Service web (v1)";
    stage.apply_wait().ends(77).says(told);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".into(), 4)].into());
}

/// In the original a source that is moving by itself fails the rollout for good.
/// Here it goes on: no old pod goes before a new one was seen ready, so it can
/// only get better.
#[test]
fn differs_i3_a_source_that_somebody_is_restarting_is_left_all_the_same() {
    let stage = serving();
    stage.meddle(
        DEPLOYMENT,
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web-v1"},
                "spec": {"template": {"metadata": {"annotations": {
                    "sandbox.tranche.dev/ready-after": "20s"}}}}}),
    );
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
}

/// In the original a revert is the same batches with the names swapped: those
/// that are behind what stands already do nothing. Here the way back is one
/// step, and no batch of it takes a pod that serves.
#[test]
fn differs_i6_a_revert_in_the_middle_is_one_step_that_keeps_what_serves() {
    for strategy in ["IncreaseFirst", "DecreaseFirst"] {
        let stage = ten();
        let list = "[{replicas: 20%}, {replicas: 2}, {replicas: 2}, {replicas: 40%}]";
        let held = format!(", batchPartition: 2, rolloutStrategy: {strategy}");
        stage.commit(&[
            (APPLICATION, &web("2", 10, &[])),
            (ROLLOUT, &batches("web-v2", list, &held)),
        ]);
        stage.apply_wait().ends(3);
        assert_eq!(
            stage.world().sizes("Deployment"),
            [("web-v1".into(), 4), ("web-v2".into(), 6)].into()
        );
        let from = stage.history().len() - 1;
        stage.commit(&[
            (APPLICATION, &web("1", 10, &[])),
            (ROLLOUT, &batches("web-v1", list, &format!(", rolloutStrategy: {strategy}"))),
        ]);
        stage.apply_wait().ends(0);
        assert_eq!(stage.world().sizes("Deployment"), [("web-v1".into(), 10)].into());
        let lowest = stage.history()[from..].iter().map(crate::world::World::ready).min();
        assert_eq!(lowest, Some(10), "{strategy}");
    }
}

/// A revert of Deployments without a targetSize, with the source named by the
/// plan: the original computes its total from one side alone.
#[test]
fn a_revert_of_deployments_without_a_target_size_loses_no_pods() {
    let stage = serving();
    let by = |source: &str, target: &str, more: &str| {
        rollout(target, &[])
            .replace("spec:\n", &format!("spec:\n  sourceAppRevisionName: {source}\n"))
            + more
    };
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &by("web-v1", "web-v2", "    batchPartition: 1\n")),
    ]);
    stage.apply_wait().ends(3);
    let from = stage.history().len() - 1;
    stage.commit(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &by("web-v2", "web-v1", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".into(), 4)].into());
    assert_eq!(crate::pair::lowest(&stage, from), 4);
}

#[test]
fn a_batch_that_is_never_ready_ends_at_its_deadline() {
    let stage = serving();
    let soon = [("tranche.dev/progress-deadline", "1m")];
    stage.commit(&[
        (APPLICATION, &broken_web("6.7.1")),
        (ROLLOUT, &annotated("web-v2", &soon, &[])),
    ]);
    stage.apply_wait().ends(4).says("not ready in time");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(stage.state("web"), "rolloutFailed");
}

#[test]
fn percentages_of_few_pods_are_clamped_and_an_empty_last_batch_takes_the_rest() {
    for (pods_wanted, list, words) in [
        (
            1,
            "[{replicas: 10%}, {replicas: 40%}, {replicas: 50%}]",
            "1 pods are few for these batches",
        ),
        (3, "[{replicas: 50%}, {replicas: 50%}, {replicas: 50%}]", "the batches name 150%"),
        (5, "[{replicas: 1}, {replicas: 2}, {}]", "    batch 3  "),
    ] {
        let text = |tag: &str| web(tag, pods_wanted, &[]);
        let stage =
            Stage::with(&[(APPLICATION, &text("1")), (ROLLOUT, &batches("web-v1", "[{}]", ""))]);
        stage.apply_wait().ends(0);
        stage.commit(&[(APPLICATION, &text("2")), (ROLLOUT, &batches("web-v2", list, ""))]);
        stage.run(&["plan"]).ends(0).says(words);
        stage.apply_wait().ends(0);
        assert_eq!(stage.world().all_pods(), pods(&[("2", usize::try_from(pods_wanted).unwrap())]));
    }
}

/// The original numbers a revision by the one that is the latest, so new content
/// after a return to v1 overwrites v2.
#[test]
fn a_revisions_number_is_never_used_twice() {
    let stage = Stage::with(&[(APPLICATION, &metrics("1", &[]))]);
    stage.apply().ends(0);
    for tag in ["2", "1", "3"] {
        stage.commit(&[(APPLICATION, &metrics(tag, &[]))]);
        stage.apply().ends(0);
    }
    let published = ["v1", "v2", "v3"].map(|v| format!("shop: revision shop-{v} published"));
    assert_eq!(stage.subjects("publish"), published);
    stage.commit(&[(ROLLOUT, &roll("", "shop-v2", "{numBatches: 1, targetSize: 1"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("2", 1)]), "v2 is what it was");
}

#[test]
fn fewer_batches_than_are_done_are_refused_by_name() {
    let stage = serving();
    let held = rollout("web-v2", &["batchPartition: 1"]);
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &held)]);
    stage.apply_wait().ends(3);
    let before = stage.world().sizes("Deployment");
    stage.commit(&[(ROLLOUT, &batches("web-v2", "[{replicas: 4}]", ""))]);
    stage.apply_wait().ends(65).says("has done batches up to 1, 2 pods, but the plan now says 4");
    assert_eq!(stage.world().sizes("Deployment"), before);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]), "an abort is always heard");
}

/// The original looks its revisions up before it deletes, and hangs where they
/// are gone. Revisions are in git here, whatever the plan says.
#[test]
fn a_rollout_whose_application_is_gone_too_still_goes_back() {
    let stage = serving();
    let held = annotated("web-v2", &[("tranche.dev/on-delete", "abort")], &["batchPartition: 0"]);
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &held)]);
    stage.apply_wait().ends(3);
    stage.commit(&[("keep.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keep}\n")]);
    stage.remove(APPLICATION);
    stage.remove(ROLLOUT);
    stage.apply_wait();
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    assert!(stage.world().get("Deployment", "web-v2").is_none());
}

/// Only an earlier revision could have it, so it is no error before that is read.
#[test]
fn a_component_that_the_application_does_not_have_is_told_of_by_lint() {
    let misspelt =
        roll("", "shop-v1", "{numBatches: 1, targetSize: 1").replace("metrics", "metric");
    let stage = Stage::with(&[(APPLICATION, &metrics("1", &[])), (ROLLOUT, &misspelt)]);
    let told = "application shop has no component \"metric\" by now; it has metrics";
    stage.run(&["lint"]).ends(0).says(told);
    stage.apply_wait().ends(65).says("revision shop-v1 has no component \"metric\"");
}

/// As KubeVela's examples are tried: another run is no help.
#[test]
fn what_the_sandbox_lacks_is_told_with_what_helps() {
    let application = |namespace: &str, kind: &str, more: &str| {
        format!(
            "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {{name: shop, \
             namespace: {namespace}}}\nspec:\n  components:\n  - {{name: nightly, type: {kind}, \
             properties: {{image: \"perl\"{more}}}}}\n"
        )
    };
    let nightly = application("default", "cron-task", ", schedule: \"@daily\"");
    let stage = Stage::with(&[(APPLICATION, &nightly)]);
    let told = "next: name a cluster that has it in `spec.targets`";
    stage.apply().ends(1).says("the sandbox does not model the kind CronJob").says(told);
    let elsewhere = application("vela-system", "worker", "");
    let stage = Stage::with(&[(APPLICATION, &elsewhere)]);
    let told = "next: make the namespace first";
    stage.apply().ends(1).says("\"vela-system\" not found").says(told);
}

/// The controller fails a batch whose updated pods are out of bounds. Here whoever
/// moved them is named before anything else is written.
#[test]
fn i8_more_updated_pods_than_the_batches_have_come_to_are_refused_by_who_did_it() {
    let seed = |number: &str| {
        let dir = env!("CARGO_MANIFEST_DIR");
        let path = format!("{dir}/testdata/seeds/kubevela-approllout/{number}.yaml");
        std::fs::read_to_string(path).unwrap()
    };
    let held_at = |batch: u32| {
        seed("overview").replace("batchPartition: 1", &format!("batchPartition: {batch}"))
    };
    let stage =
        Stage::with(&[(APPLICATION, &seed("1-application")), (ROLLOUT, &seed("2-approllout"))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &seed("3-application")), (ROLLOUT, &held_at(0))]);
    stage.apply_wait().ends(3);
    assert!(stage.world().ready_pods()["4.0.6"] > 1);
    let clones = "/apis/apps.kruise.io/v1alpha1/namespaces/default/clonesets/metrics-provider";
    let body = json!({"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet",
        "metadata": {"name": "metrics-provider"}, "spec": {"updateStrategy": {"partition": 0}}});
    stage.meddle(clones, &body);
    stage.pass(60);
    assert_eq!(stage.world().ready_pods(), pods(&[("5.0.2", 5)]));
    let tip = stage.tip();
    stage.commit(&[(ROLLOUT, &held_at(1))]);
    let ran = stage.apply_wait().ends(77);
    ran.says("partition").says("kubectl");
    assert_eq!(stage.tip(), tip, "nothing is written");
}
