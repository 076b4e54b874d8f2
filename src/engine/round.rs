//! A round: what is due for every entity is decided, all intents go out by one
//! push, all steps are worked on at once, and what came of them is recorded by
//! one push. Owns that order; one entity that waits or fails must never hold
//! up another.

use super::concurrently::concurrently;
use super::course::{Course, Turn};
use super::fact::Fact;
use super::intent::Linked;
use super::outcome::{Class, Halt, Rest};
use super::survey::Due;
use super::work::{End, Work};
use super::{Engine, Reading, RunError};
use crate::core::decide::StepVerdict;
use crate::core::strategy::StepKind;
use crate::port::Ports;

impl<P: Ports> Engine<'_, P> {
    /// One round over the entities that do not rest. True if plan and record
    /// have to be read again.
    pub(super) async fn round(
        &self,
        reading: &mut Reading,
        courses: &mut [Course],
    ) -> Result<bool, RunError> {
        let active: Vec<usize> = (0..courses.len())
            .filter(|i| courses.get(*i).is_some_and(|c| c.rest.is_none()))
            .collect();
        let held = self.held(reading)?;
        let mut surveyed = {
            let (reading, held) = (&*reading, &held);
            let keys = active.iter().filter_map(|i| courses.get(*i)).map(|course| &course.key);
            let sweep = &self.sweep(reading, keys).await?;
            let one =
                |i: &usize| courses.get(*i).map(|course| self.survey(reading, held, course, sweep));
            concurrently(active.iter().filter_map(one)).await
        };
        self.doubt_refusals(reading, &mut surveyed).await?;
        let mut stale = false;
        let (mut links, mut linked_to) = (Vec::new(), Vec::new());
        let mut works: Vec<(usize, Work)> = Vec::new();
        let mut held_back = Vec::new();
        for (i, due) in active.into_iter().zip(surveyed) {
            let Some(course) = courses.get_mut(i) else { continue };
            match due {
                Ok(Due::Nothing(rest)) => stale |= course.note(Ok(Turn::Rest(rest))),
                Ok(Due::Held(holder, rest)) => held_back.push((i, holder, rest)),
                Ok(Due::Look(act)) => {
                    let mut work = Work::new(course.key.clone(), *act);
                    work.had_its_turn = course.won;
                    works.push((i, work));
                }
                Ok(Due::Decision(link)) => {
                    links.push(*link);
                    linked_to.push(i);
                }
                Err(halt) => stale |= course.note(Err(halt)),
            }
        }
        for (i, holder, rest) in held_back {
            // Whatever this round does about the holder comes first.
            let of_holder = |place: &usize| courses.get(*place).is_some_and(|c| c.key == holder);
            let moves = linked_to.iter().chain(works.iter().map(|(i, _)| i)).any(of_holder);
            let turn = if moves { Err(Halt::Again) } else { Ok(Turn::Rest(rest)) };
            if let Some(course) = courses.get_mut(i) {
                stale |= course.note(turn);
            }
        }
        for (i, linked) in linked_to.into_iter().zip(self.locked(reading, links).await?) {
            let Some(course) = courses.get_mut(i) else { continue };
            match linked {
                Linked::Locked(work) => {
                    course.won = true;
                    works.push((i, *work));
                }
                Linked::Recorded => stale |= course.note(Ok(Turn::Moved)),
                Linked::Not(halt) => stale |= course.note(Err(halt)),
            }
        }
        self.warn(&works);
        for (i, turn) in self.worked(reading, works).await? {
            let Some(course) = courses.get_mut(i) else { continue };
            stale |= course.note(turn);
        }
        Ok(stale)
    }

    /// Intents: the anchor is seen to before the push and raised after it, once
    /// for all.
    async fn locked(
        &self,
        reading: &mut Reading,
        links: Vec<super::survey::Link>,
    ) -> Result<Vec<Linked>, RunError> {
        if links.is_empty() {
            return Ok(Vec::new());
        }
        if let Err(halt) = self.anchored(reading).await {
            return Ok(links.iter().map(|_| Linked::Not(halt.clone())).collect());
        }
        let linked = self.begin(reading, links).await?;
        let epochs = linked.iter().filter_map(|linked| match linked {
            Linked::Locked(work) => work.lock.as_ref().map(|lock| lock.epoch),
            Linked::Recorded | Linked::Not(_) => None,
        });
        let Some(newest) = epochs.max() else { return Ok(linked) };
        match self.raise_anchor(reading, newest).await {
            Ok(()) => Ok(linked),
            // The intents are out: whoever comes next takes the steps over.
            Err(error) => Ok(linked.into_iter().map(|linked| stopped(linked, &error)).collect()),
        }
    }

    fn warn(&self, works: &[(usize, Work)]) {
        for (_, work) in works {
            for warning in &work.act.warnings {
                let text = format!("{}: {warning}", work.key);
                self.ports.audience().hear(&crate::port::Progress::Notice(text));
            }
        }
    }

    /// Works on steps and records what came of them.
    async fn worked(
        &self,
        reading: &mut Reading,
        works: Vec<(usize, Work)>,
    ) -> Result<Vec<(usize, Result<Turn, Halt>)>, RunError> {
        if works.is_empty() {
            return Ok(Vec::new());
        }
        let (places, mut works): (Vec<usize>, Vec<Work>) = works.into_iter().unzip();
        let ends = self.drive(reading, &mut works).await?;
        let mut told = Vec::new();
        let mut facts = Vec::new();
        for (place, (work, end)) in works.iter().zip(&ends).enumerate() {
            if let Some(fact) = fact(work, end) {
                told.push(place);
                facts.push((work, fact));
            }
        }
        let answers = self.tell(reading, facts).await;
        let mut failed: Vec<Option<Halt>> = works.iter().map(|_| None).collect();
        for (place, answer) in told.into_iter().zip(answers) {
            if let (Err(halt), Some(slot)) = (answer, failed.get_mut(place)) {
                *slot = Some(halt);
            }
        }
        let turns = works.iter().zip(ends).zip(failed);
        let turns = turns.map(|((work, end), failed)| turn(work, end, failed));
        Ok(places.into_iter().zip(turns).collect())
    }
}

