//! Rollouts over the nodes of a DaemonSet: evictions batch by batch, the floor,
//! the way back, budgets.

use crate::plans::{APPLICATION, ROLLOUT};
use crate::stage::Stage;
use crate::world::{World, pods};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TYPE: &str = "templates/agent.yaml";
const AGENT: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: ComponentType
metadata: {name: agent}
spec:
  description: A program on every node.
  workload: DaemonSet
  parameters:
    type: object
    required: [image]
    properties:
      image: {type: string}
  template: |
    apiVersion: apps/v1
    kind: DaemonSet
    metadata:
      name: {{ context.name | to_json }}
    spec:
      updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 3}}
      selector: {matchLabels: {app: {{ context.name | to_json }}}}
      template:
        metadata: {labels: {app: {{ context.name | to_json }}}}
        spec:
          containers: [{name: agent, image: {{ parameter.image | to_json }}}]
";

/// An agent on every node; annotations are those of its pods.
fn agent(tag: &str, annotations: &[(&str, &str)]) -> String {
    let mut text = format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: agent
  annotations: {{app.oam.dev/rollout-template: \"true\"}}
spec:
  components:
    - name: agent
      type: agent
      properties: {{image: 'agent:{tag}'}}
"
    );
    if !annotations.is_empty() {
        let pairs: Vec<String> = annotations.iter().map(|(k, v)| format!("{k}: '{v}'")).collect();
        text.push_str(&format!(
            "      traits: [{{type: annotations, properties: {{{}}}}}]\n",
            pairs.join(", ")
        ));
    }
    text
}

/// Batches of 1, 40% and the rest of the nodes.
fn rollout(revision: &str, more: &[&str]) -> String {
    let mut text = format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata: {{name: agent, annotations: {{tranche.dev/progress-deadline: 60s}}}}
spec:
  targetAppRevisionName: {revision}
  rolloutPlan:
    rolloutBatches: [{{replicas: 1}}, {{replicas: 40%}}, {{}}]
"
    );
    for line in more {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

fn serving() -> Stage {
    let stage = Stage::with(&[
        (TYPE, AGENT),
        (APPLICATION, &agent("1", &[])),
        (ROLLOUT, &rollout("agent-v1", &[])),
    ]);
    stage.apply_wait().ends(0).says("all nodes at once");
    stage
}

fn upgrade(stage: &Stage, more: &[&str]) {
    stage.commit(&[(APPLICATION, &agent("2", &[])), (ROLLOUT, &rollout("agent-v2", more))]);
}

/// The fewest ready pods since the cluster's `from`th instant.
fn lowest(stage: &Stage, from: usize) -> usize {
    stage.history()[from..].iter().map(World::ready).min().unwrap()
}

/// The uids of the pods by their nodes.
fn by_node(stage: &Stage) -> BTreeMap<String, Value> {
    let world = stage.world();
    let pods = world.of_kind("Pod");
    pods.map(|(_, pod)| {
        let node = pod["spec"]["nodeName"].as_str().unwrap().to_owned();
        (node, pod["metadata"]["uid"].clone())
    })
    .collect()
}

/// How many pods of an image there were, one after another.
fn course(stage: &Stage, from: usize, tag: &str) -> Vec<usize> {
    let history = stage.history();
    let count = |world: &World| world.all_pods().get(tag).copied().unwrap_or(0);
    let mut seen: Vec<usize> = history[from..].iter().map(count).collect();
    seen.dedup();
    seen
}

fn strategy(stage: &Stage) -> Value {
    stage.world().get("DaemonSet", "agent").unwrap()["spec"]["updateStrategy"]["type"].clone()
}

/// All pods are of one image, the update strategy is as rendered, and the record
/// is whole.
#[track_caller]
fn only(stage: &Stage, tag: &str) {
    assert_eq!(stage.world().all_pods(), pods(&[(tag, 5)]));
    assert_eq!(strategy(stage), "RollingUpdate");
    stage.record_is_whole();
}

#[test]
fn a_first_deploy_is_one_batch_and_begins_on_no_node() {
    let stage = serving();
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    assert_eq!(stage.batches().len(), 1);
    let history = stage.history();
    let first = history.iter().find_map(|world| world.get("DaemonSet", "agent")).unwrap();
    let selector = &first["spec"]["template"]["spec"]["nodeSelector"];
    assert_eq!(*selector, json!({"tranche.dev/nowhere": "true"}));
    let last = stage.world();
    let last = last.get("DaemonSet", "agent").unwrap();
    assert!(last["spec"]["template"]["spec"].get("nodeSelector").is_none());
    only(&stage, "1");
    stage.run(&["status"]).ends(0).says("5 of 5 pods upgraded, 5 ready");
    assert_eq!(stage.batches(), ["5 of 5 pods on agent-v1"]);
    let tip = stage.tip();
    stage.apply().ends(0);
    assert_eq!(stage.tip(), tip, "nothing is left to do");
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("finished, 5 pods on agent-v1");
    stage.run(&["status"]).ends(0).says("5 of 5 pods upgraded, 5 ready");
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("2", 5)]));
}

