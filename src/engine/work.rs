//! One step under way, effect by effect. Owns the order inside a step and when
//! it has to stop; it must never push: what came of it is told to the round.

use super::course::Want;
use super::health::{workloads, written};
use super::intent::Lock;
use super::outcome::Halt;
use super::part::Part;
use super::round::SIGNAL;
use super::watch::Watch;
use super::whence::{believed, is_wait, nearest_await, seen_anew, seen_from};
use super::{Engine, RunError, WRITE_MARGIN};
use crate::core::decide::{Act, Entry};
use crate::core::health::Rules;
use crate::core::object::{Live, ObjectRef};
use crate::core::record::{EntityRecord, OpenStep};
use crate::core::strategy::{
    Condition, Effect, EntityKey, Look, Sight, StepKind, look, mark_of, revision_of,
};
use crate::port::{Clock, Cluster, CommitId, Ports, Progress};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A step under way.
pub(super) struct Work {
    pub(super) key: EntityKey,
    pub(super) act: Act,
    /// The record as this run last pushed or read it.
    pub(super) record: EntityRecord,
    /// The lock, while it is held.
    pub(super) lock: Option<Lock>,
    pub(super) cursor: usize,
    /// Ready pods at the last look, by workload, and at the last look of all.
    ready: (BTreeMap<ObjectRef, u32>, Option<u32>),
    /// The record before the intent; none if there was none.
    pub(super) before: Option<Rc<EntityRecord>>,
    /// Something was written that no commit tells of yet.
    pub(super) wrote: bool,
    /// The tip that was looked at last.
    pub(super) seen: Option<CommitId>,
    /// That tip holds an abort of this attempt.
    pub(super) aborting: bool,
    /// The objects of the intent that was taken over carry our epoch.
    stamped: bool,
    /// The waits from the cursor up to here held at the last look.
    met_until: usize,
    /// When this run came to the cursor's wait.
    arrived: Option<Timestamp>,
    /// The last look at the cursor's wait showed that it never comes.
    doubted: bool,
    /// Objects that this run created and the intent does not name: the next
    /// fetch confirms them all.
    pub(super) unconfirmed: BTreeSet<String>,
    /// Objects that were not there at the look before the intent.
    pub(super) absent: BTreeSet<ObjectRef>,
    /// What is being written.
    pub(super) part: Part,
    /// Evictions without a definite answer.
    unsure: u32,
    /// The lane that has it still, by the record that the round began with.
    pub(super) kept_by: Option<String>,
    /// What the hook at the cursor answered, and when it is called again.
    pub(super) answered: Option<(Timestamp, String)>,
    /// This run has had a lock for it before: what it calls again is in no hurry.
    pub(super) had_its_turn: bool,
}

/// How far a step came.
#[derive(Clone, Debug)]
pub(super) enum Pace {
    /// It can go on.
    Going,
    /// It waits for something, in words.
    Blocked(String),
    /// It has come to an end, or to where this round has to record it.
    Over(End),
}

/// How a step came to its end in this round.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// All effects are done.
    Succeeded,
    /// What it waited for did not come in time.
    Failed(String),
    /// An abort on the tip stops it.
    Stopped,
    /// What it waits for has not come in this round.
    Waiting(String),
    /// The lease is over, or a signal stops the run: the lock is given back.
    Paused(String),
    /// It cannot come by waiting: it has to be done again.
    SetBack(String),
    /// There is more to write and no lock.
    Unlocked,
    /// It is not ours any more, or an error ended it.
    Halted(Halt),
}

impl Work {
    pub(super) fn new(key: EntityKey, act: Act) -> Self {
        Self {
            key,
            record: act.record.clone(),
            lock: None,
            cursor: believed(&act),
            ready: (BTreeMap::new(), None),
            before: None,
            wrote: false,
            seen: None,
            aborting: false,
            stamped: act.entry != Entry::Takeover,
            met_until: 0,
            arrived: None,
            doubted: false,
            unconfirmed: BTreeSet::new(),
            absent: BTreeSet::new(),
            part: Part::default(),
            unsure: 0,
            kept_by: None,
            answered: None,
            had_its_turn: false,
            act,
        }
    }

