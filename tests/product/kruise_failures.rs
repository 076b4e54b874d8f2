//! OpenKruise's `failureThreshold`: a step is done although some of the pods
//! that it has updated are not ready.

use crate::kruise::go_on;
use crate::stage::Stage;
use crate::world::{World, pods};

/// So many pods of ten, of which so many never get ready.
fn workload(kind: &str, image: &str, failing: u32) -> String {
    let api = if kind == "CloneSet" { "apps.kruise.io/v1alpha1" } else { "apps/v1" };
    format!(
        "apiVersion: {api}
kind: {kind}
metadata: {{name: echo}}
spec:
  replicas: 10
  selector: {{matchLabels: {{app: echo}}}}
  template:
    metadata:
      labels: {{app: echo}}
      annotations: {{sandbox.tranche.dev/fail-pods: '{failing}'}}
    spec:
      containers:
      - {{name: echo, image: \"registry.example/echo:{image}\"}}
"
    )
}

fn rollout(kind: &str, threshold: &str) -> String {
    let api = if kind == "CloneSet" { "apps.kruise.io/v1alpha1" } else { "apps/v1" };
    let style =
        if kind == "Deployment" { "      enableExtraWorkloadForCanary: true\n" } else { "" };
    format!(
        "apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata:
  name: echo
  annotations: {{tranche.dev/progress-deadline: 60s}}
spec:
  workloadRef: {{apiVersion: {api}, kind: {kind}, name: echo}}
  strategy:
    canary:
{style}      failureThreshold: {threshold}
      steps:
      - {{replicas: 10%}}
      - {{replicas: 30%}}
      - {{replicas: 60%}}
"
    )
}

fn begun(kind: &str, threshold: &str, failing: u32) -> Stage {
    let stage = Stage::with(&[
        ("rollout.yaml", &rollout(kind, threshold)),
        ("echo.yaml", &workload(kind, "v1", 0)),
    ]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 10)]));
    stage.commit(&[("echo.yaml", &workload(kind, "v2", failing))]);
    stage
}

/// Pods of the second revision, and how many of them are ready once all have
/// had their time.
fn of(stage: &Stage) -> (usize, usize) {
    stage.pass(20);
    let world = stage.world();
    let all = |pods: std::collections::BTreeMap<String, usize>| *pods.get("v2").unwrap_or(&0);
    (all(world.all_pods()), all(world.ready_pods()))
}

#[test]
fn each_step_awaits_what_is_left_of_its_pods_and_one_at_least() {
    for (kind, counted) in [("CloneSet", "updated and ready"), ("Deployment", "ready")] {
        let stage = begun(kind, "20%", 0);
        let plan = stage.run(&["plan"]).ends(0);
        for ready in [1, 2, 4] {
            assert!(plan.out.contains(&format!("until {ready} {counted},")), "{ready}: {plan}");
        }
        for (updated, last) in [(1, false), (3, false), (6, true)] {
            if updated == 1 {
                stage.apply_wait().ends(3);
            }
            assert_eq!(of(&stage), (updated, updated), "{kind}");
            go_on(&stage, if last { 0 } else { 3 });
        }
        assert_eq!(stage.world().all_pods(), pods(&[("v2", 10)]));
    }
}

#[test]
fn some_that_fail_hold_nothing_and_the_floor_counts_them() {
    let stage = begun("CloneSet", "20%", 1);
    let steps = rollout("CloneSet", "20%").replace("      - {replicas: 10%}\n", "");
    stage.commit(&[("rollout.yaml", &steps)]);
    let plan = stage.run(&["plan"]).ends(0);
    let floor = (0..10_usize).find(|n| plan.out.contains(&format!("at least {n} pods stay ready")));
    let floor = floor.unwrap_or_else(|| panic!("{plan}"));
    let from = stage.history().len() - 1;
    stage.apply_wait().ends(3);
    assert_eq!(of(&stage), (3, 2), "one of three is not ready, and the step is done");
    go_on(&stage, 3);
    assert_eq!(of(&stage), (6, 5));
    go_on(&stage, 0);
    assert_eq!(of(&stage), (10, 9));
    let lowest = stage.history()[from..].iter().map(World::ready).min().unwrap();
    assert!(lowest >= floor, "{lowest} were ready, and {floor} were promised");
    stage.record_is_whole();
}

#[test]
fn more_that_fail_than_may_or_all_of_a_step_bring_the_old_ones_back() {
    for (kind, failing, steps) in
        [("CloneSet", 2, "30%"), ("Deployment", 2, "30%"), ("CloneSet", 1, "10%")]
    {
        let stage = begun(kind, "20%", failing);
        let from = rollout(kind, "20%").replace(
            "      - {replicas: 10%}\n      - {replicas: 30%}\n",
            &format!("      - {{replicas: {steps}}}\n"),
        );
        stage.commit(&[("rollout.yaml", &from)]);
        stage.apply_wait().ends(4).says("not ready in time");
        assert_eq!(stage.world().all_pods(), pods(&[("v1", 10)]), "{kind}");
    }
}

/// OpenKruise lets pods of a step fail beside a route too, and the share of
/// requests then falls on those that are left. Here a share is never more than
/// ready pods can take, so beside a route no pod of a step may fail: give the
/// step more pods than its share needs.
#[test]
fn failing_pods_beside_a_route_differ_by_being_refused() {
    let routed = crate::kruise::rollout(&["{traffic: 20%, replicas: 40%}"], "", "");
    let some = routed.replace("      steps:\n", "      failureThreshold: 20%\n      steps:\n");
    let echo = crate::kruise::workload("v1", 5);
    let stage = Stage::with(&[("rollout.yaml", &some), ("echo.yaml", &echo)]);
    stage
        .run(&["lint"])
        .ends(65)
        .says("failureThreshold stands beside what moves requests")
        .says("never more than ready pods can take");
    let none = some.replace("failureThreshold: 20%", "failureThreshold: 0");
    stage.commit(&[("rollout.yaml", &none)]);
    stage.run(&["lint"]).ends(0);
}
