//! What no rollout drives: plain objects and Applications in one step.

use crate::stage::Stage;
use crate::world::pods;
use serde_json::json;

const CONFIG: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
";

fn worker(tag: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: queue}}
spec:
  components:
    - name: queue
      type: worker
      properties: {{image: \"stefanprodan/podinfo:{tag}\"}}
      traits:
        - type: scaler
          properties: {{replicas: 2}}
"
    )
}

fn applied() -> Stage {
    let stage = Stage::with(&[("config.yaml", CONFIG), ("queue.yaml", &worker("6.7.0"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 2)]));
    assert_eq!(stage.world().get("ConfigMap", "settings").unwrap()["data"]["colour"], "blue");
    stage
}

#[track_caller]
fn is_idle(stage: &Stage) {
    let (tip, journal) = (stage.tip(), std::fs::read(stage.journal()).unwrap());
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
    assert_eq!(std::fs::read(stage.journal()).unwrap(), journal);
}

#[test]
fn objects_and_applications_are_one_step_each() {
    let stage = applied();
    let phases: Vec<String> = stage.log().into_iter().map(|entry| entry.phase).collect();
    assert_eq!(phases, ["publish", "intent", "result", "intent", "result"]);
    stage.record_is_whole();
    is_idle(&stage);
}

#[test]
fn an_edit_is_one_more_step() {
    let stage = applied();
    stage.commit(&[
        ("config.yaml", &CONFIG.replace("blue", "green")),
        ("queue.yaml", &worker("6.7.1")),
    ]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().get("ConfigMap", "settings").unwrap()["data"]["colour"], "green");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 2)]));
    assert_eq!(stage.log().len(), 10);
    stage.record_is_whole();
    is_idle(&stage);
}

#[test]
fn what_was_deleted_is_put_back() {
    let stage = applied();
    stage.destroy("/api/v1/namespaces/default/configmaps/settings");
    stage.destroy("/apis/apps/v1/namespaces/default/deployments/queue");
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().get("ConfigMap", "settings").unwrap()["data"]["colour"], "blue");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 2)]));
    stage.record_is_whole();
    is_idle(&stage);
}

#[test]
fn a_field_that_somebody_else_took_is_refused_by_name() {
    let stage = applied();
    stage.meddle(
        "/api/v1/namespaces/default/configmaps/settings",
        &json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings"},
            "data": {"colour": "red"},
        }),
    );
    stage.apply_wait().ends(77).says("kubectl").says("colour");
    assert_eq!(stage.world().get("ConfigMap", "settings").unwrap()["data"]["colour"], "red");
    let tip = stage.tip();
    stage.apply_wait().ends(77);
    assert_eq!(stage.tip(), tip, "a refusal is no news");
}

#[test]
fn fields_of_others_are_left_to_them() {
    let stage = applied();
    stage.meddle(
        "/api/v1/namespaces/default/configmaps/settings",
        &json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings"},
            "data": {"shape": "round"},
        }),
    );
    is_idle(&stage);
    assert_eq!(stage.world().get("ConfigMap", "settings").unwrap()["data"]["shape"], "round");
}

#[test]
fn a_decision_about_what_no_rollout_drives_says_so() {
    let stage = applied();
    for command in ["pause", "resume", "abort", "retry"] {
        let words = format!(
            "default/queue is applied directly, in one step: there is nothing to {command}"
        );
        stage.run(&[command, "queue"]).ends(64).says(&words);
        stage.run(&[command, "default/queue"]).ends(64).says(&words);
    }
    stage.run(&["pause", "quue"]).ends(64).says("there is no rollout");
}

/// A Deployment whose pods never get ready, beside the ConfigMap.
const NEVER: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: stuck}
spec:
  selector: {matchLabels: {app: stuck}}
  template:
    metadata:
      labels: {app: stuck}
      annotations: {sandbox.tranche.dev/ready: never}
    spec:
      containers: [{name: stuck, image: \"registry.example/stuck:1\"}]
";

#[test]
fn what_failed_is_not_forgotten_by_changing_something_else() {
    let stage = Stage::with(&[("config.yaml", CONFIG), ("stuck.yaml", NEVER)]);
    stage.run(&["apply", "--wait", "30m"]).ends(4);
    stage.commit(&[("config.yaml", &CONFIG.replace("blue", "green"))]);
    stage.run(&["apply", "--wait", "30m"]).ends(4).says("stuck");
    assert_eq!(stage.world().get("ConfigMap", "settings").unwrap()["data"]["colour"], "green");
    stage.run(&["apply"]).ends(4);
}

#[test]
fn a_step_has_only_what_differs() {
    let other = CONFIG.replace("settings", "other");
    let stage = Stage::with(&[("config.yaml", CONFIG), ("other.yaml", &other)]);
    stage.apply_wait().ends(0);
    let version = |name: &str| {
        let world = stage.world();
        world.get("ConfigMap", name).unwrap()["metadata"]["resourceVersion"].clone()
    };
    let before = (version("settings"), version("other"));
    stage.commit(&[("config.yaml", &CONFIG.replace("blue", "green"))]);
    stage.apply_wait().ends(0);
    assert_ne!(version("settings"), before.0);
    assert_eq!(version("other"), before.1, "nobody had a reason to write it");
    stage.record_is_whole();
    is_idle(&stage);
}
