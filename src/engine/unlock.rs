//! `unlock`: a person says that the holder of an open step is gone, or gives a
//! step up where it stands. Owns those commits; it must never close a step
//! without stamping what its holder might still write.

use super::assertion::{Assertion, Word};
use super::chain::Pushed;
use super::course::crowded;
use super::fact::Fact;
use super::intent::Linked;
use super::outcome::{Class, Halt};
use super::survey::{Link, LinkContent};
use super::watch::Watch;
use super::work::Work;
use super::{Engine, MAX_LOSSES, Reading, RunError, Snapshot};
use crate::core::decide::{Act, Entry, StepVerdict};
use crate::core::object::Live;
use crate::core::record::{EntityRecord, OpenStep, Phase, Verdict};
use crate::core::strategy::{BodyTable, EntityKey, Step, StepId};
use crate::port::{Clock, Objects, Ports};
use jiff::Timestamp;

/// What became of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlocked {
    /// The next run takes the step over.
    Free(EntityKey),
    /// The step is closed where it stood.
    Abandoned(EntityKey),
}

/// The open step of an id, and whose it is.
///
/// # Errors
/// Fails on a broken record.
pub fn open_step<O: Objects>(
    snapshot: &Snapshot<'_, O>,
    prefix: &str,
) -> Result<Vec<(EntityKey, StepId)>, RunError> {
    let open = snapshot
        .rows()?
        .into_iter()
        .filter_map(|(record, _)| Some((record.entity.clone(), record.open.as_ref()?.id.clone())));
    Ok(open.filter(|(_, id)| id.0.starts_with(prefix)).collect())
}

