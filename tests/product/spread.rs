//! Canaries without a route: the share of traffic is the share of pods.

use crate::pair::lowest;
use crate::plans::{APPLICATION, ROLLOUT, web};
use crate::stage::{RECORD, Stage};
use crate::world::pods;
use serde_json::Value;

/// A canary of 20% and 60%, and what is left; `more` are lines of its spec.
fn canary(revision: &str, more: &[&str]) -> String {
    with_lines(revision, &[STEPS], more)
}

fn with_lines(revision: &str, lines: &[&str], more: &[&str]) -> String {
    let mut text = format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata:
  name: web
  annotations: {{tranche.dev/progress-deadline: 60s}}
spec:
  targetAppRevisionName: {revision}
  strategy:
    canary:
"
    );
    for line in lines {
        text.push_str(&format!("      {line}\n"));
    }
    for line in more {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

const STEPS: &str = "steps: [{weight: 20}, {weight: 60}]";
const SLOW: [(&str, &str); 1] = [("sandbox.tranche.dev/ready-after", "25s")];
const NEVER: [(&str, &str); 1] = [("sandbox.tranche.dev/ready", "never")];

/// `web-v1` serves with so many pods.
fn serving(size: u32, annotations: &[(&str, &str)]) -> Stage {
    let stage = Stage::with(&[
        (APPLICATION, &web("6.7.0", size, annotations)),
        (ROLLOUT, &canary("web-v1", &[])),
    ]);
    stage.apply_wait().ends(0);
    stage
}

fn hold_after(stage: &Stage, size: u32, partition: &str) {
    let held = canary("web-v2", &[&format!("rolloutPlan: {{batchPartition: {partition}}}")]);
    stage.commit(&[(APPLICATION, &web("6.7.1", size, &[])), (ROLLOUT, &held)]);
    stage.apply_wait().ends(3).says("batchPartition");
}

/// The sizes of both workloads from some number of them on, as `old/new`.
fn way(stage: &Stage, from: usize) -> String {
    let size =
        |sizes: &Value, name: &str| sizes[name].as_u64().map_or("-".to_owned(), |n| n.to_string());
    let told = |sizes: &Value| format!("{}/{}", size(sizes, "web-v1"), size(sizes, "web-v2"));
    stage.deployment_sizes()[from..].iter().map(told).collect::<Vec<_>>().join(" ")
}

/// Where the way back began, as the record has it.
fn back_from(stage: &Stage) -> Option<String> {
    let repository = stage.repository();
    let tree = repository.find_reference(RECORD).unwrap().peel_to_tree().unwrap();
    let entry = tree.get_path(std::path::Path::new("rollouts/default/web.yaml")).unwrap();
    let blob = repository.find_blob(entry.id()).unwrap();
    let text = String::from_utf8(blob.content().to_vec()).unwrap();
    let (_, after) = text.split_once("backFrom:\n")?;
    let mut pods: Vec<&str> = after.lines().take(2).map(str::trim).collect();
    pods.sort_unstable();
    Some(pods.join(", "))
}

/// At no instant were there more pods, or fewer ready ones.
#[track_caller]
fn within(stage: &Stage, from: usize, most: usize, least: usize) {
    assert!(lowest(stage, from) >= least, "{} ready", lowest(stage, from));
    for world in &stage.history()[from..] {
        let all: usize = world.all_pods().values().sum();
        assert!(all <= most, "{all} pods: {:?}", world.sizes("Deployment"));
    }
}

#[test]
fn pods_are_shared_out_as_the_weights_say() {
    for (size, most, expected) in [
        (5, 7, "5/0 5/1 4/1 4/3 3/3 2/3 2/5 1/5 0/5 -/5"),
        (10, 13, "10/0 10/2 8/2 8/5 6/5 6/6 4/6 4/9 2/9 2/10 0/10 -/10"),
    ] {
        let stage = serving(size, &[]);
        let (sizes, from) = (stage.deployment_sizes().len(), stage.history().len() - 1);
        let rollout = canary("web-v2", &[]);
        stage.commit(&[(APPLICATION, &web("6.7.1", size, &[])), (ROLLOUT, &rollout)]);
        stage
            .run(&["plan"])
            .ends(0)
            .says(&format!("at least {} pods stay ready throughout", size - size / 4))
            .says("batch 3 ");
        stage.apply_wait().ends(0);
        assert_eq!(way(&stage, sizes), expected);
        within(&stage, from, most, usize::try_from(size).unwrap());
        assert_eq!(stage.state("web"), "rolloutSucceed");
        let done = [size / 5, size * 3 / 5, size].map(|n| format!("{n} of {size} pods on web-v2"));
        assert_eq!(stage.batches()[1..], done);
        stage.record_is_whole();
        let tip = stage.tip();
        stage.apply_wait().ends(0);
        assert_eq!(stage.tip(), tip, "idle");
    }
}

#[test]
fn the_plan_names_each_pass() {
    let stage = serving(5, &[]);
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 5, &[])),
        (ROLLOUT, &with_lines("web-v2", &["maxSurge: 1", "maxUnavailable: 0", STEPS], &[])),
    ]);
    let plan = stage.run(&["plan"]).ends(0).out;
    let lines = plan.lines().map(str::trim).filter(|line| line.starts_with("scale "));
    let lines: Vec<&str> =
        lines.filter_map(|line| line.strip_prefix("scale Deployment/default/")).collect();
    assert_eq!(
        lines,
        [
            "web-v2 to 1",
            "web-v1 to 4",
            "web-v2 to 2",
            "web-v1 to 3",
            "web-v2 to 3",
            "web-v1 to 2",
            "web-v2 to 4",
            "web-v1 to 1",
            "web-v2 to 5",
            "web-v1 to 0",
        ]
    );
    assert!(!plan.contains("stay ready throughout"), "no pod is ever missing: {plan}");
}

