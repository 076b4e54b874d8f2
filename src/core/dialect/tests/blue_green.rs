//! Blue-green: what it reads as, and what is refused.

use super::{errors, plan};
use crate::core::model::{Batches, BlueGreen, DrivenService, Pause};

/// An AppRollout whose `blueGreen` has these lines.
fn with(lines: &[&str]) -> String {
    let mut text = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {name: web}
spec:
  targetAppRevisionName: web-v2
  strategy:
    blueGreen:
      activeService: web
"
    .to_owned();
    for line in lines {
        text.push_str(&format!("      {line}\n"));
    }
    text
}

fn held(seconds: u32) -> Option<Pause> {
    Some(Pause::held(seconds))
}

fn delay(seconds: u32) -> Option<Pause> {
    Some(Pause::For { seconds, delay: true })
}

fn approved(by_plan: Option<&str>) -> Option<Pause> {
    Some(Pause::UntilApproved { approved_for: by_plan.map(str::to_owned) })
}

#[test]
fn what_is_left_out_is_as_in_argo_rollouts() {
    let rollout = &plan(&with(&[])).rollouts[0];
    let bare = BlueGreen {
        active: DrivenService::named("web"),
        preview: None,
        preview_replicas: None,
        scale_down_delay: 30,
    };
    assert_eq!(rollout.blue_green, Some(bare));
    assert_eq!(rollout.pauses, [None, delay(30)]);
    assert_eq!(rollout.plan.batches, Batches::Even(1), "what is no upgrade is done at once");
    assert!(rollout.canary.is_none() && rollout.moves_requests());
}

#[test]
fn every_field_is_read() {
    let lines = [
        "previewService: web-preview",
        "previewReplicaCount: 2",
        "autoPromotionEnabled: true",
        "autoPromotionSeconds: 5m",
        "scaleDownDelaySeconds: 60",
    ];
    let rollout = &plan(&with(&lines)).rollouts[0];
    let full = BlueGreen {
        active: DrivenService::named("web"),
        preview: Some(DrivenService::named("web-preview")),
        preview_replicas: Some(2),
        scale_down_delay: 60,
    };
    assert_eq!(rollout.blue_green, Some(full));
    assert_eq!(rollout.pauses, [held(300), delay(60)]);
    let driven: Vec<String> =
        rollout.drives("shop").iter().map(|driven| driven.object.to_string()).collect();
    assert_eq!(driven, ["Service/shop/web", "Service/shop/web-preview"]);
}

#[test]
fn gates_are_an_approval_a_while_or_none() {
    let gates = |lines: &[&str]| plan(&with(lines)).rollouts[0].pauses.clone();
    let none = "scaleDownDelaySeconds: 0";
    assert_eq!(gates(&[none]), []);
    assert_eq!(gates(&[none, "autoPromotionSeconds: 0"]), []);
    assert_eq!(gates(&[none, "autoPromotionSeconds: 10"]), [held(10)]);
    let by_hand = "autoPromotionEnabled: false";
    assert_eq!(gates(&[by_hand]), [approved(None), delay(30)]);
    assert_eq!(gates(&[by_hand, "approvedFor: web-v2"])[0], approved(Some("web-v2")));
}

/// The first line of the only error, without its place.
fn refused(text: &str) -> String {
    let all = errors(text);
    assert_eq!(all.matches("a.yaml:").count(), 1, "{all}");
    let first = all.lines().next().unwrap();
    first.splitn(3, ':').nth(2).unwrap().split_once(": ").unwrap().1.to_owned()
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    for field in [
        "abortScaleDownDelaySeconds: 30",
        "activeMetadata: {}",
        "antiAffinity: {}",
        "maxUnavailable: 1",
        "postPromotionAnalysis: {}",
        "prePromotionAnalysis: {}",
        "previewMetadata: {}",
        "scaleDownDelayRevisionLimit: 1",
    ] {
        let name = field.split(':').next().unwrap();
        let said = refused(&with(&[field]));
        let path = "in AppRollout.spec.strategy.blueGreen is not supported yet";
        assert_eq!(said, format!("`{name}` {path}"));
    }
    assert!(refused(&with(&["previewServices: b"])).contains("unknown field"));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let says = |lines: &[&str], part: &str| {
        let said = refused(&with(lines));
        assert!(said.contains(part), "{said}");
    };
    says(&["previewService: web"], "previewService is the active Service");
    says(&["previewReplicaCount: -1"], "previewReplicaCount is the number `-1`");
    says(&["previewReplicaCount: 0"], "previewReplicaCount is the number `0`");
    says(&["previewReplicaCount: 50%"], "previewReplicaCount is");
    says(&["scaleDownDelaySeconds: -30"], "scaleDownDelaySeconds is the number `-30`");
    says(&["autoPromotionSeconds: soon"], "autoPromotionSeconds is");
    says(&["autoPromotionEnabled: maybe"], "autoPromotionEnabled is");
    let by_hand = "autoPromotionEnabled: false";
    says(&[by_hand, "autoPromotionSeconds: 30"], "stands beside an approval");
    says(&["approvedFor: web-v2"], "approves what nobody is asked for");
    says(&[by_hand, "approvedFor: api-v2"], "approves a revision of `api`");
    let edited = |from: &str, to: &str, part: &str| {
        let said = refused(&with(&[]).replace(from, to));
        assert!(said.contains(part), "{said}");
    };
    edited("activeService: web\n", "previewService: web\n", "`activeService` is missing");
    edited("tranche.dev/v1alpha1", "core.oam.dev/v1beta1", "`strategy` is no field");
    edited("blueGreen:\n      activeService: web", "{}", "names no strategy");
    edited("blueGreen:", "blueGren:", "unknown field `blueGren`");
    let beside = |line: &str, part: &str| {
        let said = refused(&(with(&[]) + line));
        assert!(said.contains(part), "{said}");
    };
    beside("    canary: {steps: [{weight: 20}]}\n", "stands beside a canary");
    beside("  rolloutPlan: {numBatches: 2}\n", "numBatches stands beside `blueGreen`");
    beside("  rolloutPlan: {rolloutBatches: [{replicas: 1}]}\n", "stands beside `blueGreen`");
    beside("  rolloutPlan: {rolloutStrategy: DecreaseFirst}\n", "DecreaseFirst takes pods away");
    assert!(
        plan(&(with(&[]) + "  rolloutPlan: {batchPartition: 0, targetSize: 4}\n")).rollouts[0]
            .plan
            .batch_partition
            .is_some()
    );
}
