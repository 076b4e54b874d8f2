//! Git objects as a run of a seed sees them: the one store of its world. Owns
//! where the fault of a full disk fires; the store is in `tests/trap/store.rs`,
//! refs are next door.

#[path = "../trap/store.rs"]
mod store;

use crate::faults::Fault;
use crate::schedule::Handle;
use jiff::Timestamp;
pub use store::Store;
use tranche::core::model::PlanFile;
use tranche::port::{Change, CommitId, CommitInfo, Objects, RemoteError};

/// The objects as one run sees them.
pub struct SimObjects(pub Handle);

impl Objects for SimObjects {
    fn files(
        &self,
        commit: &CommitId,
        wanted: &mut dyn FnMut(&str, usize) -> bool,
    ) -> Result<Vec<PlanFile>, RemoteError> {
        self.0.sim.store.borrow().files(commit, wanted)
    }

    fn file(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        self.0.sim.store.borrow().bytes(commit, path)
    }

    fn entry(&self, commit: &CommitId, path: &str) -> Result<Option<String>, RemoteError> {
        self.0.sim.store.borrow().entry(commit, path)
    }

    fn tree_id(&self, commit: &CommitId) -> Result<String, RemoteError> {
        self.0.sim.store.borrow().tree_id(commit)
    }

    fn names(&self, commit: &CommitId, directory: &str) -> Result<Vec<String>, RemoteError> {
        self.0.sim.store.borrow().names(commit, directory)
    }

    fn info(&self, commit: &CommitId) -> Result<CommitInfo, RemoteError> {
        self.0.sim.store.borrow().info(commit)
    }

    fn first_parents(
        &self,
        tip: &CommitId,
        until: Option<&CommitId>,
    ) -> Result<Vec<CommitId>, RemoteError> {
        self.0.sim.store.borrow().first_parents(tip, until)
    }

    fn root(&self, tip: &CommitId) -> Result<CommitId, RemoteError> {
        self.0.sim.store.borrow().root(tip)
    }

    fn contains(&self, commit: &CommitId, ancestor: &CommitId) -> Result<bool, RemoteError> {
        self.0.sim.store.borrow().contains(commit, ancestor)
    }

    fn commit(
        &self,
        parent: Option<&CommitId>,
        changes: &[Change],
        message: &str,
        time: Timestamp,
    ) -> Result<CommitId, RemoteError> {
        let author = self.0.name();
        if self.0.fires(Fault::StoreFull) {
            return Err(RemoteError::Store {
                doing: "write a commit".to_owned(),
                cause: "no space left on device".to_owned(),
            });
        }
        self.0.sim.store.borrow_mut().commit(parent, changes, message, &author, time)
    }
}
