//! What stands in the way of taking a Deployment over. Each is said before
//! anything is written, with what to do about it.

/// A Deployment or a Service that cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct CaptureError {
    /// The object and the cause.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

impl CaptureError {
    pub(super) fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into() }
    }
}
