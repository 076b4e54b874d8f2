//! AppRollouts, field by field.

use super::{errors, place, plan, rollout};
use crate::core::model::{
    Amount, Around, Batch, Batches, Naming, OnDelete, Rollout, RolloutPlan, RolloutStrategy,
    TargetRevision,
};

#[test]
fn every_other_field_of_a_rollout_is_read() {
    let text = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata:
  name: web
  namespace: shop
  annotations:
    tranche.dev/on-delete: promote
    tranche.dev/progress-deadline: 1h30m
spec:
  targetAppRevisionName: my-v2-app-v12
  sourceAppRevisionName: ''
  revertOnDelete: true
  rolloutPlan:
    rolloutStrategy: DecreaseFirst
    targetSize: 7
    numBatches: 2
    rolloutBatches:
    - {replicas: 30%, maxUnavailable: 10%}
    - {maxUnavailable: 1}
    paused: yes
";
    let loaded = plan(text);
    assert_eq!(
        loaded.rollouts,
        [Rollout {
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
            target: TargetRevision::Named("my-v2-app-v12".to_owned()),
            source: None,
            component: None,
            component_of: None,
            with: Vec::new(),
            plan: RolloutPlan {
                strategy: RolloutStrategy::DecreaseFirst,
                target_size: Some(7),
                batches: Batches::Listed(vec![
                    Batch {
                        replicas: Some(Amount::Percent(30)),
                        max_unavailable: Amount::Percent(10)
                    },
                    Batch { replicas: None, max_unavailable: Amount::Count(1) },
                ]),
                batch_partition: None,
                paused: true,
                around: Around::default(),
            },
            naming: Naming::Revision,
            canary: None,
            disabled: false,
            blue_green: None,
            ratio: None,
            pauses: Vec::new(),
            on_delete: OnDelete::Promote,
            deadline_seconds: 5_400,
            owners: std::sync::Arc::default(),
            health: crate::core::health::Rules::default(),
            place: place("a.yaml", 1),
        }]
    );
    assert_eq!(loaded.notices.len(), 1, "`yes` is worth a notice");
    let reverting = rollout("    numBatches: 3\n  revertOnDelete: true\n");
    let reverting = &plan(&reverting).rollouts[0];
    assert_eq!(
        (reverting.on_delete, &reverting.plan.batches),
        (OnDelete::Abort, &Batches::Even(3))
    );
}

#[test]
fn replicas_are_a_whole_number_or_a_percentage() {
    let wrong = |written: &str| {
        errors(&rollout(&format!("    rolloutBatches:\n    - replicas: {written}\n")))
    };
    assert_eq!(
        wrong("\"3\""),
        "\
a.yaml:8:17: AppRollout.spec.rolloutPlan.rolloutBatches[0].replicas is the string \"3\"
   8 |     - replicas: \"3\"
     |                 ^^^ expected a whole number of pods from 0 to 2147483647, or a percentage from `0%` to `100%`
     = take the quotes away"
    );
    for written in [
        "1.5",
        "-1",
        "9223372036854775808",
        "101%",
        "1.5%",
        "-5%",
        "'%'",
        "010%",
        "true",
        "[1]",
        "x",
    ] {
        assert!(wrong(written).contains("expected a whole number of pods"), "{written}");
    }
}

/// What each wrong plan says first, and where.
#[test]
fn each_rule_of_a_rollout_has_its_message() {
    let spec = |line: &str| rollout("    numBatches: 2\n") + line;
    let cases = [
        (
            rollout("    rolloutBatches: []\n"),
            "a.yaml:7:21: AppRollout.spec.rolloutPlan.rolloutBatches is empty",
        ),
        (
            rollout("    numBatches: 3\n    rolloutBatches: [{replicas: 1}]\n"),
            "a.yaml:7:17: AppRollout.spec.rolloutPlan.numBatches differs from rolloutBatches",
        ),
        (
            rollout("    numBatches: 0\n"),
            "a.yaml:7:17: AppRollout.spec.rolloutPlan.numBatches is the number `0`",
        ),
        (
            rollout("    numBatches: 2\n    batchPartition: -1\n"),
            "a.yaml:8:21: AppRollout.spec.rolloutPlan.batchPartition is the number `-1`",
        ),
        (
            rollout("    rolloutBatches: [{maxUnavailable: 1}, {replicas: 1}]\n"),
            "a.yaml:7:22: AppRollout.spec.rolloutPlan.rolloutBatches[0] has no replicas",
        ),
        (
            spec("  componentList: [a, b, a]\n"),
            "a.yaml:8:25: AppRollout.spec.componentList names the string \"a\" twice",
        ),
        (
            "apiVersion: tranche.dev/v1alpha1\nkind: AppRollout\nmetadata: {name: a}\nspec:\n  \
             targetAppRevisionName: web-v2\n  componentList: [a, b]\n  strategy: {canary: {steps: \
             [{weight: 20}]}}\n"
                .to_owned(),
            "a.yaml:7:13: a strategy with more than one component in AppRollout.spec.componentList",
        ),
        (
            "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {name: a}\nspec:\n  \
             targetAppRevisionName: web-v2\n  componentList: [a, b]\n  rolloutPlan:\n    numBatches: \
             2\n    targetSize: 5\n"
                .to_owned(),
            "a.yaml:9:17: one targetSize with more than one component in AppRollout.spec.componentList",
        ),
        (
            spec("  sourceAppRevisionName: shop-v1\n"),
            "a.yaml:8:26: the source is a revision of `shop`, the target one of `web`",
        ),
        (spec("status: {}\n"), "a.yaml:8:1: `status` in AppRollout is not supported yet"),
    ];
    for (text, expected) in cases {
        let found = errors(&text);
        assert!(found.starts_with(expected), "{found}");
    }
    for bad in [
        "web",
        "web-v0",
        "web-v01",
        "Web-v1",
        "-v1",
        "web-v",
        "web-vx",
        "'1'",
        "7",
        "web-v99999999999",
    ] {
        let found = errors(&rollout("    numBatches: 2\n").replace("web-v2", bad));
        assert!(found.contains("expected a revision such as `web-v2`"), "{bad}: {found}");
    }
    let missing =
        errors(&rollout("    numBatches: 2\n").replace("  targetAppRevisionName: web-v2\n", ""));
    assert!(missing.contains("`targetAppRevisionName` is missing in AppRollout.spec"), "{missing}");
}

#[test]
fn annotations_of_ours_are_checked_like_fields() {
    let with = |annotation: &str| {
        rollout("    numBatches: 2\n")
            .replace("{name: web}", &format!("{{name: web, annotations: {{{annotation}}}}}"))
    };
    let found = errors(&with("tranche.dev/on-delet: abort"));
    assert!(
        found.contains("unknown annotation `tranche.dev/on-delet` of an AppRollout"),
        "{found}"
    );
    assert!(found.ends_with("did you mean `tranche.dev/on-delete`?"), "{found}");
    let found = errors(&with("tranche.dev/on-delete: explode"));
    assert!(found.contains("expected one of `freeze`, `abort`, `promote`"), "{found}");
    for bad in ["1h1h", "-5m", "0s", "8d", "100000000000000000000"] {
        let found = errors(&with(&format!("tranche.dev/progress-deadline: '{bad}'")));
        assert!(found.contains("expected a duration such as `10m`"), "{found}");
    }
    let found = errors(&with("x/y: true"));
    assert!(
        found.contains("AppRollout.metadata.annotations[x/y] is the boolean `true`"),
        "{found}"
    );
}
