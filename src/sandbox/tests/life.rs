//! Workloads through their life.

use super::*;
use crate::sandbox::fields::int;

fn counts(bench: &Bench, path: &str, fields: [&str; 3]) -> [i64; 3] {
    let object = bench.get(path);
    fields.map(|field| int(&object, &format!("/status/{field}"), 0))
}

const ROLLED: [&str; 3] = ["replicas", "updatedReplicas", "availableReplicas"];

#[test]
fn a_deployment_starts_scales_and_rolls_within_its_bounds() {
    let bench = Bench::new();
    bench.apply(DEPLOYMENT, &deployment(4, "web:1"));
    assert_eq!(counts(&bench, DEPLOYMENT, ROLLED), [4, 4, 0]);
    assert_eq!(bench.sandbox.next_event().unwrap().unwrap().to_string(), "2026-01-01T00:00:01Z");
    bench.pass(2);
    assert_eq!(counts(&bench, DEPLOYMENT, ROLLED), [4, 4, 4]);
    bench.apply(DEPLOYMENT, &deployment(4, "web:2"));
    for _ in 0..30 {
        let [total, _, available] = counts(&bench, DEPLOYMENT, ROLLED);
        assert!(total <= 5 && available >= 3, "{total} pods, {available} available");
        bench.pass(1);
    }
    assert_eq!(counts(&bench, DEPLOYMENT, ROLLED), [4, 4, 4]);
    let live = bench.get(DEPLOYMENT);
    assert_eq!(live["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    assert_eq!(live["status"]["conditions"][1]["reason"], "NewReplicaSetAvailable");
    assert!(bench.items(PODS).iter().all(|p| p["spec"]["containers"][0]["image"] == "web:2"));
    bench.apply(DEPLOYMENT, &deployment(0, "web:2"));
    bench.pass(2);
    assert!(bench.items(PODS).is_empty());
}

#[test]
fn a_paused_deployment_scales_and_does_not_roll() {
    let bench = Bench::new();
    bench.apply(DEPLOYMENT, &deployment(2, "web:1"));
    bench.pass(3);
    let mut body = deployment(3, "web:2");
    body["spec"]["paused"] = json!(true);
    bench.apply(DEPLOYMENT, &body);
    bench.pass(5);
    assert_eq!(counts(&bench, DEPLOYMENT, ROLLED), [3, 0, 3]);
    bench.apply(DEPLOYMENT, &deployment(3, "web:2"));
    bench.pass(20);
    assert_eq!(counts(&bench, DEPLOYMENT, ROLLED), [3, 3, 3]);
}

#[test]
fn a_deployment_that_never_gets_ready_exceeds_its_deadline() {
    let bench = Bench::new();
    let mut body = deployment(2, "web:1");
    body["spec"]["progressDeadlineSeconds"] = json!(30);
    bench.apply(DEPLOYMENT, &body);
    bench.pass(5);
    body["spec"]["template"] = template("web:2");
    body["spec"]["template"]["metadata"]["annotations"] =
        json!({"sandbox.tranche.dev/ready": "never"});
    bench.apply(DEPLOYMENT, &body);
    bench.pass(29);
    let reason = |bench: &Bench| bench.get(DEPLOYMENT)["status"]["conditions"][1]["reason"].clone();
    assert_eq!(reason(&bench), "ReplicaSetUpdated");
    bench.pass(5);
    assert_eq!(reason(&bench), "ProgressDeadlineExceeded");
    assert_eq!(counts(&bench, DEPLOYMENT, ROLLED), [3, 1, 2]);
}

#[test]
fn recreate_ends_the_old_pods_before_it_starts_new_ones() {
    let bench = Bench::new();
    let mut body = deployment(2, "web:1");
    body["spec"]["strategy"] = json!({"type": "Recreate"});
    bench.apply(DEPLOYMENT, &body);
    bench.pass(3);
    body["spec"]["template"] = template("web:2");
    bench.apply(DEPLOYMENT, &body);
    assert!(bench.items(PODS).iter().all(|p| p["spec"]["containers"][0]["image"] == "web:1"));
    bench.pass(1);
    assert_eq!(bench.items(PODS).len(), 2);
    assert!(bench.items(PODS).iter().all(|p| p["spec"]["containers"][0]["image"] == "web:2"));
    bench.pass(2);
    assert_eq!(counts(&bench, DEPLOYMENT, ROLLED), [2, 2, 2]);
}

const CLONED: [&str; 3] = ["replicas", "updatedReplicas", "updatedReadyReplicas"];

#[test]
fn a_cloneset_goes_as_far_as_its_partition_and_scales_with_the_right_mix() {
    let bench = Bench::new();
    bench.apply(CLONESET, &cloneset(5, "web:1", json!({"partition": 0})));
    bench.pass(3);
    bench.apply(CLONESET, &cloneset(5, "web:2", json!({"partition": 3})));
    bench.pass(20);
    assert_eq!(counts(&bench, CLONESET, CLONED), [5, 2, 2]);
    let live = bench.get(CLONESET);
    assert_ne!(live["status"]["currentRevision"], live["status"]["updateRevision"]);
    bench.apply(CLONESET, &cloneset(8, "web:2", json!({"partition": 4})));
    bench.pass(5);
    assert_eq!(counts(&bench, CLONESET, CLONED), [8, 4, 4]);
    bench.apply(CLONESET, &cloneset(8, "web:2", json!({"partition": "0%"})));
    bench.pass(40);
    assert_eq!(counts(&bench, CLONESET, CLONED), [8, 8, 8]);
    let live = bench.get(CLONESET);
    assert_eq!(live["status"]["currentRevision"], live["status"]["updateRevision"]);
}

#[test]
fn in_place_keeps_names_and_uids_and_pause_stops_the_update() {
    let bench = Bench::new();
    let strategy = |paused: bool| json!({"type": "InPlaceIfPossible", "partition": 0, "maxUnavailable": 1, "paused": paused});
    bench.apply(CLONESET, &cloneset(3, "web:1", strategy(false)));
    bench.pass(3);
    let names = |bench: &Bench| -> Vec<(Value, Value)> {
        let pods = bench.items(PODS);
        pods.iter().map(|p| (p["metadata"]["name"].clone(), p["metadata"]["uid"].clone())).collect()
    };
    let before = names(&bench);
    bench.apply(CLONESET, &cloneset(3, "web:2", strategy(true)));
    bench.pass(20);
    assert_eq!(counts(&bench, CLONESET, CLONED), [3, 0, 0]);
    bench.apply(CLONESET, &cloneset(3, "web:2", strategy(false)));
    assert_eq!(counts(&bench, CLONESET, CLONED), [3, 1, 0], "one at a time");
    bench.pass(20);
    assert_eq!(counts(&bench, CLONESET, CLONED), [3, 3, 3]);
    assert_eq!(names(&bench), before);
}

#[test]
fn pods_crash_back_off_and_the_first_ones_fail_if_told_to() {
    let bench = Bench::new();
    let mut body = cloneset(1, "web:1", json!({"partition": 0}));
    body["spec"]["template"]["metadata"]["annotations"] =
        json!({"sandbox.tranche.dev/crash-after": "10s"});
    bench.apply(CLONESET, &body);
    bench.pass(10);
    assert_eq!(counts(&bench, CLONESET, CLONED), [1, 1, 1]);
    bench.pass(1);
    assert_eq!(counts(&bench, CLONESET, CLONED), [1, 1, 0]);
    bench.pass(11);
    let pod = &bench.items(PODS)[0];
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 1);
    assert_eq!(counts(&bench, CLONESET, CLONED), [1, 1, 1]);
    let mut body = deployment(3, "api:1");
    body["spec"]["template"]["metadata"]["annotations"] =
        json!({"sandbox.tranche.dev/fail-pods": "1"});
    bench.apply(DEPLOYMENT, &body);
    bench.pass(60);
    assert_eq!(counts(&bench, DEPLOYMENT, ROLLED), [3, 3, 2]);
}
