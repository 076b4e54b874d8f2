//! How far an entity has come, as its record tells it: its steps one by one,
//! and how what it runs was when it was looked at last. Owns these words; it
//! must never look at a cluster, and decides nothing.

use super::RollingState;
use crate::core::record::{Ended, EntityRecord, OpenStep, Phase};
use crate::core::strategy::{EntityKind, StepKind};
use std::fmt;

/// One step of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// What it is for, such as `batch 1`.
    pub name: String,
    /// How far it is.
    pub progress: Progress,
    /// Pods on the target revision after it, once it is done.
    pub pods: Option<u32>,
    /// What it waits for, or why it ended, in words.
    pub why: String,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything that it awaits was seen.
    Done,
    /// A run is writing.
    Running,
    /// It waits: for pods, for time, or for somebody's word.
    Waiting,
    /// What it awaits did not come in time.
    Failed,
    /// Somebody has stopped it, or given it up.
    Stopped,
    /// Its turn has not come.
    Ahead,
}

/// How what an entity runs was when it was looked at last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wellbeing {
    /// All that was awaited was seen.
    Healthy,
    /// It was awaited in vain.
    Unhealthy,
    /// It is being written or awaited.
    Progressing,
    /// Nobody has looked.
    Unknown,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Ahead => "to come",
        })
    }
}

impl fmt::Display for Wellbeing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Progressing => "progressing",
            Self::Unknown => "unknown",
        })
    }
}

/// Every step of an entity, in order; `waiting` is what keeps the next one
/// back, if anything does.
#[must_use]
pub fn course(record: &EntityRecord, waiting: Option<&str>) -> Vec<Passed> {
    let state = record.status.rolling_state;
    let last = record.last.as_ref();
    let back = last.is_some_and(|last| last.kind == StepKind::Abort);
    let mut steps = Vec::new();
    if record.entity.kind == EntityKind::Rollout && !(back && state.terminal()) {
        let of = record.steps.as_ref().map_or(0, |steps| steps.of);
        steps.extend((0..of).map(|index| batch(record, index, waiting)));
    }
    let other = match &record.open {
        Some(open) if !is_batch(open.kind) => Some(under_way(open)),
        Some(_) => None,
        None if state.going_back() => Some(Passed {
            name: name(StepKind::Abort),
            progress: if waiting.is_some() { Progress::Waiting } else { Progress::Ahead },
            pods: None,
            why: waiting.unwrap_or_default().to_owned(),
        }),
        // What a batch came to stands at the batch.
        None => last.filter(|_| state.terminal()).filter(|last| !is_batch(last.kind)).map(|last| {
            Passed {
                name: name(last.kind),
                progress: ended(last.verdict),
                pods: None,
                why: last.message.clone(),
            }
        }),
    };
    steps.extend(other);
    steps
}

fn is_batch(kind: StepKind) -> bool {
    matches!(kind, StepKind::Batch(_))
}

fn batch(record: &EntityRecord, index: u32, waiting: Option<&str>) -> Passed {
    let kind = StepKind::Batch(index);
    if let Some(open) = record.open.as_ref().filter(|open| open.kind == kind) {
        return under_way(open);
    }
    let place = usize::try_from(index).unwrap_or(usize::MAX);
    let pods = record.goals.get(place).copied();
    let passed =
        |progress, why: &str| Passed { name: name(kind), progress, pods, why: why.to_owned() };
    if pods.is_some() || record.status.rolling_state == RollingState::RolloutSucceed {
        return passed(Progress::Done, "");
    }
    // While an attempt is under way the last result may be of the one before.
    let state = record.status.rolling_state;
    let ended_now = state.going_back() || state == RollingState::RolloutFailed;
    let last = record.last.as_ref().filter(|last| last.verdict != Ended::NothingWritten);
    let last = last.filter(|_| ended_now);
    match last.map(|last| (last.kind, last)) {
        Some((StepKind::Batch(ended_at), _)) if index < ended_at => passed(Progress::Done, ""),
        Some((StepKind::Batch(ended_at), last)) if index == ended_at => {
            passed(ended(last.verdict), &last.message)
        }
        _ if place == record.goals.len() && !ended_now => match waiting {
            Some(why) => passed(Progress::Waiting, why),
            None => passed(Progress::Ahead, ""),
        },
        _ => passed(Progress::Ahead, ""),
    }
}

fn under_way(open: &OpenStep) -> Passed {
    let (progress, why) = match open.phase {
        Phase::Intent => (Progress::Running, String::new()),
        Phase::Waiting => (Progress::Waiting, open.reason.clone().unwrap_or_default()),
    };
    Passed { name: name(open.kind), progress, pods: None, why }
}

fn ended(verdict: Ended) -> Progress {
    match verdict {
        Ended::Succeeded => Progress::Done,
        Ended::Failed => Progress::Failed,
        Ended::Stopped | Ended::Abandoned => Progress::Stopped,
        Ended::NothingWritten => Progress::Ahead,
    }
}

/// A step's name, for people.
fn name(kind: StepKind) -> String {
    match kind {
        StepKind::Batch(index) => format!("batch {}", index + 1),
        StepKind::Abort => "back to stable".to_owned(),
        StepKind::Settle => "apply".to_owned(),
        StepKind::Orphans => "remove leftovers".to_owned(),
        StepKind::Prune => "delete what the plan leaves out".to_owned(),
        StepKind::Replay(0) => "bring back stable".to_owned(),
        StepKind::Replay(done) => format!("bring back batch {done}"),
    }
}

/// How what an entity runs was at the last look, and what was seen then.
#[must_use]
pub fn wellbeing(record: &EntityRecord) -> (Wellbeing, String) {
    let status = &record.status;
    let message = || record.last.as_ref().map(|last| last.message.clone()).unwrap_or_default();
    match &record.open {
        Some(open) if open.phase == Phase::Waiting => {
            return (Wellbeing::Progressing, open.reason.clone().unwrap_or_default());
        }
        Some(open) => return (Wellbeing::Progressing, format!("{} is under way", name(open.kind))),
        None => {}
    }
    let last = record.last.as_ref();
    let failed = last.is_some_and(|last| last.verdict == Ended::Failed);
    let back = last.is_some_and(|last| last.kind == StepKind::Abort);
    match status.rolling_state {
        RollingState::RolloutFailed if back && record.stable.is_some() => {
            (Wellbeing::Healthy, "back on the stable revision".to_owned())
        }
        RollingState::RolloutFailed if back => {
            (Wellbeing::Unknown, "nothing of it runs".to_owned())
        }
        RollingState::RolloutFailed => (Wellbeing::Unhealthy, message()),
        RollingState::RolloutSucceed if failed => (Wellbeing::Unhealthy, message()),
        RollingState::RolloutSucceed => (Wellbeing::Healthy, counted(record)),
        state if state.going_back() => (Wellbeing::Unhealthy, message()),
        RollingState::RollingInBatches if !record.goals.is_empty() => {
            (Wellbeing::Healthy, counted(record))
        }
        _ => (Wellbeing::Unknown, "nobody has looked yet".to_owned()),
    }
}

/// The pods of a rollout's new revision, as they were seen last.
fn counted(record: &EntityRecord) -> String {
    let status = &record.status;
    if record.entity.kind != EntityKind::Rollout || status.rollout_target_size < 0 {
        return String::new();
    }
    let of = match record.beside.len() {
        0 => String::new(),
        further => format!(" of {} components", further + 1),
    };
    format!("{} of {} pods{of} ready", status.upgraded_ready_replicas, status.upgraded_replicas)
}
