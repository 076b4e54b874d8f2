//! Lanes: OpenKruise's end-to-end canary, with its own documents, and what
//! happens to those who share one.

use crate::stage::Stage;
use crate::world::{World, pods};
use serde_json::Value;
use std::collections::BTreeSet;

pub const ALPHA: &str =
    include_str!("../../testdata/seeds/kruise-end-to-end/rollouts-v1alpha1.yaml");
pub const BETA: &str = include_str!("../../testdata/seeds/kruise-end-to-end/rollouts-v1beta1.yaml");
pub const ROUTING: &str =
    include_str!("../../testdata/seeds/kruise-end-to-end/trafficrouting.yaml");
pub const WORKLOADS: &str = include_str!("../../testdata/seeds/kruise-end-to-end/workloads.yaml");

const NGINX: &str = "nginx.ingress.kubernetes.io";

/// The workloads with other images.
pub fn images(a: &str, b: &str) -> String {
    let a = WORKLOADS.replace("spring-cloud-a:base", &format!("spring-cloud-a:{a}"));
    a.replace("spring-cloud-b:base", &format!("spring-cloud-b:{b}"))
}

/// Everything of the seed, applied.
pub fn at_rest(rollouts: &str) -> Stage {
    let stage = Stage::with(&[
        ("rollouts.yaml", rollouts),
        ("trafficrouting.yaml", ROUTING),
        ("workloads.yaml", WORKLOADS),
    ]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 6)]), "the first deploy is plain");
    assert_eq!(names(&stage.world(), "Ingress"), set(&["spring-cloud-a"]));
    stage
}

pub fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub fn names(world: &World, kind: &str) -> BTreeSet<String> {
    world.of_kind(kind).map(|(name, _)| name.to_owned()).collect()
}

/// Where the lane's requests go, if there is one.
pub fn lane(world: &World) -> Option<String> {
    let second = world.get("Ingress", "spring-cloud-a-canary")?;
    let annotations = &second["metadata"]["annotations"];
    if annotations.get(format!("{NGINX}/canary-by-header")).is_none() {
        // It is created so, and takes nothing.
        assert_eq!(annotations[format!("{NGINX}/canary-weight")], "0");
        return None;
    }
    assert_eq!(annotations[format!("{NGINX}/canary-by-header")], "User-Agent");
    assert_eq!(annotations[format!("{NGINX}/canary-by-header-value")], "foo");
    let changes = &annotations["mse.ingress.kubernetes.io/request-header-control-update"];
    assert_eq!(changes, "x-mse-tag gray");
    let path = &second["spec"]["rules"][0]["http"]["paths"][0];
    Some(path["backend"]["service"]["name"].as_str().unwrap().to_owned())
}

/// The tags of the pods that a Service selects.
pub fn selected(world: &World, service: &str) -> BTreeSet<String> {
    let service = world.get("Service", service).unwrap_or_else(|| panic!("no {service}"));
    let selector = service["spec"]["selector"].as_object().unwrap();
    let fits = |pod: &Value| selector.iter().all(|(k, v)| pod["metadata"]["labels"][k] == *v);
    let tag = |pod: &Value| {
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
        image.rsplit(':').next().unwrap().to_owned()
    };
    world.of_kind("Pod").filter(|(_, pod)| fits(pod)).map(|(_, pod)| tag(pod)).collect()
}

pub fn gray(world: &World) -> usize {
    let labels = |pod: &Value| {
        let labels = &pod["metadata"]["labels"];
        labels["alicloud.service.tag"] == "gray" && labels["opensergo.io/canary-gray"] == "gray"
    };
    world.of_kind("Pod").filter(|(_, pod)| labels(pod)).count()
}

pub fn user_ingress(world: &World) -> Value {
    world.get("Ingress", "spring-cloud-a").unwrap()["spec"].clone()
}

