//! A number of pods, or a share of them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A count of pods or a percentage, as in `replicas: 2` and `replicas: 40%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Amount {
    /// So many pods.
    Count(u32),
    /// So many per cent of a total.
    Percent(u32),
}

impl Default for Amount {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl Amount {
    /// The amount as pods of `total`; percentages round up, as the original
    /// does for batches and for `maxUnavailable` alike.
    #[must_use]
    pub fn of(self, total: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let pods = (u64::from(total) * u64::from(percent)).div_ceil(100);
                u32::try_from(pods).unwrap_or(u32::MAX)
            }
        }
    }

    /// The amount as pods of `total`, where percentages round down.
    #[must_use]
    pub fn rounded_down(self, total: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let pods = u64::from(total) * u64::from(percent) / 100;
                u32::try_from(pods).unwrap_or(u32::MAX)
            }
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}
