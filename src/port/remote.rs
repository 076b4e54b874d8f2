//! The git remote as the engine sees it, and the objects behind it. Owns what a
//! fetch and a push mean, and how they fail; it must never say how they are
//! done.

use crate::core::model::PlanFile;
use jiff::Timestamp;
use std::fmt;

/// A commit's object id in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub String);

impl CommitId {
    /// The first ten hex digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tips that one fetch brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tips {
    /// The plan branch's tip.
    pub plan: CommitId,
    /// The record branch's tip; none if the branch does not exist yet.
    pub record: Option<CommitId>,
}

/// What became of a push, found out by reading the remote again, never from
/// the server's wording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// The remote's branch is at our commit.
    Won,
    /// The branch has moved to something else: the race is lost.
    Lost,
    /// The branch is still where it was, and the remote has said no to it (a
    /// hook, a protection). The text is the server's, for people only.
    Refused(String),
}

/// The remote repository: the truth for plan and record.
#[expect(async_fn_in_trait, reason = "one thread: no future needs to be Send")]
pub trait Remote {
    /// The objects that fetches brought.
    type Objects: Objects;

    /// One fetch of the plan branch and the record branch.
    ///
    /// # Errors
    /// Fails when the remote cannot be read or has no plan branch.
    async fn fetch(&self, record_branch: &str) -> Result<Tips, RemoteError>;

    /// One fetch of the record branch alone: its tip, or none.
    ///
    /// # Errors
    /// Fails when the remote cannot be read.
    async fn fetch_record(&self, record_branch: &str) -> Result<Option<CommitId>, RemoteError>;

    /// Pushes `new` to the record branch by lease on `expected` (none: the
    /// branch must not exist). Always a fast-forward; never forced.
    ///
    /// # Errors
    /// Fails when the outcome is unknown: the remote cannot be read after the
    /// push, or the branch has not moved and the remote has not said why.
    async fn push(
        &self,
        record_branch: &str,
        expected: Option<&CommitId>,
        new: &CommitId,
    ) -> Result<PushOutcome, RemoteError>;

    /// The objects.
    fn objects(&self) -> &Self::Objects;
}

/// Git objects: reading trees, blobs and history, and writing commits. Nothing
/// is ever checked out.
pub trait Objects {
    /// All regular files of a commit for which `wanted(path, size)` holds, by
    /// path. Symlinks and submodules are never read.
    ///
    /// # Errors
    /// Fails on a missing or broken object.
    fn files(
        &self,
        commit: &CommitId,
        wanted: &mut dyn FnMut(&str, usize) -> bool,
    ) -> Result<Vec<PlanFile>, RemoteError>;

    /// One file of a commit, or none.
    ///
    /// # Errors
    /// Fails on a missing or broken object.
    fn file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, RemoteError>;

    /// The object id of the file or directory at a path of a commit, or none:
    /// equal ids, equal content.
    ///
    /// # Errors
    /// Fails on a missing or broken object.
    fn entry(&self, commit: &CommitId, path: &str) -> Result<Option<String>, RemoteError>;

    /// The commit's tree id: equal ids, equal content.
    ///
    /// # Errors
    /// Fails on a missing or broken object.
    fn tree_id(&self, commit: &CommitId) -> Result<String, RemoteError>;

    /// The names directly under a directory of a commit, sorted; empty if
    /// there is no such directory.
    ///
    /// # Errors
    /// Fails on a missing or broken object.
    fn names(&self, commit: &CommitId, directory: &str) -> Result<Vec<String>, RemoteError>;

    /// Message, author and parent of a commit.
    ///
    /// # Errors
    /// Fails on a missing or broken object.
    fn info(&self, commit: &CommitId) -> Result<CommitInfo, RemoteError>;

    /// The first-parent history from `tip` down to, and without, `until`
    /// (none: to the root), oldest first.
    ///
    /// # Errors
    /// Fails when `until` is not a first-parent ancestor of `tip`, or on a
    /// missing object.
    fn first_parents(
        &self,
        tip: &CommitId,
        until: Option<&CommitId>,
    ) -> Result<Vec<CommitId>, RemoteError>;

