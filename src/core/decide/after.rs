//! From what was done to the next record: pure, so that any run can put a fact
//! on any tip. Owns every change of a status file that a step makes; it must
//! never look at the cluster.

use super::{Event, RollingState, State};
use crate::core::model::Pause;
use crate::core::record::{
    Boundary, Ended, Ending, EntityRecord, Holder, LastResult, NamedObject, OpenStep, Phase,
};
use crate::core::strategy::{EntityKind, Movement, Step, StepKind};
use jiff::{SignedDuration, Timestamp};

/// What an intent says besides its step.
#[derive(Clone, Debug)]
pub struct Intended<'a> {
    /// The effect to begin with.
    pub cursor: usize,
    /// The plan commit the step is compiled from.
    pub step_plan: &'a str,
    /// The fencing token: the intent's own sequence number.
    pub epoch: u64,
    /// Who writes.
    pub holder: &'a Holder,
    /// Until when.
    pub lease_until: Timestamp,
    /// What it may write.
    pub objects: Vec<NamedObject>,
}

/// The record with the lock taken. Of a step that was open before, the
/// instants of its wait stay: a deadline counts from the first wait.
#[must_use]
pub fn intended(record: &EntityRecord, step: &Step, intent: Intended<'_>) -> EntityRecord {
    let before = record.open.as_ref().filter(|open| open.id == *step.id());
    let mut next = record.clone();
    next.open = Some(OpenStep {
        id: step.id().clone(),
        kind: step.kind,
        phase: Phase::Intent,
        cursor: intent.cursor,
        step_plan: intent.step_plan.to_owned(),
        epoch: intent.epoch,
        holder: intent.holder.clone(),
        lease_until: intent.lease_until,
        objects: intent.objects,
        since: before.and_then(|open| open.since),
        waits_at: before.and_then(|open| open.waits_at),
        deadline: before.and_then(|open| open.deadline),
        reason: None,
        unlocked: None,
    });
    if matches!(step.kind, StepKind::Batch(_) | StepKind::Settle) {
        next.set_state(record.state().after(&[Event::BatchSetBack]));
    }
    next
}

/// What a run says when it stops in the middle of a step.
#[derive(Clone, Debug)]
pub struct Parked<'a> {
    /// The effect to go on with.
    pub cursor: usize,
    /// The target's time.
    pub now: Timestamp,
    /// Whether the cursor stands at a wait, not at a write.
    pub waits: bool,
    /// Whether it is pods that are awaited, not the answer of a hook.
    pub rolled: bool,
    /// How long the awaited may take, counted from the first wait.
    pub deadline_seconds: Option<u32>,
    /// What is awaited, in words.
    pub reason: &'a str,
    /// Ready pods at the last look.
    pub ready: Option<u32>,
    /// What exists under the step's names.
    pub objects: Vec<NamedObject>,
}

/// The record with the lock released and the step open.
#[must_use]
pub fn parked(record: &EntityRecord, parked: Parked<'_>) -> EntityRecord {
    let mut next = record.clone();
    let back = record.open.as_ref().is_some_and(|open| open.kind.is_patient());
    if let Some(ready) = parked.ready.filter(|_| !back) {
        next.status.upgraded_ready_replicas = ready;
    }
    if parked.deadline_seconds.is_some() && parked.rolled {
        next.set_state(record.state().after(&[Event::BatchRolled]));
    }
    if let Some(open) = &mut next.open {
        // The way back has no deadline, but drains of its own.
        if parked.waits && open.waits_at != Some(parked.cursor) {
            // Another wait than the one before: its time begins now.
            open.since = None;
            open.deadline = None;
            open.waits_at = Some(parked.cursor);
        }
        if open.cursor != parked.cursor {
            // It came here anew, if only after a set-back: what it waits for
            // has not been so since the last time. The deadline stays.
            open.since = None;
        }
        open.phase = Phase::Waiting;
        open.cursor = parked.cursor;
        open.since = open.since.or(Some(parked.now));
        let limit = parked.deadline_seconds.map(|s| SignedDuration::from_secs(i64::from(s)));
        let end = limit.and_then(|limit| parked.now.checked_add(limit).ok());
        open.deadline = open.deadline.or(end);
        open.reason = Some(parked.reason.to_owned());
        // A step that only deletes is made again from what its intent names: what
        // it has deleted is named there still.
        if !open.kind.only_deletes() {
            open.objects = parked.objects;
        }
    }
    next
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepVerdict {
    /// All effects are done.
    Succeeded,
    /// What it waited for did not come in time.
    Failed,
    /// An abort stopped it at an effect boundary.
    Stopped,
    /// A person gave it up where it stood.
    Abandoned,
}

/// The end of a step.
#[derive(Clone, Debug)]
pub struct Conclusion<'a> {
    /// How it ended.
    pub verdict: StepVerdict,
    /// The target's time.
    pub now: Timestamp,
    /// The newest plan commit.
    pub plan_commit: &'a str,
    /// What the plan has waited for after the step, if anything.
    pub pause: Option<&'a Pause>,
    /// The tip holds an abort of this attempt.
    pub aborting: bool,
    /// Proven by another run than the one that wrote.
    pub recovered: bool,
    /// What was seen, in words.
    pub message: &'a str,
    /// Ready pods at the last look.
    pub ready: Option<u32>,
    /// Of those, the ones on nodes whose number nobody knew before.
    pub on_nodes: u32,
}

