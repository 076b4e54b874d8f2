//! S2, S3 and S4 where a route moves traffic: what it sends, and to whom.
//!
//! A data plane may follow the newest route at once, or the one that its
//! Gateway has taken over last, or, until the drain has passed, the one before
//! that. So all of them count at the same time.

use super::{Audit, Intent, app_of};
use crate::plan::Kind;
use crate::schedule::Sim;
use serde_json::Value;
use std::collections::BTreeMap;
use tranche::core::decide::RollingState;
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::core::strategy::{EntityKey, EntityKind, Movement, StepKind};
use tranche::core::traffic::{
    Acceptance, SERVICE_LABEL, Weight, acceptance, ready_addresses, route, selects,
};

/// What a route sends to each Service, in per cent.
type Shares = BTreeMap<String, u32>;

/// One application's traffic.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    written: Option<Shares>,
    accepted: Option<Shares>,
    /// What was followed before, and until when it still may be.
    draining: Vec<(u64, Shares)>,
    /// Every share had its pods since somebody disturbed it.
    armed: bool,
}

/// What a run read last of a Service's endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    ready: u32,
    epoch: u64,
    at: u64,
}

/// The backends of the one rule that our routes have.
fn shares(route: &Value) -> Shares {
    let refs = at(route, "/spec/rules/0/backendRefs").and_then(Value::as_array);
    let mut shares = Shares::new();
    for backend in refs.into_iter().flatten() {
        let name = backend.get("name").and_then(Value::as_str).unwrap_or_default();
        let weight = backend.get("weight").map_or(Some(1), Value::as_u64).unwrap_or(0);
        *shares.entry(name.to_owned()).or_default() += u32::try_from(weight).unwrap_or(u32::MAX);
    }
    let sum: u32 = shares.values().fold(0, |sum, weight| sum.saturating_add(*weight));
    if sum > 0 {
        for weight in shares.values_mut() {
            *weight = u32::try_from(u64::from(*weight) * 100 / u64::from(sum)).unwrap_or(100);
        }
    }
    shares
}

/// Pods that serve behind a Service; none if there is no such Service.
fn serving(sim: &Sim, service: &str) -> u32 {
    let name = ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), service);
    let Some(service) = sim.sandbox.cluster().bare(&name) else { return 0 };
    let mut count = 0;
    let _ = sim.sandbox.visit(&KindRef::new("v1", "Pod"), &mut |_, pod| {
        let serves = at(pod, "/metadata/deletionTimestamp").is_none()
            && at(pod, "/status/containerStatuses/0/ready") == Some(&Value::Bool(true));
        if serves && selects(&service, at(pod, "/metadata/labels")) {
            count += 1;
        }
    });
    count
}

fn live_route(sim: &Sim, app: &str) -> Option<std::sync::Arc<Value>> {
    sim.sandbox.cluster().bare(&route("default", app))
}

/// L23: at rest a route sends everything to the user's Service, and no Service
/// of a single revision is left.
pub(super) fn at_rest(sim: &Sim, app: &str) -> Result<(), String> {
    let Some(live) = live_route(sim, app) else { return Err(format!("{app}: no route")) };
    let found = shares(&live);
    if found.len() != 1 || found.get(app).is_none_or(|share| *share == 0) {
        return Err(format!("{app}: its route sends {found:?}"));
    }
    let mut left = Vec::new();
    let _ = sim.sandbox.visit(&KindRef::new("v1", "Service"), &mut |name, _| {
        if name.name != app && app_of(name) == app {
            left.push(name.name.clone());
        }
    });
    if left.is_empty() { Ok(()) } else { Err(format!("{app}: {left:?} are left")) }
}

impl Audit {
    /// Whether an application's first deploy is or was taken back: it ends
    /// without pods, whatever its route says.
    fn taken_back(&self, app: &str) -> bool {
        self.told.values().any(|record| {
            record.entity.name == app
                && record.movement == Some(Movement::Deploy)
                && (record.ending.is_some()
                    || record.status.rolling_state == RollingState::RolloutFailed)
        })
    }

