//! Blue-green on the real control plane: real Services, whose slices a real
//! controller makes in its own time.

use crate::site::Site;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PREVIEW: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web-preview}
spec:
  selector: {app.oam.dev/component: web}
  ports: [{port: 9898}]
";

fn application(tag: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: web
  annotations: {{app.oam.dev/rollout-template: \"true\"}}
spec:
  components:
    - name: web
      type: webservice
      properties: {{image: 'podinfo:{tag}', ports: [{{port: 9898, expose: true}}]}}
      traits:
        - {{type: scaler, properties: {{replicas: 3}}}}
"
    )
}

fn rollout(revision: &str, delay: u32) -> String {
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {{name: web}}
spec:
  targetAppRevisionName: {revision}
  strategy:
    blueGreen:
      activeService: web
      previewService: web-preview
      previewReplicaCount: 1
      autoPromotionEnabled: false
      scaleDownDelaySeconds: {delay}
"
    )
}

/// v1 serves, and v2 waits for its approval.
fn previewed(delay: u32) -> Site<'static> {
    let site = Site::new("switch");
    site.commit(&[
        ("application.yaml", &application("1")),
        ("approllout.yaml", &rollout("web-v1", delay)),
        ("preview.yaml", PREVIEW),
    ]);
    site.apply_wait().ends(0);
    assert_eq!(reached(&site, "web"), json!({"web-v1": 3}));
    site.commit(&[
        ("application.yaml", &application("2")),
        ("approllout.yaml", &rollout("web-v2", delay)),
    ]);
    site.apply_wait().ends(3).says("tranche approve web");
    assert_eq!(reached(&site, "web"), json!({"web-v1": 3}));
    assert_eq!(reached(&site, "web-preview"), json!({"web-v2": 1}));
    site.run(&["approve", "web"]).ends(0);
    site
}

/// How many ready pods of each revision the slices of a Service name.
fn reached(site: &Site<'_>, service: &str) -> Value {
    let pods = site.get(&["pods"]);
    let revision = |uid: &Value| {
        let mut pods = pods["items"].as_array().unwrap().iter();
        let pod = pods.find(|pod| pod["metadata"]["uid"] == *uid).unwrap();
        pod["metadata"]["labels"]["app.oam.dev/revision"].as_str().unwrap().to_owned()
    };
    let label = format!("kubernetes.io/service-name={service}");
    let slices = site.get(&["endpointslices", "-l", &label]);
    let mut reached: BTreeMap<String, u32> = BTreeMap::new();
    for slice in slices["items"].as_array().unwrap() {
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            if endpoint["conditions"]["ready"] == true {
                *reached.entry(revision(&endpoint["targetRef"]["uid"])).or_default() += 1;
            }
        }
    }
    json!(reached)
}

fn sizes(site: &Site<'_>) -> Value {
    let all = site.get(&["deployments"]);
    let of = |one: &Value| {
        (one["metadata"]["name"].as_str().unwrap().to_owned(), one["spec"]["replicas"].clone())
    };
    all["items"].as_array().unwrap().iter().map(of).collect()
}

#[track_caller]
fn is_at_rest(site: &Site<'_>, revision: &str) {
    assert_eq!(sizes(site), json!({revision: 3}));
    for name in ["web", "web-preview"] {
        let service = site.get(&["service", name]);
        assert_eq!(service["spec"]["selector"], json!({"app.oam.dev/component": "web"}));
        assert_eq!(service["metadata"]["labels"].get("tranche.dev/reaches"), None);
    }
    assert_eq!(site.get(&["services"])["items"].as_array().unwrap().len(), 2);
}

#[test]
fn a_service_is_switched_and_the_old_side_runs_on_for_its_delay() {
    let site = previewed(5);
    site.apply_wait().ends(0);
    is_at_rest(&site, "web-v2");
    assert_eq!(reached(&site, "web"), json!({"web-v2": 3}));
    assert_eq!(site.rollout("web")["status"]["rollingState"], "rolloutSucceed");
    site.run(&["plan", "--detailed-exitcode"]).ends(0);
    site.apply_wait().ends(0);
}

#[test]
fn after_the_switch_an_abort_switches_back() {
    let site = previewed(20);
    site.run(&["apply", "--wait", "15s"]).ends(3).says("hold for 20s");
    assert_eq!(reached(&site, "web"), json!({"web-v2": 3}));
    assert_eq!(sizes(&site), json!({"web-v1": 3, "web-v2": 3}));
    site.run(&["abort", "web"]).ends(0);
    site.apply_wait().ends(4);
    is_at_rest(&site, "web-v1");
    assert_eq!(reached(&site, "web"), json!({"web-v1": 3}));
}