    /// The same with a lock that was won, from an effect on.
    pub(super) fn locked(
        mut self,
        lock: Lock,
        record: EntityRecord,
        before: Option<Rc<EntityRecord>>,
        cursor: usize,
        live: &Live,
    ) -> Self {
        self.before = before;
        // Who takes over knows nothing of what its predecessor has created since.
        if self.is_fresh() {
            let objects = self.act.step.effects.iter().map(Effect::object);
            self.absent = objects.filter(|object| !live.contains(object)).cloned().collect();
        }
        self.lock = Some(lock);
        self.record = record;
        // What is gone on with begins where looks have led; a takeover where the
        // record is believed.
        if self.act.entry == Entry::Resume {
            self.cursor = cursor;
        }
        self
    }

    /// Ready pods at the last look; of several components those of all, once all
    /// were looked at. Pods on nodes that an earlier batch has brought are looked at
    /// by none after it.
    pub(super) fn ready(&self) -> Option<u32> {
        let (by_workload, last) = &self.ready;
        let table = &self.act.table;
        if table.moved().len() < 2 {
            return *last;
        }
        let told = self.record.on_nodes;
        let is_told = |one: &ObjectRef| told > 0 && table.uncounted().contains(one);
        let looked = table.uncounted().iter().all(|one| by_workload.contains_key(one));
        let due = table.moved().iter().filter(|one| looked || !is_told(one));
        let seen: Option<u32> = due.map(|one| by_workload.get(one).copied()).sum();
        let told = if looked { 0 } else { told };
        seen.map(|seen| seen.saturating_add(told))
    }

    /// Pods on nodes, of workloads whose number of pods nobody knew before.
    pub(super) fn on_nodes(&self) -> u32 {
        let counts = self.act.table.uncounted().iter().filter_map(|one| self.ready.0.get(one));
        counts.fold(0, |sum, pods| sum.saturating_add(*pods))
    }

    pub(super) fn effect(&self) -> Option<&Effect> {
        self.act.step.effects.get(self.cursor)
    }

    /// Goes on to an effect.
    pub(super) fn go_to(&mut self, cursor: usize) {
        self.cursor = cursor;
        self.arrived = None;
        self.answered = None;
        self.doubted = false;
    }

    /// Whether an effect's object may be created without a look at it: it was
    /// not there before, and this run has not tried yet.
    pub(super) fn takes_for_absent(&mut self, place: usize) -> bool {
        let object = self.act.step.effects.get(place).map(Effect::object);
        object.is_some_and(|object| self.absent.remove(object))
    }

    /// A tip that was fetched since has shown the intent open: what it does not
    /// name may be written.
    pub(super) fn confirm(&mut self, uids: Vec<String>) {
        self.unconfirmed.extend(uids);
        if let Some(lock) = &mut self.lock {
            lock.named.append(&mut self.unconfirmed);
        }
    }

    /// What the cursor waits for does not come by waiting. The step is done
    /// again where that brings it; what an earlier batch has brought and
    /// somebody took away since is a failure, as a success is only at two looks.
    pub(super) fn undone(&mut self, object: &ObjectRef, seen: String) -> Pace {
        let before = self.act.step.effects.iter().take(self.cursor);
        let brings = before.filter(|effect| effect.writes()).any(|e| e.object() == object);
        if brings || self.act.step.kind.is_patient() {
            return Pace::Over(End::SetBack(seen));
        }
        if std::mem::replace(&mut self.doubted, true) {
            return Pace::Over(End::Failed(seen));
        }
        Pace::Blocked(seen)
    }

    /// Whether the step was begun by this very intent.
    pub(super) fn is_fresh(&self) -> bool {
        self.act.entry == Entry::Fresh
    }

    /// Whether every write of an earlier holder is dead for certain. Until then
    /// the lock must not be given back.
    pub(super) fn is_fenced(&self) -> bool {
        self.stamped
    }

    /// Whether the record stands at another wait than this run does, or has not
    /// begun to count the time of this one.
    pub(super) fn has_moved_on(&self) -> bool {
        let begun = |open: &OpenStep| open.waits_at == Some(self.cursor);
        let counts = drains(&self.act, self.cursor);
        let open = self.record.open.as_ref();
        open.is_some_and(|open| open.cursor != self.cursor || (counts && !begun(open)))
    }

