//! All steps of a round at once, until each has ended or the round is over.
//! Owns time within a round; it must never touch the record.

use super::concurrently::concurrently;
use super::outcome::Halt;
use super::round::SIGNAL;
use super::watch::Watch;
use super::work::{End, Pace, Work, out_of_time};
use super::{Engine, ROUND, Reading, RunError};
use crate::core::model::ClusterRef;
use crate::core::record::Phase;
use crate::port::{Clock, Ports};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Between the two reads that a met condition needs.
const SECOND_READ: SignedDuration = SignedDuration::from_secs(1);

impl<P: Ports> Engine<'_, P> {
    /// Works on steps; each answer belongs to the step at its place.
    pub(super) async fn drive(
        &self,
        reading: &mut Reading,
        works: &mut [Work],
    ) -> Result<Vec<End>, RunError> {
        let watch = Watch::default();
        let started = self.ports.clock().now().await?;
        let round_end = later(started, ROUND);
        let until = self.until.get().map_or(round_end, |until| until.min(round_end));
        for work in works.iter_mut().filter(|work| work.needs_another()) {
            work.kept_by = self.lane_of(reading, &work.key)?;
        }
        let mut paces: Vec<Pace> = works.iter().map(|_| Pace::Going).collect();
        loop {
            self.go_on(&watch, works, &mut paces).await;
            let blocked = paces.iter().any(|pace| matches!(pace, Pace::Blocked(_)));
            if !blocked {
                break;
            }
            let now = match self.ports.clock().now().await {
                Ok(now) => now,
                Err(error) => {
                    halt_blocked(&mut paces, &error.into());
                    break;
                }
            };
            let stopping = self.ports.process().stopping();
            for (work, pace) in works.iter().zip(&mut paces) {
                close(work, pace, now, now >= until, stopping);
            }
            if !paces.iter().any(|pace| matches!(pace, Pace::Blocked(_))) {
                break;
            }
            if let Err(error) = self.pause(reading, &watch, works, &mut paces, now, until).await {
                halt_blocked(&mut paces, &error);
                break;
            }
        }
        if let Some(Some(commit)) = watch.last() {
            reading.tip = Some(self.tip(&commit)?);
        }
        let ends = paces.into_iter().map(|pace| match pace {
            Pace::Over(end) => end,
            Pace::Blocked(seen) => End::Waiting(seen),
            Pace::Going => End::Unlocked,
        });
        Ok(ends.collect())
    }

    async fn go_on(&self, watch: &Watch, works: &mut [Work], paces: &mut [Pace]) {
        let going = works.iter_mut().zip(&*paces).enumerate();
        let going = going.filter(|(_, (_, pace))| !matches!(pace, Pace::Over(_)));
        let advanced =
            going.map(|(place, (work, _))| async move { (place, self.advance(watch, work).await) });
        for (place, pace) in concurrently(advanced).await {
            if let Some(slot) = paces.get_mut(place) {
                *slot = pace;
            }
        }
    }

    /// Lets time pass until something may have changed, and heeds the tip for
    /// everything that waits.
    async fn pause(
        &self,
        reading: &Reading,
        watch: &Watch,
        works: &mut [Work],
        paces: &mut [Pace],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<(), RunError> {
        let may_jump = self.may_jump(reading, watch, now).await?;
        for (work, pace) in works.iter_mut().zip(paces.iter_mut()) {
            if matches!(pace, Pace::Blocked(_))
                && let Err(halt) = self.heed(watch, work).await
            {
                *pace = Pace::Over(End::Halted(halt));
            }
        }
        let waiting = works.iter().zip(&*paces).filter(|(_, p)| matches!(p, Pace::Blocked(_)));
        let waiting: Vec<&Work> = waiting.map(|(work, _)| work).collect();
        if waiting.is_empty() || waiting.iter().any(|work| work.aborting) {
            return Ok(());
        }
        let second_look =
            waiting.iter().any(|work| work.nearly_met()).then(|| now.saturating_add(SECOND_READ));
        let end = waiting
            .iter()
            .flat_map(|work| work.deadline().into_iter().chain(work.held_until()))
            .filter(|at| *at > now)
            .chain(self.next_deadline(reading, watch, now)?)
            .chain(second_look.into_iter().flatten())
            .fold(until, Timestamp::min);
        let at_most = end.duration_since(now).max(SECOND_READ);
        self.ports.clock().wait(at_most.unsigned_abs(), may_jump).await?;
        Ok(())
    }

    /// Whether the target's clock may jump: only the sandbox's ever does, and
    /// only while the tip, read just before, shows nobody else at work.
    pub(super) async fn may_jump(
        &self,
        reading: &Reading,
        watch: &Watch,
        now: Timestamp,
    ) -> Result<bool, RunError> {
        if self.target.cluster != ClusterRef::Sandbox {
            return Ok(false);
        }
        let tip = self.fresh_tip(watch).await?.or(reading.tip.as_ref().map(|t| t.commit.clone()));
        let process = self.ports.process();
        let others = self.rows_at(tip.as_ref())?.iter().any(|(record, _)| {
            record.open.as_ref().is_some_and(|open| {
                open.phase == Phase::Intent
                    && open.holder.run != process.holder().run
                    && now < open.lease_until
                    && !process.provably_dead(&open.holder)
            })
        });
        Ok(!others)
    }

    /// The next deadline of any waiting step, for a clock that jumps.
    pub(super) fn next_deadline(
        &self,
        reading: &Reading,
        watch: &Watch,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, RunError> {
        if self.target.cluster != ClusterRef::Sandbox {
            return Ok(None);
        }
        let tip = watch.last().flatten().or(reading.tip.as_ref().map(|t| t.commit.clone()));
        let rows = self.rows_at(tip.as_ref())?;
        let deadlines = rows.iter().filter_map(|(record, _)| record.open.as_ref()?.deadline);
        Ok(deadlines.filter(|deadline| *deadline > now).min())
    }
}

/// What waits gives its lock back when the round, its lease or the run is
/// over.
fn close(work: &Work, pace: &mut Pace, now: Timestamp, round_over: bool, stopping: bool) {
    let Pace::Blocked(seen) = &*pace else { return };
    if stopping {
        *pace = Pace::Over(match work.lock {
            Some(_) => End::Paused(SIGNAL.to_owned()),
            None => End::Waiting(seen.clone()),
        });
    } else if round_over {
        *pace = Pace::Over(End::Waiting(seen.clone()));
    } else if work.lock.as_ref().is_some_and(|lock| out_of_time(lock, now)) {
        *pace = Pace::Over(End::Paused(seen.clone()));
    }
}

fn halt_blocked(paces: &mut [Pace], error: &RunError) {
    for pace in paces {
        if matches!(pace, Pace::Blocked(_)) {
            *pace = Pace::Over(End::Halted(Halt::Error(error.clone())));
        }
    }
}

fn later(from: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or_default();
    from.saturating_add(by).unwrap_or(from)
}
