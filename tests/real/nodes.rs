//! Rollouts over the nodes of a DaemonSet, with Kubernetes' own controllers and
//! its eviction API: five nodes that nobody else's pods may be on.

use crate::site::Site;
use crate::watched::{Watch, by_namespace, floor_holds, version};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tranche_lab::User;

/// The component type, whose pods are on the nodes of one pool.
fn agent_type(pool: &str) -> String {
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: ComponentType
metadata: {{name: agent}}
spec:
  workload: DaemonSet
  parameters: {{type: object, required: [image], properties: {{image: {{type: string}}}}}}
  template: |
    apiVersion: apps/v1
    kind: DaemonSet
    metadata: {{name: agent}}
    spec:
      updateStrategy: {{type: RollingUpdate, rollingUpdate: {{maxUnavailable: 5}}}}
      selector: {{matchLabels: {{app: agent}}}}
      template:
        metadata: {{labels: {{app: agent}}}}
        spec:
          nodeSelector: {{pool: {pool}}}
          tolerations: [{{key: pool, operator: Exists}}]
          containers: [{{name: agent, image: {{{{ parameter.image | to_json }}}}}}]
"
    )
}

fn application(tag: u32) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: agent, annotations: {{app.oam.dev/rollout-template: 'true'}}}}
spec:
  components: [{{name: agent, type: agent, properties: {{image: 'agent:{tag}'}}}}]
"
    )
}

fn rollout(number: u32, more: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata: {{name: agent}}
spec:
  targetAppRevisionName: agent-v{number}
  rolloutPlan:
    rolloutBatches: [{{replicas: 1}}, {{replicas: 40%}}, {{}}]
{more}"
    )
}

fn node(pool: &str, number: u32) -> String {
    format!(
        "\
---
apiVersion: v1
kind: Node
metadata:
  name: {pool}-{number}
  annotations: {{kwok.x-k8s.io/node: fake}}
  labels: {{kubernetes.io/hostname: {pool}-{number}, pool: {pool}}}
spec: {{taints: [{{key: pool, value: {pool}, effect: NoSchedule}}]}}
status:
  allocatable: {{cpu: '10', memory: 10Gi, pods: '100'}}
  capacity: {{cpu: '10', memory: 10Gi, pods: '100'}}
"
    )
}

fn create(site: &Site<'_>, documents: &str) {
    site.plane.kubectl_as(User::Admin, &["apply", "--server-side", "-f", "-"], documents).unwrap();
}

/// The first revision on five nodes of its own.
fn serving(name: &str) -> Site<'static> {
    let site = Site::new(name);
    let pool = site.namespace.name();
    let nodes: String = (1..=5).map(|number| node(pool, number)).collect();
    create(&site, &nodes);
    site.commit(&[
        ("templates/agent.yaml", &agent_type(pool)),
        ("application.yaml", &application(1)),
        ("approllout.yaml", &rollout(1, "")),
    ]);
    site.apply_wait().ends(0);
    assert_eq!(images(&site), BTreeMap::from([("agent:1".to_owned(), 5)]));
    site
}

fn upgrade(site: &Site<'_>, number: u32, more: &str) {
    site.commit(&[
        ("application.yaml", &application(number)),
        ("approllout.yaml", &rollout(number, more)),
    ]);
}

/// How many pods of an image live on, each on a node of its own.
fn images(site: &Site<'_>) -> BTreeMap<String, usize> {
    let pods = site.get(&["pods"]);
    let (mut found, mut nodes) = (BTreeMap::new(), BTreeSet::new());
    for pod in pods["items"].as_array().unwrap() {
        if pod["metadata"]["deletionTimestamp"].is_null() {
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
            *found.entry(image.to_owned()).or_default() += 1;
            assert!(nodes.insert(pod["spec"]["nodeName"].to_string()), "two on a node: {pods}");
        }
    }
    found
}

