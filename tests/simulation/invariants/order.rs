//! Invariants of writes that take capacity away.

use super::{Audit, Intent, app_of, replicas};
use crate::plan::{App, Kind};
use crate::schedule::Sim;
use serde_json::Value;
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::core::record::Ending;
use tranche::core::strategy::StepKind;
use tranche::core::traffic::selects;

impl Audit {
    /// S3: no write takes pods of one side away on a readiness of the other
    /// that this run has not itself read under this intent.
    pub(super) fn carried(
        &mut self,
        sim: &Sim,
        run: &str,
        object: &ObjectRef,
        intent: &Intent,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        let (Some(old), new) = (before.and_then(replicas), after.and_then(replicas)) else {
            return;
        };
        let new = new.unwrap_or(0);
        if new >= old {
            return;
        }
        sim.hit(&format!("write: scaled down by {}", words(intent.open.kind)));
        let app = app_of(object).to_owned();
        let kind = sim.plans.borrow().model.component(&app).map(|component| component.kind());
        self.monotonic(run, object, intent, (old, new));
        if !kind.is_some_and(Kind::pair) {
            return;
        }
        self.rests_on_route(sim, run, &app, intent);
        if kind == Some(Kind::Member)
            && before.is_some_and(|before| serves_nobody(sim, &app, before))
        {
            return;
        }
        let Some(floor) = self.floor_of(sim, &app) else { return };
        // Also of what somebody has taken away since: this run has read it.
        let mut others: Vec<ObjectRef> = sim.workloads(&app);
        let read = self.reads.keys().filter(|(by, of)| by == run && app_of(of) == app);
        others.extend(read.map(|(_, of)| of.clone()));
        others.sort();
        others.dedup();
        others.retain(|other| other != object);
        let record = self.told.get(&intent.entity);
        let back = record.is_some_and(|record| record.ending.is_some());
        let stable_name = record.and_then(|record| Some(record.source.as_ref()?.name.clone()));
        let mut seen = 0;
        let mut taken = false;
        for other in &others {
            let (mut ready, mut at) = self.last_read(run, other, intent.open.epoch);
            if back && app_of(other) == other.name {
                // Endpoints of the stable revision's own Service are its pods.
                let stable = stable_name.as_deref().unwrap_or_default();
                let (served, then) = self.endpoints_read(run, stable, intent.open.epoch);
                (ready, at) = (ready.max(served), at.max(then));
            }
            seen += ready;
            taken |= ready > 0 && self.taken.get(other).is_some_and(|taken| *taken > at);
        }
        let left = u64::from(seen) + new;
        if left < u64::from(floor) {
            self.broken("S3 no scale-down on a readiness that was not read", || {
                format!(
                    "{run} takes {object} from {old} to {new}, having read {seen} ready pods of \
                     the other side; the floor is {floor}"
                )
            });
        } else if taken {
            // The write keeps the floor by all that its run has read, and people
            // have taken pods away since its last look at them. No precondition
            // on this object tells of the other one, so it is as if they had
            // done it just after: the floor counts again once it was reached
            // again. Who has looked since, or has not looked, is charged.
            sim.hit("write: rests on pods that people have taken since");
            if let Some(floor) = self.floors.get_mut(&app) {
                floor.disarm();
            }
            self.switch_disturbed(&app);
        }
    }

    /// S2 of a write that takes pods away rests on what its run has read of the
    /// route under this intent. If people have edited that since its last look,
    /// it is as if they had done it just after: no precondition spans both.
    fn rests_on_route(&mut self, sim: &Sim, run: &str, app: &str, intent: &Intent) {
        let plans = sim.plans.borrow();
        let found = plans.model.apps.iter().find(|found| found.name == app);
        for object in found.into_iter().flat_map(App::routes) {
            let read = self.routes_read.get(&(run.to_owned(), object.clone()));
            let read = read.copied().filter(|at| *at >= intent.at);
            let edited = self.meddled.get(&object).copied();
            if let (Some(read), Some(edited)) = (read, edited)
                && edited > read
            {
                self.traffic_disturbed(app);
            }
        }
    }

    /// The ready pods of a workload that a run has read under an intent, and
    /// when it looked at them last.
    pub(super) fn last_read(&self, run: &str, workload: &ObjectRef, epoch: u64) -> (u32, u64) {
        let read = self.reads.get(&(run.to_owned(), workload.clone()));
        let read = read.filter(|seen| seen.epoch >= epoch);
        let (ready, at) = read.map_or((0, 0), |seen| (seen.ready, seen.at));
        // Endpoints of a Service of one revision are pods of that one.
        let (served, then) = self.endpoints_read(run, &workload.name, epoch);
        (ready.max(served), at.max(then))
    }

    /// S6: within an attempt the new side never falls but on the way back.
    fn monotonic(
        &mut self,
        run: &str,
        object: &ObjectRef,
        intent: &Intent,
        (old, new): (u64, u64),
    ) {
        if !matches!(intent.open.kind, StepKind::Batch(_)) {
            return;
        }
        let Some(record) = self.told.get(&intent.entity) else { return };
        let Some(target) = &intent.target else { return };
        // Of a further component the revision's name is its own.
        let number = object.name.strip_prefix(app_of(object)).unwrap_or_default();
        let of_target = number.is_empty() || target.ends_with(number);
        let back = record.ending.is_some_and(|ending| ending != Ending::DeadlineExceeded);
        let disturbed = self.disturbed.contains_key(app_of(object));
        if of_target && !intent.resizes && !back && !disturbed && object.kind == "Deployment" {
            self.broken("S6 monotonic batches", || {
                format!("{run} takes {object} from {old} to {new} in {:?}", intent.open.kind)
            });
        }
    }
}

/// Whether the pods of a workload are none that an application's own Service
/// selects: what only a lane reaches is judged by its routes.
fn serves_nobody(sim: &Sim, app: &str, workload: &Value) -> bool {
    let service = ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), app);
    let live = sim.sandbox.cluster().bare(&service);
    let labels = at(workload, "/spec/template/metadata/labels");
    live.is_some_and(|live| !selects(&live, labels))
}

fn words(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Batch(_) => "a batch",
        StepKind::Abort => "the way back",
        StepKind::Settle => "a settling",
        StepKind::Orphans => "a removal of leftovers",
        StepKind::Prune => "a pruning",
        StepKind::Replay(_) => "bringing back what stood",
    }
}
