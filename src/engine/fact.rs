//! Facts: what happened, put on whatever the tip is by then, while the step is
//! still ours. Owns that; it must never decide anything.

use super::chain::{Entry, Pushed};
use super::concurrently::concurrently;
use super::intent::named;
use super::outcome::{Class, Halt};
use super::watch::{not_ours, ours};
use super::work::Work;
use super::{Engine, MAX_LOSSES, Reading, RunError};
use crate::core::decide::{
    Conclusion, Entry as StepEntry, Parked, StepVerdict, concluded, heeds_abort, parked, unwritten,
};
use crate::core::object::at;
use crate::core::record::{
    CommitPhase, EntityRecord, NamedObject, effects_body, result_subject, unwritten_subject,
    waiting_subject,
};
use crate::core::strategy::StepKind;
use crate::port::{Clock, Ports, Progress};
use jiff::Timestamp;
use serde_json::Value;

/// What is to be said of a step.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    /// It waits, and its lock is given back.
    Waiting(String),
    /// It is closed as if it had never been begun.
    Nothing(String),
    /// It is closed.
    Result(StepVerdict, String),
}

/// One fact on its way.
struct Telling<'w> {
    work: &'w Work,
    fact: Fact,
    seen: Vec<NamedObject>,
    /// What a success says of objects that were not seen healthy.
    remark: String,
}

impl<P: Ports> Engine<'_, P> {
    /// Records facts by one push; each answer belongs to the fact at its
    /// place.
    pub(super) async fn tell(
        &self,
        reading: &mut Reading,
        facts: Vec<(&Work, Fact)>,
    ) -> Vec<Result<(), Halt>> {
        let seen = concurrently(facts.iter().map(|(work, fact)| self.existing(work, fact))).await;
        let mut out: Vec<Option<Result<(), Halt>>> = Vec::with_capacity(facts.len());
        let mut left: Vec<Option<Telling<'_>>> = Vec::with_capacity(facts.len());
        for ((work, fact), seen) in facts.into_iter().zip(seen) {
            match seen {
                Ok((seen, remark)) => {
                    if !remark.is_empty() {
                        let text = format!("{}: {remark}", work.key);
                        self.ports.audience().hear(&Progress::Notice(text));
                    }
                    out.push(None);
                    left.push(Some(Telling { work, fact, seen, remark }));
                }
                Err(error) => {
                    out.push(Some(Err(unrecorded(work, error).into())));
                    left.push(None);
                }
            }
        }
        for _ in 0..MAX_LOSSES {
            match self.push_facts(reading, &mut left, &mut out).await {
                Ok(Pushed::Won) => {
                    settle(&mut left, &mut out, |_| Ok(()));
                    break;
                }
                Ok(Pushed::Lost) => match self.newest_tip(reading).await {
                    Ok(()) => {}
                    Err(error) => {
                        settle(&mut left, &mut out, |w| Err(unrecorded(w, error.clone()).into()));
                    }
                },
                Err(Halt::Error(error)) => {
                    settle(&mut left, &mut out, |w| Err(unrecorded(w, error.clone()).into()));
                }
                Err(halt) => settle(&mut left, &mut out, |_| Err(halt.clone())),
            }
            if left.iter().all(Option::is_none) {
                break;
            }
        }
        settle(&mut left, &mut out, |work| Err(unrecorded(work, super::course::crowded()).into()));
        out.into_iter().map(|out| out.unwrap_or(Ok(()))).collect()
    }

    async fn push_facts(
        &self,
        reading: &mut Reading,
        left: &mut [Option<Telling<'_>>],
        out: &mut [Option<Result<(), Halt>>],
    ) -> Result<Pushed, Halt> {
        let now = self.ports.clock().now().await?;
        let snapshot = self.snapshot(reading);
        let mut entries = Vec::new();
        for (slot, out) in left.iter_mut().zip(out) {
            let Some(telling) = slot else { continue };
            let work = telling.work;
            let record = snapshot.entity(&work.key)?.filter(|record| ours(record, work));
            let Some(record) = record else {
                *out = Some(Err(not_ours(work)));
                *slot = None;
                continue;
            };
            let aborting = snapshot.decisions(&work.key)?.aborts(record.attempt);
            entries.push(telling.entry(&record, aborting, now, &reading.plan_commit.0));
        }
        if entries.is_empty() {
            return Ok(Pushed::Won);
        }
        if !self.follows_now(reading).await? {
            return Err(Halt::Lost);
        }
        let mut chain = self.chain(reading, now)?;
        let last = entries.len() - 1;
        for (place, entry) in entries.into_iter().enumerate() {
            self.add(&mut chain, entry, place == last)?;
        }
        self.push(reading, chain).await
    }

    async fn newest_tip(&self, reading: &mut Reading) -> Result<(), RunError> {
        let newest = self.newest_record().await?;
        reading.tip = newest.map(|commit| self.tip(&commit)).transpose()?;
        Ok(())
    }

    /// What exists under the names of a step and of its intents, and what a
    /// success says of it.
    async fn existing(
        &self,
        work: &Work,
        fact: &Fact,
    ) -> Result<(Vec<NamedObject>, String), RunError> {
        let mut live = self.live_of(&work.act).await?;
        let mut all = named(&work.act, &live, &work.record);
        // What was created under the intent has a uid by now, what is gone has
        // none any more.
        self.look_at(all.iter().map(|named| &named.object), &mut live).await?;
        for named in &mut all {
            let found = live.get(&named.object);
            let uid = found.and_then(|l| at(l, "/metadata/uid")).and_then(Value::as_str);
            named.uid = uid.map(str::to_owned);
            let generation = found.and_then(|l| at(l, "/metadata/generation"));
            named.generation = generation.and_then(Value::as_u64);
        }
        let remark = match fact {
            Fact::Result(StepVerdict::Succeeded, _) => self.unhealthy(work, &live).await?,
            _ => String::new(),
        };
        Ok((all, remark))
    }
}

