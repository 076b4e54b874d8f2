//! OpenKruise's Rollout over workloads that stand in the plan as they are:
//! what its users do in the middle of one.

use crate::stage::Stage;
use crate::world::{World, pods};
use serde_json::Value;

/// A Deployment with a Service and an Ingress.
pub fn workload(image: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: echo}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: echo}}}}
  template:
    metadata: {{labels: {{app: echo}}}}
    spec:
      containers:
      - {{name: echo, image: \"registry.example/echo:{image}\"}}
---
apiVersion: v1
kind: Service
metadata: {{name: echo}}
spec:
  selector: {{app: echo}}
  ports:
  - {{name: http, port: 80, targetPort: 8080}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: echo}}
spec:
  ingressClassName: nginx
  rules:
  - host: echo.example
    http:
      paths:
      - {{path: /, pathType: Prefix, backend: {{service: {{name: echo, port: {{number: 80}}}}}}}}
"
    )
}

/// A Rollout of v1beta1 with these steps, and more of its spec or metadata.
pub fn rollout(steps: &[&str], more: &str, annotation: &str) -> String {
    let steps: String = steps.iter().map(|step| format!("      - {step}\n")).collect();
    format!(
        "apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata:
  name: echo
  annotations: {{{annotation}}}
spec:
  workloadRef: {{apiVersion: apps/v1, kind: Deployment, name: echo}}
{more}  strategy:
    canary:
      enableExtraWorkloadForCanary: true
      trafficRoutings:
      - service: echo
        ingress: {{name: echo}}
      steps:
{steps}"
    )
}

pub const STEPS: &[&str] = &[
    "{traffic: 20%, replicas: 20%}",
    "{traffic: 40%, replicas: 40%}",
    "{traffic: 60%, replicas: 60%}",
];

pub fn at_rest(replicas: u32) -> Stage {
    let stage = Stage::with(&[
        ("rollout.yaml", &rollout(STEPS, "", "")),
        ("echo.yaml", &workload("v1", replicas)),
    ]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", usize::try_from(replicas).unwrap())]));
    stage
}

pub fn weight(world: &World) -> Option<&str> {
    let second = world.get("Ingress", "echo-canary")?;
    second["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"].as_str()
}

pub fn canary(world: &World, revision: u32) -> u64 {
    *world.sizes("Deployment").get(&format!("echo-v{revision}-canary")).unwrap_or(&0)
}

/// Approves, and goes on to the next gate or the end.
pub fn go_on(stage: &Stage, code: i32) {
    stage.run(&["approve", "echo"]).ends(0);
    stage.apply_wait().ends(code);
}

pub fn is_at_rest(stage: &Stage, image: &str, replicas: usize) {
    let world = stage.world();
    assert_eq!(world.all_pods(), pods(&[(image, replicas)]));
    assert_eq!(world.sizes("Deployment"), [("echo".to_owned(), replicas as u64)].into());
    assert_eq!(world.of_kind("Ingress").count(), 1);
    assert_eq!(world.of_kind("Service").count(), 1);
    stage.record_is_whole();
}

#[test]
fn weights_and_pods_are_those_of_the_steps() {
    let stage = at_rest(5);
    stage.commit(&[("echo.yaml", &workload("v2", 5))]);
    stage.apply_wait().ends(3);
    for (pods, share) in [(1, "20"), (2, "40"), (3, "60")] {
        let world = stage.world();
        assert_eq!((canary(&world, 2), weight(&world)), (pods, Some(share)));
        assert_eq!(world.sizes("Deployment")["echo"], 5, "the stable side is untouched");
        go_on(&stage, if pods == 3 { 0 } else { 3 });
    }
    is_at_rest(&stage, "v2", 5);
    assert_eq!(stage.state("echo"), "rolloutSucceed");
    // Scaling alone is no rollout by steps.
    stage.commit(&[("echo.yaml", &workload("v2", 6))]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v2", 6);
}

#[test]
fn back_to_the_first_template_in_mid_step_keeps_the_same_pods() {
    let stage = at_rest(5);
    let uids = |world: &World| -> Vec<Value> {
        world.of_kind("Pod").map(|(_, pod)| pod["metadata"]["uid"].clone()).collect()
    };
    let before = uids(&stage.world());
    stage.commit(&[("echo.yaml", &workload("v2", 5))]);
    stage.apply_wait().ends(3);
    stage.commit(&[("echo.yaml", &workload("v1", 5))]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v1", 5);
    assert_eq!(uids(&stage.world()), before);
}

#[test]
fn a_third_revision_begins_with_its_first_step_from_the_same_stable_one() {
    let stage = at_rest(5);
    stage.commit(&[("echo.yaml", &workload("v2", 5))]);
    stage.apply_wait().ends(3);
    go_on(&stage, 3);
    assert_eq!(weight(&stage.world()), Some("40"));
    stage.commit(&[("echo.yaml", &workload("v3", 5))]);
    stage.apply_wait().ends(3);
    let world = stage.world();
    assert_eq!((canary(&world, 2), canary(&world, 3), weight(&world)), (0, 1, Some("20")));
    assert_eq!(world.ready_pods(), pods(&[("v1", 5), ("v3", 1)]));
    go_on(&stage, 3);
    go_on(&stage, 3);
    go_on(&stage, 0);
    is_at_rest(&stage, "v3", 5);
}

/// OpenKruise scales the canary along with the workload. Here a step keeps the
/// pods that were reviewed for it, for another size is no other revision; the
/// workload gets its new size at the end, with the last step. Whoever needs it
/// sooner raises the `replicas` of a step to come.
#[test]
fn scaling_in_mid_step_differs_by_following_at_the_end() {
    for to in [10, 2] {
        let stage = at_rest(5);
        stage.commit(&[("echo.yaml", &workload("v2", 5))]);
        stage.apply_wait().ends(3);
        go_on(&stage, 3);
        stage.commit(&[("echo.yaml", &workload("v2", to))]);
        stage.apply_wait().ends(3);
        let world = stage.world();
        assert_eq!((canary(&world, 2), weight(&world)), (2, Some("40")), "the same step");
        go_on(&stage, 3);
        go_on(&stage, 0);
        is_at_rest(&stage, "v2", usize::try_from(to).unwrap());
    }
}

#[test]
fn a_bad_revision_waits_for_the_next_one_and_takes_nothing() {
    let stage = at_rest(5);
    let never = "metadata: {annotations: {sandbox.tranche.dev/ready: never}, labels: {app: echo}}";
    let bad = workload("v2", 5).replace("metadata: {labels: {app: echo}}", never);
    stage.commit(&[("echo.yaml", &bad)]);
    stage.apply().ends(3);
    let world = stage.world();
    assert_eq!(canary(&world, 2), 1);
    assert_ne!(weight(&world), Some("20"), "no share for what is not ready");
    stage.commit(&[("echo.yaml", &workload("v3", 5))]);
    stage.apply_wait().ends(3);
    assert_eq!(weight(&stage.world()), Some("20"));
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 5), ("v3", 1)]));
    go_on(&stage, 3);
    go_on(&stage, 3);
    go_on(&stage, 0);
    is_at_rest(&stage, "v3", 5);
}

