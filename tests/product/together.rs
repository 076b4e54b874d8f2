//! Several components that go through the same batches together.

use crate::plans::{APPLICATION, ROLLOUT};
use crate::stage::Stage;
use crate::world::{World, pods};
use serde_json::json;

/// A Deployment of four pods, a StatefulSet of three and a worker of two, as far
/// as they are `wanted`; `never` is a component that never gets ready.
fn shop(tag: &str, wanted: &[&str], never: &str) -> String {
    let mut text = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: shop
  annotations: {app.oam.dev/rollout-template: \"true\"}
spec:
  components:
"
    .to_owned();
    for name in wanted {
        let (kind, replicas) = match *name {
            "web" => ("webservice", 4),
            "db" => ("statefulset", 3),
            "agent" => ("daemon", 0),
            _ => ("worker", 2),
        };
        text.push_str(&format!(
            "  - name: {name}\n    type: {kind}\n    properties: {{image: \"{name}:{tag}\"}}\n    \
             traits:\n    - {{type: labels, properties: {{of: shop}}}}\n"
        ));
        if replicas > 0 {
            text.push_str(&format!(
                "    - {{type: scaler, properties: {{replicas: {replicas}}}}}\n"
            ));
        }
        if *name == never {
            let unready = "sandbox.tranche.dev/ready: never";
            text.push_str(&format!("    - {{type: annotations, properties: {{{unready}}}}}\n"));
        }
    }
    text
}

const ALL: [&str; 3] = ["web", "db", "mail"];

fn rollout(revision: &str, components: &str) -> String {
    let deadline = "tranche.dev/progress-deadline: 1m";
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {{name: shop, annotations: \
         {{{deadline}}}}}\nspec:\n  targetAppRevisionName: {revision}\n  componentList: \
         {components}\n  rolloutPlan:\n    rolloutBatches: [{{replicas: 25%}}, {{replicas: 50%}}, \
         {{replicas: 25%}}]\n"
    )
}

/// `shop-v1` serves with all components.
fn serving() -> Stage {
    let files =
        [(APPLICATION, &*shop("1", &ALL, "")), (ROLLOUT, &*rollout("shop-v1", "[web, db, mail]"))];
    let stage = Stage::with(&files);
    stage.apply_wait().ends(0);
    stage
}

/// Ready pods of a component, old and new.
fn ready(world: &World, name: &str) -> usize {
    let pods = world.of_kind("Pod").filter(|(_, pod)| {
        pod["metadata"]["labels"]["app.oam.dev/component"] == json!(name)
            && pod["status"]["conditions"].as_array().is_some_and(|all| {
                all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
            })
    });
    pods.count()
}

/// How many pods of a component have the second version.
fn moved(world: &World, name: &str) -> usize {
    let image = format!("{name}:2");
    let pods = world.of_kind("Pod").filter(|(_, pod)| {
        pod["spec"]["containers"][0]["image"] == json!(image)
            && pod["metadata"].get("deletionTimestamp").is_none()
    });
    pods.count()
}

#[test]
fn components_are_deployed_and_upgraded_batch_by_batch_together() {
    let stage = serving();
    let world = stage.world();
    assert_eq!(world.sizes("Deployment"), [("mail-v1".into(), 2), ("web-v1".into(), 4)].into());
    assert_eq!(world.sizes("StatefulSet"), [("db".into(), 3)].into());
    assert_eq!(
        stage.batches(),
        ["3 of 9 pods on shop-v1", "8 of 9 pods on shop-v1", "9 of 9 pods on shop-v1"],
        "1 of 4, 1 of 3 and 1 of 2; then 3, 3 and 2 of them; then the rest"
    );
    let from = stage.history().len() - 1;
    stage.commit(&[
        (APPLICATION, &shop("2", &ALL, "")),
        (ROLLOUT, &rollout("shop-v2", "[web, db, mail]")),
    ]);
    stage.run(&["plan"]).ends(0).says("at least 7 pods stay ready");
    stage.apply_wait().ends(0);
    let status = &stage.rollout("shop")["status"];
    assert_eq!(status["rollingState"], "rolloutSucceed");
    assert_eq!(status["rolloutOriginalSize"], 9);
    assert_eq!(status["rolloutTargetSize"], 9);
    assert_eq!(status["upgradedReplicas"], 9);
    assert_eq!(status["upgradedReadyReplicas"], 9);
    let world = stage.world();
    assert_eq!(world.sizes("Deployment"), [("mail-v2".into(), 2), ("web-v2".into(), 4)].into());
    assert_eq!(world.all_pods(), pods(&[("2", 9)]));
    let after = stage.history().split_off(from);
    for (name, floor) in [("web", 4), ("db", 1), ("mail", 2)] {
        let lowest = after.iter().map(|world| ready(world, name)).min().unwrap();
        assert!(lowest >= floor, "{name} had {lowest} ready pods");
    }
    // Nobody is in a later batch before everybody is through the one before.
    for world in &after {
        let [web, db, mail] = ALL.map(|name| moved(world, name));
        let (first, second) = (web >= 1 && db >= 1 && mail >= 1, web >= 3 && db >= 3 && mail >= 2);
        assert!(first || (web <= 1 && db <= 1 && mail <= 1), "{web} {db} {mail}");
        assert!(second || (web <= 3 && db <= 3 && mail <= 2), "{web} {db} {mail}");
    }
    stage.record_is_whole();
}

