//! How a run, or one entity's part of it, ends. Owns the classes of ends, their
//! order, and what people are advised to do; it must never end anything itself.

use crate::core::decide::{Refusal, RefusalKind};
use crate::core::record::FileError;
use crate::port::{ClusterError, ClusterProblem, RemoteError};
use jiff::Timestamp;

/// The classes of ends, the first of several counting for the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Refused by a safety or security rule.
    Refused,
    /// The plan is invalid.
    Invalid,
    /// Applied, but not recorded.
    NotRecorded,
    /// A cluster or git error.
    Failed,
    /// What would be done is not what was reviewed.
    Stale,
    /// The rollout failed or was given up.
    RolledBack,
    /// Another run holds it, or won the race.
    Busy,
    /// At a gate, a hold, or for readiness.
    Waiting,
    /// Done, or nothing to do.
    Done,
}

/// Where an entity rests at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Its class.
    pub class: Class,
    /// Object, cause and next command; empty where there is nothing to say.
    pub message: String,
    /// What it waits for comes by itself: a longer run would see it.
    pub awaiting: bool,
    /// When it comes, where only time brings it.
    pub until: Option<Timestamp>,
}

/// Why a run cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// Its class.
    pub class: Class,
    /// Object and cause.
    pub message: String,
    /// The next command, or what to do.
    pub next: String,
}

impl RunError {
    /// Puts an error together.
    #[must_use]
    pub fn new(class: Class, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { class, message: message.into(), next: next.into() }
    }
}

impl Rest {
    pub(super) fn of(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), awaiting: false, until: None }
    }

    pub(super) fn awaiting(message: impl Into<String>) -> Self {
        Self { class: Class::Waiting, message: message.into(), awaiting: true, until: None }
    }

    pub(super) fn held(message: impl Into<String>, until: Timestamp) -> Self {
        Self { until: Some(until), ..Self::awaiting(message) }
    }
}

impl From<RunError> for Rest {
    fn from(error: RunError) -> Self {
        let message = if error.next.is_empty() {
            error.message
        } else {
            format!("{}\n  next: {}", error.message, error.next)
        };
        Self { class: error.class, message, awaiting: false, until: None }
    }
}

impl From<Refusal> for RunError {
    fn from(refusal: Refusal) -> Self {
        let class = match refusal.kind {
            RefusalKind::Plan => Class::Invalid,
            RefusalKind::Safety | RefusalKind::Record => Class::Refused,
        };
        Self::new(class, refusal.message, refusal.next)
    }
}

impl From<RemoteError> for RunError {
    fn from(error: RemoteError) -> Self {
        let class = match &error {
            RemoteError::Refused { .. } | RemoteError::NoSuchRemote { .. } => Class::Refused,
            _ => Class::Failed,
        };
        Self::new(class, error.to_string(), advice(&error))
    }
}

/// What a person does about a remote that did not do its part.
fn advice(error: &RemoteError) -> &'static str {
    match error {
        RemoteError::Unreachable { .. } => {
            "check the address and the network, and run the same command again; nothing is lost"
        }
        RemoteError::Refused { .. } => {
            "name the remote by https, ssh or a path; docs/remotes.md has the forms"
        }
        RemoteError::Unauthorized { remote, .. } if remote.starts_with("http") => {
            "set TRANCHE_GIT_USERNAME and TRANCHE_GIT_PASSWORD (or a token), or a credential \
             helper, for an account that may read and push; docs/remotes.md"
        }
        RemoteError::Unauthorized { .. } => {
            "give ssh a key that the host takes (an agent, ~/.ssh/config or core.sshCommand); \
             docs/remotes.md"
        }
        RemoteError::HostKey { .. } => {
            "compare the host's key with the one its owner publishes, then put it into \
             ~/.ssh/known_hosts; docs/remotes.md"
        }
        RemoteError::NotFound { .. } => {
            "check the URL; many forges also answer so to callers without access"
        }
        RemoteError::Redirected { .. } => {
            "if that is the right place, name it: `git remote set-url origin URL`, or `--repo URL`"
        }
        RemoteError::Timeout { .. } => {
            "run the same command again; TRANCHE_GIT_TIMEOUT (such as 5m) gives each call longer"
        }
        RemoteError::Damaged { .. } => "run the same command again: the cache is fetched anew",
        RemoteError::NoSuchRemote { .. } => {
            "name one that it has, `spec.remote` in its tranche.yaml; or add it, `git remote add \
             NAME URL`; or name the repository, `--repo URL`"
        }
        RemoteError::Missing { .. } => {
            "name the repository with `--repo` and its branch with `--ref`"
        }
        RemoteError::Store { .. } => "check the disk, and run the same command again",
    }
}

impl From<FileError> for RunError {
    fn from(error: FileError) -> Self {
        let next = "`tranche log` shows who wrote it; restore the file from the branch's history";
        Self::new(Class::Refused, error.to_string(), next)
    }
}

impl From<ClusterError> for RunError {
    fn from(error: ClusterError) -> Self {
        let (class, next) = match &error.problem {
            ClusterProblem::Forbidden(_) => (
                Class::Refused,
                "grant the right (`kubectl auth can-i --list` shows what there is), and run \
                 the same command again",
            ),
            ClusterProblem::Conflict(_) => (
                Class::Refused,
                "`tranche.dev/conflicts: take` on the object takes the field over, `keep` leaves \
                 it as it is; then `tranche apply` again",
            ),
            ClusterProblem::Invalid(_) => (Class::Invalid, "mend the plan"),
            ClusterProblem::Immutable(_) => (
                Class::Invalid,
                "take the change out of the plan, or delete the object by hand (`kubectl \
                 delete`): `tranche apply` then creates it anew",
            ),
            ClusterProblem::NoKind(_) => (
                Class::Failed,
                "install what serves the kind (`kubectl api-resources` lists them), or take \
                 the object out of the plan, and `tranche apply` again",
            ),
            ClusterProblem::NotImplemented(_) => (
                Class::Failed,
                "name a cluster that has it in `spec.targets` of tranche.yaml, or take it out of \
                 the plan, and `tranche apply` again",
            ),
            ClusterProblem::Missing(what) if what.starts_with("namespaces \"") => (
                Class::Failed,
                "make the namespace first (`kubectl create namespace`, or a document of the plan), \
                 and `tranche apply` again",
            ),
            _ => (Class::Failed, "run the same command again; nothing is lost"),
        };
        Self::new(class, error.to_string(), next)
    }
}

/// Why a turn stops before its end.
#[derive(Clone, Debug)]
pub(super) enum Halt {
    /// A push was lost: read and decide anew.
    Lost,
    /// Something changed while it was looked at: decide anew.
    Again,
    /// An error that was found by an older record than there is: decide anew.
    Outdated(RunError),
    /// Another run has taken over: nothing more of ours may be written.
    Superseded(String),
    /// An error.
    Error(RunError),
}

impl<E: Into<RunError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}
