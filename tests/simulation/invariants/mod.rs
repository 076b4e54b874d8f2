//! What must hold after every event. Owns what has been seen of a seed so far;
//! each invariant is one named function in a file beside this one, with its
//! number as docs/simulation.md lists it.
//!
//! An audit only looks at what ports can see: requests that reached the
//! cluster, commits that reached the remote. It never asks the engine.

mod begin;
mod called;
mod evicted;
mod floor;
mod lane;
mod looks;
mod order;
mod record;
mod rest;
mod switch;
mod together;
mod traffic;
mod writes;

pub use rest::settled;

use crate::faults::Fault;
use crate::schedule::Sim;
use crate::side::side_of;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tranche::core::object::{ObjectRef, at};
use tranche::core::record::{EntityRecord, OpenStep, Phase};
use tranche::core::strategy::{EntityKey, StepId, StepKind, workload};
use tranche::core::traffic::is_route;
use tranche::engine::{Class, Report};

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number and name.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
}

/// An intent that reached the remote.
#[derive(Clone, Debug)]
struct Intent {
    run: String,
    entity: EntityKey,
    open: OpenStep,
    objects: BTreeSet<ObjectRef>,
    /// The revision that it moves to.
    target: Option<String>,
    /// It changes a size, not a revision.
    resizes: bool,
    /// It supersedes one of another run.
    takes_over: bool,
    /// When it won.
    at: u64,
    /// Its place among the looks of all runs.
    turn: u64,
}

/// What a run read last of a workload.
#[derive(Clone, Copy, Debug)]
struct Seen {
    ready: u32,
    /// The newest intent of the run then.
    epoch: u64,
    at: u64,
}

/// The file of an entity that was edited by hand.
#[derive(Clone, Debug)]
pub struct Forged {
    pub since: u64,
    /// The step that nobody may go on with; none where it may be believed.
    pub id: Option<(StepId, StepKind)>,
    pub before: Rc<[u8]>,
    pub forged: Vec<u8>,
}

/// Everything that invariants remember.
#[derive(Debug, Default)]
pub struct Audit {
    pub violation: Option<Violation>,
    /// Writes that changed state, and commits, since the start.
    pub writes: u64,
    pub commits: u64,
    intents: BTreeMap<(u64, String), Intent>,
    /// Those whose number their own run has got once more, on a branch that was
    /// rewound.
    displaced: Vec<Intent>,
    /// The record as its branch shows it.
    entities: BTreeMap<EntityKey, Rc<EntityRecord>>,
    /// What runs said last of each entity. Whoever moves the branch takes none
    /// of it back: what is under way on the cluster follows from it.
    told: BTreeMap<EntityKey, Rc<EntityRecord>>,
    /// The highest epoch that has written an object of this name.
    fences: BTreeMap<ObjectRef, u64>,
    /// The highest epoch that has acted on a step that names an object: from
    /// then on everything older is over, whether it has touched it or not.
    acted: BTreeMap<ObjectRef, u64>,
    /// State changes by step, effect and object.
    changes: BTreeMap<(String, ObjectRef), u32>,
    results: BTreeSet<String>,
    /// When each batch of an attempt was recorded as done, by the target's clock.
    done: BTreeMap<(EntityKey, u32, u32), jiff::Timestamp>,
    reads: BTreeMap<(String, ObjectRef), Seen>,
    /// When each run read a route last.
    routes_read: BTreeMap<(String, ObjectRef), u64>,
    looks: looks::Looks,
    called: called::Called,
    /// Takeovers that have begun to act.
    proved: BTreeSet<u64>,
    /// When a write of ours created an object last.
    born: BTreeMap<ObjectRef, u64>,
    /// The newest intent of each run.
    holding: BTreeMap<String, u64>,
    started: BTreeMap<String, u64>,
    /// Since when the record is not what it was.
    tampered: Option<u64>,
    /// Files of rollouts that were edited by hand.
    forgeries: BTreeMap<EntityKey, Forged>,
    floors: BTreeMap<String, floor::Floor>,
    /// The floors of what switched Services reach.
    switches: BTreeMap<String, floor::Floor>,
    traffic: BTreeMap<String, traffic::Traffic>,
    served: BTreeMap<(String, String), traffic::Served>,
    /// The target's clock has jumped in this seed.
    pub clocked: bool,
    /// Applications that people have disturbed on the cluster.
    pub disturbed: BTreeMap<String, u64>,
    /// The latest that the target's clock showed before somebody moved it: a
    /// decision may rest on that.
    pub before_clock: Option<jiff::Timestamp>,
    /// When people last touched an object.
    meddled: BTreeMap<ObjectRef, u64>,
    /// When people last took pods of a workload, or a Service, away.
    taken: BTreeMap<ObjectRef, u64>,
    /// Objects that people have deleted, and the highest epoch that had been
    /// given out by then.
    deleted: BTreeMap<ObjectRef, u64>,
    /// Somebody rewrote a branch in this seed.
    pub rewritten: bool,
}

