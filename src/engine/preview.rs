//! What an apply would do, without doing anything: reads and dry-runs only.

use super::concurrently::concurrently;
use super::planned::{Loaded, WORKTREE};
use super::sweep::Sweep;
use super::trial::Shown;
use super::{Class, Engine, Reading, Rest, RunError};
use crate::core::decide::{Decision, Idle};
use crate::core::diff::{Change, ObjectDiff, diff};
use crate::core::object::ObjectRef;
use crate::core::record::{EntityRecord, FORMAT, RevisionRecord};
use crate::core::render::{BUILTIN_VERSION, Known, Numbered, number};
use crate::core::strategy::{
    BodyTable, Driven, Effect, EntityKey, Side, Stamp, Step, StepId, StepKind, desired,
};
use crate::port::{ClusterProblem, CommitId, Ports, Progress};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// What an apply would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The plan commit, or `worktree`.
    pub plan_commit: String,
    /// Revisions that would be published.
    pub publications: Vec<String>,
    /// Entities and what would happen to each.
    pub entities: Vec<PreviewEntity>,
}

/// What would happen to one entity.
#[derive(Clone, Debug)]
pub struct PreviewEntity {
    /// The entity.
    pub key: EntityKey,
    /// Its record after the next intent, if there is a step to do.
    pub record: Option<EntityRecord>,
    /// The steps to come, the next one first.
    pub steps: Vec<Step>,
    /// Where it rests, if there is nothing to do.
    pub rest: Option<Rest>,
    /// Whether its record would be amended, without a step: `rest` says how.
    pub amends: bool,
    /// Fewest ready pods that the steps allow, where they dip below the total.
    pub floor: Option<u32>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Every object that the steps change, as it is now and as it is at the
    /// end.
    pub objects: Vec<ObjectDiff>,
    /// Why an apply would stop before it writes anything of it.
    pub refusals: Vec<RunError>,
}

