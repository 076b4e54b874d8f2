//! Rollouts: the same steps on both clusters with their controllers at work.
//! No two runs see the same instants, so what was seen in between is held
//! against rules, and only where it ends is compared.

use crate::difference::{LeftOuts, differences};
use crate::observed::{Observed, Sample, facts, image, is_leaving, is_ready};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What must hold in every sample of a step.
type Rule = fn(&Sample) -> Result<(), String>;

macro_rules! rules {
    ($($rule:expr),*) => { vec![$($rule as Rule),*] };
}

/// One step: what is done, and what the cluster has to come to.
struct Step {
    name: &'static str,
    action: Action,
    done: fn(&Sample) -> bool,
    rules: Vec<Rule>,
}

enum Action {
    Apply(Value),
    Delete(&'static str),
    DeletePod(&'static str),
}

/// Runs the steps on both clusters and compares what each comes to.
fn agree(namespace: &str, plural: &str, steps: &[Step]) {
    let left_out = LeftOuts::read();
    let mut clusters = [Observed::real(namespace), Observed::sandbox(namespace)];
    let mut said = String::new();
    for step in steps {
        let mut ends: [Value; 2] = Default::default();
        for (which, cluster) in clusters.iter_mut().enumerate() {
            let from = cluster.samples.len();
            match &step.action {
                Action::Apply(body) => cluster.apply(plural, body),
                Action::Delete(name) => cluster.delete(plural, name),
                Action::DeletePod(name) => cluster.delete_pod(name),
            }
            let end = cluster.until(plural, &step.done);
            let name = ["real", "sandbox"][which];
            let mut observed = 0;
            for sample in &cluster.samples[from..] {
                let generation = sample.workload["status"]["observedGeneration"].as_i64();
                let generation = generation.unwrap_or(0);
                if generation < observed {
                    let _ = writeln!(said, "{}: {name}: an older generation", step.name);
                }
                observed = generation;
                for rule in &step.rules {
                    if let Err(why) = rule(sample) {
                        let _ = writeln!(said, "{}: {name}: {why}", step.name);
                    }
                }
            }
            ends[which] = facts(&end);
            ends[which]["kind"] = json!("Rollout");
        }
        for line in differences(&ends[0], &ends[1], &left_out) {
            let _ = writeln!(said, "{}: {line}", step.name);
        }
    }
    assert!(said.is_empty(), "{said}");
}

fn deployment(replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    })
}

/// A template whose pods never get ready: no node fits there, and here it is
/// said by an annotation.
fn never_ready(mut body: Value) -> Value {
    let template = &mut body["spec"]["template"];
    template["spec"]["nodeSelector"] = json!({"no-such": "node"});
    template["metadata"]["annotations"] = json!({"sandbox.tranche.dev/ready": "never"});
    body
}

fn with(mut body: Value, spec: &Value) -> Value {
    for (name, value) in spec.as_object().unwrap() {
        body["spec"][name] = value.clone();
    }
    body
}

fn status(sample: &Sample, field: &str) -> i64 {
    sample.workload["status"][field].as_i64().unwrap_or(0)
}

fn wanted(sample: &Sample) -> i64 {
    sample.workload["spec"]["replicas"].as_i64().unwrap_or(0)
}

fn is_current(sample: &Sample) -> bool {
    sample.workload["metadata"]["generation"] == sample.workload["status"]["observedGeneration"]
        && sample.pods.iter().all(|pod| !is_leaving(pod))
}

fn complete(sample: &Sample) -> bool {
    let all = wanted(sample);
    is_current(sample)
        && ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
            .iter()
            .all(|field| status(sample, field) == all)
        && sample.pods.len() == usize::try_from(all).unwrap()
}

