//! The ports of a run, decorated: effects are counted, and one of them may
//! kill the run.

use super::process::{NamedProcess, Nobody};
use jiff::Timestamp;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tranche::core::object::{KindRef, ObjectRef};
use tranche::core::record::Trailers;
use tranche::port::{
    Access, Audience, Clock, Cluster, ClusterError, CommitId, Hooks, Objects as _, Ports, Process,
    PushOutcome, Remote, RemoteError, Tips, WriteMode,
};

/// When, around an effect, a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It does not happen.
    Before,
    /// It happens, and its answer never comes.
    During {
        /// Whether the witness is told; else what is done is about to be
        /// undone behind everybody's back.
        seen: bool,
    },
    /// Its answer comes, and nothing else is done.
    After,
}

/// What sort of effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Write,
    Push,
    Fetch,
}

/// Asked before each effect whether it kills the run: how many this run has
/// had before it, its sort, and what it is.
pub type Aim = Box<dyn Fn(usize, Sort, &str) -> Option<Moment>>;

/// Sees a run's writes and lets time pass with it.
pub trait Witness<C: Cluster> {
    /// Does an apply, and sees what comes of it.
    async fn apply(
        &self,
        cluster: &C,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
    ) -> Result<Arc<Value>, ClusterError> {
        cluster.apply(object, body, mode, false).await
    }

    /// Does a delete, and sees what comes of it.
    async fn delete(
        &self,
        cluster: &C,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        cluster.delete(object, uid, resource_version).await
    }

    /// Does an eviction, and sees what comes of it.
    async fn evict(&self, cluster: &C, pod: &ObjectRef, uid: &str) -> Result<(), ClusterError> {
        cluster.evict(pod, uid, false).await
    }

    /// An object is about to be read.
    async fn reading(&self, _object: &ObjectRef) {}

    /// Time has passed.
    async fn look(&self, _cluster: &C) {}
}

/// Counts effects; at the fatal one no future resolves any more and the
/// receiver hears of it.
pub struct Trap {
    aim: Aim,
    effects: RefCell<Vec<(Sort, String)>>,
    dying: Cell<bool>,
    dead: Cell<Option<oneshot::Sender<()>>>,
}

impl Trap {
    pub fn new(aim: Aim) -> (Rc<Self>, oneshot::Receiver<()>) {
        let (dead, death) = oneshot::channel();
        let trap = Self {
            aim,
            effects: RefCell::default(),
            dying: Cell::new(false),
            dead: Cell::new(Some(dead)),
        };
        (Rc::new(trap), death)
    }

    pub fn effects(&self) -> Vec<(Sort, String)> {
        self.effects.borrow().clone()
    }

    /// Does the work, of which the witness is told or not.
    pub async fn effect<T, W: Future<Output = T>>(
        &self,
        sort: Sort,
        what: String,
        work: impl FnOnce(bool) -> W,
    ) -> T {
        self.alive().await;
        let at = self.effects.borrow().len();
        let fatal = (self.aim)(at, sort, &what);
        self.effects.borrow_mut().push((sort, what));
        match fatal {
            None => work(true).await,
            Some(Moment::Before) => self.die().await,
            Some(Moment::During { seen }) => {
                work(seen).await;
                self.die().await
            }
            Some(Moment::After) => {
                let answer = work(true).await;
                self.dying.set(true);
                answer
            }
        }
    }

    /// Every call of any port comes through here.
    async fn alive(&self) {
        if self.dying.get() {
            self.die::<()>().await;
        }
    }

    async fn die<T>(&self) -> T {
        if let Some(dead) = self.dead.take() {
            dead.send(()).unwrap();
        }
        std::future::pending().await
    }
}

pub struct TrappedCluster<C, W> {
    pub inner: C,
    pub trap: Rc<Trap>,
    pub witness: Rc<W>,
}

