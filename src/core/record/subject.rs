//! What a record commit says to people. Owns the words of its subject and body;
//! nothing may ever be decided from them.

use super::{Ending, EntityRecord};
use crate::core::decide::{Entry, RollingState, StepVerdict};
use crate::core::strategy::{EntityKind, Movement, Step, StepKind};

/// The step in words: `batch 2/3`, `back to web-v1`, `applied`.
fn step_name(record: &EntityRecord, step: &Step) -> String {
    let of = record.steps.as_ref().map_or(1, |steps| steps.of);
    match step.kind {
        StepKind::Batch(index) => format!("batch {}/{of}", index + 1),
        StepKind::Abort => match &record.stable {
            Some(stable) if record.source.is_some() => format!("back to {}", stable.name),
            _ => format!("back to {} pods", record.status.rollout_original_size),
        },
        StepKind::Settle if record.entity.kind == EntityKind::Rollout => "mending".to_owned(),
        StepKind::Settle => "apply".to_owned(),
        StepKind::Orphans => "leftovers".to_owned(),
        StepKind::Prune => "prune".to_owned(),
        StepKind::Replay(0) => match (&record.source, &record.target) {
            (Some(stable), _) | (None, Some(stable)) => format!("bringing back {}", stable.name),
            (None, None) => "bringing back".to_owned(),
        },
        StepKind::Replay(done) => format!("bringing back batch {done}/{of}"),
    }
}

fn name(record: &EntityRecord) -> &str {
    &record.entity.name
}

fn target(record: &EntityRecord) -> &str {
    record.target.as_ref().map_or("", |target| target.name.as_str())
}

fn why(record: &EntityRecord) -> &'static str {
    match record.ending {
        Some(Ending::Aborted) | None => "aborted",
        Some(Ending::DeadlineExceeded) => "not ready in time",
        Some(Ending::Modified) => "another target",
        Some(Ending::Reverted) => "reverted",
        Some(Ending::Deleted) => "removed from the plan",
    }
}

/// The subject of an intent.
#[must_use]
pub fn intent_subject(record: &EntityRecord, step: &Step, entry: Entry) -> String {
    let verb = match entry {
        Entry::Fresh => "begins",
        Entry::Resume => "goes on",
        Entry::Takeover => "is taken over",
    };
    let goal = match step.kind {
        StepKind::Batch(_) if record.movement == Some(Movement::Scale) => {
            let (from, to) =
                (record.status.rollout_original_size, record.status.rollout_target_size);
            format!(", {} from {from} to {to} pods, to {}", target(record), step.goal)
        }
        StepKind::Batch(index) => {
            let total = record.status.rollout_target_size;
            let share = record.share_after(index);
            format!(", to {} of {total} pods on {}{share}", step.goal, target(record))
        }
        StepKind::Abort => format!(", {}", why(record)),
        StepKind::Settle => format!(", {}", target(record)),
        StepKind::Orphans => ", objects that the record does not know".to_owned(),
        StepKind::Prune => match step.effects.len() {
            0 => String::new(),
            1 => ", an object that the plan leaves out".to_owned(),
            many => format!(", {many} objects that the plan leaves out"),
        },
        StepKind::Replay(_) => ", the cluster was rebuilt".to_owned(),
    };
    format!("{}: {} {verb}{goal}", name(record), step_name(record, step))
}

/// The subject of a wait.
#[must_use]
pub fn waiting_subject(record: &EntityRecord, step: &Step, reason: &str) -> String {
    format!("{}: {} waits, {reason}", name(record), step_name(record, step))
}

/// Pods on the target once what stood is back.
fn standing(record: &EntityRecord) -> u32 {
    match record.status.rolling_state {
        RollingState::RolloutSucceed => {
            u32::try_from(record.status.rollout_target_size).unwrap_or(0)
        }
        _ => record.goals.last().copied().unwrap_or(0),
    }
}

/// The subject of a result; `record` is the one after it. The step's name is of
/// the one before, as its intent had it: what it left is not known any more.
#[must_use]
pub fn result_subject(
    before: &EntityRecord,
    record: &EntityRecord,
    step: &Step,
    verdict: StepVerdict,
) -> String {
    let total = record.status.rollout_target_size;
    let done = match (step.kind, verdict) {
        (StepKind::Batch(_), StepVerdict::Succeeded)
            if record.movement == Some(Movement::Scale) =>
        {
            let end = if record.status.rolling_state.terminal() { ", scaled" } else { "" };
            format!("ready, {} pods on {}{end}", step.goal, target(record))
        }
        (StepKind::Batch(index), StepVerdict::Succeeded) => {
            let share = before.share_after(index);
            let end =
                if record.status.rolling_state.terminal() { ", rollout succeeded" } else { "" };
            let goal = step.goal.saturating_add(record.on_nodes);
            format!("ready, {goal} of {total} pods on {}{share}{end}", target(record))
        }
        (StepKind::Abort, StepVerdict::Succeeded) => {
            format!("done, {}", record.status.rolling_state)
        }
        (StepKind::Settle, StepVerdict::Succeeded) => format!("done, {}", target(record)),
        (StepKind::Orphans, StepVerdict::Succeeded) => "removed".to_owned(),
        (StepKind::Prune, StepVerdict::Succeeded) => "done".to_owned(),
        (StepKind::Replay(_), StepVerdict::Succeeded) => {
            format!("done, {} of {total} pods on {}", standing(record), target(record))
        }
        (_, StepVerdict::Abandoned) => {
            format!("abandoned where it stood, {}", record.status.rolling_state)
        }
        (StepKind::Settle, StepVerdict::Failed) => "failed, not healthy".to_owned(),
        (_, StepVerdict::Failed) => "failed, not ready in time".to_owned(),
        (_, StepVerdict::Stopped) => "stopped by an abort".to_owned(),
    };
    format!("{}: {} {done}", name(record), step_name(before, step))
}

/// The subject of a result that closes an intent under which nothing was
/// written.
#[must_use]
pub fn unwritten_subject(record: &EntityRecord, step: &Step) -> String {
    format!("{}: {} not begun, nothing was written", name(record), step_name(record, step))
}

/// The body of a step's commit: every effect, as it was reviewed.
#[must_use]
pub fn effects_body(step: &Step) -> String {
    step.effects.iter().enumerate().map(|(i, effect)| format!("{i}. {effect}\n")).collect()
}