    /// The cursor's wait was met at the last look; one more look decides.
    pub(super) fn nearly_met(&self) -> bool {
        self.met_until > self.cursor
    }

    /// Whether the cursor stands at a wait, or at what may have to wait.
    pub(super) fn waits(&self) -> bool {
        self.effect().is_some_and(|e| !e.writes() || matches!(e, Effect::Evict { .. }))
    }

    /// What the cursor stands at cannot be done now: it waits, or has waited for
    /// too long.
    pub(super) fn not_yet(&mut self, seen: String, now: Timestamp) -> Pace {
        self.doubted = false;
        match self.deadline() {
            Some(deadline) if now >= deadline => Pace::Over(End::Failed(seen)),
            _ => Pace::Blocked(seen),
        }
    }

    /// This run has come to the cursor, if it had not before.
    pub(super) fn arrives(&mut self, now: Timestamp) {
        self.arrived.get_or_insert(now);
    }

    /// One more eviction without a definite answer: how many there were before.
    pub(super) fn unsure(&mut self) -> u32 {
        self.unsure += 1;
        self.unsure - 1
    }

    /// How long what the cursor waits for may take. The way back never fails
    /// by its deadline: it repeats.
    pub(super) fn deadline_seconds(&self) -> Option<u32> {
        match self.effect() {
            Some(
                Effect::Await { deadline_seconds, .. }
                | Effect::Evict { deadline_seconds, .. }
                | Effect::Call { deadline_seconds, .. },
            ) => Some(*deadline_seconds).filter(|_| self.is_bounded()),
            _ => None,
        }
    }

    /// Whether the wait at the cursor never ends by its deadline. What another
    /// entity has to do is no fault of this one, and nothing is won by going back;
    /// nor is it where only somebody has to hear that all is done.
    fn is_patient(&self) -> bool {
        self.act.step.kind.is_patient() || self.awaits_another() || self.tells_the_end()
    }

    /// Whether any wait of the step is for another entity's doing.
    pub(super) fn needs_another(&self) -> bool {
        self.act.step.effects.iter().any(|effect| effect.claimed().is_none())
    }

    /// Whether what is waited for is another entity's doing.
    pub(super) fn awaits_another(&self) -> bool {
        self.effect().is_some_and(|effect| effect.claimed().is_none())
    }