fn stopped(linked: Linked, error: &RunError) -> Linked {
    match linked {
        Linked::Locked(_) => Linked::Not(Halt::Error(error.clone())),
        other => other,
    }
}

/// What has to be recorded of how a step ended in this round.
fn fact(work: &Work, end: &End) -> Option<Fact> {
    let result = |verdict, message: &str| Some(Fact::Result(verdict, message.to_owned()));
    match end {
        End::Succeeded => result(StepVerdict::Succeeded, ""),
        End::Failed(seen) => result(StepVerdict::Failed, seen),
        End::Stopped => result(StepVerdict::Stopped, ""),
        // Another wait than the recorded one: its time begins now, or no round
        // would ever be long enough for it.
        End::Waiting(seen) if work.lock.is_none() && work.has_moved_on() => {
            Some(Fact::Waiting(seen.clone()))
        }
        _ if work.lock.is_none() => None,
        End::Waiting(seen) | End::Paused(seen) | End::SetBack(seen) => {
            Some(Fact::Waiting(seen.clone()))
        }
        End::Halted(Halt::Error(error))
            if error.class != Class::NotRecorded && !work.wrote && work.is_fresh() =>
        {
            let reason = error.message.lines().next().unwrap_or_default();
            Some(Fact::Nothing(reason.to_owned()))
        }
        // Where every write has a definite answer the lock is given back, so
        // that the next run need not wait for its lease to end.
        End::Halted(Halt::Error(error))
            if error.class != Class::NotRecorded && work.is_fenced() =>
        {
            let reason = error.message.lines().next().unwrap_or_default();
            Some(Fact::Waiting(reason.to_owned()))
        }
        End::Unlocked | End::Halted(_) => None,
    }
}

/// What the round came to for the entity, once its fact is recorded, or could
/// not be.
fn turn(work: &Work, end: End, failed: Option<Halt>) -> Result<Turn, Halt> {
    let key = &work.key;
    match (end, failed) {
        (End::Halted(Halt::Error(error)), Some(_)) if work.wrote => {
            Err(RunError { class: Class::NotRecorded, ..error }.into())
        }
        (End::Halted(halt), _) => Err(halt),
        (_, Some(halt)) => Err(halt),
        (End::Succeeded | End::Failed(_) | End::Stopped, None) => {
            let settles = work.act.step.kind == StepKind::Settle;
            Ok(if settles { Turn::Settled } else { Turn::Moved })
        }
        (End::Waiting(seen), None) => {
            Ok(Turn::Rest(Rest::awaiting(format!("{key}: waiting, {seen}"))))
        }
        (End::Paused(seen), None) if seen == SIGNAL => {
            let message = format!("{key}: {SIGNAL}; the next run goes on");
            Ok(Turn::Rest(Rest::of(Class::Waiting, message)))
        }
        (End::Paused(_), None) => Ok(Turn::Moved),
        (End::SetBack(seen), None) => Ok(Turn::Wants(work.wants(0, Some(seen)))),
        (End::Unlocked, None) => Ok(Turn::Wants(work.wants(work.from(), None))),
    }
}

/// Why a run that was asked to stop gives its locks back.
pub(super) const SIGNAL: &str = "stopped by a signal";