impl<P: Ports> Engine<'_, P> {
    /// Ends the write lease of an open step, so that the next run takes it
    /// over at once. That is safe whatever the holder does: a takeover stamps.
    ///
    /// # Errors
    /// Fails if nobody holds the step, or if the record is not the one that the
    /// cluster knows.
    pub async fn unlock(
        &self,
        key: &EntityKey,
        id: &StepId,
        word: &Word,
    ) -> Result<Unlocked, RunError> {
        for _ in 0..MAX_LOSSES {
            let anchor = self.anchor_seen().await?;
            let mut reading = self.read_record().await?;
            self.belongs(anchor, &reading).await?;
            let (record, open) = self.still_open(&reading, key, id)?;
            let now = self.ports.clock().now().await?;
            self.held_now(key, &open, now)?;
            let said = unlocked(record, word, now, "unlock");
            if let Pushed::Won = self.assert(&mut reading, word, said).await? {
                return Ok(Unlocked::Free(key.clone()));
            }
        }
        Err(crowded())
    }

    /// Takes an open step over and closes it where it stands, without another
    /// effect.
    ///
    /// # Errors
    /// Fails if another run may still write.
    pub async fn abandon(
        &self,
        key: &EntityKey,
        id: &StepId,
        word: &Word,
    ) -> Result<Unlocked, RunError> {
        for _ in 0..MAX_LOSSES {
            let anchor = self.anchor_seen().await?;
            let mut reading = self.read_record().await?;
            self.belongs(anchor, &reading).await?;
            let (record, open) = self.still_open(&reading, key, id)?;
            let now = self.ports.clock().now().await?;
            self.not_held(key, &open, now)?;
            let said = unlocked(record, word, now, "unlock --abandon");
            match self.assert(&mut reading, word, said).await? {
                Pushed::Won => {}
                Pushed::Lost => continue,
            }
            match self.give_up(&mut reading, key, id, word).await {
                Ok(()) => return Ok(Unlocked::Abandoned(key.clone())),
                Err(Halt::Lost | Halt::Again | Halt::Outdated(_)) => {}
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Superseded(message)) => {
                    let next = "`tranche status` shows what became of it";
                    return Err(RunError::new(Class::Busy, message, next));
                }
            }
        }
        Err(crowded())
    }

    /// Intent, stamps, result: as every takeover, and no effect.
    async fn give_up(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        id: &StepId,
        word: &Word,
    ) -> Result<(), Halt> {
        let snapshot = self.snapshot(reading);
        let (record, open) = self.still_open(reading, key, id)?;
        let act = Box::new(act(record, &open));
        let before = snapshot.entity(key)?;
        let reads = snapshot.read_set();
        let cursor = open.cursor;
        let content = LinkContent::Intent { act, cursor, live: Live::default() };
        let link = Link { key: key.clone(), content, before, reads };
        let linked = self.begin(reading, vec![link]).await?;
        for linked in linked {
            let mut work: Box<Work> = match linked {
                Linked::Locked(work) => work,
                Linked::Recorded => return Err(Halt::Again),
                Linked::Not(halt) => return Err(halt),
            };
            let epoch = work.lock.as_ref().map_or(0, |lock| lock.epoch);
            self.raise_anchor(reading, epoch).await?;
            self.stamp(&Watch::default(), &mut work).await?;
            let why = word.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            let message = format!("abandoned by {}{why}", word.by);
            let fact = Fact::Result(StepVerdict::Abandoned, message);
            for told in self.tell(reading, vec![(&work, fact)]).await {
                told?;
            }
        }
        Ok(())
    }

    fn still_open(
        &self,
        reading: &Reading,
        key: &EntityKey,
        id: &StepId,
    ) -> Result<(EntityRecord, OpenStep), RunError> {
        let record = self.snapshot(reading).entity(key)?;
        let open =
            record.and_then(|record| Some((EntityRecord::clone(&record), record.open.clone()?)));
        open.filter(|(_, open)| open.id == *id).ok_or_else(|| {
            RunError::new(
                Class::Refused,
                format!("{key}: step {id} is over"),
                "`tranche status` shows where it stands; nothing was recorded",
            )
        })
    }

    /// Refuses to unlock what nobody holds.
    fn held_now(&self, key: &EntityKey, open: &OpenStep, now: Timestamp) -> Result<(), RunError> {
        let why = match open.phase {
            Phase::Waiting => "waits, and nobody holds it".to_owned(),
            Phase::Intent if now >= open.lease_until => {
                format!("is held no more: the lease of run {} is over", open.holder.run)
            }
            Phase::Intent if self.ports.process().provably_dead(&open.holder) => {
                format!("is held no more: run {} is dead for certain", open.holder.run)
            }
            Phase::Intent => return Ok(()),
        };
        Err(RunError::new(
            Class::Refused,
            format!("{key}: step {} {why}: there is nothing to unlock", open.id),
            format!(
                "`tranche apply` goes on with it; if it cannot, `tranche unlock --abandon {}` \
                 gives it up where it stands",
                open.id
            ),
        ))
    }

    /// Refuses to abandon what somebody may still write.
    fn not_held(&self, key: &EntityKey, open: &OpenStep, now: Timestamp) -> Result<(), RunError> {
        let held = open.phase == Phase::Intent
            && now < open.lease_until
            && !self.ports.process().provably_dead(&open.holder);
        if !held {
            return Ok(());
        }
        Err(RunError::new(
            Class::Busy,
            format!(
                "{key}: step {} is held by run {}, at most until {}",
                open.id, open.holder.run, open.lease_until
            ),
            format!(
                "wait until then; if that run is gone for certain, `tranche unlock {}` first",
                open.id
            ),
        ))
    }
}

/// What a person says about a lock: its lease is over.
fn unlocked(mut record: EntityRecord, word: &Word, now: Timestamp, what: &str) -> Assertion {
    let attempt = record.attempt;
    let mut step = None;
    let mut run = String::new();
    if let Some(open) = &mut record.open {
        open.lease_until = open.lease_until.min(now);
        let (by, reason) = (word.by.clone(), word.reason.clone());
        open.unlocked = Some(Verdict { attempt, by, at: now, reason });
        step = Some(open.id.to_string());
        run.clone_from(&open.holder.run);
    }
    let id = step.clone().unwrap_or_default();
    Assertion {
        subject: format!("{}: {what} of step {id}, begun by run {run}", record.entity.name),
        about: Some(record.entity.to_string()),
        step,
        records: vec![record],
        ..Assertion::default()
    }
}

/// The takeover of a step that nobody can compile: its names, and no effects.
fn act(record: EntityRecord, open: &OpenStep) -> Act {
    let mut step = Step::named(open.id.clone(), open.kind);
    step.goal = record.status.upgraded_replicas;
    Act {
        entry: Entry::Takeover,
        step,
        cursor: open.cursor,
        record,
        table: BodyTable::default(),
        upcoming: Vec::new(),
        pauses: Vec::new(),
        floor: None,
        step_plan: open.step_plan.clone(),
        warnings: Vec::new(),
        hurries: false,
        handed: Vec::new(),
    }
}
