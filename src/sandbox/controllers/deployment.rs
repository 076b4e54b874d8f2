//! Deployments: rolling updates between ReplicaSets. Owns the ReplicaSets of a
//! Deployment; the arithmetic is kube-controller-manager's.

use super::template::{controller_of, hash_of};
use crate::core::object::{ObjectRef, at};
use crate::sandbox::fields::{after, amount, annotation, instant, int, label, set, text, yes};
use crate::sandbox::world::World;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const MANAGER: &str = "kube-controller-manager";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";

/// A Deployment with its ReplicaSets at one instant.
struct Rollout {
    deployment: Arc<Value>,
    /// The short hash of its template.
    hash: String,
    new: Option<Arc<Value>>,
    /// Oldest revision first.
    old: Vec<Arc<Value>>,
}

impl Rollout {
    fn read(world: &World, deployment: &Arc<Value>) -> Self {
        let hash = hash_of(world, deployment);
        let sets = world.owned(text(deployment, "/metadata/uid"), "ReplicaSet");
        let (mut new, mut old): (Vec<_>, Vec<_>) =
            sets.into_iter().partition(|set| label(set, HASH) == Some(hash.as_str()));
        old.sort_by_key(|set| revision(set));
        Self { deployment: Arc::clone(deployment), hash, new: new.pop(), old }
    }

    fn replicas(&self) -> i64 {
        int(&self.deployment, "/spec/replicas", 1)
    }

    fn recreate(&self) -> bool {
        text(&self.deployment, "/spec/strategy/type") == "Recreate"
    }

    /// How many pods there may be too many, and how many too few.
    fn bounds(&self) -> (i64, i64) {
        if self.recreate() {
            return (0, 0);
        }
        let limits = at(&self.deployment, "/spec/strategy/rollingUpdate");
        let rolling = |name: &str| limits.and_then(|limits| limits.get(name));
        let surge = amount(rolling("maxSurge"), self.replicas(), true, "25%");
        let below = amount(rolling("maxUnavailable"), self.replicas(), false, "25%");
        (surge, if surge == 0 && below == 0 { 1 } else { below }.min(self.replicas()))
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        self.old.iter().chain(self.new.iter()).map(Arc::as_ref)
    }

    fn total(&self) -> i64 {
        self.all().map(size).sum()
    }

    fn sum(&self, field: &str) -> i64 {
        self.all().map(|set| int(set, field, 0)).sum()
    }
}

fn size(set: &Value) -> i64 {
    int(set, "/spec/replicas", 0)
}

