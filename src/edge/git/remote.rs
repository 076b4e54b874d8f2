//! The remote behind [`Remote`]. Owns fetching and what a fetch brought;
//! pushing has a file of its own.

use super::child::{Ended, git};
use super::locate::check_branch;
use super::run::RunRefs;
use super::store::{GitStore, Identity};
use super::url::RemoteUrl;
use super::{cache, push};
use crate::port::{CommitId, PushOutcome, Remote, RemoteError, Tips};
use git2::{ErrorCode, Oid};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Mutex;

const FETCH_DEADLINE: Duration = Duration::from_secs(120);
const LOOK_DEADLINE: Duration = Duration::from_secs(30);

/// A remote, reached by the `git` program through a bare cache of our own.
pub struct GitRemote {
    pub(super) url: RemoteUrl,
    plan_branch: String,
    pub(super) git_dir: PathBuf,
    pub(super) store: GitStore,
    refs: RunRefs,
    /// Fetches of one value share their refs: one at a time.
    fetching: Mutex<()>,
}

impl GitRemote {
    /// Opens a remote with its cache at `cache_dir`, which is created if it is
    /// not there and may be shared by any number of processes. Nothing is
    /// sent yet.
    ///
    /// # Errors
    /// Fails when the cache cannot be made, or `plan_branch` is no branch name.
    pub fn open(url: &RemoteUrl, plan_branch: &str, cache_dir: &Path) -> Result<Self, RemoteError> {
        check_branch(plan_branch, url)?;
        let git_dir = cache::prepare(cache_dir)?;
        let store = GitStore::open_as(&git_dir, url.to_string())?;
        let refs = RunRefs::new(&git_dir);
        let plan_branch = plan_branch.to_owned();
        Ok(Self { url: url.clone(), plan_branch, git_dir, store, refs, fetching: Mutex::new(()) })
    }

    /// Lets record commits be from somebody else.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.store = self.store.with_identity(identity);
        self
    }

    /// Runs one fetch of these refspecs, each forced and into this run's refs.
    async fn bring(&self, refspecs: &[String]) -> Result<(), RemoteError> {
        let mut arguments = vec![
            "fetch",
            "--quiet",
            "--no-tags",
            "--prune",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--no-recurse-submodules",
            "--no-show-forced-updates",
            "--refmap=",
            "--",
            self.url.as_str(),
        ];
        arguments.extend(refspecs.iter().map(String::as_str));
        let ended = self.git(&arguments, FETCH_DEADLINE).await?;
        if ended.success { Ok(()) } else { Err(self.unreachable(ended.said)) }
    }

    pub(super) async fn git(
        &self,
        arguments: &[&str],
        deadline: Duration,
    ) -> Result<Ended, RemoteError> {
        git(&self.git_dir, arguments, deadline).await.map_err(|cause| self.unreachable(cause))
    }

    pub(super) fn unreachable(&self, cause: String) -> RemoteError {
        RemoteError::Unreachable { remote: self.url.to_string(), cause }
    }

    /// The tip of a branch as the remote tells it now, without its objects.
    pub(super) async fn look(&self, branch: &str) -> Result<Option<CommitId>, RemoteError> {
        let full = format!("refs/heads/{branch}");
        let arguments = ["ls-remote", "--quiet", "--", self.url.as_str(), &full];
        let ended = self.git(&arguments, LOOK_DEADLINE).await?;
        if !ended.success {
            return Err(self.unreachable(ended.said));
        }
        // The pattern also matches longer names that end in it.
        let listing = String::from_utf8_lossy(&ended.stdout);
        let tip = listing.lines().find_map(|line| {
            let (id, name) = line.split_once('\t')?;
            (name == full).then(|| CommitId(id.to_owned()))
        });
        Ok(tip)
    }

    fn record_spec(&self, record_branch: &str) -> Result<String, RemoteError> {
        check_branch(record_branch, &self.url)?;
        // The glob makes a branch that does not exist yet no error.
        Ok(format!("+refs/heads/{record_branch}*:{}*", self.refs.reference("record")))
    }

    fn fetched(&self, what: &str) -> Result<Option<CommitId>, RemoteError> {
        let name = self.refs.reference(what);
        match self.store.repository.refname_to_id(&name) {
            Ok(oid) => Ok(Some(CommitId(oid.to_string()))),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(RemoteError::Store {
                doing: format!("read the ref {name}"),
                cause: error.message().to_owned(),
            }),
        }
    }

    /// Leaves a ref that later fetches of any process negotiate from. Losing
    /// the race for it, or its absence, only costs download.
    fn remember(&self, branch: &str, tip: Option<&CommitId>) {
        if let Some(oid) = tip.and_then(|tip| Oid::from_str(&tip.0).ok()) {
            let name = format!("refs/cache/{branch}");
            let _ = self.store.repository.reference(&name, oid, true, "fetched");
        }
    }
}

impl Remote for GitRemote {
    type Objects = GitStore;

    async fn fetch(&self, record_branch: &str) -> Result<Tips, RemoteError> {
        let _one = self.fetching.lock().await;
        let record = self.record_spec(record_branch)?;
        let branch = &self.plan_branch;
        let plan = format!("+refs/heads/{branch}:{}", self.refs.reference("plan"));
        let missing = || RemoteError::Missing {
            what: format!("the plan branch \"{branch}\""),
            remote: self.url.to_string(),
        };
        if let Err(error) = self.bring(&[plan, record]).await {
            // Whether it was for want of the branch is asked, not read from
            // the message; if that fails too the first error says more.
            return match self.look(branch).await {
                Ok(None) => Err(missing()),
                _ => Err(error),
            };
        }
        let plan = self.fetched("plan")?.ok_or_else(missing)?;
        let record = self.fetched("record")?;
        self.remember(branch, Some(&plan));
        self.remember(record_branch, record.as_ref());
        Ok(Tips { plan, record })
    }

    async fn fetch_record(&self, record_branch: &str) -> Result<Option<CommitId>, RemoteError> {
        let _one = self.fetching.lock().await;
        let record = self.record_spec(record_branch)?;
        self.bring(&[record]).await?;
        let tip = self.fetched("record")?;
        self.remember(record_branch, tip.as_ref());
        Ok(tip)
    }

    async fn push(
        &self,
        record_branch: &str,
        expected: Option<&CommitId>,
        new: &CommitId,
    ) -> Result<PushOutcome, RemoteError> {
        check_branch(record_branch, &self.url)?;
        push::push(self, record_branch, expected, new).await
    }

    fn objects(&self) -> &GitStore {
        &self.store
    }
}
