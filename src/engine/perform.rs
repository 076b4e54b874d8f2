//! One step, effect by effect.

use super::lock::Lock;
use super::outcome::{Class, Halt, Rest};
use super::turn::Turn;
use super::wait::Waited;
use super::write::Written;
use super::{Engine, Reading, RunError, WRITE_MARGIN};
use crate::core::decide::{Act, Entry, StepVerdict};
use crate::core::record::EntityRecord;
use crate::core::strategy::{Effect, EntityKey, StepKind};
use crate::port::{Clock, CommitId, Ports, Progress};
use jiff::{SignedDuration, Timestamp};

/// How often a step may be set back to its first effect in one turn.
const MAX_SET_BACKS: u32 = 3;
/// How old a look at the tip may be before an effect.
pub(super) const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// A step under way.
pub(super) struct Work {
    pub(super) act: Act,
    /// The record as this run last pushed or read it.
    pub(super) record: EntityRecord,
    /// The lock, while it is held.
    pub(super) lock: Option<Lock>,
    pub(super) cursor: usize,
    /// Ready pods at the last look.
    pub(super) ready: Option<u32>,
    /// Something was written under the lock that no commit tells of yet.
    pub(super) wrote: bool,
    /// When the tip was looked at last.
    pub(super) looked: Option<Timestamp>,
    /// The tip that was looked at last.
    pub(super) seen: Option<CommitId>,
}

