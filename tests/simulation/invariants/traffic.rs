//! S2, S3 and S4 where a route moves traffic: what it sends, and to whom.
//!
//! A data plane may follow the newest route at once, or the one that its
//! Gateway has taken over last, or, until the drain has passed, the one before
//! that. So all of them count at the same time.

use super::{Audit, Intent, app_of};
use crate::plan::{App, Kind};
use crate::routes::{Routes, Shares, Via, is_followed, sums};
use crate::schedule::Sim;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tranche::core::decide::RollingState;
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::core::strategy::{EntityKey, EntityKind, Movement, StepKind};
use tranche::core::traffic::{SERVICE_LABEL, Weight, is_route, ready_addresses, selects};

/// One application's traffic.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    written: Option<Shares>,
    accepted: Option<Shares>,
    /// What was followed before, and until when it still may be.
    draining: Vec<(u64, Shares)>,
    /// Where two objects say it, each as it may be followed.
    pair: [Followed; 2],
    /// Every share had its pods since somebody disturbed it.
    armed: bool,
}

/// One of two objects, in all the states in which it may be followed.
#[derive(Clone, Debug, Default)]
struct Followed {
    written: Option<Arc<Value>>,
    accepted: Option<Arc<Value>>,
    draining: Vec<(u64, Arc<Value>)>,
}

impl Followed {
    fn moved(&mut self, live: Option<Arc<Value>>, until: u64) {
        let Some(live) = live else { return *self = Self::default() };
        if is_followed(&live) && self.accepted.as_ref().is_none_or(|a| a["spec"] != live["spec"]) {
            let before = self.accepted.replace(Arc::clone(&live));
            self.draining.extend(before.map(|before| (until, before)));
        }
        self.written = Some(live);
    }

    fn states(&self) -> impl Iterator<Item = &Arc<Value>> {
        let draining = self.draining.iter().map(|(_, state)| state);
        self.written.iter().chain(&self.accepted).chain(draining)
    }
}

/// What a run read last of a Service's endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    ready: u32,
    epoch: u64,
    at: u64,
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

fn live(sim: &Sim, app: &App) -> Routes {
    let cluster = sim.sandbox.cluster();
    let mut routes = app.routes().into_iter().map(|object| cluster.bare(&object));
    Routes { first: routes.next().flatten(), second: routes.next().flatten() }
}

