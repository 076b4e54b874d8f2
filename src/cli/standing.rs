//! What `status` says of one recorded entity beside its state. Owns why it
//! rests: what it waits for, what froze it, what the plan has dropped. It reads
//! the record and the plan, and must never print.

use super::exit::Failure;
use crate::core::decide::{Closed, RollingState, application_of, plan_gate, stands_after};
use crate::core::model::{Hold, OnDelete, Outline, Target};
use crate::core::record::{Decisions, EntityRecord, Phase, inventory_path};
use crate::core::strategy::EntityKind;
use crate::engine::Snapshot;
use crate::port::Objects;
use jiff::Timestamp;
use std::rc::Rc;

/// One recorded entity.
pub struct Standing {
    /// The target's name.
    pub target: String,
    /// Its record.
    pub record: Rc<EntityRecord>,
    /// What an open step, a person's decision or a gate of the plan waits for.
    pub waiting: Option<Waiting>,
    /// Why nothing goes on, though it is not over.
    pub frozen: Option<String>,
    /// What is left of one that the plan has no more.
    pub left: Option<Left>,
}

/// What is waited for.
pub struct Waiting {
    /// In words.
    pub reason: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Until when at most.
    pub until: Option<Timestamp>,
}

/// What an entity has left on the cluster.
pub struct Left {
    /// How many objects.
    pub objects: usize,
    /// The file of the record branch that lists them.
    pub inventory: String,
}

impl Standing {
    /// What is said of `record`; `plan` is none if it cannot be read, which
    /// then says nothing here.
    ///
    /// # Errors
    /// Fails on an inventory that is broken or of a newer format.
    pub fn of<O: Objects>(
        snapshot: &Snapshot<'_, O>,
        plan: Option<&Outline>,
        target: &Target,
        record: Rc<EntityRecord>,
        decisions: &Decisions,
    ) -> Result<Self, Failure> {
        let planned = plan.is_none_or(|plan| planned(plan, target, &record));
        let over = record.status.rolling_state.terminal() && record.open.is_none();
        let left = if record.removed || (!planned && over) {
            let objects = snapshot.inventory(&record.entity)?.objects.len();
            Some(Left { objects, inventory: inventory_path(&record.entity) })
        } else {
            None
        };
        let frozen = match plan {
            Some(plan) if left.is_none() => frozen(plan, planned, &record, decisions),
            _ => None,
        };
        let gate = plan.and_then(|plan| gate(plan, target, &record, decisions));
        let waiting = waiting(&record, decisions, gate).filter(|_| frozen.is_none());
        Ok(Self { target: target.name.clone(), record, waiting, frozen, left })
    }

    /// Whether it is the one that a person names: NAME or NAMESPACE/NAME.
    pub fn is_named(&self, wanted: &str) -> bool {
        let key = &self.record.entity;
        match wanted.split_once('/') {
            Some((namespace, name)) => key.namespace == namespace && key.name == name,
            None => key.name == wanted,
        }
    }
}

/// What holds the rollout that a record is of, if the plan has it.
fn hold<'p>(plan: &'p Outline, target: &Target, record: &EntityRecord) -> Option<&'p Hold> {
    plan.rollout(&record.entity.namespace, &record.entity.name, &target.namespace)
}

/// Whether the plan still has what a record is of.
fn planned(plan: &Outline, target: &Target, record: &EntityRecord) -> bool {
    let key = &record.entity;
    match key.kind {
        EntityKind::Rollout => hold(plan, target, record).is_some(),
        EntityKind::Route => plan.route(&key.namespace, &key.name, &target.namespace),
        EntityKind::Lane => plan.lane(&key.namespace, &key.name, &target.namespace),
        EntityKind::Application => plan.application(&key.namespace, &key.name, &target.namespace),
        // Which namespace an object without one is in depends on its kind.
        EntityKind::Objects => plan.objects,
    }
}

fn frozen(
    plan: &Outline,
    planned: bool,
    record: &EntityRecord,
    decisions: &Decisions,
) -> Option<String> {
    if record.entity.kind != EntityKind::Rollout {
        return None;
    }
    if let Some(why) = record.undecided.as_ref().filter(|_| planned) {
        return Some(format!("the record was rebuilt, and {why}"));
    }
    let state = record.status.rolling_state;
    let moving = state.going_back() || decisions.aborts(record.attempt) || record.ending.is_some();
    let under_way = !state.terminal() && state != RollingState::LocatingTargetApp;
    let keeps = record.on_delete == OnDelete::Freeze && !released(plan, record);
    (!planned && under_way && !moving && keeps).then(|| {
        format!(
            "no longer in the plan, so it stays where it stands; put it back, or \
             `tranche abort {}`",
            record.entity.name
        )
    })
}

/// Whether the plan has let go of the application that a rollout moves.
fn released(plan: &Outline, record: &EntityRecord) -> bool {
    record.target.as_ref().is_some_and(|target| {
        let own = application_of(&target.name);
        plan.releases(&record.entity.namespace, record.component_of.as_deref().unwrap_or(own))
    })
}

/// Why the plan keeps the next batch back, if it does.
fn gate(
    plan: &Outline,
    target: &Target,
    record: &EntityRecord,
    decisions: &Decisions,
) -> Option<Waiting> {
    let after = stands_after(record).filter(|_| record.entity.kind == EntityKind::Rollout)?;
    let hold = hold(plan, target, record)?;
    if let Some(reason) = plan_gate(hold, after + 1) {
        return Some(Waiting { reason, since: None, until: None });
    }
    let closed = Closed::gate(&hold.pauses, record, decisions, after)?;
    let reason = closed.reason(Some(hold));
    Some(Waiting { reason, since: closed.since, until: closed.until })
}

fn waiting(record: &EntityRecord, decisions: &Decisions, gate: Option<Waiting>) -> Option<Waiting> {
    match &record.open {
        Some(open) if open.phase == Phase::Waiting && !decisions.turn_back(record) => {
            Some(Waiting {
                reason: open.reason.clone().unwrap_or_default(),
                since: open.since,
                until: open.deadline,
            })
        }
        Some(open) if open.phase == Phase::Intent => Some(Waiting {
            reason: format!("step {}, run {} is writing", open.id, open.holder.run),
            since: None,
            until: Some(open.lease_until),
        }),
        _ if record.status.rolling_state == RollingState::RolloutFailed => {
            let retry = decisions.retry.as_ref().filter(|_| decisions.retries(record.attempt))?;
            let reason = format!("`tranche apply` to begin again: retried by {}", retry.by);
            Some(Waiting { reason, since: Some(retry.at), until: None })
        }
        _ if record.status.rolling_state.terminal() => None,
        _ => match decisions.standing(record.attempt) {
            Some((reason, since)) => Some(Waiting { reason, since: Some(since), until: None }),
            None => gate,
        },
    }
}
