//! The embedded cluster: a small Kubernetes in the process, on a virtual clock,
//! with its state in a directory that many processes may share, or in memory
//! alone. Owns the handle; it must never be mistaken for a real cluster: what it
//! does not model it refuses with a 501 that says so.

mod api;
mod clock;
mod controllers;
mod defaults;
mod direct;
mod fields;
mod journal;
mod kinds;
mod pod_defaults;
mod selector;
mod status;
mod store;
mod stored;
mod validate;
mod world;

pub use api::SandboxService;
pub use clock::SandboxClock;
pub use direct::SandboxCluster;

use crate::core::object::{KindRef, ObjectRef};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Store;
use world::World;

/// A handle on an embedded cluster. Clones share it; other handles and other
/// processes on the same directory see the same cluster.
#[derive(Clone, Debug)]
pub struct Sandbox {
    store: Arc<Mutex<Store>>,
    wall: fn() -> Timestamp,
    still: bool,
}

impl Sandbox {
    /// Opens the cluster in `dir`, and makes a new one if there is none.
    /// `wall` is the wall clock.
    ///
    /// # Errors
    /// Fails when the directory cannot be made, read or written, or when its
    /// journal is broken.
    pub fn open(dir: &Path, wall: fn() -> Timestamp) -> io::Result<Self> {
        let store = Store::File(Box::new(journal::Journal::open(dir)?));
        let sandbox = Self { store: Arc::new(Mutex::new(store)), wall, still: false };
        sandbox.now()?;
        Ok(sandbox)
    }

    /// A cluster in memory: no journal, no files, no wall clock. Its time
    /// begins at `start` and passes only by [`Sandbox::advance`], and it ends
    /// with its last handle. Two of them that begin at the same instant and see
    /// the same requests are the same to the last byte.
    #[must_use]
    pub fn volatile(start: Timestamp) -> Self {
        let start = Timestamp::from_second(start.as_second()).unwrap_or(start);
        let mut world = World::new(&start.as_nanosecond().to_string(), start);
        genesis(&mut world);
        world.take_entry();
        let store = Store::Memory(Box::new(world));
        Self { store: Arc::new(Mutex::new(store)), wall: || Timestamp::MIN, still: false }
    }

    /// Makes a namespace if there is none of its name: nobody has a `kubectl` for
    /// this cluster.
    ///
    /// # Errors
    /// Fails when the journal cannot be read or written.
    pub fn with_namespace(self, name: &str) -> io::Result<Self> {
        let made = namespace(name);
        let known = ObjectRef::of(&made);
        self.transact(|world| {
            if known.is_some_and(|known| world.get(&known).is_none()) {
                world.write(made, "kubectl-create", None);
                world.settle();
            }
        })?;
        Ok(self)
    }

    /// What was written or removed since the last call, by whomever; only a
    /// volatile cluster remembers.
    pub fn take_changes(&self) -> Vec<ObjectRef> {
        match &mut *self.locked() {
            Store::Memory(world) => world.take_touched(),
            Store::File(_) => Vec::new(),
        }
    }

    /// Shows every object of a kind to `look`, uncopied and in order, without
    /// `managedFields`.
    ///
    /// # Errors
    /// Fails when the journal cannot be read or written.
    pub fn visit(
        &self,
        kind: &KindRef,
        look: &mut dyn FnMut(&ObjectRef, &Value),
    ) -> io::Result<()> {
        self.transact(|world| world.of_kind(kind).for_each(|(name, object)| look(name, object)))
    }

    /// The same cluster with its controllers and nodes at rest: nothing moves
    /// by itself, and an object is only what requests through this handle make
    /// of it.
    #[must_use]
    pub fn still(self) -> Self {
        Self { still: true, ..self }
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
        self.locked().transact((self.wall)(), self.still, work)
    }

    fn locked(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What every cluster has from its first instant on.
fn genesis(world: &mut World) {
    for name in ["default", "kube-system"] {
        world.write(namespace(name), "kube-apiserver", None);
    }
    world.settle();
}

fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

#[cfg(test)]
mod tests;
