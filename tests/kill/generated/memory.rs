//! The remote of a generated rollout: two refs and the objects behind them, in
//! memory. A git process for each fetch would take most of the time, and what
//! git does is tested elsewhere. It must never show a ref that was not pushed.

use crate::store::Store;
use jiff::Timestamp;
use std::cell::RefCell;
use std::rc::Rc;
use tranche::core::model::PlanFile;
use tranche::port::{
    Change, CommitId, CommitInfo, Objects, PushOutcome, Remote, RemoteError, Tips,
};

/// A repository that lives as long as somebody knows it.
#[derive(Default)]
pub struct Memory {
    store: RefCell<Store>,
    plan: RefCell<Option<CommitId>>,
    record: RefCell<Option<CommitId>>,
}

/// What one run sees of it.
pub struct MemoryRemote(MemoryObjects);

pub struct MemoryObjects {
    memory: Rc<Memory>,
    author: String,
}

impl Memory {
    pub fn seen_by(self: &Rc<Self>, author: &str) -> MemoryRemote {
        MemoryRemote(MemoryObjects { memory: Rc::clone(self), author: author.to_owned() })
    }

    /// Commits files onto the plan branch; what is not among them goes.
    pub fn commit_plan(&self, files: &[(&str, String)], time: Timestamp) {
        let parent = self.plan.borrow().clone();
        let mut changes: Vec<Change> = files
            .iter()
            .map(|(path, text)| Change {
                path: (*path).to_owned(),
                bytes: Some(text.as_bytes().to_vec()),
            })
            .collect();
        let before = parent.as_ref().map(|parent| self.store.borrow().paths(parent));
        let gone = before.into_iter().flatten().map(|(path, _)| path);
        let gone = gone.filter(|path| !files.iter().any(|(kept, _)| kept == path));
        changes.extend(gone.map(|path| Change { path, bytes: None }));
        let mut store = self.store.borrow_mut();
        let commit = store.commit(parent.as_ref(), &changes, "a plan\n", "somebody", time);
        drop(store);
        *self.plan.borrow_mut() = Some(commit.unwrap());
    }

    pub fn record(&self) -> Option<CommitId> {
        self.record.borrow().clone()
    }
}

impl Remote for MemoryRemote {
    type Objects = MemoryObjects;

    async fn fetch(&self, _record_branch: &str) -> Result<Tips, RemoteError> {
        let memory = &self.0.memory;
        let plan = memory.plan.borrow().clone();
        let plan = plan.ok_or_else(|| RemoteError::Missing {
            what: "branch main".to_owned(),
            remote: "the remote in memory".to_owned(),
        })?;
        Ok(Tips { plan, record: memory.record() })
    }

    async fn fetch_record(&self, _record_branch: &str) -> Result<Option<CommitId>, RemoteError> {
        Ok(self.0.memory.record())
    }

    async fn push(
        &self,
        _record_branch: &str,
        expected: Option<&CommitId>,
        new: &CommitId,
    ) -> Result<PushOutcome, RemoteError> {
        let mut record = self.0.memory.record.borrow_mut();
        if record.as_ref() != expected {
            return Ok(PushOutcome::Lost);
        }
        *record = Some(new.clone());
        Ok(PushOutcome::Won)
    }

    fn objects(&self) -> &MemoryObjects {
        &self.0
    }
}

impl Objects for MemoryObjects {
    fn files(
        &self,
        commit: &CommitId,
        wanted: &mut dyn FnMut(&str, usize) -> bool,
    ) -> Result<Vec<PlanFile>, RemoteError> {
        self.memory.store.borrow().files(commit, wanted)
    }

    fn file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        self.memory.store.borrow().bytes(commit, path)
    }

    fn entry(&self, commit: &CommitId, path: &str) -> Result<Option<String>, RemoteError> {
        self.memory.store.borrow().entry(commit, path)
    }

    fn tree_id(&self, commit: &CommitId) -> Result<String, RemoteError> {
        self.memory.store.borrow().tree_id(commit)
    }

    fn names(&self, commit: &CommitId, directory: &str) -> Result<Vec<String>, RemoteError> {
        self.memory.store.borrow().names(commit, directory)
    }

    fn info(&self, commit: &CommitId) -> Result<CommitInfo, RemoteError> {
        self.memory.store.borrow().info(commit)
    }

    fn first_parents(
        &self,
        tip: &CommitId,
        until: Option<&CommitId>,
    ) -> Result<Vec<CommitId>, RemoteError> {
        self.memory.store.borrow().first_parents(tip, until)
    }

    fn root(&self, tip: &CommitId) -> Result<CommitId, RemoteError> {
        self.memory.store.borrow().root(tip)
    }

    fn contains(&self, commit: &CommitId, ancestor: &CommitId) -> Result<bool, RemoteError> {
        self.memory.store.borrow().contains(commit, ancestor)
    }

    fn commit(
        &self,
        parent: Option<&CommitId>,
        changes: &[Change],
        message: &str,
        time: Timestamp,
    ) -> Result<CommitId, RemoteError> {
        self.memory.store.borrow_mut().commit(parent, changes, message, &self.author, time)
    }
}
