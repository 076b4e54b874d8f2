//! OpenKruise's blue-green: all pods of a revision beside those that serve, in
//! a second Deployment, and no field of the first one touched for it.

use crate::kruise::{canary, go_on, is_at_rest, rollout, weight, workload};
use crate::stage::Stage;
use crate::world::{World, pods};
use serde_json::{Value, json};

const STEPS: &[&str] = &[
    "{traffic: 0%, replicas: 50%}",
    "{traffic: 0%, replicas: 100%}",
    "{traffic: 50%, replicas: 100%}",
    "{traffic: 100%, replicas: 100%}",
];

fn green(more: &str, annotation: &str) -> String {
    rollout(STEPS, more, annotation)
        .replace("    canary:\n      enableExtraWorkloadForCanary: true\n", "    blueGreen:\n")
}

/// A Deployment with a strategy of its own.
fn careful(image: &str) -> String {
    let plain = workload(image, 5);
    plain.replace(
        "  replicas: 5\n",
        "  replicas: 5\n  minReadySeconds: 2\n  progressDeadlineSeconds: 333\n  strategy: \
         {rollingUpdate: {maxSurge: 2, maxUnavailable: 1}}\n",
    )
}

fn at_rest(annotation: &str) -> Stage {
    let stage =
        Stage::with(&[("rollout.yaml", &green("", annotation)), ("echo.yaml", &careful("v1"))]);
    stage.apply_wait().ends(0);
    stage
}

/// What the original takes over for as long as a blue-green lasts.
fn own_fields(world: &World) -> Value {
    let spec = &world.get("Deployment", "echo").unwrap()["spec"];
    json!([
        spec["minReadySeconds"],
        spec["progressDeadlineSeconds"],
        spec["strategy"],
        spec["paused"]
    ])
}

#[track_caller]
fn never_touched(stage: &Stage) {
    let all = stage.history();
    let mut seen: Vec<Value> = all
        .iter()
        .filter(|world| world.get("Deployment", "echo").is_some())
        .map(own_fields)
        .collect();
    seen.dedup();
    let rolling =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 1}});
    assert_eq!(seen, [json!([2, 333, rolling, null])]);
}

#[test]
fn all_pods_come_up_beside_those_that_serve_and_traffic_follows() {
    let stage = at_rest("");
    let from = stage.history().len() - 1;
    stage.commit(&[("echo.yaml", &careful("v2"))]);
    stage.run(&["plan"]).ends(0).says("echo-v2-canary");
    stage.apply_wait().ends(3);
    for (updated, share) in [(3, None), (5, None), (5, Some("50")), (5, Some("100"))] {
        let world = stage.world();
        assert_eq!(canary(&world, 2), updated);
        assert_eq!(
            world.ready_pods(),
            pods(&[("v1", 5), ("v2", usize::try_from(updated).unwrap())])
        );
        assert_eq!(weight(&world).filter(|weight| *weight != "0"), share);
        go_on(&stage, if share == Some("100") { 0 } else { 3 });
    }
    is_at_rest(&stage, "v2", 5);
    never_touched(&stage);
    let lowest = stage.history()[from..].iter().map(World::ready).min();
    assert_eq!(lowest, Some(5));
}

/// OpenKruise makes no pod of a third revision and asks for a rollback first,
/// because its second ReplicaSet is part of the one Deployment. Here what was
/// tried goes before the next one is, as in a canary: the requests return, its
/// pods go, and the third revision begins with its first step. What serves is
/// untouched by either.
#[test]
fn a_third_revision_in_blue_green_differs_by_being_tried_from_its_first_step() {
    let stage = at_rest("");
    stage.commit(&[("echo.yaml", &careful("v2"))]);
    stage.apply_wait().ends(3);
    go_on(&stage, 3);
    go_on(&stage, 3);
    assert_eq!(weight(&stage.world()), Some("50"));
    stage.commit(&[("echo.yaml", &careful("v3"))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 5), ("v3", 3)]));
    let both = |world: &World| canary(world, 2) > 0 && canary(world, 3) > 0;
    assert!(!stage.history().iter().any(both), "never two that are tried");
    // The second one again begins anew too, and the first one ends it.
    stage.commit(&[("echo.yaml", &careful("v2"))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 5), ("v2", 3)]));
    stage.commit(&[("echo.yaml", &careful("v1"))]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v1", 5);
    never_touched(&stage);
}

#[test]
fn an_abort_at_any_step_leaves_what_served_as_it_was() {
    for approved in 0..4 {
        let stage = at_rest("");
        stage.commit(&[("echo.yaml", &careful("v2"))]);
        stage.apply_wait().ends(3);
        (0..approved).for_each(|_| go_on(&stage, 3));
        stage.run(&["abort", "echo"]).ends(0);
        stage.apply_wait().ends(4);
        is_at_rest(&stage, "v1", 5);
        never_touched(&stage);
    }
}

/// An autoscaler of the workload, which nothing else says a size of.
fn scaled(stage: &Stage, pods: u32) {
    let scale = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "echo"},
        "spec": {"replicas": pods},
    });
    stage.meddle("/apis/apps/v1/namespaces/default/deployments/echo", &scale);
    stage.pass(30);
}

#[test]
fn what_an_autoscaler_takes_away_in_the_middle_is_not_waited_for() {
    let echo = |image: &str| workload(image, 5).replace("  replicas: 5\n", "");
    for (abort, to) in [(true, 2), (false, 2), (false, 8)] {
        let stage = Stage::with(&[("rollout.yaml", &green("", "")), ("echo.yaml", &echo("v1"))]);
        stage.apply_wait().ends(0);
        scaled(&stage, 5);
        stage.commit(&[("echo.yaml", &echo("v2"))]);
        stage.apply_wait().ends(3);
        (0..2).for_each(|_| go_on(&stage, 3));
        assert_eq!((canary(&stage.world(), 2), weight(&stage.world())), (5, Some("50")));
        scaled(&stage, to);
        let left = usize::try_from(to).unwrap();
        if abort {
            stage.run(&["abort", "echo"]).ends(0);
            stage.apply_wait().ends(4);
            is_at_rest(&stage, "v1", left);
        } else {
            go_on(&stage, 3);
            go_on(&stage, 0);
            is_at_rest(&stage, "v2", left);
        }
    }
}

#[test]
fn disabled_or_deleted_nothing_is_left_to_restore() {
    let promote = "tranche.dev/on-delete: promote";
    for deleted in [false, true] {
        let stage = at_rest(promote);
        stage.commit(&[("echo.yaml", &careful("v2"))]);
        stage.apply_wait().ends(3);
        go_on(&stage, 3);
        if deleted {
            stage.remove("rollout.yaml");
        } else {
            stage.commit(&[("rollout.yaml", &green("  disabled: true\n", promote))]);
        }
        stage.apply_wait().ends(0);
        is_at_rest(&stage, "v2", 5);
        never_touched(&stage);
    }
}