#[test]
fn fewer_pods_in_mid_step_take_none_from_what_is_tried() {
    let stage = at_rest(10);
    stage.commit(&[("echo.yaml", &workload("v2", 10))]);
    stage.apply_wait().ends(3);
    go_on(&stage, 3);
    go_on(&stage, 3);
    stage.commit(&[("echo.yaml", &workload("v2", 5))]);
    stage.apply_wait().ends(3);
    let world = stage.world();
    assert_eq!((canary(&world, 2), weight(&world)), (6, Some("60")));
    go_on(&stage, 0);
    is_at_rest(&stage, "v2", 5);
}

#[test]
fn suspended_it_stays_where_it_is_and_goes_on() {
    let stage = at_rest(5);
    stage.commit(&[("echo.yaml", &workload("v2", 5))]);
    stage.apply_wait().ends(3);
    let paused = rollout(STEPS, "", "").replace("    canary:\n", "    paused: true\n    canary:\n");
    stage.commit(&[("rollout.yaml", &paused)]);
    stage.run(&["approve", "echo"]).ends(0);
    stage.apply_wait().ends(3).says("paused");
    assert_eq!(weight(&stage.world()), Some("20"));
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "", ""))]);
    stage.apply_wait().ends(3);
    assert_eq!(weight(&stage.world()), Some("40"));
    go_on(&stage, 3);
    go_on(&stage, 0);
    is_at_rest(&stage, "v2", 5);
}

#[test]
fn later_steps_can_be_edited_and_done_ones_cannot() {
    let stage = at_rest(10);
    stage.commit(&[("echo.yaml", &workload("v2", 10))]);
    stage.apply_wait().ends(3);
    let edited = [STEPS[0], "{traffic: 30%, replicas: 30%}", "{traffic: 100%, replicas: 100%}"];
    stage.commit(&[("rollout.yaml", &rollout(&edited, "", ""))]);
    go_on(&stage, 3);
    let world = stage.world();
    assert_eq!((canary(&world, 2), weight(&world)), (3, Some("30")));
    let wrong = ["{traffic: 10%, replicas: 10%}", edited[1], edited[2]];
    stage.commit(&[("rollout.yaml", &rollout(&wrong, "", ""))]);
    stage.apply().ends(65).says("done");
    assert_eq!(weight(&stage.world()), Some("30"));
}

