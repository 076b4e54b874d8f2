//! `record rebuild`: a record that is lost or behind, put together again from
//! the plan's history and the cluster. Owns what is looked at and the one
//! commit; it must never write to the cluster, nor force the branch.

use super::anchor::seq_of;
use super::apart::Counted;
use super::assertion::{Assertion, Word};
use super::chain::Pushed;
use super::course::crowded;
use super::outcome::Class;
use super::planned::Driving;
use super::reading::known;
use super::rebuild_rest::{at_its_start, owned as owned_by};
use super::{Engine, MAX_LOSSES, Reading, RunError};
use crate::core::decide::{LaneTraces, Recognised, Traces, recognise, recognise_lane};
use crate::core::model::{Lane, Member, Rollout};
use crate::core::object::{KindRef, Live, ObjectRef, at};
use crate::core::record::{self, EntityRecord, Inventory, inventory_path, revision_path};
use crate::core::strategy::{
    EntityKey, LABEL_MANAGED_BY, MANAGED_BY, Movement, RevisionBodies, epoch_of, lane_objects,
};
use crate::port::{Change, Clock, Cluster, ClusterProblem, Objects, Ports, Remote};
use serde_json::Value;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

/// How far back the plan's history is searched for what a step was compiled
/// from.
const MOST_PLANS: usize = 200;
/// How many revisions of an application come into question.
const MOST_REVISIONS: usize = 30;

/// What was found, and whether it is on the record now.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// Where the record stands, and where the cluster knew it to be.
    pub from: String,
    /// Revisions that are numbered again.
    pub revisions: Vec<String>,
    /// Each rollout, and what the cluster tells of it.
    pub rollouts: Vec<(EntityKey, String)>,
    /// Rollouts of which nothing can be proven.
    pub undecided: usize,
    /// It was pushed, as a commit of this number.
    pub written: Option<u64>,
}

pub(super) struct Pieces {
    seq: u64,
    from: String,
    pub(super) records: Vec<EntityRecord>,
    pub(super) changes: Vec<Change>,
    pub(super) told: Rebuilt,
}

