//! Who is in a lane, and what that means for the routes into it and for the
//! others in it.

use crate::lanes::{
    BETA, ROUTING, WORKLOADS, at_rest, gray, images, lane, selected, set, user_ingress,
};
use crate::stage::Stage;
use crate::world::pods;
use serde_json::{Value, json};

/// The seed with a third application behind the gateway, its image that.
fn three(b: &str, c: &str) -> (String, String) {
    let second = |text: &str, marker: &str| {
        let documents = text.split("\n---\n").filter(|part| part.contains(marker));
        documents
            .map(|part| {
                part.replace("spring-cloud-b", "spring-cloud-c").replace("rollout-b", "rollout-c")
            })
            .collect::<Vec<_>>()
            .join("\n---\n")
    };
    let workloads = images("base", b);
    let third = second(&images("base", c), "spring-cloud-b");
    (format!("{BETA}\n---\n{}", second(BETA, "rollout-b")), format!("{workloads}\n---\n{third}"))
}

fn second_ingress(stage: &Stage) -> (Value, Value) {
    let world = stage.world();
    let second = world.get("Ingress", "spring-cloud-a-canary").unwrap();
    let annotations = second["metadata"]["annotations"].as_object().unwrap().iter();
    let said = annotations.filter(|(name, _)| !name.starts_with("tranche.dev/"));
    (said.map(|(name, value)| (name.clone(), value.clone())).collect(), second["spec"].clone())
}

#[test]
fn who_joins_behind_the_gateway_changes_nothing_at_it() {
    let (rollouts, workloads) = three("base", "base");
    let stage = Stage::with(&[
        ("rollouts.yaml", &rollouts),
        ("trafficrouting.yaml", ROUTING),
        ("workloads.yaml", &workloads),
    ]);
    stage.apply_wait().ends(0);
    let ingress = user_ingress(&stage.world());
    stage.commit(&[("workloads.yaml", &three("gray", "base").1)]);
    stage.apply_wait().ends(3);
    let (one, uid) = (second_ingress(&stage), |stage: &Stage| {
        stage.world().get("Ingress", "spring-cloud-a-canary").unwrap()["metadata"]["uid"].clone()
    });
    let before = uid(&stage);
    stage.commit(&[("workloads.yaml", &three("gray", "dark").1)]);
    stage.apply_wait().ends(3).says("rollout-c");
    assert_eq!((second_ingress(&stage), uid(&stage)), (one, before), "the same rule for both");
    assert_eq!(user_ingress(&stage.world()), ingress);
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 9), ("gray", 1), ("dark", 1)]));
    assert_eq!(selected(&stage.world(), "spring-cloud-c"), set(&["base"]), "its own hop alone");
}

#[test]
fn once_the_only_one_in_it_is_done_every_route_is_as_it_was() {
    let stage = at_rest(BETA);
    let before = user_ingress(&stage.world());
    stage.commit(&[("workloads.yaml", &images("base", "gray"))]);
    stage.apply_wait().ends(3);
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a", "nothing is tried at the gateway");
    assert_eq!(selected(&stage.world(), "spring-cloud-a"), set(&["base"]));
    assert_eq!(selected(&stage.world(), "spring-cloud-b"), set(&["base"]));
    assert_eq!(gray(&stage.world()), 1);
    stage.run(&["approve", "rollout-b"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!((user_ingress(&stage.world()), lane(&stage.world())), (before, None));
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 3), ("gray", 3)]));
    stage.run(&["status"]).ends(0).says("mse-traffic with nobody");
}

#[test]
fn nothing_is_let_into_a_lane_before_a_pod_of_it_is_ready() {
    let stage = at_rest(BETA);
    let never = images("gray", "base").replacen(
        "    metadata:\n      labels:\n        app: spring-cloud-a\n",
        "    metadata:\n      annotations: {sandbox.tranche.dev/ready: never}\n      labels:\n        app: spring-cloud-a\n",
        1,
    );
    assert!(never.contains("never"));
    stage.commit(&[("workloads.yaml", &never)]);
    stage.apply().ends(3);
    stage.apply().ends(3);
    let world = stage.world();
    assert_eq!(world.all_pods().get("gray"), Some(&1), "it was tried");
    assert_eq!(lane(&world), None, "and nobody is sent to it");
    stage.commit(&[("workloads.yaml", WORKLOADS)]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("base", 6)]));
}