impl Telling<'_> {
    fn entry(
        &self,
        record: &EntityRecord,
        aborting: bool,
        now: Timestamp,
        plan_commit: &str,
    ) -> Entry {
        let step = &self.work.act.step;
        let end = |verdict, message| Conclusion {
            verdict,
            now,
            plan_commit,
            pause: self.work.act.pause_after(),
            aborting,
            recovered: self.work.act.entry == StepEntry::Takeover,
            message,
            ready: self.work.ready(),
            on_nodes: self.work.on_nodes(),
        };
        let (next, phase, subject) = match &self.fact {
            Fact::Waiting(reason) => self.waiting(record, now, reason),
            // An abort of the attempt that was just begun is not lost with it: what
            // it named would begin anew under the same number.
            Fact::Nothing(message) if aborting && heeds_abort(step.kind, record) => {
                let end = end(StepVerdict::Stopped, message);
                self.result(record, &Conclusion { recovered: false, ready: None, ..end })
            }
            Fact::Nothing(message) => {
                let next = unwritten(record, self.work.before.as_deref(), step, now, message);
                (next, CommitPhase::Result, unwritten_subject(record, step))
            }
            Fact::Result(verdict, message) => {
                let message = if message.is_empty() { &self.remark } else { message };
                self.result(record, &end(*verdict, message))
            }
        };
        Entry {
            record: next,
            step: Some(step.id().clone()),
            phase,
            subject,
            body: effects_body(step),
            seen: self.known(),
        }
    }

    /// What the inventory is told. To be known is what an orphan is not, so of a
    /// removal that is only what is gone.
    fn known(&self) -> Option<Vec<NamedObject>> {
        if self.work.act.step.kind != StepKind::Orphans {
            let handed = self.work.act.handed.iter();
            let handed = handed.map(|object| NamedObject {
                object: object.clone(),
                uid: None,
                generation: None,
            });
            return Some(self.seen.iter().cloned().chain(handed).collect());
        }
        let gone = self.seen.iter().filter(|named| named.uid.is_none()).cloned();
        Some(gone.collect()).filter(|gone: &Vec<_>| !gone.is_empty())
    }

    fn waiting(&self, record: &EntityRecord, now: Timestamp, reason: &str) -> Told {
        let work = self.work;
        let wait = Parked {
            cursor: work.cursor,
            now,
            waits: work.waits(),
            rolled: !work.calls(),
            deadline_seconds: work.deadline_seconds(),
            reason,
            ready: work.ready(),
            objects: self.seen.clone(),
        };
        let next = parked(record, wait);
        let subject = waiting_subject(&next, &work.act.step, reason);
        (next, CommitPhase::Waiting, subject)
    }

    fn result(&self, record: &EntityRecord, end: &Conclusion<'_>) -> Told {
        let step = &self.work.act.step;
        let next = concluded(record, step, end);
        let subject = result_subject(record, &next, step, end.verdict);
        (next, CommitPhase::Result, subject)
    }
}

/// The record after a fact, what its commit is, and its subject.
type Told = (EntityRecord, CommitPhase, String);

fn settle(
    left: &mut [Option<Telling<'_>>],
    out: &mut [Option<Result<(), Halt>>],
    answer: impl Fn(&Work) -> Result<(), Halt>,
) {
    for (slot, out) in left.iter_mut().zip(out) {
        if let Some(telling) = slot.take() {
            *out = Some(answer(telling.work));
        }
    }
}

/// An error that keeps a fact from the record: if something was written, that
/// is what counts.
fn unrecorded(work: &Work, error: RunError) -> RunError {
    if !work.wrote {
        return error;
    }
    let next = "`tranche apply` again proves the step from the cluster and records it";
    RunError::new(Class::NotRecorded, format!("applied, but not recorded: {}", error.message), next)
}
