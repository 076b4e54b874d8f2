//! What a look at an object's health stands on. Owns where it is taken from;
//! it must never write, nor judge anything.

use super::work::Work;
use super::{Engine, RunError};
use crate::core::decide::Act;
use crate::core::health::{Around, Rules, remarks};
use crate::core::object::{Live, ObjectRef};
use crate::core::strategy::workload::Workloads;
use crate::core::strategy::{Condition, Effect, Side, Written};
use crate::port::{Clock, Cluster, CommitId, Ports};
use serde_json::Value;
use std::sync::Arc;

impl<P: Ports> Engine<'_, P> {
    /// The rules of the plan that a step was compiled from, whatever the newest
    /// plan says.
    pub(super) fn rules_of(&self, act: &Act) -> Result<Rules, RunError> {
        let plan = self.loaded(&CommitId(act.step_plan.clone()))?;
        Ok(plan.as_ref().as_ref().map(|l| l.plan.project.health.clone()).unwrap_or_default())
    }

    /// The StorageClass that a look at a claim depends on. Where it cannot be
    /// read the claim is awaited as if there were none.
    pub(super) async fn class_beside(
        &self,
        condition: &Condition,
        object: &ObjectRef,
        live: Option<&Arc<Value>>,
    ) -> Vec<Arc<Value>> {
        let Some(class) = live.and_then(|live| condition.class(object, live)) else {
            return Vec::new();
        };
        self.ports.cluster().get(&class).await.ok().flatten().into_iter().collect()
    }

    /// What the result of a step has to say of objects whose waits ended without
    /// their being seen healthy.
    pub(super) async fn unhealthy(&self, work: &Work, live: &Live) -> Result<String, RunError> {
        let awaited: Vec<&ObjectRef> = work.act.step.effects.iter().filter_map(healthy).collect();
        if awaited.is_empty() {
            return Ok(String::new());
        }
        let rules = self.rules_of(&work.act)?;
        let now = Some(self.ports.clock().now().await?);
        let workloads = Some(work.act.table.workloads(Side::Target));
        let around = Around { rules: &rules, now, workloads, ..Around::default() };
        Ok(remarks(awaited.into_iter(), live, &around).unwrap_or_default())
    }
}

fn healthy(effect: &Effect) -> Option<&ObjectRef> {
    match effect {
        Effect::Await { object, condition: Condition::Healthy, .. } => Some(object),
        _ => None,
    }
}

/// What a step has written of an object before its cursor.
pub(super) fn written<'w>(act: &'w Act, cursor: usize, object: &ObjectRef) -> Option<Written<'w>> {
    let before = act.step.effects.iter().take(cursor).rev();
    before.into_iter().find_map(|effect| match effect {
        Effect::Write { object: written, side, driven, .. } if written == object => {
            let (body, _) = act.table.get(*side, written)?;
            Some(Written { body, partition: driven.partition, fields: driven.fields.as_ref() })
        }
        _ => None,
    })
}

/// The kinds of workload by which an awaited object is read: those of the plan
/// that the step has written it from last. On the way back that is the one that
/// is gone back to, whose descriptor has read these pods before.
pub(super) fn workloads<'w>(act: &'w Act, cursor: usize, object: &ObjectRef) -> &'w Workloads {
    let mut before = act.step.effects.iter().take(cursor).rev();
    let written = before.find_map(|effect| match effect {
        Effect::Write { object: written, side, .. } if written == object => Some(*side),
        _ => None,
    });
    let rendered = |side: &Side| act.table.get(*side, object).is_some();
    let side = written.or_else(|| [Side::Target, Side::Source].into_iter().find(rendered));
    act.table.workloads(side.unwrap_or(Side::Target))
}
