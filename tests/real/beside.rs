//! KubeVela's canary by the trait `kruise-rollout`, its own document, on the
//! real control plane: real Deployments, Services with their endpoints, and an
//! Ingress that nobody acts on.

use crate::site::Site;
use serde_json::{Value, json};

const CANARY: &str = include_str!("../../testdata/seeds/kubevela-canary/application.yaml");

fn version(version: &str) -> String {
    let changed = CANARY.replace("canarydemo:v1", &format!("canarydemo:{version}"));
    changed.replace("publishVersion: v1", &format!("publishVersion: {version}"))
}

/// Ready pods of each Deployment.
fn ready(site: &Site<'_>) -> Value {
    let all = site.get(&["deployments"]);
    let deployments = all["items"].as_array().unwrap().iter();
    let ready = deployments.map(|deployment| {
        let name = deployment["metadata"]["name"].as_str().unwrap().to_owned();
        (name, deployment["status"]["readyReplicas"].clone())
    });
    json!(ready.collect::<serde_json::Map<String, Value>>())
}

fn weight(site: &Site<'_>) -> Value {
    let all = site.get(&["ingresses"]);
    let ingresses = all["items"].as_array().unwrap();
    let second = ingresses.iter().find(|i| i["metadata"]["name"] == "canary-demo-canary");
    let annotations = second.map(|second| &second["metadata"]["annotations"]);
    annotations
        .map(|all| all["nginx.ingress.kubernetes.io/canary-weight"].clone())
        .unwrap_or_default()
}

#[test]
fn s3_a_canary_beside_its_workload() {
    let site = Site::new("beside");
    site.commit(&[("application.yaml", CANARY)]);
    site.apply_wait().ends(0);
    assert_eq!(ready(&site), json!({"canary-demo": 5}));
    let before = site.get(&["ingress", "canary-demo"])["spec"].clone();
    site.commit(&[("application.yaml", &version("v2"))]);
    site.apply_wait().ends(3).says("tranche approve canary-demo");
    assert_eq!(ready(&site), json!({"canary-demo": 5, "canary-demo-v2-canary": 1}));
    assert_eq!(weight(&site), "20");
    site.run(&["approve", "canary-demo"]).ends(0);
    site.apply_wait().ends(3);
    assert_eq!(ready(&site), json!({"canary-demo": 5, "canary-demo-v2-canary": 5}));
    assert_eq!(weight(&site), "90");
    site.run(&["approve", "canary-demo"]).ends(0);
    site.apply_wait().ends(0);
    assert_eq!(ready(&site), json!({"canary-demo": 5}));
    assert_eq!(weight(&site), Value::Null);
    let stable = site.get(&["deployment", "canary-demo"]);
    let container = &stable["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "barnett/canarydemo:v2");
    assert_eq!(site.get(&["ingress", "canary-demo"])["spec"], before);
    assert_eq!(site.get(&["services"])["items"].as_array().unwrap().len(), 1);
    site.apply_wait().ends(0);
    assert_eq!(site.rollout("canary-demo")["status"]["rollingState"], "rolloutSucceed");
}

#[test]
fn s3_an_abort_while_the_workload_is_updated_brings_it_back() {
    let site = Site::new("beside");
    site.commit(&[("application.yaml", CANARY)]);
    site.apply_wait().ends(0);
    site.commit(&[("application.yaml", &version("v2"))]);
    for _ in 0..2 {
        site.apply_wait().ends(3);
        site.run(&["approve", "canary-demo"]).ends(0);
    }
    // One round: the last step has begun, and the workload is being updated.
    site.run(&["apply"]).ends(3);
    site.run(&["abort", "canary-demo"]).ends(0);
    site.apply_wait().ends(4);
    assert_eq!(ready(&site), json!({"canary-demo": 5}));
    let stable = site.get(&["deployment", "canary-demo"]);
    let container = &stable["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "barnett/canarydemo:v1");
    assert_eq!(weight(&site), Value::Null);
}
