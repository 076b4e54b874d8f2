//! OpenKruise's end-to-end canary, its own documents, on the real control
//! plane: two workloads behind one gateway share a lane.

use crate::site::Site;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ALPHA: &str = include_str!("../../testdata/seeds/kruise-end-to-end/rollouts-v1alpha1.yaml");
const BETA: &str = include_str!("../../testdata/seeds/kruise-end-to-end/rollouts-v1beta1.yaml");
const ROUTING: &str = include_str!("../../testdata/seeds/kruise-end-to-end/trafficrouting.yaml");
const WORKLOADS: &str = include_str!("../../testdata/seeds/kruise-end-to-end/workloads.yaml");

/// The workloads with other images; Services also have ports of the nodes, of
/// which there is one each.
fn images(a: &str, b: &str) -> String {
    let a = WORKLOADS.replace("spring-cloud-a:base", &format!("spring-cloud-a:{a}"));
    let both = a.replace("spring-cloud-b:base", &format!("spring-cloud-b:{b}"));
    both.replace("spec:\n  selector:\n    app:", "spec:\n  type: NodePort\n  selector:\n    app:")
}

fn at_rest(rollouts: &str) -> Site<'static> {
    let site = Site::new("lanes");
    site.commit(&[
        ("rollouts.yaml", rollouts),
        ("trafficrouting.yaml", ROUTING),
        ("workloads.yaml", &images("base", "base")),
    ]);
    site.apply_wait().ends(0);
    site
}

fn names(site: &Site<'_>, kind: &str) -> BTreeSet<String> {
    let all = site.get(&[kind]);
    let items = all["items"].as_array().unwrap().iter();
    items.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Where the lane's requests go, if there is one.
fn lane(site: &Site<'_>) -> Option<String> {
    let all = site.get(&["ingresses"]);
    let second = all["items"].as_array().unwrap().iter();
    let second = second.clone().find(|i| i["metadata"]["name"] == "spring-cloud-a-canary")?;
    let annotations = &second["metadata"]["annotations"];
    assert_eq!(annotations["nginx.ingress.kubernetes.io/canary-by-header-value"], "foo");
    let changes = &annotations["mse.ingress.kubernetes.io/request-header-control-update"];
    assert_eq!(changes, "x-mse-tag gray");
    let path = &second["spec"]["rules"][0]["http"]["paths"][0];
    Some(path["backend"]["service"]["name"].as_str().unwrap().to_owned())
}

/// How many ready endpoints a Service has, of pods of this image.
fn serves(site: &Site<'_>, service: &str) -> BTreeSet<String> {
    let slices =
        site.get(&["endpointslices", "-l", &format!("kubernetes.io/service-name={service}")]);
    let pods = site.get(&["pods"]);
    let image = |name: &Value| {
        let pod = pods["items"].as_array().unwrap().iter().find(|p| p["metadata"]["name"] == *name);
        let image = pod.unwrap()["spec"]["containers"][0]["image"].as_str().unwrap();
        image.rsplit(':').next().unwrap().to_owned()
    };
    let slices = slices["items"].as_array().unwrap().iter();
    let endpoints = slices.filter_map(|slice| slice["endpoints"].as_array()).flatten();
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == json!(true));
    ready.map(|endpoint| image(&endpoint["targetRef"]["name"])).collect()
}

#[test]
fn s2_an_end_to_end_canary_by_both_versions() {
    let site = at_rest(ALPHA);
    let (ingress, services) =
        (site.get(&["ingress", "spring-cloud-a"])["spec"].clone(), names(&site, "services"));
    site.commit(&[("workloads.yaml", &images("gray", "gray"))]);
    site.apply_wait().ends(3).says("tranche approve rollout-a");
    assert_eq!(lane(&site).unwrap(), "spring-cloud-a-v2-traffic");
    assert_eq!(serves(&site, "spring-cloud-a-v2-traffic"), set(&["gray"]));
    for service in ["spring-cloud-a", "spring-cloud-b"] {
        assert_eq!(serves(&site, service), set(&["base"]), "everyone else stays on stable");
    }
    let gray = site.get(&["pods", "-l", "alicloud.service.tag=gray,opensergo.io/canary-gray=gray"]);
    assert_eq!(gray["items"].as_array().unwrap().len(), 2);
    // The same rollouts in the newer version: nothing of it has moved.
    site.commit(&[("rollouts.yaml", BETA)]);
    site.apply_wait().ends(3);
    site.run(&["approve", "rollout-a"]).ends(0);
    site.apply_wait().ends(3);
    assert_eq!(lane(&site).unwrap(), "spring-cloud-a", "its hop falls back, the header stays");
    assert_eq!(serves(&site, "spring-cloud-a"), set(&["gray"]));
    site.run(&["approve", "rollout-b"]).ends(0);
    site.apply_wait().ends(0);
    assert_eq!(lane(&site), None);
    assert_eq!(names(&site, "services"), services);
    assert_eq!(names(&site, "deployments"), set(&["spring-cloud-a", "spring-cloud-b"]));
    assert_eq!(site.get(&["ingress", "spring-cloud-a"])["spec"], ingress);
    assert_eq!(serves(&site, "spring-cloud-b"), set(&["gray"]));
    site.apply_wait().ends(0);
}

#[test]
fn a_lane_that_somebody_edits_is_what_the_plan_says_again() {
    let site = at_rest(BETA);
    site.commit(&[("workloads.yaml", &images("gray", "base"))]);
    site.apply_wait().ends(3);
    let patch = json!({"metadata": {"annotations":
        {"nginx.ingress.kubernetes.io/canary-by-header-value": "bar"}}});
    let namespace = site.namespace.name();
    let arguments = [
        "-n",
        namespace,
        "patch",
        "ingress",
        "spring-cloud-a-canary",
        "--type=merge",
        "-p",
        &patch.to_string(),
        "--field-manager=somebody",
    ];
    site.plane.kubectl(&arguments).unwrap();
    site.run(&["plan"]).ends(77).says("bar");
    // Whose field it is now is said, and nothing is written over it.
    site.run(&["apply"]).ends(77).says("somebody");
    let undone =
        site.plane.kubectl(&["-n", namespace, "delete", "ingress", "spring-cloud-a-canary"]);
    undone.unwrap();
    site.apply_wait().ends(3);
    assert_eq!(lane(&site).unwrap(), "spring-cloud-a-v2-traffic");
}
