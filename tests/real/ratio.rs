//! A Deployment that somebody has applied with kubectl is taken over on the real
//! control plane, where its size and its Service's label have another owner.

use crate::site::Site;
use serde_json::{Value, json};
use tranche_lab::User;

const SERVICE: &str = include_str!("../../testdata/seeds/codefresh/service.yaml");
const DEPLOYMENT: &str = include_str!("../../testdata/seeds/codefresh/deployment.yaml");
const NAME: &str = "my-demo-app";

fn canary(version: &str, hold: &str) -> String {
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {{name: {NAME}}}
spec:
  strategy:
    replicaRatio:
      {{service: {NAME}, deployment: {NAME}, newVersion: {version}, increment: 50, hold: {hold}}}
"
    )
}

fn kubectl(site: &Site<'_>, arguments: &[&str], stdin: &str) {
    let all = [&["-n", site.namespace.name()], arguments].concat();
    site.plane.kubectl_as(User::Admin, &all, stdin).unwrap();
}

fn running(hold: &str) -> Site<'static> {
    let site = Site::new("ratio");
    kubectl(&site, &["apply", "-f", "-"], &format!("{SERVICE}---\n{DEPLOYMENT}"));
    let deployment = format!("deployment/{NAME}-v1.0.0");
    kubectl(&site, &["rollout", "status", &deployment, "--timeout=60s"], "");
    site.commit(&[("approllout.yaml", &canary("v1.1.0", hold))]);
    site
}

fn sizes(site: &Site<'_>) -> Value {
    let all = site.get(&["deployments"]);
    let of = |one: &Value| {
        let status = &one["status"]["readyReplicas"];
        (one["metadata"]["name"].as_str().unwrap().to_owned(), status.clone())
    };
    all["items"].as_array().unwrap().iter().map(of).collect()
}

fn label(site: &Site<'_>) -> Value {
    site.get(&["service", NAME])["metadata"]["labels"]["version"].clone()
}

#[test]
fn s5_a_deployment_of_kubectl_is_taken_over_and_followed() {
    let site = running("1s");
    let plan = site.run(&["plan"]).ends(0).says("step 1: 1 of 4 pods take 25%");
    assert!(plan.out.contains("relabel Service"), "{plan}");
    site.apply_wait().ends(0);
    assert_eq!(sizes(&site), json!({"my-demo-app-v1.1.0": 3}));
    assert_eq!(label(&site), "v1.1.0");
    let service = site.get(&["service", NAME]);
    assert_eq!(service["spec"]["selector"], json!({"app": NAME}));
    site.run(&["plan", "--detailed-exitcode"]).ends(0);
    // What runs now is followed in the same way.
    site.commit(&[("approllout.yaml", &canary("v1.2.0", "1s"))]);
    site.apply_wait().ends(0);
    assert_eq!(sizes(&site), json!({"my-demo-app-v1.2.0": 3}));
    assert_eq!(label(&site), "v1.2.0");
}

#[test]
fn s5_a_restarting_canary_of_a_deployment_of_kubectl_is_destroyed() {
    let site = running("20s");
    // An autoscaler would bring back what each turn takes away.
    kubectl(&site, &["autoscale", "deployment", "my-demo-app-v1.0.0", "--max=5"], "");
    site.run(&["apply"]).ends(77).says("HorizontalPodAutoscaler my-demo-app-v1.0.0 drives");
    kubectl(&site, &["delete", "hpa", "my-demo-app-v1.0.0"], "");
    site.run(&["apply", "--wait", "15s"]).ends(3).says("hold for 20s");
    assert_eq!(sizes(&site), json!({"my-demo-app-v1.0.0": 3, "my-demo-app-v1.1.0": 1}));
    let pods = site.get(&["pods", "-l", "version=v1.1.0"]);
    let pod = pods["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    let mut statuses = pods["items"][0]["status"]["containerStatuses"].clone();
    statuses[0]["restartCount"] = json!(1);
    let said = json!({"status": {"containerStatuses": statuses}}).to_string();
    let says = ["patch", "pod", &pod, "--subresource=status", "--type=merge", "-p", &said];
    kubectl(&site, &says, "");
    site.apply_wait().ends(4).says("has restarted once, 0 allowed");
    assert_eq!(sizes(&site), json!({"my-demo-app-v1.0.0": 3}));
    assert_eq!(label(&site), "v1.0.0");
    // Whoever had it has it still.
    kubectl(&site, &["apply", "-f", "-"], &DEPLOYMENT.replace("replicas: 3", "replicas: 2"));
    let deployment = format!("deployment/{NAME}-v1.0.0");
    kubectl(&site, &["rollout", "status", &deployment, "--timeout=60s"], "");
    site.run(&["apply"]).ends(4);
    assert_eq!(sizes(&site), json!({"my-demo-app-v1.0.0": 2}));
}