    /// The root commit of the first-parent history: the project's identity.
    ///
    /// # Errors
    /// Fails on a missing object.
    fn root(&self, tip: &CommitId) -> Result<CommitId, RemoteError>;

    /// Whether `ancestor` is `commit` or reachable from it.
    ///
    /// # Errors
    /// Fails on a missing object.
    fn contains(&self, commit: &CommitId, ancestor: &CommitId) -> Result<bool, RemoteError>;

    /// Writes a commit that changes files of its parent.
    ///
    /// # Errors
    /// Fails when the object store cannot be written.
    fn commit(
        &self,
        parent: Option<&CommitId>,
        changes: &[Change],
        message: &str,
        time: Timestamp,
    ) -> Result<CommitId, RemoteError>;
}

/// One change of a record commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: String,
    /// The new bytes; none removes the file.
    pub bytes: Option<Vec<u8>>,
}

/// A commit without its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// The id.
    pub id: CommitId,
    /// The first parent.
    pub parent: Option<CommitId>,
    /// The whole message.
    pub message: String,
    /// The author's name.
    pub author: String,
    /// The author's time.
    pub time: Timestamp,
}

/// A git operation that failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RemoteError {
    /// The remote cannot be read or written.
    #[error("{remote}: {cause}")]
    Unreachable {
        /// The remote, without credentials.
        remote: String,
        /// What git said, for people.
        cause: String,
    },
    /// The remote's URL is one that is not spoken to.
    #[error("{remote}: {cause}")]
    Refused {
        /// The remote, without credentials.
        remote: String,
        /// Why not.
        cause: String,
    },
    /// The remote wants other credentials, or these may not do it.
    #[error("{remote}: no access: {cause}")]
    Unauthorized {
        /// The remote, without credentials.
        remote: String,
        /// What git and the server said, for people.
        cause: String,
    },
    /// The ssh host's key is unknown, or is another one than is known.
    #[error("{remote}: the host's key is not trusted: {cause}")]
    HostKey {
        /// The remote.
        remote: String,
        /// What ssh said, for people.
        cause: String,
    },
    /// What answers has no such repository.
    #[error("{remote}: no repository there: {cause}")]
    NotFound {
        /// The remote, without credentials.
        remote: String,
        /// What git and the server said, for people.
        cause: String,
    },
    /// The server sends its callers elsewhere, which is never followed:
    /// credentials are for one host.
    #[error("{remote}: redirects to {to}, which is not followed")]
    Redirected {
        /// The remote, without credentials.
        remote: String,
        /// Where to, without credentials.
        to: String,
    },
    /// The remote did not answer in time.
    #[error("{remote}: no answer within {seconds} s")]
    Timeout {
        /// The remote, without credentials.
        remote: String,
        /// The deadline.
        seconds: u64,
    },
    /// The local cache is damaged; it is made anew when it is next opened.
    #[error("the git cache {cache} is damaged: {cause}")]
    Damaged {
        /// Its directory.
        cache: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A checkout has no remote of that name.
    #[error("{checkout}: this checkout has no remote \"{name}\"{}", having(known))]
    NoSuchRemote {
        /// The checkout's directory.
        checkout: String,
        /// The remote that was looked for.
        name: String,
        /// The remotes that it has.
        known: Vec<String>,
    },
    /// A branch, commit or file that must be there is not.
    #[error("{what} is missing in {remote}")]
    Missing {
        /// What is missing.
        what: String,
        /// The remote, without credentials.
        remote: String,
    },
    /// The object store is broken or cannot be written.
    #[error("failed to {doing}: {cause}")]
    Store {
        /// What was being done.
        doing: String,
        /// Why it failed.
        cause: String,
    },
}

fn having(known: &[String]) -> String {
    if known.is_empty() {
        return ", nor any other".to_owned();
    }
    format!(" (it has: {})", known.join(", "))
}
