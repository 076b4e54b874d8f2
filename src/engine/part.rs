//! Writes of one step that need no order among them, a bounded number at a
//! time. Owns which are under way and when the next may begin; it must never
//! leave one behind that was sent: all are waited for, whatever came of one.

use super::check::{first_write, is_brought};
use super::concurrently::concurrently;
use super::outcome::Halt;
use super::watch::Watch;
use super::work::{End, Pace, Work};
use super::write::Written;
use super::{Class, Engine};
use crate::core::strategy::{Effect, Step, wave};
use crate::port::{Cluster, ClusterProblem, Ports};
use std::collections::BTreeSet;
use std::ops::Range;

/// Effects that are begun between two looks at the lease, at the record's tip
/// and at signals.
const MOST_OF_A_WAVE: usize = 64;

/// The effects that are being written at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// Those that are not done yet; none once all are.
    left: BTreeSet<usize>,
    /// The effect after the last of them.
    end: usize,
    /// Up to here the server was asked before the first write.
    asked: usize,
}

impl Part {
    /// The effects to write from a cursor on.
    fn at(&mut self, step: &Step, cursor: usize) -> Vec<usize> {
        if self.left.is_empty() {
            let Range { start, end } = wave(step, cursor);
            self.end = end.min(start + MOST_OF_A_WAVE);
            self.left = (start..self.end).collect();
        }
        self.left.iter().copied().collect()
    }
}

impl<P: Ports> Engine<'_, P> {
    /// Writes what the cursor stands at, and what may be written with it.
    pub(super) async fn write_part(&self, watch: &Watch, work: &mut Work) -> Result<Pace, Halt> {
        let Some(lock) = work.lock.clone() else { return Ok(Pace::Over(End::Unlocked)) };
        if let Some(seen) = self.ask_about_wave(work).await? {
            return Ok(Pace::Blocked(seen));
        }
        let places = work.part.at(&work.act.step, work.cursor);
        let absent: Vec<bool> = places.iter().map(|place| work.takes_for_absent(*place)).collect();
        let (key, act, lock) = (&work.key, &work.act, &lock);
        let writes = places.iter().zip(absent).map(|(place, absent)| async move {
            // Closed never: who has no turn would wait for ever.
            let _turn = self.writing.acquire().await.ok();
            self.write(key, act, *place, lock, absent).await
        });
        let answers = concurrently(writes).await;
        let (mut unnamed, mut late, mut worst) = (Vec::new(), false, None);
        for (place, answer) in places.into_iter().zip(answers) {
            match answer {
                Ok(Written::Done) => {
                    work.wrote = true;
                    work.part.left.remove(&place);
                }
                Ok(Written::Whole(uid)) => {
                    work.wrote = true;
                    work.unconfirmed.insert(uid);
                    work.part.left.remove(&place);
                }
                // The same effect again: it sees what it has created.
                Ok(Written::Created(uid)) => {
                    work.wrote = true;
                    work.unconfirmed.insert(uid);
                }
                Ok(Written::Unnamed(uid)) => unnamed.push(uid),
                Ok(Written::OutOfTime) => late = true,
                Err(halt) => worst = Some(graver(worst, halt)),
            }
        }
        if let Some(halt) = worst {
            return Err(halt);
        }
        if late {
            return Ok(Pace::Over(End::Paused("the write lease is over".to_owned())));
        }
        if !unnamed.is_empty() {
            self.heed_now(watch, work).await?;
            work.confirm(unnamed);
        }
        if work.part.left.is_empty() {
            work.go_to(work.part.end);
        }
        Ok(Pace::Going)
    }

    /// Before the first write of a wave the server is asked about what it could
    /// not be asked about before the intent: its namespace or its kind was not
    /// there yet. In words what is still not there, if anything is: a kind is
    /// served some time after its definition says so.
    async fn ask_about_wave(&self, work: &mut Work) -> Result<Option<String>, Halt> {
        let (act, cursor) = (&work.act, work.cursor);
        if cursor < work.part.asked {
            return Ok(None);
        }
        let Range { start, end } = wave(&act.step, cursor);
        let unasked = (start..end).filter(|place| {
            let object = act.step.effects.get(*place).map(Effect::object);
            object.is_some_and(|object| work.absent.contains(object) && is_brought(act, object))
        });
        let writes: Vec<_> =
            unasked.filter_map(|place| first_write(&work.key, act, place, None)).collect();
        let asked = writes.iter().map(|(object, state, mode)| async move {
            self.ports.cluster().apply(object, state, mode, true).await.map(drop)
        });
        for answer in concurrently(asked).await {
            match answer {
                Ok(()) => {}
                // Only the write itself tells.
                Err(error)
                    if matches!(
                        error.problem,
                        ClusterProblem::Stale(_) | ClusterProblem::NoDryRun(_)
                    ) => {}
                Err(error) if matches!(error.problem, ClusterProblem::NoKind(_)) => {
                    return Ok(Some(error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        work.part.asked = end;
        Ok(None)
    }
}

/// Of two ends the one that leaves less to be done by this run.
fn graver(one: Option<Halt>, other: Halt) -> Halt {
    let weight = |halt: &Halt| match halt {
        Halt::Superseded(_) => 3,
        Halt::Error(error) if error.class == Class::NotRecorded => 2,
        Halt::Lost | Halt::Again | Halt::Outdated(_) => 1,
        Halt::Error(_) => 0,
    };
    match one {
        Some(one) if weight(&one) >= weight(&other) => one,
        _ => other,
    }
}
