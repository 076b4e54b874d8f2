//! A chain of record commits and its one push. Owns parents, trailers and the
//! dashboard, which is written once a push; it must never repair a lost push:
//! who called decides what becomes of it.

use super::outcome::Halt;
use super::snapshot::Row;
use super::{Engine, Reading, RunError, Tip};
use crate::core::object::ObjectRef;
use crate::core::record::{
    self, CommitPhase, EntityRecord, Inventory, NamedObject, Trailers, dashboard, entity_path,
    inventory_path,
};
use crate::core::strategy::{EntityKey, EntityKind, StepId, StepKind};
use crate::port::{Change, CommitId, Objects, Ports, Progress, PushOutcome, Remote};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::rc::Rc;

/// One commit about an entity.
pub(super) struct Entry {
    /// The entity's record after it.
    pub(super) record: EntityRecord,
    pub(super) step: Option<StepId>,
    pub(super) phase: CommitPhase,
    pub(super) subject: String,
    pub(super) body: String,
    /// The objects that were seen under the step's names, for the inventory.
    pub(super) seen: Option<Vec<NamedObject>>,
}

/// What became of a push.
pub(super) enum Pushed {
    Won,
    Lost,
}

/// A chain under construction, on one tip.
pub(super) struct Chain {
    base: Option<Tip>,
    tip: Option<Tip>,
    now: Timestamp,
    plan_commit: String,
    rows: BTreeMap<EntityKey, Row>,
    told: Vec<(CommitPhase, String)>,
}

impl Chain {
    /// The sequence number of the next commit.
    pub(super) fn next_seq(&self) -> u64 {
        self.tip.as_ref().map_or(0, |tip| tip.trailers.seq) + 1
    }
}

