//! The object store behind [`Objects`]. Owns the open repository and how its
//! failures read; reading, history and writing have files of their own.

use super::directory::Directories;
use super::{cache, history, read, write};
use crate::core::model::PlanFile;
use crate::core::secrecy::Veil;
use crate::port::{Change, CommitId, CommitInfo, Objects, RemoteError};
use git2::{Commit, ErrorClass, ErrorCode, Oid, Repository};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// Who record commits are from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The author's and committer's name.
    pub name: String,
    /// The author's and committer's e-mail address.
    pub email: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self { name: "tranche".to_owned(), email: "tranche@users.noreply.invalid".to_owned() }
    }
}

/// A bare repository's objects.
pub struct GitStore {
    pub(super) repository: Repository,
    pub(super) name: String,
    pub(super) identity: Identity,
    /// A cache: what is broken in it can be fetched again.
    is_cache: bool,
    /// The root trees of commits that were looked at: a commit of the record
    /// may have a long message, and is looked at for each entity.
    pub(super) trees: RefCell<BTreeMap<CommitId, Oid>>,
    /// What lies in them, and in the directories below.
    pub(super) directories: Directories,
    /// Learns the secrets of every plan file that is read.
    veil: Veil,
}

impl GitStore {
    /// Opens the bare repository at `path`; its own path names it in errors.
    ///
    /// # Errors
    /// Fails when there is none.
    pub fn open(path: &Path) -> Result<Self, RemoteError> {
        Self::open_as(path, path.display().to_string())
    }

    /// Opens the bare repository at `path`, which errors call `name`.
    ///
    /// # Errors
    /// Fails when there is none.
    pub fn open_as(path: &Path, name: String) -> Result<Self, RemoteError> {
        let repository = Repository::open_bare(path)
            .map_err(|error| broken(&format!("open the object store of {name}"), &error))?;
        Ok(Self {
            repository,
            name,
            identity: Identity::default(),
            is_cache: false,
            trees: RefCell::default(),
            directories: Directories::default(),
            veil: Veil::new(),
        })
    }

    /// Lets what plan files hold be known as secret there.
    pub(super) fn veiled(mut self, veil: Veil) -> Self {
        self.veil = veil;
        self
    }

    /// Lets damage be mended by fetching anew.
    pub(super) fn mendable(mut self) -> Self {
        self.is_cache = true;
        self
    }

    /// An object of a fetched commit that cannot be read. Where it is the
    /// store that is broken, not the object itself, a cache is given up: the
    /// next one who opens it fetches anew.
    pub(super) fn unreadable(&self, doing: &str, error: &git2::Error) -> RemoteError {
        let odd = error.code() == ErrorCode::NotFound
            || matches!(error.class(), ErrorClass::Odb | ErrorClass::Zlib | ErrorClass::Os);
        if !self.is_cache || !odd {
            return broken(doing, error);
        }
        let git_dir = self.repository.path();
        cache::mark_damaged(git_dir);
        let cause = format!("failed to {doing}: {}", error.message());
        RemoteError::Damaged { cache: git_dir.display().to_string(), cause }
    }

    /// Lets record commits be from somebody else.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    pub(super) fn commit_object(&self, id: &CommitId) -> Result<Commit<'_>, RemoteError> {
        let oid = self.oid(id)?;
        self.repository.find_commit(oid).map_err(|error| match error.code() {
            ErrorCode::NotFound => self.missing(oid),
            _ => self.unreadable(&format!("read the commit {id}"), &error),
        })
    }

    pub(super) fn oid(&self, id: &CommitId) -> Result<Oid, RemoteError> {
        Oid::from_str(&id.0).map_err(|_| RemoteError::Missing {
            what: format!("the commit \"{}\", which is no object id,", id.0.escape_debug()),
            remote: self.name.clone(),
        })
    }

    pub(super) fn missing(&self, oid: Oid) -> RemoteError {
        RemoteError::Missing {
            what: format!("the commit {oid} (rewritten, or the history is incomplete)"),
            remote: self.name.clone(),
        }
    }
}

/// An error of libgit2 with what was being done.
pub(super) fn broken(doing: &str, error: &git2::Error) -> RemoteError {
    RemoteError::Store { doing: doing.to_owned(), cause: error.message().to_owned() }
}

pub(super) fn id_of(oid: Oid) -> CommitId {
    CommitId(oid.to_string())
}

impl Objects for GitStore {
    fn files(
        &self,
        commit: &CommitId,
        wanted: &mut dyn FnMut(&str, usize) -> bool,
    ) -> Result<Vec<PlanFile>, RemoteError> {
        let files = read::files(self, commit, wanted)?;
        for file in &files {
            self.veil.learn_file(&String::from_utf8_lossy(&file.bytes));
        }
        Ok(files)
    }

    fn file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        read::file(self, commit, path)
    }

    fn entry(&self, commit: &CommitId, path: &str) -> Result<Option<String>, RemoteError> {
        read::id(self, commit, path)
    }

    fn tree_id(&self, commit: &CommitId) -> Result<String, RemoteError> {
        Ok(self.commit_object(commit)?.tree_id().to_string())
    }

    fn names(&self, commit: &CommitId, directory: &str) -> Result<Vec<String>, RemoteError> {
        read::names(self, commit, directory)
    }

    fn info(&self, commit: &CommitId) -> Result<CommitInfo, RemoteError> {
        history::info(self, commit)
    }

    fn first_parents(
        &self,
        tip: &CommitId,
        until: Option<&CommitId>,
    ) -> Result<Vec<CommitId>, RemoteError> {
        history::first_parents(self, tip, until)
    }

    fn root(&self, tip: &CommitId) -> Result<CommitId, RemoteError> {
        history::root(self, tip)
    }

    fn contains(&self, commit: &CommitId, ancestor: &CommitId) -> Result<bool, RemoteError> {
        history::contains(self, commit, ancestor)
    }

    fn commit(
        &self,
        parent: Option<&CommitId>,
        changes: &[Change],
        message: &str,
        time: Timestamp,
    ) -> Result<CommitId, RemoteError> {
        write::commit(self, parent, changes, message, time)
    }
}
