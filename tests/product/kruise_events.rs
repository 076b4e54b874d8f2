//! What people do to OpenKruise's Rollout in the middle of one, and where what
//! happens then is not what OpenKruise does.

use crate::kruise::{STEPS, at_rest, canary, go_on, is_at_rest, rollout, weight, workload};
use crate::stage::Stage;
use crate::world::{World, pods};
use serde_json::{Value, json};

const FOUR: &[&str] = &[
    "{traffic: 20%, replicas: 20%}",
    "{traffic: 40%, replicas: 40%}",
    "{traffic: 60%, replicas: 60%}",
    "{traffic: 80%, replicas: 80%}",
];

fn uids(world: &World) -> Vec<Value> {
    world.of_kind("Pod").map(|(_, pod)| pod["metadata"]["uid"].clone()).collect()
}

/// In the middle of a rollout to the second revision, its first step done.
fn begun(steps: &[&str], replicas: u32, annotation: &str) -> Stage {
    let stage = at_rest(replicas);
    let plan = rollout(steps, "", annotation);
    stage.commit(&[("rollout.yaml", &plan), ("echo.yaml", &workload("v2", replicas))]);
    stage.apply_wait().ends(3);
    assert_eq!(weight(&stage.world()), Some("20"));
    stage
}

/// OpenKruise promotes when its Rollout is deleted. Here a file that is gone from
/// the plan says nothing of what is to become of pods that are half changed over:
/// all stays, the workload among it, until somebody says how it ends. That is
/// `tranche.dev/on-delete` beforehand, the Rollout put back, or `tranche abort`
/// with the image to stay at in the same plan.
#[test]
fn a_deleted_rollout_differs_by_being_frozen_until_its_end_is_named() {
    let stage = begun(STEPS, 5, "");
    let before = uids(&stage.world());
    stage.remove("rollout.yaml");
    stage.apply().ends(77).says("frozen").says("tranche.dev/on-delete").says("tranche abort");
    stage.apply().ends(77);
    let world = stage.world();
    assert_eq!(uids(&world), before, "the new image is not let onto all pods");
    assert_eq!((world.ready_pods(), weight(&world)), (pods(&[("v1", 5), ("v2", 1)]), Some("20")));
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "", ""))]);
    go_on(&stage, 3);
    assert_eq!(weight(&stage.world()), Some("40"), "put back, it goes on");

    stage.commit(&[("echo.yaml", &workload("v1", 5))]);
    stage.remove("rollout.yaml");
    stage.run(&["abort", "echo"]).ends(0);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v1", 5);
    // What it was a rollout of is a document like any other from then on.
    stage.commit(&[("echo.yaml", &workload("v3", 5))]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v3", 5);
}

#[test]
fn a_deleted_rollout_that_is_to_be_promoted_goes_step_by_step_to_its_end() {
    let stage = begun(STEPS, 5, "tranche.dev/on-delete: promote");
    let from = stage.history().len();
    stage.remove("rollout.yaml");
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v2", 5);
    let history = stage.history();
    let shares = history[from..].iter().map(|world| weight(world).map(str::to_owned));
    let mut shares: Vec<String> = shares.flatten().collect();
    shares.dedup();
    assert_eq!(shares, ["20", "40", "60"], "each share with its pods");
    let tried = |world: &World| world.get("Deployment", "echo-v2-canary").is_some();
    let over = history.iter().rposition(tried).unwrap();
    assert_eq!(history[from..=over].iter().map(World::ready).min(), Some(5));
    let shared = |world: &&World| matches!(weight(world), Some("20" | "40"));
    for world in history[from..=over].iter().filter(shared) {
        assert_eq!(world.ready_pods().get("v1"), Some(&5), "what the rest of the share goes to");
    }
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
}

/// OpenKruise refuses another number of steps in the middle (v1beta1), since its
/// position is a number that would mean another step. Here what is done is on
/// the record, and the plan only has to agree with that: steps to come may be
/// more, fewer or others. Done ones cannot be edited; whoever wants another
/// beginning aborts and begins again.
#[test]
fn another_number_of_steps_differs_by_being_taken_where_they_are_to_come() {
    let stage = begun(&FOUR[..2], 5, "");
    stage.commit(&[("rollout.yaml", &rollout(FOUR, "", ""))]);
    for share in ["40", "60", "80"] {
        go_on(&stage, 3);
        assert_eq!(weight(&stage.world()), Some(share));
    }
    stage.commit(&[("rollout.yaml", &rollout(&FOUR[1..], "", ""))]);
    stage.apply().ends(65).says("leave the batches that are done as they were");
    stage.commit(&[("rollout.yaml", &rollout(FOUR, "", ""))]);
    go_on(&stage, 0);
    is_at_rest(&stage, "v2", 5);
}

