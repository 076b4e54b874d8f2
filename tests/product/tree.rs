//! What `status NAME` shows of one rollout or application, and `--tree` of its
//! objects.

use crate::pair::{serving, upgrade};
use crate::plans::{APPLICATION, ROLLOUT, annotated, broken_web, web};
use crate::stage::Stage;
use serde_json::{Value, json};

const INGRESS: &str = "ingress.yaml";

const ROUTE: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: demo}
spec:
  ingressClassName: nginx
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: demo, port: {number: 9898}}}}
";

/// An application that is tried beside itself, behind an Ingress.
pub fn tried(tag: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: demo
  annotations: {{tranche.dev/progress-deadline: 60s}}
spec:
  components:
    - name: demo
      type: webservice
      properties:
        image: stefanprodan/podinfo:{tag}
        ports: [{{port: 9898, expose: true}}]
      traits:
        - type: scaler
          properties: {{replicas: 5}}
        - type: kruise-rollout
          properties:
            canary: {{steps: [{{weight: 20}}, {{weight: 90}}], trafficRoutings: [{{type: nginx}}]}}
"
    )
}

/// Its first version serves.
pub fn tried_beside() -> Stage {
    let stage = Stage::with(&[(APPLICATION, &tried("6.7.0")), (INGRESS, ROUTE)]);
    stage.apply_wait().ends(0);
    stage
}

fn told(stage: &Stage, arguments: &[&str]) -> Value {
    let said = stage.run(arguments).ends(0);
    serde_json::from_str(&said.out).unwrap()
}

/// Kind and name of each object, with its revision, its state, and whether it is
/// there only during the rollout.
fn tree(stage: &Stage, name: &str) -> Value {
    let told = told(stage, &["status", name, "--tree", "-o", "json"]);
    let row = if told["rollouts"][0].is_null() { "applications" } else { "rollouts" };
    let leaves = told[row][0]["tree"].as_array().unwrap();
    let leaf = |leaf: &Value| {
        let name = format!("{}/{}", leaf["kind"].as_str().unwrap(), leaf["name"].as_str().unwrap());
        let ready = &leaf["pods"]["ready"];
        (name, json!([leaf["revision"], leaf["state"], leaf["onlyDuringRollout"], ready]))
    };
    Value::Object(leaves.iter().map(leaf).collect())
}

#[test]
fn a_trial_and_what_shares_traffic_with_it_stand_in_the_tree_while_they_are_there() {
    let stage = tried_beside();
    let at_rest = json!({
        "Deployment/demo": ["demo-v1", "updated", false, 5],
        "Service/demo": ["demo-v1", "updated", false, null],
        "Ingress/demo": ["demo-v1", "updated", false, null],
    });
    assert_eq!(tree(&stage, "demo"), at_rest);
    stage.commit(&[(APPLICATION, &tried("6.7.1"))]);
    stage.apply_wait().ends(3);
    let trial = json!({
        "Deployment/demo": ["demo-v1", "outdated", false, 5],
        "Deployment/demo-v2-canary": ["demo-v2", "updated", true, 1],
        "Service/demo": ["demo-v2", "updated", false, null],
        "Service/demo-v1-traffic": ["demo-v1", "outdated", true, null],
        "Service/demo-v2-traffic": ["demo-v2", "updated", true, null],
        "Ingress/demo": ["demo-v2", "updated", false, null],
        "Ingress/demo-canary": ["demo-v2", "updated", true, null],
    });
    assert_eq!(tree(&stage, "demo"), trial);
    stage
        .run(&["status", "demo", "--tree"])
        .ends(0)
        .says("  ├─ demo-v1\n  │  └─ sandbox: sandbox, namespace default\n")
        .says("Deployment/demo-v2-canary  updated, 1 of 1 ready, only during the rollout\n");
    for code in [3, 0] {
        stage.run(&["approve", "demo"]).ends(0);
        stage.apply_wait().ends(code);
    }
    let after = at_rest.to_string().replace("demo-v1", "demo-v2");
    assert_eq!(tree(&stage, "demo").to_string(), after);
}

#[test]
fn the_tree_says_what_is_missing_and_what_is_not_ours() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    let half = json!({
        "Deployment/web-v1": ["web-v1", "outdated", false, 3],
        "Deployment/web-v2": ["web-v2", "updated", false, 1],
        "Service/web": ["web-v2", "updated", false, null],
    });
    assert_eq!(tree(&stage, "web"), half);
    let service = "/api/v1/namespaces/default/services/web";
    stage.destroy(service);
    assert_eq!(tree(&stage, "web")["Service/web"], json!([null, "missing", false, null]));
    let path = "/apis/apps/v1/namespaces/default/deployments/web-v1";
    let mark = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web-v1",
        "annotations": {"tranche.dev/entity": "rollout/default/api"}}});
    stage.meddle(path, &mark);
    assert_eq!(tree(&stage, "web")["Deployment/web-v1"], json!([null, "not ours", false, 3]));
}

