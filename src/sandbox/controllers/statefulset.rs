//! StatefulSets: pods with ordinals, created upwards, removed and updated
//! downwards, one at a time. Owns the pods and ControllerRevisions of a
//! StatefulSet; the order of the steps is kube-controller-manager's.

use super::pod::{end, leaving};
use super::revision::{self, LABEL};
use super::template::{available, fail_first, new_pod, ready_since};
use crate::core::object::{KindRef, ObjectRef, at};
use crate::sandbox::fields::{int, label, set, text};
use crate::sandbox::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

const MANAGER: &str = "kube-controller-manager";

/// A StatefulSet at one instant.
struct Ordinals {
    object: Arc<Value>,
    current: String,
    update: String,
    /// All its pods, those on their way out too.
    pods: BTreeMap<i64, Arc<Value>>,
}

impl Ordinals {
    fn read(world: &mut World, object: &Arc<Value>) -> Self {
        let update = revision::publish(world, object, MANAGER);
        let current = revision::current(object, &update);
        let prefix = format!("{}-", text(object, "/metadata/name"));
        let ordinal = |pod: &Value| text(pod, "/metadata/name").strip_prefix(&prefix)?.parse().ok();
        let pods = world.owned(text(object, "/metadata/uid"), "Pod");
        let pods = pods.into_iter().filter_map(|pod| Some((ordinal(&pod)?, pod))).collect();
        Self { object: Arc::clone(object), current, update, pods }
    }

    fn replicas(&self) -> i64 {
        int(&self.object, "/spec/replicas", 1)
    }

    fn start(&self) -> i64 {
        int(&self.object, "/spec/ordinals/start", 0)
    }

    /// The ordinals that there are to be.
    fn range(&self) -> Range<i64> {
        self.start()..self.start().saturating_add(self.replicas())
    }

    /// Whether each pod waits for its predecessors.
    fn ordered(&self) -> bool {
        text(&self.object, "/spec/podManagementPolicy") != "Parallel"
    }

    fn rolls(&self) -> bool {
        text(&self.object, "/spec/updateStrategy/type") == "RollingUpdate"
    }

    /// The first ordinal that an update reaches.
    fn partition(&self) -> i64 {
        let partition = int(&self.object, "/spec/updateStrategy/rollingUpdate/partition", 0);
        self.start().saturating_add(partition)
    }

    /// The revision of a pod that is yet to be created.
    fn revision(&self, ordinal: i64) -> &str {
        let of_current = if at(&self.object, "/spec/updateStrategy/rollingUpdate").is_some() {
            ordinal < self.partition()
        } else {
            let kept = int(&self.object, "/status/currentReplicas", 0);
            self.rolls() && ordinal < self.start().saturating_add(kept)
        };
        if of_current { &self.current } else { &self.update }
    }

    fn usable(&self, world: &World, pod: &Value) -> bool {
        !leaving(pod) && available(world, &self.object, pod)
    }
}

/// One round; a pod that it changes brings it here again.
pub(super) fn reconcile(world: &mut World, object: &Arc<Value>) {
    let ordinals = Ordinals::read(world, object);
    let settled =
        scale_up(world, &ordinals).is_continue() && scale_down(world, &ordinals).is_continue();
    if settled && ordinals.rolls() {
        update(world, &ordinals);
    }
    let Some(object) = ObjectRef::of(object).and_then(|name| world.bare(&name).cloned()) else {
        return;
    };
    let ordinals = Ordinals::read(world, &object);
    status(world, &ordinals);
    forget(world, &ordinals);
}

/// Creates what is missing, from the lowest ordinal up. In order, a pod that
/// does not serve holds back all that comes after it.
fn scale_up(world: &mut World, ordinals: &Ordinals) -> ControlFlow<()> {
    for ordinal in ordinals.range() {
        let there = ordinals.pods.get(&ordinal);
        if there.is_none() {
            create(world, ordinals, ordinal);
        }
        if ordinals.ordered() && !there.is_some_and(|pod| ordinals.usable(world, pod)) {
            return ControlFlow::Break(());
        }
    }
    ControlFlow::Continue(())
}