/// The record after a step's end.
#[must_use]
pub fn concluded(record: &EntityRecord, step: &Step, end: &Conclusion<'_>) -> EntityRecord {
    let mut next = record.clone();
    next.open = None;
    if let Some(ready) = end.ready.filter(|_| step.kind != StepKind::Abort) {
        next.status.upgraded_ready_replicas = ready;
    }
    next.last = Some(LastResult {
        step: step.id().clone(),
        kind: step.kind,
        verdict: end.verdict.into(),
        at: end.now,
        recovered: end.recovered,
        message: if step.kind == StepKind::Abort && end.verdict != StepVerdict::Abandoned {
            why_back(record)
        } else {
            end.message.to_owned()
        },
    });
    match (step.kind, end.verdict) {
        (_, StepVerdict::Abandoned) => given_up(&mut next, end),
        (StepKind::Replay(_), StepVerdict::Succeeded) => {
            next.replays += 1;
            next.rebuilt = false;
        }
        // What stood is not back yet; an abort brings stable back first.
        (StepKind::Replay(_), StepVerdict::Failed) => next.replays += 1,
        (StepKind::Batch(index), StepVerdict::Succeeded) => batch_done(&mut next, index, step, end),
        (StepKind::Abort, _) => gone_back(&mut next, end),
        // Of a rollout that has left the plan nothing serves any more: back in it,
        // it begins with a first deploy.
        (StepKind::Prune, StepVerdict::Succeeded) if record.entity.kind == EntityKind::Rollout => {
            next.stable = None;
        }
        // What was left over is no part of where the entity stands.
        (StepKind::Orphans | StepKind::Prune, _) => {}
        (StepKind::Settle, StepVerdict::Succeeded) if !gives_up(record, end) => {
            settled(&mut next);
        }
        (StepKind::Settle, _) if record.entity.kind != EntityKind::Rollout => {
            next.set_state(State {
                rolling: RollingState::RolloutFailed,
                batch: State::START.batch,
            });
        }
        // A finished rollout stays finished, whatever its mending met.
        (StepKind::Settle, _) if record.status.rolling_state.terminal() => {}
        // Nothing was moved, so there is nothing to go back to.
        (StepKind::Settle, _) => next
            .set_state(State { rolling: RollingState::RolloutFailed, batch: State::START.batch }),
        (_, StepVerdict::Failed) => {
            let failed = [Event::BatchRolled, Event::DeadlineExceeded];
            next.set_state(record.state().after(&failed));
            next.ending = Some(Ending::DeadlineExceeded);
        }
        (kind, StepVerdict::Stopped) => {
            next.replays += u32::from(matches!(kind, StepKind::Replay(_)));
            next.set_state(record.state().after(&[Event::Aborted]));
            next.ending = Some(Ending::Aborted);
        }
    }
    next
}

/// Whether an attempt that moves no pods is aborted as it ends: an abort on the
/// tip counts, however far the step came.
fn gives_up(record: &EntityRecord, end: &Conclusion<'_>) -> bool {
    end.aborting
        && record.entity.kind == EntityKind::Rollout
        && !record.status.rolling_state.terminal()
}

/// The record after an intent under which nothing was written: where it stood
/// before, with the reason. A step that waited and was to be replaced waits on:
/// it has written, and begun anew it would take its own pods away first.
#[must_use]
pub fn unwritten(
    record: &EntityRecord,
    before: Option<&EntityRecord>,
    step: &Step,
    now: Timestamp,
    message: &str,
) -> EntityRecord {
    let mut next = before.unwrap_or(record).clone();
    if before.is_none() {
        next.set_state(State::START);
        next.open = None;
    }
    next.last = Some(LastResult {
        step: step.id().clone(),
        kind: step.kind,
        verdict: Ended::NothingWritten,
        at: now,
        recovered: false,
        message: message.to_owned(),
    });
    next
}

