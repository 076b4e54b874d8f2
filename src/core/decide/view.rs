//! What one decision about a rollout looks at.

use super::Refusal;
use crate::core::model::{Rollout, TargetRevision};
use crate::core::object::{Live, ObjectRef};
use crate::core::record::{Decisions, EntityRecord, RevisionRef};
use crate::core::release::Release;
use crate::core::strategy::{Compiler, EntityKey, RevisionBodies, StepContext};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that a decision about a rollout may look at.
#[derive(Clone, Debug)]
pub struct RolloutView<'a> {
    /// The rollout's name.
    pub key: &'a EntityKey,
    /// The project's id.
    pub project: &'a str,
    /// The target's name.
    pub target: &'a str,
    /// The newest plan commit.
    pub plan_commit: &'a str,
    /// The rollout in the newest plan; none if it is not there.
    pub rollout: Option<&'a Rollout>,
    /// The name of the revision that the newest plan wants.
    pub target_revision: Option<&'a str>,
    /// The rollout in the plan that the recorded attempt's last step was
    /// compiled from.
    pub step_rollout: Option<&'a Rollout>,
    /// The plan says `tranche.dev/rollout: none` for the application.
    pub released: bool,
    /// The record.
    pub record: Option<&'a EntityRecord>,
    /// What people decided.
    pub decisions: &'a Decisions,
    /// The revisions of [`wanted_revisions`], by name.
    pub revisions: &'a BTreeMap<String, Arc<RevisionBodies>>,
    /// Published revisions of the application, for error messages.
    pub known: &'a [String],
    /// Live objects of those revisions.
    pub live: &'a Live,
    /// Objects of which a dry-run has shown that a settling write would
    /// change nothing.
    pub unchanged: &'a BTreeSet<ObjectRef>,
    /// The target's time.
    pub now: Timestamp,
    /// The holder of the open step is provably dead.
    pub holder_dead: bool,
    /// The versions that this program has.
    pub release: &'a Release,
}

/// The names of the revisions that a decision needs to see.
#[must_use]
pub fn wanted_revisions(
    target: Option<&str>,
    source: Option<&str>,
    record: Option<&EntityRecord>,
) -> Vec<String> {
    let recorded = record.into_iter().flat_map(|r| [&r.source, &r.target, &r.stable]);
    let recorded = recorded.flatten().map(|revision| revision.name.clone());
    let mut names: Vec<String> =
        target.into_iter().chain(source).map(str::to_owned).chain(recorded).collect();
    names.sort();
    names.dedup();
    names
}

impl<'a> RolloutView<'a> {
    /// The bodies of a published revision.
    pub(super) fn revision(
        &self,
        name: &str,
        field: &str,
    ) -> Result<&'a Arc<RevisionBodies>, Refusal> {
        self.revisions.get(name).ok_or_else(|| {
            let alone = self.rollout.is_some_and(|rollout| rollout.component_of.is_some());
            let field = if alone { field.replace("App", "") } else { field.to_owned() };
            let place = self.rollout.map_or_else(String::new, |r| format!("{}: ", r.place));
            let known = if self.known.is_empty() {
                let application =
                    name.rsplit_once("-v").map_or(name, |(application, _)| application);
                let what = if alone { "a component" } else { "an application" };
                format!("no revision of {what} \"{application}\" is published")
            } else {
                format!("published are {}", self.known.join(", "))
            };
            Refusal::plan(
                format!(
                    "{place}{} names {field} \"{name}\", which does not exist; {known}",
                    self.key
                ),
                "commit the application first, or name a published revision",
            )
        })
    }

    /// Whether a revision that the record names is the wanted one. Digests tell
    /// nothing of the values of Secrets, so objects are compared besides.
    pub(super) fn is(&self, known: &RevisionRef, wanted: &RevisionBodies) -> bool {
        let same = |bodies: &Arc<RevisionBodies>| wanted.is_beside(bodies);
        known.digest == wanted.digest && self.revisions.get(&known.name).is_none_or(same)
    }

    /// The bodies of a revision that the record names. A digest that differs
    /// from the recorded one is refused: nothing in the record is believed
    /// that cannot be made again.
    pub(super) fn recorded(
        &self,
        revision: &RevisionRef,
    ) -> Result<&'a Arc<RevisionBodies>, Refusal> {
        let bodies = self.revision(&revision.name, "a recorded revision")?;
        if bodies.digest == revision.digest {
            return Ok(bodies);
        }
        Err(Refusal::record(
            format!(
                "{}: revision {} renders to {}, but the record says {}",
                self.key,
                revision.name,
                bodies.digest.short(),
                revision.digest.short()
            ),
            "the record or the plan's history was rewritten: `tranche log` shows who wrote the \
             record; restore what was rewritten, any clone that fetched it has it",
        ))
    }

    pub(super) fn context(
        &self,
        source: Option<&RevisionBodies>,
        target: &RevisionBodies,
        attempt: u32,
        (round, compiler): (u32, Compiler),
    ) -> StepContext {
        StepContext {
            project: self.project.to_owned(),
            target: self.target.to_owned(),
            entity: self.key.clone(),
            source: source.map(|s| s.digest.clone()),
            revision: target.digest.clone(),
            attempt,
            round,
            compiler,
        }
    }

    /// `spec.replicas` of a live workload; none if it is missing.
    pub(super) fn live_size(&self, revision: &RevisionBodies) -> Option<u32> {
        self.live.get(&revision.workload).map(|live| revision.kind.read(live).wanted)
    }
}

impl Rollout {
    /// The application that the target revision belongs to.
    #[must_use]
    pub fn application(&self) -> &str {
        match &self.target {
            TargetRevision::Latest { application } => application,
            TargetRevision::Named(name) => application_of(name),
        }
    }
}

/// The application of a revision's name: `web` of `web-v3`.
#[must_use]
pub fn application_of(revision: &str) -> &str {
    revision.rsplit_once("-v").map_or(revision, |(application, _)| application)
}
