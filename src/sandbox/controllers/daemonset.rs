//! DaemonSets: a pod on each node that fits, replaced where it is. Owns the pods
//! and ControllerRevisions of a DaemonSet, and the few nodes that there are; the
//! order of the steps is kube-controller-manager's.
//!
//! The nodes are five, called `node-1` to `node-5`. They are no objects: nothing
//! else here runs on one of them.

use super::pod::{end, leaving};
use super::revision::{self, LABEL};
use super::template::{available, fail_first, new_pod, ready_since};
use crate::core::object::{ObjectRef, at};
use crate::sandbox::fields::{amount, int, label, set, text};
use crate::sandbox::world::World;
use serde_json::{Value, json};
use std::sync::Arc;

const MANAGER: &str = "kube-controller-manager";
const NODES: [&str; 5] = ["node-1", "node-2", "node-3", "node-4", "node-5"];
const GENERATION: &str = "pod-template-generation";

/// A DaemonSet's pods at one instant.
struct Daemons {
    object: Arc<Value>,
    /// The hash of the newest template.
    update: String,
    /// By node, oldest first; those on their way out too.
    pods: Vec<(&'static str, Vec<Arc<Value>>)>,
}

impl Daemons {
    fn read(world: &mut World, object: &Arc<Value>) -> Self {
        let name = revision::publish(world, object, MANAGER);
        let prefix = format!("{}-", text(object, "/metadata/name"));
        let update = name.strip_prefix(&prefix).unwrap_or_default().to_owned();
        let mut all = world.owned(text(object, "/metadata/uid"), "Pod");
        all.sort_by_key(|pod| {
            let created = text(pod, "/metadata/creationTimestamp").to_owned();
            (created, text(pod, "/metadata/name").to_owned())
        });
        let on = |node: &str| {
            let here = all.iter().filter(|pod| text(pod, "/spec/nodeName") == node);
            here.cloned().collect()
        };
        let pods = NODES.map(|node| (node, on(node))).to_vec();
        Self { object: Arc::clone(object), update, pods }
    }

    fn is_new(&self, pod: &Value) -> bool {
        label(pod, LABEL) == Some(self.update.as_str())
    }
}

/// Whether the template of a DaemonSet may run on a node.
fn fits(object: &Value, node: &str) -> bool {
    let spec = &object["spec"]["template"]["spec"];
    let named = text(spec, "/nodeName");
    let label = |name: &str| match name {
        "kubernetes.io/hostname" => node,
        "kubernetes.io/os" => "linux",
        _ => "",
    };
    let selector = at(spec, "/nodeSelector").and_then(Value::as_object);
    let mut wanted = selector.into_iter().flatten();
    (named.is_empty() || named == node)
        && wanted
            .all(|(name, value)| !label(name).is_empty() && value.as_str() == Some(label(name)))
}

/// One round; a pod that it changes brings it here again.
pub(super) fn reconcile(world: &mut World, object: &Arc<Value>) {
    let daemons = Daemons::read(world, object);
    for (node, pods) in &daemons.pods {
        place(world, &daemons, node, pods);
    }
    if text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
        roll(world, &daemons);
    }
    let Some(object) = ObjectRef::of(object).and_then(|name| world.bare(&name).cloned()) else {
        return;
    };
    let daemons = Daemons::read(world, &object);
    status(world, &daemons);
    forget(world, &daemons);
}

/// One pod on a node that fits, none on any other. A pod that goes is not
/// replaced before it is gone.
fn place(world: &mut World, daemons: &Daemons, node: &str, pods: &[Arc<Value>]) {
    let kept = usize::from(fits(&daemons.object, node));
    let staying = pods.iter().filter(|pod| !leaving(pod));
    staying.skip(kept).for_each(|pod| end(world, pod));
    if kept == 1 && pods.is_empty() {
        create(world, daemons, node);
    }
}

fn create(world: &mut World, daemons: &Daemons, node: &str) {
    let owner = &daemons.object;
    let name = text(owner, "/metadata/name");
    let suffix: String = world.unique(name).chars().take(5).collect();
    let generation = int(owner, "/metadata/generation", 1);
    let generation = text_or(owner, "deprecated.daemonset.template.generation", generation);
    let labels = [(LABEL, daemons.update.as_str()), (GENERATION, generation.as_str())];
    let template = &owner["spec"]["template"];
    let mut pod = new_pod(owner, template, &format!("{name}-{suffix}"), &labels);
    set(&mut pod, &["spec", "nodeName"], json!(node));
    fail_first(world, owner, template, &mut pod);
    world.write(pod, MANAGER, None);
}

fn text_or(owner: &Value, annotation: &str, otherwise: i64) -> String {
    let found = crate::sandbox::fields::annotation(owner, annotation);
    found.map_or_else(|| otherwise.to_string(), str::to_owned)
}

/// Ends old pods: those that are no use anyway, and as many more as may be
/// missing.
fn roll(world: &mut World, daemons: &Daemons) {
    let wanted = daemons.pods.iter().filter(|(node, _)| fits(&daemons.object, node));
    let wanted: Vec<_> = wanted.collect();
    let total = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
    let most = at(&daemons.object, "/spec/updateStrategy/rollingUpdate/maxUnavailable");
    let most = amount(most, total, true, "1");
    let mut down = 0_i64;
    let mut candidates = Vec::new();
    for (_, pods) in wanted {
        let staying: Vec<_> = pods.iter().filter(|pod| !leaving(pod)).collect();
        let usable = staying.iter().any(|pod| available(world, &daemons.object, pod));
        down += i64::from(!usable);
        let Some(old) = staying.into_iter().find(|pod| !daemons.is_new(pod)) else { continue };
        if usable {
            candidates.push(Arc::clone(old));
        } else {
            end(world, old);
        }
    }
    let may = usize::try_from(most - down).unwrap_or(0);
    candidates.iter().take(may).for_each(|pod| end(world, pod));
}

fn status(world: &mut World, daemons: &Daemons) {
    let owner = &daemons.object;
    let (mut wanted, mut current, mut stray) = (0, 0, 0);
    let (mut ready, mut usable, mut updated) = (0, 0, 0);
    for (node, pods) in &daemons.pods {
        let first = pods.first();
        if !fits(owner, node) {
            stray += i64::from(first.is_some());
            continue;
        }
        wanted += 1;
        let Some(first) = first else { continue };
        current += 1;
        ready += i64::from(ready_since(first).is_some());
        usable += i64::from(available(world, owner, first));
        updated += i64::from(daemons.is_new(first));
    }
    let mut status = json!({
        "currentNumberScheduled": current,
        "numberMisscheduled": stray,
        "desiredNumberScheduled": wanted,
        "numberReady": ready,
        "observedGeneration": owner["metadata"]["generation"],
    });
    for (name, count) in [
        ("updatedNumberScheduled", updated),
        ("numberAvailable", usable),
        ("numberUnavailable", wanted - usable),
    ] {
        if count > 0 {
            status[name] = json!(count);
        }
    }
    world.write_status(owner, status, MANAGER);
}

/// Of the revisions that nothing is of any more, only the newest are kept.
fn forget(world: &mut World, daemons: &Daemons) {
    let owner = &daemons.object;
    let of = |revision: &Value| label(revision, LABEL).unwrap_or_default().to_owned();
    let live = |revision: &Value| {
        let hash = of(revision);
        let mut pods = daemons.pods.iter().flat_map(|(_, pods)| pods);
        hash == daemons.update || pods.any(|pod| label(pod, LABEL) == Some(hash.as_str()))
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
