//! Whether a rollout is in its lane. Owns that, as a function of the record
//! alone: nobody counts who has come and who has gone.

use crate::core::record::EntityRecord;
use crate::core::strategy::Movement;

/// The revision for which a rollout is in a lane, if it is: from the result that
/// says that its pods are ready to the one that says that the workload itself is
/// updated, and never on the way back.
#[must_use]
pub fn in_lane(record: &EntityRecord) -> Option<&str> {
    let state = record.status.rolling_state;
    // What stood is not back yet, or nobody knows where it stands.
    let unsure = record.rebuilt || record.undecided.is_some();
    let over = unsure
        || record.removed
        || state.terminal()
        || state.going_back()
        || record.ending.is_some();
    let of = record.steps.as_ref().map_or(0, |steps| steps.of);
    let done = u32::try_from(record.goals.len()).ok()?;
    let tries = record.movement == Some(Movement::Upgrade) && done >= 1 && done + 1 < of;
    record.target.as_ref().filter(|_| tries && !over).map(|target| target.name.as_str())
}
