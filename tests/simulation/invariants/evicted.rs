//! S21: who is evicted, and how many at a time.

use super::together::{seen, staying};
use super::{Audit, Intent};
use crate::schedule::Sim;
use serde_json::Value;
use tranche::core::object::{KindRef, ObjectRef};
use tranche::core::record::Phase;
use tranche::core::strategy::{Movement, StepKind, goals};
use tranche::port::CommitId;

const NAME: &str = "S21 no more is evicted than the batch has nodes";

/// What a step may take away.
struct Allowed {
    /// How many nodes may be without a ready pod.
    at_once: u32,
    /// How many old pods are left, at least.
    left: u32,
    /// The image of those that stay.
    image: String,
}

impl Audit {
    /// A pod of a DaemonSet was evicted; `pod` is what it was.
    pub fn evicted(&mut self, sim: &Sim, run: &str, pod: &Value) {
        self.untampered(run, "an eviction");
        let label = pod.pointer("/metadata/labels/app.oam.dev~1component");
        let app = label.and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = KindRef::new("apps/v1", "DaemonSet");
        let owner = ObjectRef::new(&kind, Some("default"), &app);
        let epoch = self.names(run, &owner);
        let intent = epoch.and_then(|epoch| self.intent_of(run, epoch, &owner)).cloned();
        let Some(intent) = intent else {
            self.broken("S7 intent first", || format!("{run} evicts a pod of {owner}, no intent"));
            return;
        };
        self.agreed_before(sim, run, &intent, "an eviction");
        let open = self.entities.get(&intent.entity).and_then(|record| record.open.as_ref());
        let stands = open.is_some_and(|o| o.phase == Phase::Intent && o.id == intent.open.id);
        if !stands {
            // Nothing on the cluster tells it from one in time: its run slept
            // between its last look at the tip and this.
            sim.hit("evict: after its step was over");
            if let Some(floor) = self.floors.get_mut(&app) {
                floor.disarm();
            }
            return;
        }
        sim.hit(match intent.open.kind {
            StepKind::Abort => "evict: on the way back",
            _ => "evict: in a batch",
        });
        let Some(allowed) = self.allowed(sim, &app, &intent) else {
            self.broken(NAME, || {
                format!("{run} evicts a pod of {owner} in {:?}", intent.open.kind)
            });
            return;
        };
        let gone = seen(pod);
        let left = staying(sim, &app);
        let ready = u32::try_from(left.iter().filter(|pod| pod.ready).count()).unwrap_or(0);
        let old = left.iter().filter(|pod| pod.image != allowed.image).count();
        let old = u32::try_from(old).unwrap_or(u32::MAX);
        let nodes =
            u32::try_from(sim.plans.borrow().model.component(&app).map_or(0, |c| c.app.replicas));
        let down = nodes.unwrap_or(0).saturating_sub(ready);
        if self.rewritten || self.disturbed.contains_key(&app) {
            return;
        }
        if gone.image == allowed.image {
            self.broken("S21 only pods of another template are evicted", || {
                format!("{run} evicts a pod of {} in {:?}", gone.image, intent.open.kind)
            });
        }
        if gone.ready && down > allowed.at_once {
            self.broken(NAME, || {
                format!(
                    "{run} evicts a ready pod of {owner} in {:?}: {down} nodes are without one, {} \
                     may be",
                    intent.open.kind, allowed.at_once
                )
            });
        }
        if old < allowed.left {
            self.broken(NAME, || {
                format!(
                    "{run} leaves {old} old pods of {owner} in {:?}, {} are to stay",
                    intent.open.kind, allowed.left
                )
            });
        }
    }

    fn allowed(&self, sim: &Sim, app: &str, intent: &Intent) -> Option<Allowed> {
        let record = self.told.get(&intent.entity)?;
        if record.movement != Some(Movement::Upgrade) {
            return None;
        }
        let plans = sim.plans.borrow();
        let model = plans.commits.get(&CommitId(intent.open.step_plan.clone()))?;
        let component = model.component(app)?;
        let roll = component.app.roll?;
        let total = record.sizes().target;
        let goals = goals(&roll.parsed_batches(), total).ok()?.cumulative;
        // Whom an earlier batch did not see ready may be down still.
        let mut at_once = Vec::new();
        let mut sure = 0_u32;
        for goal in &goals {
            at_once.push(goal.saturating_sub(sure).max(1));
            sure = sure.max(goal.saturating_sub(roll.unavailable()));
        }
        match intent.open.kind {
            StepKind::Batch(index) => {
                let index = usize::try_from(index).ok()?;
                let last = index + 1 == goals.len();
                Some(Allowed {
                    at_once: *at_once.get(index)?,
                    left: if last { 0 } else { total.saturating_sub(*goals.get(index)?) },
                    image: component.image(&record.target.as_ref()?.name)?,
                })
            }
            StepKind::Abort => Some(Allowed {
                at_once: at_once.into_iter().max()?,
                left: 0,
                image: component.image(&record.source.as_ref()?.name)?,
            }),
            _ => None,
        }
    }
}
