//! What is waited for between two batches. Owns what a plan can say of that and
//! how it is told; whether it is over is decided elsewhere.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a plan has waited for once a batch is done, before the next one begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Pause {
    /// Time, counted from the instant at which the batch was recorded as done.
    For {
        /// How much of it.
        seconds: u32,
        /// It is for what still serves, not for people to look: an approval of
        /// all gates leaves it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        delay: bool,
    },
    /// Somebody's word.
    UntilApproved {
        /// The target revision that the plan itself approves, if it does: for any
        /// other one it is waited for still.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved_for: Option<String>,
    },
}

impl Pause {
    /// Time, for people to look.
    #[must_use]
    pub fn held(seconds: u32) -> Self {
        Self::For { seconds, delay: false }
    }

    /// Whether it is for what still serves.
    #[must_use]
    pub fn is_delay(&self) -> bool {
        matches!(self, Self::For { delay: true, .. })
    }

    /// What is waited for after a batch, by a list of that.
    #[must_use]
    pub fn after(pauses: &[Option<Self>], batch: u32) -> Option<&Self> {
        pauses.get(usize::try_from(batch).ok()?)?.as_ref()
    }

    /// Whether the plan has the next batch begin at once on the way to a
    /// revision.
    #[must_use]
    pub fn lets_through(&self, revision: &str) -> bool {
        match self {
            Self::For { seconds, .. } => *seconds == 0,
            Self::UntilApproved { approved_for } => approved_for.as_deref() == Some(revision),
        }
    }

    /// What happens between the two batches on the way to a revision, for a list
    /// of steps.
    #[must_use]
    pub fn told(&self, revision: &str) -> String {
        match self {
            Self::For { .. } => self.to_string(),
            _ if self.lets_through(revision) => format!("approved for {revision} by the plan"),
            Self::UntilApproved { approved_for: Some(other) } => {
                format!("{self}; the plan approves {other} only")
            }
            Self::UntilApproved { approved_for: None } => self.to_string(),
        }
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For { seconds, .. } => write!(f, "hold for {}", Span(*seconds)),
            Self::UntilApproved { .. } => f.write_str("wait for approval"),
        }
    }
}

/// Seconds as a plan would have them: `1h30m`.
struct Span(u32);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0;
        for (unit, worth) in [('h', 3600), ('m', 60), ('s', 1)] {
            let count = left / worth;
            left %= worth;
            if count > 0 || (unit == 's' && self.0 == 0) {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_says_what_is_waited_for() {
        let told = |seconds| Pause::held(seconds).told("web-v2");
        assert_eq!(told(0), "hold for 0s");
        assert_eq!(told(45), "hold for 45s");
        assert_eq!(told(300), "hold for 5m");
        assert_eq!(told(5_405), "hold for 1h30m5s");
        let until = |name: Option<&str>| {
            let approved_for = name.map(str::to_owned);
            Pause::UntilApproved { approved_for }.told("web-v2")
        };
        assert_eq!(until(None), "wait for approval");
        assert_eq!(until(Some("web-v2")), "approved for web-v2 by the plan");
        assert_eq!(until(Some("web-v1")), "wait for approval; the plan approves web-v1 only");
    }

    #[test]
    fn a_plan_approves_one_revision_and_no_other() {
        let named = Pause::UntilApproved { approved_for: Some("web-v2".to_owned()) };
        assert!(named.lets_through("web-v2"));
        assert!(!named.lets_through("web-v3"));
        assert!(!Pause::UntilApproved { approved_for: None }.lets_through("web-v2"));
        assert!(Pause::held(0).lets_through("web-v2"));
        assert!(!Pause::held(1).lets_through("web-v2"));
    }
}
