//! Kruise's CloneSets: two revisions side by side, as many of the new one as
//! the partition lets through. Owns the pods and ControllerRevisions of a
//! CloneSet; where Kruise has a feature gate, the default of 1.x holds.

use super::pod::{running, terminate};
use super::revision::{self, LABEL};
use super::template::{
    active_pods, available, create_pod, fail_first, hash, only_images_differ, ready_since,
    worst_first,
};
use crate::core::object::{ObjectRef, at};
use crate::sandbox::fields::{amount, int, label, set, text, yes};
use crate::sandbox::world::World;
use serde_json::{Value, json};
use std::sync::Arc;

const MANAGER: &str = "kruise-manager";

/// A CloneSet at one instant.
struct Clones {
    object: Arc<Value>,
    current: String,
    update: String,
    /// Pods of the update revision.
    new: Vec<Arc<Value>>,
    /// All other pods.
    old: Vec<Arc<Value>>,
}

impl Clones {
    fn replicas(&self) -> i64 {
        int(&self.object, "/spec/replicas", 1)
    }

    /// How many pods stay at the old revision. A percentage below 100 lets at
    /// least one pod through.
    fn partition(&self) -> i64 {
        let value = at(&self.object, "/spec/updateStrategy/partition");
        let replicas = self.replicas();
        let mut kept = amount(value, replicas, true, "0");
        if replicas > 1 && kept == replicas && value.is_some_and(|v| v.is_string() && v != "100%") {
            kept = replicas - 1;
        }
        kept.clamp(0, replicas)
    }

    fn strategy(&self) -> &str {
        text(&self.object, "/spec/updateStrategy/type")
    }

    fn paused(&self) -> bool {
        yes(&self.object, "/spec/updateStrategy/paused")
    }

    /// How many old pods are to be updated now.
    fn to_update(&self) -> i64 {
        if self.paused() { 0 } else { (count(&self.old) - self.partition()).max(0) }
    }

    fn surge(&self) -> i64 {
        let value = at(&self.object, "/spec/updateStrategy/maxSurge");
        amount(value, self.replicas(), true, "0").min(self.to_update())
    }

    fn pods(&self) -> impl Iterator<Item = &Value> {
        self.old.iter().chain(&self.new).map(Arc::as_ref)
    }
}

fn count(pods: &[Arc<Value>]) -> i64 {
    i64::try_from(pods.len()).unwrap_or(i64::MAX)
}

pub(super) fn reconcile(world: &mut World, object: &Arc<Value>) {
    let clones = read(world, object);
    let there = count(&clones.old) + count(&clones.new);
    let wanted = clones.replicas() + clones.surge();
    if there < wanted {
        scale_up(world, &clones, wanted - there);
    } else if there > wanted {
        scale_down(world, &clones, there - wanted);
    } else {
        update(world, &clones);
    }
    let Some(object) = ObjectRef::of(object).and_then(|name| world.bare(&name).cloned()) else {
        return;
    };
    let clones = read(world, &object);
    status(world, &clones);
}

fn read(world: &mut World, object: &Arc<Value>) -> Clones {
    let update = revision::publish(world, object, MANAGER);
    let current = revision::current(object, &update);
    let pods = active_pods(world, object);
    let (new, old) = pods.into_iter().partition(|pod| label(pod, LABEL) == Some(update.as_str()));
    Clones { object: Arc::clone(object), current, update, new, old }
}

/// New pods are of the old revision as long as the partition asks for more of
/// it, and of the new one beyond.
fn scale_up(world: &mut World, clones: &Clones, missing: i64) {
    let distinct = clones.current != clones.update;
    let of_old =
        if distinct { (clones.partition() - count(&clones.old)).clamp(0, missing) } else { 0 };
    for index in 0..missing {
        let name = if index < of_old { &clones.current } else { &clones.update };
        let template = revision::template(world, &clones.object, name);
        let short = hash(&template);
        let labels = [(LABEL, name.as_str()), ("pod-template-hash", short.as_str())];
        create_pod(world, &clones.object, &template, &labels, MANAGER);
    }
}

/// Old pods beyond the partition go first, then new ones beyond their share;
/// among equals the worst.
fn scale_down(world: &mut World, clones: &Clones, excess: i64) {
    let (mut old, mut new) = (clones.old.clone(), clones.new.clone());
    worst_first(world, &clones.object, &mut old);
    worst_first(world, &clones.object, &mut new);
    let surplus = (count(&old) - clones.partition()).clamp(0, excess);
    let first = usize::try_from(surplus).unwrap_or(0).min(old.len());
    let rest = old.split_off(first);
    let order = old.into_iter().chain(new).chain(rest);
    let names: Vec<ObjectRef> = order.filter_map(|pod| ObjectRef::of(&pod)).collect();
    for name in names.iter().take(usize::try_from(excess).unwrap_or(0)) {
        terminate(world, name);
    }
}

