//! Replica ratio: what it reads as, and what is refused.

use super::{errors, plan};
use crate::core::model::{Naming, Pause, ReplicaRatio, TargetRevision, Turns};

/// An AppRollout whose `replicaRatio` has these lines.
fn with(lines: &[&str]) -> String {
    let mut text = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {name: shop}
spec:
  strategy:
    replicaRatio:
      service: shop
      deployment: shop-app
"
    .to_owned();
    for line in lines {
        text.push_str(&format!("      {line}\n"));
    }
    text
}

fn bare() -> ReplicaRatio {
    ReplicaRatio {
        service: "shop".to_owned(),
        deployment: "shop-app".to_owned(),
        new_version: "v1.1.0".to_owned(),
        image: None,
        container: None,
        turns: Turns::By(25),
        restarts: 0,
        retain: 0,
    }
}

#[test]
fn every_field_is_read_and_holds_stand_between_turns() {
    let rollout = &plan(&with(&["newVersion: v1.1.0", "increment: 25"])).rollouts[0];
    assert_eq!(rollout.ratio, Some(bare()));
    assert!(rollout.pauses.is_empty() && rollout.moves_requests());
    assert_eq!(rollout.naming, Naming::Captured);
    let application = "shop-app".to_owned();
    assert_eq!(rollout.target, TargetRevision::Latest { application });
    let lines = [
        "newVersion: \"1.1\"",
        "image: registry.example/shop:7",
        "container: web",
        "steps: [1, 3]",
        "hold: 30s",
        "health: {restarts: 2}",
        "retain: 5m",
    ];
    let rollout = &plan(&with(&lines)).rollouts[0];
    let full = ReplicaRatio {
        new_version: "1.1".to_owned(),
        image: Some("registry.example/shop:7".to_owned()),
        container: Some("web".to_owned()),
        turns: Turns::Pods(vec![1, 3]),
        restarts: 2,
        retain: 300,
        ..bare()
    };
    assert_eq!(rollout.ratio, Some(full));
    let (held, kept) = (Pause::held(30), Pause::For { seconds: 300, delay: true });
    assert_eq!(rollout.pauses, [Some(held.clone()), Some(held), Some(kept)]);
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let said = errors(text);
    assert!(said.contains(expected), "no \"{expected}\" in: {said}");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let lines = |lines: &[&str]| with(&[&["newVersion: v2"], lines].concat());
    refused(&lines(&[]), "does not say how it grows");
    refused(&lines(&["increment: 25", "steps: [1]"]), "stands beside `increment`");
    refused(&lines(&["increment: 0"]), "a whole number from 1 to 100");
    refused(&lines(&["increment: 101"]), "a whole number from 1 to 100");
    refused(&lines(&["steps: [2, 2]"]), "steps[1] is 2 after 2");
    refused(&lines(&["increment: 25", "incremnt: 5"]), "unknown field `incremnt`");
    let misspelt = errors(&lines(&["incremnt: 5"]));
    assert!(misspelt.contains("unknown field `incremnt`"), "{misspelt}");
    assert!(!misspelt.contains("how it grows"), "told once: {misspelt}");
    for version in ["V2", "-v2", "v2.", "v2+1", "v 2", "v2..1", "latest/2"] {
        let text = with(&["increment: 25", &format!("newVersion: \"{version}\"")]);
        refused(&text, "newVersion is");
    }
    refused(&with(&["increment: 25", "newVersion: 1.10"]), "newVersion is");
    refused(&with(&["increment: 25"]), "`newVersion` is missing");
    refused(&lines(&["increment: 25", "image: a b"]), "image is");
}

#[test]
fn no_revision_of_an_application_stands_beside_it() {
    let beside = |line: &str| {
        let text = with(&["newVersion: v2", "increment: 25"]);
        text.replace("spec:\n", &format!("spec:\n  {line}\n"))
    };
    for (line, field) in [
        ("targetAppRevisionName: shop-v2", "targetAppRevisionName"),
        ("sourceAppRevisionName: shop-v1", "sourceAppRevisionName"),
        ("componentList: [shop]", "componentList"),
        ("rolloutPlan: {targetSize: 3}", "rolloutPlan.targetSize"),
        ("rolloutPlan: {numBatches: 3}", "rolloutPlan.numBatches"),
    ] {
        refused(&beside(line), &format!("{field} stands beside `replicaRatio`"));
    }
    assert_eq!(plan(&beside("rolloutPlan: {paused: true}")).rollouts.len(), 1);
    let two = with(&["newVersion: v2", "increment: 25"])
        .replace("  strategy:\n", "  strategy:\n    canary: {steps: [{weight: 20}]}\n");
    refused(&two, "canary stands beside `replicaRatio`");
    let theirs = with(&["newVersion: v2", "increment: 25"])
        .replace("tranche.dev/v1alpha1", "core.oam.dev/v1beta1");
    refused(&theirs, "`strategy` is no field of an AppRollout of `core.oam.dev/v1beta1`");
    let none = "apiVersion: tranche.dev/v1alpha1\nkind: AppRollout\nmetadata: {name: shop}\n\
                spec:\n  strategy: {canary: {steps: [{weight: 20}]}}\n";
    refused(none, "`targetAppRevisionName` is missing in AppRollout.spec");
}
