//! A Deployment that runs on the cluster and is not in the plan: taken over,
//! and followed by the next version by numbers of pods, behind its own Service.

use crate::stage::{Ran, Stage};
use crate::world::pods;
use serde_json::{Value, json};

const SERVICE: &str = include_str!("../../testdata/seeds/codefresh/service.yaml");
const DEPLOYMENT: &str = include_str!("../../testdata/seeds/codefresh/deployment.yaml");
const ROLLOUT: &str = "approllout.yaml";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const SERVICES: &str = "/api/v1/namespaces/default/services";

/// What the seed's parameters are here; `more` are lines of the strategy.
fn canary(version: &str, more: &[&str]) -> String {
    let mut text = format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata:
  name: my-demo-app
  annotations: {{tranche.dev/progress-deadline: 60s}}
spec:
  strategy:
    replicaRatio:
      service: my-demo-app
      deployment: my-demo-app
      newVersion: {version}
"
    );
    for line in more {
        text.push_str(&format!("      {line}\n"));
    }
    text
}

const BY_25: [&str; 3] = ["increment: 25", "hold: 30s", "health: {restarts: 0}"];

fn read(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap()
}

/// A plan, and on the cluster what somebody has put there with kubectl.
fn running(edit: impl FnOnce(&mut Value, &mut Value), rollout: &str) -> Stage {
    let stage = Stage::with(&[(ROLLOUT, rollout)]);
    // The sandbox is made by the first who looks at it.
    stage.run(&["plan"]).says("Service/default/my-demo-app is not on the cluster");
    let (mut service, mut deployment) = (read(SERVICE), read(DEPLOYMENT));
    edit(&mut service, &mut deployment);
    stage.meddle(&format!("{SERVICES}/my-demo-app"), &service);
    let name = deployment["metadata"]["name"].as_str().unwrap().to_owned();
    stage.meddle(&format!("{DEPLOYMENTS}/{name}"), &deployment);
    stage.pass(60);
    stage
}

/// The seed, with so many pods.
fn seed(size: u32, rollout: &str) -> Stage {
    running(|_, deployment| deployment["spec"]["replicas"] = json!(size), rollout)
}

/// The sizes of both Deployments from some moment on, as `old+new`.
fn way(stage: &Stage, from: usize, new: &str) -> String {
    let size = |sizes: &Value, version: &str| {
        let name = format!("my-demo-app-{version}");
        sizes[&name].as_u64().map_or("-".to_owned(), |size| size.to_string())
    };
    let told = |sizes: &Value| format!("{}+{}", size(sizes, "v1.0.0"), size(sizes, new));
    let mut all: Vec<String> = stage.deployment_sizes()[from..].iter().map(told).collect();
    all.dedup();
    all.join(" ")
}

fn label(stage: &Stage) -> String {
    let world = stage.world();
    let service = world.get("Service", "my-demo-app").unwrap();
    service["metadata"]["labels"]["version"].as_str().unwrap().to_owned()
}

/// Names of the pods of a version.
fn pods_of(stage: &Stage, version: &str) -> Vec<String> {
    let world = stage.world();
    let all = world.of_kind("Pod").filter(|(_, pod)| {
        pod["metadata"]["labels"]["version"] == version
            && pod["metadata"].get("deletionTimestamp").is_none()
    });
    all.map(|(name, _)| name.to_owned()).collect()
}

/// A container of a pod that has restarted so often, or waits for a reason.
fn container(restarts: u32, waiting: Option<&str>) -> Value {
    let state = match waiting {
        Some(reason) => json!({"waiting": {"reason": reason}, "running": null}),
        None => json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
    };
    json!({"containerStatuses": [{
        "name": "my-demo-app", "image": "x", "imageID": "", "ready": waiting.is_none(),
        "restartCount": restarts, "state": state,
    }]})
}

/// As it began: production whole, the canary gone, the label as it was.
#[track_caller]
fn as_it_began(stage: &Stage, size: usize) {
    assert_eq!(stage.world().all_pods(), pods(&[("v1.0.0", size)]));
    assert!(stage.world().get("Deployment", "my-demo-app-v1.1.0").is_none());
    assert_eq!(label(stage), "v1.0.0");
    stage.record_is_whole();
}

