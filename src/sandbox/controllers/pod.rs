//! A pod's life: Pending, Running, Ready, restarts, termination. Owns the
//! model of a node, steered by annotations of the pod's template:
//!
//! ```text
//! sandbox.tranche.dev/ready-after: 30s   start-up time (default 2s)
//! sandbox.tranche.dev/ready: never       runs, but never gets ready
//! sandbox.tranche.dev/crash-after: 10s   crashes so long after each start
//! sandbox.tranche.dev/stop-after: 5s     termination time (default 1s)
//! ```

use crate::core::object::{ObjectRef, at};
use crate::sandbox::fields::{after, annotation, instant, int, seconds, set, text};
use crate::sandbox::world::World;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The annotation that keeps a pod unready.
pub(super) const READY: &str = "sandbox.tranche.dev/ready";
const READY_AFTER: &str = "sandbox.tranche.dev/ready-after";
const CRASH_AFTER: &str = "sandbox.tranche.dev/crash-after";
const STOP_AFTER: &str = "sandbox.tranche.dev/stop-after";
const KUBELET: &str = "kubelet";

/// What happens next to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Run,
    Ready,
    Crash,
    Restart,
    Vanish,
}

fn length(pod: &Value, name: &str, default: i64) -> i64 {
    annotation(pod, name).and_then(seconds).unwrap_or(default)
}

/// The next event of a pod and its instant: a function of the pod alone.
fn next(pod: &Value) -> Option<(Timestamp, Next)> {
    let start_up = length(pod, READY_AFTER, 2);
    if let Some(deadline) = instant(pod, "/metadata/deletionTimestamp") {
        let grace = int(pod, "/metadata/deletionGracePeriodSeconds", 30);
        let stop = length(pod, STOP_AFTER, 1).min(grace);
        return Some((after(deadline, stop - grace), Next::Vanish));
    }
    let created = instant(pod, "/metadata/creationTimestamp")?;
    if text(pod, "/status/phase") == "Pending" {
        return Some((after(created, start_up.min(1)), Next::Run));
    }
    let state = "/status/containerStatuses/0";
    if let Some(stopped) = instant(pod, &format!("{state}/lastState/terminated/finishedAt"))
        && pod.pointer(&format!("{state}/state/waiting")).is_some()
    {
        let restarts = int(pod, &format!("{state}/restartCount"), 1).clamp(1, 6);
        let back_off = (10_i64 << (restarts - 1)).min(300);
        return Some((after(stopped, back_off), Next::Restart));
    }
    let started = instant(pod, &format!("{state}/state/running/startedAt"))?;
    let crash = annotation(pod, CRASH_AFTER)
        .and_then(seconds)
        .map(|delay| (after(started, delay.max(1)), Next::Crash));
    let never = annotation(pod, READY) == Some("never");
    let ready = (!never && super::template::ready_since(pod).is_none())
        .then(|| (after(started, start_up - start_up.min(1)), Next::Ready));
    [ready, crash].into_iter().flatten().min_by_key(|(at, _)| *at)
}

pub(super) fn due(pod: &Value) -> Option<Timestamp> {
    next(pod).map(|(at, _)| at)
}

/// Does what is due.
pub(super) fn reconcile(world: &mut World, name: &ObjectRef) {
    while let Some(pod) = world.bare(name).cloned() {
        let Some((at, what)) = next(&pod).filter(|(at, _)| *at <= world.now()) else { return };
        let new = match what {
            Next::Vanish => {
                world.remove(name);
                return;
            }
            Next::Run | Next::Restart => running(&pod, world.now()),
            Next::Ready => with_ready(Value::clone(&pod), true, world.now()),
            Next::Crash => crashed(&pod, at, world.now()),
        };
        world.write(new, KUBELET, Some("status"));
    }
}

/// A pod whose containers all start at `now`; it is not ready yet.
pub(super) fn running(pod: &Value, now: Timestamp) -> Value {
    let mut pod = pod.clone();
    let restarts = int(&pod, "/status/containerStatuses/0/restartCount", 0);
    let last = at(&pod, "/status/containerStatuses/0/lastState").cloned();
    let containers = at(&pod, "/spec/containers").and_then(Value::as_array).cloned();
    let statuses: Vec<Value> = containers
        .unwrap_or_default()
        .iter()
        .map(|container| {
            json!({
                "name": container["name"], "image": container["image"], "ready": false,
                "started": true, "restartCount": restarts,
                "lastState": last.clone().unwrap_or_else(|| json!({})),
                "state": {"running": {"startedAt": now}},
            })
        })
        .collect();
    set(&mut pod, &["status", "phase"], json!("Running"));
    if text(&pod, "/status/startTime").is_empty() {
        set(&mut pod, &["status", "startTime"], json!(now));
    }
    set(&mut pod, &["status", "containerStatuses"], Value::Array(statuses));
    with_ready(pod, false, now)
}

fn crashed(pod: &Value, at: Timestamp, now: Timestamp) -> Value {
    let mut pod = pod.clone();
    let list = pod.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut);
    for status in list.into_iter().flatten() {
        let restarts = int(status, "/restartCount", 0) + 1;
        set(status, &["restartCount"], json!(restarts));
        let end = json!({"exitCode": 1, "reason": "Error", "finishedAt": at});
        set(status, &["lastState"], json!({"terminated": end}));
        set(status, &["state"], json!({"waiting": {"reason": "CrashLoopBackOff"}}));
    }
    with_ready(pod, false, now)
}

/// Sets the conditions and the containers' readiness.
fn with_ready(mut pod: Value, ready: bool, now: Timestamp) -> Value {
    let status = if ready { "True" } else { "False" };
    let old = at(&pod, "/status/conditions").and_then(Value::as_array).cloned();
    let old = old.unwrap_or_default();
    let condition = |kind: &str, status: &str| {
        let same = old.iter().find(|c| c["type"] == kind && c["status"] == status).cloned();
        same.unwrap_or_else(|| json!({"type": kind, "status": status, "lastTransitionTime": now}))
    };
    let conditions = json!([
        condition("Initialized", "True"),
        condition("Ready", status),
        condition("ContainersReady", status),
        condition("PodScheduled", "True"),
    ]);
    set(&mut pod, &["status", "conditions"], conditions);
    let list = pod.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut);
    for container in list.into_iter().flatten() {
        set(container, &["ready"], json!(ready));
    }
    pod
}

/// Whether a graceful deletion has begun.
pub(super) fn leaving(pod: &Value) -> bool {
    !text(pod, "/metadata/deletionTimestamp").is_empty()
}

/// Begins a graceful deletion of a pod as its controller has read it.
pub(super) fn end(world: &mut World, pod: &Value) {
    if let Some(name) = ObjectRef::of(pod) {
        terminate(world, &name);
    }
}

/// The pod as a graceful deletion leaves it behind.
pub(in crate::sandbox) fn terminating(world: &World, pod: &Value) -> Value {
    let mut pod = pod.clone();
    if !leaving(&pod) {
        let grace = int(&pod, "/spec/terminationGracePeriodSeconds", 30);
        set(&mut pod, &["metadata", "deletionTimestamp"], json!(world.later(grace)));
        set(&mut pod, &["metadata", "deletionGracePeriodSeconds"], json!(grace));
    }
    pod
}

/// Begins a graceful deletion; nothing if it has begun.
pub(in crate::sandbox) fn terminate(world: &mut World, name: &ObjectRef) {
    if let Some(pod) = world.bare(name).cloned()
        && !leaving(&pod)
    {
        let pod = terminating(world, &pod);
        world.put(pod, None);
    }
}
