//! Who goes next. Owns virtual time, the queue of events and the actors; every
//! call of a port comes back here, so that any order of calls can happen.

use crate::cluster::Flying;
use crate::coverage::Coverage;
use crate::faults::{Armed, Fault};
use crate::invariants::Audit;
use crate::objects::Store;
use crate::people::Deed;
use crate::plan::Plans;
use crate::remote::Refs;
use crate::seed::Random;
use crate::trace::Trace;
use jiff::{SignedDuration, Timestamp};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tranche::core::object::ObjectRef;
use tranche::engine::Memo;
use tranche::sandbox::Sandbox;

/// An actor's number: a run, or a person with a command.
pub type ActorId = usize;

/// What happens at an instant.
pub enum Event {
    /// A port's call goes on.
    Wake(ActorId, Rc<Pause>),
    /// A write that was in flight arrives.
    Land(Flying),
    /// A push that was in flight arrives.
    LandPush(crate::remote::FlyingPush),
    /// Somebody does something.
    Deed(Deed),
    /// A run starts.
    Start,
}

/// A call that waits for its turn.
#[derive(Debug, Default)]
pub struct Pause {
    over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

struct Actor {
    name: String,
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    dying: bool,
    /// No call of it goes on before this instant.
    suspended: u64,
}

/// A version that an object had, and until when.
pub type Version = (u64, Option<Arc<serde_json::Value>>);

/// One simulated world. Everything in it is single-threaded and decided by its
/// seed alone.
pub struct Sim {
    /// Milliseconds since the start.
    pub now: Cell<u64>,
    pub random: RefCell<Random>,
    pub armed: Armed,
    pub trace: Trace,
    pub coverage: RefCell<Coverage>,
    pub sandbox: Sandbox,
    /// What runs of this thread have read already.
    pub memo: Rc<Memo>,
    pub store: RefCell<Store>,
    pub refs: RefCell<Refs>,
    pub plans: RefCell<Plans>,
    pub audit: RefCell<Audit>,
    /// Older states of objects, for reads that lag; the newest is last.
    pub history: RefCell<BTreeMap<ObjectRef, Vec<Version>>>,
    /// Seconds by which the target's clock differs from true time.
    pub clock_off: Cell<i64>,
    queue: RefCell<BTreeMap<(u64, u64), Event>>,
    order: Cell<u64>,
    actors: RefCell<Vec<Actor>>,
}

/// The instant at which every simulation begins.
pub fn start() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap_or_default()
}

/// A sim and one of its actors: what each port of that actor holds.
#[derive(Clone)]
pub struct Handle {
    pub sim: Rc<Sim>,
    pub actor: ActorId,
}