fn s2(rollouts: &str) {
    let stage = at_rest(rollouts);
    let (ingress, services) = (user_ingress(&stage.world()), names(&stage.world(), "Service"));
    stage.commit(&[("workloads.yaml", &images("gray", "base"))]);
    stage.run(&["plan"]).ends(0).says("wait for approval");
    stage.apply_wait().ends(3).says("tranche approve rollout-a");
    let world = stage.world();
    assert_eq!(world.ready_pods(), pods(&[("base", 6), ("gray", 1)]));
    assert_eq!(gray(&world), 1, "both labels, on the pod that is tried alone");
    assert_eq!(lane(&world).unwrap(), "spring-cloud-a-v2-traffic");
    assert_eq!(selected(&world, "spring-cloud-a-v2-traffic"), set(&["gray"]));
    assert_eq!(selected(&world, "spring-cloud-a"), set(&["base"]), "everyone else stays");
    assert_eq!(user_ingress(&world), ingress);
    stage.run(&["approve", "rollout-a"]).ends(0);
    stage.apply_wait().ends(0);
    let world = stage.world();
    assert_eq!(world.ready_pods(), pods(&[("base", 3), ("gray", 3)]));
    assert_eq!(world.sizes("Deployment").len(), 2);
    assert_eq!(names(&world, "Ingress"), set(&["spring-cloud-a"]));
    assert_eq!(names(&world, "Service"), services);
    assert_eq!(user_ingress(&world), ingress);
    assert_eq!(gray(&world), 0, "never on what stays");
    assert_eq!(stage.state("rollout-a"), "rolloutSucceed");
    stage.run(&["status"]).ends(0).says("mse-traffic with nobody");
    in_order(&stage);
    stage.record_is_whole();
    let tip = stage.tip();
    stage.apply().ends(0);
    assert_eq!(stage.tip(), tip, "a second run has nothing to do");
}

/// Upgraded natively, then the traffic restored, then the canary deleted; and
/// the lane leads nowhere but to pods that are there.
fn in_order(stage: &Stage) {
    let (mut upgraded, mut restored, mut gone) = (None, None, None);
    for (at, world) in stage.history().iter().enumerate() {
        let tried = world.get("Deployment", "spring-cloud-a-v2-canary").is_some();
        let stable = world.get("Deployment", "spring-cloud-a");
        let image = stable.map(|d| &d["spec"]["template"]["spec"]["containers"][0]["image"]);
        let updated = stable.and_then(|d| d["status"]["updatedReplicas"].as_u64()) == Some(3);
        if let Some(service) = lane(world) {
            assert!(world.get("Service", &service).is_some(), "{service}");
            assert!(tried, "the lane leads to a canary that is gone");
            restored = None;
        } else if tried && upgraded.is_some() {
            restored = restored.or(Some(at));
        }
        if updated && image.is_some_and(|image| image.as_str().unwrap().ends_with(":gray")) {
            upgraded = upgraded.or(Some(at));
        }
        if upgraded.is_some() && !tried {
            gone = gone.or(Some(at));
        }
    }
    let (upgraded, restored, gone) = (upgraded.unwrap(), restored.unwrap(), gone.unwrap());
    assert!(upgraded < restored && restored < gone, "{upgraded} {restored} {gone}");
}

#[test]
fn s2_an_end_to_end_canary_by_v1alpha1() {
    s2(ALPHA);
}

#[test]
fn s2_an_end_to_end_canary_by_v1beta1() {
    s2(BETA);
}