/// The fewest ready pods that there were from some moment on.
fn lowest(stage: &Stage, from: usize) -> usize {
    stage.history()[from..].iter().map(crate::world::World::ready).min().unwrap()
}

#[test]
fn s5_a_running_deployment_is_followed_by_the_next_version() {
    let stage = seed(3, &canary("v1.1.0", &BY_25));
    let (sizes, from) = (stage.deployment_sizes().len() - 1, stage.history().len() - 1);
    let journal = std::fs::read(stage.journal()).unwrap();
    stage
        .run(&["plan"])
        .ends(0)
        .says("step 1: 1 of 4 pods take 25%")
        .says("scale Deployment/default/my-demo-app-v1.1.0 to 1")
        .says("relabel Service/default/my-demo-app")
        .says("delete Deployment/default/my-demo-app-v1.0.0")
        .says("registry.example/my-demo-app:v1.1.0");
    assert_eq!(std::fs::read(stage.journal()).unwrap(), journal, "a plan writes nothing");
    stage.apply().ends(3).says("hold for 30s");
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 3), ("v1.1.0", 1)]));
    stage.run(&["status"]).says("25% of the requests");
    let results = stage.subjects("result");
    assert!(
        results[0].contains("1 of 3 pods on my-demo-app-v2, 25% of the requests"),
        "{results:?}"
    );
    let world = stage.world();
    let slices = world.of_kind("EndpointSlice").map(|(_, slice)| slice["endpoints"].clone());
    let endpoints: usize = slices.map(|endpoints| endpoints.as_array().unwrap().len()).sum();
    assert_eq!(endpoints, 4, "one Service reaches both");
    stage.apply_wait().ends(0);
    assert_eq!(way(&stage, sizes, "v1.1.0"), "3+- 3+0 3+1 3+2 1+2 1+3 0+3 -+3");
    assert!(lowest(&stage, from) >= 3);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 3)]));
    assert_eq!(label(&stage), "v1.1.0");
    let world = stage.world();
    let service = world.get("Service", "my-demo-app").unwrap();
    assert_eq!(service["spec"]["selector"], json!({"app": "my-demo-app"}));
    assert_eq!(service["spec"]["ports"][0]["targetPort"], json!(8080));
    stage.record_is_whole();
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    stage.run(&["plan", "--detailed-exitcode"]).ends(0);
    assert_eq!(stage.tip(), tip, "idle");
}

#[test]
fn s5_the_same_version_is_nothing_to_do() {
    let stage = seed(3, &canary("v1.0.0", &BY_25));
    stage.run(&["plan", "--detailed-exitcode"]).ends(0).says("nothing to do");
    let journal = std::fs::read(stage.journal()).unwrap();
    stage.apply_wait().ends(0);
    assert_eq!(std::fs::read(stage.journal()).unwrap(), journal, "nothing is written");
    assert!(stage.repository().find_reference(crate::stage::RECORD).is_err(), "nor recorded");
}

#[test]
fn s5_three_pods_by_20_percent_end_with_three() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 20"]));
    let from = stage.history().len() - 1;
    stage.run(&["plan"]).ends(0).says("3 pods cannot be shared out as finely");
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 3)]));
    assert!(lowest(&stage, from) >= 3);
}

#[test]
fn s5_half_is_not_a_full_switch() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 50", "hold: 1h"]));
    stage.apply().ends(3);
    stage.pass(3_600);
    stage.apply().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 1), ("v1.1.0", 2)]));
    stage.run(&["status"]).says("67% of the requests");
}

#[test]
fn s5_an_increment_of_100_completes() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 100"]));
    let sizes = stage.deployment_sizes().len() - 1;
    stage.apply_wait().ends(0);
    assert_eq!(way(&stage, sizes, "v1.1.0"), "3+- 3+0 3+1 3+3 0+3 -+3");
    assert_eq!(label(&stage), "v1.1.0");
}