impl Audit {
    fn broken(&mut self, invariant: &'static str, text: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, text: text() });
        }
    }

    pub fn started(&mut self, run: &str, now: u64) {
        self.started.insert(run.to_owned(), now);
    }

    /// A run has read an object.
    pub fn read(&mut self, at: u64, run: &str, object: &ObjectRef, found: Option<&Value>) {
        if is_route(object) {
            self.routes_read.insert((run.to_owned(), object.clone()), at);
        }
        let Some(kind) = workload::of(&object.kind_ref()) else { return };
        let pods = found.map(|live| kind.read(live));
        let ready = pods.filter(|pods| pods.observed).map_or(0, |pods| pods.ready);
        let epoch = self.holding.get(run).copied().unwrap_or(0);
        self.reads.insert((run.to_owned(), object.clone()), Seen { ready, epoch, at });
    }

    /// People have changed something of an application on the cluster: what was
    /// done to that object may be done again, and the floor holds again once it
    /// was reached again.
    pub fn disturbed(&mut self, now: u64, app: &str, object: &ObjectRef, harmful: bool) {
        self.meddled.insert(object.clone(), now);
        self.changes.retain(|(_, changed), _| changed != object);
        if harmful {
            for component in [app.to_owned(), side_of(app)] {
                if let Some(floor) = self.floors.get_mut(&component) {
                    floor.disarm();
                }
                self.disturbed.insert(component, now);
            }
            self.traffic_disturbed(app);
            self.switch_disturbed(app);
        }
    }

    /// People have taken pods of a workload, or a Service, away. A write that
    /// rests on what its run has read of them before cannot tell.
    pub fn took(&mut self, now: u64, object: &ObjectRef) {
        self.taken.insert(object.clone(), now);
    }

    /// People have deleted an object. A create of before that is still on its
    /// way meets nothing that could fence it off; the next run mends what it
    /// makes.
    pub fn deleted(&mut self, object: &ObjectRef) {
        let newest = self.newest_intent();
        self.deleted.insert(object.clone(), newest);
    }

    /// Somebody has rewritten the record branch so that it can be told: from
    /// here on no run that starts may write.
    pub fn tampered(&mut self, sim: &Sim) {
        self.tampered = Some(sim.now.get());
        self.rewritten = true;
        self.resync(sim);
    }

    /// Whether a branch or a file is not what it was.
    pub fn tampered_with(&self) -> bool {
        self.tampered.is_some() || !self.forgeries.is_empty()
    }

    /// Somebody has edited the file of an entity.
    pub fn forged(&mut self, sim: &Sim, key: &EntityKey, forged: Forged) {
        self.rewritten = true;
        self.forgeries.insert(key.clone(), forged);
        self.resync(sim);
    }

    /// The forgery of an entity's file, which is one no more.
    pub fn unforged(&mut self, key: &EntityKey) -> Option<Forged> {
        self.forgeries.remove(key)
    }

    /// S8: no run that starts on a forged open step goes on with it.
    fn not_forged(&mut self, run: &str, key: &EntityKey, step: &StepId, kind: StepKind) {
        let Some(forged) = self.forgeries.get(key) else { return };
        let started = self.started.get(run).copied();
        let (since, forged) = (forged.since, forged.id.as_ref() == Some(&(step.clone(), kind)));
        if forged && started.is_some_and(|started| started >= since) {
            self.broken("S8 no write on a record that was forged or rewound", || {
                format!("{run} goes on with step {step} of {key}, which was forged")
            });
        }
    }

    /// The newest epoch there is.
    fn newest_intent(&self) -> u64 {
        self.intents.keys().next_back().map_or(0, |(epoch, _)| *epoch)
    }

    /// Somebody acts under an intent: it rests on what it has seen of all its
    /// objects.
    fn acts(&mut self, epoch: u64) {
        for object in of_epoch(&self.intents, epoch).flat_map(|intent| &intent.objects) {
            let newest = self.acted.entry(object.clone()).or_default();
            *newest = epoch.max(*newest);
        }
    }

    /// L28: a run that says that it is done with an entity, waits for it or is
    /// beaten at it does not hold its lock still.
    pub fn ended(&mut self, sim: &Sim, run: &str, report: &Report) {
        // A replica that lags may well hide our own intent from us.
        let lags = sim.armed.has(Fault::Lag);
        for (key, rest) in &report.entities {
            let open = self.entities.get(key).and_then(|record| record.open.as_ref());
            let holds = open.is_some_and(|o| o.phase == Phase::Intent && o.holder.run == run);
            let well = matches!(rest.class, Class::Done | Class::Waiting | Class::RolledBack)
                || (rest.class == Class::Busy && !lags);
            if holds && well && !self.rewritten {
                let class = rest.class;
                self.broken("L28 who ends well holds no lock", || {
                    format!("{run} ends {class:?} with {key}: {}", rest.message)
                });
            }
        }
    }

    /// L28: nobody says that the record was rewound while it is whole.
    pub fn heard(&mut self, run: &str, error: &str) {
        if error.contains("the branch was rewound") && !self.rewritten {
            self.broken("L28 no false alarm", || format!("{run}: {error}"));
        }
    }

    /// The branch is what it was.
    pub fn mended(&mut self, sim: &Sim) {
        self.rewritten = true;
        self.tampered = None;
        self.resync(sim);
    }

    /// S8: no run that starts on a record that was forged or rewound writes.
    fn untampered(&mut self, run: &str, what: &str) {
        let started = self.started.get(run).copied();
        if let (Some(since), Some(started)) = (self.tampered, started)
            && started >= since
        {
            self.broken("S8 no write on a record that was forged or rewound", || {
                format!("{run} began after the record was rewritten, and does {what}")
            });
        }
    }
}

