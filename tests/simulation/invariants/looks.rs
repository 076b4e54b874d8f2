//! Invariants of what a run has looked at before it writes.

use super::{Audit, Intent};
use crate::cluster::Write;
use crate::faults::Fault;
use crate::schedule::Sim;
use serde_json::Value;
use std::collections::BTreeMap;
use tranche::core::object::{ObjectRef, at};
use tranche::core::strategy::{epoch_of, mark_of, restamped};
use tranche::port::WriteMode;

/// The looks of all runs, in the order in which they were answered.
#[derive(Debug, Default)]
pub(super) struct Looks {
    turn: u64,
    runs: BTreeMap<String, OfRun>,
}

/// The looks of one run.
#[derive(Debug, Default)]
struct OfRun {
    /// When the record was fetched last.
    fetched: u64,
    /// What it was shown of each object, by uid: the version, and when.
    shown: BTreeMap<String, Vec<(String, u64)>>,
}

impl Looks {
    /// The turn of what happens now, which comes after all before it.
    pub(super) fn turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Whether the run was shown an object after some turn, in a given version
    /// if one is given, and has fetched the record after that.
    fn fetched_since(&self, run: &str, after: u64, uid: &str, version: Option<&str>) -> bool {
        let Some(of) = self.runs.get(run) else { return false };
        let shown = of.shown.get(uid).into_iter().flatten();
        let mut right = shown.filter(|(seen, _)| version.is_none_or(|version| version == seen));
        right.any(|(_, turn)| *turn > after && *turn < of.fetched)
    }
}

impl Audit {
    /// The record's tip was answered to a run.
    pub fn fetched(&mut self, run: &str) {
        let turn = self.looks.turn();
        self.looks.runs.entry(run.to_owned()).or_default().fetched = turn;
    }

    /// An object was answered to a run.
    pub fn looked(&mut self, run: &str, found: &Value) {
        let text = |path: &str| at(found, path).and_then(Value::as_str).unwrap_or_default();
        let (uid, version) = (text("/metadata/uid"), text("/metadata/resourceVersion"));
        let turn = self.looks.turn();
        let of = self.looks.runs.entry(run.to_owned()).or_default();
        of.shown.entry(uid.to_owned()).or_default().push((version.to_owned(), turn));
    }

    /// A run sends a write, whatever becomes of it.
    pub fn sends(&mut self, sim: &Sim, run: &str, write: &Write) {
        let object = write.object();
        let (uid, version, epoch) = match write {
            Write::Apply { mode: WriteMode::Exactly { uid, resource_version }, body, .. } => {
                (uid, resource_version, epoch_of(body))
            }
            Write::Delete { uid, version, .. } => (uid, version, self.names(run, object)),
            Write::Apply { .. } => return,
        };
        let intent = epoch.and_then(|epoch| self.intent_of(run, epoch, object));
        let Some(intent) = intent.filter(|_| object.kind != "Lease") else { return };
        let known = intent.open.objects.iter().any(|named| named.uid.as_ref() == Some(uid));
        let fetched = |version| self.looks.fetched_since(run, intent.turn, uid, version);
        let unseen = !known && !fetched(None);
        let unasked = intent.takes_over && !fetched(Some(version)) && is_stamp(sim, write);
        if unseen {
            self.broken("S11 what no intent knows is fetched for before it is written", || {
                format!("{run} writes {object} with uid {uid}, which its intent does not know")
            });
        }
        if unasked {
            self.broken("S11 no stamp on an older look", || {
                format!("{run} stamps {object} at {version} without a fetch since it saw that")
            });
        }
    }

    /// S11: what a takeover does rests on its epoch being on all that was there
    /// when its intent won.
    pub(super) fn stamped(&mut self, sim: &Sim, run: &str, intent: &Intent, epoch: u64) {
        // A GET that shows an older state and a dry-run that is forbidden leave
        // no way to tell.
        let blind = sim.armed.has(Fault::Stale) && sim.armed.has(Fault::ReadForbidden);
        if !intent.takes_over || blind || !self.proved.insert(epoch) {
            return;
        }
        let since = |times: &BTreeMap<ObjectRef, u64>, object: &ObjectRef| {
            times.get(object).is_some_and(|time| *time >= intent.at)
        };
        let cluster = sim.sandbox.cluster();
        let missed = intent.objects.iter().find(|object| {
            let live = cluster.bare(object);
            live.is_some_and(|live| epoch_of(&live).is_none_or(|carried| carried < epoch))
                && !since(&self.born, object)
                && !since(&self.meddled, object)
        });
        if let Some(object) = missed.cloned() {
            self.broken("S11 a takeover stamps all that it finds", || {
                format!("{run} acts under epoch {epoch}, which {object} does not carry")
            });
        }
    }
}

/// Whether a write raises the epoch of what it was sent for, and no more.
fn is_stamp(sim: &Sim, write: &Write) -> bool {
    let Write::Apply { object, body, .. } = write else { return false };
    let Some(live) = sim.sandbox.cluster().bare(object) else { return false };
    let Some(epoch) = epoch_of(body).filter(|epoch| epoch_of(&live) < Some(*epoch)) else {
        return false;
    };
    mark_of(body) == mark_of(&live) && *body == restamped(object, &live, epoch)
}
