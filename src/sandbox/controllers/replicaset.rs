//! ReplicaSets: as many pods as asked for. Owns the pods of a ReplicaSet.

use super::pod::terminate;
use super::template::{active_pods, available, create_pod, ready_since, worst_first};
use crate::core::object::ObjectRef;
use crate::sandbox::fields::{int, text};
use crate::sandbox::world::World;
use serde_json::{Value, json};

const MANAGER: &str = "kube-controller-manager";

pub(super) fn reconcile(world: &mut World, set: &Value) {
    let wanted = int(set, "/spec/replicas", 1);
    let mut pods = active_pods(world, set);
    let there = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    for _ in there..wanted {
        create_pod(world, set, &set["spec"]["template"], &[], MANAGER);
    }
    if there > wanted {
        worst_first(world, set, &mut pods);
        let excess = usize::try_from(there - wanted).unwrap_or(0);
        for name in pods.iter().take(excess).filter_map(|pod| ObjectRef::of(pod)) {
            terminate(world, &name);
        }
    }
    status(world, set);
}

fn status(world: &mut World, set: &Value) {
    let Some(set) = ObjectRef::of(set).and_then(|name| world.bare(&name).cloned()) else {
        return;
    };
    let pods = active_pods(world, &set);
    let ready = pods.iter().filter(|pod| ready_since(pod).is_some()).count();
    let usable = pods.iter().filter(|pod| available(world, &set, pod)).count();
    let all = world.owned(text(&set, "/metadata/uid"), "Pod").len();
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"], "replicas": pods.len(),
        "terminatingReplicas": all - pods.len(),
    });
    let counts = [
        ("fullyLabeledReplicas", pods.len()),
        ("readyReplicas", ready),
        ("availableReplicas", usable),
    ];
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        status[name] = json!(count);
    }
    world.write_status(&set, status, MANAGER);
}