#[test]
fn a_member_that_an_autoscaler_takes_pods_from_still_goes_back() {
    let plan = |tag: &str| images(tag, "base").replacen("  replicas: 3\n", "", 1);
    let stage = Stage::with(&[
        ("rollouts.yaml", BETA),
        ("trafficrouting.yaml", ROUTING),
        ("workloads.yaml", &plan("base")),
    ]);
    stage.apply_wait().ends(0);
    let scaled = |pods: u32| {
        let name = "spring-cloud-a";
        let scale = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": pods},
        });
        stage.meddle(&format!("/apis/apps/v1/namespaces/default/deployments/{name}"), &scale);
        stage.pass(30);
    };
    scaled(5);
    stage.commit(&[("workloads.yaml", &plan("gray"))]);
    stage.apply_wait().ends(3);
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a-v2-traffic");
    scaled(2);
    stage.run(&["abort", "rollout-a"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().all_pods(), pods(&[("base", 2 + 3)]));
    assert_eq!(lane(&stage.world()), None);
}

const MESH: &str = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: spring-cloud-a}
spec:
  hosts: [spring-cloud-a]
  http:
  - timeout: 3s
    route: [{destination: {host: spring-cloud-a}}]
";

/// OpenKruise adds a subset of a fixed label to a DestinationRule, and rules that
/// send to it. Here a lane's rules send to the Service that reaches what is
/// tried, so no subset is needed, and none can be left without pods; a
/// DestinationRule is refused by name: take it out of the TrafficRouting.
#[test]
fn a_lane_by_a_mesh_differs_by_sending_to_a_service_and_not_to_a_subset() {
    let refs = |more: &str| {
        ROUTING.replace(
            "    ingress:\n      classType: mse\n      name: spring-cloud-a\n",
            &format!(
                "    customNetworkRefs:\n    - {{apiVersion: networking.istio.io/v1, kind: VirtualService, name: spring-cloud-a}}\n{more}"
            ),
        )
    };
    let rule =
        "    - {apiVersion: networking.istio.io/v1, kind: DestinationRule, name: spring-cloud-a}\n";
    let workloads = |a: &str| images(a, "base").replacen("replicas: 3", "replicas: 4", 1);
    let stage = Stage::with(&[
        ("rollouts.yaml", BETA),
        ("trafficrouting.yaml", &refs(rule)),
        ("mesh.yaml", MESH),
        ("workloads.yaml", &workloads("base")),
    ]);
    stage.run(&["lint"]).ends(65).says("names a DestinationRule");
    stage.commit(&[("trafficrouting.yaml", &refs(""))]);
    stage.apply_wait().ends(0);
    let mesh = |stage: &Stage| {
        stage.world().get("VirtualService", "spring-cloud-a").unwrap()["spec"].clone()
    };
    let before = mesh(&stage);
    stage.commit(&[("workloads.yaml", &workloads("gray"))]);
    stage.apply_wait().ends(3);
    let shared = mesh(&stage);
    assert_eq!(
        shared["http"][0]["match"][0]["headers"]["user-agent"]["exact"], "foo",
        "{shared:#}"
    );
    let to = &shared["http"][0]["route"][0]["destination"];
    assert_eq!((&to["host"], &to["subset"]), (&"spring-cloud-a-v2-traffic".into(), &Value::Null));
    stage.run(&["status"]).ends(0).says("mse-traffic with rollout-a");
    stage.run(&["approve", "rollout-a"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(mesh(&stage), before);
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 3), ("gray", 4)]));
    stage.run(&["status"]).ends(0).says("mse-traffic with nobody");
}
