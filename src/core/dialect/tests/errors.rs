//! What error messages look like.

use super::{errors, file, rollout};
use crate::core::dialect::load;

#[test]
fn a_misspelt_field_is_shown_with_its_line_and_the_closest_name() {
    let text = "\
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata:
  name: web
spec:
  targetAppRevisionName: web-v2
  rolloutPlan:
    numBatches: 2
    batchs:
    - replicas: 1
";
    assert_eq!(
        errors(text),
        "\
a.yaml:9:5: unknown field `batchs` in AppRollout.spec.rolloutPlan
   9 |     batchs:
     |     ^^^^^^ expected one of `rolloutStrategy`, `targetSize`, `rolloutBatches`, `numBatches`, `batchPartition`, `paused`, `rolloutWebhooks`; did you mean `rolloutBatches`?"
    );
}

#[test]
fn all_errors_of_all_files_are_shown_in_order() {
    let broken = rollout("    rolloutStrategy: increasefirst\n    paused: 3\n");
    let found = load(vec![file("b.yaml", "a: [\n"), file("a.yaml", &broken)]).unwrap_err();
    assert_eq!(
        found.to_string(),
        "\
a.yaml:7:5: AppRollout.spec.rolloutPlan has no batches
   7 |     rolloutStrategy: increasefirst
     |     ^ expected `rolloutBatches` or `numBatches`
a.yaml:7:22: AppRollout.spec.rolloutPlan.rolloutStrategy is the string \"increasefirst\"
   7 |     rolloutStrategy: increasefirst
     |                      ^^^^^^^^^^^^^ expected one of `IncreaseFirst`, `DecreaseFirst`; did you mean `IncreaseFirst`?
a.yaml:8:13: AppRollout.spec.rolloutPlan.paused is the number `3`
   8 |     paused: 3
     |             ^ expected `true` or `false`
b.yaml:1:4: not valid YAML: unclosed bracket '['
   1 | a: [
     |    ^"
    );
    assert_eq!(found.all().len(), 4);
}

#[test]
fn what_the_original_has_and_we_do_not_is_refused_by_name() {
    let found = errors(&rollout("    numBatches: 1\n    canaryMetric: []\n"));
    assert_eq!(
        found.lines().next().unwrap(),
        "a.yaml:8:5: `canaryMetric` in AppRollout.spec.rolloutPlan is not supported yet"
    );
    assert!(found.ends_with("= take it out: no field is accepted and then ignored"), "{found}");
    let found = errors(&rollout("    rolloutBatches:\n    - canaryMetric: 1\n"));
    let expected =
        "`canaryMetric` in AppRollout.spec.rolloutPlan.rolloutBatches[0] is not supported yet";
    assert!(found.contains(expected), "{found}");
    let application = |spec: &str, component: &str| {
        errors(&format!(
            "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {{name: web}}\nspec:\n  \
             components:\n  - name: web\n    type: webservice\n{component}{spec}"
        ))
    };
    for field in ["policies", "workflow"] {
        let found = application(&format!("  {field}: []\n"), "");
        assert!(
            found.starts_with(&format!("a.yaml:8:3: `{field}` in Application.spec is not")),
            "{found}"
        );
    }
    for field in ["dependsOn", "inputs", "outputs", "scopes"] {
        let found = application("", &format!("    {field}: []\n"));
        assert!(
            found.starts_with(&format!("a.yaml:8:5: `{field}` in Application.spec.components[0]")),
            "{found}"
        );
    }
    let found = application("", "    traits:\n    - type: rolling-release\n");
    let due = "a.yaml:9:13: the trait `rolling-release` is not supported yet";
    assert!(found.starts_with(due), "{found}");
    let kinds = [
        ("standard.oam.dev/v1alpha1", "RolloutTrait"),
        ("rollouts.kruise.io/v1beta1", "BatchRelease"),
        ("tranche.dev/v1alpha1", "Policy"),
        ("core.oam.dev/v1beta1", "TraitDefinition"),
    ];
    for (version, kind) in kinds {
        let found =
            errors(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n"));
        assert!(
            found.starts_with(&format!("a.yaml:2:7: {kind} of `{version}` is not supported yet")),
            "{found}"
        );
    }
}

#[test]
fn unknown_kinds_and_versions_of_our_groups_name_the_closest() {
    assert_eq!(
        errors("apiVersion: tranche.dev/v1alpha1\nkind: AppRolout\n"),
        "\
a.yaml:2:7: AppRolout of `tranche.dev/v1alpha1` is not supported yet
   2 | kind: AppRolout
     |       ^^^^^^^^^ expected one of `Application`, `AppRollout`, `Route`; did you mean `AppRollout`?
     = take it out: no document is accepted and then ignored"
    );
    let old = errors("apiVersion: core.oam.dev/v1alpha2\nkind: Application\n");
    assert!(
        old.starts_with("a.yaml:1:13: Application of `core.oam.dev/v1alpha2` is not supported\n"),
        "{old}"
    );
}

#[test]
fn an_error_next_to_a_secret_shows_no_value_of_it() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: !x hunter2}\n";
    let found = errors(secret);
    assert!(
        found.contains("the tag `!x` is not accepted") && !found.contains("hunter2"),
        "{found}"
    );
    let found = errors(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: yes, b: 1}\nx: [\n",
    );
    assert!(!found.contains("yes"), "{found}");
}

#[test]
fn a_file_of_nothing_but_errors_is_answered_quickly_and_briefly() {
    let junk: String = (0..50_000).map(|i| format!("x{i}: 1\n")).collect();
    let found = load(vec![file("a.yaml", &(rollout("    numBatches: 1\n") + &junk))]).unwrap_err();
    assert_eq!(found.all().len(), 50);
}
