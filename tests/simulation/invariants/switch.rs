//! S1, S2 and S3 where a Service's selector moves traffic: what the Service
//! reaches, by the slices that those who follow it have, and by the pods that
//! serve now.

use super::floor::Floor;
use super::{Audit, Intent, replicas};
use crate::plan::Kind;
use crate::schedule::Sim;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::core::record::RevisionRef;
use tranche::core::strategy::Movement;
use tranche::core::traffic::{SERVICE_LABEL, SLICES, selects};

/// The label of a pod's revision.
const REVISION: &str = "app.oam.dev/revision";
/// That of a Service, and of its slices, by whose pods it selects.
const REACHES: &str = "tranche.dev/reaches";
/// What else a Service may be narrowed by.
const TEMPLATE: &str = "tranche.dev/template";

/// Whom a Service reaches.
#[derive(Debug, Default)]
struct Reached {
    /// Pods that serve, by revision, of those that are in its slices.
    pods: BTreeMap<String, u32>,
    /// The revision that all its slices say they are of.
    says: Option<String>,
}

fn text<'a>(of: &'a Value, path: &str, key: &str) -> Option<&'a str> {
    at(of, path)?.get(key)?.as_str()
}

fn serves(pod: &Value) -> bool {
    at(pod, "/metadata/deletionTimestamp").is_none()
        && at(pod, "/status/containerStatuses/0/ready") == Some(&Value::Bool(true))
}

fn service(sim: &Sim, name: &str) -> Option<std::sync::Arc<Value>> {
    let object = ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), name);
    sim.sandbox.cluster().bare(&object)
}

/// Pods that serve, by uid, with their revisions.
fn pods(sim: &Sim, wanted: impl Fn(&Value) -> bool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let _ = sim.sandbox.visit(&KindRef::new("v1", "Pod"), &mut |_, pod| {
        let uid = at(pod, "/metadata/uid").and_then(Value::as_str);
        let revision = text(pod, "/metadata/labels", REVISION).unwrap_or_default();
        if let Some(uid) = uid.filter(|_| serves(pod) && wanted(pod)) {
            found.insert(uid.to_owned(), revision.to_owned());
        }
    });
    found
}

fn reached(sim: &Sim, name: &str) -> Reached {
    let (mut listed, mut says) = (BTreeSet::new(), BTreeSet::new());
    let _ = sim.sandbox.visit(&KindRef::new(SLICES.0, SLICES.1), &mut |_, slice| {
        if text(slice, "/metadata/labels", SERVICE_LABEL) != Some(name) {
            return;
        }
        says.insert(text(slice, "/metadata/labels", REACHES).map(str::to_owned));
        let endpoints = slice.get("endpoints").and_then(Value::as_array);
        let ready = endpoints.into_iter().flatten();
        let ready = ready.filter(|one| at(one, "/conditions/ready") == Some(&Value::Bool(true)));
        let uids = ready.filter_map(|one| at(one, "/targetRef/uid")?.as_str());
        listed.extend(uids.map(str::to_owned));
    });
    let mut reached = Reached::default();
    for (uid, revision) in pods(sim, |_| true) {
        if listed.contains(&uid) {
            *reached.pods.entry(revision).or_default() += 1;
        }
    }
    if let (1, Some(Some(only))) = (says.len(), says.into_iter().next()) {
        reached.says = Some(only);
    }
    reached
}

/// Whether whom a Service selects, followed or not, would do for a floor, by the
/// pods that serve and by those that are wanted.
fn selected(sim: &Sim, app: &str, least: u32) -> bool {
    let Some(live) = service(sim, app) else { return false };
    let pods = pods(sim, |pod| selects(&live, at(pod, "/metadata/labels")));
    let cluster = sim.sandbox.cluster();
    let workloads = sim.workloads(app).into_iter().filter_map(|object| cluster.bare(&object));
    let theirs = workloads.filter(|one| selects(&live, at(one, "/spec/template/metadata/labels")));
    let wanted: u64 = theirs.filter_map(|one| replicas(&one)).sum();
    pods.len() as u64 >= u64::from(least) && wanted >= u64::from(least)
}

/// L23: no Service of an application is narrowed at rest.
pub(super) fn at_rest(sim: &Sim, app: &str) -> Result<(), String> {
    for name in [app.to_owned(), format!("{app}-preview")] {
        let Some(live) = service(sim, &name) else { continue };
        let narrow =
            [REVISION, TEMPLATE].iter().any(|key| text(&live, "/spec/selector", key).is_some());
        if narrow || text(&live, "/metadata/labels", REACHES).is_some() {
            return Err(format!("{name} still selects {}", live["spec"]["selector"]));
        }
    }
    Ok(())
}