#[test]
fn a_lane_of_two_is_left_when_the_last_one_leaves() {
    let stage = at_rest(BETA);
    stage.commit(&[("workloads.yaml", &images("gray", "dark"))]);
    stage.apply_wait().ends(3);
    let world = stage.world();
    assert_eq!(world.ready_pods(), pods(&[("base", 6), ("gray", 1), ("dark", 1)]));
    assert_eq!(lane(&world).unwrap(), "spring-cloud-a-v2-traffic");
    assert_eq!(selected(&world, "spring-cloud-b"), set(&["base"]));
    // The one behind the gateway goes first: its hop falls back, and the header
    // still tells the next one.
    stage.run(&["approve", "rollout-a"]).ends(0);
    stage.apply_wait().ends(3).says("rollout-b");
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a", "a has no canary any more");
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 3), ("gray", 3), ("dark", 1)]));
    stage.run(&["approve", "rollout-b"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(lane(&stage.world()), None);
    assert_eq!(stage.world().ready_pods(), pods(&[("gray", 3), ("dark", 3)]));
    stage.record_is_whole();
}

#[test]
fn a_hop_without_a_canary_falls_back_and_comes_back() {
    let stage = at_rest(ALPHA);
    let routes = user_ingress(&stage.world());
    stage.commit(&[("workloads.yaml", &images("base", "gray"))]);
    stage.apply_wait().ends(3);
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a", "the header, and stable pods");
    stage.commit(&[("workloads.yaml", &images("gray", "gray"))]);
    stage.apply_wait().ends(3);
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a-v2-traffic");
    stage.commit(&[("workloads.yaml", &images("base", "gray"))]);
    stage.apply_wait().ends(3);
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a");
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 6), ("gray", 1)]));
    stage.commit(&[("workloads.yaml", WORKLOADS)]);
    stage.apply_wait().ends(0);
    assert_eq!(lane(&stage.world()), None);
    assert_eq!(user_ingress(&stage.world()), routes);
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 6)]));
    stage.record_is_whole();
}

#[test]
fn a_lane_may_enter_by_a_mesh_and_by_an_ingress_at_once() {
    let mesh = ROUTING.replace(
        "    ingress:\n",
        "    customNetworkRefs:\n    - {apiVersion: networking.istio.io/v1, kind: VirtualService, \
         name: spring-cloud-a}\n    ingress:\n",
    );
    assert_ne!(mesh, ROUTING);
    let service = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: spring-cloud-a}
spec:
  hosts: [spring-cloud-a]
  http:
  - timeout: 3s
    route: [{destination: {host: spring-cloud-a}}]