impl<P: Ports> Engine<'_, P> {
    /// Finds out what plan and cluster tell, and pushes it if so asked.
    ///
    /// # Errors
    /// Fails if the record is whole, or if plan, cluster or remote cannot be
    /// read.
    pub async fn rebuild(&self, write: bool, word: &Word) -> Result<Rebuilt, RunError> {
        for _ in 0..MAX_LOSSES {
            let anchor = self.anchor_seen().await?;
            let mut reading = self.read().await?;
            let pieces = self.pieces(anchor.as_ref(), &mut reading).await?;
            let mut told = pieces.told;
            if !write {
                return Ok(told);
            }
            let body: String =
                told.rollouts.iter().map(|(key, words)| format!("{key}: {words}\n")).collect();
            let assertion = Assertion {
                subject: "record rebuilt from plan and cluster".to_owned(),
                body,
                records: pieces.records,
                changes: pieces.changes,
                rebuilt: Some((pieces.from, pieces.seq)),
                ..Assertion::default()
            };
            if let Pushed::Won = self.assert(&mut reading, word, assertion).await? {
                told.written = Some(pieces.seq);
                return Ok(told);
            }
        }
        Err(crowded())
    }

    async fn pieces(
        &self,
        anchor: Option<&Arc<Value>>,
        reading: &mut Reading,
    ) -> Result<Pieces, RunError> {
        if let Some(anchor) = anchor
            && !self.is_here(reading, anchor).await?
        {
            self.belongs(Some(Arc::clone(anchor)), reading).await?;
        }
        if let Some(text) = &reading.problem {
            return Err(RunError::new(Class::Invalid, text.clone(), "mend the plan first"));
        }
        let publications = self.unpublished(reading, &Counted::new())?;
        reading.pending = publications
            .iter()
            .map(|p| Ok(Rc::new(self.revision_record(p)?)))
            .collect::<Result<_, RunError>>()?;
        let live = self.ours(reading).await?;
        let highest = live.values().filter_map(epoch_of).max();
        let stands = reading.tip.as_ref().map_or(0, |tip| tip.trailers.seq);
        let knew = anchor.and_then(|anchor| seq_of(anchor)).max(highest).unwrap_or(0);
        let mut only_undecided = false;
        let known = anchor.is_none_or(|anchor| self.follows(reading, anchor).is_ok());
        if knew <= stands && known {
            only_undecided = self.has_undecided(reading)?;
            if !only_undecided {
                let steps = !self.snapshot(reading).entities()?.is_empty();
                let lost = steps && anchor.is_none();
                return Err(if lost { self.missing() } else { self.is_whole(stands) });
            }
        }
        let tip = reading.tip.as_ref().map_or("nothing", |tip| tip.commit.0.as_str());
        let from = format!("{tip}, anchor {knew}");
        let mut pieces = Pieces {
            seq: knew.max(stands) + 1,
            told: Rebuilt {
                from: from.clone(),
                revisions: reading.pending.iter().map(|r| r.revision.clone()).collect(),
                rollouts: Vec::new(),
                undecided: 0,
                written: None,
            },
            from,
            records: Vec::new(),
            changes: Vec::new(),
        };
        for revision in &reading.pending {
            let (namespace, application) = (&revision.namespace, &revision.application);
            let path = revision_path(namespace, application, &revision.revision);
            pieces.changes.push(Change { bytes: Some(record::write(&path, &**revision)?), path });
        }
        let rollouts: Vec<EntityKey> =
            reading.loaded()?.plan.rollouts.iter().map(|r| self.rollout_key(r)).collect();
        for key in rollouts {
            let before = self.snapshot(reading).entity(&key)?;
            if only_undecided && before.is_none_or(|record| record.undecided.is_none()) {
                continue;
            }
            self.piece(reading, &key, &live, &mut pieces, knew.max(stands)).await?;
        }
        if !only_undecided {
            for lane in &reading.loaded()?.plan.lanes {
                self.piece_of_lane(reading, lane, &mut pieces, knew.max(stands)).await?;
            }
            self.pieces_as_they_stand(reading, &mut pieces, knew.max(stands)).await?;
        }
        Ok(pieces)
    }

    /// A lane as it stands: without its record what it has while rollouts are in
    /// it would stay when they leave, and they would wait for that.
    async fn piece_of_lane(
        &self,
        reading: &Reading,
        lane: &Lane,
        pieces: &mut Pieces,
        seq: u64,
    ) -> Result<(), RunError> {
        let key = self.lane_key(lane);
        let may = self.may_be_in(reading, &key, &pieces.records)?;
        // Whoever is in it: all the objects that it ever has.
        let somebody = [Member { rollout: String::new(), revision: String::new(), hops: vec![] }];
        let all = lane_objects(lane, &key.namespace, &somebody);
        let mut live = Live::default();
        self.look_at(all.iter().map(|(object, _)| object), &mut live).await?;
        let owned = owned_by(&key, &live);
        if owned.objects.is_empty() {
            return Ok(());
        }
        let path = inventory_path(&key);
        pieces.changes.push(Change { bytes: Some(record::write(&path, &owned)?), path });
        let record = recognise_lane(&LaneTraces {
            key: &key,
            lane,
            may: &may,
            live: &live,
            owned: &owned,
            seq,
            plan_commit: &reading.plan_commit.0,
        });
        let words = record.status.last_target_app_revision.clone();
        pieces.told.rollouts.push((key, words));
        pieces.records.push(record);
        Ok(())
    }

    /// The rollouts that may be in a lane, by their records as they were found:
    /// those that try a revision and have not come to their end.
    fn may_be_in(
        &self,
        reading: &Reading,
        lane: &EntityKey,
        records: &[EntityRecord],
    ) -> Result<Vec<Member>, RunError> {
        let mut may = Vec::new();
        for (rollout, joined) in self.joining(reading.loaded()?, lane) {
            let tries = |record: &&EntityRecord| {
                record.entity == rollout && record.movement == Some(Movement::Upgrade)
            };
            let Some(record) = records.iter().find(tries).filter(|r| r.open.is_some()) else {
                continue;
            };
            let Some(target) = &record.target else { continue };
            let (revision, hops) = (target.name.clone(), joined.hops.clone());
            may.push(Member { rollout: rollout.name, revision, hops });
        }
        may.sort();
        Ok(may)
    }

    async fn piece(
        &self,
        reading: &Reading,
        key: &EntityKey,
        live: &Live,
        pieces: &mut Pieces,
        seq: u64,
    ) -> Result<(), RunError> {
        let plans = self.plans_of(reading, key)?;
        let revisions = self.revisions_of(reading, key, &plans)?;
        let mut live = live.clone();
        self.look_at(revisions.iter().flat_map(|revision| &revision.rest), &mut live).await?;
        let takes_over = plans.first().is_some_and(|(_, rollout)| rollout.ratio.is_some());
        let half = match takes_over {
            true => self.half_taken(key, &plans).await?,
            false => None,
        };
        let found = recognise(&Traces {
            key,
            project: &reading.project,
            target: &self.target.name,
            plans: &plans,
            revisions: &revisions,
            live: &live,
            seq,
            now: self.ports.clock().now().await?,
        });
        let (record, words) = match (found, half) {
            (Recognised::Nothing | Recognised::Undecided(..), Some(why)) => {
                pieces.told.undecided += 1;
                let mut record = at_its_start(key, &plans, seq);
                record.undecided = Some(why.clone());
                pieces.told.rollouts.push((key.clone(), format!("frozen, {why}")));
                pieces.records.push(record);
                return Ok(());
            }
            (Recognised::Nothing, None) => {
                let words = match takes_over {
                    true => "not under way: what runs is taken over anew when it is due",
                    false => "nothing of it is on the cluster",
                };
                pieces.told.rollouts.push((key.clone(), words.to_owned()));
                // What was frozen before is not any more.
                if self.snapshot(reading).entity(key)?.is_some_and(|r| r.undecided.is_some()) {
                    pieces.records.push(at_its_start(key, &plans, seq));
                }
                return Ok(());
            }
            (Recognised::Known(record, words), _) => (record, words),
            (Recognised::Undecided(record, why), None) => {
                pieces.told.undecided += 1;
                (record, format!("frozen, {why}"))
            }
        };
        pieces.told.rollouts.push((key.clone(), words));
        let path = inventory_path(key);
        let owned = owned(key, &revisions, &live);
        let inventory = Inventory::default().seen(&owned);
        pieces.changes.push(Change { bytes: Some(record::write(&path, &inventory)?), path });
        pieces.records.push(*record);
        Ok(())
    }

    /// The rollout as the plan's history had it, newest first; documents that
    /// compile to the same are one.
    fn plans_of(
        &self,
        reading: &Reading,
        key: &EntityKey,
    ) -> Result<Vec<(String, Rollout)>, RunError> {
        let objects = self.ports.remote().objects();
        let history = objects.first_parents(&reading.plan_commit, None)?;
        let mut plans: Vec<(String, Rollout)> = Vec::new();
        for commit in history.iter().rev().take(MOST_PLANS) {
            let loaded = self.loaded(commit)?;
            let found = loaded.as_ref().as_ref().ok().and_then(|l| self.rollout_in(l, key));
            let new = found.filter(|found| !plans.iter().any(|(_, known)| alike(found, known)));
            plans.extend(new.map(|found| (commit.0.clone(), found.clone())));
        }
        Ok(plans)
    }

    fn revisions_of(
        &self,
        reading: &Reading,
        key: &EntityKey,
        plans: &[(String, Rollout)],
    ) -> Result<Vec<Arc<RevisionBodies>>, RunError> {
        let Some((_, newest)) = plans.first() else { return Ok(Vec::new()) };
        let snapshot = self.snapshot(reading);
        let known = known(reading, &snapshot, &key.namespace, newest.application())?;
        let skipped = known.len().saturating_sub(MOST_REVISIONS);
        let mut revisions = Vec::new();
        for revision in known.iter().skip(skipped) {
            let driving = Driving::planned(newest);
            let found = self.revision(reading, &snapshot, key, &revision.revision, &driving)?;
            revisions.extend(found);
        }
        Ok(revisions)
    }

    /// Everything of ours among the kinds that rollouts of this plan drive.
    async fn ours(&self, reading: &Reading) -> Result<Live, RunError> {
        let mut kinds: BTreeSet<(KindRef, Option<String>)> = BTreeSet::new();
        for rollout in &reading.loaded()?.plan.rollouts {
            let key = self.rollout_key(rollout);
            let plans = [(String::new(), rollout.clone())];
            for revision in self.revisions_of(reading, &key, &plans)? {
                for workload in revision.rolled().map(|one| &one.workload) {
                    kinds.insert((workload.kind_ref(), workload.namespace.clone()));
                }
            }
        }
        let label = [(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned())];
        let mut live = Live::default();
        for (kind, namespace) in kinds {
            let all = match self.ports.cluster().list(&kind, namespace.as_deref(), &label).await {
                Ok(all) => all,
                Err(error) if matches!(error.problem, ClusterProblem::NoKind(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            for body in all {
                if let Some(object) = ObjectRef::of(&body) {
                    live.insert(object, body);
                }
            }
        }
        Ok(live)
    }

    fn has_undecided(&self, reading: &Reading) -> Result<bool, RunError> {
        let rows = self.snapshot(reading).rows()?;
        Ok(rows.iter().any(|(record, _)| record.undecided.is_some() && !record.removed))
    }

    fn is_whole(&self, stands: u64) -> RunError {
        let branch = &self.target.record_branch;
        let message = match stands {
            0 => format!(
                "record branch {branch} is empty, and nothing of it is on the cluster: there is \
                 nothing to rebuild from"
            ),
            _ => format!(
                "record branch {branch} stands at {stands}, and the cluster knows of nothing \
                 newer: there is nothing to rebuild"
            ),
        };
        RunError::new(Class::Refused, message, "`tranche apply` goes on")
    }
}

/// Whether two documents compile to the same steps.
fn alike(one: &Rollout, other: &Rollout) -> bool {
    one.plan.strategy == other.plan.strategy
        && one.plan.target_size == other.plan.target_size
        && one.plan.batches == other.plan.batches
        && one.plan.around.is_like(&other.plan.around)
        && one.canary == other.canary
        && one.blue_green == other.blue_green
        && one.ratio == other.ratio
        && one.deadline_seconds == other.deadline_seconds
}

/// What the inventory of a rollout holds: every live object of ours under the
/// names of its revisions.
fn owned(
    key: &EntityKey,
    revisions: &[Arc<RevisionBodies>],
    live: &Live,
) -> Vec<(ObjectRef, Option<String>)> {
    let owner = format!("{}/{}/{}", key.kind, key.namespace, key.name);
    let mine = |body: &&Value| {
        let annotations = at(body, "/metadata/annotations");
        let entity = annotations.and_then(|a| a.get(crate::core::strategy::ANNOTATION_ENTITY));
        entity.and_then(Value::as_str) == Some(&owner)
    };
    let tried = revisions.iter().filter_map(|revision| revision.tried_in());
    let rendered = revisions.iter().flat_map(|revision| revision.bodies.keys().cloned());
    let names: BTreeSet<ObjectRef> = rendered.chain(tried).collect();
    names
        .into_iter()
        .filter_map(|object| {
            let body = live.get(&object).filter(mine)?;
            let uid = at(body, "/metadata/uid").and_then(Value::as_str)?;
            Some((object, Some(uid.to_owned())))
        })
        .collect()
}