fn revision(set: &Value) -> i64 {
    annotation(set, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// One round; a ReplicaSet that it changes brings it here again.
pub(super) fn reconcile(world: &mut World, deployment: &Arc<Value>) {
    let mut rollout = Rollout::read(world, deployment);
    let paused = yes(deployment, "/spec/paused");
    let held = rollout.recreate() && old_pods(world, &rollout);
    if !paused && !held {
        ensure_new(world, &mut rollout);
    }
    if scaling(&rollout) || paused {
        scale_all(world, &rollout);
    } else if rollout.recreate() {
        recreate(world, &rollout);
    } else {
        roll(world, &rollout);
    }
    let Some(deployment) = ObjectRef::of(deployment).and_then(|name| world.bare(&name).cloned())
    else {
        return;
    };
    let rollout = Rollout::read(world, &deployment);
    status(world, &rollout, paused);
    if complete(&rollout) {
        forget(world, &rollout);
    }
}

fn old_pods(world: &World, rollout: &Rollout) -> bool {
    rollout
        .old
        .iter()
        .any(|set| size(set) > 0 || !world.owned(text(set, "/metadata/uid"), "Pod").is_empty())
}

/// Makes sure that the template's ReplicaSet is there and has the newest
/// revision.
fn ensure_new(world: &mut World, rollout: &mut Rollout) {
    let newest = rollout.old.iter().map(|set| revision(set)).max().unwrap_or(0) + 1;
    let deployment = &rollout.deployment;
    let number = match &rollout.new {
        Some(set) if revision(set) >= newest => revision(set),
        _ => newest,
    };
    let set = match &rollout.new {
        Some(set) if revision(set) == number => Arc::clone(set),
        Some(set) => {
            let mut set = Value::clone(set);
            let was = revision(&set);
            let history = match annotation(&set, HISTORY) {
                Some(history) => format!("{history},{was}"),
                None => was.to_string(),
            };
            crate::sandbox::fields::set(
                &mut set,
                &["metadata", "annotations", HISTORY],
                json!(history),
            );
            set_annotation(&mut set, REVISION, number);
            world.write(set, MANAGER, None)
        }
        None => create_set(world, rollout, number),
    };
    if annotation(deployment, REVISION) != Some(number.to_string().as_str()) {
        let mut marked = Value::clone(deployment);
        set_annotation(&mut marked, REVISION, number);
        rollout.deployment = world.write(marked, MANAGER, Some("status"));
    }
    rollout.new = Some(set);
}

fn set_annotation(object: &mut Value, name: &str, number: i64) {
    set(object, &["metadata", "annotations", name], json!(number.to_string()));
}

fn create_set(world: &mut World, rollout: &Rollout, number: i64) -> Arc<Value> {
    let deployment = &rollout.deployment;
    let hash = &rollout.hash;
    let name = format!("{}-{hash}", text(deployment, "/metadata/name"));
    let mut created = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": deployment["metadata"]["namespace"],
            "labels": deployment["spec"]["template"]["metadata"]["labels"],
            "annotations": {},
            "ownerReferences": controller_of(deployment),
        },
        "spec": {
            "replicas": new_size(rollout), "selector": deployment["spec"]["selector"],
            "template": deployment["spec"]["template"],
        },
        "status": {"replicas": 0},
    });
    if let Some(seconds) = at(deployment, "/spec/minReadySeconds") {
        created["spec"]["minReadySeconds"] = seconds.clone();
    }
    set(&mut created, &["metadata", "labels", HASH], json!(hash));
    set(&mut created, &["spec", "selector", "matchLabels", HASH], json!(hash));
    set(&mut created, &["spec", "template", "metadata", "labels", HASH], json!(hash));
    set_annotation(&mut created, REVISION, number);
    stamp_sizes(rollout, &mut created);
    world.write(created, MANAGER, None)
}

fn stamp_sizes(rollout: &Rollout, set: &mut Value) {
    set_annotation(set, DESIRED, rollout.replicas());
    set_annotation(set, MAXIMUM, rollout.replicas() + rollout.bounds().0);
}

fn resize(world: &mut World, rollout: &Rollout, set: &Value, to: i64) {
    let mut resized = set.clone();
    crate::sandbox::fields::set(&mut resized, &["spec", "replicas"], json!(to));
    stamp_sizes(rollout, &mut resized);
    world.write(resized, MANAGER, None);
}

/// How large the new ReplicaSet may be now.
fn new_size(rollout: &Rollout) -> i64 {
    let current = rollout.new.as_ref().map_or(0, |set| size(set));
    if rollout.recreate() {
        return rollout.replicas();
    }
    let most = rollout.replicas() + rollout.bounds().0;
    let total = rollout.total();
    if total >= most { current } else { current + (most - total).min(rollout.replicas() - current) }
}

/// Whether the Deployment's replicas have changed since its sets were sized.
fn scaling(rollout: &Rollout) -> bool {
    let wanted = rollout.replicas();
    rollout.all().filter(|set| size(set) > 0).any(|set| {
        annotation(set, DESIRED).and_then(|text| text.parse::<i64>().ok()) != Some(wanted)
    })
}

fn scale_all(world: &mut World, rollout: &Rollout) {
    let active: Vec<&Value> = rollout.all().filter(|set| size(set) > 0).collect();
    let only = match active.as_slice() {
        [] => rollout.new.as_ref().or(rollout.old.last()).map(Arc::as_ref),
        [one] => Some(*one),
        _ => None,
    };
    if let Some(set) = only {
        resize(world, rollout, set, rollout.replicas());
        return;
    }
    let full = rollout.new.as_ref().is_some_and(|set| {
        size(set) == rollout.replicas() && int(set, "/status/availableReplicas", 0) == size(set)
    });
    if full {
        for set in rollout.old.iter().filter(|set| size(set) > 0) {
            resize(world, rollout, set, 0);
        }
        return;
    }
    if rollout.recreate() {
        return;
    }
    proportionally(world, rollout, active);
}