    /// How many pods a share of a Service needs.
    fn needed(&self, app: &str, service: &str, share: u32) -> u32 {
        let key = EntityKey {
            kind: EntityKind::Rollout,
            namespace: "default".to_owned(),
            name: app.to_owned(),
        };
        let Some(record) = self.told.get(&key) else { return 1 };
        let of = |revision: &Option<tranche::core::record::RevisionRef>| {
            revision.as_ref().is_some_and(|r| format!("{}-traffic", r.name) == service)
        };
        let total = if of(&record.target) {
            u32::try_from(record.status.rollout_target_size).unwrap_or(0)
        } else if of(&record.source) {
            record.status.rollout_original_size
        } else {
            return 1;
        };
        Weight::new(share).map_or(total, |weight| weight.needs(total))
    }

    /// S2: whatever a data plane may follow now has its pods. S3 with it: old
    /// pods stay until what was followed before has drained.
    pub(super) fn followed(&mut self, sim: &Sim, changed: &[ObjectRef]) {
        if !changed.iter().any(|o| matches!(o.kind.as_str(), "Pod" | "Service" | "HTTPRoute")) {
            return;
        }
        let apps: Vec<(&'static str, u64)> = {
            let plans = sim.plans.borrow();
            let canaries = plans.model.apps.iter().filter(|app| app.kind == Kind::Canary);
            canaries.map(|app| (app.name, app.drain())).collect()
        };
        for (app, drain) in apps {
            let mut traffic = self.traffic.remove(app).unwrap_or_default();
            let moved = changed.iter().any(|o| o.kind == "HTTPRoute" && o.name == app);
            if moved {
                traffic.moved(sim, app, drain);
            }
            traffic.draining.retain(|(until, _)| *until > sim.now.get());
            if self.clocked {
                traffic.draining.clear();
            }
            if self.taken_back(app) {
                traffic.armed = false;
            }
            let lacking = traffic.lacking(sim, |service, share| self.needed(app, service, share));
            match lacking {
                // A route that sends nothing to anybody has not been reached again.
                None => traffic.armed = traffic.sends() && !self.taken_back(app),
                Some(text) if traffic.armed => {
                    self.broken("S2 no dead backend", || format!("{app}: {text}"));
                }
                Some(_) => {}
            }
            self.traffic.insert(app.to_owned(), traffic);
        }
    }

    /// A run has read the endpoints of a Service.
    pub fn endpoints(
        &mut self,
        at: u64,
        run: &str,
        labels: &[(String, String)],
        found: &[std::sync::Arc<Value>],
    ) {
        let Some((_, service)) = labels.iter().find(|(name, _)| name == SERVICE_LABEL) else {
            return;
        };
        let epoch = self.holding.get(run).copied().unwrap_or(0);
        let served = Served { ready: ready_addresses(found), epoch, at };
        self.served.insert((run.to_owned(), service.clone()), served);
    }

    /// Ready endpoints of one revision's own Service, as a run has read them
    /// under an intent, and when.
    pub(super) fn endpoints_read(&self, run: &str, revision: &str, epoch: u64) -> (u32, u64) {
        let served = self.served.get(&(run.to_owned(), format!("{revision}-traffic")));
        let served = served.filter(|served| served.epoch >= epoch);
        served.map_or((0, 0), |served| (served.ready, served.at))
    }