impl<P: Ports> Engine<'_, P> {
    /// Begins a chain on the tip of a reading.
    pub(super) fn chain(&self, reading: &Reading, now: Timestamp) -> Result<Chain, RunError> {
        let rows = self.rows_at(reading.tip.as_ref().map(|tip| &tip.commit))?;
        let rows = rows.iter().map(|row| (row.0.entity.clone(), row.clone())).collect();
        Ok(Chain {
            base: reading.tip.clone(),
            tip: reading.tip.clone(),
            now,
            plan_commit: self.newest_accepted(reading)?,
            rows,
            told: Vec::new(),
        })
    }

    /// Adds a commit; the last one of a chain brings the dashboard.
    pub(super) fn add(
        &self,
        chain: &mut Chain,
        mut entry: Entry,
        last: bool,
    ) -> Result<(), RunError> {
        let key = entry.record.entity.clone();
        let path = entity_path(&key);
        let mut changes = Vec::new();
        let mut written = None;
        if let Some(seen) = &entry.seen {
            let (change, inventory) = self.inventory(chain, &key, seen)?;
            if key.kind != EntityKind::Rollout {
                entry.record.owns = Some(inventory.names());
                let over = inventory.objects.is_empty() && entry.record.open.is_none();
                entry.record.removed |= over;
            }
            written = Some((change.path.clone(), inventory));
            changes.push(change);
        }
        let bytes = Some(record::write(&path, &entry.record)?);
        changes.push(Change { path: path.clone(), bytes });
        let trailers = self.trailers(chain, &entry);
        let message = trailers.message(&entry.subject, &entry.body);
        let record = Rc::new(entry.record);
        let decisions = chain.rows.remove(&key).map(|(_, decisions)| decisions);
        let decisions = decisions.unwrap_or_default();
        chain.rows.insert(key, (Rc::clone(&record), decisions));
        if last {
            let rows: Vec<_> = chain.rows.values().map(|(r, d)| (&**r, &**d)).collect();
            let page = dashboard(&self.target.name, &rows).into_bytes();
            changes.push(Change { path: "README.md".to_owned(), bytes: Some(page) });
        }
        let parent = chain.tip.as_ref().map(|tip| &tip.commit);
        let objects = self.ports.remote().objects();
        let commit = objects.commit(parent, &changes, &message, chain.now)?;
        // What was just written need not be read to be known.
        if let Some(blob) = objects.entry(&commit, &path)? {
            self.memo.keep_file(&blob, &record);
        }
        if let Some((path, inventory)) = written
            && let Some(blob) = objects.entry(&commit, &path)?
        {
            self.memo.keep_file(&blob, &inventory);
        }
        chain.told.push((entry.phase, entry.subject));
        chain.tip = Some(Tip { commit, trailers });
        Ok(())
    }

    fn inventory(
        &self,
        chain: &Chain,
        key: &EntityKey,
        seen: &[NamedObject],
    ) -> Result<(Change, Rc<Inventory>), RunError> {
        let commit = chain.tip.as_ref().map(|tip| tip.commit.clone());
        let before = self.snapshot_at(commit).inventory(key)?;
        let seen: Vec<(ObjectRef, Option<String>)> =
            seen.iter().map(|named| (named.object.clone(), named.uid.clone())).collect();
        let path = inventory_path(key);
        let inventory = Rc::new(Inventory::clone(&before).seen(&seen));
        let bytes = Some(record::write(&path, &*inventory)?);
        Ok((Change { path, bytes }, inventory))
    }

    fn trailers(&self, chain: &Chain, entry: &Entry) -> Trailers {
        let previous = chain.tip.as_ref().map(|tip| &tip.trailers);
        let mut trailers = Trailers::after(previous, entry.phase, &chain.plan_commit);
        let record = &entry.record;
        trailers.rollout = Some(record.entity.to_string());
        trailers.step = entry.step.as_ref().map(ToString::to_string);
        trailers.source_revision = record.source.as_ref().map(|source| source.name.clone());
        trailers.target_revision = record.target.as_ref().map(|target| target.name.clone());
        trailers.step_plan = record.step_plan.clone();
        trailers.plan_digest = record.steps.as_ref().map(|steps| steps.digest.to_string());
        trailers.run = Some(self.ports.process().holder().run.clone());
        trailers.approved_by = approved_by(chain, entry);
        trailers
    }

    /// Pushes a chain, by lease on the tip it stands on.
    pub(super) async fn push(&self, reading: &mut Reading, chain: Chain) -> Result<Pushed, Halt> {
        let Some(new) = chain.tip else { return Ok(Pushed::Won) };
        let expected = chain.base.as_ref().map(|tip| &tip.commit);
        let remote = self.ports.remote();
        self.tally.push();
        match remote.push(&self.target.record_branch, expected, &new.commit).await? {
            PushOutcome::Won => {}
            PushOutcome::Lost => return Ok(Pushed::Lost),
            PushOutcome::Refused(text) => return Err(self.push_refused(&text).into()),
        }
        reading.tip = Some(new);
        for (phase, subject) in chain.told {
            self.tally.commit(phase);
            self.ports.audience().hear(&Progress::Recorded { phase, subject });
        }
        Ok(Pushed::Won)
    }

    /// The newer of our plan commit and the one on the tip: a fact may stand on
    /// a tip whose run has seen more of the plan than we have.
    fn newest_accepted(&self, reading: &Reading) -> Result<String, RunError> {
        let ours = &reading.plan_commit;
        let Some(tip) = &reading.tip else { return Ok(ours.0.clone()) };
        let theirs = CommitId(tip.trailers.plan_commit.clone());
        let newer = theirs != *ours && self.ports.remote().objects().contains(&theirs, ours)?;
        Ok(if newer { theirs.0 } else { ours.0.clone() })
    }
}

/// Who let a batch begin that a gate was before.
fn approved_by(chain: &Chain, entry: &Entry) -> Option<String> {
    let record = &entry.record;
    let open = record.open.as_ref().filter(|_| entry.phase == CommitPhase::Intent)?;
    let StepKind::Batch(index) = open.kind else { return None };
    let (_, decisions) = chain.rows.get(&record.entity)?;
    let after = index.checked_sub(1)?;
    // A batch that no gate was before needed nobody's word.
    let pause = record.boundary.as_ref().and_then(|boundary| boundary.pause.as_ref());
    let approval = match pause {
        Some(pause) => decisions.approval(record.attempt, after, pause),
        None => decisions.approves_one(record.attempt, after),
    };
    Some(approval?.by.clone())
}