#[test]
fn s5_listed_steps_and_a_named_image_are_taken_as_written() {
    let lines = ["steps: [2, 4]", "image: registry.example/other:7"];
    let stage = seed(5, &canary("v1.1.0", &lines));
    let sizes = stage.deployment_sizes().len() - 1;
    stage.apply_wait().ends(0);
    assert_eq!(way(&stage, sizes, "v1.1.0"), "5+- 5+0 5+2 5+4 1+4 1+5 0+5 -+5");
    assert_eq!(stage.world().all_pods(), pods(&[("7", 5)]));
}

#[test]
fn s5_a_restarting_canary_is_destroyed() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 25", "hold: 1h"]));
    stage.apply().ends(3);
    stage.pass(3_600);
    stage.apply().ends(3);
    stage.pass(3_600);
    stage.apply().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 1), ("v1.1.0", 2)]));
    let from = stage.history().len() - 1;
    stage.say_of_pod(&pods_of(&stage, "v1.1.0")[0], &container(1, None));
    stage.pass(3_600);
    stage.apply_wait().ends(4).says("has restarted once, 0 allowed");
    as_it_began(&stage, 3);
    assert!(lowest(&stage, from) >= 3);
    stage.apply().ends(4).says("tranche retry my-demo-app");
    stage.run(&["retry", "my-demo-app"]).ends(0);
    stage.apply().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 3), ("v1.1.0", 1)]));
}

#[test]
fn s5_restarts_that_are_allowed_go_on() {
    let lines = ["increment: 50", "hold: 1h", "health: {restarts: 2}"];
    let stage = seed(3, &canary("v1.1.0", &lines));
    stage.apply().ends(3);
    stage.say_of_pod(&pods_of(&stage, "v1.1.0")[0], &container(2, None));
    stage.pass(3_600);
    stage.apply().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 1), ("v1.1.0", 2)]));
}

#[test]
fn s5_old_restarts_of_production_have_no_effect() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 50"]));
    for pod in pods_of(&stage, "v1.0.0") {
        stage.say_of_pod(&pod, &container(7, None));
    }
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 3)]));
}

/// The first canary pod is not ready yet, and its kubelet says why.
fn stuck(reason: &str) -> (Stage, Ran) {
    let stage = running(
        |_, deployment| {
            // Only the next version starts slowly: what runs, runs.
            let annotations = json!({"sandbox.tranche.dev/ready-after": "30s"});
            deployment["spec"]["template"]["metadata"]["annotations"] = annotations;
        },
        &canary("v1.1.0", &BY_25),
    );
    stage.apply().ends(3).says("0 of 1 pods ready");
    stage.say_of_pod(&pods_of(&stage, "v1.1.0")[0], &container(0, Some(reason)));
    let ran = stage.apply_wait();
    (stage, ran)
}

#[test]
fn s5_an_image_that_cannot_be_pulled_is_unhealthy() {
    let (stage, ran) = stuck("ImagePullBackOff");
    ran.ends(4).says("waits: ImagePullBackOff");
    as_it_began(&stage, 3);
}

#[test]
fn s5_a_canary_that_is_not_ready_in_time_is_destroyed() {
    let stage = running(
        |_, deployment| {
            let annotations = json!({"sandbox.tranche.dev/ready-after": "50s"});
            deployment["spec"]["template"]["metadata"]["annotations"] = annotations;
        },
        &canary("v1.1.0", &BY_25).replace("deadline: 60s", "deadline: 20s"),
    );
    stage.apply_wait().ends(4).says("0 of 1 pods ready");
    as_it_began(&stage, 3);
}

