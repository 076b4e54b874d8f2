//! Intents: winning their push is the lock. Owns how a round's decisions come
//! onto the record, all of them by one push, and which of them may be put on a
//! newer tip; it must never change a decision.

use super::chain::{Entry, Pushed};
use super::outcome::Halt;
use super::survey::{Link, LinkContent};
use super::work::Work;
use super::{Engine, MAX_LOSSES, Reading, RunError, Tip, WRITE_LEASE};
use crate::core::decide::{Act, Intended, intended};
use crate::core::object::{Live, ObjectRef, at};
use crate::core::record::{CommitPhase, EntityRecord, NamedObject, effects_body, intent_subject};
use crate::core::strategy::Effect;
use crate::port::{Clock, CommitId, Objects, Ports, Remote};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A won lock.
#[derive(Clone, Debug)]
pub(super) struct Lock {
    /// The fencing token.
    pub(super) epoch: u64,
    /// Until when this run may write.
    pub(super) until: Timestamp,
    /// The uids that the intent names; a created object is added once a tip
    /// fetched after that has shown the intent still open.
    pub(super) named: BTreeSet<String>,
}

/// What became of a link.
pub(super) enum Linked {
    /// Its lock is won: the step may be written.
    Locked(Box<Work>),
    /// It is on the record, and that is all.
    Recorded,
    /// It has to be decided anew, or cannot be.
    Not(Halt),
}

impl<P: Ports> Engine<'_, P> {
    /// Puts decisions onto the record by one push; each answer belongs to the
    /// link at its place.
    pub(super) async fn begin(
        &self,
        reading: &mut Reading,
        links: Vec<Link>,
    ) -> Result<Vec<Linked>, RunError> {
        let mut out: Vec<Option<Linked>> = links.iter().map(|_| None).collect();
        let mut links: Vec<Option<Link>> = links.into_iter().map(Some).collect();
        self.only_one_each(&mut links, &mut out);
        // A round's facts and looks bring a newer tip than the one that was read
        // with the plan: nothing begins by an older plan than its tip tells of.
        if let Some(tip) = &reading.tip
            && !self.options.accept_rewind
            && !self.plan_is_ours(reading, tip)?
        {
            fail(&mut links, &mut out, &Halt::Lost);
        }
        for _ in 0..MAX_LOSSES {
            if links.iter().all(Option::is_none) {
                break;
            }
            let (pushed, locks) = match self.push_links(reading, &links).await {
                Ok(done) => done,
                Err(error) => {
                    fail(&mut links, &mut out, &error);
                    break;
                }
            };
            match pushed {
                Pushed::Won => {
                    let won = links.iter_mut().zip(out.iter_mut()).zip(locks);
                    for ((link, out), lock) in won {
                        if let Some(link) = link.take() {
                            *out = Some(linked(link, lock));
                        }
                    }
                }
                Pushed::Lost => self.keep_untouched(reading, &mut links, &mut out).await?,
            }
        }
        let lost = || Linked::Not(Halt::Lost);
        Ok(out.into_iter().map(|linked| linked.unwrap_or_else(lost)).collect())
    }

    /// Two decisions of one round over the same object: the second waits for
    /// the next round.
    fn only_one_each(&self, links: &mut [Option<Link>], out: &mut [Option<Linked>]) {
        let mut taken: BTreeSet<ObjectRef> = BTreeSet::new();
        for (slot, out) in links.iter_mut().zip(out) {
            let Some(Link { content: LinkContent::Intent { act, .. }, .. }) = slot else {
                continue;
            };
            let objects: BTreeSet<ObjectRef> =
                act.step.effects.iter().filter_map(|effect| effect.claimed().cloned()).collect();
            if taken.is_disjoint(&objects) {
                taken.extend(objects);
            } else {
                *slot = None;
                *out = Some(Linked::Not(Halt::Again));
            }
        }
    }

    async fn push_links(
        &self,
        reading: &mut Reading,
        links: &[Option<Link>],
    ) -> Result<(Pushed, Vec<Option<(Lock, EntityRecord)>>), Halt> {
        let now = self.ports.clock().now().await?;
        let lease = SignedDuration::try_from(WRITE_LEASE).unwrap_or_default();
        let until = now.checked_add(lease).unwrap_or(now);
        let mut chain = self.chain(reading, now)?;
        let last = links.iter().rposition(Option::is_some);
        let mut locks = Vec::with_capacity(links.len());
        for (place, link) in links.iter().enumerate() {
            let Some(link) = link else {
                locks.push(None);
                continue;
            };
            let (entry, lock) = self.entry(link, chain.next_seq(), until);
            let record = entry.record.clone();
            self.add(&mut chain, entry, Some(place) == last)?;
            locks.push(lock.map(|lock| (lock, record)));
        }
        Ok((self.push(reading, chain).await?, locks))
    }

    fn entry(&self, link: &Link, epoch: u64, until: Timestamp) -> (Entry, Option<Lock>) {
        let (act, cursor, live) = match &link.content {
            LinkContent::Intent { act, cursor, live } => (act, *cursor, live),
            LinkContent::Amend(record, subject) => {
                let entry = Entry {
                    record: record.as_ref().clone(),
                    step: None,
                    phase: CommitPhase::Result,
                    subject: subject.clone(),
                    body: String::new(),
                    seen: None,
                };
                return (entry, None);
            }
        };
        let objects = named(act, live, &act.record);
        let uids = objects.iter().filter_map(|named| named.uid.clone()).collect();
        let record = intended(
            &act.record,
            &act.step,
            Intended {
                cursor,
                step_plan: &act.step_plan,
                epoch,
                holder: self.ports.process().holder(),
                lease_until: until,
                objects,
            },
        );
        let entry = Entry {
            subject: intent_subject(&record, &act.step, act.entry),
            record,
            step: Some(act.step.id().clone()),
            phase: CommitPhase::Intent,
            body: effects_body(&act.step),
            seen: None,
        };
        (entry, Some(Lock { epoch, until, named: uids }))
    }

    /// After a lost push: what was decided on something that the newer tip has
    /// changed is decided anew, the rest goes on that tip.
    async fn keep_untouched(
        &self,
        reading: &mut Reading,
        links: &mut [Option<Link>],
        out: &mut [Option<Linked>],
    ) -> Result<(), RunError> {
        let newest = self.ports.remote().fetch_record(&self.target.record_branch).await?;
        let tip = newest.map(|commit| self.tip(&commit)).transpose()?;
        let fits = match &tip {
            Some(tip) => self.plan_is_ours(reading, tip)?,
            None => false,
        };
        reading.tip = tip;
        let held = self.held(reading)?;
        for (slot, out) in links.iter_mut().zip(out) {
            let Some(link) = slot else { continue };
            let objects = self.ports.remote().objects();
            let untouched =
                fits && match &reading.tip {
                    Some(tip) => link.reads.unchanged(objects, &tip.commit)?,
                    None => false,
                } && held.by_other(link).is_none();
            if !untouched {
                *slot = None;
                *out = Some(Linked::Not(Halt::Lost));
            }
        }
        Ok(())
    }

    /// Whether the newest plan commit on a tip is ours or an ancestor of it.
    fn plan_is_ours(&self, reading: &Reading, tip: &Tip) -> Result<bool, RunError> {
        let theirs = CommitId(tip.trailers.plan_commit.clone());
        let ours = &reading.plan_commit;
        Ok(theirs == *ours || self.ports.remote().objects().contains(ours, &theirs)?)
    }
}