    /// When the wait at the cursor is over, if an earlier run has begun it.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let open = self.record.open.as_ref()?;
        let same = open.id == *self.act.step.id() && open.waits_at == Some(self.cursor);
        open.deadline.filter(|_| same && self.is_bounded())
    }

    /// Whether time runs out for what is at the cursor: by its failing, or, where
    /// only somebody was to hear that all is done, by its being given up.
    fn is_bounded(&self) -> bool {
        self.tells_the_end() || !self.is_patient()
    }

    /// Since when everything before the cursor is known to be done: since the
    /// record stands at this very wait, if it does, else since this run has
    /// come here. What was done again after a set-back, or by a run that died,
    /// was done later than any wait of before: its record stands at an earlier
    /// effect.
    fn known_since(&mut self, now: Timestamp) -> Timestamp {
        let arrived = *self.arrived.get_or_insert(now);
        self.recorded_here().map_or(arrived, |since| since.min(arrived))
    }

    fn recorded_here(&self) -> Option<Timestamp> {
        let open = self.record.open.as_ref().filter(|open| open.id == *self.act.step.id());
        let open = open.filter(|open| open.cursor == self.cursor)?;
        // A cursor alone says nothing of time: it may be edited, and the time
        // beside it may be that of another wait.
        open.since.filter(|_| open.waits_at == Some(self.cursor))
    }

    /// When a condition at the cursor that has to hold for a while has held
    /// long enough.
    pub(super) fn held_until(&self) -> Option<Timestamp> {
        if let Some(at) = self.calls_at() {
            return Some(at);
        }
        let Some(Effect::Await { condition, .. }) = self.effect() else { return None };
        let seconds = SignedDuration::from_secs(i64::from(condition.holds_for()?));
        let since = self.recorded_here().into_iter().chain(self.arrived).min()?;
        since.checked_add(seconds).ok()
    }

    /// Whether this step has written an object again after the wait at the
    /// cursor. What was waited for had come then, and what a later write says
    /// never comes back to it; that write is compared by its fields, and waits
    /// of its own follow it.
    fn went_on(&self, object: &ObjectRef, live: &Value) -> bool {
        self.act.wrote_after(self.cursor, object, live)
    }

    /// Whether what a wait of this step stands on was never written: its object
    /// carries the mark of something earlier. The record says how far a step is,
    /// marks say what it has done. A cursor that was edited to skip a write is
    /// believed no further than they go: whether pods are updated no count
    /// tells, if the template that they are counted by is not the step's.
    pub(super) fn unwritten(&self, object: &ObjectRef, live: &Value) -> bool {
        let mut before = self.act.step.effects.iter().enumerate().take(self.cursor);
        let newest = before.rfind(|(_, effect)| {
            matches!(effect, Effect::Write { object: written, .. } if written == object)
        });
        let (Some((newest, _)), Some((step, done))) = (newest, mark_of(live)) else {
            return false;
        };
        step != *self.act.step.id() || done < newest
    }

    /// The lock that it needs to go on from an effect.
    pub(super) fn wants(&self, cursor: usize, set_back: Option<String>) -> Want {
        let epoch = self.record.open.as_ref().map_or(0, |open| open.epoch);
        Want { step: self.act.step.id().clone(), epoch, cursor, set_back }
    }

    /// Where an intent has to begin to go on: whatever was awaited is seen
    /// again under the lock.
    pub(super) fn from(&self) -> usize {
        let effects = &self.act.step.effects;
        if self.calls() {
            return self.cursor;
        }
        let at = nearest_await(effects, self.cursor);
        if !is_wait(effects, at) {
            return at;
        }
        let said = seen_from(&self.act, self.record.open.as_ref(), at);
        seen_anew(effects, said)
    }
}

impl Act {
    /// Whether the step has written an object after an effect, by its marks.
    fn wrote_after(&self, at: usize, object: &ObjectRef, live: &Value) -> bool {
        let Some((step, done)) = mark_of(live).filter(|(_, done)| *done > at) else {
            return false;
        };
        let Some(Effect::Write { side, object: written, .. }) = self.step.effects.get(done) else {
            return false;
        };
        let revision = self.table.get(*side, written).map(|(_, revision)| revision.short());
        step == *self.step.id() && written == object && revision_of(live) == revision
    }

    /// Whether the way back has pointed a Service elsewhere since: what it was
    /// pointed at before may be gone by now.
    pub(super) fn is_past(&self, at: usize, object: &ObjectRef, live: &Value) -> bool {
        self.step.kind == StepKind::Abort && self.wrote_after(at, object, live)
    }
}