#[test]
fn s5_a_second_version_in_mid_way_starts_from_one_canary() {
    let stage = seed(4, &canary("v1.1.0", &["increment: 50", "hold: 1h"]));
    stage.apply().ends(3);
    stage.pass(3_600);
    stage.apply().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 2), ("v1.1.0", 2)]));
    let (sizes, from) = (stage.deployment_sizes().len() - 1, stage.history().len() - 1);
    stage.commit(&[(ROLLOUT, &canary("v1.2.0", &["increment: 50", "hold: 1h"]))]);
    stage.apply().ends(3).says("hold for 1h");
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 4), ("v1.2.0", 1)]));
    assert_eq!(way(&stage, sizes, "v1.2.0"), "2+- 4+- 4+0 4+1");
    assert!(lowest(&stage, from) >= 4);
    stage.commit(&[(ROLLOUT, &canary("v1.2.0", &["increment: 50"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.2.0", 4)]));
    assert_eq!(label(&stage), "v1.2.0");
    stage.record_is_whole();
}

#[test]
fn s5_the_old_version_in_mid_way_goes_back() {
    let stage = seed(3, &canary("v1.1.0", &BY_25));
    stage.apply().ends(3);
    stage.commit(&[(ROLLOUT, &canary("v1.0.0", &BY_25))]);
    stage.apply_wait().ends(0);
    as_it_began(&stage, 3);
    let tip = stage.tip();
    stage.apply().ends(0);
    assert_eq!(stage.tip(), tip, "idle");
}

#[test]
fn s5_what_is_missing_is_named_before_anything_is_written() {
    let stage = running(
        |service, _| {
            service["metadata"]["labels"].as_object_mut().unwrap().remove("version");
        },
        &canary("v1.1.0", &BY_25),
    );
    let journal = std::fs::read(stage.journal()).unwrap();
    let refused = |text: &str| stage.apply().ends(77).says(text);
    refused("Service/default/my-demo-app has no label `version`").says("kubectl label service");
    assert_eq!(std::fs::read(stage.journal()).unwrap(), journal);
    let mut wrong = read(SERVICE);
    wrong["metadata"]["labels"]["version"] = json!("v0.9.0");
    stage.meddle(&format!("{SERVICES}/my-demo-app"), &wrong);
    stage.run(&["plan"]).says("Deployment/default/my-demo-app-v0.9.0 is not on the cluster");
    refused("Deployment/default/my-demo-app-v0.9.0 is not on the cluster");
    stage.destroy(&format!("{SERVICES}/my-demo-app"));
    refused("Service/default/my-demo-app is not on the cluster");
    assert_eq!(stage.world().all_pods(), pods(&[("v1.0.0", 3)]));
    assert!(stage.repository().find_reference(crate::stage::RECORD).is_err());
}

#[test]
fn s5_the_next_canary_runs_from_the_final_state() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 50"]));
    stage.apply_wait().ends(0);
    // Between two rollouts what runs is its owner's.
    let grown = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "my-demo-app-v1.1.0"}, "spec": {"replicas": 5}});
    stage.meddle(&format!("{DEPLOYMENTS}/my-demo-app-v1.1.0"), &grown);
    stage.pass(30);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 5)]));
    stage.commit(&[(ROLLOUT, &canary("v1.2.0", &["increment: 50"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.2.0", 5)]));
    assert_eq!(label(&stage), "v1.2.0");
    assert_eq!(stage.world().sizes("Deployment").len(), 1);
    stage.record_is_whole();
}

#[test]
fn s5_the_old_deployment_is_kept_for_a_while() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 100", "retain: 1h"]));
    stage.apply().ends(3).says("hold for 1h");
    assert_eq!(label(&stage), "v1.1.0");
    let sizes = stage.world().sizes("Deployment");
    assert_eq!((sizes["my-demo-app-v1.0.0"], sizes["my-demo-app-v1.1.0"]), (0, 3));
    // It is still what is gone back to, and so is the label.
    stage.say_of_pod(&pods_of(&stage, "v1.1.0")[0], &container(3, None));
    stage.pass(3_600);
    stage.apply_wait().ends(4).says("has restarted 3 times");
    as_it_began(&stage, 3);
    stage.run(&["retry", "my-demo-app"]).ends(0);
    stage.apply().ends(3);
    stage.pass(3_600);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment").len(), 1);
}

#[test]
fn s5_an_abort_gives_back_what_was_taken() {
    let stage = seed(3, &canary("v1.1.0", &BY_25));
    let service = stage.world().get("Service", "my-demo-app").unwrap().clone();
    stage.apply().ends(3);
    stage.run(&["abort", "my-demo-app"]).ends(0);
    stage.apply_wait().ends(4);
    as_it_began(&stage, 3);
    let world = stage.world();
    assert_eq!(*world.get("Service", "my-demo-app").unwrap(), service, "never written");
}

#[test]
fn s5_what_stands_in_the_way_is_refused_by_name() {
    let narrow = running(
        |service, _| service["spec"]["selector"]["version"] = json!("v1.0.0"),
        &canary("v1.1.0", &BY_25),
    );
    narrow
        .apply()
        .ends(77)
        .says("does not select the pods of Deployment/default/my-demo-app-v1.1.0");
    let open = running(
        |_, deployment| {
            deployment["spec"]["template"]["spec"]["containers"][0]["env"] =
                json!([{"name": "DB_PASSWORD", "value": "correct-horse-battery"}]);
        },
        &canary("v1.1.0", &BY_25),
    );
    let ran = open.apply().ends(77).says("looks like a secret");
    assert!(!ran.err.contains("correct-horse"), "{ran}");
    let few = seed(3, &canary("v1.1.0", &["steps: [1, 3]"]));
    few.apply().ends(65).says("steps[1] says 3 pods, but production has 3");
    let none = seed(0, &canary("v1.1.0", &BY_25));
    none.apply().ends(77).says("has no pods, so there is nothing to come from");
}

#[test]
fn s5_a_deployment_of_the_plan_would_have_two_owners() {
    let stage = seed(3, &canary("v1.1.0", &BY_25));
    stage.commit(&[("deployment.yaml", DEPLOYMENT)]);
    stage.run(&["plan"]).says("Deployment/default/my-demo-app-v1.0.0 is in this plan too");
    let stage = seed(3, &canary("v1.1.0", &BY_25));
    let application = crate::plans::web("6.7.0", 1, &[]).replace("name: web", "name: my-demo-app");
    stage.commit(&[("application.yaml", &application)]);
    stage.apply().ends(65).says("an application of this plan is called my-demo-app");
}

#[test]
fn s5_what_was_reviewed_is_what_is_done() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 100"]));
    stage.run(&["plan", "--out", "saved.json"]).ends(0);
    stage.run(&["apply", "--wait", "10m", "--plan", "saved.json"]).ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 3)]));
    // Somebody changes what runs after the review.
    stage.commit(&[(ROLLOUT, &canary("v1.2.0", &["increment: 100"]))]);
    stage.run(&["plan", "--out", "saved.json"]).ends(0);
    let mut edited = stage.world().get("Deployment", "my-demo-app-v1.1.0").unwrap().clone();
    let metadata = edited["metadata"].as_object_mut().unwrap();
    metadata.retain(|name, _| name == "name" || name == "labels");
    metadata["labels"].as_object_mut().unwrap().retain(|name, _| !name.contains('/'));
    edited.as_object_mut().unwrap().remove("status");
    edited["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["--other"]);
    stage.meddle(&format!("{DEPLOYMENTS}/my-demo-app-v1.1.0"), &edited);
    stage.pass(60);
    stage.run(&["apply", "--wait", "10m", "--plan", "saved.json"]).ends(6);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 3)]));
    stage.apply_wait().ends(0);
    let world = stage.world();
    let next = world.get("Deployment", "my-demo-app-v1.2.0").unwrap();
    assert_eq!(next["spec"]["template"]["spec"]["containers"][0]["args"], json!(["--other"]));
}

