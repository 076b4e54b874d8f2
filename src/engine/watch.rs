//! The record's tip while steps are under way, fetched once for all of them.
//! Owns how young a look has to be; it must never answer a question with a
//! fetch that was begun before it was asked for fresh.

use super::outcome::Halt;
use super::work::Work;
use super::{Engine, RunError};
use crate::core::decide::heeds_abort;
use crate::core::record::{EntityRecord, Phase};
use crate::port::{Clock, CommitId, Ports, Remote};
use jiff::{SignedDuration, Timestamp};
use std::cell::{Cell, RefCell};
use tokio::sync::Mutex;

/// How old a look at the tip may be before an effect.
pub(super) const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// The newest look at the tip.
#[derive(Clone, Debug)]
struct Seen {
    /// Which fetch it was, counted from 1.
    fetch: u64,
    at: Timestamp,
    tip: Option<CommitId>,
}

/// One round's looks at the tip.
#[derive(Debug, Default)]
pub(super) struct Watch {
    begun: Cell<u64>,
    seen: RefCell<Option<Seen>>,
    fetching: Mutex<()>,
}

impl Watch {
    /// The tip that was seen last; none if none was looked at yet.
    pub(super) fn last(&self) -> Option<Option<CommitId>> {
        self.seen.borrow().as_ref().map(|seen| seen.tip.clone())
    }
}

impl<P: Ports> Engine<'_, P> {
    /// The tip by a fetch that is begun after this call. Who asks meanwhile
    /// shares the next fetch, never the one under way.
    pub(super) async fn fresh_tip(&self, watch: &Watch) -> Result<Option<CommitId>, RunError> {
        let asked = watch.begun.get();
        let _turn = watch.fetching.lock().await;
        if let Some(seen) = watch.seen.borrow().as_ref().filter(|seen| seen.fetch > asked) {
            return Ok(seen.tip.clone());
        }
        let fetch = watch.begun.get() + 1;
        watch.begun.set(fetch);
        let at = self.ports.clock().now().await?;
        let tip = self.ports.remote().fetch_record(&self.target.record_branch).await?;
        *watch.seen.borrow_mut() = Some(Seen { fetch, at, tip: tip.clone() });
        Ok(tip)
    }

    async fn recent_tip(&self, watch: &Watch) -> Result<Option<CommitId>, RunError> {
        let now = self.ports.clock().now().await?;
        let seen = watch.seen.borrow().clone();
        match seen.filter(|seen| now.duration_since(seen.at) < LOOK_EVERY) {
            Some(seen) => Ok(seen.tip),
            None => self.fresh_tip(watch).await,
        }
    }

    /// Before an effect: an abort, or a step that is no longer ours, ends the
    /// work.
    pub(super) async fn heed(&self, watch: &Watch, work: &mut Work) -> Result<(), Halt> {
        let tip = self.recent_tip(watch).await?;
        self.is_ours_still(&tip, work)
    }

    /// The same on a tip that is fetched now.
    pub(super) async fn heed_now(&self, watch: &Watch, work: &mut Work) -> Result<(), Halt> {
        let tip = self.fresh_tip(watch).await?;
        self.is_ours_still(&tip, work)
    }

    fn is_ours_still(&self, tip: &Option<CommitId>, work: &mut Work) -> Result<(), Halt> {
        // Compared with what was looked at, never with our own tip: a fact of
        // ours may stand on a decision that nobody has looked at yet.
        if tip.is_some() && *tip == work.seen {
            return Ok(());
        }
        let snapshot = self.snapshot_at(tip.clone());
        let record = snapshot.entity(&work.key)?;
        if !record.is_some_and(|record| ours(&record, work)) {
            return Err(not_ours(work));
        }
        work.seen.clone_from(tip);
        let attempt = work.act.record.attempt;
        if heeds_abort(work.act.step.kind, &work.act.record)
            && snapshot.decisions(&work.key)?.aborts(attempt)
        {
            work.aborting = true;
        }
        Ok(())
    }
}

/// Whether the open step on a record is the one that this run works on.
pub(super) fn ours(record: &EntityRecord, work: &Work) -> bool {
    let Some(open) = &record.open else { return false };
    open.id == *work.act.step.id()
        && match &work.lock {
            Some(lock) => open.phase == Phase::Intent && open.epoch == lock.epoch,
            None => Some(open) == work.record.open.as_ref(),
        }
}

/// A step that is not ours any more. Without the lock only looks were taken:
/// another run has recorded the same fact, or taken the lock.
pub(super) fn not_ours(work: &Work) -> Halt {
    match work.lock {
        Some(_) => Halt::Superseded(format!(
            "{}: the record's tip shows our intent no more: another run has taken over",
            work.key
        )),
        None => Halt::Lost,
    }
}
