//! The remote behind [`Remote`]. Owns fetching and what a fetch brought;
//! pushing has a file of its own.

use super::access::Access;
use super::call::call;
use super::child::Ended;
use super::diagnose::diagnose;
use super::locate::{Location, check_branch};
use super::run::RunRefs;
use super::store::{GitStore, Identity};
use super::url::{RemoteUrl, Transport};
use super::{borrow, cache, maintain, push};
use crate::core::secrecy::Veil;
use crate::port::{CommitId, PushOutcome, Remote, RemoteError, Tips};
use git2::{ErrorCode, Oid};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long each kind of call may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    fetch: Duration,
    look: Duration,
    /// Of one push, and of all repetitions of it together.
    pub(super) push: Duration,
}

impl Deadlines {
    pub(super) fn new(set: Option<Duration>) -> Self {
        Self {
            fetch: set.unwrap_or(Duration::from_secs(120)),
            look: set.unwrap_or(Duration::from_secs(30)),
            push: set.unwrap_or(Duration::from_secs(60)),
        }
    }
}

/// A remote, reached by the `git` program through a bare cache of our own.
pub struct GitRemote {
    pub(super) url: RemoteUrl,
    plan_branch: String,
    pub(super) git_dir: PathBuf,
    pub(super) store: GitStore,
    pub(super) deadlines: Deadlines,
    refs: RunRefs,
    /// Fetches of one value share their refs: one at a time.
    fetching: Mutex<()>,
    /// Tells other processes that the cache is in use.
    _presence: cache::Presence,
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
        let (git_dir, presence) = cache::prepare(cache_dir)?;
        let store = GitStore::open_as(&git_dir, url.to_string())?.mendable();
        let refs = RunRefs::new(&git_dir);
        Ok(Self {
            url: url.clone(),
            plan_branch: plan_branch.to_owned(),
            git_dir,
            store,
            deadlines: Deadlines::new(None),
            refs,
            fetching: Mutex::new(()),
            _presence: presence,
        })
    }

    /// Lets the secrets of plan files be known to `veil`.
    #[must_use]
    pub fn veiled(mut self, veil: Veil) -> Self {
        self.store = self.store.veiled(veil);
        self
    }

    /// Opens a remote, fetches plan and record branch, and keeps the cache in
    /// order: a damaged one is made anew at once, one of many packs is
    /// repacked. A new one takes what a checkout of the repository has.
    ///
    /// # Errors
    /// Fails as [`GitRemote::open`] and [`Remote::fetch`] do.
    pub async fn connect(
        location: &Location,
        cache_dir: &Path,
        access: &Access,
        record_branch: &str,
    ) -> Result<(Self, Tips), RemoteError> {
        let Location { url, plan_branch, worktree } = location;
        let open = || Self::open(url, plan_branch, cache_dir).map(|remote| remote.timed(access));
        let mut remote = open()?;
        let lender = worktree.as_deref().filter(|_| url.transport() != Transport::Local);
        let borrowed = lender.is_some_and(|path| borrow::borrow(&remote.git_dir, path));
        if borrowed {
            // An object store learns of alternates when it is opened.
            drop(remote);
            remote = open()?;
        }
        let tips = match remote.fetch(record_branch).await {
            Err(RemoteError::Damaged { .. }) => {
                // Our own presence would keep the old directory.
                drop(remote);
                remote = open()?;
                remote.fetch(record_branch).await?
            }
            other => other?,
        };
        if borrowed {
            borrow::give_back(&remote.git_dir).await;
        }
        maintain::maintain(&remote.git_dir).await;
        Ok((remote, tips))
    }

    /// Takes the operator's deadline, if there is one.
    #[must_use]
    pub fn timed(mut self, access: &Access) -> Self {
        self.deadlines = Deadlines::new(access.deadline());
        self
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
        let ended = self.git(&arguments, self.deadlines.fetch).await?;
        if ended.success {
            return Ok(());
        }
        let error = diagnose(&self.url, &ended);
        // A remote that can be read, and a fetch that fails all the same:
        // then it may be ours that is broken. To read it is cheap beside that.
        if matches!(self.look(&self.plan_branch).await, Ok(Some(_)))
            && let Some(cause) = maintain::damage(&self.git_dir).await
        {
            cache::mark_damaged(&self.git_dir);
            return Err(RemoteError::Damaged { cache: self.git_dir.display().to_string(), cause });
        }
        Err(error)
    }

    pub(super) async fn git(
        &self,
        arguments: &[&str],
        deadline: Duration,
    ) -> Result<Ended, RemoteError> {
        call(&self.git_dir, &self.url, arguments, deadline).await
    }

    /// The tip of a branch as the remote tells it now, without its objects.
    pub(super) async fn look(&self, branch: &str) -> Result<Option<CommitId>, RemoteError> {
        if let Some(nearby) = self.url.nearby().await
            && let Ok(tip) = nearby.tip(branch)
        {
            return Ok(tip);
        }
        let full = format!("refs/heads/{branch}");
        let arguments = ["ls-remote", "--quiet", "--", self.url.as_str(), &full];
        let ended = self.git(&arguments, self.deadlines.look).await?;
        if !ended.success {
            return Err(diagnose(&self.url, &ended));
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
        Ok(format!("+refs/heads/{record_branch}*:{}*", self.run_ref("record")))
    }

    /// The ref of what this run fetched as `what`.
    pub(super) fn run_ref(&self, what: &str) -> String {
        self.refs.reference(what)
    }

    fn fetched(&self, what: &str) -> Result<Option<CommitId>, RemoteError> {
        let name = self.run_ref(what);
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
    pub(super) fn remember(&self, branch: &str, tip: Option<&CommitId>) {
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
        let plan = format!("+refs/heads/{branch}:{}", self.run_ref("plan"));
        let missing = || RemoteError::Missing {
            what: format!("the plan branch \"{branch}\", or any commit on it,"),
            remote: self.url.to_string(),
        };
        let here = self.is_here(&[("plan", branch), ("record", record_branch)]).await;
        if !here && let Err(error) = self.bring(&[plan, record]).await {
            // Whether it was for want of the branch is asked, not read from
            // the message; if that fails too the first error says more.
            let unanswered =
                matches!(error, RemoteError::Timeout { .. } | RemoteError::Damaged { .. });
            return match unanswered {
                false if matches!(self.look(branch).await, Ok(None)) => Err(missing()),
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
        if !self.is_here(&[("record", record_branch)]).await {
            self.bring(&[record]).await?;
        }
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
