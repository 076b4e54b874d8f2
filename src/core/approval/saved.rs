//! What a saved plan holds. Owns the names of its fields: a change of meaning
//! raises [`SAVED_FORMAT`].

use crate::core::object::ObjectRef;
use crate::core::strategy::{EntityKey, StepId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// The format that this version reads and writes.
pub const SAVED_FORMAT: u32 = 1;

/// A plan as it was reviewed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    /// The file's format.
    pub format: u32,
    /// The program's name and version.
    pub tool: String,
    /// The project's id: the plan branch's root commit.
    pub project: String,
    /// The digest over all targets; empty until it is sealed.
    #[serde(default)]
    pub digest: String,
    /// The targets.
    pub targets: Vec<SavedTarget>,
}

/// What was reviewed of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedTarget {
    /// The target's name.
    pub target: String,
    /// The cluster: the uid of its namespace kube-system.
    pub cluster: String,
    /// The plan commit, or `worktree`; for people.
    pub plan: String,
    /// The record's tip, for people; none before the first record commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// When it was made, by the target's clock.
    pub created: Timestamp,
    /// Until when it may be applied.
    pub expires: Timestamp,
    /// The plan digest: over steps, sizes and patches, and neither over the
    /// cluster nor over a commit's id. Empty until it is sealed.
    #[serde(default)]
    pub digest: String,
    /// Revisions that would be published.
    pub publications: Vec<String>,
    /// What owns objects, and what would happen to each.
    pub entities: Vec<SavedEntity>,
}

/// What was reviewed of one rollout, application or set of objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedEntity {
    /// The entity.
    pub entity: EntityKey,
    /// What would happen to it.
    pub state: Standing,
    /// Where it rests, or what would be recorded, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The first step is open: some of it may be done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// The sizes of a rollout, as the record has or would have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Sizes>,
    /// The steps to come, the next one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<SavedStep>,
    /// The objects that they write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<SavedObject>,
}

/// What would happen to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// There are steps.
    Steps,
    /// It goes back after a failure or a person's abort.
    GoesBack,
    /// The record would be amended, without a step.
    Records,
    /// Nothing would happen.
    Rests,
}

/// The sizes of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sizes {
    /// Pods at the start.
    pub from: u32,
    /// Pods at the end.
    pub to: i64,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedStep {
    /// Its id.
    pub id: StepId,
    /// Its name, such as `batch 1`.
    pub name: String,
    /// Its effects, in words.
    pub effects: Vec<String>,
}

/// The patch of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedObject {
    /// The object.
    pub object: ObjectRef,
    /// What happens to it.
    pub operation: Operation,
    /// Its uid; none for one that is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The digest of the patch; empty until it is sealed.
    #[serde(default)]
    pub digest: String,
    /// Fields of others that are taken over or left as they are, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// The server could not say what it would store: the values are those of a
    /// merge done here, without defaults and webhooks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
    /// Where values come from that are not shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// What changes, or changes on the way, by path.
    pub fields: Vec<Field>,
    /// The diff as it was shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<String>,
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// It is changed on the way and is in the end what it was.
    Passes,
}

/// A file of the plan, by the git blob that it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Its path.
    pub path: String,
    /// Its blob's id.
    pub blob: String,
}

/// One value of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Field {
    /// Its path.
    pub path: String,
    /// The value as it is; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The value at the end; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
    /// Values that steps bring about on the way; null for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<Option<Value>>,
}

impl Field {
    /// Whether the value is another one in the end.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.from != self.to
    }
}

impl SavedObject {
    /// What is another value in the end.
    pub fn changed(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.changes())
    }

    /// Whether there is anything to compare: what is changed only on the way is
    /// the steps' own doing.
    #[must_use]
    pub fn counts(&self) -> bool {
        !self.conflicts.is_empty() || self.changed().next().is_some()
    }
}

impl SavedTarget {
    /// Every step that was reviewed.
    pub fn steps(&self) -> impl Iterator<Item = &StepId> {
        self.entities.iter().flat_map(|entity| &entity.steps).map(|step| &step.id)
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} pods", self.from, self.to)
    }
}