#[test]
fn an_upgrade_takes_so_many_nodes_a_batch_and_never_more_at_once() {
    let stage = serving();
    let from = stage.history().len() - 1;
    upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 4), ("2", 1)]));
    assert_eq!(strategy(&stage), "OnDelete");
    assert_eq!(lowest(&stage, from), 4, "a batch of one");
    upgrade(&stage, &["batchPartition: 1"]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 2), ("2", 3)]));
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    assert_eq!(lowest(&stage, from), 3, "two at a time at most");
    assert_eq!(
        stage.batches()[1..],
        ["1 of 5 pods on agent-v2", "3 of 5 pods on agent-v2", "5 of 5 pods on agent-v2"]
    );
    only(&stage, "2");
}

#[test]
fn a_plan_says_the_floor_and_changes_nothing_by_evictions() {
    let stage = serving();
    upgrade(&stage, &[]);
    let told = stage.run(&["plan"]).ends(0);
    let told = told.says("evict from DaemonSet").says("at least 3 pods stay ready").out;
    assert!(!told.contains("OnDelete"), "at the end it is as rendered: {told}");
    assert!(!told.contains("deprecated.daemonset"), "that is the server's own: {told}");
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
}

#[test]
fn a_node_whose_pod_never_gets_ready_fails_the_batch_and_goes_back() {
    let stage = serving();
    let (before, from) = (by_node(&stage), stage.history().len() - 1);
    let broken = agent("2", &[("sandbox.tranche.dev/ready", "never")]);
    stage.commit(&[(APPLICATION, &broken), (ROLLOUT, &rollout("agent-v2", &[]))]);
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    assert_eq!(lowest(&stage, from), 4);
    assert_eq!(course(&stage, from, "2"), [0, 1, 0], "no second node is tried");
    let kept = by_node(&stage).into_iter().filter(|(node, uid)| before.get(node) == Some(uid));
    assert_eq!(kept.count(), 4, "pods of the right template are left alone");
    only(&stage, "1");
}