#[test]
fn s5_what_the_plan_has_let_go_of_can_be_taken_over() {
    let kept = |yaml: &str| {
        let mut body = read(yaml);
        body["metadata"]["annotations"] = json!({"tranche.dev/prune": "never"});
        body.to_string()
    };
    let stage = Stage::with(&[("service.yaml", &kept(SERVICE)), ("app.yaml", &kept(DEPLOYMENT))]);
    stage.apply_wait().ends(0);
    stage.remove("service.yaml");
    stage.remove("app.yaml");
    stage.commit(&[(ROLLOUT, &canary("v1.1.0", &["increment: 50"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 3)]));
    assert_eq!(label(&stage), "v1.1.0");
    let world = stage.world();
    let service = world.get("Service", "my-demo-app").unwrap();
    assert_eq!(service["spec"]["ports"][0]["port"], json!(80), "what was ours there stays");
    stage.record_is_whole();
    stage.apply_wait().ends(0);
}

#[test]
fn s5_a_rollout_that_leaves_the_plan_is_frozen_or_goes_back() {
    let stage = seed(3, &canary("v1.1.0", &BY_25));
    stage.apply().ends(3);
    stage.commit(&[("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n")]);
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(77).says("frozen where it stands");
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 3), ("v1.1.0", 1)]));
    stage.run(&["abort", "my-demo-app"]).ends(0);
    stage.apply_wait();
    as_it_began(&stage, 3);
}