#[test]
fn without_a_surge_old_pods_go_first() {
    let stage = serving(4, &[]);
    let (sizes, from) = (stage.deployment_sizes().len(), stage.history().len() - 1);
    let lines = ["maxSurge: 0", "steps: [{weight: 50}]"];
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &with_lines("web-v2", &lines, &[])),
    ]);
    stage.run(&["plan"]).ends(0).says("at least 3 pods stay ready throughout");
    stage.apply_wait().ends(0);
    assert_eq!(way(&stage, sizes), "4/0 3/0 3/1 2/1 2/2 1/2 1/3 0/3 0/4 -/4");
    within(&stage, from, 4, 3);
}

#[test]
fn a_hold_shares_traffic_by_the_numbers_of_pods() {
    let stage = serving(5, &[]);
    hold_after(&stage, 5, "0");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4), ("6.7.1", 1)]));
    let slices: Vec<usize> = stage
        .world()
        .of_kind("EndpointSlice")
        .map(|(_, slice)| slice["endpoints"].as_array().unwrap().len())
        .collect();
    assert_eq!(slices, [5], "one Service reaches both");
    // What a later step is may change; what was done, and within which bounds,
    // may not.
    let edited = |lines: &[&str]| stage.commit(&[(ROLLOUT, &with_lines("web-v2", lines, &[]))]);
    edited(&["maxSurge: 0", STEPS]);
    stage.apply().ends(65).says("within other bounds");
    edited(&["steps: [{weight: 25}, {weight: 60}]"]);
    stage.apply().ends(65).says("by other weights in steps that are done");
    edited(&["steps: [{weight: 20, replicas: 1}, {weight: 60}]"]);
    stage.apply().ends(65).says("in steps that are done");
    edited(&["steps: [{weight: 20}, {weight: 40}, {weight: 60}]"]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 5)]));
    stage.record_is_whole();
}