#[test]
fn an_abort_brings_every_node_back_within_the_same_floor() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 1"]);
    stage.apply_wait().ends(3);
    let from = stage.history().len() - 1;
    stage.run(&["abort", "agent"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    assert_eq!(lowest(&stage, from), 3, "no more at a time than the largest batch");
    only(&stage, "1");
    stage.run(&["retry", "agent"]).ends(0);
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    only(&stage, "2");
}

#[test]
fn a_new_target_goes_back_first_and_then_its_own_way() {
    let stage = serving();
    let from = stage.history().len() - 1;
    upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    stage.commit(&[(APPLICATION, &agent("3", &[])), (ROLLOUT, &rollout("agent-v3", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(course(&stage, from, "2"), [0, 1, 0]);
    assert_eq!(lowest(&stage, from), 3);
    only(&stage, "3");
}

#[test]
fn an_aborted_first_deploy_is_left_on_no_node() {
    let slow = agent("1", &[("sandbox.tranche.dev/ready-after", "40s")]);
    let stage =
        Stage::with(&[(TYPE, AGENT), (APPLICATION, &slow), (ROLLOUT, &rollout("agent-v1", &[]))]);
    stage.apply().ends(3);
    assert_eq!(stage.world().all_pods(), pods(&[("1", 5)]));
    stage.run(&["abort", "agent"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().all_pods(), pods(&[]));
    stage.run(&["retry", "agent"]).ends(0);
    stage.apply_wait().ends(0);
    only(&stage, "1");
}

fn budget(stage: &Stage, needed: u32) {
    let path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/agent";
    let spec = json!({"minAvailable": needed, "selector": {"matchLabels": {"app": "agent"}}});
    stage.meddle(
        path,
        &json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": {"name": "agent"}, "spec": spec}),
    );
}

#[test]
fn a_budget_holds_a_batch_up_and_is_told_in_words() {
    let stage = serving();
    budget(&stage, 5);
    upgrade(&stage, &[]);
    let words = "The disruption budget agent needs 5 healthy pods and has 5 currently";
    stage.apply().ends(3).says(words);
    stage.apply().ends(3).says(words);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    let intents = |stage: &Stage| stage.subjects("intent").len();
    let before = intents(&stage);
    stage.apply().ends(3);
    assert_eq!(intents(&stage), before, "no lock is taken while nothing may go");
    let from = stage.history().len() - 1;
    budget(&stage, 4);
    stage.apply_wait().ends(0);
    assert_eq!(lowest(&stage, from), 4, "one at a time, as the budget says");
    only(&stage, "2");
}

#[test]
fn a_budget_that_never_lets_go_fails_the_batch_by_its_deadline() {
    let stage = serving();
    budget(&stage, 5);
    upgrade(&stage, &[]);
    stage.apply_wait().ends(4).says("disruption budget");
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    only(&stage, "1");
}

#[test]
fn a_node_that_is_down_already_counts_against_the_batch() {
    let slow = agent("1", &[("sandbox.tranche.dev/ready-after", "40s")]);
    let stage =
        Stage::with(&[(TYPE, AGENT), (APPLICATION, &slow), (ROLLOUT, &rollout("agent-v1", &[]))]);
    stage.apply_wait().ends(0);
    // A pod of a node in the middle goes, and the next one takes its time.
    let world = stage.world();
    let on = |pod: &Value| pod["spec"]["nodeName"] == "node-3";
    let (name, _) = world.of_kind("Pod").find(|(_, pod)| on(pod)).unwrap();
    stage.destroy(&format!("/api/v1/namespaces/default/pods/{name}"));
    stage.pass(2);
    assert_eq!((stage.world().ready(), by_node(&stage).len()), (4, 5));
    let (before, from) = (by_node(&stage), stage.history().len() - 1);
    upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    let after = by_node(&stage);
    let moved: Vec<&String> = after.keys().filter(|n| after.get(*n) != before.get(*n)).collect();
    assert_eq!(moved, ["node-3"]);
    assert_eq!(lowest(&stage, from), 4, "the one that is down goes, and no other");
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 4), ("2", 1)]));
}

#[test]
fn a_lost_record_is_found_by_the_mark_of_the_batch() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 1"]);
    stage.apply_wait().ends(3);
    stage.repository().find_reference(crate::stage::RECORD).unwrap().delete().unwrap();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("batch 2/3 to agent-v2");
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("2", 5)]));
    assert_eq!(strategy(&stage), "RollingUpdate");
}

#[test]
fn what_has_no_meaning_over_nodes_is_refused_by_name() {
    let stage = serving();
    let refused = |more: &str, words: &str| {
        stage.commit(&[(APPLICATION, &agent("2", &[])), (ROLLOUT, more)]);
        stage.apply().ends(65).says(words);
        assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    };
    refused(&rollout("agent-v2", &["targetSize: 4"]), "names `targetSize`");
    let canary = "strategy: {canary: {steps: [{weight: 20}]}}";
    let green = "strategy: {blueGreen: {activeService: agent}}";
    for (strategy, words) in [(canary, "a canary needs a workload"), (green, "blue-green needs")] {
        let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: agent}\n\
                       spec: {selector: {app: agent}, ports: [{port: 80}]}\n";
        let text = format!(
            "apiVersion: tranche.dev/v1alpha1\nkind: AppRollout\nmetadata: {{name: agent}}\n\
             spec: {{targetAppRevisionName: agent-v2, {strategy}}}\n"
        );
        refused(&(text + service), words);
    }
}