";
    let stage = Stage::with(&[
        ("rollouts.yaml", BETA),
        ("trafficrouting.yaml", &mesh),
        ("virtualservice.yaml", service),
        ("workloads.yaml", WORKLOADS),
    ]);
    stage.apply_wait().ends(0);
    let rules = |stage: &Stage| {
        stage.world().get("VirtualService", "spring-cloud-a").unwrap()["spec"]["http"].clone()
    };
    let rendered = rules(&stage);
    stage.commit(&[("workloads.yaml", &images("gray", "base"))]);
    stage.apply_wait().ends(3);
    let shared = rules(&stage);
    assert_eq!(shared[0]["match"][0]["headers"]["user-agent"]["exact"], "foo", "{shared}");
    assert_eq!(shared[0]["timeout"], "3s", "all that the rule has");
    let destination = &shared[0]["route"][0];
    assert_eq!(destination["destination"]["host"], "spring-cloud-a-v2-traffic");
    assert_eq!(destination["headers"]["request"]["set"]["x-mse-tag"], "gray");
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a-v2-traffic");
    stage.run(&["approve", "rollout-a"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(rules(&stage), rendered);
    assert_eq!(lane(&stage.world()), None);
    stage.record_is_whole();
}

#[test]
fn a_plan_shows_the_lane_before_its_time_and_a_saved_one_goes_through_it() {
    let stage = at_rest(BETA);
    stage.commit(&[("workloads.yaml", &images("gray", "base"))]);
    let saved = stage.path().join("saved.json");
    let saved = saved.to_str().unwrap();
    let tip = stage.tip();
    stage
        .run(&["plan", "--out", saved])
        .ends(0)
        .says("lane default/mse-traffic: mse-traffic with rollout-a")
        .says("once the first step of rollout-a is done")
        .says("create Ingress/default/spring-cloud-a-canary")
        .says("canary-by-header-value: foo");
    assert_eq!(stage.tip(), tip);
    stage.run(&["apply", "--wait", "10m", "--plan", saved]).ends(3).says("approve rollout-a");
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a-v2-traffic");
    stage.run(&["approve", "rollout-a"]).ends(0);
    stage.run(&["apply", "--wait", "10m", "--plan", saved]).ends(0);
    assert_eq!(lane(&stage.world()), None);
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 3), ("gray", 3)]));
    stage.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_lanes_second_ingress_that_lands_late_is_removed_while_nobody_is_in_it() {
    let stage = at_rest(BETA);
    stage.commit(&[("workloads.yaml", &images("gray", "base"))]);
    stage.apply_wait().ends(3);
    let second = stage.world().get("Ingress", "spring-cloud-a-canary").unwrap().clone();
    stage.apply_wait().ends(3);
    assert!(lane(&stage.world()).is_some(), "it is the lane's while one is in it");
    stage.run(&["approve", "rollout-a"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(names(&stage.world(), "Ingress"), set(&["spring-cloud-a"]));
    stage.land_late(&second, "0");
    stage.run(&["plan"]).says("delete Ingress/default/spring-cloud-a-canary");
    // What a lane becomes is no less worth seeing for what it has left.
    stage.commit(&[("workloads.yaml", &images("dark", "base"))]);
    stage
        .run(&["plan"])
        .ends(0)
        .says("once the first step of rollout-a is done")
        .says("canary-by-header-value: foo")
        .says("remove leftovers");
    stage.commit(&[("workloads.yaml", &images("gray", "base"))]);
    stage.apply_wait().ends(0);
    assert_eq!(names(&stage.world(), "Ingress"), set(&["spring-cloud-a"]));
    let tip = stage.tip();
    stage.apply().ends(0);
    assert_eq!(stage.tip(), tip, "once");
    // What takes requests is not ours to judge, and the lane goes on as ever.
    stage.land_late(&second, "25");
    stage.apply().ends(0);
    assert_eq!(stage.tip(), tip);
    assert_eq!(names(&stage.world(), "Ingress"), set(&["spring-cloud-a", "spring-cloud-a-canary"]));
    stage.record_is_whole();
}

/// A size that the plan leaves to others is theirs in the middle of a rollout too.
#[test]
fn a_member_that_was_scaled_in_meanwhile_is_not_waited_for_to_grow() {
    let free = |a: &str| images(a, "base").replace("  replicas: 3\n", "");
    let scale = |stage: &Stage, replicas: u32| {
        stage.autoscale("spring-cloud-a", replicas);
        stage.pass(60);
    };
    for aborted in [true, false] {
        let stage = Stage::with(&[
            ("rollouts.yaml", BETA),
            ("trafficrouting.yaml", ROUTING),
            ("workloads.yaml", &free("base")),
        ]);
        stage.apply_wait().ends(0);
        // The first deploy has said how many there are; an upgrade leaves it open.
        stage.commit(&[("workloads.yaml", &free("dark"))]);
        stage.apply_wait().ends(3);
        stage.run(&["approve", "rollout-a"]).ends(0);
        stage.apply_wait().ends(0);
        scale(&stage, 3);
        stage.apply_wait().ends(0);
        stage.commit(&[("workloads.yaml", &free("gray"))]);
        stage.apply_wait().ends(3).says("approve rollout-a");
        assert!(lane(&stage.world()).is_some());
        let tried = pods(&[("base", 1), ("dark", 3), ("gray", 1)]);
        assert_eq!(stage.world().ready_pods(), tried);
        scale(&stage, 2);
        let decision = if aborted { "abort" } else { "approve" };
        stage.run(&[decision, "rollout-a"]).ends(0);
        stage.apply_wait().ends(if aborted { 4 } else { 0 });
        let left = if aborted { "dark" } else { "gray" };
        assert_eq!(stage.world().ready_pods(), pods(&[("base", 1), (left, 2)]));
        assert_eq!(lane(&stage.world()), None);
    }
}

#[test]
fn a_lane_that_cannot_be_is_refused_before_anything_is_written() {
    let stage = at_rest(BETA);
    let tip = stage.tip();
    let says = |file: &str, text: &str, words: &str| {
        stage.commit(&[(file, text), ("workloads.yaml", &images("gray", "base"))]);
        stage.run(&["lint"]).ends(65).says(words);
        stage.apply().ends(65);
        assert_eq!(stage.tip(), tip);
        assert_eq!(stage.world().ready_pods(), pods(&[("base", 6)]));
        stage.commit(&[(file, if file == "rollouts.yaml" { BETA } else { ROUTING })]);
    };
    let lost = BETA.replace("trafficRoutingRef: mse-traffic", "trafficRoutingRef: mse");
    says("rollouts.yaml", &lost, "joins TrafficRouting default/mse, which is not in this plan");
    let other = ROUTING.replace("- service: spring-cloud-a", "- service: spring-cloud-c");
    says("trafficrouting.yaml", &other, "does not send to Service spring-cloud-c");
    let gone = ROUTING.replace("      name: spring-cloud-a", "      name: spring-cloud-z");
    says("trafficrouting.yaml", &gone, "Ingress/default/spring-cloud-z is no document");
    let entry = "  - service: spring-cloud-a\n    ingress:\n      classType: mse\n      name: \
                 spring-cloud-a\n";
    let again = ROUTING.replace(entry, &format!("{entry}{entry}"));
    assert_ne!(again, ROUTING);
    says(
        "trafficrouting.yaml",
        &again,
        "objectRef[1] names Ingress `spring-cloud-a`, which trafficrouting.yaml:10 names too",
    );
    let nginx = ROUTING.replace("classType: mse", "classType: nginx");
    says("trafficrouting.yaml", &nginx, "nginx changes no request headers");
    let much = ROUTING.replace("    # weight: 20", "    weight: 60");
    says("trafficrouting.yaml", &much, "sends 60% of the traffic to 1 of 3 pods");
    let apart = images("gray", "base").replacen(
        "kind: Service\nmetadata:\n",
        "kind: Service\nmetadata:\n  namespace: default\n",
        1,
    );
    stage.commit(&[("workloads.yaml", &apart)]);
    stage.run(&["lint"]).ends(65).says("selects its pods too, but is not among what the rollout");
    let both = images("gray", "base").replace("app: spring-cloud-b", "app: spring-cloud-a");
    stage.commit(&[("workloads.yaml", &both)]);
    stage.run(&["lint"]).ends(65).says("give each workload a Service of its own");
    assert_eq!(stage.tip(), tip);
}

#[test]
fn an_edited_lane_reaches_only_what_stands_for_it() {
    let stage = at_rest(BETA);
    // Without a lane at first, as another team has it.
    let alone = BETA.replacen("      trafficRoutingRef: mse-traffic\n", "", 1);
    stage.commit(&[("rollouts.yaml", &alone), ("workloads.yaml", &images("gray", "base"))]);
    stage.apply_wait().ends(3).says("approve rollout-a");
    assert_eq!(lane(&stage.world()), None);
    // To join in the middle is refused, and the lane does not open for it.
    stage.commit(&[("rollouts.yaml", BETA)]);
    stage.apply_wait().ends(65).says("rollout-a");
    assert_eq!(lane(&stage.world()), None);
    stage.commit(&[("rollouts.yaml", &alone)]);
    stage.run(&["approve", "rollout-a"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 3), ("gray", 3)]));
    stage.commit(&[("rollouts.yaml", BETA), ("workloads.yaml", &images("dark", "base"))]);
    stage.apply_wait().ends(3);
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a-v3-traffic");
    // A rollout that leaves its lane in the middle is refused, and still served.
    stage.commit(&[("rollouts.yaml", &alone)]);
    stage.apply_wait().ends(65).says("rollout-a");
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a-v3-traffic");
    stage.run(&["abort", "rollout-a"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(lane(&stage.world()), None);
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 3), ("gray", 3)]));
}

#[test]
fn a_lane_whose_rollouts_leave_the_plan_lets_go_of_them() {
    let stage = at_rest(BETA);
    stage.commit(&[("workloads.yaml", &images("gray", "base"))]);
    stage.apply_wait().ends(3);
    // Without a word on what that means nothing of the rollout moves; its requests
    // go where all others go.
    stage.remove("rollouts.yaml");
    stage.apply().ends(77).says("tranche.dev/on-delete");
    assert_eq!(lane(&stage.world()), None);
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 6), ("gray", 1)]));
    // Once it is over the workload is a document like any other.
    stage.commit(&[("workloads.yaml", WORKLOADS)]);
    stage.run(&["abort", "rollout-a"]).ends(0);
    stage.apply_wait();
    assert_eq!(stage.world().all_pods(), pods(&[("base", 6)]));
    assert_eq!(gray(&stage.world()), 0);
}