#[test]
fn an_abort_in_the_middle_goes_back_as_carefully() {
    let stage = serving(10, &[]);
    hold_after(&stage, 10, "1");
    let (sizes, from) = (stage.deployment_sizes().len(), stage.history().len() - 1);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4).says("tranche retry web");
    assert_eq!(way(&stage, sizes - 1), "4/6 7/6 7/4 9/4 9/1 10/1 10/0 10/-");
    within(&stage, from, 13, 8);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 10)]));
    assert_eq!(back_from(&stage), None);
    stage.record_is_whole();
}

/// The way back to slow pods, open and waiting.
fn going_back() -> Stage {
    let stage = serving(10, &SLOW);
    hold_after(&stage, 10, "1");
    stage.run(&["abort", "web"]).ends(0);
    stage.apply().ends(3);
    assert_eq!(back_from(&stage).as_deref(), Some("new: 6, old: 4"));
    stage
}

#[test]
fn a_way_back_goes_on_over_many_runs() {
    let stage = going_back();
    let sizes = stage.deployment_sizes().len();
    let from = stage.history().len() - 1;
    let mut runs = 0;
    while back_from(&stage).is_some() {
        runs += 1;
        assert!(runs < 60, "it never ends");
        stage.apply();
    }
    assert!(runs > 2, "one run did it all");
    assert_eq!(way(&stage, sizes - 1), "7/6 7/4 9/4 9/1 10/1 10/0 10/-");
    within(&stage, from, 13, 8);
    stage.apply().ends(4);
    stage.record_is_whole();
}

#[test]
fn a_way_back_is_recognised_where_the_record_is_lost() {
    let stage = going_back();
    stage.repository().find_reference(RECORD).unwrap().delete().unwrap();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("the way back from web-v2");
    assert_eq!(back_from(&stage).as_deref(), Some("new: 6, old: 4"));
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 10)]));
}

/// In the middle of a step too: here all pods that there may be are there, so
/// new ones go first.
#[test]
fn a_way_back_begins_at_what_stands() {
    let stage = serving(10, &[]);
    stage.commit(&[(APPLICATION, &web("6.7.1", 10, &SLOW)), (ROLLOUT, &canary("web-v2", &[]))]);
    let mut runs = 0;
    while stage.world().sizes("Deployment").get("web-v2") != Some(&5) {
        runs += 1;
        assert!(runs < 60, "it never gets there");
        stage.apply().ends(3);
    }
    let (sizes, from) = (stage.deployment_sizes().len(), stage.history().len() - 1);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(way(&stage, sizes - 1), "8/5 8/0 10/0 10/-");
    within(&stage, from, 13, 8);
    stage.record_is_whole();
}

#[test]
fn pods_that_never_get_ready_bring_the_old_ones_back() {
    let stage = serving(10, &[]);
    let (sizes, from) = (stage.deployment_sizes().len(), stage.history().len() - 1);
    let rollout = canary("web-v2", &[]);
    stage.commit(&[(APPLICATION, &web("6.7.1", 10, &NEVER)), (ROLLOUT, &rollout)]);
    stage.apply_wait().ends(4).says("web-v2");
    assert_eq!(way(&stage, sizes), "10/0 10/2 10/0 10/-");
    within(&stage, from, 13, 10);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 10)]));
    assert_eq!(
        stage.subjects("result")[1..],
        ["web: batch 1/3 failed, not ready in time", "web: back to web-v1 done, rolloutFailed"]
    );
    stage.record_is_whole();
}

#[test]
fn a_rebuilt_cluster_gets_both_sides_back() {
    let stage = serving(5, &[]);
    hold_after(&stage, 5, "1");
    let ready = stage.world().ready_pods();
    assert_eq!(ready, pods(&[("6.7.0", 2), ("6.7.1", 3)]));
    stage.wipe();
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply_wait().ends(3).says("bringing back batch 2/3 done");
    assert_eq!(stage.world().ready_pods(), ready);
    stage.commit(&[(ROLLOUT, &canary("web-v2", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 5)]));
    stage.record_is_whole();
}

