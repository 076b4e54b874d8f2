//! One generated world: an embedded cluster and a repository, both in memory,
//! and runs of the real engine that may die. Owns how a run is started and what
//! is read behind its back; what is to become of it is the story's.

use super::memory::Memory;
use super::watch::Watch;
use crate::Kill;
use crate::trap::{
    Aim, Graveyard, NamedProcess, Sort, Trap, Trapped, TrappedClock, TrappedCluster, TrappedRemote,
    log,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tranche::core::decide::Command;
use tranche::core::model::{Project, Target};
use tranche::core::object::ObjectRef;
use tranche::core::record::EntityRecord;
use tranche::core::strategy::{EntityKey, EntityKind};
use tranche::engine::{Commanded, Engine, Options, Order, Report, Snapshot, command};
use tranche::port::{
    Calling, Clock, ClusterError, CommitId, HookAnswer, HookRequest, Hooks, Objects as _,
    Remote as _, WriteMode,
};
use tranche::sandbox::{Sandbox, SandboxClock, SandboxCluster};

/// Longer than any rollout that somebody waits for.
const PATIENCE: Duration = Duration::from_secs(3_600);

pub struct Stage {
    pub sandbox: Sandbox,
    pub memory: Rc<Memory>,
    pub watch: Rc<Watch>,
    pub callee: Rc<Callee>,
    buried: Graveyard,
    runs: Cell<u32>,
    /// What each run did, and how it ended.
    seen: RefCell<Vec<String>>,
}

/// A story that fails says what its runs did.
impl Drop for Stage {
    #[expect(clippy::print_stderr, reason = "a failure is understood by it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.seen.borrow().join("\n"));
        }
    }
}

/// How a run ended: without a report if it was killed.
pub struct Ended {
    pub number: u32,
    pub report: Option<Report>,
    pub effects: Vec<(Sort, String)>,
}

/// Whoever answers hooks.
#[derive(Default)]
pub struct Callee {
    /// How many calls fail before one is answered well.
    pub stubborn: Cell<u32>,
    /// The URL and the key of each call that was answered well.
    pub answered: RefCell<Vec<(String, String)>>,
}

fn start() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn web() -> EntityKey {
    EntityKey { kind: EntityKind::Rollout, namespace: "default".to_owned(), name: "web".to_owned() }
}