/// Spreads the change over the sets by their share, the largest first.
fn proportionally(world: &mut World, rollout: &Rollout, mut sets: Vec<&Value>) {
    let replicas = rollout.replicas();
    let most = if replicas > 0 { replicas + rollout.bounds().0 } else { 0 };
    let change = most - rollout.total();
    sets.sort_by_key(|set| {
        let newest = if change > 0 { -revision(set) } else { revision(set) };
        (-size(set), newest)
    });
    let mut left = change;
    let mut sizes: Vec<i64> = Vec::new();
    for set in &sets {
        let was = annotation(set, MAXIMUM).and_then(|text| text.parse::<i64>().ok());
        let was = was.filter(|was| *was > 0).unwrap_or_else(|| rollout.total().max(1));
        let share = (2 * size(set) * most + was) / (2 * was) - size(set);
        let share = if replicas == 0 { -size(set) } else { share };
        let part =
            if change > 0 { share.clamp(0, left.max(0)) } else { share.clamp(left.min(0), 0) };
        left -= part;
        sizes.push(size(set) + part);
    }
    if let Some(first) = sizes.first_mut() {
        *first = (*first + left).max(0);
    }
    for (set, to) in sets.into_iter().zip(sizes) {
        resize(world, rollout, set, to);
    }
}

fn recreate(world: &mut World, rollout: &Rollout) {
    if old_pods(world, rollout) {
        for set in rollout.old.iter().filter(|set| size(set) > 0) {
            resize(world, rollout, set, 0);
        }
    } else if let Some(set) = rollout.new.as_ref().filter(|set| size(set) != rollout.replicas()) {
        resize(world, rollout, set, rollout.replicas());
    }
}

fn roll(world: &mut World, rollout: &Rollout) {
    let Some(new) = &rollout.new else { return };
    let to = if size(new) > rollout.replicas() { rollout.replicas() } else { new_size(rollout) };
    if to != size(new) {
        resize(world, rollout, new, to);
        return;
    }
    let least = rollout.replicas() - rollout.bounds().1;
    let available = |set: &Value| int(set, "/status/availableReplicas", 0);
    let mut budget = rollout.total() - least - (size(new) - available(new)).max(0);
    let mut sizes: Vec<i64> = rollout.old.iter().map(|set| size(set)).collect();
    // First pods that do not serve anyway, then as many as may be missing.
    for (set, to) in rollout.old.iter().zip(&mut sizes) {
        let cut = (*to - available(set)).clamp(0, budget.max(0));
        *to -= cut;
        budget -= cut;
    }
    let serving = rollout.all().map(available).sum::<i64>();
    let mut spare = (serving - least).max(0);
    for to in &mut sizes {
        let cut = (*to).min(spare).min(budget.max(0));
        *to -= cut;
        spare -= cut;
        budget -= cut;
    }
    for (set, to) in rollout.old.iter().zip(sizes).filter(|(set, to)| size(set) != *to) {
        resize(world, rollout, set, to);
    }
}

fn complete(rollout: &Rollout) -> bool {
    let updated = rollout.new.as_ref().map_or(0, |set| int(set, "/status/replicas", 0));
    let wanted = rollout.replicas();
    updated == wanted
        && rollout.sum("/status/replicas") == wanted
        && rollout.sum("/status/availableReplicas") == wanted
}

/// Removes old, empty sets beyond the history limit.
fn forget(world: &mut World, rollout: &Rollout) {
    let limit = int(&rollout.deployment, "/spec/revisionHistoryLimit", 10);
    let excess = i64::try_from(rollout.old.len()).unwrap_or(0) - limit;
    let excess = usize::try_from(excess).unwrap_or(0);
    let empty = |set: &&Arc<Value>| size(set) == 0 && int(set, "/status/replicas", 0) == 0;
    for name in rollout.old.iter().take(excess).filter(empty).filter_map(|set| ObjectRef::of(set)) {
        world.remove(&name);
    }
}

fn status(world: &mut World, rollout: &Rollout, paused: bool) {
    let deployment = &rollout.deployment;
    let ready = rollout.sum("/status/readyReplicas");
    let available = rollout.sum("/status/availableReplicas");
    let total = rollout.sum("/status/replicas");
    let updated = rollout.new.as_ref().map_or(0, |set| int(set, "/status/replicas", 0));
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "terminatingReplicas": rollout.sum("/status/terminatingReplicas"),
    });
    let missing = (rollout.total() - available).max(0);
    for (name, count) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", missing),
    ] {
        if count > 0 {
            status[name] = json!(count);
        }
    }
    let now = world.now();
    let enough = available >= rollout.replicas() - rollout.bounds().1;
    let first = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let mut conditions = vec![condition(deployment, "Available", first, false, now)];
    conditions.extend(progress(rollout, &status, paused, now));
    status["conditions"] = Value::Array(conditions);
    world.write_status(deployment, status, MANAGER);
}