#[test]
fn without_its_rollout_it_is_frozen_unless_a_named_end_was_chosen() {
    let moved = |annotation: &str| {
        let stage = at_rest(5);
        stage.commit(&[
            ("rollout.yaml", &rollout(STEPS, "", annotation)),
            ("echo.yaml", &workload("v2", 5)),
        ]);
        stage.apply_wait().ends(3);
        stage
    };
    let stage = moved("");
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "  disabled: true\n", ""))]);
    stage.apply().ends(77).says("is disabled now").says("tranche.dev/on-delete");
    assert_eq!(weight(&stage.world()), Some("20"));
    stage.commit(&[(
        "rollout.yaml",
        &rollout(STEPS, "  disabled: true\n", "tranche.dev/on-delete: promote"),
    )]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v2", 5);
    // What comes then is not held back, until it is enabled again.
    stage.commit(&[("echo.yaml", &workload("v3", 5))]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v3", 5);
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "", ""))]);
    stage.apply_wait().ends(0);
    stage.commit(&[("echo.yaml", &workload("v4", 5))]);
    stage.apply_wait().ends(3);
    assert_eq!(weight(&stage.world()), Some("20"));

    let stage = moved("tranche.dev/on-delete: abort");
    stage.commit(&[(
        "rollout.yaml",
        &rollout(STEPS, "  disabled: true\n", "tranche.dev/on-delete: abort"),
    )]);
    stage.apply_wait();
    assert_eq!(stage.world().all_pods(), pods(&[("v1", 5)]));
    assert_eq!(weight(&stage.world()), None);
}

#[test]
fn a_workload_has_one_rollout_and_stands_in_the_plan() {
    let stage = at_rest(3);
    let tip = stage.tip();
    let second =
        rollout(STEPS, "  disabled: true\n", "").replace("name: echo\n  ann", "name: other\n  ann");
    stage.commit(&[("second.yaml", &second)]);
    stage.run(&["lint"]).ends(65).says("two rollouts");
    stage.apply().ends(65);
    stage.remove("second.yaml");
    stage.commit(&[(
        "rollout.yaml",
        &rollout(STEPS, "", "").replace("Deployment, name: echo", "Deployment, name: ecko"),
    )]);
    stage.run(&["lint"]).ends(65).says("no document of this plan is the apps/v1 Deployment ecko");
    assert_eq!(stage.tip(), tip);
}

#[test]
fn a_deployment_that_was_applied_as_it_stands_is_taken_over_where_it_is() {
    let stage = Stage::with(&[("echo.yaml", &workload("v1", 3))]);
    stage.apply_wait().ends(0);
    let uid = |world: &World| world.get("Deployment", "echo").unwrap()["metadata"]["uid"].clone();
    let before = uid(&stage.world());
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(uid(&stage.world()), before);
    assert_eq!(stage.world().all_pods(), pods(&[("v1", 3)]));
    stage.commit(&[("echo.yaml", &workload("v2", 3))]);
    stage.apply_wait().ends(3);
    assert_eq!(weight(&stage.world()), Some("20"));
    stage.history().iter().skip_while(|world| world.ready() < 3).for_each(|world| {
        assert!(world.ready() >= 2, "{:?}", world.all_pods());
    });
}

#[test]
fn what_is_updated_in_place_goes_by_steps_of_its_partition() {
    let clone = |image: &str| {
        format!(
            "apiVersion: apps.kruise.io/v1alpha1
kind: CloneSet
metadata: {{name: echo}}
spec:
  replicas: 5
  selector: {{matchLabels: {{app: echo}}}}
  template:
    metadata: {{labels: {{app: echo}}}}
    spec:
      containers:
      - {{name: echo, image: \"registry.example/echo:{image}\"}}
"
        )
    };
    let rollout = "apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata: {name: echo}
spec:
  workloadRef: {apiVersion: apps.kruise.io/v1alpha1, kind: CloneSet, name: echo}
  strategy:
    canary:
      steps:
      - {replicas: 20%}
      - {replicas: 60%}
";
    let stage = Stage::with(&[("rollout.yaml", rollout), ("echo.yaml", &clone("v1"))]);
    stage.apply_wait().ends(0);
    stage.commit(&[("echo.yaml", &clone("v2"))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 4), ("v2", 1)]));
    go_on(&stage, 3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 2), ("v2", 3)]));
    // A third one begins anew; and the first one, from any step, is all the way
    // back.
    stage.commit(&[("echo.yaml", &clone("v3"))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 4), ("v3", 1)]));
    stage.commit(&[("echo.yaml", &clone("v1"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 5)]));
    stage.commit(&[("echo.yaml", &clone("v4"))]);
    stage.apply_wait().ends(3);
    go_on(&stage, 3);
    go_on(&stage, 0);
    assert_eq!(stage.world().all_pods(), pods(&[("v4", 5)]));
    stage.record_is_whole();
}

#[test]
fn a_new_image_that_comes_with_its_first_rollout_is_not_let_through_untried() {
    let stage = Stage::with(&[("echo.yaml", &workload("v1", 3))]);
    stage.apply_wait().ends(0);
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "", "")), ("echo.yaml", &workload("v2", 3))]);
    stage.apply_wait().ends(77).says("there is no revision yet to come from");
    assert_eq!(stage.world().all_pods(), pods(&[("v1", 3)]));
    stage.commit(&[("echo.yaml", &workload("v1", 3))]);
    stage.apply_wait().ends(0);
    stage.commit(&[("echo.yaml", &workload("v2", 3))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 3), ("v2", 1)]));
}
