//! What the plan leaves out of what was applied as it stands. Owns which reads
//! that rests on; it must never take a read that failed for an absence.

use super::concurrently::concurrently;
use super::observe::Record;
use super::planned::Loaded;
use super::{Engine, Reading, RunError};
use crate::core::decide::{PruneView, Pruning, decide_prune};
use crate::core::object::{ObjectRef, at};
use crate::core::record::{EntityRecord, Owned, names};
use crate::core::render::ApplicationKey;
use crate::core::strategy::{EntityKey, EntityKind, entity_of};
use crate::port::{Cluster, ClusterError, ClusterProblem, Ports};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl<P: Ports> Engine<'_, P> {
    /// What is to be deleted of an entity, by its record as it is once the plan is
    /// applied: the one on the tip, or `next`.
    pub(super) async fn pruning(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        next: Option<&EntityRecord>,
    ) -> Result<Pruning, RunError> {
        let Some(record) = snapshot.entity(key)? else { return Ok(Pruning::default()) };
        if key.kind == EntityKind::Rollout {
            return self.pruning_of_rollout(reading, snapshot, key, next.unwrap_or(&record)).await;
        }
        if record.open.is_some() || record.owns.is_none() {
            return Ok(Pruning::default());
        }
        let content = self.content_now(reading, snapshot, key).await?;
        let wanted: BTreeSet<&ObjectRef> =
            content.iter().flat_map(|content| &content.objects).map(|(object, _)| object).collect();
        // Most of the time an entity has what it had, and nothing is read for that.
        if record.owns.as_ref() == Some(&names(wanted.iter().copied())) {
            return Ok(Pruning::default());
        }
        let loaded = reading.loaded()?;
        let inventory = snapshot.inventory(key)?;
        // The same object may be in the plan by another version of its kind, or by
        // another group.
        let twins = |owned: &Owned| -> Vec<&ObjectRef> {
            wanted.iter().filter(|other| is_twin(other, &owned.object)).copied().collect()
        };
        let left_out: Vec<(&Owned, Vec<&ObjectRef>)> = inventory
            .objects
            .iter()
            .filter(|owned| !wanted.contains(&owned.object) && !loaded.has(&owned.object))
            .map(|owned| (owned, twins(owned)))
            .collect();
        let reads = left_out.iter().map(|(owned, twins)| self.left(owned, twins));
        let left_out = concurrently(reads).await.into_iter().filter_map(Result::transpose);
        let left_out = left_out.collect::<Result<Vec<_>, _>>()?;
        let others = inventory
            .objects
            .iter()
            .filter(|owned| !wanted.contains(&owned.object) && loaded.has(&owned.object));
        let handed = self.handed(key, others).await?;
        // Of a lane that is only left the pruning is all there is to do.
        let is_lane = key.kind == EntityKind::Lane && next.is_none();
        let left =
            content.filter(|_| is_lane).map(|content| content.named(EntityRecord::clone(&record)));
        Ok(decide_prune(&PruneView {
            key,
            project: &reading.project,
            target: &self.target.name,
            record: next.or(left.as_ref()).unwrap_or(&record),
            owned: inventory.objects.len(),
            left_out: &left_out,
            handed: &handed,
            plan_commit: &reading.plan_commit.0,
            allowed: self.options.allow_prune,
        }))
    }

    /// Those of its objects that another entity has written as its own since.
    pub(super) async fn handed<'a>(
        &self,
        key: &EntityKey,
        others: impl Iterator<Item = &'a Owned>,
    ) -> Result<Vec<ObjectRef>, ClusterError> {
        let reads = others.map(async |owned| Ok((owned, self.left(owned, &[]).await?)));
        let reads: Vec<_> = concurrently(reads).await.into_iter().collect::<Result<_, _>>()?;
        let taken = reads.into_iter().filter(|(_, live)| {
            let owner = live.as_ref().and_then(|(_, live)| entity_of(live));
            owner.is_some_and(|owner| owner != *key)
        });
        Ok(taken.map(|(owned, _)| owned.object.clone()).collect())
    }

    /// An object of an inventory as it is, if it is there and is none of the plan's
    /// under another name.
    pub(super) async fn left(
        &self,
        owned: &Owned,
        twins: &[&ObjectRef],
    ) -> Result<Option<(Owned, Arc<Value>)>, ClusterError> {
        for twin in twins {
            let live = self.read_by_name(twin).await?;
            let uid = live.as_ref().and_then(|live| at(live, "/metadata/uid")?.as_str());
            if uid == Some(&owned.uid) {
                return Ok(None);
            }
        }
        match self.ports.cluster().get(&owned.object).await {
            // Of a kind that is served no more there is nothing to be seen.
            Err(error) if matches!(error.problem, ClusterProblem::NoKind(_)) => Ok(None),
            found => Ok(found?.map(|live| (owned.clone(), live))),
        }
    }

    /// Entities of the record that the plan has no more, and that have objects
    /// left.
    pub(super) fn left_behind(
        &self,
        loaded: &Loaded,
        snapshot: &Record<'_, P>,
        driven: &BTreeMap<ApplicationKey, bool>,
    ) -> Result<Vec<EntityKey>, RunError> {
        let nothing = names(std::iter::empty());
        let mut left = Vec::new();
        for key in snapshot.entities()?.into_iter().filter(|key| key.kind != EntityKind::Rollout) {
            let Some(record) = snapshot.entity(&key)? else { continue };
            let application =
                ApplicationKey { namespace: key.namespace.clone(), name: key.name.clone() };
            let is_there = match key.kind {
                EntityKind::Application => {
                    loaded.applications.contains_key(&application)
                        || driven.contains_key(&application)
                }
                EntityKind::Route => loaded.routes.contains_key(&application),
                EntityKind::Lane => loaded.plan.lanes.iter().any(|lane| self.lane_key(lane) == key),
                _ => loaded.plain.contains_key(&key.namespace),
            };
            if !is_there && record.owns.as_ref().is_some_and(|owns| *owns != nothing) {
                left.push(key);
            }
        }
        Ok(left)
    }
}

/// Whether two names may be of one object.
pub(super) fn is_twin(one: &ObjectRef, other: &ObjectRef) -> bool {
    (&one.kind, &one.namespace, &one.name) == (&other.kind, &other.namespace, &other.name)
}
