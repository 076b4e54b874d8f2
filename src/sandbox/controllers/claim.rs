//! PersistentVolumeClaims: bound at once, as by a provisioner that never
//! fails. Owns their phase; there are no volumes behind them.

use crate::sandbox::world::World;
use serde_json::{Value, json};

const MANAGER: &str = "kube-controller-manager";

pub(super) fn bind(world: &mut World, claim: &Value) {
    let mut status = json!({"phase": "Bound"});
    for (field, from) in
        [("accessModes", "/spec/accessModes"), ("capacity", "/spec/resources/requests")]
    {
        if let Some(value) = claim.pointer(from) {
            status[field] = value.clone();
        }
    }
    world.write_status(claim, status, MANAGER);
}
