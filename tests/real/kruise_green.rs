//! OpenKruise's blue-green with an autoscaler of the workload, on the real
//! control plane: its autoscaler, its Deployments.

use crate::site::Site;
use serde_json::{Value, json};

/// A Deployment that an autoscaler sizes.
fn plan(image: &str, (least, most): (u32, u32)) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: echo}}
spec:
  minReadySeconds: 1
  progressDeadlineSeconds: 333
  selector: {{matchLabels: {{app: echo}}}}
  template:
    metadata: {{labels: {{app: echo}}}}
    spec:
      containers:
      - {{name: echo, image: \"registry.example/echo:{image}\"}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: echo}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: echo}}
  minReplicas: {least}
  maxReplicas: {most}
  metrics:
  - {{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 70}}}}}}
"
    )
}

const ROLLOUT: &str = "apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata: {name: echo}
spec:
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: echo}
  strategy:
    blueGreen:
      steps:
      - {replicas: 50%}
      - {replicas: 100%}
";

fn pods(site: &Site<'_>, name: &str) -> Value {
    let all = site.get(&["deployments"]);
    let all = all["items"].as_array().unwrap().clone();
    let found = all.into_iter().find(|one| one["metadata"]["name"] == name);
    found.map(|one| one["status"]["readyReplicas"].clone()).unwrap_or_default()
}

/// Waits until the autoscaler has acted; it looks every 15 seconds.
#[track_caller]
fn scaled_to(site: &Site<'_>, wanted: u32) {
    for _ in 0..240 {
        if pods(site, "echo") == json!(wanted) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    panic!("{} pods are ready, not {wanted}", pods(site, "echo"));
}

/// OpenKruise renames the target of the autoscaler while a blue-green lasts, as
/// both revisions are pods of the one Deployment that it sizes. Here that
/// Deployment is of one revision throughout and the one that is tried is none of
/// the autoscaler's, so there is nothing to detach and nothing to forget to put
/// back: it goes on sizing what serves.
#[test]
fn an_autoscaler_differs_by_going_on_with_what_serves() {
    let site = Site::new("green");
    site.commit(&[("plan.yaml", &plan("v1", (4, 9))), ("rollout.yaml", ROLLOUT)]);
    site.apply_wait().ends(0);
    scaled_to(&site, 4);
    let target = |site: &Site<'_>| {
        let autoscaler = site.get(&["horizontalpodautoscaler", "echo"]);
        autoscaler["spec"]["scaleTargetRef"]["name"].clone()
    };
    site.commit(&[("plan.yaml", &plan("v2", (4, 9)))]);
    site.apply_wait().ends(3).says("tranche approve echo");
    assert_eq!((pods(&site, "echo"), pods(&site, "echo-v2-canary")), (json!(4), json!(2)));
    assert_eq!(target(&site), "echo");
    // More of what serves, by the plan's own new bounds, in the middle.
    site.commit(&[("plan.yaml", &plan("v2", (6, 9)))]);
    site.apply_wait().ends(3);
    scaled_to(&site, 6);
    assert_eq!(pods(&site, "echo-v2-canary"), json!(2), "what is tried is none of its");
    site.run(&["approve", "echo"]).ends(0);
    site.apply_wait().ends(3);
    assert_eq!((pods(&site, "echo"), pods(&site, "echo-v2-canary")), (json!(6), json!(4)));
    site.run(&["approve", "echo"]).ends(0);
    site.apply_wait().ends(0);
    let echo = site.get(&["deployment", "echo"]);
    let spec = &echo["spec"];
    assert_eq!(spec["template"]["spec"]["containers"][0]["image"], "registry.example/echo:v2");
    assert_eq!((&spec["replicas"], &spec["minReadySeconds"]), (&json!(6), &json!(1)));
    assert_eq!(spec["progressDeadlineSeconds"], 333);
    assert_eq!((target(&site), pods(&site, "echo-v2-canary")), (json!("echo"), Value::Null));
    let tip = site.apply_wait().ends(0);
    assert!(tip.out.contains("everything is as the plan says"), "{tip}");
}
