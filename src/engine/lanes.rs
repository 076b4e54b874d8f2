//! The lanes of a target. Owns who is in one, by the record; what a lane then
//! is on the cluster is decided elsewhere.

use super::observe::Record;
use super::planned::Loaded;
use super::preview::PreviewEntity;
use super::{Engine, Reading, RunError};
use crate::core::decide::{DirectContent, in_lane, is_unproven};
use crate::core::model::{Joined, Lane, Member};
use crate::core::object::ObjectRef;
use crate::core::strategy::{EntityKey, EntityKind, Movement, lane_objects};
use crate::port::{CommitId, Ports};
use std::rc::Rc;

impl<P: Ports> Engine<'_, P> {
    /// The entity of a lane.
    pub(super) fn lane_key(&self, lane: &Lane) -> EntityKey {
        EntityKey {
            kind: EntityKind::Lane,
            namespace: lane.namespace.clone().unwrap_or_else(|| self.target.namespace.clone()),
            name: lane.name.clone(),
        }
    }

    /// The rollouts that are in a lane now, by name: the record of each says so,
    /// and where the lane reaches it the plan that its steps are of. Of one that
    /// was rebuilt and is not proven yet the lane's own record says it.
    pub(super) fn members(
        &self,
        loaded: &Loaded,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
    ) -> Result<Vec<Member>, RunError> {
        let mut members = Vec::new();
        for rollout in loaded.plan.rollouts.iter().filter(|rollout| rollout.canary.is_some()) {
            let of = self.rollout_key(rollout);
            if of.namespace != key.namespace {
                continue;
            }
            let Some(record) = snapshot.entity(&of)? else { continue };
            if is_unproven(&record) {
                let lane = snapshot.entity(key)?;
                let known = lane.iter().flat_map(|lane| &lane.members);
                members.extend(known.filter(|member| member.rollout == of.name).cloned());
                continue;
            }
            let Some(revision) = in_lane(&record) else { continue };
            let Some(commit) = record.step_plan.clone() else { continue };
            let then = self.loaded(&CommitId(commit))?;
            let then = then.as_ref().as_ref().ok().and_then(|then| self.rollout_in(then, &of));
            let joined = then.and_then(|then| then.canary.as_ref()?.lane.as_ref());
            let Some(joined) = joined.filter(|joined| joined.lane == key.name) else { continue };
            members.push(Member {
                rollout: of.name,
                revision: revision.to_owned(),
                hops: joined.hops.clone(),
            });
        }
        members.sort();
        Ok(members)
    }

    /// The lane that has a rollout by its own record, and may still write for it:
    /// as long as that says so no look at a route tells that it has let go.
    pub(super) fn lane_of(
        &self,
        reading: &Reading,
        rollout: &EntityKey,
    ) -> Result<Option<String>, RunError> {
        if rollout.kind != EntityKind::Rollout {
            return Ok(None);
        }
        let snapshot = self.snapshot(reading);
        let lanes = snapshot.entities()?.into_iter();
        let here =
            |key: &EntityKey| key.kind == EntityKind::Lane && key.namespace == rollout.namespace;
        for key in lanes.filter(here) {
            let Some(record) = snapshot.entity(&key)? else { continue };
            let has = |member: &Member| member.rollout == rollout.name && !member.hops.is_empty();
            let planned = || {
                let loaded = reading.loaded().ok();
                loaded.is_some_and(|l| l.plan.lanes.iter().any(|lane| self.lane_key(lane) == key))
            };
            if record.members.iter().any(has) && (record.open.is_some() || planned()) {
                return Ok(Some(key.name));
            }
        }
        Ok(None)
    }

    /// The rollouts that may wait for a lane: those that join it by the newest
    /// plan, and those that its record names.
    pub(super) fn waiting_for(
        &self,
        reading: &Reading,
        lane: &EntityKey,
    ) -> Result<Vec<EntityKey>, RunError> {
        let joining = self.joining(reading.loaded()?, lane);
        let mut all: Vec<EntityKey> = joining.into_iter().map(|(rollout, _)| rollout).collect();
        let record = self.snapshot(reading).entity(lane)?;
        all.extend(record.iter().flat_map(|record| &record.members).map(|member| EntityKey {
            kind: EntityKind::Rollout,
            namespace: lane.namespace.clone(),
            name: member.rollout.clone(),
        }));
        Ok(all)
    }

    /// The rollouts of a plan that join a lane.
    pub(super) fn joining<'l>(
        &self,
        loaded: &'l Loaded,
        key: &EntityKey,
    ) -> Vec<(EntityKey, &'l Joined)> {
        let joins = |rollout: &'l crate::core::model::Rollout| {
            let joined = rollout.canary.as_ref()?.lane.as_ref()?;
            let of = self.rollout_key(rollout);
            (joined.lane == key.name && of.namespace == key.namespace).then_some((of, joined))
        };
        loaded.plan.rollouts.iter().filter_map(joins).collect()
    }

    /// Who will come into a lane by the steps that are due, by name.
    pub(super) fn coming(
        &self,
        loaded: &Loaded,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        previews: &[PreviewEntity],
    ) -> Result<Vec<Member>, RunError> {
        let known = self.members(loaded, snapshot, key)?;
        let mut coming = Vec::new();
        for (rollout, joined) in self.joining(loaded, key) {
            let preview = previews.iter().find(|preview| preview.key == rollout);
            let Some((preview, record)) = preview.and_then(|p| Some((p, p.record.as_ref()?)))
            else {
                continue;
            };
            let is_in = known.iter().any(|member| member.rollout == rollout.name);
            let tries = record.movement == Some(Movement::Upgrade)
                && record.ending.is_none()
                && preview.steps.len() > 2;
            if let Some(target) = record.target.as_ref().filter(|_| tries && !is_in) {
                let (revision, hops) = (target.name.clone(), joined.hops.clone());
                coming.push(Member { rollout: rollout.name, revision, hops });
            }
        }
        coming.sort();
        Ok(coming)
    }

    /// A lane's objects while `members` are in it, as far as they are `wanted`;
    /// none if the plan does not have it.
    pub(super) fn lane_content(
        &self,
        loaded: &Loaded,
        key: &EntityKey,
        members: &[Member],
        wanted: &dyn Fn(&ObjectRef) -> bool,
    ) -> Option<Rc<DirectContent>> {
        let lane = loaded.plan.lanes.iter().find(|lane| self.lane_key(lane) == *key)?;
        let objects = lane_objects(lane, &key.namespace, members).into_iter();
        let objects = objects.filter(|(object, _)| wanted(object)).collect();
        let rules = &loaded.plan.project.health;
        let content = DirectContent::of_lane(&key.name, objects, rules, members.to_vec());
        Some(Rc::new(content))
    }
}
