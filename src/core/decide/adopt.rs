//! The record of an entity whose objects went with their cluster. Owns what
//! of it still holds; it must never forget what was done.

use super::{BatchState, RollingState, State};
use crate::core::record::EntityRecord;
use crate::core::strategy::EntityKind;

/// The record on a cluster that was rebuilt: the open step, whose effects are
/// gone, is dropped back to the boundary before it, and what stood there has
/// to be brought back.
#[must_use]
pub fn adopted(record: &EntityRecord) -> EntityRecord {
    let mut next = record.clone();
    next.open = None;
    next.status.upgraded_ready_replicas = 0;
    // Objects that are applied directly are simply applied again.
    next.rebuilt = next.entity.kind == EntityKind::Rollout && !next.removed;
    if next.status.rolling_state == RollingState::RollingInBatches {
        let done = u32::try_from(next.goals.len()).unwrap_or(u32::MAX);
        let batch = match done {
            0 => BatchState::BatchInitializing,
            _ => BatchState::BatchReady,
        };
        next.status.current_batch = done.saturating_sub(1);
        next.status.upgraded_replicas = next.goals.last().copied().unwrap_or(0);
        next.set_state(State { rolling: RollingState::RollingInBatches, batch });
    }
    next
}
