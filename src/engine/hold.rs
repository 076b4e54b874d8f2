//! Sleeping through holds: what a gate waits for that only time opens. Owns how
//! long a run sleeps; it must never sleep past an instant that somebody has to
//! be looked at, and writes nothing.

use super::course::Course;
use super::watch::Watch;
use super::{Engine, ROUND, Reading, RunError};
use crate::core::model::ClusterRef;
use crate::port::{Clock, Ports, Remote};
use jiff::{SignedDuration, Timestamp};

impl<P: Ports> Engine<'_, P> {
    /// Lets time pass until the first hold is over that ends before `until`, or
    /// until somebody has moved the plan or the record. False if there is none:
    /// what opens later is for a later run.
    pub(super) async fn slept(
        &self,
        reading: &Reading,
        courses: &[Course],
        until: Timestamp,
    ) -> Result<bool, RunError> {
        let ends = courses.iter().filter_map(Course::held_until);
        let Some(end) = ends.filter(|end| *end <= until).min() else { return Ok(false) };
        let round = SignedDuration::try_from(ROUND).unwrap_or_default();
        let recorded = reading.tip.as_ref().map(|tip| &tip.commit);
        loop {
            let now = self.ports.clock().now().await?;
            if now >= end || self.ports.process().stopping() {
                return Ok(true);
            }
            let tips = self.ports.remote().fetch(&self.target.record_branch).await?;
            if tips.plan != reading.newest || tips.record.as_ref() != recorded {
                return Ok(true);
            }
            let watch = Watch::default();
            let may_jump = self.may_jump(reading, &watch, now).await?;
            let look = now.saturating_add(round).unwrap_or(end);
            let next = match may_jump {
                true => self.next_deadline(reading, &watch, now)?.map_or(end, |at| at.min(end)),
                false => look.min(end),
            };
            let mut now = now;
            while now < next && !self.ports.process().stopping() {
                let at_most = next.duration_since(now).unsigned_abs();
                now = self.ports.clock().wait(at_most, may_jump).await?;
                // Its time may stand still while others are at work.
                if self.target.cluster == ClusterRef::Sandbox {
                    break;
                }
            }
        }
    }
}