/// Why a rollout went back to stable; after a missed deadline, what was seen
/// then.
fn why_back(record: &EntityRecord) -> String {
    let seen = record.last.as_ref().map(|last| last.message.clone()).unwrap_or_default();
    match record.ending {
        Some(Ending::DeadlineExceeded) if seen.is_empty() => "not ready in time".to_owned(),
        Some(Ending::DeadlineExceeded) => format!("not ready in time: {seen}"),
        Some(Ending::Aborted) | None => "aborted".to_owned(),
        Some(Ending::Modified) => "the plan named another target".to_owned(),
        Some(Ending::Reverted) => "the plan named the stable revision".to_owned(),
        Some(Ending::Deleted) => "removed from the plan".to_owned(),
    }
}

fn batch_done(next: &mut EntityRecord, index: u32, step: &Step, end: &Conclusion<'_>) {
    let last = next.steps.as_ref().is_none_or(|steps| index + 1 >= steps.of);
    next.goals.truncate(usize::try_from(index).unwrap_or(usize::MAX));
    next.goals.push(step.goal);
    if end.on_nodes > 0 && next.movement != Some(Movement::Scale) {
        next.count_on_nodes(end.on_nodes);
    }
    next.boundary = None;
    let available = [Event::BatchRolled, Event::BatchAvailable];
    let state = next.state().after(&available);
    if last && !end.aborting {
        next.set_state(state.after(&[Event::AllBatchesFinished, Event::Finalized]));
        next.stable.clone_from(&next.target);
    } else {
        // Done, but somebody wants it back: the way back runs next.
        next.set_state(state.after(&[Event::BatchFinished]));
        next.boundary = Some(Boundary { at: end.now, pause: end.pause.cloned() });
    }
}

fn gone_back(next: &mut EntityRecord, end: &Conclusion<'_>) {
    let mut ending = next.ending.take().unwrap_or(Ending::Aborted);
    if end.aborting && matches!(ending, Ending::Modified | Ending::Reverted) {
        // Whoever aborts on the way to a newer target does not want that one
        // to start right after.
        ending = Ending::Aborted;
        next.set_state(next.state().after(&[Event::Aborted]));
    }
    let event = if ending == Ending::Reverted { Event::Restored } else { Event::Finalized };
    next.set_state(next.state().after(&[event]));
    next.status.current_batch = 0;
    next.status.upgraded_replicas = 0;
    next.status.upgraded_ready_replicas = 0;
    next.goals.clear();
    next.shares.clear();
    next.back_from = None;
    next.boundary = None;
    match ending {
        // A fix that was merged while a failed batch went back may start.
        Ending::DeadlineExceeded => {}
        Ending::Aborted => {
            next.held_at = Some(end.plan_commit.to_owned());
        }
        Ending::Reverted => {
            // The stable revision is what the plan wants, and it serves.
            next.target.clone_from(&next.stable);
            next.source = None;
            next.movement = Some(Movement::Scale);
            let name = next.target.as_ref().map_or("", |target| target.name.as_str());
            name.clone_into(&mut next.status.last_target_app_revision);
            let digest = next.target.as_ref().map_or("", |target| target.digest.short());
            digest.clone_into(&mut next.status.target_generation);
            next.status.rollout_target_size = i64::from(next.status.rollout_original_size);
            // What joined with the target is gone again.
            next.on_nodes = 0;
            next.beside.retain(|one| one.sizes.original > 0);
            for one in &mut next.beside {
                one.sizes.target = one.sizes.original;
            }
            next.status.upgraded_replicas = next.status.rollout_original_size;
            next.status.upgraded_ready_replicas = next.status.rollout_original_size;
        }
        Ending::Deleted => next.removed = true,
        Ending::Modified => {}
    }
}

/// Nothing moves any more: what stands is for people to mend, and nothing
/// starts by itself.
fn given_up(next: &mut EntityRecord, end: &Conclusion<'_>) {
    next.ending = None;
    next.back_from = None;
    next.rebuilt = false;
    next.replays += 1;
    if next.entity.kind == EntityKind::Rollout
        && next.status.rolling_state == RollingState::RolloutSucceed
    {
        return;
    }
    next.goals.clear();
    next.boundary = None;
    next.held_at = Some(end.plan_commit.to_owned());
    next.set_state(State { rolling: RollingState::RolloutFailed, batch: State::START.batch });
}

fn settled(next: &mut EntityRecord) {
    next.set_state(State {
        rolling: RollingState::RolloutSucceed,
        batch: super::BatchState::BatchReady,
    });
    next.stable.clone_from(&next.target);
}
