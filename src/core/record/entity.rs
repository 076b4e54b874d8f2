//! The status file of a rollout, an application or plain objects. Owns their
//! fields and how files of earlier versions read; it must never decide from
//! them.

use super::{Boundary, FORMAT, Verdict};
use crate::core::decide::{BatchState, RollingState, State, StepVerdict};
use crate::core::digest::Digest;
use crate::core::model::{Member, OnDelete};
use crate::core::object::ObjectRef;
use crate::core::strategy::{EntityKey, Movement, Sides, Sizes, StepId, StepKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything the record knows of an entity besides decisions and inventory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityRecord {
    /// The file's format.
    pub format: u32,
    /// The entity.
    pub entity: EntityKey,
    /// KubeVela's status fields.
    pub status: Status,
    /// The attempt, from 1; it grows by a new target or a retry only.
    pub attempt: u32,
    /// The version of what made the attempt's steps; the first one if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// How often a finished rollout was mended; part of the mending steps'
    /// identity.
    #[serde(default)]
    pub settled: u32,
    /// The cluster was rebuilt, and what stood there has not been brought back
    /// yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rebuilt: bool,
    /// How often what stood was brought back; part of those steps' identity.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replays: u32,
    /// Why a record that was rebuilt from the cluster cannot say where the
    /// rollout stands; it is frozen until it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<String>,
    /// What is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub movement: Option<Movement>,
    /// The component that is rolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The application whose component it is, where the component is rolled by
    /// revisions of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_of: Option<String>,
    /// Further components that are rolled with it, and from which size to which
    /// each; the status counts the pods of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Further>,
    /// Pods on nodes, of workloads that were new: nobody knew their number before
    /// they stood. The status counts them, no step does.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub on_nodes: u32,
    /// The revision that is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RevisionRef>,
    /// The revision that is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RevisionRef>,
    /// The revision that was rolled out last, all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<RevisionRef>,
    /// Pods on the target after each batch that is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<u32>,
    /// The target's share of all requests after each batch, in per cent, where the
    /// numbers of pods make it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<u32>,
    /// The end of the last of them, where it is not the last of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// The step list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepsRef>,
    /// The open step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenStep>,
    /// Why the rollout goes back to stable, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// The pods of both revisions when the way back began, where it depends on
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_from: Option<Sides>,
    /// After a failure or an abort: the plan commit that was in force. No
    /// target of that very commit is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_at: Option<String>,
    /// What happens when the rollout vanishes from the plan.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// The plan commit of the last step: what governs a rollout that has
    /// vanished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_plan: Option<String>,
    /// Of what is applied as it stands: a digest over the names in its inventory,
    /// so that most runs need not read that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owns: Option<Digest>,
    /// The last result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastResult>,
    /// Of a lane: who was in it when its newest step was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// A tombstone: the plan has it no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// A further component of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Further {
    /// Its name.
    pub component: String,
    /// Its pods at the start and at the end.
    pub sizes: Sizes,
}

/// KubeVela's rollout status, with its field names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The rolling state.
    pub rolling_state: RollingState,
    /// The batch state.
    pub batch_rolling_state: BatchState,
    /// The batch, from 0, that runs or ran last.
    pub current_batch: u32,
    /// Pods that were asked for on the target revision.
    pub upgraded_replicas: u32,
    /// Of those, ready at the last look.
    pub upgraded_ready_replicas: u32,
    /// Pods at the start.
    pub rollout_original_size: u32,
    /// Pods at the end; -1 before the sizes are known.
    pub rollout_target_size: i64,
    /// The target revision's short rendered digest.
    #[serde(default)]
    pub target_generation: String,
    /// The revision of the last start.
    #[serde(default)]
    pub last_target_app_revision: String,
    /// The source of the last start; a capital L, as the original has it.
    #[serde(default, rename = "LastSourceAppRevision")]
    pub last_source_app_revision: String,
}

/// A revision as the record names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRef {
    /// Its name, `<app>-vN`.
    pub name: String,
    /// The digest of its rendered objects.
    pub digest: Digest,
}

/// The step list of the running attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepsRef {
    /// How many steps.
    pub of: u32,
    /// The digest over their ids.
    pub digest: Digest,
}

/// Whether an open step holds its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// A run is writing.
    Intent,
    /// Nobody writes; the step waits.
    Waiting,
}

/// The open step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenStep {
    /// The step.
    pub id: StepId,
    /// What it is for.
    pub kind: StepKind,
    /// Whether the lock is held.
    pub phase: Phase,
    /// The effect to go on with.
    pub cursor: usize,
    /// The plan commit the step is compiled from; it never changes.
    pub step_plan: String,
    /// The fencing token: the intent's sequence number.
    pub epoch: u64,
    /// Who holds the lock, or held it last.
    pub holder: Holder,
    /// Until when the holder may write.
    pub lease_until: Timestamp,
    /// Every object it may write, with uid and generation where it exists.
    #[serde(default)]
    pub objects: Vec<NamedObject>,
    /// Since when it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The effect that the wait is for; its deadline counts from the first
    /// wait for it, however often the step is set back in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_at: Option<usize>,
    /// When the wait is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// What it waits for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who said that the holder is gone, before its lease was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlocked: Option<Verdict>,
}

/// An object that an intent names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedObject {
    /// The object.
    pub object: ObjectRef,
    /// Its uid; none for one that the step may create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its generation when the intent was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

