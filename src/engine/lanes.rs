//! The lanes of a target. Owns who is in one, by the record; what a lane then
//! is on the cluster is decided elsewhere.

use super::observe::Record;
use super::planned::Loaded;
use super::preview::PreviewEntity;
use super::{Engine, RunError};
use crate::core::decide::{DirectContent, in_lane};
use crate::core::model::{Joined, Lane, Member};
use crate::core::object::ObjectRef;
use crate::core::strategy::{EntityKey, EntityKind, Movement, lane_objects, revision_number};
use crate::port::Ports;
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

    /// The rollouts that are in a lane now, by name: the record of each says so.
    pub(super) fn members(
        &self,
        loaded: &Loaded,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
    ) -> Result<Vec<Member>, RunError> {
        let mut members = Vec::new();
        for (rollout, _) in self.joining(loaded, key) {
            let Some(record) = snapshot.entity(&rollout)? else { continue };
            if let Some(revision) = in_lane(&record) {
                members.push(Member { rollout: rollout.name, revision: revision.to_owned() });
            }
        }
        members.sort();
        Ok(members)
    }

    /// The rollouts of a plan that join a lane.
    fn joining<'l>(&self, loaded: &'l Loaded, key: &EntityKey) -> Vec<(EntityKey, &'l Joined)> {
        let joins = |rollout: &'l crate::core::model::Rollout| {
            let joined = rollout.canary.as_ref()?.lane.as_ref()?;
            let of = self.rollout_key(rollout);
            (joined.lane == key.name && of.namespace == key.namespace).then_some((of, joined))
        };
        loaded.plan.rollouts.iter().filter_map(joins).collect()
    }

    /// Who will be in a lane once the steps that are due have been done, by name:
    /// those who are, and those who are to begin.
    pub(super) fn coming(
        &self,
        loaded: &Loaded,
        snapshot: &Record<'_, P>,
        key: &EntityKey,
        previews: &[PreviewEntity],
    ) -> Result<Vec<Member>, RunError> {
        let mut members = self.members(loaded, snapshot, key)?;
        for (rollout, _) in self.joining(loaded, key) {
            let preview = previews.iter().find(|preview| preview.key == rollout);
            let Some((preview, record)) = preview.and_then(|p| Some((p, p.record.as_ref()?)))
            else {
                continue;
            };
            let tries = record.movement == Some(Movement::Upgrade)
                && record.ending.is_none()
                && preview.steps.len() > 2;
            members.retain(|member| member.rollout != rollout.name);
            if let Some(target) = record.target.as_ref().filter(|_| tries) {
                members.push(Member { rollout: rollout.name, revision: target.name.clone() });
            }
        }
        members.sort();
        Ok(members)
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
        let joining = self.joining(loaded, key);
        let hops: Vec<(&Joined, u64)> = members
            .iter()
            .filter_map(|member| {
                let (_, joined) = joining.iter().find(|(key, _)| key.name == member.rollout)?;
                Some((*joined, revision_number(member)))
            })
            .collect();
        let objects = lane_objects(lane, &key.namespace, &hops).into_iter();
        let objects = objects.filter(|(object, _)| wanted(object)).collect();
        let rules = &loaded.plan.project.health;
        let content = DirectContent::of_lane(&key.name, objects, rules, members.to_vec());
        Some(Rc::new(content))
    }
}
