//! ControllerRevisions: the templates that a workload has had. Owns their names
//! and their numbers; it must never decide which pod gets which.

use super::template::{controller_of, hash_of};
use crate::core::object::{KindRef, ObjectRef};
use crate::sandbox::fields::{int, set, text};
use crate::sandbox::world::World;
use serde_json::{Value, json};

/// The pod label that names the revision a pod is of.
pub(super) const LABEL: &str = "controller-revision-hash";

fn reference(owner: &Value, revision: &str) -> ObjectRef {
    let kind = KindRef::new("apps/v1", "ControllerRevision");
    ObjectRef::new(&kind, Some(text(owner, "/metadata/namespace")), revision)
}

/// Keeps the template of `owner`, since a scale-up may need it when it is no
/// longer the newest. One that comes back gets a new number. Returns its
/// revision's name.
pub(super) fn publish(world: &mut World, owner: &Value, manager: &str) -> String {
    let template = &owner["spec"]["template"];
    let hash = hash_of(world, owner);
    let name = format!("{}-{hash}", text(owner, "/metadata/name"));
    let known = world.owned(text(owner, "/metadata/uid"), "ControllerRevision");
    let newest = known.iter().map(|r| int(r, "/revision", 0)).max().unwrap_or(0);
    if let Some(kept) = world.bare(&reference(owner, &name)).cloned() {
        if int(&kept, "/revision", 0) < newest && known.contains(&kept) {
            let mut kept = Value::clone(&kept);
            kept["revision"] = json!(newest + 1);
            world.write(kept, manager, None);
        }
        return name;
    }
    let mut labels = template["metadata"]["labels"].clone();
    // Of a DaemonSet it says which pods are of it; of others their name does.
    if owner["kind"] == "DaemonSet" {
        set(&mut labels, &[LABEL], json!(hash));
    }
    let kept = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {
            "name": name, "namespace": owner["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": controller_of(owner),
        },
        "data": {"spec": {"template": template}},
        "revision": newest + 1,
    });
    world.write(kept, manager, None);
    name
}

/// The revision that the workload comes from: the update's if it is new.
pub(super) fn current(owner: &Value, update: &str) -> String {
    match text(owner, "/status/currentRevision") {
        "" => update.to_owned(),
        current => current.to_owned(),
    }
}

/// The template of a revision.
pub(super) fn template(world: &World, owner: &Value, revision: &str) -> Value {
    let kept = world.bare(&reference(owner, revision));
    kept.map_or_else(
        || owner["spec"]["template"].clone(),
        |kept| kept["data"]["spec"]["template"].clone(),
    )
}