impl<C: Cluster, W: Witness<C>> Cluster for TrappedCluster<C, W> {
    async fn namespaced(&self, kind: &KindRef) -> Result<bool, ClusterError> {
        self.trap.alive().await;
        self.inner.namespaced(kind).await
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Arc<Value>>, ClusterError> {
        self.trap.alive().await;
        self.witness.reading(object).await;
        self.inner.get(object).await
    }

    async fn scan<T>(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        labels: &[(String, String)],
        look: &mut dyn FnMut(Arc<Value>) -> Option<T>,
    ) -> Result<Vec<T>, ClusterError> {
        self.trap.alive().await;
        self.inner.scan(kind, namespace, labels, look).await
    }

    async fn apply(
        &self,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
        dry_run: bool,
    ) -> Result<Arc<Value>, ClusterError> {
        if dry_run {
            self.trap.alive().await;
            return self.inner.apply(object, body, mode, true).await;
        }
        let work = async |seen: bool| {
            if seen {
                self.witness.apply(&self.inner, object, body, mode).await
            } else {
                self.inner.apply(object, body, mode, false).await
            }
        };
        self.trap.effect(Sort::Write, format!("apply {object}"), work).await
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        let work = async |seen: bool| {
            if seen {
                self.witness.delete(&self.inner, object, uid, resource_version).await
            } else {
                self.inner.delete(object, uid, resource_version).await
            }
        };
        self.trap.effect(Sort::Write, format!("delete {object}"), work).await
    }

    async fn evict(&self, pod: &ObjectRef, uid: &str, dry_run: bool) -> Result<(), ClusterError> {
        if dry_run {
            self.trap.alive().await;
            return self.inner.evict(pod, uid, true).await;
        }
        let work = async |seen: bool| {
            if seen {
                self.witness.evict(&self.inner, pod, uid).await
            } else {
                self.inner.evict(pod, uid, false).await
            }
        };
        self.trap.effect(Sort::Write, format!("evict {pod}"), work).await
    }

    async fn may(&self, access: &Access) -> Result<bool, ClusterError> {
        self.trap.alive().await;
        self.inner.may(access).await
    }
}

pub struct TrappedRemote<R> {
    pub inner: R,
    pub trap: Rc<Trap>,
}

impl<R: Remote> Remote for TrappedRemote<R> {
    type Objects = R::Objects;

    async fn fetch(&self, record_branch: &str) -> Result<Tips, RemoteError> {
        let work = |_| self.inner.fetch(record_branch);
        self.trap.effect(Sort::Fetch, "plan and record".to_owned(), work).await
    }

    async fn fetch_record(&self, record_branch: &str) -> Result<Option<CommitId>, RemoteError> {
        let work = |_| self.inner.fetch_record(record_branch);
        self.trap.effect(Sort::Fetch, "record".to_owned(), work).await
    }

    async fn push(
        &self,
        record_branch: &str,
        expected: Option<&CommitId>,
        new: &CommitId,
    ) -> Result<PushOutcome, RemoteError> {
        let message = self.inner.objects().info(new)?.message;
        let subject = message.lines().next().unwrap_or_default();
        let phase = Trailers::parse(&message).map(|trailers| trailers.phase.to_string());
        let what = format!("{}: {subject}", phase.unwrap_or_default());
        let work = |_| self.inner.push(record_branch, expected, new);
        self.trap.effect(Sort::Push, what, work).await
    }

    fn objects(&self) -> &R::Objects {
        self.inner.objects()
    }
}

pub struct TrappedClock<K, C, W> {
    pub inner: K,
    pub cluster: C,
    pub trap: Rc<Trap>,
    pub witness: Rc<W>,
}

impl<K: Clock, C: Cluster, W: Witness<C>> Clock for TrappedClock<K, C, W> {
    async fn now(&self) -> Result<Timestamp, ClusterError> {
        self.trap.alive().await;
        self.inner.now().await
    }

    async fn wait(&self, at_most: Duration, may_jump: bool) -> Result<Timestamp, ClusterError> {
        self.trap.alive().await;
        let now = self.inner.wait(at_most, may_jump).await;
        self.witness.look(&self.cluster).await;
        now
    }
}

/// The ports of a run that may die.
pub struct Trapped<C, R, K, W, H = Nobody> {
    pub cluster: TrappedCluster<C, W>,
    pub remote: TrappedRemote<R>,
    pub clock: TrappedClock<K, C, W>,
    pub process: NamedProcess,
    pub hooks: H,
}

impl<C: Cluster, R: Remote, K: Clock, W: Witness<C>, H: Hooks> Ports for Trapped<C, R, K, W, H> {
    type Cluster = TrappedCluster<C, W>;
    type Remote = TrappedRemote<R>;
    type Clock = TrappedClock<K, C, W>;

    fn cluster(&self) -> &Self::Cluster {
        &self.cluster
    }

    fn remote(&self) -> &Self::Remote {
        &self.remote
    }

    fn clock(&self) -> &Self::Clock {
        &self.clock
    }

    fn process(&self) -> &dyn Process {
        &self.process
    }

    fn hooks(&self) -> &dyn Hooks {
        &self.hooks
    }

    fn audience(&self) -> &dyn Audience {
        &Nobody
    }
}
