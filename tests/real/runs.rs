//! Runs of the engine in this process, over the real cluster and a network
//! remote, that die where a test says.

use crate::site::Site;
use crate::trap::{
    Aim, Graveyard, NamedProcess, Nobody, Sort, Trap, Trapped, TrappedClock, TrappedCluster,
    TrappedRemote, Witness, log,
};
use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tranche::core::model::{ClusterRef, Target};
use tranche::core::record::{EntityRecord, Trailers};
use tranche::core::secrecy::Veil;
use tranche::core::strategy::{EntityKey, EntityKind};
use tranche::edge::cluster::{ApiServerClock, Connected, KubeCluster, connect};
use tranche::edge::git::{Access, GitRemote, RemoteUrl};
use tranche::engine::{Engine, Options, Report, Snapshot};
use tranche::port::{Clock, ClusterError, Remote as _};

/// For how long a run waits: far more than any step takes here.
const PATIENCE: Duration = Duration::from_secs(240);

/// The runs at one site.
pub struct Runs<'s> {
    site: &'s Site<'static>,
    buried: Graveyard,
    number: Cell<u32>,
    late: Cell<SignedDuration>,
}

/// How a run ended: without a report if it was killed.
pub struct Ended {
    number: u32,
    pub report: Option<Report>,
    pub effects: Vec<(Sort, String)>,
}

/// The API server's clock, some time later.
struct Later {
    clock: ApiServerClock,
    by: SignedDuration,
}

impl Clock for Later {
    async fn now(&self) -> Result<Timestamp, ClusterError> {
        Ok(self.clock.now().await? + self.by)
    }

    async fn wait(&self, at_most: Duration, may_jump: bool) -> Result<Timestamp, ClusterError> {
        Ok(self.clock.wait(at_most, may_jump).await? + self.by)
    }
}

/// Only lets it happen: the API server's own log is asked later.
pub struct Bystander;

impl Witness<KubeCluster> for Bystander {}

impl<'s> Runs<'s> {
    pub fn new(site: &'s Site<'static>) -> Self {
        let late = Cell::new(SignedDuration::ZERO);
        Self { site, buried: Graveyard::default(), number: Cell::new(0), late }
    }

    fn target(&self) -> Target {
        Target {
            name: "lab".to_owned(),
            cluster: ClusterRef::Context("lab".to_owned()),
            namespace: self.site.namespace.name().to_owned(),
            record_branch: "tranche/lab".to_owned(),
        }
    }

    /// The cluster as the program sees it.
    pub async fn connect(&self) -> Connected {
        let kubeconfig = self.site.plane.kubeconfig_for(self.site.user);
        connect(&self.target().cluster, Some(&kubeconfig), &Veil::new()).await.unwrap()
    }

    fn remote(&self) -> GitRemote {
        let told = |wanted: &str| {
            let found = self.site.opened_by.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.clone())
        };
        let access = Access::new(told("TRANCHE_GIT_USERNAME"), told("TRANCHE_GIT_PASSWORD"));
        let access = access.with_ssh(told("GIT_SSH_COMMAND"));
        let url = RemoteUrl::parse(&self.site.url).unwrap().opened_by(&access, &[]);
        GitRemote::open(&url, "main", &self.site.path("cache-of-runs")).unwrap()
    }

    /// Lets the target's time pass for all later runs.
    pub fn advance(&self, by: SignedDuration) {
        self.late.set(self.late.get() + by);
    }

    /// Lets later runs know that a run's process is no more.
    pub fn bury(&self, ended: &Ended) {
        self.buried.borrow_mut().insert(run_name(ended.number));
    }

    /// One run, killed where `aim` says.
    pub async fn run<W: Witness<KubeCluster>>(&self, aim: Aim, witness: &Rc<W>) -> Ended {
        self.number.set(self.number.get() + 1);
        let number = self.number.get();
        let (trap, death) = Trap::new(aim);
        let Connected { cluster, clock, .. } = self.connect().await;
        let ports = Trapped {
            cluster: TrappedCluster {
                inner: cluster,
                trap: Rc::clone(&trap),
                witness: Rc::clone(witness),
            },
            remote: TrappedRemote { inner: self.remote(), trap: Rc::clone(&trap) },
            clock: TrappedClock {
                inner: Later { clock, by: self.late.get() },
                cluster: self.connect().await.cluster,
                trap: Rc::clone(&trap),
                witness: Rc::clone(witness),
            },
            process: NamedProcess::new(run_name(number), number, &self.buried),
            hooks: Nobody,
        };
        let target = self.target();
        let options = Options { wait: Some(PATIENCE), ..Options::default() };
        let engine = Engine::new(&ports, &target, options);
        let report = tokio::select! {
            report = engine.apply() => Some(report),
            _ = death => None,
        };
        Ended { number, report, effects: trap.effects() }
    }

    /// The record branch, and what it says of the rollout `web`.
    pub async fn record(&self, case: &str) -> (EntityRecord, Vec<Trailers>) {
        let remote = self.remote();
        let tip = remote.fetch_record(&self.target().record_branch).await.unwrap().unwrap();
        let namespace = self.site.namespace.name().to_owned();
        let key = EntityKey { kind: EntityKind::Rollout, namespace, name: "web".to_owned() };
        let record = Snapshot::new(remote.objects(), Some(tip.clone())).entity(&key).unwrap();
        (EntityRecord::clone(&record.unwrap()), log::read(remote.objects(), &tip, case))
    }
}

fn run_name(number: u32) -> String {
    format!("run-{number}")
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
