//! Steps and their identity.

use super::{Compiler, Effect};
use crate::core::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What kind of owner an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EntityKind {
    /// The plain objects of a namespace.
    Objects,
    /// An application that is applied directly.
    Application,
    /// The routes of the clients of a host.
    Route,
    /// A lane.
    Lane,
    /// A rollout.
    Rollout,
}

/// The owner of objects; each object has exactly one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntityKey {
    /// Its kind.
    pub kind: EntityKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Objects => "objects",
            Self::Application => "application",
            Self::Route => "route",
            Self::Lane => "lane",
            Self::Rollout => "rollout",
        })
    }
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// What a step is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// One batch, by its index from 0.
    Batch(u32),
    /// Back to the stable revision.
    Abort,
    /// Bring objects to their state outside any batch: a direct apply, or the
    /// mending of what a finished rollout owns.
    Settle,
    /// Remove what says it is ours and the record does not know: workloads, and
    /// what is there only while traffic is shared.
    Orphans,
    /// Delete what was applied as it stands, and the plan leaves out.
    Prune,
    /// Bring back what stood after so many batches, on a cluster that was
    /// rebuilt.
    Replay(u32),
}

impl StepKind {
    /// Whether the step does nothing but delete what it names.
    #[must_use]
    pub fn only_deletes(self) -> bool {
        matches!(self, Self::Orphans | Self::Prune)
    }

    /// Whether the step never fails by its deadline: there is nothing to go
    /// back to from it, so it repeats.
    #[must_use]
    pub fn is_patient(self) -> bool {
        matches!(self, Self::Abort | Self::Replay(_))
    }
}

/// A step's identity: twelve hex digits of a digest over everything that
/// decides what the step does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The unit that is reviewed, executed and committed.
///
/// Its identity is a digest over all that it does: of the many steps that are
/// compiled, most are never asked for it.
#[derive(Clone, Debug)]
pub struct Step {
    identity: Identity,
    /// What it is for.
    pub kind: StepKind,
    /// Its effects, in order.
    pub effects: Vec<Effect>,
    /// Pods on the target revision once it is done (batches only).
    pub goal: u32,
}

#[derive(Clone, Debug)]
enum Identity {
    /// All that is known of a step.
    Named(StepId),
    /// A digest over the step, once it was asked for.
    Of { context: Arc<StepContext>, id: OnceLock<StepId> },
}

/// What a step's identity covers besides its kind and its effects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepContext {
    /// The project's id: the plan branch's root commit.
    pub project: String,
    /// The target's name.
    pub target: String,
    /// The entity.
    pub entity: EntityKey,
    /// The source revision's rendered digest.
    pub source: Option<Digest>,
    /// The target revision's rendered digest.
    pub revision: Digest,
    /// The attempt, from 1.
    pub attempt: u32,
    /// How often a finished rollout was mended, or brought back, before; tells
    /// one such step from the next.
    pub round: u32,
    /// What makes the steps; not in their identity, which is over what it made.
    pub compiler: Compiler,
}

impl StepContext {
    /// Makes a step out of its effects. Gates, comments, sizes of files and
    /// commit ids are not in the id: only what will be done, to what, for
    /// whom.
    #[must_use]
    pub fn step(self: &Arc<Self>, kind: StepKind, effects: Vec<Effect>, goal: u32) -> Step {
        let identity = Identity::Of { context: Arc::clone(self), id: OnceLock::new() };
        Step { identity, kind, effects, goal }
    }

    fn id(&self, kind: StepKind, effects: &[Effect]) -> StepId {
        let index = match kind {
            StepKind::Batch(index) => json!(index),
            StepKind::Abort => json!("abort"),
            StepKind::Settle => json!(["settle", self.round]),
            StepKind::Orphans => json!("orphans"),
            StepKind::Prune => json!("prune"),
            StepKind::Replay(done) => json!(["replay", done, self.round]),
        };
        let value = json!({
            "project": self.project,
            "target": self.target,
            "kind": self.entity.kind,
            "namespace": self.entity.namespace,
            "name": self.entity.name,
            "source": self.source,
            "revision": self.revision,
            "attempt": self.attempt,
            "index": index,
            "effects": effects,
        });
        StepId(Digest::of("tranche-step-v1", &value).short().to_owned())
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.goal == other.goal
            && self.effects == other.effects
            && self.id() == other.id()
    }
}

impl Eq for Step {}

impl Step {
    /// A step of which nothing is known but its name and what it is for: it does
    /// nothing.
    #[must_use]
    pub fn named(id: StepId, kind: StepKind) -> Self {
        Self { identity: Identity::Named(id), kind, effects: Vec::new(), goal: 0 }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> &StepId {
        match &self.identity {
            Identity::Named(id) => id,
            Identity::Of { context, id } => id.get_or_init(|| context.id(self.kind, &self.effects)),
        }
    }

    /// A digest over ids and effects of a whole list, recorded so that people
    /// and later runs can tell whether the list has changed.
    #[must_use]
    pub fn list_digest(steps: &[Self]) -> Digest {
        let ids: Vec<&str> = steps.iter().map(|s| s.id().0.as_str()).collect();
        Digest::of("tranche-steps-v1", &json!(ids))
    }
}
