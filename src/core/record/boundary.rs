//! Where a rollout stands between two batches. Owns the instant from which a
//! hold counts; what is waited for is decided from the newest plan, never from
//! here.

use crate::core::model::Pause;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The end of a batch that is not the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Boundary {
    /// When the batch was recorded as done, by the target's clock.
    pub at: Timestamp,
    /// What the plan then said is waited for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
}