fn reason(sample: &Sample) -> &str {
    let conditions = sample.workload["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.find(|c| c["type"] == "Progressing").map_or("", |c| c["reason"].as_str().unwrap())
}

fn gone(sample: &Sample) -> bool {
    sample.workload.is_null() && sample.sets.is_empty() && sample.pods.is_empty()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}

/// Never more pods than replicas and surge. A Deployment's bound is on what its
/// ReplicaSets are to have: each of them creates and removes at its own pace.
/// The real controller decides on a cache that may lag behind what it has just
/// written; on a machine that is busy it was seen to have one more for a
/// moment. The embedded one has no cache, and no such excuse.
fn at_most(sample: &Sample, most: i64) -> Result<(), String> {
    let most = most + i64::from(sample.real);
    let pods = count(sample.pods.iter().filter(|pod| !is_leaving(pod)).count());
    let sets = sample.sets.iter().filter_map(|set| set["spec"]["replicas"].as_i64()).sum();
    let there = if sample.sets.is_empty() { pods } else { sets };
    if there <= most { Ok(()) } else { Err(format!("{there} pods, at most {most}")) }
}

fn at_least(sample: &Sample, least: i64) -> Result<(), String> {
    let serving = sample.pods.iter().filter(|pod| is_ready(pod) && !is_leaving(pod)).count();
    let serving = count(serving);
    if serving >= least { Ok(()) } else { Err(format!("{serving} serve, at least {least}")) }
}

/// A pod is of the ReplicaSet whose hash it bears, and of that template.
fn hashes_agree(sample: &Sample) -> Result<(), String> {
    for pod in &sample.pods {
        let hash = &pod["metadata"]["labels"]["pod-template-hash"];
        let owner = &pod["metadata"]["ownerReferences"][0]["uid"];
        let of = sample.sets.iter().find(|set| set["metadata"]["uid"] == *owner);
        if of.is_some_and(|set| set["metadata"]["labels"]["pod-template-hash"] != *hash) {
            return Err(format!("{} has another hash than its set", pod["metadata"]["name"]));
        }
    }
    Ok(())
}

#[test]
fn a_deployment_starts_scales_rolls_back_and_goes() {
    let step = |name, action, rules| Step { name, action, done: complete, rules };
    let apply = Action::Apply;
    let steps = [
        step("create", apply(deployment(4, "web:1")), rules![|s| at_most(s, 4), hashes_agree]),
        step(
            "scale up",
            apply(deployment(6, "web:1")),
            rules![|s| at_most(s, 6), |s| at_least(s, 4)],
        ),
        step("scale down", apply(deployment(4, "web:1")), rules![|s| at_least(s, 4)]),
        step(
            "new template",
            apply(deployment(4, "web:2")),
            rules![|s| at_most(s, 5), |s| at_least(s, 3), hashes_agree],
        ),
        step(
            "another, while scaling",
            apply(deployment(5, "web:3")),
            rules![|s| at_most(s, 6), |s| at_least(s, 3), hashes_agree],
        ),
        step(
            "back",
            apply(deployment(5, "web:1")),
            rules![|s| at_most(s, 6), |s| at_least(s, 4), hashes_agree],
        ),
        step("to none", apply(deployment(0, "web:1")), vec![]),
        Step { name: "delete", action: Action::Delete("web"), done: gone, rules: vec![] },
    ];
    agree("rolls", "deployments", &steps);
}

#[test]
fn surge_alone_and_unavailability_alone_keep_their_bounds() {
    let surge = json!({"strategy": {"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}});
    let fewer = json!({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "50%"}}});
    let body = |image: &str, spec: &Value| with(deployment(4, image), spec);
    let step =
        |name, body, rules| Step { name, action: Action::Apply(body), done: complete, rules };
    let steps = [
        step("create", body("web:1", &surge), rules![|s| at_most(s, 4)]),
        step("by surge", body("web:2", &surge), rules![|s| at_most(s, 6), |s| at_least(s, 4)]),
        step("by fewer", body("web:3", &fewer), rules![|s| at_most(s, 4), |s| at_least(s, 2)]),
    ];
    agree("bounds", "deployments", &steps);
}

#[test]
fn a_paused_deployment_scales_and_waits() {
    let paused = |image: &str, n| with(deployment(n, image), &json!({"paused": true}));
    let scaled = |sample: &Sample| {
        is_current(sample)
            && status(sample, "readyReplicas") == wanted(sample)
            && sample.pods.len() == usize::try_from(wanted(sample)).unwrap()
    };
    let still = |sample: &Sample| match sample.pods.iter().find(|pod| image(pod) != "web:1") {
        None => Ok(()),
        Some(pod) => Err(format!("a pod of {} while paused", image(pod))),
    };
    let apply = Action::Apply;
    let steps = [
        Step {
            name: "create",
            action: apply(deployment(3, "web:1")),
            done: complete,
            rules: vec![],
        },
        Step { name: "pause", action: apply(paused("web:1", 3)), done: scaled, rules: vec![] },
        Step {
            name: "template",
            action: apply(paused("web:2", 3)),
            done: scaled,
            rules: rules![still],
        },
        Step {
            name: "scale",
            action: apply(paused("web:2", 5)),
            done: scaled,
            rules: rules![still],
        },
        Step {
            name: "resume",
            action: apply(deployment(5, "web:2")),
            done: complete,
            rules: rules![|s| at_most(s, 6), |s| at_least(s, 4)],
        },
    ];
    agree("paused", "deployments", &steps);
}

#[test]
fn recreate_ends_the_old_before_it_starts_the_new() {
    let body = |image: &str| with(deployment(3, image), &json!({"strategy": {"type": "Recreate"}}));
    let one_kind = |sample: &Sample| {
        let mut images: Vec<&str> =
            sample.pods.iter().filter(|pod| !is_leaving(pod)).map(image).collect();
        images.dedup();
        if images.len() < 2 { Ok(()) } else { Err(format!("{images:?} at once")) }
    };
    let step = |name, body| Step {
        name,
        action: Action::Apply(body),
        done: complete,
        rules: rules![|s| at_most(s, 3)],
    };
    let mut steps = [step("create", body("web:1")), step("new template", body("web:2"))];
    steps[1].rules = rules![one_kind];
    agree("recreate", "deployments", &steps);
}

#[test]
fn a_rollout_that_never_gets_ready_stops_fails_and_is_taken_back() {
    let deadline = json!({"progressDeadlineSeconds": 2});
    let good = |image: &str| with(deployment(4, image), &deadline);
    let failed =
        |sample: &Sample| reason(sample) == "ProgressDeadlineExceeded" && is_current(sample);
    let apply = Action::Apply;
    let floor = || rules![|s| at_most(s, 5), |s| at_least(s, 3), hashes_agree];
    let steps = [
        Step { name: "create", action: apply(good("web:1")), done: complete, rules: vec![] },
        Step {
            name: "never ready",
            action: apply(never_ready(good("web:2"))),
            done: failed,
            rules: floor(),
        },
        Step { name: "back", action: apply(good("web:1")), done: complete, rules: floor() },
    ];
    agree("never-ready", "deployments", &steps);
}

fn stateful(replicas: i64, image: &str, spec: &Value) -> Value {
    let body = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": replicas, "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"containers": [{"name": "db", "image": image}]},
            },
        },
    });
    with(body, spec)
}

