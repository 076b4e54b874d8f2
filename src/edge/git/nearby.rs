//! A remote on this machine, whose refs are read where they lie: for git each
//! look at them is three programs, and a fetch that brings nothing four. Owns
//! whether git would see the same; it must never write to the remote, and what
//! has to be brought is git's to bring.

use super::call::call;
use super::remote::GitRemote;
use super::store::id_of;
use super::url::{RemoteUrl, Transport};
use crate::port::CommitId;
use git2::{ErrorCode, Oid, Repository, RepositoryOpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::OnceCell;

const DEADLINE: Duration = Duration::from_secs(10);

/// A repository whose refs are files that we may read.
#[derive(Clone, Debug)]
pub(super) struct Nearby {
    path: PathBuf,
}

/// What was found out about a remote, at most once.
#[derive(Clone, Debug, Default)]
pub(super) struct Found(OnceCell<Option<Nearby>>);

/// It is known of a remote and no part of which one it is.
impl PartialEq for Found {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Found {}

impl Found {
    /// The repository behind `url`, if git takes the very same one for it and
    /// shows all of its refs. Any other is left to git, and to what git says.
    pub(super) async fn of(&self, url: &RemoteUrl) -> Option<&Nearby> {
        self.0.get_or_init(|| find(url)).await.as_ref()
    }
}

async fn find(url: &RemoteUrl) -> Option<Nearby> {
    // A `file:` URL may be written in escapes.
    let escaped = url.as_str().starts_with("file:") && url.as_str().contains('%');
    if url.transport() != Transport::Local || escaped || is_configured_elsewhere() {
        return None;
    }
    let nearby = Nearby { path: url.path() };
    let hides = nearby.open().and_then(|opened| hides_refs(&opened));
    if !matches!(hides, Ok(false)) {
        return None;
    }
    // The user's `insteadOf` may make another of any URL: git knows.
    let arguments = ["ls-remote", "--get-url", "--", url.as_str()];
    let ended = call(Path::new("/"), url, &arguments, DEADLINE).await.ok()?;
    let told = String::from_utf8(ended.stdout).ok()?;
    (ended.success && told.strip_suffix('\n') == Some(url.as_str())).then_some(nearby)
}

/// Whether git's own configuration lies where libgit2 does not look.
#[expect(clippy::disallowed_methods, reason = "what git's children will read is looked for")]
fn is_configured_elsewhere() -> bool {
    let files = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"].map(std::env::var_os);
    files.into_iter().flatten().any(|path| path != "/dev/null")
}

fn hides_refs(opened: &Repository) -> Result<bool, git2::Error> {
    let config = opened.config()?;
    let mut entries = config.entries(Some("^(transfer|uploadpack)\\.hiderefs$"))?;
    Ok(entries.next().is_some())
}

impl Nearby {
    /// Opened anew for each look, so that nothing is remembered from the one
    /// before. Like git's, this refuses a repository of another user's.
    fn open(&self) -> Result<Repository, git2::Error> {
        let nowhere_else: [&str; 0] = [];
        Repository::open_ext(&self.path, RepositoryOpenFlags::NO_SEARCH, nowhere_else)
    }

    /// The tip of a branch now.
    ///
    /// # Errors
    /// Fails where git has to be asked: a ref that cannot be read, or names
    /// what is not there.
    pub(super) fn tip(&self, branch: &str) -> Result<Option<CommitId>, git2::Error> {
        let opened = self.open()?;
        match opened.refname_to_id(&format!("refs/heads/{branch}")) {
            Ok(oid) => opened.find_commit(oid).map(|commit| Some(id_of(commit.id()))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The branch that `HEAD` points to, if it is one that has a commit.
    ///
    /// # Errors
    /// Fails where git has to be asked.
    pub(super) fn head(&self) -> Result<Option<String>, git2::Error> {
        let opened = self.open()?;
        let head = match opened.head() {
            Ok(head) => head,
            Err(error) if error.code() == ErrorCode::UnbornBranch => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(head.name()?.strip_prefix("refs/heads/").map(str::to_owned))
    }
}

impl GitRemote {
    /// Whether these branches (each with the name that this run has for it)
    /// are at commits that were fetched or pushed from here, with all that
    /// they reach: then this run has them, and there is nothing to bring.
    pub(super) async fn is_here(&self, branches: &[(&str, &str)]) -> bool {
        let Some(nearby) = self.url.nearby().await else { return false };
        branches.iter().all(|(what, branch)| {
            nearby.tip(branch).is_ok_and(|tip| self.takes(what, branch, tip.as_ref()))
        })
    }

    fn takes(&self, what: &str, branch: &str, tip: Option<&CommitId>) -> bool {
        let repository = &self.store.repository;
        let run = self.run_ref(what);
        let known = repository.refname_to_id(&run).ok();
        let Some(tip) = tip.and_then(|tip| Oid::from_str(&tip.0).ok()) else {
            return known.is_none();
        };
        if known == Some(tip) {
            return true;
        }
        let cached = repository.refname_to_id(&format!("refs/cache/{branch}")).ok();
        cached == Some(tip) && repository.reference(&run, tip, true, "is here").is_ok()
    }
}