#[test]
fn one_component_that_fails_takes_all_of_them_back() {
    let stage = serving();
    stage.commit(&[
        (APPLICATION, &shop("2", &ALL, "mail")),
        (ROLLOUT, &rollout("shop-v2", "[web, db, mail]")),
    ]);
    stage.apply_wait().ends(4).says("mail-v2");
    let world = stage.world();
    assert_eq!(world.sizes("Deployment"), [("mail-v1".into(), 2), ("web-v1".into(), 4)].into());
    assert_eq!(world.ready_pods(), pods(&[("1", 9)]));
    assert_eq!(stage.state("shop"), "rolloutFailed");
    stage.apply().ends(4);
    stage.record_is_whole();
}

#[test]
fn an_abort_half_way_brings_each_component_back_to_its_size() {
    let stage = serving();
    let paused = rollout("shop-v2", "[web, db, mail]") + "    batchPartition: 1\n";
    stage.commit(&[(APPLICATION, &shop("2", &ALL, "")), (ROLLOUT, &paused)]);
    stage.apply_wait().ends(3);
    let world = stage.world();
    assert_eq!(ALL.map(|name| moved(&world, name)), [3, 3, 2]);
    let from = stage.history().len() - 1;
    stage.run(&["abort", "shop"]).ends(0);
    stage.apply_wait().ends(4);
    let world = stage.world();
    assert_eq!(world.sizes("Deployment"), [("mail-v1".into(), 2), ("web-v1".into(), 4)].into());
    assert_eq!(world.ready_pods(), pods(&[("1", 9)]));
    let after = stage.history().split_off(from);
    let lowest = |name| after.iter().map(|world| ready(world, name)).min().unwrap();
    assert_eq!((lowest("web"), lowest("mail")), (4, 2));
    stage.record_is_whole();
}

#[test]
fn a_new_component_joins_the_batches_of_the_others() {
    let stage = Stage::with(&[
        (APPLICATION, &*shop("1", &["web"], "")),
        (ROLLOUT, &*rollout("shop-v1", "[web]")),
    ]);
    stage.apply_wait().ends(0);
    stage.commit(&[
        (APPLICATION, &shop("2", &["web", "mail"], "")),
        (ROLLOUT, &(rollout("shop-v2", "[web, mail]") + "    batchPartition: 0\n")),
    ]);
    stage.apply_wait().ends(3);
    assert_eq!(["web", "mail"].map(|name| moved(&stage.world(), name)), [1, 1]);
    stage.run(&["abort", "shop"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".into(), 4)].into());
    stage.commit(&[(ROLLOUT, &rollout("shop-v2", "[web, mail]"))]);
    stage.run(&["retry", "shop"]).ends(0);
    stage.apply_wait().ends(0);
    let sizes = stage.world().sizes("Deployment");
    assert_eq!(sizes, [("mail-v2".into(), 2), ("web-v2".into(), 4)].into());
    stage.record_is_whole();
}

#[test]
fn a_revert_while_a_component_joins_keeps_the_sizes_of_the_others() {
    let stage = Stage::with(&[
        (APPLICATION, &*shop("1", &["web", "db"], "")),
        (ROLLOUT, &*rollout("shop-v1", "[web, db]")),
    ]);
    stage.apply_wait().ends(0);
    stage.commit(&[
        (APPLICATION, &shop("2", &["web", "mail", "db"], "")),
        (ROLLOUT, &(rollout("shop-v2", "[web, mail, db]") + "    batchPartition: 0\n")),
    ]);
    stage.apply_wait().ends(3);
    stage.commit(&[
        (APPLICATION, &shop("1", &["web", "db"], "")),
        (ROLLOUT, &rollout("shop-v1", "[web, db]")),
    ]);
    stage.apply_wait().ends(0);
    stage.apply_wait().ends(0);
    let world = stage.world();
    assert_eq!(world.sizes("Deployment"), [("web-v1".into(), 4)].into());
    assert_eq!(world.sizes("StatefulSet"), [("db".into(), 3)].into());
    assert_eq!(world.ready_pods(), pods(&[("1", 7)]));
    assert_eq!(stage.rollout("shop")["status"]["rolloutTargetSize"], 7);
    stage.record_is_whole();
}

#[test]
fn what_runs_as_it_stands_does_not_become_a_part_of_a_rollout_in_silence() {
    let stage = Stage::with(&[
        (APPLICATION, &*shop("1", &["web", "mail"], "")),
        (ROLLOUT, &*rollout("shop-v1", "[web]")),
    ]);
    stage.apply_wait().ends(0);
    stage.commit(&[
        (APPLICATION, &shop("2", &["web", "mail"], "")),
        (ROLLOUT, &rollout("shop-v2", "[web, mail]")),
    ]);
    let told = "component mail runs as Deployment/default/mail so far, applied as it stands";
    stage.apply_wait().ends(65).says(told).says("take it out of `componentList`");
    let stage = serving();
    stage.commit(&[
        (APPLICATION, &shop("2", &ALL, "")),
        (ROLLOUT, &rollout("shop-v2", "[web, db]")),
    ]);
    let told = "component mail is rolled together with web by now";
    stage.apply_wait().ends(65).says(told).says("leave it in `componentList`");
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 9)]));
}