fn ordinal(pod: &Value) -> usize {
    let name = pod["metadata"]["name"].as_str().unwrap();
    name.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// Only the highest pod may be unready while pods are created in order.
fn in_order(sample: &Sample) -> Result<(), String> {
    let mut pods: Vec<&Value> = sample.pods.iter().filter(|pod| !is_leaving(pod)).collect();
    pods.sort_by_key(|pod| ordinal(pod));
    for (index, pod) in pods.iter().enumerate() {
        if ordinal(pod) != index {
            return Err(format!("{} pods, one of them {}", pods.len(), pod["metadata"]["name"]));
        }
        if index + 1 < pods.len() && !is_ready(pod) {
            return Err(format!("{} waits, and there are later ones", pod["metadata"]["name"]));
        }
    }
    Ok(())
}

/// New images from the highest ordinal down, never one below an old one.
fn from_the_top(sample: &Sample) -> Result<(), String> {
    let mut pods: Vec<&Value> = sample.pods.iter().filter(|pod| !is_leaving(pod)).collect();
    pods.sort_by_key(|pod| ordinal(pod));
    let images: Vec<&str> = pods.iter().map(|pod| image(pod)).collect();
    let sorted = images.windows(2).all(|pair| pair[0] <= pair[1]);
    if sorted { Ok(()) } else { Err(format!("images by ordinal: {images:?}")) }
}

fn stateful_complete(sample: &Sample) -> bool {
    let revisions = &sample.workload["status"];
    complete(sample) && revisions["currentRevision"] == revisions["updateRevision"]
}

fn partitioned(sample: &Sample) -> bool {
    let partition =
        sample.workload["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_i64();
    is_current(sample)
        && status(sample, "readyReplicas") == wanted(sample)
        && status(sample, "updatedReplicas") == wanted(sample) - partition.unwrap_or(0)
        && sample.pods.len() == usize::try_from(wanted(sample)).unwrap()
}

#[test]
fn a_statefulset_goes_by_ordinals_and_partitions() {
    let partition = |n: i64| json!({"updateStrategy": {"rollingUpdate": {"partition": n}}});
    let apply = Action::Apply;
    let done = stateful_complete;
    let steps = [
        Step {
            name: "create",
            action: apply(stateful(3, "db:1", &json!({}))),
            done,
            rules: rules![in_order, |s| at_most(s, 3)],
        },
        Step {
            name: "scale up",
            action: apply(stateful(4, "db:1", &json!({}))),
            done,
            rules: rules![in_order, |s| at_least(s, 3)],
        },
        Step {
            name: "a part",
            action: apply(stateful(4, "db:2", &partition(2))),
            done: partitioned,
            rules: rules![from_the_top, |s| at_least(s, 3)],
        },
        Step {
            name: "the rest",
            action: apply(stateful(4, "db:2", &partition(0))),
            done,
            rules: rules![from_the_top, |s| at_least(s, 3)],
        },
        Step {
            name: "a pod is lost",
            action: Action::DeletePod("db-1"),
            done,
            rules: rules![|s| at_least(s, 3)],
        },
        Step {
            name: "scale down",
            action: apply(stateful(1, "db:2", &partition(0))),
            done,
            rules: rules![in_order],
        },
        Step { name: "delete", action: Action::Delete("db"), done: gone, rules: vec![] },
    ];
    agree("ordinals", "statefulsets", &steps);
}

#[test]
fn pods_in_parallel_and_updates_on_delete() {
    let parallel =
        json!({"podManagementPolicy": "Parallel", "updateStrategy": {"type": "OnDelete"}});
    let body = |n, image| stateful(n, image, &parallel);
    let apply = Action::Apply;
    let waits = |sample: &Sample| {
        is_current(sample)
            && status(sample, "updatedReplicas") == 0
            && status(sample, "readyReplicas") == wanted(sample)
    };
    let one = |sample: &Sample| {
        is_current(sample)
            && status(sample, "updatedReplicas") == 1
            && status(sample, "readyReplicas") == wanted(sample)
    };
    let steps = [
        Step {
            name: "create",
            action: apply(body(3, "db:1")),
            done: complete,
            rules: rules![|s| at_most(s, 3)],
        },
        Step {
            name: "new template",
            action: apply(body(3, "db:2")),
            done: waits,
            rules: rules![|s| at_least(s, 3)],
        },
        Step {
            name: "by hand",
            action: Action::DeletePod("db-1"),
            done: one,
            rules: rules![|s| at_least(s, 2)],
        },
        Step { name: "to none", action: apply(body(0, "db:2")), done: is_empty, rules: vec![] },
    ];
    agree("parallel", "statefulsets", &steps);
}

fn is_empty(sample: &Sample) -> bool {
    is_current(sample) && sample.pods.is_empty() && status(sample, "replicas") == 0
}

#[test]
fn a_statefulset_whose_update_never_gets_ready_stops_at_one() {
    let apply = Action::Apply;
    let stuck = |sample: &Sample| {
        is_current(sample)
            && status(sample, "updatedReplicas") == 1
            && status(sample, "readyReplicas") == 2
    };
    let steps = [
        Step {
            name: "create",
            action: apply(stateful(3, "db:1", &json!({}))),
            done: stateful_complete,
            rules: rules![in_order],
        },
        Step {
            name: "never ready",
            action: apply(never_ready(stateful(3, "db:2", &json!({})))),
            done: stuck,
            rules: rules![from_the_top, |s| at_least(s, 2)],
        },
    ];
    agree("stuck", "statefulsets", &steps);
}

#[test]
fn a_replicaset_of_its_own_scales_and_goes() {
    let body = |replicas: i64| {
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "web", "image": "web:1"}]},
                },
            },
        })
    };
    let full = |sample: &Sample| {
        is_current(sample)
            && status(sample, "availableReplicas") == wanted(sample)
            && sample.pods.len() == usize::try_from(wanted(sample)).unwrap()
    };
    let step = |name, action, rules| Step { name, action, done: full, rules };
    let apply = Action::Apply;
    let steps = [
        step("create", apply(body(3)), rules![|s| at_most(s, 3)]),
        step("scale up", apply(body(5)), rules![|s| at_most(s, 5), |s| at_least(s, 3)]),
        step("scale down", apply(body(2)), rules![|s| at_least(s, 2)]),
        Step { name: "delete", action: Action::Delete("web"), done: gone, rules: vec![] },
    ];
    agree("alone", "replicasets", &steps);
}