    /// S2, S4 and S6 of one write of ours to a route: capacity before weight,
    /// as this run has read it under this intent; weights that sum to 100; and
    /// a new share that never falls but on the way back.
    pub(super) fn shifted(
        &mut self,
        sim: &Sim,
        run: &str,
        object: &ObjectRef,
        intent: &Intent,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        let (true, Some(after)) = (object.kind == "HTTPRoute", after) else { return };
        let app = app_of(object).to_owned();
        let (old, new) = (before.map(shares).unwrap_or_default(), shares(after));
        let plain = at(after, "/spec/rules/0/backendRefs").and_then(Value::as_array);
        let sum: u64 = plain.into_iter().flatten().filter_map(|b| b.get("weight")?.as_u64()).sum();
        if new.len() > 1 && sum != 100 {
            self.broken("S4 weights sum to 100", || format!("{run} writes {new:?} to {object}"));
        }
        let moves = matches!(intent.open.kind, StepKind::Batch(_) | StepKind::Abort);
        if intent.entity.kind != EntityKind::Rollout || !moves {
            return;
        }
        for (service, share) in &new {
            if old.get(service).is_some_and(|before| before >= share) || *share == 0 {
                continue;
            }
            sim.hit("write: weight moved");
            let needed = self.needed(&app, service, *share);
            let seen = self.served.get(&(run.to_owned(), service.clone())).copied();
            let seen = seen.filter(|seen| seen.epoch >= intent.open.epoch);
            let ready = seen.map_or(0, |seen| seen.ready);
            if ready >= needed {
                // No precondition on a route tells of the pods behind it, so it
                // is as if people had taken them just after: they count again
                // once every share has its own. Until now less may have been
                // enough: what was followed before may need fewer.
                if seen.is_some_and(|seen| self.taken_behind(service, seen.at)) {
                    sim.hit("write: weight rests on pods that people have taken since");
                    self.traffic_disturbed(&app);
                }
            } else if !self.meddled.contains_key(object) {
                // What people have taken from a share is given back to it.
                self.broken("S2 capacity before weight", || {
                    format!(
                        "{run} gives {service} {share}% of {object}, having read {ready} ready \
                         endpoints; it needs {needed}"
                    )
                });
            }
        }
        let record = self.told.get(&intent.entity);
        let target = record.and_then(|r| r.target.as_ref()).map(|t| format!("{}-traffic", t.name));
        let back = record.is_some_and(|r| r.ending.is_some());
        if let (Some(target), StepKind::Batch(_), false) = (target, intent.open.kind, back)
            && let (Some(old), Some(new)) = (old.get(&target), new.get(&target))
            && new < old
            && !self.disturbed.contains_key(&app)
        {
            self.broken("S6 the new share never falls", || {
                format!("{run} takes {target} from {old}% to {new}% in {:?}", intent.open.kind)
            });
        }
    }

    /// Whether people have taken a Service, or pods of the one revision that it
    /// serves, away since.
    fn taken_behind(&self, service: &str, since: u64) -> bool {
        let behind = |object: &ObjectRef| match object.kind.as_str() {
            "Service" => object.name == service,
            _ => service.strip_suffix("-traffic") == Some(object.name.as_str()),
        };
        self.taken.iter().any(|(object, taken)| *taken > since && behind(object))
    }

    /// People have disturbed an application's traffic: it counts again once
    /// everything is there again.
    pub(super) fn traffic_disturbed(&mut self, app: &str) {
        if let Some(traffic) = self.traffic.get_mut(app) {
            traffic.armed = false;
        }
    }
}

impl Traffic {
    /// Whether the newest route sends anything to anybody.
    fn sends(&self) -> bool {
        self.written.iter().flat_map(Shares::values).any(|share| *share > 0)
    }

    /// The route has changed, or its Gateway has taken a change over.
    fn moved(&mut self, sim: &Sim, app: &str, drain: u64) {
        let Some(live) = live_route(sim, app) else {
            *self = Self { armed: self.armed, ..Self::default() };
            return;
        };
        let now = shares(&live);
        self.written = Some(now.clone());
        if acceptance(&live) == Acceptance::Accepted && self.accepted.as_ref() != Some(&now) {
            sim.hit("route: accepted");
            if let Some(before) = self.accepted.replace(now) {
                // Instants are whole seconds.
                let until = sim.now.get() + (drain * 1000).saturating_sub(1000);
                self.draining.push((until, before));
            }
        }
    }

    fn lacking(&self, sim: &Sim, needed: impl Fn(&str, u32) -> u32) -> Option<String> {
        let draining = self.draining.iter().map(|(_, shares)| ("still draining", shares));
        let written = self.written.iter().map(|shares| ("written", shares));
        let accepted = self.accepted.iter().map(|shares| ("accepted", shares));
        for (how, shares) in written.chain(accepted).chain(draining) {
            for (service, share) in shares.iter().filter(|(_, share)| **share > 0) {
                let (ready, needed) = (serving(sim, service), needed(service, *share));
                if ready < needed {
                    return Some(format!(
                        "{service} has {share}% ({how}) and {ready} ready pods; it needs {needed}"
                    ));
                }
            }
        }
        None
    }
}