#[test]
fn s5_a_plan_that_is_wrong_in_mid_way_keeps_nobody_from_an_abort() {
    let stage = seed(3, &canary("v1.1.0", &BY_25));
    stage.apply().ends(3);
    let elsewhere = canary("v1.1.0", &BY_25).replace("service: my-demo-app", "service: other");
    stage.commit(&[(ROLLOUT, &elsewhere)]);
    stage.apply().ends(77).says("is under way, but the plan names Service other");
    stage.run(&["abort", "my-demo-app"]).ends(0);
    // Once it is back, the plan is as wrong as before.
    stage.apply_wait().ends(77).says("Service/default/other is not on the cluster");
    as_it_began(&stage, 3);
}

#[test]
fn s5_a_recorded_revision_that_was_edited_is_not_believed() {
    let stage = seed(3, &canary("v1.1.0", &BY_25));
    stage.apply().ends(3);
    let path = "revisions/default/my-demo-app/my-demo-app-v2.yaml";
    let message = stage.next_message("my-demo-app: mended");
    stage.forge(path, &message, |text| text.replace("my-demo-app:v1.1.0", "evil:v1.1.0"));
    stage.pass(60);
    let ran = stage.apply_wait().ends(77);
    assert!(ran.err.contains("is not what its digest says"), "{ran}");
    assert!(!stage.world().all_pods().contains_key("evil"));
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 3), ("v1.1.0", 1)]));
}

#[test]
fn s5_another_version_while_the_old_deployment_is_kept_comes_after_the_end() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 100", "retain: 1h"]));
    stage.apply().ends(3).says("hold for 1h");
    stage.commit(&[(ROLLOUT, &canary("v1.2.0", &["increment: 100", "retain: 1h"]))]);
    stage.apply().ends(3).says("hold for 1h");
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 3)]), "it waits for the end");
    stage.pass(3_600);
    // The end of one and the beginning of the next in one run: what runs is read
    // in between.
    stage.apply().ends(3).says("batch 1/3 begins, to 1 of 3 pods on my-demo-app-v3");
    assert_eq!(stage.world().all_pods(), pods(&[("v1.2.0", 3)]));
    assert_eq!(label(&stage), "v1.2.0");
    stage.record_is_whole();
}

/// What was taken over is on the record alone: without it nobody knows what half of
/// it is to become.
#[test]
fn s5_a_lost_record_half_way_is_frozen_and_at_rest_nothing_is_missed() {
    let stage = seed(4, &canary("v1.1.0", &["increment: 50", "hold: 1h"]));
    stage.apply().ends(3);
    let world = stage.world().ready_pods();
    assert_eq!(world, pods(&[("v1.0.0", 4), ("v1.1.0", 1)]));
    stage.delete_record();
    let why = "what it had taken over was on the lost record alone";
    stage.run(&["record", "rebuild"]).ends(0).says(why).says("stay frozen");
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("my-demo-app-v1.1.0").says(why);
    stage.apply().ends(77).says(why).says("by hand to one revision");
    assert_eq!(stage.world().ready_pods(), world, "nothing moves");
    // A person gives the new version up.
    stage.destroy(&format!("{DEPLOYMENTS}/my-demo-app-v1.1.0"));
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("taken over anew");
    stage.apply().ends(3).says("hold for 1h");
    assert_eq!(stage.world().ready_pods(), world, "it begins from what runs");
    stage.commit(&[(ROLLOUT, &canary("v1.1.0", &["increment: 50"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 4)]));
    assert_eq!(label(&stage), "v1.1.0");
    // And at its end there is nothing that anybody has to know.
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).says("taken over anew");
    stage.apply().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 4)]));
}

