//! A run of the real engine over simulated ports. Owns how a run is started and
//! what is learnt from its end.

use crate::clock::SimClock;
use crate::cluster::SimCluster;
use crate::faults::Fault;
use crate::hooks::Caller;
use crate::remote::SimRemote;
use crate::schedule::{Handle, Sim};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tranche::core::model::{ClusterRef, Project, Target};
use tranche::core::record::Holder;
use tranche::core::strategy::EntityKey;
use tranche::engine::{Engine, Memo, Options, Report, Word};
use tranche::port::{Audience, Hooks, Ports, Process, Progress};

/// The target of every simulation.
pub fn target() -> Target {
    let mut target = Project::default().targets.remove(0);
    target.cluster = ClusterRef::Context("simulated".to_owned());
    target
}

/// How a run is started.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    pub wait: Option<u64>,
    pub accept_rewind: bool,
    /// Its machine: whether it is dead is known to runs on the same one.
    pub machine: u64,
    /// When a signal asks it to stop.
    pub signal: Option<u64>,
}

impl Sim {
    /// Starts a run; its report is put into `end`.
    pub fn start_run(
        self: &Rc<Self>,
        number: usize,
        start: Start,
        memo: &Rc<Memo>,
        end: impl FnOnce(&Sim, &str, &Report) + 'static,
    ) {
        let name = format!("run-{number}");
        self.say(&name, || format!("starts: {start:?}"));
        self.audit.borrow_mut().started(&name, self.now.get());
        let memo = Rc::clone(memo);
        let pid = u32::try_from(number).unwrap_or(0);
        self.spawn(name.clone(), move |handle| {
            Box::pin(async move {
                let holder = Holder {
                    run: name.clone(),
                    boot: format!("machine-{}", start.machine),
                    pid_namespace: "one".to_owned(),
                    pid,
                    started: 1,
                };
                let target = target();
                let process = SimProcess { handle: handle.clone(), holder, signal: start.signal };
                let ports = SimPorts {
                    cluster: SimCluster(handle.clone()),
                    remote: SimRemote::new(handle.clone()),
                    clock: SimClock { handle: handle.clone(), told: Cell::default() },
                    process,
                    audience: Listener(handle.clone()),
                    caller: Caller(handle.clone()),
                };
                let options = Options {
                    wait: start.wait.map(Duration::from_secs),
                    accept_rewind: start.accept_rewind,
                    ..Options::default()
                };
                let report = Engine::remembering(&ports, &target, options, memo).apply().await;
                handle.say(|| format!("ends: {:?}", report.class()));
                handle.sim.audit.borrow_mut().ended(&handle.sim, &name, &report);
                for (key, rest) in &report.entities {
                    handle.say(|| format!("   {key}: {:?} {}", rest.class, rest.message));
                    handle.sim.heed_gate(key, rest);
                }
                if let Some(error) = &report.error {
                    // A replica that lags may well look like it.
                    if !handle.sim.armed.has(Fault::Lag) {
                        handle.sim.audit.borrow_mut().heard(&name, &error.message);
                    }
                    handle.say(|| format!("   {}: {}", error.message, error.next));
                }
                handle.sim.hit(&format!("run ended: {:?}", report.class()));
                end(&handle.sim, &name, &report);
            })
        });
    }
}

impl Sim {
    /// Somebody says that the holder of a rollout's open step is gone.
    pub fn unlock(self: &Rc<Self>, key: &EntityKey) {
        let audit = self.audit.borrow();
        let open = audit.entities().get(key).and_then(|record| record.open.as_ref());
        let Some(id) = open.map(|open| open.id.clone()) else { return };
        drop(audit);
        let (key, name) = (key.clone(), format!("person-{}", self.now.get()));
        self.spawn(name.clone(), move |handle| {
            Box::pin(async move {
                let holder = Holder {
                    run: name,
                    boot: "a laptop".to_owned(),
                    pid_namespace: "one".to_owned(),
                    pid: 1,
                    started: 1,
                };
                let target = target();
                let ports = SimPorts {
                    cluster: SimCluster(handle.clone()),
                    remote: SimRemote::new(handle.clone()),
                    clock: SimClock { handle: handle.clone(), told: Cell::default() },
                    process: SimProcess { handle: handle.clone(), holder, signal: None },
                    audience: Listener(handle.clone()),
                    caller: Caller(handle.clone()),
                };
                let word = Word { by: "somebody".to_owned(), reason: None };
                let engine = Engine::remembering(
                    &ports,
                    &target,
                    Options::default(),
                    Rc::clone(&handle.sim.memo),
                );
                let done = engine.unlock(&key, &id, &word).await;
                handle.say(|| format!("unlock {id}: {done:?}"));
            })
        });
    }
}

struct SimProcess {
    handle: Handle,
    holder: Holder,
    signal: Option<u64>,
}

impl Process for SimProcess {
    fn holder(&self) -> &Holder {
        &self.holder
    }

    fn provably_dead(&self, holder: &Holder) -> bool {
        holder.boot == self.holder.boot && !self.handle.sim.is_alive(&holder.run)
    }

    fn stopping(&self) -> bool {
        self.signal.is_some_and(|at| self.handle.sim.now.get() >= at)
    }
}

struct Listener(Handle);

impl Audience for Listener {
    fn hear(&self, progress: &Progress) {
        self.0.say(|| format!("> {progress:?}"));
        match progress {
            Progress::Recorded { phase, .. } => self.0.sim.hit(&format!("recorded: {phase}")),
            Progress::Effect(_) => self.0.sim.hit("heard: an effect"),
            Progress::Looking(_) => self.0.sim.hit("heard: a look"),
            _ => {}
        }
    }
}

struct SimPorts {
    cluster: SimCluster,
    remote: SimRemote,
    clock: SimClock,
    process: SimProcess,
    audience: Listener,
    caller: Caller,
}

impl Ports for SimPorts {
    type Cluster = SimCluster;
    type Remote = SimRemote;
    type Clock = SimClock;

    fn cluster(&self) -> &SimCluster {
        &self.cluster
    }

    fn remote(&self) -> &SimRemote {
        &self.remote
    }

    fn clock(&self) -> &SimClock {
        &self.clock
    }

    fn process(&self) -> &dyn Process {
        &self.process
    }

    fn hooks(&self) -> &dyn Hooks {
        &self.caller
    }

    fn audience(&self) -> &dyn Audience {
        &self.audience
    }
}

/// How a run is started in the chaos of a seed: by cron, or by a pipeline that
/// waits.
pub fn any_start(sim: &Sim) -> Start {
    let wait = match sim.below(10) {
        0..=4 => None,
        5..=7 => Some(sim.between(30, 240)),
        _ => Some(sim.between(240, 900)),
    };
    let signal = sim.fires(Fault::Signal, "world").then(|| sim.now.get() + sim.below(90_000));
    Start { wait, accept_rewind: false, machine: sim.below(3), signal }
}
