//! Waiting: looks at what is awaited, with and without the lock.

use super::outcome::Halt;
use super::perform::{LOOK_EVERY, Work};
use super::{Engine, ROUND, Reading, WRITE_MARGIN};
use crate::core::model::ClusterRef;
use crate::core::record::Phase;
use crate::core::strategy::{Effect, EntityKey, Look, StepKind, look};
use crate::port::{Clock, Cluster, Ports, Progress};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Between the two reads that a met condition needs.
const SECOND_READ: Duration = Duration::from_secs(1);

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// The condition held at two reads.
    Met,
    /// It cannot come by waiting.
    SetBack(String),
    /// It did not come in time.
    TimedOut(String),
    /// This run waits no longer.
    Parked(String),
}

impl<P: Ports> Engine<'_, P> {
    /// Waits for one effect.
    pub(super) async fn wait(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &mut Work,
        effect: &Effect,
    ) -> Result<Waited, Halt> {
        let clock = self.ports.clock();
        let started = clock.now().await?;
        let round_end = later(started, ROUND);
        let until = self.until.get().map_or(round_end, |until| until.min(round_end));
        loop {
            let seen = self.look(effect).await?;
            if seen.ready.is_some() {
                work.ready = seen.ready;
            }
            if seen.met {
                let may_jump = self.may_jump(reading, key, work).await?;
                clock.wait(SECOND_READ, may_jump).await?;
                if self.look(effect).await?.met {
                    return Ok(Waited::Met);
                }
            } else if seen.set_back {
                return Ok(Waited::SetBack(seen.seen));
            }
            self.ports.audience().hear(&Progress::Looking(seen.seen.clone()));
            let now = clock.now().await?;
            let deadline = deadline(work);
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Ok(Waited::TimedOut(seen.seen));
            }
            if self.ports.process().stopping() {
                return Ok(Waited::Parked(seen.seen));
            }
            if now >= round_end || self.lease_ends(work, now) {
                self.release(reading, key, work, &seen.seen).await?;
            }
            if now >= until {
                return Ok(Waited::Parked(seen.seen));
            }
            let checkpoint = if work.lock.is_some() { round_end.min(until) } else { until };
            let may_jump = self.may_jump(reading, key, work).await?;
            let end = self.next_deadline(reading, now)?.into_iter().chain(deadline);
            let end = end.fold(checkpoint, Timestamp::min);
            let at_most = end.duration_since(now).max(SignedDuration::from_secs(1));
            clock.wait(at_most.unsigned_abs(), may_jump).await?;
        }
    }

    async fn look(&self, effect: &Effect) -> Result<Look, Halt> {
        let Effect::Await { object, condition, .. } = effect else {
            return Ok(Look { met: true, set_back: false, seen: String::new(), ready: None });
        };
        let live = self.ports.cluster().get(object).await?;
        Ok(look(*condition, object, live.as_ref()))
    }

    fn lease_ends(&self, work: &Work, now: Timestamp) -> bool {
        let margin = SignedDuration::try_from(WRITE_MARGIN).unwrap_or_default();
        work.lock
            .as_ref()
            .is_some_and(|lock| now >= lock.until.saturating_sub(margin).unwrap_or(now))
    }

    /// Looks at the record's tip if the last look is older than `every`: an
    /// abort, or a step that is no longer ours, ends the work.
    pub(super) async fn watch(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &mut Work,
        every: SignedDuration,
    ) -> Result<(), Halt> {
        let now = self.ports.clock().now().await?;
        if work.looked.is_some_and(|looked| now.duration_since(looked) < every) {
            return Ok(());
        }
        work.looked = Some(now);
        let newest = self.newest_record().await?;
        // Compared with what was looked at, never with our own tip: a fact of
        // ours may stand on a decision that nobody has looked at yet.
        if newest.is_some() && newest == work.seen {
            return Ok(());
        }
        let snapshot = self.snapshot_at(newest.clone());
        let record = snapshot.entity(key)?;
        let open = record.as_ref().and_then(|r| r.open.as_ref());
        let mine = open.is_some_and(|open| {
            open.id == work.act.step.id
                && match &work.lock {
                    Some(lock) => open.phase == Phase::Intent && open.epoch == lock.epoch,
                    None => Some(open) == work.record.open.as_ref(),
                }
        });
        if !mine {
            return Err(match work.lock {
                Some(_) => Halt::Superseded(format!(
                    "{key}: the record's tip shows our intent no more: another run has taken over"
                )),
                None => Halt::Lost,
            });
        }
        work.seen.clone_from(&newest);
        if let Some(newest) = newest {
            reading.tip = Some(self.tip(&newest)?);
        }
        let attempt = work.act.record.attempt;
        if work.act.step.kind != StepKind::Abort && snapshot.decisions(key)?.aborts(attempt) {
            // Without the lock the decision is made anew; with it the step is
            // closed first.
            return Err(if work.lock.is_some() { Halt::Aborted } else { Halt::Lost });
        }
        Ok(())
    }

    /// Whether the target's clock may jump: only the sandbox's ever does, and
    /// only while the tip, read just before, shows nobody else at work.
    async fn may_jump(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        work: &mut Work,
    ) -> Result<bool, Halt> {
        if self.target.cluster != ClusterRef::Sandbox {
            self.watch(reading, key, work, LOOK_EVERY).await?;
            return Ok(false);
        }
        self.watch(reading, key, work, SignedDuration::ZERO).await?;
        let now = self.ports.clock().now().await?;
        let process = self.ports.process();
        let others = self.snapshot(reading).rows()?.into_iter().any(|(record, _)| {
            record.open.is_some_and(|open| {
                open.phase == Phase::Intent
                    && open.holder.run != process.holder().run
                    && now < open.lease_until
                    && !process.provably_dead(&open.holder)
            })
        });
        Ok(!others)
    }

    /// The next deadline of any waiting step, for a clock that jumps.
    fn next_deadline(&self, reading: &Reading, now: Timestamp) -> Result<Option<Timestamp>, Halt> {
        if self.target.cluster != ClusterRef::Sandbox {
            return Ok(None);
        }
        let rows = self.snapshot(reading).rows()?;
        let deadlines = rows.into_iter().filter_map(|(record, _)| record.open?.deadline);
        Ok(deadlines.filter(|deadline| *deadline > now).min())
    }
}

/// When the wait at the cursor is over, if an earlier run has begun it.
fn deadline(work: &Work) -> Option<Timestamp> {
    let open = work.record.open.as_ref()?;
    let same = open.id == work.act.step.id && open.waits_at == Some(work.cursor);
    open.deadline.filter(|_| same && work.act.step.kind != StepKind::Abort)
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or_default();
    from.saturating_add(by).unwrap_or(from)
}
