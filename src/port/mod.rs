//! The traits through which the engine sees cluster, remote and clock. Owns the
//! shapes of questions, answers and failures; it must never implement one.
//!
//! The program runs on one thread, so no future here needs to be `Send`.

mod clock;
mod cluster;
mod hooks;
mod process;
mod remote;

pub use clock::Clock;
pub use cluster::{Access, Cluster, ClusterError, ClusterProblem, FieldConflict, WriteMode};
pub use hooks::{CALL, Calling, HookAnswer, HookRequest, Hooks};
pub use process::{Audience, Ports, Process, Progress};
pub use remote::{Change, CommitId, CommitInfo, Objects, PushOutcome, Remote, RemoteError, Tips};