impl Sim {
    pub fn new(
        random: Random,
        armed: Armed,
        plans: Plans,
        trace: Trace,
        memo: &Rc<Memo>,
    ) -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(0),
            random: RefCell::new(random),
            armed,
            trace,
            coverage: RefCell::default(),
            sandbox: Sandbox::volatile(start()),
            memo: Rc::clone(memo),
            store: RefCell::default(),
            refs: RefCell::default(),
            plans: RefCell::new(plans),
            audit: RefCell::default(),
            history: RefCell::default(),
            clock_off: Cell::new(0),
            queue: RefCell::default(),
            order: Cell::new(0),
            actors: RefCell::default(),
        })
    }

    pub fn hit(&self, what: &str) {
        self.coverage.borrow_mut().hit(what);
    }

    pub fn say(&self, actor: &str, text: impl FnOnce() -> String) {
        self.trace.say(self.now.get(), actor, text);
    }

    pub fn below(&self, end: u64) -> u64 {
        self.random.borrow_mut().below(end)
    }

    pub fn between(&self, from: u64, to: u64) -> u64 {
        self.random.borrow_mut().between(from, to)
    }

    /// True time as an instant.
    pub fn time(&self) -> Timestamp {
        let elapsed = i64::try_from(self.now.get() / 1000).unwrap_or(0);
        start() + SignedDuration::from_secs(elapsed)
    }

    /// The target's clock.
    pub fn target_time(&self) -> Timestamp {
        self.time() + SignedDuration::from_secs(self.clock_off.get())
    }

    pub fn at(&self, time: u64, event: Event) {
        let order = self.order.get();
        self.order.set(order + 1);
        self.queue.borrow_mut().insert((time.max(self.now.get()), order), event);
    }

    /// Whether an armed fault fires for an actor now.
    pub fn fires(&self, fault: Fault, actor: &str) -> bool {
        let fires = self.armed.draws(fault, &mut self.random.borrow_mut());
        if fires {
            self.hit(fault.fired());
            self.say(actor, || format!("!! {}", fault.fired().trim_end_matches(": fired")));
        }
        fires
    }

    /// While something is late people often change their mind: what arrives then
    /// arrives in another world.
    pub fn meanwhile(&self, length: u64) {
        if self.below(4) > 0 && !self.armed.stopped() {
            let apps = self.plans.borrow().model.apps.len() as u64;
            let app = usize::try_from(self.below(apps)).unwrap_or(0);
            let deed = match self.below(4) {
                0 => Deed::NewTarget(app),
                1 => Deed::Revert(app),
                _ => Deed::Order(app, tranche::core::decide::Command::Abort),
            };
            self.at(self.now.get() + self.between(1_000, length), Event::Deed(deed));
        }
    }

    /// A new actor, which begins at once.
    pub fn spawn(
        self: &Rc<Self>,
        name: String,
        make: impl FnOnce(Handle) -> Pin<Box<dyn Future<Output = ()>>>,
    ) -> ActorId {
        let id = self.actors.borrow().len();
        let future = make(Handle { sim: Rc::clone(self), actor: id });
        self.actors.borrow_mut().push(Actor {
            name,
            future: Some(future),
            dying: false,
            suspended: 0,
        });
        self.poll(id);
        id
    }

    /// How many actors are at work.
    pub fn alive(&self) -> usize {
        self.actors.borrow().iter().filter(|actor| actor.future.is_some()).count()
    }

    pub fn is_alive(&self, name: &str) -> bool {
        let actors = self.actors.borrow();
        actors.iter().any(|actor| actor.name == name && actor.future.is_some())
    }

    /// The next event up to `until`, with time and the cluster moved there.
    /// Whether a write that its sender has given up on may still arrive, of those
    /// that `which` picks.
    pub fn in_flight(&self, which: impl Fn(&Flying) -> bool) -> Option<String> {
        let queue = self.queue.borrow();
        queue.values().find_map(|event| match event {
            Event::Land(flying) if which(flying) => Some(flying.write.object().to_string()),
            _ => None,
        })
    }

    pub fn next(&self, until: u64) -> Option<Event> {
        let mut queue = self.queue.borrow_mut();
        let (at, _) = *queue.keys().next()?;
        if at > until {
            return None;
        }
        let (_, event) = queue.pop_first()?;
        drop(queue);
        self.pass(at);
        Some(event)
    }

    /// Lets time pass.
    pub fn pass(&self, to: u64) {
        let before = self.now.get();
        self.now.set(to.max(before));
        if to / 1000 > before / 1000 {
            let _ = self.sandbox.advance(self.time());
        }
    }

    /// Goes on with an actor after its pause.
    pub fn wake(&self, id: ActorId, pause: &Pause) {
        pause.over.set(true);
        if let Some(waker) = pause.waker.borrow_mut().take() {
            waker.wake();
        }
        self.poll(id);
    }

    /// Ends everything: actors hold the world that holds them.
    pub fn finish(&self) {
        self.queue.borrow_mut().clear();
        let actors = self.actors.take();
        drop(actors);
    }

    fn poll(&self, id: ActorId) {
        let future = self.actors.borrow_mut()[id].future.take();
        let Some(mut future) = future else { return };
        // One part of a run may wake another one.
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut done = false;
        while !done && !self.actors.borrow()[id].dying {
            done = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            if !woken.0.swap(false, Ordering::Relaxed) {
                break;
            }
        }
        let mut actors = self.actors.borrow_mut();
        let actor = &mut actors[id];
        if done || actor.dying {
            drop(actors);
            drop(future);
        } else {
            actor.future = Some(future);
        }
    }
}

impl Handle {
    pub fn name(&self) -> String {
        self.sim.actors.borrow()[self.actor].name.clone()
    }

    pub fn say(&self, text: impl FnOnce() -> String) {
        self.sim.say(&self.sim.actors.borrow()[self.actor].name, text);
    }

