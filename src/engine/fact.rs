//! Commits on the record: decisions, which are lost when somebody was first,
//! and facts, which go on any new tip while the step is still ours.

use super::lock::named;
use super::outcome::{Class, Halt};
use super::perform::Work;
use super::{Engine, Reading, RunError, Tip};
use crate::core::decide::{Act, Conclusion, Entry, Parked, StepVerdict, concluded, parked};
use crate::core::object::ObjectRef;
use crate::core::record::{
    self, CommitPhase, EntityRecord, NamedObject, Phase, Trailers, dashboard, effects_body,
    entity_path, inventory_path, result_subject, waiting_subject,
};
use crate::core::strategy::{EntityKey, Step};
use crate::port::{Change, Clock, CommitId, Objects, Ports, Progress, PushOutcome, Remote};

/// How often a fact is put on a newer tip.
const MAX_TRIES: u32 = 20;

/// One commit about an entity.
struct CommitEntry<'a> {
    record: &'a EntityRecord,
    step: Option<&'a Step>,
    phase: CommitPhase,
    subject: &'a str,
    body: &'a str,
    seen: Option<&'a [NamedObject]>,
}

impl<P: Ports> Engine<'_, P> {
    /// An intent: a decision, so its push is lost if the tip has moved.
    pub(super) async fn step_commit(
        &self,
        reading: &mut Reading,
        record: &EntityRecord,
        step: &Step,
        phase: CommitPhase,
        subject: &str,
        body: &str,
    ) -> Result<(), Halt> {
        let entry = CommitEntry { record, step: Some(step), phase, subject, body, seen: None };
        self.push_entry(reading, &entry).await
    }

    /// A change of an entity's record outside any step.
    pub(super) async fn decision_commit(
        &self,
        reading: &mut Reading,
        record: &EntityRecord,
        phase: CommitPhase,
        subject: &str,
    ) -> Result<(), Halt> {
        let entry = CommitEntry { record, step: None, phase, subject, body: "", seen: None };
        self.push_entry(reading, &entry).await
    }

    /// Parks a step: `waiting`, which gives the lock back.
    pub(super) async fn park(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &Work,
        reason: &str,
        deadline_seconds: Option<u32>,
    ) -> Result<EntityRecord, Halt> {
        let now = self.ports.clock().now().await?;
        let objects = self.existing(&work.act, &work.record).await?;
        let make = |record: &EntityRecord, _aborting: bool| {
            let next = parked(
                record,
                Parked {
                    cursor: work.cursor,
                    now,
                    deadline_seconds,
                    reason,
                    ready: work.ready,
                    objects: objects.clone(),
                },
            );
            let subject = waiting_subject(&next, &work.act.step, reason);
            (next, subject)
        };
        self.fact(reading, key, work, CommitPhase::Waiting, &objects, &make).await
    }

    /// Closes a step.
    pub(super) async fn conclude(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &Work,
        verdict: StepVerdict,
        message: &str,
    ) -> Result<(), Halt> {
        let now = self.ports.clock().now().await?;
        let objects = self.existing(&work.act, &work.record).await?;
        let plan_commit = reading.plan_commit.0.clone();
        let recovered = work.act.entry == Entry::Takeover;
        let make = |record: &EntityRecord, aborting: bool| {
            let end = Conclusion {
                verdict,
                now,
                plan_commit: &plan_commit,
                aborting,
                recovered,
                message,
                ready: work.ready,
            };
            let next = concluded(record, &work.act.step, &end);
            let subject = result_subject(&next, &work.act.step, verdict);
            (next, subject)
        };
        self.fact(reading, key, work, CommitPhase::Result, &objects, &make).await?;
        Ok(())
    }

    async fn existing(&self, act: &Act, record: &EntityRecord) -> Result<Vec<NamedObject>, Halt> {
        let mut live = self.live_of(act).await?;
        let mut all = named(act, &live, record);
        // What the intent named and is gone has no uid any more.
        for named in &mut all {
            self.look_at(&named.object, &mut live).await?;
            if !live.contains_key(&named.object) {
                named.uid = None;
                named.generation = None;
            }
        }
        Ok(all)
    }

    async fn fact(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &Work,
        phase: CommitPhase,
        objects: &[NamedObject],
        make: &dyn Fn(&EntityRecord, bool) -> (EntityRecord, String),
    ) -> Result<EntityRecord, Halt> {
        let step = &work.act.step;
        for _ in 0..MAX_TRIES {
            let snapshot = self.snapshot(reading);
            let Some(record) = snapshot.entity(key)?.filter(|r| ours(r, work)) else {
                return Err(self.not_ours(key, work));
            };
            let aborting = snapshot.decisions(key)?.aborts(record.attempt);
            let (next, subject) = make(&record, aborting);
            let body = effects_body(step);
            let entry = CommitEntry {
                record: &next,
                step: Some(step),
                phase,
                subject: &subject,
                body: &body,
                seen: Some(objects),
            };
            match self.push_entry(reading, &entry).await {
                Ok(()) => return Ok(next),
                Err(Halt::Lost) => {
                    let newest = self.newest_record().await.map_err(|e| unrecorded(work, e))?;
                    reading.tip = newest.map(|commit| self.tip(&commit)).transpose()?;
                }
                Err(Halt::Error(error)) => return Err(unrecorded(work, error).into()),
                Err(other) => return Err(other),
            }
        }
        let error = RunError::new(
            Class::Busy,
            format!("{key}: {MAX_TRIES} pushes were lost to other runs"),
            "run it again",
        );
        Err(unrecorded(work, error).into())
    }

    fn not_ours(&self, key: &EntityKey, work: &Work) -> Halt {
        if work.lock.is_some() {
            Halt::Superseded(format!("{key}: another run has taken over the open step"))
        } else {
            // Only looks were taken: another run has recorded the same fact.
            Halt::Lost
        }
    }

    async fn push_entry(&self, reading: &mut Reading, entry: &CommitEntry<'_>) -> Result<(), Halt> {
        let remote = self.ports.remote();
        let now = self.ports.clock().now().await?;
        let key = &entry.record.entity;
        let path = entity_path(key);
        let mut changes = vec![Change { bytes: Some(record::write(&path, entry.record)?), path }];
        if let Some(seen) = entry.seen {
            let seen: Vec<(ObjectRef, Option<String>)> =
                seen.iter().map(|n| (n.object.clone(), n.uid.clone())).collect();
            let inventory = self.snapshot(reading).inventory(key)?.seen(&seen);
            let path = inventory_path(key);
            changes.push(Change { bytes: Some(record::write(&path, &inventory)?), path });
        }
        changes.push(self.page(reading, entry.record)?);
        let trailers = self.trailers(reading, entry)?;
        let message = trailers.message(entry.subject, entry.body);
        let parent = reading.tip.as_ref().map(|tip| tip.commit.clone());
        let commit = remote.objects().commit(parent.as_ref(), &changes, &message, now)?;
        match remote.push(&self.target.record_branch, parent.as_ref(), &commit).await? {
            PushOutcome::Won => {}
            PushOutcome::Lost => return Err(Halt::Lost),
            PushOutcome::Refused(text) => return Err(self.push_refused(&text).into()),
        }
        reading.tip = Some(Tip { commit, trailers });
        let (phase, subject) = (entry.phase, entry.subject.to_owned());
        self.ports.audience().hear(&Progress::Recorded { phase, subject });
        Ok(())
    }

    /// The dashboard with one record replaced.
    fn page(&self, reading: &Reading, record: &EntityRecord) -> Result<Change, Halt> {
        let snapshot = self.snapshot(reading);
        let mut rows = snapshot.rows()?;
        rows.retain(|(row, _)| row.entity != record.entity);
        rows.push((record.clone(), snapshot.decisions(&record.entity)?));
        rows.sort_by(|a, b| a.0.entity.cmp(&b.0.entity));
        let rows: Vec<_> = rows.iter().map(|(record, decisions)| (record, decisions)).collect();
        let page = dashboard(&self.target.name, &rows);
        Ok(Change { path: "README.md".to_owned(), bytes: Some(page.into_bytes()) })
    }

    /// The newer of our plan commit and the one on the tip: a fact may stand on
    /// a tip whose run has seen more of the plan than we have.
    fn newest_accepted(&self, reading: &Reading) -> Result<String, Halt> {
        let ours = &reading.plan_commit;
        let Some(tip) = &reading.tip else { return Ok(ours.0.clone()) };
        let theirs = CommitId(tip.trailers.plan_commit.clone());
        let newer = theirs != *ours && self.ports.remote().objects().contains(&theirs, ours)?;
        Ok(if newer { theirs.0 } else { ours.0.clone() })
    }

    fn trailers(&self, reading: &Reading, entry: &CommitEntry<'_>) -> Result<Trailers, Halt> {
        let previous = reading.tip.as_ref().map(|tip| &tip.trailers);
        let plan_commit = self.newest_accepted(reading)?;
        let mut trailers = Trailers::after(previous, entry.phase, &plan_commit);
        let record = entry.record;
        trailers.rollout = Some(record.entity.to_string());
        trailers.step = entry.step.map(|step| step.id.to_string());
        trailers.source_revision = record.source.as_ref().map(|source| source.name.clone());
        trailers.target_revision = record.target.as_ref().map(|target| target.name.clone());
        trailers.step_plan = record.step_plan.clone();
        trailers.plan_digest = record.steps.as_ref().map(|steps| steps.digest.to_string());
        trailers.run = Some(self.ports.process().holder().run.clone());
        Ok(trailers)
    }
}

/// Whether the open step on a record is the one that this run works on.
fn ours(record: &EntityRecord, work: &Work) -> bool {
    let Some(open) = &record.open else { return false };
    let same = open.id == work.act.step.id;
    same && match &work.lock {
        Some(lock) => open.phase == Phase::Intent && open.epoch == lock.epoch,
        None => Some(open) == work.record.open.as_ref(),
    }
}

/// An error that keeps a fact from the record: if something was written, that
/// is what counts.
fn unrecorded(work: &Work, error: RunError) -> RunError {
    if !work.wrote {
        return error;
    }
    let next = "the next run proves the step from the cluster and records it";
    RunError::new(Class::NotRecorded, format!("applied, but not recorded: {}", error.message), next)
}
