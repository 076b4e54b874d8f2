//! The sandbox's clock as the engine sees it.

use super::Sandbox;
use crate::port::{Clock, ClusterError, ClusterProblem};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How long to sleep, by the wall clock, while another run is at work.
const PAUSE: Duration = Duration::from_millis(50);

/// A clock that jumps from event to event.
#[derive(Clone)]
pub struct SandboxClock {
    sandbox: Sandbox,
}

impl SandboxClock {
    /// The clock of a sandbox.
    #[must_use]
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

fn broken(error: &std::io::Error) -> ClusterError {
    ClusterError {
        subject: "the sandbox".to_owned(),
        problem: ClusterProblem::Unreachable(error.to_string()),
    }
}

impl Clock for SandboxClock {
    async fn now(&self) -> Result<Timestamp, ClusterError> {
        self.sandbox.now().map_err(|error| broken(&error))
    }

    async fn wait(&self, at_most: Duration, may_jump: bool) -> Result<Timestamp, ClusterError> {
        if !may_jump {
            tokio::time::sleep(PAUSE.min(at_most)).await;
            return self.now().await;
        }
        let jump = || {
            let now = self.sandbox.now()?;
            let by = SignedDuration::try_from(at_most).unwrap_or(SignedDuration::MAX);
            let end = now.saturating_add(by).unwrap_or(now);
            let next = self.sandbox.next_event()?.map_or(end, |next| next.min(end));
            self.sandbox.advance(next)
        };
        jump().map_err(|error| broken(&error))
    }
}
