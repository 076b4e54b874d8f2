//! KubeVela's AppRollout over a `webservice` with a `scaler` of five, on the
//! real control plane.

use crate::site::Site;
use std::collections::BTreeMap;

pub const APPLICATION: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: web
  annotations:
    app.oam.dev/rollout-template: \"true\"
spec:
  components:
    - name: web
      type: webservice
      properties:
        image: stefanprodan/podinfo:4.0.6
        ports:
          - port: 9898
            expose: true
      traits:
        - type: scaler
          properties:
            replicas: 5
";

pub const FIRST: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata:
  name: web
spec:
  targetAppRevisionName: web-v1
  componentList: [web]
  rolloutPlan:
    rolloutStrategy: IncreaseFirst
    rolloutBatches:
      - replicas: 10%
      - replicas: 40%
      - replicas: 50%
";

/// The application of the second revision.
pub fn second_application() -> String {
    APPLICATION.replace("4.0.6", "5.0.2")
}

/// From v1 to v2 in batches of 1, 2 and 2.
pub fn second_rollout() -> String {
    FIRST
        .replace(
            "  targetAppRevisionName: web-v1\n",
            "  sourceAppRevisionName: web-v1\n  targetAppRevisionName: web-v2\n",
        )
        .replace("10%", "1")
        .replace("40%", "2")
        .replace("50%", "2")
}

/// Ready pods for each image, as the controllers report them.
pub fn ready_pods(site: &Site<'_>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for pod in site.get(&["pods"])["items"].as_array().unwrap() {
        let conditions = pod["status"]["conditions"].as_array().unwrap();
        let ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        let leaving = pod["metadata"]["deletionTimestamp"].is_string();
        if ready && !leaving {
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
            *counted.entry(image.to_owned()).or_default() += 1;
        }
    }
    counted
}

/// Deployments with their replicas and image.
pub fn deployments(site: &Site<'_>) -> BTreeMap<String, (u64, String)> {
    let found = site.get(&["deployments"]);
    let all = found["items"].as_array().unwrap().iter();
    all.map(|one| {
        let image = one["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
        let replicas = one["spec"]["replicas"].as_u64().unwrap();
        (one["metadata"]["name"].as_str().unwrap().to_owned(), (replicas, image.to_owned()))
    })
    .collect()
}

/// A map with one entry.
pub fn one<V>(name: &str, value: V) -> BTreeMap<String, V> {
    BTreeMap::from([(name.to_owned(), value)])
}

#[test]
fn a_first_deploy_and_a_rollout_reach_five_pods_of_each_revision() {
    let site = Site::new("webservice");
    site.commit(&[("application.yaml", APPLICATION)]);
    site.apply_wait().ends(0);
    assert_eq!(deployments(&site), BTreeMap::new(), "a published revision moves nothing");

    site.commit(&[("approllout.yaml", FIRST)]);
    site.apply_wait().ends(0);
    let image = "stefanprodan/podinfo:4.0.6".to_owned();
    assert_eq!(deployments(&site), one("web-v1", (5, image.clone())));
    assert_eq!(ready_pods(&site), one(&image, 5));
    assert_eq!(site.rollout("web")["status"]["rollingState"], "rolloutSucceed");

    site.commit(&[("application.yaml", &second_application())]);
    site.apply_wait().ends(0);
    assert_eq!(ready_pods(&site), one(&image, 5), "a published revision moves nothing");

    site.commit(&[("approllout.yaml", &second_rollout())]);
    site.apply_wait().ends(0);
    let image = "stefanprodan/podinfo:5.0.2".to_owned();
    assert_eq!(deployments(&site), one("web-v2", (5, image.clone())));
    assert_eq!(ready_pods(&site), one(&image, 5));
    let rollout = site.rollout("web");
    assert_eq!(rollout["status"]["rollingState"], "rolloutSucceed");
    assert_eq!(rollout["status"]["upgradedReplicas"], 5);
    assert_eq!(rollout["status"]["upgradedReadyReplicas"], 5);
    assert_eq!(rollout["step"], serde_json::Value::Null);
    let service = site.get(&["service", "web"]);
    assert_eq!(service["spec"]["ports"][0]["port"], 9898);

    let tip = site.tip();
    site.apply_wait().ends(0);
    assert_eq!(site.tip(), tip, "an idle run records nothing");
}
