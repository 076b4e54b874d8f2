//! This run as a process, and who listens to it. Owns how a run is known to
//! others and what it tells its audience; nothing of it may change what is
//! done.

use crate::core::record::Holder;

/// This run: its identity, and whether it was asked to stop.
pub trait Process {
    /// Who this run is.
    fn holder(&self) -> &Holder;

    /// Whether the process of another run certainly exists no more: same
    /// boot, same PID namespace, and no process of that pid and start time.
    fn provably_dead(&self, holder: &Holder) -> bool;

    /// A signal asked the run to stop at the next safe place.
    fn stopping(&self) -> bool;
}

/// What happens during a run, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A record commit was pushed: its phase and its subject.
    Recorded {
        /// Phase.
        phase: crate::core::record::CommitPhase,
        /// Subject.
        subject: String,
    },
    /// An effect begins.
    Effect(String),
    /// A look at what is awaited.
    Looking(String),
    /// Something to know.
    Notice(String),
}

/// Who listens to a run.
pub trait Audience {
    /// Hears of one thing.
    fn hear(&self, progress: &Progress);
}

/// Everything that the engine acts through.
pub trait Ports {
    /// The cluster.
    type Cluster: super::Cluster;
    /// The remote.
    type Remote: super::Remote;
    /// The target's clock.
    type Clock: super::Clock;

    /// The cluster.
    fn cluster(&self) -> &Self::Cluster;
    /// The remote.
    fn remote(&self) -> &Self::Remote;
    /// The target's clock.
    fn clock(&self) -> &Self::Clock;
    /// This run.
    fn process(&self) -> &dyn Process;
    /// Whoever calls hooks.
    fn hooks(&self) -> &dyn super::Hooks;
    /// Who listens.
    fn audience(&self) -> &dyn Audience;
}