/// OpenKruise jumps by `status.nextStepIndex`, which anybody may write and
/// nothing reviews. A plan has no status: forward goes by a shorter plan, whose
/// next step is the one to jump to.
#[test]
fn a_jump_forward_differs_by_being_a_shorter_plan() {
    let stage = begun(FOUR, 5, "");
    let status = rollout(FOUR, "", "") + "status:\n  canaryStatus: {nextStepIndex: 4}\n";
    stage.commit(&[("rollout.yaml", &status)]);
    stage.run(&["lint"]).ends(65).says("`status` in Rollout is not supported");
    stage.commit(&[("rollout.yaml", &rollout(&[FOUR[0], FOUR[3]], "", ""))]);
    go_on(&stage, 3);
    let world = stage.world();
    assert_eq!((canary(&world, 2), weight(&world)), (4, Some("80")));
    go_on(&stage, 0);
    is_at_rest(&stage, "v2", 5);
}

/// OpenKruise jumps back to a smaller share and keeps the pods. Here done is
/// done: a share never falls but on the way back, which brings the whole of what
/// served. `tranche abort` takes the new revision out of all traffic, and `tranche
/// retry` begins it again with its first step.
#[test]
fn a_jump_backwards_differs_by_being_an_abort_and_another_attempt() {
    let stage = begun(FOUR, 5, "");
    go_on(&stage, 3);
    go_on(&stage, 3);
    stage.commit(&[("rollout.yaml", &rollout(&FOUR[..1], "", ""))]);
    stage.apply().ends(65).says("has done batches up to 1, 2, 3 pods");
    assert_eq!(weight(&stage.world()), Some("60"));
    stage.commit(&[("rollout.yaml", &rollout(FOUR, "", ""))]);
    stage.run(&["abort", "echo"]).ends(0);
    stage.apply_wait().ends(4).says("tranche retry echo");
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 5)]));
    stage.run(&["retry", "echo"]).ends(0);
    stage.apply_wait().ends(3);
    let world = stage.world();
    assert_eq!((canary(&world, 2), weight(&world)), (1, Some("20")));
}

/// OpenKruise writes its rollout-id onto the pods, so that another id stamps them
/// again. Here a commit is what a rollout is called, and the record says which
/// step brought which pods; a label of the workload is applied with the next
/// step that writes it, and no pod is touched for it.
#[test]
fn another_rollout_id_differs_by_stamping_no_pods() {
    let id = |image: &str, id: &str| {
        let named =
            format!("metadata: {{name: echo, labels: {{rollouts.kruise.io/rollout-id: '{id}'}}}}");
        workload(image, 5).replacen("metadata: {name: echo}", &named, 1)
    };
    let stage =
        Stage::with(&[("rollout.yaml", &rollout(STEPS, "", "")), ("echo.yaml", &id("v1", "a"))]);
    stage.apply_wait().ends(0);
    let label = |stage: &Stage| {
        let world = stage.world();
        world.get("Deployment", "echo").unwrap()["metadata"]["labels"]["rollouts.kruise.io/rollout-id"].clone()
    };
    let before = uids(&stage.world());
    stage.commit(&[("echo.yaml", &id("v1", "b"))]);
    stage.apply_wait().ends(0);
    assert_eq!((uids(&stage.world()), label(&stage)), (before, json!("b")));
    stage.commit(&[("echo.yaml", &id("v2", "c"))]);
    stage.apply_wait().ends(3);
    go_on(&stage, 3);
    let before = uids(&stage.world());
    stage.commit(&[("echo.yaml", &id("v2", "d"))]);
    stage.apply_wait().ends(3).says("batch 3 waits for approval");
    let world = stage.world();
    assert_eq!((uids(&world), weight(&world)), (before, Some("40")), "the step is kept");
    go_on(&stage, 3);
    go_on(&stage, 0);
    is_at_rest(&stage, "v2", 5);
    assert_eq!(label(&stage), "d");
    // The annotation that the original's webhook reads is refused by name.
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "", "rollouts.kruise.io/rollout-id: '1'"))]);
    stage.run(&["lint"]).ends(65).says("unknown annotation `rollouts.kruise.io/rollout-id`");
}