impl Audit {
    /// S1 and S2: those whom a switched Service reaches never fall below the
    /// floor, and on the way forward are of one revision.
    pub(super) fn switched(&mut self, sim: &Sim, changed: &[ObjectRef]) {
        let counts = |o: &ObjectRef| matches!(o.kind.as_str(), "Pod" | "Service" | "EndpointSlice");
        if !changed.iter().any(counts) {
            return;
        }
        let apps: Vec<&'static str> = {
            let plans = sim.plans.borrow();
            let all = plans.model.apps.iter().filter(|app| app.kind == Kind::Switch);
            all.map(|app| app.name).collect()
        };
        for app in apps {
            let Some(least) = self.floor_of(sim, app) else { continue };
            let reached = reached(sim, app);
            let ready: u32 = reached.pods.values().sum();
            let mut floor = self.switches.get(app).copied().unwrap_or_default();
            floor.raised(least);
            if ready >= least {
                if selected(sim, app, least) {
                    floor.arm();
                }
            } else if floor.is_armed() {
                self.broken("S1 a switched Service reaches the floor", || {
                    format!(
                        "{app} reaches {:?} ({:?}), the floor is {least}",
                        reached.pods, reached.says
                    )
                });
            }
            self.switches.insert(app.to_owned(), floor);
            self.of_one(sim, app, &reached, floor);
        }
    }

    /// S2: requests go to one revision at a time, unless a rollout goes back.
    fn of_one(&mut self, sim: &Sim, app: &str, reached: &Reached, floor: Floor) {
        let record = self
            .told
            .values()
            .find(|record| record.entity.name == app && record.movement == Some(Movement::Upgrade));
        let Some(record) = record else { return };
        if reached.says.is_some() && reached.says == record.target.as_ref().map(|t| t.name.clone())
        {
            sim.hit("service: follows a switch");
        }
        let under_way = !record.status.rolling_state.terminal() && record.ending.is_none();
        let back = record.status.rolling_state.going_back();
        let mixed = reached.pods.len() > 1 && under_way && !back && floor.is_armed();
        if mixed && !self.disturbed.contains_key(app) && !self.rewritten {
            self.broken("S2 a switched Service reaches one revision", || {
                format!("{app} reaches {:?}", reached.pods)
            });
        }
    }

    /// S2 of one write: a Service is switched to a revision that this run has
    /// read whole under this intent, or from one that has no pods left.
    pub(super) fn pointed(
        &mut self,
        sim: &Sim,
        run: &str,
        object: &ObjectRef,
        intent: &Intent,
        (before, after): (Option<&Value>, Option<&Value>),
    ) {
        let app = object.name.as_str();
        let of = |name: &str| {
            let plans = sim.plans.borrow();
            plans.model.apps.iter().any(|app| app.name == name && app.kind == Kind::Switch)
        };
        if object.kind != "Service" || !of(app) {
            return;
        }
        let to = |live: Option<&Value>| text(live?, "/spec/selector", REVISION).map(str::to_owned);
        let (Some(new), Some(old)) = (to(after), to(before)) else { return };
        if new == old {
            return;
        }
        sim.hit("write: a Service switched");
        let Some(record) = self.told.get(&intent.entity) else { return };
        let is = |side: &Option<RevisionRef>| side.as_ref().is_some_and(|r| r.name == new);
        let needed = if is(&record.target) {
            u32::try_from(record.status.rollout_target_size).unwrap_or(0)
        } else {
            record.status.rollout_original_size
        };
        let workload =
            ObjectRef::new(&KindRef::new("apps/v1", "Deployment"), Some("default"), &new);
        let (ready, seen) = self.last_read(run, &workload, intent.open.epoch);
        if self.taken.get(&workload).is_some_and(|taken| *taken > seen) {
            sim.hit("write: a switch rests on pods that people have taken since");
            self.switch_disturbed(app);
        } else if ready < needed
            && !self.meddled.contains_key(object)
            && pods(sim, |_| true).values().any(|of| *of == old)
        {
            self.broken("S2 capacity before the switch", || {
                format!("{run} points {app} at {new}, having read {ready} ready pods of {needed}")
            });
        }
    }

    /// What a Service reaches counts again once it reaches enough again.
    pub(super) fn switch_disturbed(&mut self, app: &str) {
        if let Some(floor) = self.switches.get_mut(app) {
            floor.disarm();
        }
    }
}