/// Nothing where another's pod has the name, such as one of a StatefulSet of
/// the same name that was deleted just now.
fn create(world: &mut World, ordinals: &Ordinals, ordinal: i64) {
    let owner = &ordinals.object;
    let name = format!("{}-{ordinal}", text(owner, "/metadata/name"));
    let namespace = text(owner, "/metadata/namespace");
    let place = ObjectRef::new(&KindRef::new("v1", "Pod"), Some(namespace), &name);
    if world.bare(&place).is_some() {
        return;
    }
    let of = ordinals.revision(ordinal);
    let template = revision::template(world, owner, of);
    let index = ordinal.to_string();
    let labels = [
        (LABEL, of),
        ("statefulset.kubernetes.io/pod-name", name.as_str()),
        ("apps.kubernetes.io/pod-index", index.as_str()),
    ];
    let mut pod = new_pod(owner, &template, &name, &labels);
    set(&mut pod, &["spec", "hostname"], json!(name));
    set(&mut pod, &["spec", "subdomain"], owner["spec"]["serviceName"].clone());
    fail_first(world, owner, &template, &mut pod);
    world.write(pod, MANAGER, None);
}

/// Removes what is out of range, from the highest ordinal down. In order, one
/// that does not serve is in the way, unless it is the lowest such.
fn scale_down(world: &mut World, ordinals: &Ordinals) -> ControlFlow<()> {
    let range = ordinals.range();
    let beyond = || ordinals.pods.iter().filter(|(ordinal, _)| !range.contains(ordinal));
    let lowest = beyond().find(|(_, pod)| !ordinals.usable(world, pod)).map(|(ordinal, _)| ordinal);
    for (ordinal, pod) in beyond().rev() {
        let stuck = !available(world, &ordinals.object, pod) && lowest != Some(ordinal);
        let held = leaving(pod) || (stuck && ordinals.ordered());
        if !held {
            end(world, pod);
        }
        if ordinals.ordered() {
            return ControlFlow::Break(());
        }
    }
    ControlFlow::Continue(())
}

/// Ends the highest pod that is not of the update revision, once all above it
/// are and serve.
fn update(world: &mut World, ordinals: &Ordinals) {
    let range = ordinals.partition()..ordinals.range().end;
    for ordinal in range.rev() {
        let Some(pod) = ordinals.pods.get(&ordinal) else { return };
        if !leaving(pod) && label(pod, LABEL) != Some(ordinals.update.as_str()) {
            end(world, pod);
            return;
        }
        if !ordinals.usable(world, pod) {
            return;
        }
    }
}

fn status(world: &mut World, ordinals: &Ordinals) {
    let owner = &ordinals.object;
    let count = |test: &dyn Fn(&Value) -> bool| {
        let pods = ordinals.pods.values().filter(|pod| test(pod));
        i64::try_from(pods.count()).unwrap_or(i64::MAX)
    };
    let of = |revision: &str| count(&|pod| !leaving(pod) && label(pod, LABEL) == Some(revision));
    let (replicas, ready) = (count(&|_| true), count(&|pod| ready_since(pod).is_some()));
    let updated = of(&ordinals.update);
    let complete =
        ordinals.rolls() && [replicas, ready, updated].iter().all(|n| *n == ordinals.replicas());
    let current = if complete { &ordinals.update } else { &ordinals.current };
    let mut status = json!({
        "observedGeneration": owner["metadata"]["generation"],
        "replicas": replicas,
        "availableReplicas": count(&|pod| available(world, owner, pod)),
        "currentRevision": current,
        "updateRevision": ordinals.update,
    });
    for (name, count) in
        [("readyReplicas", ready), ("currentReplicas", of(current)), ("updatedReplicas", updated)]
    {
        if count > 0 {
            status[name] = json!(count);
        }
    }
    world.write_status(owner, status, MANAGER);
}

/// Of the revisions that nothing is of any more, only the newest are kept.
fn forget(world: &mut World, ordinals: &Ordinals) {
    let owner = &ordinals.object;
    let live = |revision: &Value| {
        let name = text(revision, "/metadata/name");
        name == ordinals.current
            || name == ordinals.update
            || ordinals.pods.values().any(|pod| label(pod, LABEL) == Some(name))
    };
    let mut old = world.owned(text(owner, "/metadata/uid"), "ControllerRevision");
    old.retain(|revision| !live(revision));
    old.sort_by_key(|revision| int(revision, "/revision", 0));
    let limit = usize::try_from(int(owner, "/spec/revisionHistoryLimit", 10)).unwrap_or(usize::MAX);
    let excess = old.len().saturating_sub(limit);
    for name in old.iter().take(excess).filter_map(|kept| ObjectRef::of(kept)) {
        world.remove(&name);
    }
}