/// The workload by itself, of a kind that is updated in place.
fn alone(api_version: &str, kind: &str, image: &str) -> String {
    format!(
        "apiVersion: {api_version}
kind: {kind}
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
}

fn by_pods(api_version: &str, kind: &str, annotation: &str) -> String {
    let routing = "      trafficRoutings:\n      - service: echo\n        ingress: {name: echo}\n";
    rollout(&["{replicas: 20%}", "{replicas: 40%}"], "", annotation)
        .replace("      enableExtraWorkloadForCanary: true\n", "")
        .replace(routing, "")
        .replace(
            "apiVersion: apps/v1, kind: Deployment",
            &format!("apiVersion: {api_version}, kind: {kind}"),
        )
}

#[test]
fn what_is_updated_in_place_begins_anew_goes_back_and_follows_its_plan() {
    for (api, kind) in [("apps.kruise.io/v1alpha1", "CloneSet"), ("apps/v1", "StatefulSet")] {
        let stage = Stage::with(&[
            ("rollout.yaml", &by_pods(api, kind, "")),
            ("echo.yaml", &alone(api, kind, "v1")),
        ]);
        stage.apply_wait().ends(0);
        stage.commit(&[("echo.yaml", &alone(api, kind, "v2"))]);
        stage.apply_wait().ends(3);
        assert_eq!(stage.world().ready_pods(), pods(&[("v1", 4), ("v2", 1)]), "{kind}");
        // Of the steps to come another number, while the first one waits.
        let wider = by_pods(api, kind, "").replace("40%", "60%");
        stage.commit(&[("rollout.yaml", &wider)]);
        go_on(&stage, 3);
        assert_eq!(stage.world().ready_pods(), pods(&[("v1", 2), ("v2", 3)]), "{kind}");
        stage.commit(&[("echo.yaml", &alone(api, kind, "v3"))]);
        stage.apply_wait().ends(3);
        assert_eq!(stage.world().ready_pods(), pods(&[("v1", 4), ("v3", 1)]), "{kind}");
        stage.commit(&[("echo.yaml", &alone(api, kind, "v1"))]);
        stage.apply_wait().ends(0);
        assert_eq!(stage.world().all_pods(), pods(&[("v1", 5)]), "{kind}");
    }
}

/// OpenKruise updates a Deployment in place by pausing it and counting its pods,
/// and knows kinds of its own besides. Here a Deployment is tried in a second one,
/// which `enableExtraWorkloadForCanary` says; what has no partition that counts
/// pods has no steps, and goes as a document by itself.
#[test]
fn other_kinds_in_place_differ_by_being_refused_by_name() {
    let stage = Stage::new();
    for (api, kind, why) in [
        ("apps/v1", "Deployment", "enableExtraWorkloadForCanary: true"),
        ("apps/v1", "DaemonSet", "DaemonSet"),
        ("apps.kruise.io/v1beta1", "StatefulSet", "StatefulSet"),
        ("apps.kruise.io/v1alpha1", "DaemonSet", "DaemonSet"),
    ] {
        stage.commit(&[
            ("rollout.yaml", &by_pods(api, kind, "")),
            ("echo.yaml", &alone(api, kind, "v1")),
        ]);
        stage.run(&["lint"]).ends(65).says(why);
    }
}

/// OpenKruise goes back step by step where an annotation says so. Here the way
/// back from the middle is one step that has priority over everything, since what
/// is left is known to be bad. Whoever wants to go back as carefully as forward
/// lets the rollout end, and commits the old revision as the next target.
#[test]
fn a_rollback_in_batches_differs_by_being_a_rollout_of_its_own() {
    let (api, kind) = ("apps.kruise.io/v1alpha1", "CloneSet");
    let noted = by_pods(api, kind, "rollouts.kruise.io/rollback-in-batch: 'true'");
    let stage = Stage::with(&[("rollout.yaml", &noted), ("echo.yaml", &alone(api, kind, "v1"))]);
    stage.run(&["lint"]).ends(65).says("`rollouts.kruise.io/rollback-in-batch` is not supported");
    stage.commit(&[("rollout.yaml", &by_pods(api, kind, ""))]);
    stage.apply_wait().ends(0);
    stage.commit(&[("echo.yaml", &alone(api, kind, "v2"))]);
    stage.apply_wait().ends(3);
    go_on(&stage, 3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 3), ("v2", 2)]));
    stage.commit(&[("echo.yaml", &alone(api, kind, "v1"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 5)]), "at once, from the middle");
    stage.commit(&[("echo.yaml", &alone(api, kind, "v2"))]);
    stage.apply_wait().ends(3);
    go_on(&stage, 3);
    go_on(&stage, 0);
    stage.commit(&[("echo.yaml", &alone(api, kind, "v1"))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 1), ("v2", 4)]), "by steps, from the end");
    go_on(&stage, 3);
    assert_eq!(stage.world().ready_pods(), pods(&[("v1", 2), ("v2", 3)]));
}

