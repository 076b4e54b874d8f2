//! Pauses between the steps of a canary.

use super::{errors, plan};
use crate::core::model::Pause;

fn canary(steps: &[&str]) -> String {
    let mut text = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {name: web}
spec:
  targetAppRevisionName: web-v2
  strategy:
    canary:
      traffic: {httpRoute: {name: web}}
      steps:
"
    .to_owned();
    for step in steps {
        text.push_str(&format!("      - {step}\n"));
    }
    text
}

/// A canary of two steps with a pause between them.
fn with(pause: &str) -> String {
    canary(&[&format!("{{weight: 20, pause: {pause}}}"), "{weight: 100}"])
}

fn pauses(text: &str) -> Vec<Option<Pause>> {
    plan(text).rollouts[0].pauses.clone()
}

fn approved_for(name: Option<&str>) -> Pause {
    Pause::UntilApproved { approved_for: name.map(str::to_owned) }
}

#[test]
fn a_pause_is_an_approval_or_a_while() {
    let held = |seconds| vec![Some(Pause::held(seconds))];
    assert_eq!(pauses(&with("{}")), [Some(approved_for(None))]);
    assert_eq!(pauses(&with("{approvedFor: web-v2}")), [Some(approved_for(Some("web-v2")))]);
    // An earlier approval stays in the file, and means nothing any more.
    assert_eq!(pauses(&with("{approvedFor: web-v1}")), [Some(approved_for(Some("web-v1")))]);
    for (written, seconds) in
        [("30", 30), ("30s", 30), ("'30'", 30), ("5m", 300), ("1h", 3_600), ("168h", 604_800)]
    {
        assert_eq!(pauses(&with(&format!("{{duration: {written}}}"))), held(seconds), "{written}");
    }
    for none in ["0", "0s", "'0'"] {
        assert_eq!(pauses(&with(&format!("{{duration: {none}}}"))), [], "{none}");
    }
    // As everywhere, null is the same as absent: what is left is an approval.
    assert_eq!(pauses(&with("{duration: null}")), [Some(approved_for(None))]);
}

#[test]
fn pauses_stand_at_the_steps_that_they_follow() {
    let steps = [
        "{weight: 10}",
        "{weight: 20, pause: {duration: 1m}}",
        "{weight: 30}",
        "{weight: 40, pause: {}}",
        "{weight: 50}",
        "{weight: 100}",
    ];
    let held = Some(Pause::held(60));
    assert_eq!(pauses(&canary(&steps)), [None, held, None, Some(approved_for(None))]);
    assert_eq!(pauses(&canary(&["{weight: 100}"])), []);
}

#[test]
fn what_would_not_hold_is_refused() {
    let last = canary(&["{weight: 20}", "{weight: 100, pause: {duration: 1m}}"]);
    assert_eq!(
        errors(&last),
        "\
a.yaml:11:23: AppRollout.spec.strategy.canary.steps[1].pause stands after the last step
  11 |       - {weight: 100, pause: {duration: 1m}}
     |                       ^^^^^
     = nothing is left that it could hold back: take it out, or put it on the step that it is to follow"
    );
    let found = errors(&with(""));
    assert!(found.contains("steps[0].pause is null"), "{found}");
    assert!(found.ends_with("write `pause: {}` to wait for approval, or take it out"), "{found}");
    let found = errors(&with("{duration: 1m, approvedFor: web-v2}"));
    assert!(found.contains("steps[0].pause has a duration and `approvedFor`"), "{found}");
    let found = errors(&with("{approvedFor: shop-v2}"));
    assert!(found.contains("steps[0].pause approves a revision of `shop`"), "{found}");
    assert!(found.contains("expected one of `web`"), "{found}");
}

#[test]
fn what_is_no_pause_is_refused_by_its_place() {
    for bad in ["-5", "1.5", "5 minutes", "169h", "604801", "true", "1d", "''", "[]"] {
        let found = errors(&with(&format!("{{duration: {bad}}}")));
        let path = "AppRollout.spec.strategy.canary.steps[0].pause.duration is ";
        assert!(found.contains(path), "{bad}: {found}");
        assert!(found.contains("expected seconds, or a duration such as"), "{bad}: {found}");
    }
    let cases = [
        ("5m", "steps[0].pause is the string \"5m\""),
        ("{untilApproved: true}", "unknown field `untilApproved`"),
        ("{approvedFor: web}", "steps[0].pause.approvedFor is the string \"web\""),
        ("{approved: web-v2}", "did you mean `approvedFor`?"),
    ];
    for (bad, expected) in cases {
        let found = errors(&with(bad));
        assert!(found.contains(expected), "{bad}: {found}");
    }
}
