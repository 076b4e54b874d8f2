//! The embedded cluster: a small Kubernetes in the process, on a virtual clock,
//! with its state in a directory that many processes may share. Owns the handle;
//! it must never be mistaken for a real cluster: what it does not model it
//! refuses with a 501 that says so.

mod api;
mod clock;
mod controllers;
mod defaults;
mod fields;
mod journal;
mod kinds;
mod selector;
mod status;
mod validate;
mod world;

pub use api::SandboxService;
pub use clock::SandboxClock;

use jiff::Timestamp;
use serde_json::json;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use world::World;

/// A handle on an embedded cluster. Clones share it; other handles and other
/// processes on the same directory see the same cluster.
#[derive(Clone, Debug)]
pub struct Sandbox {
    journal: Arc<Mutex<journal::Journal>>,
    wall: fn() -> Timestamp,
}

impl Sandbox {
    /// Opens the cluster in `dir`, and makes a new one if there is none.
    /// `wall` is the wall clock.
    ///
    /// # Errors
    /// Fails when the directory cannot be made, read or written, or when its
    /// journal is broken.
    pub fn open(dir: &Path, wall: fn() -> Timestamp) -> io::Result<Self> {
        let journal = Arc::new(Mutex::new(journal::Journal::open(dir)?));
        let sandbox = Self { journal, wall };
        sandbox.now()?;
        Ok(sandbox)
    }

    /// The API server, as a service for `kube::Client::new`.
    #[must_use]
    pub fn service(&self) -> SandboxService {
        SandboxService::new(self.clone())
    }

    /// The cluster's time, whole seconds: the later of the journal's last
    /// instant and the wall clock.
    ///
    /// # Errors
    /// Fails when the journal cannot be read or written.
    pub fn now(&self) -> io::Result<Timestamp> {
        self.transact(|world| world.now())
    }

    /// The next instant at which something happens by itself.
    ///
    /// # Errors
    /// Fails when the journal cannot be read or written.
    pub fn next_event(&self) -> io::Result<Option<Timestamp>> {
        self.transact(|world| world.next_event())
    }

    /// Lets time pass up to `to`, from event to event; time never goes back.
    ///
    /// # Errors
    /// Fails when the journal cannot be read or written.
    pub fn advance(&self, to: Timestamp) -> io::Result<Timestamp> {
        self.transact(|world| {
            if to > world.now() {
                world.run_until(to);
                world.mark_moved();
            }
            world.now()
        })
    }

    /// One transaction: lock, read what others wrote, let time pass, work, run
    /// the controllers, write; only then answer.
    fn transact<T>(&self, work: impl FnOnce(&mut World) -> T) -> io::Result<T> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = journal.lock()?;
        let wall = (self.wall)();
        journal.transact(wall, |world| {
            let whole = Timestamp::from_second(wall.as_second()).unwrap_or(wall);
            world.run_until(whole.max(world.now()));
            let out = work(world);
            world.settle();
            out
        })
    }
}

/// What every cluster has from its first instant on.
fn genesis(world: &mut World) {
    for name in ["default", "kube-system"] {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        });
        world.write(namespace, "kube-apiserver", None);
    }
    world.settle();
}

#[cfg(test)]
mod tests;