/// L23: at rest a route sends everything to the user's Service, and nothing that
/// is only there while traffic is shared is left.
pub(super) fn at_rest(sim: &Sim, app: &App) -> Result<(), String> {
    let routes = live(sim, app);
    let app = app.name;
    let Some(found) = routes.shares() else { return Err(format!("{app}: no route")) };
    if found.len() != 1 || found.get(app).is_none_or(|share| *share == 0) {
        return Err(format!("{app}: its route sends {found:?}"));
    }
    if routes.second.is_some_and(|second| second["kind"] == "Ingress") {
        return Err(format!("{app}: its second Ingress is left"));
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
    /// Whether an application's first deploy is or was taken back, or what came
    /// after one that was: it ends without pods, whatever its route says.
    fn taken_back(&self, app: &str) -> bool {
        self.told.values().any(|record| {
            record.entity.name == app
                && (record.movement == Some(Movement::Deploy)
                    || record.status.rollout_original_size == 0)
                && (record.ending.is_some()
                    || record.status.rolling_state == RollingState::RolloutFailed)
        })
    }

    /// How many pods a share of a Service needs.
    fn needed(&self, app: &App, service: &str, share: u32) -> u32 {
        let key = EntityKey {
            kind: EntityKind::Rollout,
            namespace: "default".to_owned(),
            name: app.name.to_owned(),
        };
        // A lane says who is asked, not how many can be.
        let record = self.told.get(&key).filter(|_| app.kind != Kind::Member);
        let Some(record) = record else { return 1 };
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
        let counts = |o: &ObjectRef| is_route(o) || matches!(o.kind.as_str(), "Pod" | "Service");
        if !changed.iter().any(counts) {
            return;
        }
        let apps: Vec<App> = {
            let plans = sim.plans.borrow();
            plans.model.apps.iter().filter(|app| app.via != Via::Nothing).cloned().collect()
        };
        for model in apps {
            let app = model.name;
            let mut traffic = self.traffic.remove(app).unwrap_or_default();
            let routes = model.routes();
            if changed.iter().any(|object| routes.contains(object)) {
                traffic.moved(sim, &model);
            }
            traffic.passes(if self.clocked { u64::MAX } else { sim.now.get() });
            if self.taken_back(app) {
                traffic.armed = false;
            }
            let needed = |service: &str, share| self.needed(&model, service, share);
            let lacking = traffic.lacking(sim, needed);
            match lacking {
                // A route that sends nothing to anybody has not been reached again.
                None if model.kind == Kind::Member => {
                    traffic.armed |= traffic.sends() && super::lane::is_whole(sim, &model);
                    traffic.armed &= !self.taken_back(app);
                }
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
        found: &[Arc<Value>],
    ) {
        let Some((_, service)) = labels.iter().find(|(name, _)| name == SERVICE_LABEL) else {
            return;
        };
        let epoch = self.holding.get(run).copied().unwrap_or(0);
        let served = Served { ready: ready_addresses(found), epoch, at };
        self.served.insert((run.to_owned(), service.clone()), served);
        // Slices that follow a switch are of one revision's pods, by their label.
        let reaches = |slice: &Arc<Value>| {
            let label = slice.pointer("/metadata/labels/tranche.dev~1reaches");
            label.and_then(Value::as_str).map(str::to_owned)
        };
        let of: BTreeSet<Option<String>> = found.iter().map(reaches).collect();
        if let (1, Some(Some(revision))) = (of.len(), of.into_iter().next()) {
            self.served.insert((run.to_owned(), format!("{revision}-traffic")), served);
        }
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
        let app = app_of(object).to_owned();
        let model = sim.plans.borrow().model.apps.iter().find(|a| a.name == app).cloned();
        let Some(model) = model.filter(|model| model.routes().contains(object)) else { return };
        let with = |state: Option<&Value>| {
            let (state, live) = (state.map(|state| Arc::new(state.clone())), live(sim, &model));
            match object.name == app {
                true => Routes { first: state, ..live },
                false => Routes { second: state, ..live },
            }
        };
        // What nothing is routed by any more is nobody's backend.
        let Some(new) = with(after).shares() else { return };
        let old = with(before).shares().unwrap_or_default();
        let sums = after.map(sums).unwrap_or_default();
        if sums.iter().any(|sum| *sum != 100) {
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
            let needed = self.needed(&model, service, *share);
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
            // Pods of what is tried, or keeps its name, are behind either.
            _ if app_of(object) == object.name || object.name.ends_with("-canary") => {
                app_of(object) == service.split("-v").next().unwrap_or(service)
            }
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
    fn moved(&mut self, sim: &Sim, app: &App) {
        let routes = live(sim, app);
        let Some(now) = routes.shares() else {
            *self = Self { armed: self.armed, ..Self::default() };
            return;
        };
        let drain = app.drain();
        self.written = Some(now.clone());
        // Instants are whole seconds.
        let until = sim.now.get() + (drain * 1000).saturating_sub(1000);
        if app.via == Via::Subsets {
            let [rules, subsets] = &mut self.pair;
            rules.moved(routes.first.clone(), until);
            subsets.moved(routes.second.clone(), until);
        }
        if routes.are_accepted() && self.accepted.as_ref() != Some(&now) {
            let several = app.via == Via::Subsets;
            if app.matched && now.values().any(|share| *share == 1) {
                sim.hit("route: some requests");
            }
            sim.hit(match app.via {
                _ if app.kind == Kind::Member => "route: a lane's",
                Via::Ingress => "route: an Ingress",
                Via::VirtualService => "route: a VirtualService",
                Via::Subsets => "route: subsets",
                _ => "route: accepted",
            });
            // Where there are two, each is taken over by itself.
            if let Some(before) = self.accepted.replace(now).filter(|_| !several) {
                self.draining.push((until, before));
            }
        }
    }

    /// Drains that are over by now are over.
    fn passes(&mut self, now: u64) {
        self.draining.retain(|(until, _)| *until > now);
        for followed in &mut self.pair {
            followed.draining.retain(|(until, _)| *until > now);
        }
    }

    /// What two objects come to, each in any state in which it may be followed.
    fn paired(&self) -> Vec<Shares> {
        let [rules, subsets] = &self.pair;
        let pairs = rules.states().flat_map(|rules| {
            subsets.states().map(|subsets| Routes {
                first: Some(Arc::clone(rules)),
                second: Some(Arc::clone(subsets)),
            })
        });
        pairs.filter_map(|pair| pair.shares()).collect()
    }

    fn lacking(&self, sim: &Sim, needed: impl Fn(&str, u32) -> u32) -> Option<String> {
        let draining = self.draining.iter().map(|(_, shares)| ("still draining", shares));
        let written = self.written.iter().map(|shares| ("written", shares));
        let paired = self.paired();
        let accepted = self.accepted.iter().filter(|_| paired.is_empty());
        let accepted = accepted.map(|shares| ("accepted", shares));
        let paired = paired.iter().map(|shares| ("of two that may meet", shares));
        for (how, shares) in written.chain(accepted).chain(draining).chain(paired) {
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
