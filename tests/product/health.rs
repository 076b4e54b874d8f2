//! What an object's health does to the step that waits for it: rules of the
//! plan, failures that waiting does not mend, and what a success has to say.

use crate::stage::Stage;

const CONFIG: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
";

fn project(rule: &str) -> String {
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: Project
spec:
  health:
    - apiVersion: v1
      kind: ConfigMap
{rule}"
    )
}

const RULE: &str = "      failed: data.colour == 'red'
      current: data.colour == 'blue' && size(data) == 1
";

#[test]
fn a_rule_of_the_plan_is_awaited_and_a_failure_ends_the_step_at_once() {
    let stage = Stage::with(&[("tranche.yaml", &project(RULE)), ("config.yaml", CONFIG)]);
    stage.run(&["plan"]).says("await ConfigMap/default/settings until healthy");
    stage.apply_wait().ends(0);
    stage.commit(&[("config.yaml", &CONFIG.replace("blue", "red"))]);
    // Without `--wait`: two looks are enough, and the deadline is far away.
    stage.apply().ends(4).says("ConfigMap/default/settings: its rule's `failed` holds");
    stage.run(&["status"]).says("its rule's `failed` holds");
    stage.commit(&[("config.yaml", CONFIG)]);
    stage.apply_wait().ends(0);
    stage.record_is_whole();
}

#[test]
fn a_rule_that_does_not_hold_yet_waits() {
    let stage = Stage::with(&[("tranche.yaml", &project(RULE)), ("config.yaml", CONFIG)]);
    stage.commit(&[("config.yaml", &CONFIG.replace("blue", "green"))]);
    stage.apply().ends(3).says("its rule's `current` does not hold yet");
    stage.commit(&[("tranche.yaml", &project("      current: data.missing == 'x'\n"))]);
    stage.apply().ends(3).says("its rule's `current` cannot be evaluated: there is no `missing`");
    stage.commit(&[("tranche.yaml", &project("      current: data.colour == 'green'\n"))]);
    stage.apply_wait().ends(0);
    stage.record_is_whole();
}

#[test]
fn an_expression_that_is_none_is_an_error_at_its_place() {
    let wrong = project("      current: data.colour ==\n");
    let stage = Stage::with(&[("tranche.yaml", &wrong), ("config.yaml", CONFIG)]);
    stage.apply().ends(65).says("tranche.yaml:7:16: `current`: not a CEL expression");
}

const DATABASE: &str = "\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  updateStrategy: {type: OnDelete}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: \"postgres:17\"}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: backup}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
";

#[test]
fn what_is_left_for_an_operator_is_said_by_the_result() {
    let stage = Stage::with(&[("db.yaml", DATABASE)]);
    stage.apply_wait().ends(0);
    let left = "StatefulSet/default/db: 2 of 2 pods ready, 0 updated; 2 wait for an operator";
    assert!(!stage.run(&["status"]).ends(0).out.contains("note: "));
    stage.commit(&[("db.yaml", &DATABASE.replace(":17", ":18"))]);
    stage.apply_wait().ends(0).says(left);
    stage.run(&["status"]).ends(0).says(&format!("note: {left}"));
    stage.record_is_whole();
}
