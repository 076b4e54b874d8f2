//! Requests to hooks outside. Owns the shape of a call and of what comes back;
//! what an answer means is not known here.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// How long a call takes at most, its connection included. It is shorter than
/// what a run leaves of its lease, so that no call outlives its lock.
pub const CALL: Duration = Duration::from_secs(10);

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookRequest<'a> {
    /// Where to.
    pub url: &'a str,
    /// The method.
    pub method: &'a str,
    /// The same for each time that the same call is made: the header
    /// `Idempotency-Key`.
    pub key: &'a str,
    /// The body, which is JSON.
    pub body: &'a str,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAnswer {
    /// An answer of this status.
    Status(u16),
    /// No answer, and why, without anything of the URL but its host.
    None(String),
    /// It was not made, because nothing real is to happen.
    Skipped,
}

/// A call under way.
pub type Calling<'a> = Pin<Box<dyn Future<Output = HookAnswer> + 'a>>;

/// Whoever makes the calls.
pub trait Hooks {
    /// Makes one request. It takes [`CALL`] at most, follows no redirect and is
    /// not repeated.
    fn call<'a>(&'a self, request: HookRequest<'a>) -> Calling<'a>;
}
