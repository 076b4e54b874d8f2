//! S1: the floor of ready pods.

use super::together::{sizes, whole};
use super::{Audit, replicas};
use crate::plan::{App, Kind};
use crate::schedule::Sim;
use serde_json::Value;
use tranche::core::decide::RollingState;
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::core::strategy::{EntityKey, EntityKind, Movement, Sizes, goals};

/// The floor of one application, and whether it was reached since it was
/// raised or somebody disturbed it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    least: u32,
    armed: bool,
}

/// The floor of an application, and how many pods have to be wanted for it to
/// hold.
#[derive(Clone, Copy)]
struct Bounds {
    least: u32,
    wanted: u32,
}

impl Floor {
    /// A floor that rises is to be reached first.
    pub(super) fn raised(&mut self, least: u32) {
        if least > self.least {
            self.armed = false;
        }
        self.least = least;
    }

    pub(super) fn arm(&mut self) {
        self.armed = true;
    }

    pub(super) fn is_armed(self) -> bool {
        self.armed
    }

    pub fn disarm(&mut self) {
        self.armed = false;
    }
}

/// Ready pods of each application, by their own word.
fn ready_pods(sim: &Sim) -> Vec<(String, u32)> {
    let mut ready: Vec<(String, u32)> = Vec::new();
    let _ = sim.sandbox.visit(&KindRef::new("v1", "Pod"), &mut |_, pod| {
        let label = pod.pointer("/metadata/labels/app.oam.dev~1component").and_then(Value::as_str);
        let serves = at(pod, "/metadata/deletionTimestamp").is_none()
            && at(pod, "/status/containerStatuses/0/ready") == Some(&Value::Bool(true));
        if let Some(label) = label.filter(|_| serves) {
            match ready.iter_mut().find(|(app, _)| app == label) {
                Some((_, count)) => *count += 1,
                None => ready.push((label.to_owned(), 1)),
            }
        }
    });
    ready
}

/// The pods that an application's workloads want.
fn wanted_pods(sim: &Sim, app: &str) -> u64 {
    let cluster = sim.sandbox.cluster();
    let live = sim.workloads(app).into_iter().filter_map(|object| cluster.bare(&object));
    live.filter_map(|live| replicas(&live)).sum()
}

impl Audit {
    /// The fewest ready pods that a component may have now, as its record
    /// and its plan say; none where nothing serves yet.
    pub(super) fn floor_of(&self, sim: &Sim, app: &str) -> Option<u32> {
        self.bounds(sim, app).map(|bounds| bounds.least)
    }

    fn bounds(&self, sim: &Sim, component: &str) -> Option<Bounds> {
        let plans = sim.plans.borrow();
        let rolled = plans.model.component(component)?;
        let app = rolled.app.name;
        let key = EntityKey {
            kind: EntityKind::Rollout,
            namespace: "default".to_owned(),
            name: app.to_owned(),
        };
        let record = self.told.get(&key)?;
        let Sizes { original, target: total } = sizes(record, component, rolled.is_second())?;
        if record.status.rolling_state == RollingState::RolloutSucceed {
            let total = whole(&rolled, Sizes { original, target: total });
            // Without its rollout it is an object like any other, and the label of
            // its pods goes: it updates them by itself, as its strategy has it.
            let mut apps = plans.model.apps.iter().filter(|other| other.name == app);
            let plain = apps.any(|app| app.kind.keeps_its_name() && app.roll.is_none());
            let least = if plain { total - total / 4 } else { total };
            return Some(Bounds { least, wanted: total });
        }
        if record.movement != Some(Movement::Upgrade) {
            return None;
        }
        let model =
            plans.commits.iter().find(|(id, _)| Some(&id.0) == record.step_plan.as_ref())?.1;
        let rolled = model.component(component)?;
        let (app, kind) = (rolled.app, rolled.kind());
        let roll = app.roll?;
        if matches!(app.kind, Kind::Canary | Kind::Switch) {
            let least = original.min(total);
            return Some(Bounds { least, wanted: least });
        }
        if app.kind == Kind::Spread {
            let whole = original.min(total);
            let least = whole.saturating_sub(roll.leeway().below(whole));
            return Some(Bounds { least, wanted: least });
        }
        if app.kind.keeps_its_name() {
            // While it is updated natively, as its strategy has it by default.
            let whole = original.min(total);
            let least = whole - whole / 4;
            return Some(Bounds { least, wanted: whole });
        }
        let goals = goals(&roll.parsed_batches(), total).ok()?.cumulative;
        let mut largest = 0;
        let mut before = 0;
        for goal in goals {
            largest = largest.max(goal - before);
            before = goal;
        }
        let dip = match kind {
            Kind::Pair if roll.decrease => largest,
            Kind::CloneSet | Kind::StatefulSet | Kind::Direct | Kind::Nodes => largest.max(1),
            _ => 0,
        };
        let whole = original.min(total);
        let least = whole.saturating_sub(dip + roll.unavailable());
        // Pods that are updated in place are missing from the size that is
        // wanted: of less than all of it less is left.
        let wanted = if kind.pair() { least } else { whole };
        Some(Bounds { least, wanted })
    }

    /// S1: ready pods never fall below the floor once they have reached it.
    pub fn look(&mut self, sim: &Sim, changed: &[ObjectRef]) {
        self.followed(sim, changed);
        self.switched(sim, changed);
        if !changed.iter().any(|object| object.kind == "Pod") {
            return;
        }
        let ready = ready_pods(sim);
        let components: Vec<String> = {
            let plans = sim.plans.borrow();
            plans.model.apps.iter().flat_map(App::components).map(|one| one.name()).collect()
        };
        for app in components {
            let Some(Bounds { least, wanted }) = self.bounds(sim, &app) else { continue };
            let now = ready.iter().find(|(name, _)| *name == app).map_or(0, |(_, count)| *count);
            let mut floor = self.floors.get(&app).copied().unwrap_or_default();
            floor.raised(least);
            if now >= least {
                // What somebody has scaled down is on its way out already.
                floor.armed |= wanted_pods(sim, &app) >= u64::from(wanted);
            } else if floor.armed {
                self.broken("S1 floor", || {
                    format!("{app}: {now} ready pods, the floor is {least}")
                });
            }
            self.floors.insert(app, floor);
        }
    }
}
