//! The target's clock. Owns that recorded instants are the target's; it must
//! never answer with this machine's.

use super::ClusterError;
use jiff::Timestamp;
use std::time::Duration;

/// The clock of a target: the `Date` of its API server, or the sandbox's time.
/// Every recorded instant comes from here; the local clock only bounds
/// requests.
#[expect(async_fn_in_trait, reason = "one thread: no future needs to be Send")]
pub trait Clock {
    /// The target's time, whole seconds.
    ///
    /// # Errors
    /// Fails when the target's API server does not answer.
    async fn now(&self) -> Result<Timestamp, ClusterError>;

    /// Waits until something may have changed, at most `at_most`, and returns
    /// the target's time after it. A real target's clock sleeps a short while;
    /// the sandbox's jumps to its next event, never beyond `at_most`. Where
    /// `may_jump` is false (another run is at work) the sandbox's clock sleeps
    /// too.
    ///
    /// # Errors
    /// Fails when the target's API server does not answer.
    async fn wait(&self, at_most: Duration, may_jump: bool) -> Result<Timestamp, ClusterError>;
}