fn find<'a>(deployment: &'a Value, kind: &str) -> Option<&'a Value> {
    at(deployment, "/status/conditions")?.as_array()?.iter().find(|c| c["type"] == kind)
}

fn condition(
    deployment: &Value,
    kind: &str,
    (status, reason, message): (&str, &str, &str),
    renew: bool,
    now: Timestamp,
) -> Value {
    let old = find(deployment, kind);
    if let Some(old) =
        old.filter(|old| old["status"] == status && old["reason"] == reason && !renew)
    {
        return old.clone();
    }
    let since =
        old.filter(|old| old["status"] == status).map(|old| old["lastTransitionTime"].clone());
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": now, "lastTransitionTime": since.unwrap_or_else(|| json!(now)),
    })
}

fn progress(rollout: &Rollout, new: &Value, paused: bool, now: Timestamp) -> Option<Value> {
    let deployment = &rollout.deployment;
    let deadline = at(deployment, "/spec/progressDeadlineSeconds")?.as_i64()?;
    let old = find(deployment, "Progressing");
    let reason = old.map_or("", |old| text(old, "/reason"));
    let set = rollout.new.as_ref().map_or("", |set| text(set, "/metadata/name"));
    let who = match set {
        "" => format!("Deployment {:?}", text(deployment, "/metadata/name")),
        set => format!("ReplicaSet {set:?}"),
    };
    if paused {
        let what = ("Unknown", "DeploymentPaused", "Deployment is paused");
        return Some(condition(deployment, "Progressing", what, false, now));
    }
    if reason == "DeploymentPaused" && !complete(rollout) {
        let what = ("Unknown", "DeploymentResumed", "Deployment is resumed");
        return Some(condition(deployment, "Progressing", what, true, now));
    }
    if complete(rollout) {
        let message = format!("{who} has successfully progressed.");
        let what = ("True", "NewReplicaSetAvailable", message.as_str());
        return Some(condition(deployment, "Progressing", what, false, now));
    }
    let count = |status: &Value, name: &str| int(status, &format!("/{name}"), 0);
    let before = deployment.get("status").cloned().unwrap_or_default();
    let older = |status: &Value| count(status, "replicas") - count(status, "updatedReplicas");
    let moved = count(new, "updatedReplicas") > count(&before, "updatedReplicas")
        || older(new) < older(&before)
        || count(new, "readyReplicas") > count(&before, "readyReplicas")
        || count(new, "availableReplicas") > count(&before, "availableReplicas");
    // A complete rollout that loses a pod is not a new one with a deadline.
    let settled = reason == "NewReplicaSetAvailable" && older(new) == 0 && !moved;
    if let Some(old) = old.filter(|_| settled) {
        return Some(old.clone());
    }
    let late = reason != "NewReplicaSetAvailable"
        && old
            .and_then(|old| instant(old, "/lastUpdateTime"))
            .is_some_and(|since| after(since, deadline) <= now);
    let progressing = format!("{who} is progressing.");
    let timed_out = format!("{who} has timed out progressing.");
    let created = format!("Created new replica set {set:?}");
    let what = if moved || old.is_none() {
        ("True", "ReplicaSetUpdated", progressing.as_str())
    } else if late || reason == "ProgressDeadlineExceeded" {
        ("False", "ProgressDeadlineExceeded", timed_out.as_str())
    } else if reason == "NewReplicaSetAvailable" {
        ("True", "NewReplicaSetCreated", created.as_str())
    } else {
        return old.cloned();
    };
    Some(condition(deployment, "Progressing", what, moved, now))
}

/// When the progress deadline passes.
pub(super) fn due(deployment: &Value) -> Option<Timestamp> {
    let deadline = at(deployment, "/spec/progressDeadlineSeconds")?.as_i64()?;
    let condition = find(deployment, "Progressing")?;
    let over = ["NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"];
    if over.contains(&text(condition, "/reason")) {
        return None;
    }
    Some(after(instant(condition, "/lastUpdateTime")?, deadline))
}