fn fail(links: &mut [Option<Link>], out: &mut [Option<Linked>], halt: &Halt) {
    for (link, out) in links.iter_mut().zip(out) {
        if link.take().is_some() {
            *out = Some(Linked::Not(halt.clone()));
        }
    }
}

fn linked(link: Link, lock: Option<(Lock, EntityRecord)>) -> Linked {
    match (link.content, lock) {
        (LinkContent::Intent { act, cursor, live }, Some((lock, record))) => Linked::Locked(
            Box::new(Work::new(link.key, *act).locked(lock, record, link.before, cursor, &live)),
        ),
        _ => Linked::Recorded,
    }
}

/// Every object of a step, with uid and generation where it exists, and every
/// object of the intent before it: the list only grows while a step is open.
pub(super) fn named(act: &Act, live: &Live, record: &EntityRecord) -> Vec<NamedObject> {
    let mut all: BTreeMap<ObjectRef, NamedObject> = BTreeMap::new();
    let before = record.open.iter().flat_map(|open| &open.objects);
    for named in before {
        all.insert(named.object.clone(), named.clone());
    }
    for effect in &act.step.effects {
        let Some(object) = effect.claimed() else { continue };
        let found = live.get(object);
        let text = |p: &str| found.and_then(|l| at(l, p)).and_then(Value::as_str);
        // What a delete is to hit it says itself, whatever a read has shown: by
        // that a removal of leftovers is told from a forged one.
        let deleted = match effect {
            Effect::Delete { uid, .. } => uid.clone(),
            _ => None,
        };
        // A read may answer an older state: what the intent before it knew is
        // not forgotten for that.
        let known = all.get(object).and_then(|before| before.uid.clone());
        let named = NamedObject {
            object: object.clone(),
            uid: deleted.or_else(|| text("/metadata/uid").map(str::to_owned)).or(known),
            generation: found.and_then(|l| at(l, "/metadata/generation")).and_then(Value::as_u64),
        };
        all.insert(object.clone(), named);
    }
    all.into_values().collect()
}