/// The intents of a number: on a branch that was rewritten two runs may have
/// one.
fn of_epoch(
    intents: &BTreeMap<(u64, String), Intent>,
    epoch: u64,
) -> impl Iterator<Item = &Intent> {
    let range = (epoch, String::new())..(epoch + 1, String::new());
    intents.range(range).map(|(_, intent)| intent)
}

/// Whether two versions of an object are the same but for status, the server's
/// own fields and our marks.
fn same_state(before: Option<&Value>, after: Option<&Value>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return before.is_none() && after.is_none();
    };
    let (old, new) = (before.get("metadata"), after.get("metadata"));
    fields(Some(before), &["status", "metadata"]).eq(fields(Some(after), &["status", "metadata"]))
        && fields(old, SERVERS).eq(fields(new, SERVERS))
        && annotations(old).eq(annotations(new))
}

/// What is compared of an object's metadata in another way, or not at all.
const SERVERS: &[&str] = &["managedFields", "resourceVersion", "generation", "annotations"];

/// The fields of an object, except some.
fn fields<'a>(
    of: Option<&'a Value>,
    but: &'a [&'a str],
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let all = of.and_then(Value::as_object).into_iter().flatten();
    all.filter(|(name, _)| !but.contains(&name.as_str()))
}

fn annotations(metadata: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    let all = fields(metadata.and_then(|metadata| metadata.get("annotations")), &[]);
    all.filter(|(key, _)| !key.starts_with("tranche.dev/") && !key.contains("kubernetes.io"))
}

/// The application that an object belongs to, by its name.
fn app_of(object: &ObjectRef) -> &str {
    let name = object.name.split("-v").next().unwrap_or(&object.name);
    let name = name.strip_suffix("-canary").unwrap_or(name);
    name.strip_suffix("-preview").unwrap_or(name)
}

/// The pods that a workload asks for; of a DaemonSet, those that it says are asked
/// for.
fn replicas(object: &Value) -> Option<u64> {
    if object.get("kind").and_then(Value::as_str) == Some("DaemonSet") {
        let nowhere = at(object, "/spec/template/spec/nodeSelector")
            .is_some_and(|of| of.get("tranche.dev/nowhere").is_some());
        let wanted = at(object, "/status/desiredNumberScheduled").and_then(Value::as_u64);
        return if nowhere { Some(0) } else { wanted };
    }
    at(object, "/spec/replicas").and_then(Value::as_u64)
}
