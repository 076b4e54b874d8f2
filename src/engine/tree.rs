//! What stands on the cluster of each entity that the record knows. Owns which
//! objects are looked at, by reads alone: what an entity's inventory has, and
//! what its open step names. It must never write, nor dry-run a write.

use super::concurrently::concurrently;
use super::observe::Record;
use super::planned::Driving;
use super::{Engine, Loaded, Reading, RunError};
use crate::core::decide::Leaf;
use crate::core::health::{Around, Rules};
use crate::core::object::{KindRef, Live, ObjectRef};
use crate::core::record::{EntityRecord, RevisionRef};
use crate::core::strategy::workload::Workloads;
use crate::core::strategy::{Bodies, EntityKey, EntityKind};
use crate::port::{Clock, ClusterProblem, CommitId, Ports};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The objects of one kind in one namespace.
type Group<'k> = (KindRef, Option<&'k str>);

/// Why the objects of a kind could not be read, by kind and namespace.
type Unread<'k> = BTreeMap<Group<'k>, String>;

impl<P: Ports> Engine<'_, P> {
    /// The objects of these entities, in the order of their names.
    ///
    /// # Errors
    /// Fails if the cluster does not answer, if it is not the one that the
    /// record is of, or if the record is broken. What this identity may not read
    /// is told at the object.
    pub async fn tree(
        &self,
        keys: &[EntityKey],
    ) -> Result<BTreeMap<EntityKey, Vec<Leaf>>, RunError> {
        let anchor = self.anchor_seen_if_allowed().await?;
        let reading = self.read_record().await?;
        if let Some(anchor) = anchor {
            self.belongs(anchor, &reading).await?;
        }
        let snapshot = self.snapshot(&reading);
        let mut entities = Vec::new();
        for key in keys {
            let Some(record) = snapshot.entity(key)? else { continue };
            let mut objects: BTreeSet<ObjectRef> =
                snapshot.inventory(key)?.objects.iter().map(|owned| owned.object.clone()).collect();
            let open = record.open.iter().flat_map(|open| &open.objects);
            objects.extend(open.map(|named| named.object.clone()));
            entities.push((key.clone(), record, objects));
        }
        let all: BTreeSet<&ObjectRef> = entities.iter().flat_map(|(.., all)| all).collect();
        let (live, unread) = self.looked_through(&all).await?;
        let now = Some(self.ports.clock().now().await?);
        let mut tree = BTreeMap::new();
        for (key, record, objects) in &entities {
            let (rules, workloads) = self.recorded_rules(record);
            let passing = self.passing(&reading, &snapshot, record);
            let workloads = Some(&workloads);
            let around = Around { rules: &rules, now, workloads, ..Around::default() };
            let leaves = objects.iter().map(|object| {
                let leaf = match unread.get(&group(object)) {
                    Some(why) => Leaf::unread(object, why.clone()),
                    None => Leaf::of(record, object, live.get(object), &around),
                };
                Leaf { passing: passing.contains(object), ..leaf }
            });
            tree.insert(key.clone(), leaves.collect());
        }
        Ok(tree)
    }

    /// Reads objects kind by kind: where one kind may not be read the others
    /// are.
    async fn looked_through<'k>(
        &self,
        objects: &BTreeSet<&'k ObjectRef>,
    ) -> Result<(Live, Unread<'k>), RunError> {
        let mut groups: BTreeMap<Group<'k>, Vec<&ObjectRef>> = BTreeMap::new();
        for object in objects {
            groups.entry(group(object)).or_default().push(object);
        }
        let looks = groups.into_iter().map(|(group, objects)| async move {
            let mut live = Live::default();
            let looked = self.look_at(objects, &mut live).await;
            (group, looked.map(|()| live))
        });
        let (mut live, mut unread) = (Live::default(), Unread::default());
        for (group, looked) in concurrently(looks).await {
            match looked {
                Ok(found) => found.iter().for_each(|(object, state)| {
                    live.insert(object.clone(), Arc::clone(state));
                }),
                Err(error) => match &error.problem {
                    ClusterProblem::Forbidden(_) => {
                        unread.insert(group, "this identity may not read it".to_owned());
                    }
                    ClusterProblem::NoKind(_) => {
                        unread.insert(group, "the cluster does not serve its kind".to_owned());
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        Ok((live, unread))
    }

    /// The rules of health and the kinds of workload of the plan that an entity
    /// was written from; none where that cannot be read.
    fn recorded_rules(&self, record: &EntityRecord) -> (Rules, Workloads) {
        let commit = record.open.as_ref().map(|open| &open.step_plan).or(record.step_plan.as_ref());
        let plan = commit.and_then(|commit| self.loaded(&CommitId(commit.clone())).ok());
        let rules = plan.as_ref().and_then(|plan| plan.as_ref().as_ref().ok());
        let of = |loaded: &Loaded| (loaded.plan.project.health.clone(), loaded.workloads.clone());
        rules.map(of).unwrap_or_default()
    }

    /// What a rollout under way takes away again; nothing is marked where its
    /// plan cannot be read any more.
    fn passing(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        record: &EntityRecord,
    ) -> BTreeSet<ObjectRef> {
        self.bodies_under_way(reading, snapshot, record)
            .map(|bodies| bodies.passing())
            .unwrap_or_default()
    }

    fn bodies_under_way(
        &self,
        reading: &Reading,
        snapshot: &Record<'_, P>,
        record: &EntityRecord,
    ) -> Option<Bodies> {
        let key = &record.entity;
        if key.kind != EntityKind::Rollout || record.status.rolling_state.terminal() {
            return None;
        }
        let plan = self.loaded(&CommitId(record.step_plan.clone()?)).ok()?;
        let rollout = self.rollout_in(plan.as_ref().as_ref().ok()?, key)?;
        let driving = Driving::recorded(record, rollout.naming);
        let bodies = |revision: &RevisionRef| {
            self.revision(reading, snapshot, key, &revision.name, &driving).ok().flatten()
        };
        let source = record.source.as_ref().and_then(bodies);
        let target = record.target.as_ref().and_then(bodies)?;
        Bodies { source, target }.routed(rollout).ok()
    }
}

/// What an object is read together with.
fn group(object: &ObjectRef) -> Group<'_> {
    (object.kind_ref(), object.namespace.as_deref())
}
