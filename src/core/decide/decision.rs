//! The answers of the state machine.

use crate::core::model::Pause;
use crate::core::object::ObjectRef;
use crate::core::record::{Decisions, EntityRecord, Holder};
use crate::core::strategy::{BodyTable, Step, StepId, StepKind};
use jiff::Timestamp;

/// What to do next for one entity.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Nothing.
    Idle(Idle),
    /// Do a step, or go on with one.
    Act(Box<Act>),
    /// Put something on the record that needs no step: that the plan has the
    /// entity no more, or another policy for its removal. With the commit's
    /// subject.
    Amend(Box<EntityRecord>, String),
    /// Nothing may be done, and somebody must know.
    Refuse(Refusal),
}

/// Why there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Everything is as the plan says.
    Done,
    /// A gate is closed.
    Waiting {
        /// What it waits for, and what opens it.
        reason: String,
    },
    /// The rollout has failed or was aborted, and stays so.
    Failed {
        /// What happened, and the next command.
        reason: String,
    },
    /// A gate is closed that time opens by itself.
    Held {
        /// What it waits for, and what opens it at once.
        reason: String,
        /// Until when.
        until: Timestamp,
    },
    /// Another run is writing.
    Busy {
        /// The step that it holds.
        step: StepId,
        /// That run.
        holder: Holder,
        /// Until when it may write.
        until: Timestamp,
    },
}

/// How a step is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A new step: its intent comes first.
    Fresh,
    /// A step that waits: look first; an intent only if there is more to
    /// write.
    Resume,
    /// A step whose holder is gone: a new intent of the same step.
    Takeover,
}

/// A step to do.
#[derive(Clone, Debug)]
pub struct Act {
    /// How it is entered.
    pub entry: Entry,
    /// The step.
    pub step: Step,
    /// The effect to begin with.
    pub cursor: usize,
    /// The entity's record as the intent will state it, but for the lock.
    pub record: EntityRecord,
    /// The bodies that the step's writes refer to.
    pub table: BodyTable,
    /// The steps after it, as they are compiled now.
    pub upcoming: Vec<Step>,
    /// What is waited for after each batch, where anything is.
    pub pauses: Vec<Option<Pause>>,
    /// Fewest ready pods that the steps allow, where they dip below the total.
    pub floor: Option<u32>,
    /// The plan commit the step is compiled from.
    pub step_plan: String,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// What is left is only to be told, and the plan wants something else by now.
    pub hurries: bool,
    /// Objects of the entity's inventory that are another entity's by now: they
    /// leave it with what the step does.
    pub handed: Vec<ObjectRef>,
}

impl Act {
    /// What is waited for once the step is done.
    #[must_use]
    pub fn pause_after(&self) -> Option<&Pause> {
        let StepKind::Batch(index) = self.step.kind else { return None };
        Pause::after(&self.pauses, index)
    }

    /// What is waited for between the batches, but for what people have opened.
    #[must_use]
    pub fn closed(&self, decisions: &Decisions) -> Vec<Option<Pause>> {
        let attempt = self.record.attempt;
        let opened = |after, pause: &Pause| decisions.approval(attempt, after, pause).is_some();
        let pauses = (0_u32..).zip(&self.pauses);
        pauses.map(|(after, pause)| pause.clone().filter(|p| !opened(after, p))).collect()
    }

    /// A step that renders nothing and that nothing follows.
    #[must_use]
    pub(super) fn bare(entry: Entry, step: Step, record: EntityRecord, step_plan: String) -> Self {
        Self {
            entry,
            step,
            cursor: 0,
            record,
            table: BodyTable::default(),
            upcoming: Vec::new(),
            pauses: Vec::new(),
            floor: None,
            step_plan,
            warnings: Vec::new(),
            hurries: false,
            handed: Vec::new(),
        }
    }
}

/// A refusal: nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which rule refused.
    pub kind: RefusalKind,
    /// Object, place and cause.
    pub message: String,
    /// What to do about it.
    pub next: String,
}

/// Which rule refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The plan is wrong.
    Plan,
    /// It would not be safe.
    Safety,
    /// The record cannot be true.
    Record,
}

impl Refusal {
    /// A fault of the plan.
    #[must_use]
    pub fn plan(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Plan, message: message.into(), next: next.into() }
    }

    /// A record that cannot be true.
    #[must_use]
    pub fn record(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Record, message: message.into(), next: next.into() }
    }

    /// A safety rule.
    #[must_use]
    pub fn safety(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Safety, message: message.into(), next: next.into() }
    }
}

impl From<Refusal> for Decision {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}