fn budget(site: &Site<'_>, needed: u32) {
    let namespace = site.namespace.name();
    create(
        site,
        &format!(
            "\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: agent, namespace: {namespace}}}
spec: {{minAvailable: {needed}, selector: {{matchLabels: {{app: agent}}}}}}
"
        ),
    );
    for _ in 0..300 {
        let live = site.get(&["pdb", "agent"]);
        let status = &live["status"];
        if status["observedGeneration"] == live["metadata"]["generation"]
            && status["desiredHealthy"] == needed
            && status["currentHealthy"] == 5
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("nobody has counted for the budget: {}", site.get(&["pdb", "agent"]));
}

/// Evictions of this site that the server did, by their pods.
fn evicted(site: &Site<'_>) -> Vec<String> {
    let namespace = site.namespace.name();
    let all = site.plane.requests(User::Tranche).unwrap().into_iter();
    let ours = all.filter(|r| r.namespace == namespace && r.resource == "pods/eviction");
    let done = ours.filter(|r| r.succeeded() && !is_dry(&r.sent, &r.uri));
    done.map(|r| r.name).collect()
}

fn is_dry(sent: &Value, uri: &str) -> bool {
    uri.contains("dryRun") || !sent["deleteOptions"]["dryRun"].is_null()
}

/// Nothing but evictions has taken a pod away.
fn nobody_else_deleted(site: &Site<'_>) {
    let namespace = site.namespace.name();
    for user in ["kube-controller-manager", "system:kube-controller-manager"] {
        let all = site.plane.requests_of(user).unwrap();
        let pods = all.iter().filter(|r| r.namespace == namespace && r.resource == "pods");
        let deleted: Vec<_> = pods.filter(|r| r.verb == "delete").collect();
        assert!(deleted.is_empty(), "the native update has run: {deleted:?}");
    }
}

fn strategy(site: &Site<'_>) -> Value {
    site.get(&["daemonset", "agent"])["spec"]["updateStrategy"]["type"].clone()
}

#[test]
fn nodes_are_upgraded_in_batches_and_a_budget_holds_them_up() {
    let site = serving("nodes");
    let from = version(site.plane);
    let watch = Watch::start(site.plane, &site.path("."), "pods");
    budget(&site, 5);
    upgrade(&site, 2, "");
    site.run(&["apply"]).ends(3).says("The disruption budget agent needs 5 healthy pods");
    assert_eq!(images(&site), BTreeMap::from([("agent:1".to_owned(), 5)]));
    assert_eq!(strategy(&site), "OnDelete");
    assert_eq!(evicted(&site), [""; 0]);
    // The controller's own rolling update would take all five.
    budget(&site, 3);
    upgrade(&site, 2, "    batchPartition: 0\n");
    site.apply_wait().ends(3).says("batchPartition");
    let half = BTreeMap::from([("agent:1".to_owned(), 4), ("agent:2".to_owned(), 1)]);
    assert_eq!(images(&site), half);
    // A node that joins gets the newest template by itself, and is not counted.
    create(&site, &node(site.namespace.name(), 6));
    upgrade(&site, 2, "");
    site.apply_wait().ends(0);
    assert_eq!(images(&site), BTreeMap::from([("agent:2".to_owned(), 6)]));
    assert_eq!(strategy(&site), "RollingUpdate");
    let evicted: Vec<String> = evicted(&site);
    let once: BTreeSet<&String> = evicted.iter().collect();
    assert_eq!((evicted.len(), once.len()), (5, 5), "each old pod once: {evicted:?}");
    nobody_else_deleted(&site);
    let namespace = site.namespace.name();
    let sights = by_namespace(watch.end(site.plane, namespace));
    floor_holds(&sights[namespace], from, 3, "an upgrade over nodes");
    site.apply_wait().ends(0);
}

#[test]
fn an_abort_over_nodes_goes_back_within_the_same_floor() {
    let site = serving("nodes-back");
    let from = version(site.plane);
    let watch = Watch::start(site.plane, &site.path("."), "pods");
    upgrade(&site, 2, "    batchPartition: 1\n");
    site.apply_wait().ends(3);
    let half = BTreeMap::from([("agent:1".to_owned(), 2), ("agent:2".to_owned(), 3)]);
    assert_eq!(images(&site), half);
    site.run(&["abort", "agent"]).ends(0);
    site.apply_wait().ends(4);
    assert_eq!(images(&site), BTreeMap::from([("agent:1".to_owned(), 5)]));
    assert_eq!(strategy(&site), "RollingUpdate");
    assert_eq!(evicted(&site).len(), 6, "three there, three back, and no pod that was right");
    nobody_else_deleted(&site);
    let namespace = site.namespace.name();
    let sights = by_namespace(watch.end(site.plane, namespace));
    floor_holds(&sights[namespace], from, 3, "the way back over nodes");
}
