//! The engine's ports on either cluster, with an ear at the requests. Owns what
//! is counted: writes and dry-runs; it must never change a request.

use jiff::Timestamp;
use serde_json::Value;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use tranche::core::object::{KindRef, ObjectRef};
use tranche::edge::cluster::{ApiServerClock, KubeCluster};
use tranche::edge::git::GitRemote;
use tranche::edge::process::ThisProcess;
use tranche::port::{
    Access, Audience, Calling, Clock, Cluster, ClusterError, HookAnswer, HookRequest, Hooks, Ports,
    Process, Progress, WriteMode,
};
use tranche::sandbox::SandboxClock;

/// What was asked of the cluster, and what was said.
#[derive(Default)]
pub struct Heard {
    pub writes: RefCell<Vec<String>>,
    pub dry_runs: RefCell<Vec<String>>,
    pub said: RefCell<Vec<String>>,
}

/// A cluster that is listened to.
pub struct Heeded {
    pub cluster: KubeCluster,
    pub heard: Heard,
}

/// Either cluster's clock.
pub enum EitherClock {
    Real(ApiServerClock),
    Sandbox(SandboxClock),
}

/// Everything that one run acts through.
pub struct Wired {
    pub cluster: Heeded,
    pub remote: GitRemote,
    pub clock: EitherClock,
    pub process: ThisProcess,
}

impl Cluster for Heeded {
    async fn namespaced(&self, kind: &KindRef) -> Result<bool, ClusterError> {
        self.cluster.namespaced(kind).await
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Arc<Value>>, ClusterError> {
        self.cluster.get(object).await
    }

    async fn scan<T>(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        labels: &[(String, String)],
        look: &mut dyn FnMut(Arc<Value>) -> Option<T>,
    ) -> Result<Vec<T>, ClusterError> {
        self.cluster.scan(kind, namespace, labels, look).await
    }

    async fn apply(
        &self,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
        dry_run: bool,
    ) -> Result<Arc<Value>, ClusterError> {
        let asked = if dry_run { &self.heard.dry_runs } else { &self.heard.writes };
        asked.borrow_mut().push(object.to_string());
        self.cluster.apply(object, body, mode, dry_run).await
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        self.heard.writes.borrow_mut().push(format!("delete {object}"));
        self.cluster.delete(object, uid, resource_version).await
    }

    async fn evict(&self, pod: &ObjectRef, uid: &str, dry_run: bool) -> Result<(), ClusterError> {
        let asked = if dry_run { &self.heard.dry_runs } else { &self.heard.writes };
        asked.borrow_mut().push(format!("evict {pod}"));
        self.cluster.evict(pod, uid, dry_run).await
    }

    async fn may(&self, access: &Access) -> Result<bool, ClusterError> {
        self.cluster.may(access).await
    }
}

impl Clock for EitherClock {
    async fn now(&self) -> Result<Timestamp, ClusterError> {
        match self {
            Self::Real(clock) => clock.now().await,
            Self::Sandbox(clock) => clock.now().await,
        }
    }

    async fn wait(&self, at_most: Duration, may_jump: bool) -> Result<Timestamp, ClusterError> {
        match self {
            Self::Real(clock) => clock.wait(at_most, may_jump).await,
            Self::Sandbox(clock) => clock.wait(at_most, may_jump).await,
        }
    }
}

impl Audience for Heard {
    fn hear(&self, progress: &Progress) {
        self.said.borrow_mut().push(format!("{progress:?}"));
    }
}

impl Hooks for Heard {
    fn call<'a>(&'a self, request: HookRequest<'a>) -> Calling<'a> {
        self.writes.borrow_mut().push(format!("call {}", request.url));
        Box::pin(async { HookAnswer::Status(200) })
    }
}

impl Ports for Wired {
    type Cluster = Heeded;
    type Remote = GitRemote;
    type Clock = EitherClock;

    fn cluster(&self) -> &Heeded {
        &self.cluster
    }

    fn remote(&self) -> &GitRemote {
        &self.remote
    }

    fn clock(&self) -> &EitherClock {
        &self.clock
    }

    fn process(&self) -> &dyn Process {
        &self.process
    }

    fn hooks(&self) -> &dyn Hooks {
        &self.cluster.heard
    }

    fn audience(&self) -> &dyn Audience {
        &self.cluster.heard
    }
}
