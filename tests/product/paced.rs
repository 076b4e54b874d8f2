//! Pods of a batch that follow each other one by one, and batches that name
//! their pods.

use crate::pair::{lowest, serving};
use crate::plans::{APPLICATION, ROLLOUT, web};
use crate::stage::Stage;
use crate::world::pods;
use jiff::Timestamp;
use serde_json::json;

/// The way to `web-v2` in batches of two pods, those of the first 30 s apart.
const PACED: &str = "apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata: {name: web}
spec:
  targetAppRevisionName: web-v2
  rolloutPlan:
    rolloutBatches: [{replicas: 2, instanceInterval: 30}, {replicas: 2}]
";

/// When the pods of an image were made, in order.
fn made(stage: &Stage, image: &str) -> Vec<Timestamp> {
    let world = stage.world();
    let pods = world.of_kind("Pod").map(|(_, pod)| pod);
    let pods = pods.filter(|pod| pod["spec"]["containers"][0]["image"] == json!(image));
    let instant = |pod: &serde_json::Value| {
        pod["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap()
    };
    let mut all: Vec<Timestamp> = pods.map(instant).collect();
    all.sort();
    all
}

#[test]
fn pods_of_a_batch_follow_each_other_by_its_interval() {
    let stage = serving();
    let (from, sizes) = (stage.history().len() - 1, stage.deployment_sizes().len());
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, PACED)]);
    stage.apply_wait().ends(0);
    let pairs = [(4, 0), (4, 1), (3, 1), (3, 2), (2, 2), (2, 4), (0, 4)];
    let mut expected: Vec<_> =
        pairs.iter().map(|(old, new)| json!({"web-v1": old, "web-v2": new})).collect();
    expected.push(json!({"web-v2": 4}));
    assert_eq!(stage.deployment_sizes()[sizes..], expected);
    assert_eq!(lowest(&stage, from), 4);
    let made = made(&stage, "stefanprodan/podinfo:6.7.1");
    let apart = |at: usize| made[at].duration_since(made[at - 1]).as_secs();
    assert!(apart(1) >= 30, "{made:?}");
    assert!(apart(2) < 30, "no wait behind the last pod of a batch: {made:?}");
    assert_eq!(apart(3), 0, "the second batch has no interval");
    stage.record_is_whole();
}

#[test]
fn an_interval_goes_on_over_short_runs() {
    let stage = serving();
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, PACED)]);
    let mut runs = 0;
    while stage.apply().code == 3 {
        runs += 1;
        assert!(runs < 9, "each run begins the interval anew");
    }
    assert!(runs > 1, "an interval is longer than a round");
    assert!(stage.subjects("waiting").iter().any(|said| said.contains("before the next pod")));
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    let made = made(&stage, "stefanprodan/podinfo:6.7.1");
    assert!(made[1].duration_since(made[0]).as_secs() >= 30, "{made:?}");
    stage.record_is_whole();
}

/// A StatefulSet of four, with an embedded plan.
fn database(tag: &str, batches: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: db}}
spec:
  components:
    - name: db
      type: statefulset
      properties: {{image: \"db:{tag}\", ports: [{{port: 5432}}]}}
      traits:
        - {{type: scaler, properties: {{replicas: 4}}}}
  rolloutPlan:
    rolloutBatches: {batches}
"
    )
}

#[test]
fn a_statefulset_is_moved_by_the_names_of_its_pods() {
    let stage = Stage::with(&[(APPLICATION, &database("1", "[{replicas: 4}]"))]);
    stage.apply_wait().ends(0);
    let tip = stage.tip();
    let wrong = "[{podList: [db-0]}, {podList: [db-2, db-1]}, {}]";
    stage.commit(&[(APPLICATION, &database("2", wrong))]);
    stage.apply_wait().ends(65).says("rolloutBatches[0].podList").says("that would be db-3");
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 4)]), "since {tip}");
    let right = "[{podList: [db-3], instanceInterval: 5}, {podList: [db-1, db-2], \
                 instanceInterval: 5}, {}]";
    stage.commit(&[(APPLICATION, &database("2", right))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("2", 4)]));
    let partitions = stage.history().into_iter().filter_map(|world| {
        let set = world.get("StatefulSet", "db")?;
        set["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_u64()
    });
    let mut partitions: Vec<u64> = partitions.skip_while(|partition| *partition < 4).collect();
    partitions.dedup();
    assert_eq!(partitions, [4, 3, 2, 1, 0], "one by one");
    stage.record_is_whole();
}

#[test]
fn pods_of_a_deployment_cannot_be_named() {
    let stage = serving();
    let named = PACED.replace("{replicas: 2, instanceInterval: 30}", "{podList: [web-a, web-b]}");
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &named)]);
    stage.apply_wait().ends(65).says("podList").says("names pods of a Deployment");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    let both = PACED.replace("instanceInterval: 30", "podList: [web-a, web-b]");
    stage.commit(&[(ROLLOUT, &both)]);
    stage.apply_wait().ends(65).says("has both podList and replicas");
}