#[test]
fn the_annotation_of_the_application_names_them_as_well() {
    let rolling = "app.oam.dev/rolling-components: \"web,mail\"";
    let application = |tag: &str| {
        shop(tag, &ALL, "").replace(
            "rollout-template: \"true\"",
            &format!("rollout-template: \"true\", {rolling}"),
        )
    };
    let listed = |revision: &str| rollout(revision, "[]").replace("  componentList: []\n", "");
    let stage = Stage::with(&[(APPLICATION, &*application("1")), (ROLLOUT, &*listed("shop-v1"))]);
    stage.apply_wait().ends(0);
    assert_eq!(
        stage.world().sizes("Deployment"),
        [("mail-v1".into(), 2), ("web-v1".into(), 4)].into()
    );
    let unknown = application("2").replace("web,mail", "web,mial");
    stage.commit(&[(APPLICATION, &unknown)]);
    stage.apply().ends(65).says("names no component: `mial`");
    let strategy = "  strategy: {canary: {steps: [{weight: 25}]}}\n";
    stage.commit(&[
        (APPLICATION, &application("2")),
        (
            ROLLOUT,
            &(listed("shop-v2")
                .split("  rolloutPlan")
                .next()
                .unwrap()
                .replace("core.oam.dev/v1beta1", "tranche.dev/v1alpha1")
                + strategy),
        ),
    ]);
    stage.apply().ends(65).says("several components at once go through batches only");
}

#[test]
fn a_lost_record_of_several_components_is_found_finished_or_left_undecided() {
    let stage = serving();
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("finished, 9 pods on shop-v1");
    stage.apply().ends(0);
    stage.commit(&[
        (APPLICATION, &shop("2", &ALL, "")),
        (ROLLOUT, &(rollout("shop-v2", "[web, db, mail]") + "    batchPartition: 0\n")),
    ]);
    stage.apply_wait().ends(3);
    let before = stage.world().all_pods();
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("cannot be told");
    stage.apply().ends(77).says("shop is frozen");
    assert_eq!(stage.world().all_pods(), before);
}

/// A Deployment of four pods and a program on each of the five nodes.
const ON_NODES: [&str; 2] = ["web", "agent"];