/// Whoever gives one of the two up has to give the other its pods first, as the
/// runbook says: what is taken over anew is what there is.
#[test]
fn s5_a_lost_record_at_half_is_mended_without_losing_a_pod() {
    let stage = seed(4, &canary("v1.1.0", &["increment: 50", "hold: 1h"]));
    stage.apply().ends(3);
    stage.pass(3_600);
    stage.apply().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 2), ("v1.1.0", 2)]));
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0);
    stage.apply().ends(77).says("with all its pods");
    resize(&stage, 4);
    stage.destroy(&format!("{DEPLOYMENTS}/my-demo-app-v1.1.0"));
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("taken over anew");
    stage.commit(&[(ROLLOUT, &canary("v1.1.0", &["increment: 50"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 4)]));
}

/// The record has the Deployments that were taken over; the Service stays somebody
/// else's, who brings it back.
#[test]
fn s5_on_a_cluster_that_was_rebuilt_both_versions_come_back() {
    let stage = seed(4, &canary("v1.1.0", &["increment: 50", "hold: 1h"]));
    stage.apply().ends(3);
    stage.pass(3_600);
    stage.apply().ends(3);
    let before = stage.world().ready_pods();
    assert_eq!(before, pods(&[("v1.0.0", 2), ("v1.1.0", 2)]));
    stage.wipe();
    stage.apply().ends(77);
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply().ends(3);
    assert_eq!(stage.world().ready_pods(), before);
    assert!(stage.world().get("Service", "my-demo-app").is_none());
    stage.meddle(&format!("{SERVICES}/my-demo-app"), &read(SERVICE));
    stage.commit(&[(ROLLOUT, &canary("v1.1.0", &["increment: 50"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 4)]));
    assert_eq!(label(&stage), "v1.1.0");
}

#[test]
fn s5_half_is_half_where_pods_can_say_so_and_is_told_once() {
    let stage = seed(2, &canary("v1.1.0", &["increment: 50", "hold: 1h"]));
    stage.apply().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 2), ("v1.1.0", 1)]));
    stage.pass(3_600);
    stage.apply().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 1), ("v1.1.0", 1)]));
    stage.run(&["status"]).says("50% of the requests");
    stage.pass(3_600);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("v1.1.0", 2)]));
    stage.commit(&[(ROLLOUT, &canary("v1.2.0", &["increment: 20"]))]);
    let ran = stage.apply_wait().ends(0);
    assert_eq!(ran.err.matches("requests are shared by pods").count(), 1, "{ran}");
}

/// Somebody gives production another size by hand.
fn resize(stage: &Stage, pods: u32) {
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "my-demo-app-v1.0.0"}, "spec": {"replicas": pods}});
    stage.meddle(&format!("{DEPLOYMENTS}/my-demo-app-v1.0.0"), &body);
    stage.pass(60);
}

#[test]
fn s5_production_that_somebody_scales_in_mid_way_ends_with_what_it_had() {
    for size in [1, 9] {
        let stage = seed(4, &canary("v1.1.0", &["increment: 50", "hold: 1h"]));
        stage.apply().ends(3);
        resize(&stage, size);
        stage.pass(3_600);
        stage.apply().ends(3);
        stage.pass(60);
        assert_eq!(stage.world().ready_pods(), pods(&[("v1.0.0", 2), ("v1.1.0", 2)]), "{size}");
        resize(&stage, size);
        stage.run(&["abort", "my-demo-app"]).ends(0);
        stage.apply_wait().ends(4);
        as_it_began(&stage, 4);
    }
}

#[test]
fn s5_another_service_of_the_same_pods_is_not_touched() {
    let stage = seed(3, &canary("v1.1.0", &["increment: 100"]));
    let mut other = read(SERVICE);
    other["metadata"]["name"] = json!("other");
    stage.meddle(&format!("{SERVICES}/other"), &other);
    stage.pass(60);
    let before = stage.world().get("Service", "other").unwrap().clone();
    stage.apply_wait().ends(0);
    assert_eq!(label(&stage), "v1.1.0");
    assert_eq!(*stage.world().get("Service", "other").unwrap(), before);
}