fn update(world: &mut World, clones: &Clones) {
    let limit = at(&clones.object, "/spec/updateStrategy/maxUnavailable");
    let allowed = amount(limit, clones.replicas(), clones.surge() == 0, "20%");
    let spare = (count(&clones.old) + count(&clones.new) - clones.replicas()).max(0);
    let owner = &clones.object;
    let down = clones.pods().filter(|pod| !available(world, owner, pod)).count();
    let mut budget = allowed + spare - i64::try_from(down).unwrap_or(0);
    let mut old = clones.old.clone();
    // Pods that do not serve cost nothing; then the oldest.
    old.sort_by_key(|pod| {
        (
            available(world, owner, pod),
            text(pod, "/metadata/creationTimestamp").to_owned(),
            text(pod, "/metadata/name").to_owned(),
        )
    });
    let wanted = usize::try_from(clones.to_update()).unwrap_or(0);
    for pod in old.into_iter().take(wanted) {
        if available(world, owner, &pod) {
            if budget <= 0 {
                return;
            }
            budget -= 1;
        }
        replace(world, clones, &pod);
    }
}

/// Brings one pod to the update revision: in place where that is asked for and
/// possible, else by deleting it.
fn replace(world: &mut World, clones: &Clones, pod: &Value) {
    let old = revision::template(world, &clones.object, label(pod, LABEL).unwrap_or(""));
    let new = revision::template(world, &clones.object, &clones.update);
    let possible = only_images_differ(&old, &new);
    match clones.strategy() {
        "InPlaceIfPossible" | "InPlaceOnly" if possible => {
            in_place(world, clones, pod, &new);
        }
        "InPlaceOnly" => {}
        _ => {
            if let Some(name) = ObjectRef::of(pod) {
                terminate(world, &name);
            }
        }
    }
}

fn in_place(world: &mut World, clones: &Clones, pod: &Value, template: &Value) {
    let mut new = pod.clone();
    new["spec"]["containers"] = template["spec"]["containers"].clone();
    for map in ["labels", "annotations"] {
        // Metadata comes from the template alone, so that what the old one said
        // of the pod's behaviour does not outlive it.
        let metadata = template["metadata"].get(map).cloned();
        if let Some(metadata) = metadata {
            new["metadata"][map] = metadata;
        } else if let Some(metadata) = new["metadata"].as_object_mut() {
            metadata.remove(map);
        }
    }
    set(&mut new, &["metadata", "labels", LABEL], json!(clones.update));
    set(&mut new, &["metadata", "labels", "pod-template-hash"], json!(hash(template)));
    fail_first(world, &clones.object, template, &mut new);
    let stored = world.write(new, MANAGER, None);
    if text(&stored, "/status/phase") == "Running" {
        let restarted = running(&stored, world.now());
        world.write(restarted, "kubelet", Some("status"));
    }
}

fn status(world: &mut World, clones: &Clones) {
    let owner = &clones.object;
    let ready = |pods: &[Arc<Value>]| pods.iter().filter(|pod| ready_since(pod).is_some()).count();
    let usable =
        |pods: &[Arc<Value>]| pods.iter().filter(|pod| available(world, owner, pod)).count();
    let replicas = clones.old.len() + clones.new.len();
    let whole = clones.old.is_empty() && count(&clones.new) == clones.replicas();
    let current = if whole { &clones.update } else { &clones.current };
    let labels = at(owner, "/spec/selector/matchLabels").and_then(Value::as_object);
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")))
        .collect();
    let status = json!({
        "observedGeneration": owner["metadata"]["generation"],
        "replicas": replicas,
        "readyReplicas": ready(&clones.old) + ready(&clones.new),
        "availableReplicas": usable(&clones.old) + usable(&clones.new),
        "updatedReplicas": clones.new.len(),
        "updatedReadyReplicas": ready(&clones.new),
        "updatedAvailableReplicas": usable(&clones.new),
        "expectedUpdatedReplicas": clones.replicas() - clones.partition(),
        "currentRevision": current,
        "updateRevision": clones.update,
        "labelSelector": selector.join(","),
    });
    world.write_status(owner, status, MANAGER);
}
