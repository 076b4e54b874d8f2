//! What holds where rollouts share a lane: who is in it, by the record, and when
//! its rules count as they stand on the cluster.

use super::{Audit, replicas};
use crate::plan::{App, Kind};
use crate::schedule::Sim;
use serde_json::Value;
use tranche::core::object::{KindRef, ObjectRef, at};
use tranche::core::record::EntityRecord;
use tranche::core::strategy::EntityKind;

/// Whether what an application tries has all the pods that it wants and a Service
/// before them, by the cluster: only then does it count whether its lane leads to
/// somebody.
pub(super) fn is_whole(sim: &Sim, app: &App) -> bool {
    let cluster = sim.sandbox.cluster();
    let trials = sim.workloads(app.name).into_iter().filter(|object| object.name != app.name);
    let service = |trial: &ObjectRef| {
        let name = trial.name.replace("-canary", "-traffic");
        let object = ObjectRef::new(&KindRef::new("v1", "Service"), Some("default"), &name);
        cluster.bare(&object).is_some()
    };
    trials.filter_map(|object| Some((cluster.bare(&object)?, object))).all(|(live, object)| {
        if !service(&object) {
            return false;
        }
        let ready = at(&live, "/status/readyReplicas").and_then(Value::as_u64).unwrap_or(0);
        ready >= replicas(&live).unwrap_or(0)
    })
}

/// Whether a plan's lane has a member that people have disturbed: what the others
/// leave may stay for that one.
pub(super) fn is_disturbed(sim: &Sim, audit: &Audit) -> bool {
    let plans = sim.plans.borrow();
    let mut members = plans.model.apps.iter().filter(|app| app.kind == Kind::Member);
    members.any(|app| audit.disturbed.contains_key(app.name))
}

impl Audit {
    /// S15: whoever comes into a lane has said that the pods of that very
    /// revision are ready.
    pub(super) fn come(
        &mut self,
        sim: &Sim,
        run: &str,
        before: Option<&EntityRecord>,
        next: &EntityRecord,
    ) {
        if next.entity.kind != EntityKind::Lane || self.rewritten {
            return;
        }
        sim.hit("intent: a lane");
        let known = before.map(|before| before.members.as_slice()).unwrap_or_default();
        let unready = next.members.iter().filter(|member| !known.contains(member)).find(|member| {
            let theirs = self.entities.values().find(|record| {
                record.entity.kind == EntityKind::Rollout && record.entity.name == member.rollout
            });
            !theirs.is_some_and(|record| {
                let is = record.target.as_ref().is_some_and(|t| t.name == member.revision);
                is && !record.goals.is_empty() && record.ending.is_none()
            })
        });
        if let Some(member) = unready.cloned() {
            self.broken("S15 nobody is in a lane before its pods were ready", || {
                format!(
                    "{run} takes {} of {} into {}",
                    member.revision, member.rollout, next.entity
                )
            });
        }
        if !next.members.is_empty() {
            sim.hit("lane: has members");
        }
        if next.members.len() > 1 {
            sim.hit("lane: of two");
        }
    }
}