impl<P: Ports> Engine<'_, P> {
    /// Takes a step as far as it goes without waiting.
    pub(super) async fn advance(&self, watch: &Watch, work: &mut Work) -> Pace {
        loop {
            match self.effect(watch, work).await {
                Ok(Pace::Going) => {}
                Ok(pace) => return pace,
                Err(halt) => return Pace::Over(End::Halted(halt)),
            }
        }
    }

    async fn effect(&self, watch: &Watch, work: &mut Work) -> Result<Pace, Halt> {
        let over = |end| Ok(Pace::Over(end));
        if !work.stamped {
            self.stamp(watch, work).await?;
            work.stamped = true;
            self.heed_now(watch, work).await?;
        }
        // The lock is held: the step is closed first, and then goes back.
        if work.aborting {
            return match work.lock {
                Some(_) => over(End::Stopped),
                None => Err(Halt::Lost),
            };
        }
        let Some(effect) = work.effect().cloned() else { return over(End::Succeeded) };
        if matches!(effect, Effect::Evict { .. }) {
            return self.evict_some(watch, work, &effect).await;
        }
        let calls = work.calls();
        if !effect.writes() && !calls {
            return self.look_at_wait(work, &effect).await;
        }
        if work.lock.is_none() {
            return self.without_lock(work).await;
        }
        match self.may_not_write(watch, work).await? {
            Some(stop) => Ok(stop),
            None if calls => self.call(watch, work).await,
            None => self.write_part(watch, work).await,
        }
    }

    /// Before each write: why this run stops first, if it does.
    pub(super) async fn may_not_write(
        &self,
        watch: &Watch,
        work: &mut Work,
    ) -> Result<Option<Pace>, Halt> {
        let over = |end| Ok(Some(Pace::Over(end)));
        if self.ports.process().stopping() {
            return over(End::Paused(SIGNAL.to_owned()));
        }
        if self.lease_over(work).await? {
            return over(End::Paused("the write lease is over".to_owned()));
        }
        self.heed(watch, work).await?;
        Ok(work.aborting.then_some(Pace::Going))
    }

    /// One look at what is awaited; it has to hold at two.
    async fn look_at_wait(&self, work: &mut Work, effect: &Effect) -> Result<Pace, Halt> {
        let since = work.known_since(self.ports.clock().now().await?);
        let mut seen = self.look(work, effect, since).await?;
        if let Some(lane) = work.kept_by.as_ref().filter(|_| work.awaits_another()) {
            // A run that has not heard of its end may still write for it.
            (seen.met, seen.seen) = (false, format!("lane {lane} has it still"));
        }
        if let Some(ready) = seen.ready.filter(|_| work.act.table.rolls(effect.object())) {
            work.ready.0.insert(effect.object().clone(), ready);
            work.ready.1 = Some(ready);
        }
        if seen.met {
            work.doubted = false;
            if work.nearly_met() {
                work.go_to(work.cursor + 1);
                return Ok(Pace::Going);
            }
            work.met_until = self.met_from(work).await?;
            return Ok(Pace::Blocked(seen.seen));
        }
        work.met_until = work.cursor;
        if seen.set_back {
            return Ok(work.undone(effect.object(), seen.seen));
        }
        // What has failed for good fails the step, as a success only at two looks.
        if seen.failed && !work.act.step.kind.is_patient() {
            if std::mem::replace(&mut work.doubted, true) {
                return Ok(Pace::Over(End::Failed(seen.seen)));
            }
            return Ok(Pace::Blocked(seen.seen));
        }
        if let Some((object, lost)) = self.lost(work, effect, since).await? {
            return Ok(work.undone(&object, lost));
        }
        if let Some(gone) = self.missing_of(&seen.in_doubt).await? {
            let lost = format!("{gone} is not there");
            return Ok(work.undone(&gone, lost));
        }
        work.doubted = false;
        self.ports.audience().hear(&Progress::Looking(seen.seen.clone()));
        let now = self.ports.clock().now().await?;
        if work.deadline().is_some_and(|deadline| now >= deadline) {
            return Ok(Pace::Over(End::Failed(seen.seen)));
        }
        Ok(Pace::Blocked(seen.seen))
    }

    /// What a Service waits for never comes once somebody has taken away the
    /// pods that this step has brought before: in words, what is lost.
    async fn lost(
        &self,
        work: &Work,
        effect: &Effect,
        since: Timestamp,
    ) -> Result<Option<(ObjectRef, String)>, Halt> {
        let Effect::Await { condition, .. } = effect else { return Ok(None) };
        if !condition.counts_endpoints() {
            return Ok(None);
        }
        let effects = &work.act.step.effects;
        for index in 0..work.cursor {
            let Some(brought) = brought(&work.act, index) else { continue };
            let object = brought.object();
            let between = effects.iter().take(work.cursor).skip(index + 1);
            if between.filter(|later| later.writes()).any(|later| later.object() == object) {
                continue;
            }
            let seen = self.look(work, &brought, since).await?;
            if seen.set_back {
                return Ok(Some((object.clone(), seen.seen)));
            }
        }
        Ok(None)
    }

    /// What a route waits for never comes once somebody has taken away a
    /// Service that it sends to, whoever has brought it: the first of those that
    /// is not there.
    async fn missing_of(&self, in_doubt: &[ObjectRef]) -> Result<Option<ObjectRef>, Halt> {
        for object in in_doubt {
            if self.ports.cluster().get(object).await?.is_none() {
                return Ok(Some(object.clone()));
            }
        }
        Ok(None)
    }

    /// Up to which effect the waits from the cursor on hold, the first of which
    /// was just seen to: they share the second look.
    async fn met_from(&self, work: &Work) -> Result<usize, Halt> {
        let mut next = work.cursor + 1;
        let now = self.ports.clock().now().await?;
        while let Some(effect @ Effect::Await { .. }) = work.act.step.effects.get(next)
            && self.look(work, effect, now).await?.met
        {
            next += 1;
        }
        Ok(next)
    }

    pub(super) async fn look(
        &self,
        work: &Work,
        effect: &Effect,
        since: Timestamp,
    ) -> Result<Look, Halt> {
        let Effect::Await { object, condition, .. } = effect else {
            return Ok(Look { met: true, ..Look::default() });
        };
        let live = self.ports.cluster().get(object).await?;
        if live.as_ref().is_some_and(|live| work.unwritten(object, live)) {
            let seen = format!("{object} was not written by this step yet");
            return Ok(Look { set_back: true, seen, ..Look::default() });
        }
        if condition.is_of_route() && live.as_ref().is_some_and(|live| work.went_on(object, live)) {
            let seen = format!("{object} was written again since");
            return Ok(Look { met: true, seen, ..Look::default() });
        }
        if live.is_none() && self.has_deleted(&work.act, work.cursor, object).await? {
            let seen = format!("{object} was deleted by this step");
            return Ok(Look { met: true, seen, ..Look::default() });
        }
        let lessened = self.left_to_serve(work, condition, (object, live.as_deref())).await?;
        let condition = lessened.as_ref().unwrap_or(condition);
        let beside = match condition.beside(object) {
            Some((kind, labels)) => {
                self.ports.cluster().list(&kind, object.namespace.as_deref(), &labels).await?
            }
            None => self.class_beside(condition, object, live.as_ref()).await,
        };
        let now = self.ports.clock().now().await?;
        let rules = match condition {
            Condition::Healthy | Condition::RouteAccepted { .. } | Condition::Drained { .. } => {
                self.rules_of(&work.act)?
            }
            _ => Rules::default(),
        };
        let sight = Sight {
            live: live.as_deref(),
            beside: &beside,
            rules: &rules,
            workloads: Some(workloads(&work.act, work.cursor, object)),
            written: written(&work.act, work.cursor, object),
            now: Some(now),
            waited: now.duration_since(since),
        };
        Ok(look(condition, object, &sight))
    }

    /// Whether this run may not write any more under its lock.
    pub(super) async fn lease_over(&self, work: &Work) -> Result<bool, RunError> {
        let Some(lock) = &work.lock else { return Ok(false) };
        let now = self.ports.clock().now().await?;
        Ok(out_of_time(lock, now))
    }
}

