//! Pods from templates. Owns how a pod is made of its owner's template, how
//! templates are compared, and when a pod counts; it must never decide how many.

use super::pod::{self, leaving};
use crate::core::digest::Digest;
use crate::core::object::{ObjectRef, at};
use crate::sandbox::fields::{after, annotation, instant, int, set, text};
use crate::sandbox::world::{World, safe};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const FAIL_PODS: &str = "sandbox.tranche.dev/fail-pods";
const FAILED_PODS: &str = "sandbox.tranche.dev/failed-pods";

/// A template's short hash, in Kubernetes' alphabet for names.
pub(super) fn hash(template: &Value) -> String {
    let digest = Digest::of("sandbox-template-v1", template);
    digest.short().chars().take(10).map(safe).collect()
}

/// The same of the template of a stored workload, found out once.
pub(super) fn hash_of(world: &World, owner: &Value) -> String {
    let stored = ObjectRef::of(owner);
    let known = stored.as_ref().and_then(|name| world.template_hash(name, hash));
    known.map_or_else(|| hash(&owner["spec"]["template"]), str::to_owned)
}

/// The owner reference that makes `owner` the controller.
pub(super) fn controller_of(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }])
}

/// The pods of a workload that are not on their way out, oldest first.
pub(super) fn active_pods(world: &World, owner: &Value) -> Vec<Arc<Value>> {
    let mut pods = world.owned(text(owner, "/metadata/uid"), "Pod");
    pods.retain(|pod| !leaving(pod));
    pods.sort_by_key(|pod| {
        let created = text(pod, "/metadata/creationTimestamp").to_owned();
        (created, text(pod, "/metadata/name").to_owned())
    });
    pods
}

/// Creates a pod of `template`. The first `fail-pods` pods of a template never
/// get ready; the owner's annotation counts them.
pub(super) fn create_pod(
    world: &mut World,
    owner: &Value,
    template: &Value,
    labels: &[(&str, &str)],
    manager: &str,
) {
    let name = text(owner, "/metadata/name");
    let suffix: String = world.unique(name).chars().take(5).collect();
    let mut pod = new_pod(owner, template, &format!("{name}-{suffix}"), labels);
    fail_first(world, owner, template, &mut pod);
    world.write(pod, manager, None);
}

/// A pod of `template`, not yet created.
pub(super) fn new_pod(
    owner: &Value,
    template: &Value,
    name: &str,
    labels: &[(&str, &str)],
) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
        "status": {"phase": "Pending"},
    });
    set(&mut pod, &["metadata", "name"], json!(name));
    let prefix = format!("{}-", text(owner, "/metadata/name"));
    set(&mut pod, &["metadata", "generateName"], json!(prefix));
    set(&mut pod, &["metadata", "namespace"], owner["metadata"]["namespace"].clone());
    set(&mut pod, &["metadata", "ownerReferences"], controller_of(owner));
    for (label, value) in labels {
        set(&mut pod, &["metadata", "labels", label], json!(value));
    }
    pod
}

/// Marks `pod` as one that never gets ready, if its template says so and not
/// enough have failed yet.
pub(super) fn fail_first(world: &mut World, owner: &Value, template: &Value, pod: &mut Value) {
    let wanted = at(template, "/metadata/annotations")
        .and_then(|annotations| annotations.get(FAIL_PODS))
        .and_then(Value::as_str)
        .and_then(|text| text.parse::<u32>().ok())
        .unwrap_or(0);
    if wanted == 0 {
        return;
    }
    let Some(current) = ObjectRef::of(owner).and_then(|name| world.bare(&name).cloned()) else {
        return;
    };
    let hash = hash(template);
    let failed = annotation(&current, FAILED_PODS)
        .and_then(|text| text.split_once(':'))
        .filter(|(of, _)| *of == hash)
        .and_then(|(_, count)| count.parse::<u32>().ok())
        .unwrap_or(0);
    if failed < wanted {
        set(pod, &["metadata", "annotations", pod::READY], json!("never"));
        let mut owner = Value::clone(&current);
        let count = json!(format!("{hash}:{}", failed + 1));
        set(&mut owner, &["metadata", "annotations", FAILED_PODS], count);
        world.write(owner, "sandbox", Some("status"));
    }
}

/// When a pod became ready; none if it is not.
pub(super) fn ready_since(pod: &Value) -> Option<Timestamp> {
    let conditions = at(pod, "/status/conditions")?.as_array()?;
    let ready = conditions.iter().find(|c| c["type"] == "Ready" && c["status"] == "True")?;
    instant(ready, "/lastTransitionTime")
}

/// Whether a pod has been ready for its workload's `minReadySeconds`.
pub(super) fn available(world: &World, owner: &Value, pod: &Value) -> bool {
    let hold = int(owner, "/spec/minReadySeconds", 0);
    ready_since(pod).is_some_and(|since| after(since, hold) <= world.now())
}

/// When the next ready pod of a workload becomes available.
pub(super) fn next_available(world: &World, owner: &Value) -> Option<Timestamp> {
    let hold = int(owner, "/spec/minReadySeconds", 0);
    let pods = active_pods(world, owner);
    let instants = pods.iter().filter_map(|pod| ready_since(pod)).map(|since| after(since, hold));
    instants.filter(|at| *at > world.now()).min()
}

/// The worst pods first: what a scale-down takes.
pub(super) fn worst_first(world: &World, owner: &Value, pods: &mut [Arc<Value>]) {
    pods.sort_by_cached_key(|pod| {
        let running = text(pod, "/status/phase") == "Running";
        let created = instant(pod, "/metadata/creationTimestamp").map_or(0, Timestamp::as_second);
        let name = text(pod, "/metadata/name").to_owned();
        (running, ready_since(pod).is_some(), available(world, owner, pod), -created, name)
    });
}

/// Whether two templates differ in nothing but images (and metadata, which an
/// in-place update brings along).
pub(in crate::sandbox) fn only_images_differ(old: &Value, new: &Value) -> bool {
    without_images(old) == without_images(new)
}

fn without_images(template: &Value) -> Value {
    let mut spec = template.get("spec").cloned().unwrap_or_default();
    let containers = spec.get_mut("containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        if let Some(container) = container.as_object_mut() {
            container.remove("image");
            container.remove("imagePullPolicy");
        }
    }
    spec
}