/// A run, and the process that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The run's id.
    pub run: String,
    /// The machine's boot id; empty where it cannot be told.
    #[serde(default)]
    pub boot: String,
    /// The PID namespace; empty where it cannot be told.
    #[serde(default)]
    pub pid_namespace: String,
    /// The process.
    pub pid: u32,
    /// Its start time, in the kernel's ticks since boot.
    #[serde(default)]
    pub started: u64,
}

/// Why a rollout goes back to stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// A person aborted it.
    Aborted,
    /// A batch was not ready in time.
    DeadlineExceeded,
    /// The plan names another target.
    Modified,
    /// The plan names the stable revision as the target.
    Reverted,
    /// It vanished from the plan, and its policy says abort.
    Deleted,
}

/// The last result of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastResult {
    /// The step.
    pub step: StepId,
    /// What it was for.
    pub kind: StepKind,
    /// How it ended.
    pub verdict: Ended,
    /// When, by the target's clock.
    pub at: Timestamp,
    /// Proven by a later run than the one that wrote.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
    /// What was seen, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How a step ended, as its file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Everything that it awaits was seen.
    Succeeded,
    /// What it awaits did not come in time.
    Failed,
    /// An abort stopped it.
    Stopped,
    /// A person gave it up where it stood.
    Abandoned,
    /// Its intent was made, and nothing of it was written.
    NothingWritten,
}

impl From<StepVerdict> for Ended {
    fn from(verdict: StepVerdict) -> Self {
        match verdict {
            StepVerdict::Succeeded => Self::Succeeded,
            StepVerdict::Failed => Self::Failed,
            StepVerdict::Stopped => Self::Stopped,
            StepVerdict::Abandoned => Self::Abandoned,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Abandoned => "abandoned",
            Self::NothingWritten => "nothing-written",
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl EntityRecord {
    /// The record of an attempt that nothing has come of yet, and of which nothing
    /// else is known.
    #[must_use]
    pub fn fresh(entity: EntityKey, attempt: u32) -> Self {
        Self {
            format: FORMAT,
            entity,
            status: Status::fresh(),
            attempt,
            compiler: None,
            settled: 0,
            rebuilt: false,
            replays: 0,
            undecided: None,
            movement: None,
            component: None,
            component_of: None,
            beside: Vec::new(),
            on_nodes: 0,
            source: None,
            target: None,
            stable: None,
            goals: Vec::new(),
            shares: Vec::new(),
            boundary: None,
            steps: None,
            open: None,
            ending: None,
            back_from: None,
            held_at: None,
            on_delete: OnDelete::Freeze,
            step_plan: None,
            owns: None,
            last: None,
            members: Vec::new(),
            removed: false,
        }
    }

    /// Counts pods on nodes whose number nobody knew before.
    pub fn count_on_nodes(&mut self, pods: u32) {
        let status = &mut self.status;
        let others = status.upgraded_replicas.saturating_sub(self.on_nodes);
        status.upgraded_replicas = others.saturating_add(pods);
        status.rollout_target_size += i64::from(pods) - i64::from(self.on_nodes);
        self.on_nodes = pods;
    }

    /// The sizes of the first component: those of all, less those of the further
    /// ones and what no step counts.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let sum = |of: fn(&Sizes) -> u32| {
            self.beside.iter().map(|one| of(&one.sizes)).fold(0, u32::saturating_add)
        };
        let target = u32::try_from(self.status.rollout_target_size).unwrap_or(0);
        Sizes {
            original: self.status.rollout_original_size.saturating_sub(sum(|s| s.original)),
            target: target.saturating_sub(sum(|sizes| sizes.target)).saturating_sub(self.on_nodes),
        }
    }

    /// Where the entity stands.
    #[must_use]
    pub fn state(&self) -> State {
        State { rolling: self.status.rolling_state, batch: self.status.batch_rolling_state }
    }

    /// The target's share of all requests after a batch, in words, where the numbers
    /// of pods make it.
    #[must_use]
    pub fn share_after(&self, batch: u32) -> String {
        let share = usize::try_from(batch).ok().and_then(|batch| self.shares.get(batch));
        share.map_or_else(String::new, |share| format!(", {share}% of the requests"))
    }

    /// Sets where the entity stands.
    pub fn set_state(&mut self, state: State) {
        self.status.rolling_state = state.rolling;
        self.status.batch_rolling_state = state.batch;
    }
}

impl Status {
    /// The status of an entity that has not begun.
    #[must_use]
    pub fn fresh() -> Self {
        Self {
            rolling_state: State::START.rolling,
            batch_rolling_state: State::START.batch,
            current_batch: 0,
            upgraded_replicas: 0,
            upgraded_ready_replicas: 0,
            rollout_original_size: 0,
            rollout_target_size: -1,
            target_generation: String::new(),
            last_target_app_revision: String::new(),
            last_source_app_revision: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_step_ended_is_the_word_that_files_have_always_had() {
        let words = ["succeeded", "failed", "stopped", "abandoned", "nothing-written"];
        for word in words {
            let ended: Ended = serde_json::from_value(word.into()).unwrap();
            assert_eq!(ended.to_string(), word);
            assert_eq!(serde_json::to_value(ended).unwrap(), word);
        }
        assert!(serde_json::from_value::<Ended>("abandonned".into()).is_err());
    }
}
