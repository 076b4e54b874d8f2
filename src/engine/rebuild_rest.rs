//! `record rebuild`, of what has no revisions in the plan's history: what is
//! applied as it stands, and what a rollout by replica ratio has taken over. Owns
//! what is said of the one and the other; it must never write to the cluster.

use super::rebuild::Pieces;
use super::{Engine, Reading, RunError};
use crate::core::captured::{label_of, workload};
use crate::core::decide::restored;
use crate::core::model::{ReplicaRatio, Rollout};
use crate::core::object::{KindRef, Live, ObjectRef, at};
use crate::core::record::{self, EntityRecord, Inventory, inventory_path};
use crate::core::strategy::{EntityKey, EntityKind, entity_of};
use crate::port::{Change, Cluster, Ports};
use serde_json::Value;
use std::collections::BTreeSet;

impl<P: Ports> Engine<'_, P> {
    /// What is applied as it stands: without its inventory nothing of it would ever
    /// be pruned. What the plan had before its newest commit is not looked for.
    pub(super) async fn pieces_as_they_stand(
        &self,
        reading: &Reading,
        pieces: &mut Pieces,
        seq: u64,
    ) -> Result<(), RunError> {
        let snapshot = self.snapshot(reading);
        for key in self.entities(reading)? {
            let stands = match key.kind {
                EntityKind::Application | EntityKind::Objects | EntityKind::Route => true,
                EntityKind::Rollout | EntityKind::Lane => false,
            };
            if !stands || snapshot.entity(&key)?.is_some() {
                continue;
            }
            let looked_at = async {
                let Some(content) = self.content_now(reading, &snapshot, &key).await? else {
                    return Ok::<_, RunError>(None);
                };
                let mut live = Live::default();
                self.look_at(content.objects.iter().map(|(object, _)| object), &mut live).await?;
                let owned = owned(&key, &live);
                Ok(Some((content, owned)))
            };
            // A kind that is not served, or that may not be read, keeps nothing else
            // from being found.
            let (content, owned) = match looked_at.await {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    let why = error.message.lines().next().unwrap_or_default();
                    let words = format!("what it has is not known, and is not pruned: {why}");
                    pieces.told.rollouts.push((key, words));
                    continue;
                }
            };
            if owned.objects.is_empty() {
                continue;
            }
            let path = inventory_path(&key);
            pieces.changes.push(Change { bytes: Some(record::write(&path, &owned)?), path });
            let words = match owned.objects.len() {
                1 => "one object that it has".to_owned(),
                many => format!("{many} objects that it has"),
            };
            pieces.records.push(restored(&content, &key, &owned, seq, &reading.plan_commit.0));
            pieces.told.rollouts.push((key, words));
        }
        Ok(())
    }

    /// Why a rollout by replica ratio cannot go on without its record, if it cannot.
    /// What it had taken over was written there alone; at rest there is nothing that
    /// it needs, since the next one takes over what runs by then.
    pub(super) async fn half_taken(
        &self,
        key: &EntityKey,
        plans: &[(String, Rollout)],
    ) -> Result<Option<String>, RunError> {
        let ratios: Vec<&ReplicaRatio> =
            plans.iter().filter_map(|(_, rollout)| rollout.ratio.as_ref()).collect();
        let Some(newest) = ratios.first() else { return Ok(None) };
        let kind = KindRef::new("v1", "Service");
        let service = ObjectRef::new(&kind, Some(&key.namespace), &newest.service);
        let live = self.ports.cluster().get(&service).await?;
        let serves = live.as_deref().and_then(label_of).map(str::to_owned);
        let versions: BTreeSet<&str> = ratios
            .iter()
            .map(|ratio| ratio.new_version.as_str())
            .chain(serves.as_deref())
            .collect();
        let objects: Vec<ObjectRef> = versions
            .into_iter()
            .map(|version| workload(&key.namespace, &newest.deployment, version))
            .collect();
        let mut live = Live::default();
        self.look_at(objects.iter(), &mut live).await?;
        let here: Vec<&ObjectRef> = objects.iter().filter(|one| live.contains(one)).collect();
        let ours = live.iter().any(|(_, body)| entity_of(body).as_ref() == Some(key));
        let alone = match (here.as_slice(), &serves) {
            ([one], Some(version)) => {
                **one == workload(&key.namespace, &newest.deployment, version)
            }
            (several, _) => several.is_empty(),
        };
        if alone || !ours {
            return Ok(None);
        }
        let names: Vec<String> = here.iter().map(ToString::to_string).collect();
        Ok(Some(format!(
            "what it had taken over was on the lost record alone: {} stand behind {service}, which \
             says `version: {}`",
            names.join(" and "),
            serves.as_deref().unwrap_or_default()
        )))
    }
}

/// The live objects that say that they are an entity's.
pub(super) fn owned(key: &EntityKey, live: &Live) -> Inventory {
    let is_own = |body: &Value| entity_of(body).as_ref() == Some(key);
    let owned = live.iter().filter(|(_, body)| is_own(body)).filter_map(|(object, body)| {
        let uid = at(body, "/metadata/uid").and_then(Value::as_str)?;
        Some((object.clone(), Some(uid.to_owned())))
    });
    Inventory::default().seen(&owned.collect::<Vec<_>>())
}

/// The record of a rollout that has nothing on the cluster, or nothing that its next
/// attempt needs: that is an attempt of its own.
pub(super) fn at_its_start(key: &EntityKey, plans: &[(String, Rollout)], seq: u64) -> EntityRecord {
    // Higher than any that was: no step of it can have an old step's id.
    let attempt = u32::try_from(seq).unwrap_or(u32::MAX);
    let newest = plans.first().map(|(_, rollout)| rollout);
    EntityRecord {
        on_delete: newest.map(|rollout| rollout.on_delete).unwrap_or_default(),
        component_of: newest.and_then(|rollout| rollout.component_of.clone()),
        ..EntityRecord::fresh(key.clone(), attempt)
    }
}