    pub fn fires(&self, fault: Fault) -> bool {
        if !self.sim.armed.has(fault) {
            return false;
        }
        self.sim.fires(fault, &self.name())
    }

    /// Waits its turn: so many milliseconds, and longer while suspended.
    pub async fn pause(&self, millis: u64) {
        let mut wait = millis;
        loop {
            let pause = Rc::new(Pause::default());
            let at = self.sim.now.get() + wait;
            self.sim.at(at, Event::Wake(self.actor, Rc::clone(&pause)));
            Turn(pause).await;
            let until = self.sim.actors.borrow()[self.actor].suspended;
            if until <= self.sim.now.get() {
                return;
            }
            wait = until - self.sim.now.get();
        }
    }

    /// How long a call is under way: mostly short, sometimes very long.
    fn latency(&self) -> u64 {
        match self.sim.below(100) {
            0..=79 => self.sim.between(1, 80),
            80..=95 => self.sim.between(80, 900),
            _ => self.sim.between(900, 6_000),
        }
    }

    /// Nothing of this run goes on for longer than its lease. Meanwhile others
    /// take its step over, and people change their mind.
    async fn suspend(&self, hot: bool) {
        let now = self.sim.now.get();
        let length = match self.sim.below(4) {
            0 => self.sim.between(110_000, 160_000),
            1 | 2 => self.sim.between(130_000, 420_000),
            _ => self.sim.between(300_000, 900_000),
        };
        // Somebody may say at once that it is gone for good: then it wakes
        // while it may still believe in its lease.
        if hot && self.sim.below(3) == 0 && !self.sim.armed.stopped() {
            let apps = self.sim.plans.borrow().model.apps.len();
            for app in 0..apps {
                self.sim.at(now + self.sim.between(1, 400), Event::Deed(Deed::Unlock(app)));
                if self.sim.below(2) == 0 {
                    let abort = Deed::Order(app, tranche::core::decide::Command::Abort);
                    self.sim.at(now + self.sim.between(1, 400), Event::Deed(abort));
                }
            }
            self.sim.at(now + self.sim.between(300, 1_000), Event::Start);
            let length = *self.sim.random.borrow_mut().pick(&[3_000, 5_000, 20_000, 80_000]);
            let until = now + self.sim.between(1_000, length);
            self.sim.actors.borrow_mut()[self.actor].suspended = until;
            self.pause(0).await;
            self.say(|| "awake again, early".to_owned());
            return;
        }
        self.sim.actors.borrow_mut()[self.actor].suspended = now + length;
        self.sim.meanwhile(length);
        for _ in 0..self.sim.between(1, 3) {
            let later = now + self.sim.between(100_000, 125_000 + length);
            self.sim.at(later, Event::Start);
        }
        self.pause(0).await;
        self.say(|| "awake again".to_owned());
    }

    /// Ends this run here and now; what it sent may still arrive.
    pub async fn die(&self) {
        self.sim.actors.borrow_mut()[self.actor].dying = true;
        self.say(|| "killed".to_owned());
        std::future::pending::<()>().await;
    }

    /// A read on its way there.
    pub async fn ask(&self) {
        if self.fires(Fault::KillReading) {
            self.die().await;
        }
        let latency = self.latency();
        self.pause(latency).await;
    }

    /// An effect, not sent yet. `hot` is one between whose read and write, or
    /// after which, most can go wrong.
    pub async fn before(&self, hot: bool) {
        if self.fires(Fault::KillBefore) {
            self.die().await;
        }
        if self.fires(Fault::SuspendBefore) || (hot && self.fires(Fault::SuspendBefore)) {
            self.suspend(hot).await;
        }
        let latency = self.latency();
        self.pause(latency).await;
    }

    /// An effect that has happened, its answer on the way back.
    pub async fn after(&self, hot: bool) {
        if self.fires(Fault::KillDuring) {
            self.die().await;
        }
        let latency = self.latency() / 4;
        self.pause(latency).await;
        if self.fires(Fault::SuspendAfter) || (hot && self.fires(Fault::SuspendAfter)) {
            self.suspend(hot).await;
        }
        if self.fires(Fault::KillAfter) {
            self.die().await;
        }
    }
}

/// Whether somebody has asked for another poll.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Turn(Rc<Pause>);

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.over.get() {
            return Poll::Ready(());
        }
        *self.0.waker.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}
