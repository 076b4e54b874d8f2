//! The ports of a run, decorated: effects are counted, and one of them may
//! kill the run.

use crate::audit::Audit;
use jiff::Timestamp;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;
use tranche::core::object::{KindRef, ObjectRef};
use tranche::core::record::Holder;
use tranche::edge::cluster::KubeCluster;
use tranche::edge::git::{GitRemote, GitStore};
use tranche::port::{
    Access, Audience, Clock, Cluster, ClusterError, CommitId, Ports, Process, Progress,
    PushOutcome, Remote, RemoteError, Tips, WriteMode,
};
use tranche::sandbox::SandboxClock;

/// When, around an effect, a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It does not happen.
    Before,
    /// It is being written out when the machine's process ends: half a line is
    /// on the disk.
    Flush,
    /// It happens, and its answer never comes.
    During,
    /// Its answer comes, and nothing else is done.
    After,
}

/// Which effect kills a run, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    pub at: usize,
    pub moment: Moment,
}

/// What sort of effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Write,
    Push,
    Fetch,
}

/// Counts effects; at the fatal one no future resolves any more and the
/// receiver hears of it.
pub struct Trap {
    kill: Option<Kill>,
    effects: RefCell<Vec<(Sort, String)>>,
    dying: Cell<bool>,
    dead: Cell<Option<oneshot::Sender<()>>>,
}

impl Trap {
    pub fn new(kill: Option<Kill>) -> (Rc<Self>, oneshot::Receiver<()>) {
        let (dead, death) = oneshot::channel();
        let trap = Self {
            kill,
            effects: RefCell::default(),
            dying: Cell::new(false),
            dead: Cell::new(Some(dead)),
        };
        (Rc::new(trap), death)
    }

    pub fn effects(&self) -> Vec<(Sort, String)> {
        self.effects.borrow().clone()
    }

    async fn effect<T>(&self, sort: Sort, what: String, work: impl Future<Output = T>) -> T {
        self.alive().await;
        let at = self.effects.borrow().len();
        self.effects.borrow_mut().push((sort, what));
        match self.kill.filter(|kill| kill.at == at).map(|kill| kill.moment) {
            None => work.await,
            Some(Moment::Before) => self.die().await,
            Some(Moment::During | Moment::Flush) => {
                work.await;
                self.die().await
            }
            Some(Moment::After) => {
                let answer = work.await;
                self.dying.set(true);
                answer
            }
        }
    }

    /// Whether the next effect is one whose flush is cut short.
    fn is_torn(&self) -> bool {
        let at = self.effects.borrow().len();
        self.kill.is_some_and(|kill| kill.at == at && kill.moment == Moment::Flush)
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

pub struct TrappedCluster {
    pub inner: KubeCluster,
    pub trap: Rc<Trap>,
    pub audit: Rc<Audit>,
}

impl Cluster for TrappedCluster {
    async fn namespaced(&self, kind: &KindRef) -> Result<bool, ClusterError> {
        self.trap.alive().await;
        self.inner.namespaced(kind).await
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Value>, ClusterError> {
        self.trap.alive().await;
        self.inner.get(object).await
    }

    async fn list(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        labels: &[(String, String)],
    ) -> Result<Vec<Value>, ClusterError> {
        self.trap.alive().await;
        self.inner.list(kind, namespace, labels).await
    }

    async fn apply(
        &self,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
        dry_run: bool,
    ) -> Result<Value, ClusterError> {
        if dry_run {
            self.trap.alive().await;
            return self.inner.apply(object, body, mode, true).await;
        }
        // What half a line says never happened: nobody counts it.
        let torn = self.trap.is_torn();
        let work = async {
            let before = self.inner.get(object).await?;
            let answer = self.inner.apply(object, body, mode, false).await;
            if torn {
                return answer;
            }
            let after = self.inner.get(object).await?;
            self.audit.applied(object, body, before.as_ref(), after.as_ref());
            self.audit.look(&self.inner).await;
            answer
        };
        self.trap.effect(Sort::Write, format!("apply {object}"), work).await
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        let torn = self.trap.is_torn();
        let work = async {
            let answer = self.inner.delete(object, uid, resource_version).await;
            if torn {
                return answer;
            }
            if answer.is_ok() {
                self.audit.deleted(object);
            }
            self.audit.look(&self.inner).await;
            answer
        };
        self.trap.effect(Sort::Write, format!("delete {object}"), work).await
    }

    async fn may(&self, access: &Access) -> Result<bool, ClusterError> {
        self.trap.alive().await;
        self.inner.may(access).await
    }
}

pub struct TrappedRemote {
    pub inner: GitRemote,
    pub trap: Rc<Trap>,
}

impl Remote for TrappedRemote {
    type Objects = GitStore;

    async fn fetch(&self, record_branch: &str) -> Result<Tips, RemoteError> {
        let work = self.inner.fetch(record_branch);
        self.trap.effect(Sort::Fetch, "plan and record".to_owned(), work).await
    }

    async fn fetch_record(&self, record_branch: &str) -> Result<Option<CommitId>, RemoteError> {
        let work = self.inner.fetch_record(record_branch);
        self.trap.effect(Sort::Fetch, "record".to_owned(), work).await
    }

    async fn push(
        &self,
        record_branch: &str,
        expected: Option<&CommitId>,
        new: &CommitId,
    ) -> Result<PushOutcome, RemoteError> {
        use tranche::port::Objects as _;
        let message = self.inner.objects().info(new)?.message;
        let subject = message.lines().next().unwrap_or_default().to_owned();
        let work = self.inner.push(record_branch, expected, new);
        self.trap.effect(Sort::Push, subject, work).await
    }

    fn objects(&self) -> &GitStore {
        self.inner.objects()
    }
}

pub struct TrappedClock {
    pub inner: SandboxClock,
    pub cluster: KubeCluster,
    pub trap: Rc<Trap>,
    pub audit: Rc<Audit>,
}

impl Clock for TrappedClock {
    async fn now(&self) -> Result<Timestamp, ClusterError> {
        self.trap.alive().await;
        self.inner.now().await
    }

    async fn wait(&self, at_most: Duration, may_jump: bool) -> Result<Timestamp, ClusterError> {
        self.trap.alive().await;
        let now = self.inner.wait(at_most, may_jump).await;
        self.audit.look(&self.cluster).await;
        now
    }
}

/// A run that is a process in name only.
pub struct NamedProcess {
    pub holder: Holder,
    pub buried: Rc<RefCell<BTreeSet<String>>>,
}

impl Process for NamedProcess {
    fn holder(&self) -> &Holder {
        &self.holder
    }

    fn provably_dead(&self, holder: &Holder) -> bool {
        self.buried.borrow().contains(&holder.run)
    }

    fn stopping(&self) -> bool {
        false
    }
}

struct Nobody;

impl Audience for Nobody {
    fn hear(&self, _: &Progress) {}
}

pub struct Trapped {
    pub cluster: TrappedCluster,
    pub remote: TrappedRemote,
    pub clock: TrappedClock,
    pub process: NamedProcess,
}

impl Ports for Trapped {
    type Cluster = TrappedCluster;
    type Remote = TrappedRemote;
    type Clock = TrappedClock;

    fn cluster(&self) -> &TrappedCluster {
        &self.cluster
    }

    fn remote(&self) -> &TrappedRemote {
        &self.remote
    }

    fn clock(&self) -> &TrappedClock {
        &self.clock
    }

    fn process(&self) -> &dyn Process {
        &self.process
    }

    fn audience(&self) -> &dyn Audience {
        &Nobody
    }
}