#[test]
fn pods_on_nodes_are_counted_once_they_stand_and_are_no_pods_of_others() {
    let stage = Stage::with(&[
        (APPLICATION, &*shop("1", &ON_NODES, "")),
        (ROLLOUT, &*rollout("shop-v1", "[web, agent]")),
    ]);
    stage.apply_wait().ends(0);
    stage.run(&["status"]).ends(0).says("9 of 9 pods upgraded, 9 ready");
    // Mended it has the size that it was given.
    stage.destroy("/apis/apps/v1/namespaces/default/deployments/web-v1");
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".into(), 4)].into());
    stage.run(&["status"]).ends(0).says("9 of 9 pods upgraded, 9 ready");
    stage.commit(&[
        (APPLICATION, &shop("2", &ON_NODES, "")),
        (ROLLOUT, &rollout("shop-v2", "[web, agent]")),
    ]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("2", 9)]));
    assert_eq!(stage.world().sizes("Deployment"), [("web-v2".into(), 4)].into());
    stage.run(&["status"]).ends(0).says("9 of 9 pods upgraded, 9 ready");
    stage.record_is_whole();
}

/// How many nodes there are is no part of what was reviewed.
#[test]
fn a_reviewed_first_deploy_goes_on_batch_by_batch_though_its_nodes_are_counted_by_then() {
    let stage = Stage::with(&[
        (APPLICATION, &*shop("1", &ON_NODES, "")),
        (ROLLOUT, &*(rollout("shop-v1", "[web, agent]") + "    batchPartition: 0\n")),
    ]);
    stage.run(&["plan", "--out", "plan.json"]).ends(0);
    let reviewed = ["apply", "--plan", "plan.json", "--wait", "10m"];
    stage.run(&reviewed).ends(3).says("batchPartition is 0");
    stage.run(&["status"]).ends(0).says("of 9 pods upgraded");
    stage.commit(&[(ROLLOUT, &rollout("shop-v1", "[web, agent]"))]);
    stage.run(&reviewed).ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("1", 9)]));
}

#[test]
fn nodes_that_have_left_hold_up_no_new_target_while_another_component_is_mended() {
    let slow =
        |tag: &str| shop(tag, &ON_NODES, "web").replace("sandbox.tranche.dev/ready: never", SLOW);
    const SLOW: &str = "sandbox.tranche.dev/ready-after: 45s";
    let stage = Stage::with(&[
        (APPLICATION, &*shop("1", &ON_NODES, "")),
        (ROLLOUT, &*rollout("shop-v1", "[web, agent]")),
    ]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &slow("2")), (ROLLOUT, &rollout("shop-v2", "[web, agent]"))]);
    stage.apply_wait().ends(0);
    // Four of five nodes are as good as gone.
    let only = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
        "spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "node-1"}}}}});
    stage.meddle("/apis/apps/v1/namespaces/default/daemonsets/agent", &only);
    stage.destroy("/apis/apps/v1/namespaces/default/deployments/web-v2");
    stage.apply().ends(3);
    assert_eq!(stage.rollout("shop")["attempt"], 2, "it is mended");
    assert_eq!(stage.world().sizes("Deployment"), [("web-v2".into(), 4)].into());
    stage.commit(&[(APPLICATION, &slow("3")), (ROLLOUT, &rollout("shop-v3", "[web, agent]"))]);
    stage.apply().ends(3);
    assert_eq!(stage.rollout("shop")["attempt"], 3, "the new target has begun");
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v3".into(), 4)].into());
    stage.record_is_whole();
}

#[test]
fn nodes_that_join_or_leave_between_two_batches_begin_nothing_anew() {
    let agent = "/apis/apps/v1/namespaces/default/daemonsets/agent";
    let on = |spec: serde_json::Value| {
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
            "spec": {"template": {"spec": spec}}})
    };
    let one = on(json!({"nodeSelector": {"kubernetes.io/hostname": "node-1"}}));
    let all = on(json!({}));
    for (before, after, pods_at_last) in [(&all, &one, 5), (&one, &all, 9)] {
        let stage = Stage::with(&[
            (APPLICATION, &*shop("1", &ON_NODES, "")),
            (ROLLOUT, &*rollout("shop-v1", "[web, agent]")),
        ]);
        stage.apply_wait().ends(0);
        stage.meddle(agent, before);
        stage.apply_wait().ends(0);
        let held = rollout("shop-v2", "[web, agent]") + "    batchPartition: 0\n";
        stage.commit(&[(APPLICATION, &shop("2", &ON_NODES, "")), (ROLLOUT, &held)]);
        stage.apply_wait().ends(3);
        stage.meddle(agent, after);
        stage.apply_wait().ends(3);
        stage.commit(&[(ROLLOUT, &rollout("shop-v2", "[web, agent]"))]);
        stage.apply_wait().ends(0);
        assert_eq!(stage.rollout("shop")["attempt"], 2);
        assert_eq!(stage.world().all_pods(), pods(&[("2", pods_at_last)]));
        stage.record_is_whole();
    }
}