/// What has to stand still of the pods that the wait at an effect has brought:
/// as many as the step has written before it. Where it leaves their number to
/// others, that they are there at all.
fn brought(act: &Act, index: usize) -> Option<Effect> {
    let effects = &act.step.effects;
    let Effect::Await { object, condition, deadline_seconds } = effects.get(index)? else {
        return None;
    };
    let written = effects.iter().take(index).rev().find_map(|effect| match effect {
        Effect::Write { object: written, driven, .. } if written == object => driven.replicas,
        _ => None,
    });
    let condition = match (condition, written) {
        (Condition::Ready { .. }, _) => condition.clone(),
        (Condition::Healthy, _) if workloads(act, index, object).of_object(object).is_none() => {
            return None;
        }
        (Condition::Healthy, Some(at_least)) => Condition::Ready { at_least },
        (Condition::Healthy, None) => Condition::Healthy,
        _ => return None,
    };
    let (object, deadline_seconds) = (object.clone(), *deadline_seconds);
    Some(Effect::Await { object, condition, deadline_seconds })
}

/// Whether what is at an effect counts time.
fn drains(act: &Act, at: usize) -> bool {
    let effect = act.step.effects.get(at);
    matches!(effect, Some(Effect::Await { condition, .. }) if condition.holds_for().is_some())
}

/// Whether a lock lets nobody write any more.
pub(super) fn out_of_time(lock: &Lock, now: Timestamp) -> bool {
    let margin = SignedDuration::try_from(WRITE_MARGIN).unwrap_or_default();
    now.saturating_add(margin).unwrap_or(now) >= lock.until
}