/// OpenKruise disables by promoting, and lets the next revision through. Here
/// `disabled` in the middle names no end, and is refused until one is: with
/// `tranche.dev/on-delete: promote` it is what OpenKruise does.
#[test]
fn disabling_in_the_middle_differs_by_asking_for_its_end() {
    let promote = "tranche.dev/on-delete: promote";
    let stage = begun(STEPS, 5, "");
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "  disabled: true\n", ""))]);
    stage.apply().ends(77).says("is disabled now").says("tranche.dev/on-delete");
    assert_eq!(weight(&stage.world()), Some("20"));
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "  disabled: true\n", promote))]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v2", 5);
    stage.commit(&[("echo.yaml", &workload("v3", 5))]);
    stage.apply_wait().ends(0);
    is_at_rest(&stage, "v3", 5);
    stage.commit(&[("rollout.yaml", &rollout(STEPS, "", promote))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.state("echo"), "rolloutSucceed");
}

/// OpenKruise lets an update through ungated where two revisions of the workload
/// run. Here nothing of the new one is made with pods, and no request moved,
/// before the pods of the stable revision serve in full number: it waits, says
/// for which, and goes on once whoever has changed the workload has ended that.
#[test]
fn two_stable_revisions_at_the_start_differ_by_being_waited_for() {
    let stage = at_rest(5);
    let edit = |image: &str, annotations: &Value| {
        let echo = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "echo"},
            "spec": {"selector": {"matchLabels": {"app": "echo"}}, "template": {
                "metadata": {"labels": {"app": "echo"}, "annotations": annotations},
                "spec": {"containers": [
                    {"name": "echo", "image": format!("registry.example/echo:{image}")},
                ]},
            }},
        });
        stage.meddle("/apis/apps/v1/namespaces/default/deployments/echo", &echo);
        stage.pass(30);
    };
    edit("hot", &json!({"sandbox.tranche.dev/ready": "never"}));
    assert_eq!(stage.world().all_pods(), pods(&[("hot", 3), ("v1", 4)]), "two at once");
    stage.commit(&[("echo.yaml", &workload("v2", 5))]);
    stage.run(&["plan"]).says("is owned by \"kubectl\"");
    stage.apply().ends(3).says("Service/default/echo-v1-traffic: 4 of 5 endpoints ready");
    let world = stage.world();
    assert_eq!((canary(&world, 2), weight(&world)), (0, None), "nothing is tried, or moved");
    assert_eq!(world.all_pods().get("v2"), None);
    edit("v1", &json!({}));
    stage.apply_wait().ends(3).says("approve");
    let world = stage.world();
    assert_eq!((canary(&world, 2), weight(&world)), (1, Some("20")));
    assert_eq!(world.ready_pods(), pods(&[("v1", 5), ("v2", 1)]));
}

#[test]
fn somebodys_edit_of_the_second_ingress_stops_the_next_step_by_name() {
    let stage = begun(STEPS, 5, "");
    let second = stage.world().get("Ingress", "echo-canary").unwrap().clone();
    let edited = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "echo-canary", "annotations": {
            "nginx.ingress.kubernetes.io/canary-weight": "77",
        }},
        "spec": second["spec"],
    });
    stage.meddle("/apis/networking.k8s.io/v1/namespaces/default/ingresses/echo-canary", &edited);
    stage.run(&["approve", "echo"]).ends(0);
    stage.apply_wait().ends(77).says("Ingress/default/echo-canary").says("kubectl");
    let world = stage.world();
    assert_eq!(weight(&world), Some("77"), "nobody's edit is overwritten unasked");
    assert_eq!(world.ready_pods()["v1"], 5);
}

#[test]
fn a_second_run_at_a_gate_shows_nothing_and_records_nothing() {
    let stage = begun(STEPS, 5, "");
    let (tip, world) = (stage.tip(), uids(&stage.world()));
    let shown = stage.run(&["plan", "--detailed-exitcode"]).ends(0).says("waits for approval");
    assert!(!shown.out.contains("update "), "{shown}");
    stage.apply_wait().ends(3);
    assert_eq!((stage.tip(), uids(&stage.world())), (tip, world));
}