impl Stage {
    pub fn new(floors: &[(&'static str, u32)]) -> Self {
        let sandbox = Sandbox::volatile(start());
        let watch = Rc::new(Watch::new(&sandbox, floors));
        Self {
            sandbox,
            memory: Rc::default(),
            watch,
            callee: Rc::default(),
            buried: Rc::default(),
            runs: Cell::new(0),
            seen: RefCell::default(),
        }
    }

    pub fn target() -> Target {
        Project::default().targets.remove(0)
    }

    /// Puts an object on the cluster as a person with kubectl would.
    pub fn put(&self, document: &Value) {
        let object = ObjectRef::of(document).unwrap();
        let object = ObjectRef { namespace: Some("default".to_owned()), ..object };
        let kubectl = self.sandbox.cluster_of("kubectl");
        kubectl.write(&object, document, &WriteMode::Any, false).unwrap();
    }

    /// Lets the cluster's time pass.
    pub fn advance(&self, seconds: i64) {
        let to = self.sandbox.now().unwrap() + SignedDuration::from_secs(seconds);
        self.sandbox.advance(to).unwrap();
    }

    pub fn cluster(&self) -> SandboxCluster {
        self.sandbox.cluster()
    }

    /// Lets later runs know that a run's process is no more.
    pub fn bury(&self, number: u32) {
        self.buried.borrow_mut().insert(run_name(number));
    }

    /// One run, killed where `kill` says, that waits or not.
    pub async fn run(&self, kill: Option<Kill>, waits: bool) -> Ended {
        self.watched(&self.watch, kill, waits).await
    }

    /// One run that somebody else looks at.
    pub async fn watched(&self, watch: &Rc<Watch>, kill: Option<Kill>, waits: bool) -> Ended {
        let number = self.runs.get() + 1;
        self.runs.set(number);
        let aim: Aim = match kill {
            Some(kill) => kill.aim(),
            None => Box::new(|_, _, _| None),
        };
        let (trap, death) = Trap::new(aim);
        let ports = Trapped {
            cluster: TrappedCluster {
                inner: self.cluster(),
                trap: Rc::clone(&trap),
                witness: Rc::clone(watch),
            },
            remote: TrappedRemote {
                inner: self.memory.seen_by(&run_name(number)),
                trap: Rc::clone(&trap),
            },
            clock: TrappedClock {
                inner: Hurried(SandboxClock::new(self.sandbox.clone())),
                cluster: self.cluster(),
                trap: Rc::clone(&trap),
                witness: Rc::clone(watch),
            },
            process: NamedProcess::new(run_name(number), number, &self.buried),
            hooks: Line { callee: Rc::clone(&self.callee), trap: Rc::clone(&trap) },
        };
        let target = Self::target();
        let options = Options { wait: waits.then_some(PATIENCE), ..Options::default() };
        let engine = Engine::new(&ports, &target, options);
        let report = tokio::select! {
            report = engine.apply() => Some(report),
            _ = death => None,
        };
        let effects = trap.effects();
        let mut seen = self.seen.borrow_mut();
        let lines = effects.iter().enumerate();
        seen.extend(lines.map(|(at, (_, what))| format!("{} {at}: {what}", run_name(number))));
        let end = report.as_ref().map_or_else(|| "killed".to_owned(), said);
        seen.push(format!("{} at {}: {end}", run_name(number), self.sandbox.now().unwrap()));
        drop(seen);
        Ended { number, report, effects }
    }

    /// The rollout's record at the remote's tip.
    pub fn record(&self) -> Option<Rc<EntityRecord>> {
        self.record_at(self.memory.record()?)
    }

    pub fn record_at(&self, tip: CommitId) -> Option<Rc<EntityRecord>> {
        let remote = self.memory.seen_by("a reader");
        Snapshot::new(remote.objects(), Some(tip)).entity(&web()).unwrap()
    }

    /// Every state of the rollout's record, oldest first.
    pub fn history(&self) -> Vec<Rc<EntityRecord>> {
        let Some(tip) = self.memory.record() else { return Vec::new() };
        let remote = self.memory.seen_by("a reader");
        let all = remote.objects().first_parents(&tip, None).unwrap();
        all.into_iter().filter_map(|commit| self.record_at(commit)).collect()
    }

    /// The record is one chain without gaps.
    pub fn log(&self, words: &str) {
        let remote = self.memory.seen_by("a reader");
        log::read(remote.objects(), &self.memory.record().unwrap(), words);
    }

    /// Somebody gives the rollout up; true if that was recorded.
    pub async fn abort(&self) -> bool {
        let Some(tip) = self.memory.record() else { return false };
        let remote = self.memory.seen_by("somebody");
        let (wanted, by, at) = (Command::Abort, "somebody".to_owned(), self.sandbox.now().unwrap());
        let order = Order { wanted, by, at, reason: None };
        let memo = Rc::default();
        let done = command(&remote, &Self::target(), &web(), &tip, &order, &memo).await;
        matches!(done, Ok(Commanded::Recorded(_)))
    }
}

fn run_name(number: u32) -> String {
    format!("run-{number}")
}

/// A clock that jumps while another run holds the lock, too: in memory no time
/// passes by itself.
struct Hurried(SandboxClock);

impl Clock for Hurried {
    async fn now(&self) -> Result<Timestamp, ClusterError> {
        self.0.now().await
    }

    async fn wait(&self, at_most: Duration, _may_jump: bool) -> Result<Timestamp, ClusterError> {
        self.0.wait(at_most, true).await
    }
}

/// One run's calls, which are effects as any.
struct Line {
    callee: Rc<Callee>,
    trap: Rc<Trap>,
}

impl Hooks for Line {
    fn call<'a>(&'a self, request: HookRequest<'a>) -> Calling<'a> {
        let answer = async move |_seen: bool| {
            let left = self.callee.stubborn.get();
            if left > 0 {
                self.callee.stubborn.set(left - 1);
                return HookAnswer::Status(503);
            }
            let call = (request.url.to_owned(), request.key.to_owned());
            self.callee.answered.borrow_mut().push(call);
            HookAnswer::Status(200)
        };
        Box::pin(self.trap.effect(Sort::Write, format!("call {}", request.url), answer))
    }
}

/// Everything that a report says.
pub fn said(report: &Report) -> String {
    let error = report.error.iter().map(|error| format!("{}; {}", error.message, error.next));
    let rests =
        report.entities.iter().map(|(_, rest)| format!("{:?}: {}", rest.class, rest.message));
    error.chain(rests).collect::<Vec<_>>().join(" | ")
}
