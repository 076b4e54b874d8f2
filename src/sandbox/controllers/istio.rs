//! Istio: proxies take over what a VirtualService or a DestinationRule says, and
//! by default nobody tells when. Owns the status of those that ask for one, by
//! annotations of their own:
//!
//! ```text
//! sandbox.tranche.dev/accept-after: 30s   until proxies have a change, and the status says so
//! sandbox.tranche.dev/accept: never       changes are never taken over
//! ```

use super::gateway::{ACCEPT, ACCEPT_AFTER, changed};
use crate::core::object::ObjectRef;
use crate::sandbox::fields::{after, annotation, int, seconds};
use crate::sandbox::world::World;
use jiff::Timestamp;
use serde_json::{Value, json};

const CONTROLLER: &str = "istiod";

/// When the newest change of an object is taken over, if that is told and has
/// not been.
pub(super) fn due(world: &World, name: &ObjectRef, object: &Value) -> Option<Timestamp> {
    let delay = annotation(object, ACCEPT_AFTER).and_then(seconds)?;
    let told =
        int(object, "/status/observedGeneration", 0) >= int(object, "/metadata/generation", 1);
    if told || annotation(object, ACCEPT) == Some("never") {
        return None;
    }
    changed(world, name).map(|changed| after(changed, delay))
}

/// Looks at an object that is due.
pub(super) fn told(world: &mut World, object: &Value) {
    let Some(name) = ObjectRef::of(object) else { return };
    if due(world, &name, object).is_none_or(|at| at > world.now()) {
        return;
    }
    let generation = int(object, "/metadata/generation", 1);
    let reconciled = json!({
        "type": "Reconciled", "status": "True", "message": "1/1 proxies up to date.",
        "observedGeneration": generation, "lastTransitionTime": world.now(),
    });
    let status = json!({"observedGeneration": generation, "conditions": [reconciled]});
    world.write_status(object, status, CONTROLLER);
}