impl<P: Ports> Engine<'_, P> {
    /// Does a step, or goes on with it, until it ends, waits or is lost.
    pub(super) async fn perform(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        act: Act,
    ) -> Result<Turn, Halt> {
        for warning in &act.warnings {
            self.ports.audience().hear(&Progress::Notice(format!("{key}: {warning}")));
        }
        let record = act.record.clone();
        let (cursor, entry) = (act.cursor, act.entry);
        let mut work = Work {
            act,
            record,
            lock: None,
            cursor,
            ready: None,
            wrote: false,
            looked: None,
            seen: None,
        };
        let done = match entry {
            Entry::Resume => Ok(()),
            Entry::Fresh | Entry::Takeover => self.take(reading, key, &mut work, cursor).await,
        };
        let done = match done {
            Ok(()) => self.effects(reading, key, &mut work).await,
            Err(halt) => Err(halt),
        };
        match done {
            Err(Halt::Aborted) => {
                self.conclude(reading, key, &work, StepVerdict::Stopped, "").await?;
                Ok(Turn::Moved)
            }
            Err(Halt::Error(error)) => {
                Err(Halt::Error(self.stopped(reading, key, &work, error).await))
            }
            other => other,
        }
    }

    /// An error in the middle of a step: where every write has a definite
    /// answer the lock is given back, so that the next run need not wait for
    /// its lease to end.
    async fn stopped(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &Work,
        error: RunError,
    ) -> RunError {
        if work.lock.is_none() || error.class == Class::NotRecorded {
            return error;
        }
        let reason = error.message.lines().next().unwrap_or_default().to_owned();
        match self.park(reading, key, work, &reason, deadline_seconds(work)).await {
            Ok(_) => error,
            Err(_) if work.wrote => RunError { class: Class::NotRecorded, ..error },
            Err(_) => error,
        }
    }

    async fn take(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &mut Work,
        cursor: usize,
    ) -> Result<(), Halt> {
        let (lock, record) = self.lock(reading, key, &work.act, &work.record, cursor).await?;
        let epoch = lock.epoch;
        work.lock = Some(lock);
        work.record = record;
        work.cursor = cursor;
        self.raise_anchor(reading, epoch).await
    }

    async fn effects(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &mut Work,
    ) -> Result<Turn, Halt> {
        let mut set_backs = 0;
        while let Some(effect) = work.act.step.effects.get(work.cursor).cloned() {
            if !effect.writes() {
                match self.wait(reading, key, work, &effect).await? {
                    Waited::Met => work.cursor += 1,
                    Waited::SetBack(seen) if set_backs < MAX_SET_BACKS => {
                        set_backs += 1;
                        self.ports
                            .audience()
                            .hear(&Progress::Notice(format!("{seen}: done again")));
                        self.release(reading, key, work, &seen).await?;
                        self.take(reading, key, work, 0).await?;
                    }
                    Waited::TimedOut(seen) => {
                        self.conclude(reading, key, work, StepVerdict::Failed, &seen).await?;
                        return Ok(Turn::Moved);
                    }
                    Waited::SetBack(seen) | Waited::Parked(seen) => {
                        self.release(reading, key, work, &seen).await?;
                        let message = format!("{key}: waiting, {seen}");
                        return Ok(Turn::Rest(Rest::awaiting(message)));
                    }
                }
                continue;
            }
            let Some(lock) = work.lock.clone() else {
                // Whatever was awaited is seen again under the lock.
                let from = nearest_await(&work.act.step.effects, work.cursor);
                self.take(reading, key, work, from).await?;
                continue;
            };
            if self.ports.process().stopping() {
                self.release(reading, key, work, "stopped by a signal").await?;
                let message = format!("{key}: stopped by a signal; the next run goes on");
                return Ok(Turn::Rest(Rest::of(Class::Waiting, message)));
            }
            if self.lease_over(&lock).await? {
                self.release(reading, key, work, "the write lease is over").await?;
                continue;
            }
            self.watch(reading, key, work, LOOK_EVERY).await?;
            match self.write(key, &work.act, work.cursor, &lock).await? {
                Written::Done => {
                    work.wrote = true;
                    work.cursor += 1;
                }
                Written::Created(uid) => {
                    work.wrote = true;
                    self.confirm(reading, key, work, uid).await?;
                }
            }
        }
        self.conclude(reading, key, work, StepVerdict::Succeeded, "").await?;
        Ok(Turn::Moved)
    }

    pub(super) async fn lease_over(&self, lock: &Lock) -> Result<bool, Halt> {
        let now = self.ports.clock().now().await?;
        let margin = SignedDuration::try_from(WRITE_MARGIN).unwrap_or_default();
        Ok(now.saturating_add(margin).unwrap_or(now) >= lock.until)
    }

    /// Gives the lock back, if it is held.
    pub(super) async fn release(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &mut Work,
        reason: &str,
    ) -> Result<(), Halt> {
        if work.lock.is_some() {
            let seconds = deadline_seconds(work);
            work.record = self.park(reading, key, work, reason, seconds).await?;
            work.lock = None;
            work.wrote = false;
        }
        Ok(())
    }

    /// After a create, or at the sight of an object that the intent does not
    /// name: a fetch begun now must show our intent still open before that
    /// object is written again.
    async fn confirm(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &mut Work,
        uid: String,
    ) -> Result<(), Halt> {
        work.looked = None;
        self.watch(reading, key, work, SignedDuration::ZERO).await?;
        if let Some(lock) = &mut work.lock {
            lock.named.insert(uid);
        }
        Ok(())
    }
}

/// How long what the cursor waits for may take. The way back never fails by
/// its deadline: it repeats.
fn deadline_seconds(work: &Work) -> Option<u32> {
    match work.act.step.effects.get(work.cursor) {
        Some(Effect::Await { deadline_seconds, .. }) => {
            Some(*deadline_seconds).filter(|_| work.act.step.kind != StepKind::Abort)
        }
        _ => None,
    }
}

/// The nearest await at or before an effect; else the effect itself.
fn nearest_await(effects: &[Effect], cursor: usize) -> usize {
    (0..=cursor)
        .rev()
        .find(|i| matches!(effects.get(*i), Some(Effect::Await { .. })))
        .unwrap_or(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::{KindRef, ObjectRef};
    use crate::core::strategy::Condition;

    #[test]
    fn going_on_repeats_the_nearest_await() {
        let object = ObjectRef::new(&KindRef::new("v1", "Service"), None, "a");
        let delete = Effect::Delete { object: object.clone() };
        let wait = Effect::Await { object, condition: Condition::Healthy, deadline_seconds: 1 };
        let effects = [delete.clone(), wait, delete.clone(), delete];
        assert_eq!(nearest_await(&effects, 3), 1);
        assert_eq!(nearest_await(&effects, 1), 1);
        assert_eq!(nearest_await(&effects, 0), 0);
    }
}