#[test]
fn a_larger_size_is_shared_out_from_the_first_step_on() {
    let stage = serving(5, &[]);
    let (sizes, from) = (stage.deployment_sizes().len(), stage.history().len() - 1);
    let larger = canary("web-v2", &["rolloutPlan: {targetSize: 10, batchPartition: 0}"]);
    stage.commit(&[(APPLICATION, &web("6.7.1", 5, &[])), (ROLLOUT, &larger)]);
    stage.apply_wait().ends(3);
    assert_eq!(way(&stage, sizes), "5/0 8/0 8/2");
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(way(&stage, sizes + 2), "8/2 8/0 5/0 5/-");
    within(&stage, from, 13, 5);
}

fn refused(rollout: &str, why: &str) {
    let stage = Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, rollout)]);
    stage.run(&["lint"]).ends(65).says(why);
    stage.apply().ends(65).says(why);
}

#[test]
fn what_cannot_be_done_is_refused_by_lint() {
    let lines = |lines: &[&str], why: &str| refused(&with_lines("web-v1", lines, &[]), why);
    lines(&["maxSurge: \"1\"", STEPS], "take the quotes away");
    lines(&["maxUnavailable: 1.5", STEPS], "a whole number of pods");
    lines(&["steps: [{weight: 60}, {weight: 20}]"], "the new share never falls");
    lines(&["steps: [{weight: 20, replicas: 5}]"], "asks for 5 pods, but there will be 4");
    lines(&["steps: [{weight: 20, replicas: 3}, {weight: 40, replicas: 50%}]"], "fewer than the 3");
    lines(&["steps: [{weight: 100, replicas: 3}]"], "it needs at least 4");
    lines(&["steps: []"], "steps");
    for field in ["maxSurge", "maxUnavailable"] {
        let line = format!("{field}: 1");
        lines(&["traffic: {httpRoute: {name: web}}", &line, STEPS], "stands beside `traffic`");
    }
    let decrease = canary("web-v1", &["rolloutPlan: {rolloutStrategy: DecreaseFirst}"]);
    refused(&decrease, "`maxSurge: 0` in the canary instead");
    let ports = "ports:\n          - port: 9898\n            expose: true\n";
    let in_place = web("6.7.0", 4, &[]).replace("type: webservice", "type: clonesetservice");
    let in_place = in_place.replace(ports, "port: 9898\n");
    let stage = Stage::with(&[(APPLICATION, &in_place), (ROLLOUT, &canary("web-v1", &[]))]);
    stage.run(&["lint"]).ends(65).says("a canary needs a workload for each revision");
}

#[test]
fn lint_says_where_the_pods_are_too_few_for_a_weight() {
    let lint = |size: u32, lines: &[&str]| {
        let rollout = with_lines("web-v1", lines, &[]);
        let stage = Stage::with(&[(APPLICATION, &web("6.7.0", size, &[])), (ROLLOUT, &rollout)]);
        let told = stage.run(&["lint"]).ends(0).out;
        told.lines()
            .filter(|line| line.contains("at weight"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lint(3, &["maxSurge: 0", STEPS]),
        ["approllout.yaml:11: step 1 is at weight 20, but 1 of 3 pods take 33% of the traffic"]
    );
    assert_eq!(lint(3, &[STEPS]), [] as [&str; 0]);
    assert_eq!(
        lint(10, &["steps: [{weight: 20, replicas: 4}]"]),
        ["approllout.yaml:10: step 1 is at weight 20, but 4 of 10 pods take 40% of the traffic"]
    );
    assert_eq!(lint(10, &["steps: [{weight: 20, replicas: 3}]"]), [] as [&str; 0]);
}