impl<P: Ports> Engine<'_, P> {
    /// Previews the plan branch, or a plan that is not committed.
    ///
    /// # Errors
    /// As an apply; a plan that is wrong is always an error here.
    pub async fn preview(&self, worktree: Option<Loaded>) -> Result<Preview, RunError> {
        let anchor = self.anchor_seen_if_allowed().await?;
        let mut reading = self.read().await?;
        if let Some(anchor) = anchor {
            self.fits(anchor, &mut reading).await?;
        }
        if let Some(loaded) = worktree {
            let plan = Rc::new(Ok(loaded));
            *self.worktree.borrow_mut() = Some(Rc::clone(&plan));
            reading.plan = plan;
            reading.plan_commit = CommitId(WORKTREE.to_owned());
            reading.problem = None;
        }
        if let Some(text) = &reading.problem {
            return Err(RunError::new(Class::Invalid, text.clone(), "mend the plan"));
        }
        reading.pending = self.pending(&reading)?.into_iter().map(Rc::new).collect();
        let keys = self.entities(&reading)?;
        let sweep = self.sweep(&reading, &keys).await?;
        let (reading, sweep) = (&reading, &sweep);
        let entities = keys.into_iter().map(|key| self.preview_entity(reading, key, sweep));
        let entities = concurrently(entities).await.into_iter().collect::<Result<_, _>>()?;
        let publications = reading.pending.iter().map(|r| r.revision.clone()).collect();
        Ok(Preview { plan_commit: reading.plan_commit.0.clone(), publications, entities })
    }

    /// The anchor, if this identity may read it. What a preview says of a record
    /// that was rewound would be wrong, and may be dangerous to follow; but to
    /// read Leases is no right of every reviewer.
    async fn anchor_seen_if_allowed(&self) -> Result<Option<Option<Arc<Value>>>, RunError> {
        match self.anchor_seen().await {
            Ok(anchor) => Ok(Some(anchor)),
            Err(error) if matches!(error.problem, ClusterProblem::Forbidden(_)) => {
                let text = format!(
                    "whether the record belongs to this cluster, and was not rewound, is not \
                     known: {error}"
                );
                self.ports.audience().hear(&Progress::Notice(text));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The revisions that would be published first.
    fn pending(&self, reading: &Reading) -> Result<Vec<RevisionRecord>, RunError> {
        if reading.plan_commit.0 != WORKTREE {
            let publications = self.unpublished(reading)?;
            return publications.iter().map(|p| self.revision_record(p)).collect();
        }
        let mut before = reading.clone();
        before.plan_commit = reading.newest.clone();
        let mut pending: Vec<RevisionRecord> = self
            .unpublished(&before)?
            .iter()
            .map(|p| self.revision_record(p))
            .collect::<Result<_, _>>()?;
        let mut published = self.published(reading)?;
        for (key, application) in &reading.loaded()?.applications {
            let history = published.entry(key.clone()).or_default();
            let waiting = pending.iter().filter(|r| r.application == key.name);
            history.extend(waiting.map(|r| Known {
                name: r.revision.clone(),
                number: r.number,
                digest: r.digest.clone(),
            }));
            let numbered = number(&key.name, history, &application.content);
            if let Numbered::New(new) = numbered {
                pending.push(RevisionRecord {
                    format: FORMAT,
                    application: key.name.clone(),
                    namespace: key.namespace.clone(),
                    revision: new.name,
                    number: new.number,
                    digest: application.content.clone(),
                    rendered: application.digest.clone(),
                    builtins: BUILTIN_VERSION.to_owned(),
                    plan_commit: WORKTREE.to_owned(),
                    objects: Vec::new(),
                });
            }
        }
        Ok(pending)
    }

    async fn preview_entity(
        &self,
        reading: &Reading,
        key: EntityKey,
        sweep: &Sweep,
    ) -> Result<PreviewEntity, RunError> {
        let empty = |rest| PreviewEntity {
            key: key.clone(),
            record: None,
            steps: Vec::new(),
            rest: Some(rest),
            amends: false,
            floor: None,
            warnings: Vec::new(),
            objects: Vec::new(),
            refusals: Vec::new(),
        };
        let snapshot = self.snapshot(reading);
        let decision = self.decide(reading, &snapshot, &key, sweep).await?;
        // What goes once all else stands is shown with it.
        let next = match &decision {
            Decision::Act(act) => Some(&act.record),
            _ => None,
        };
        let pruning = self.pruning(reading, &snapshot, &key, next).await?;
        let not_pruned = pruning.refusal.clone().map(RunError::from);
        let act = match (decision, pruning.act) {
            (Decision::Act(mut act), pruned) if act.step.kind != StepKind::Prune => {
                let pruned = pruned.map(|pruned| *pruned);
                act.upcoming.extend(pruned.as_ref().map(|pruned| pruned.step.clone()));
                act.warnings.extend(pruned.into_iter().flat_map(|pruned| pruned.warnings));
                act
            }
            (Decision::Act(act), _) => act,
            (Decision::Refuse(_), Some(act)) if not_pruned.is_some() => act,
            (Decision::Idle(idle), _) => return Ok(empty(resting(idle))),
            (Decision::Amend(_, subject), _) => {
                let amended = empty(Rest::of(Class::Done, subject));
                return Ok(PreviewEntity { amends: true, ..amended });
            }
            (Decision::Refuse(refusal), _) => return Ok(empty(RunError::from(refusal).into())),
        };
        let steps: Vec<Step> = std::iter::once(act.step).chain(act.upcoming).collect();
        let found = self.differences(reading, &key, &steps, &act.table, sweep).await?;
        let (objects, refusals): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Ok(PreviewEntity {
            record: Some(act.record),
            steps,
            rest: None,
            amends: false,
            floor: act.floor,
            warnings: act.warnings,
            objects,
            refusals: refusals.into_iter().flatten().chain(not_pruned).collect(),
            key,
        })
    }

    /// Every object that steps write or delete: as it is, and as the last of
    /// them leaves it.
    async fn differences(
        &self,
        reading: &Reading,
        key: &EntityKey,
        steps: &[Step],
        table: &BodyTable,
        sweep: &Sweep,
    ) -> Result<Vec<(ObjectDiff, Option<RunError>)>, RunError> {
        let mut last: BTreeMap<&ObjectRef, Option<(Side, Driven)>> = BTreeMap::new();
        for effect in steps.iter().flat_map(|step| &step.effects) {
            match effect {
                Effect::Write { object, side, driven, .. } => {
                    last.insert(object, Some((*side, *driven)));
                }
                Effect::Delete { object, .. } => {
                    last.insert(object, None);
                }
                Effect::Await { .. } => {}
            }
        }
        let swept = sweep.entities.contains(key).then_some(sweep);
        let found = last.into_iter().map(|(object, state)| async move {
            let live = match swept {
                Some(sweep) if state.is_some() && !sweep.unchanged.contains(object) => {
                    sweep.live.shared(object)
                }
                _ => self.read_by_name(object).await?,
            };
            let Some((side, driven)) = state else {
                let gone = diff(object, live.as_deref(), None);
                return Ok(live.is_some().then_some((gone, None)));
            };
            let Some((body, revision)) = table.get(side, object) else { return Ok(None) };
            let trial = match swept.and_then(|sweep| sweep.tried.get(object).cloned()) {
                Some(trial) => trial,
                None => {
                    let step = StepId("plan".to_owned());
                    let stamp = Stamp { step: &step, effect: 0, epoch: 0, entity: key, revision };
                    let state = desired(object, body, &driven, &stamp);
                    let mut trial = self.trial_of(object, live.as_deref(), state, &driven).await?;
                    self.remember(reading, [key], object, &mut trial).await;
                    trial
                }
            };
            let Shown { after, notes, refusal } = trial.shown(object, live.as_deref());
            let found = diff(object, live.as_deref(), Some(&after)).with_notes(notes);
            let counts = found.change != Change::None || refusal.is_some();
            Ok::<_, RunError>(counts.then_some((found, refusal)))
        });
        concurrently(found).await.into_iter().filter_map(Result::transpose).collect()
    }
}

fn resting(idle: Idle) -> Rest {
    match idle {
        Idle::Done => Rest::of(Class::Done, ""),
        Idle::Waiting { reason } => Rest::of(Class::Waiting, reason),
        Idle::Failed { reason } => Rest::of(Class::RolledBack, reason),
        Idle::Busy { holder, until, .. } => {
            Rest::of(Class::Busy, format!("run {} is writing, at most until {until}", holder.run))
        }
    }
}

impl Preview {
    /// Whether an apply would do anything.
    #[must_use]
    pub fn changes(&self) -> bool {
        let changed = |entity: &PreviewEntity| entity.amends || !entity.steps.is_empty();
        !self.publications.is_empty() || self.entities.iter().any(changed)
    }
}