#[test]
fn one_rollout_is_shown_step_by_step_with_its_services() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 1"]);
    stage.apply_wait().ends(3);
    let told = told(&stage, &["status", "web", "-o", "json"]);
    let detail = &told["rollouts"][0]["detail"];
    let steps: Vec<Value> = detail["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| json!([s["state"], s["pods"]]))
        .collect();
    assert_eq!(json!(steps), json!([["done", 1], ["done", 2], ["waiting", null]]));
    assert!(detail["steps"][2]["message"].as_str().unwrap().starts_with("batchPartition is 1"));
    let service = json!({
        "name": "web", "type": "webservice", "traits": ["scaler"], "rolled": true,
        "health": "healthy", "message": "2 of 2 pods ready",
    });
    assert_eq!(detail["services"], json!([service]));
    assert!(detail["created"].is_string() && detail["updated"].is_string());
    let said = stage.run(&["status", "web"]).ends(0);
    let said = said.says("    batch 2  done, 2 pods\n    batch 3  waiting: batchPartition is 1");
    let said =
        said.says("    web (webservice), healthy: 2 of 2 pods ready\n      traits: scaler\n");
    assert!(!said.err.contains("sandbox"), "without the tree no cluster is read: {said}");
}

#[test]
fn a_batch_that_is_awaited_and_the_way_back_are_told_as_such() {
    let stage = serving();
    let soon = annotated("web-v2", &[("tranche.dev/progress-deadline", "60s")], &[]);
    stage.commit(&[(APPLICATION, &broken_web("6.7.1")), (ROLLOUT, &soon)]);
    stage.apply().ends(3);
    stage
        .run(&["status", "web"])
        .ends(0)
        .says("    batch 1  waiting: Deployment/default/web-v2: 0 of 1 pods ready\n")
        .says("    batch 2  to come\n")
        .says("web (webservice), progressing: Deployment/default/web-v2: 0 of 1");
    stage.apply_wait().ends(4);
    stage
        .run(&["status", "web"])
        .ends(0)
        .says("    back to stable  done: not ready in time")
        .says("    web (webservice), healthy: back on the stable revision\n");
}

#[test]
fn what_is_applied_directly_has_a_tree_of_its_revision() {
    let direct = web("6.7.0", 4, &[]).replace("    app.oam.dev/rollout-template: \"true\"\n", "");
    let stage = Stage::with(&[(APPLICATION, &direct.replace("  annotations:\nspec", "spec"))]);
    stage.apply_wait().ends(0);
    let mut found = tree(&stage, "web");
    for leaf in found.as_object_mut().unwrap().values_mut() {
        assert!(leaf[0].take().as_str().unwrap().starts_with("web ("), "{leaf}");
    }
    let whole = json!({
        "Deployment/web": [null, "updated", false, 4],
        "Service/web": [null, "updated", false, null],
    });
    assert_eq!(found, whole);
    stage
        .run(&["status", "web"])
        .ends(0)
        .says("    apply  done\n")
        .says("web (webservice), healthy");
}

#[test]
fn without_its_cluster_a_tree_is_an_error_and_the_rest_is_still_told() {
    let stage = serving();
    let project = "\
apiVersion: tranche.dev/v1alpha1
kind: Project
spec:
  targets:
    - {name: sandbox, cluster: {context: gone}}
";
    let kubeconfig = "\
apiVersion: v1
kind: Config
clusters: [{name: gone, cluster: {server: \"http://127.0.0.1:9\"}}]
users: [{name: gone, user: {}}]
contexts: [{name: gone, context: {cluster: gone, user: gone}}]
";
    stage.commit(&[("tranche.yaml", project)]);
    std::fs::write(stage.path().join("gone.yaml"), kubeconfig).unwrap();
    let status = |tree: &[&str]| {
        let arguments = [&["status", "web", "--kubeconfig", "gone.yaml"], tree].concat();
        stage.run(&arguments)
    };
    status(&[]).ends(0).says("default/web on sandbox: rolloutSucceed");
    let failed = status(&["--tree"]).ends(1).says("the cluster does not answer");
    assert_eq!(failed.out, "", "{failed}");
}
