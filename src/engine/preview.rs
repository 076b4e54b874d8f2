//! What an apply would do, without doing anything: reads and dry-runs only.

use super::apart::Counted;
use super::concurrently::concurrently;
use super::logical::{Ends, by_plain_names};
use super::planned::{Loaded, WORKTREE};
use super::reviewed::Seen;
use super::sweep::Sweep;
use super::trial::{Shown, Trial};
use super::{Class, Engine, Reading, Rest, RunError};
use crate::core::approval::{SavedObject, States};
use crate::core::decide::{Act, Decision, Idle, Pruning};
use crate::core::diff::{Change, Halfway, ObjectDiff, diff};
use crate::core::model::Pause;
use crate::core::object::ObjectRef;
use crate::core::record::{EntityRecord, FORMAT, RevisionRecord};
use crate::core::render::{ApplicationKey, Known, Numbered, number};
use crate::core::strategy::{
    BodyTable, Driven, Effect, EntityKey, Side, Stamp, Step, StepId, StepKind, Verb, desired,
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
    /// What a saved plan names besides; only where patches were asked for.
    pub seen: Option<Seen>,
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
    /// What is waited for after each batch, where anything is.
    pub pauses: Vec<Option<Pause>>,
    /// Where it rests, if there is nothing to do.
    pub rest: Option<Rest>,
    /// Whether its record would be amended, without a step: `rest` says how.
    pub amends: bool,
    /// Fewest ready pods that the steps allow, where they dip below the total.
    pub floor: Option<u32>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Every object that the steps change, as it is now and as it is at the
    /// end, and what they make of it on the way.
    pub objects: Vec<ObjectDiff>,
    /// Why an apply would stop before it writes anything of it.
    pub refusals: Vec<RunError>,
    /// The same objects value by value, and those that change on the way only;
    /// only where that was asked for.
    pub patches: Vec<SavedObject>,
}

/// Where the rendered fields of a write come from, what is driven, and what for.
type Write = (Side, Driven, StepKind);

/// One write of an object.
struct Turn {
    /// The step, from 0.
    step: usize,
    verb: Verb,
    write: Write,
}

/// The states that steps lead one object through.
#[derive(Default)]
struct Way {
    /// Those before the last.
    before: Vec<Turn>,
    /// The last; none for its deletion.
    last: Option<Turn>,
    /// The step that deletes it, if that is the last that is done to it.
    gone: Option<usize>,
}

impl Way {
    fn leads_to(&mut self, step: usize, state: Option<Turn>) {
        self.gone = state.is_none().then_some(step);
        self.before.extend(std::mem::replace(&mut self.last, state));
    }

    /// The steps that create an object that is not there, and delete it again.
    /// A workload that is scaled is one that was there.
    fn during(&self) -> Option<(usize, usize)> {
        let first = self.before.first()?;
        let made = matches!(first.verb, Verb::Apply | Verb::Route);
        Some((first.step, self.gone.filter(|_| made)?))
    }
}

/// One state on the way, as the server would store it.
struct Between {
    step: usize,
    /// It moves traffic, or makes the object.
    told: bool,
    shown: Shown,
}

/// What the steps do to one object.
pub(super) struct Difference {
    pub(super) object: ObjectRef,
    pub(super) ends: Ends,
    pub(super) shown: Option<ObjectDiff>,
    pub(super) refusal: Option<RunError>,
    pub(super) patch: Option<SavedObject>,
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
            let loaded = self.pinned(loaded)?;
            let plan = Rc::new(Ok(loaded));
            *self.worktree.borrow_mut() = Some(Rc::clone(&plan));
            reading.plan = plan;
            reading.plan_commit = CommitId(WORKTREE.to_owned());
            reading.problem = None;
        }
        if let Some(text) = &reading.problem {
            return Err(RunError::new(Class::Invalid, text.clone(), "mend the plan"));
        }
        self.tell_notices(&reading)?;
        reading.pending = self.pending(&reading)?.into_iter().map(Rc::new).collect();
        let (takeovers, captured) = self.takeovers(&reading).await?;
        reading.takeovers = takeovers;
        reading.pending.extend(captured.into_iter().map(Rc::new));
        let keys = self.entities(&reading)?;
        let sweep = self.sweep(&reading, &keys).await?;
        let (reading, sweep) = (&reading, &sweep);
        let entities = keys.into_iter().map(|key| self.preview_entity(reading, key, sweep));
        let mut entities: Vec<PreviewEntity> =
            concurrently(entities).await.into_iter().collect::<Result<_, _>>()?;
        self.foresee_lanes(reading, sweep, &mut entities).await?;
        let publications = reading.pending.iter().map(|r| r.revision.clone()).collect();
        let seen = match self.options.patches {
            true => Some(self.seen(reading).await?),
            false => None,
        };
        Ok(Preview { plan_commit: reading.plan_commit.0.clone(), publications, entities, seen })
    }

    /// The anchor, if this identity may read it. What a preview says of a record
    /// that was rewound would be wrong, and may be dangerous to follow; but to
    /// read Leases is no right of every reviewer.
    pub(super) async fn anchor_seen_if_allowed(
        &self,
    ) -> Result<Option<Option<Arc<Value>>>, RunError> {
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
            let publications = self.unpublished(reading, &Counted::new())?;
            return publications.iter().map(|p| self.revision_record(p)).collect();
        }
        let mut before = reading.clone();
        before.plan_commit = reading.newest.clone();
        // What the worktree has rolled by itself for the first time.
        let applications = reading.loaded()?.applications.iter();
        let counted = self.counted(reading)?;
        let coming = applications.filter_map(|(key, application)| {
            let name = application.component_of.clone().filter(|of| *of != key.name)?;
            let of = ApplicationKey { namespace: key.namespace.clone(), name };
            Some((key.clone(), of)).filter(|_| !counted.contains_key(key))
        });
        let mut pending: Vec<RevisionRecord> = self
            .unpublished(&before, &coming.collect())?
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
                    component_of: application.component_of.clone(),
                    namespace: key.namespace.clone(),
                    revision: new.name,
                    number: new.number,
                    digest: application.content.clone(),
                    rendered: application.digest.clone(),
                    builtins: self.options.release.newest().version.to_owned(),
                    plan_commit: WORKTREE.to_owned(),
                    objects: Vec::new(),
                    captured: None,
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
        let empty = |rest| PreviewEntity { rest: Some(rest), ..empty(&key) };
        let snapshot = self.snapshot(reading);
        let decision = self.decide(reading, &snapshot, &key, sweep).await?;
        // What goes once all else stands is shown with it, and what is refused as it
        // would be. Where nothing is due the decision has looked for it already.
        let pruning = match &decision {
            Decision::Act(act) if act.step.kind != StepKind::Prune => {
                self.pruning(reading, &snapshot, &key, Some(&act.record)).await?
            }
            Decision::Refuse(_) => self.pruning(reading, &snapshot, &key, None).await?,
            Decision::Amend(next, _) if next.removed => {
                self.pruning(reading, &snapshot, &key, Some(next)).await?
            }
            _ => Pruning::default(),
        };
        let not_pruned = pruning.refusal.clone().map(RunError::from);
        let act = match (decision, pruning.act) {
            (Decision::Act(mut act), pruned) => {
                let pruned = pruned.map(|pruned| *pruned);
                act.upcoming.extend(pruned.as_ref().map(|pruned| pruned.step.clone()));
                act.warnings.extend(pruned.into_iter().flat_map(|pruned| pruned.warnings));
                act
            }
            (Decision::Refuse(_), Some(act)) if not_pruned.is_some() => act,
            (Decision::Amend(..), Some(act)) => act,
            (Decision::Idle(idle), _) => return Ok(empty(resting(idle))),
            (Decision::Amend(_, subject), _) => {
                let amended = empty(Rest::of(Class::Done, subject));
                return Ok(PreviewEntity { amends: true, ..amended });
            }
            (Decision::Refuse(refusal), _) => return Ok(empty(RunError::from(refusal).into())),
        };
        let mut found = self.differences((reading, &key), &act, sweep).await?;
        let mut patches: Vec<SavedObject> =
            found.iter_mut().filter_map(|found| found.patch.take()).collect();
        self.name_sources(reading, &key, &act, &mut patches)?;
        let refusals = found.iter_mut().filter_map(|found| found.refusal.take());
        let refusals = refusals.chain(not_pruned).collect();
        let objects = found.into_iter().filter_map(|found| found.shown).collect();
        let pauses = act.closed(&*snapshot.decisions(&key)?);
        let steps: Vec<Step> = std::iter::once(act.step).chain(act.upcoming).collect();
        Ok(PreviewEntity {
            record: Some(act.record),
            steps,
            pauses,
            rest: None,
            amends: false,
            floor: act.floor,
            warnings: act.warnings,
            objects,
            refusals,
            patches,
            key,
        })
    }

    /// Every object that steps write or delete: as it is, and as the last of
    /// them leaves it.
    pub(super) async fn differences(
        &self,
        of: (&Reading, &EntityKey),
        act: &Act,
        sweep: &Sweep,
    ) -> Result<Vec<Difference>, RunError> {
        let mut ways: BTreeMap<&ObjectRef, Way> = BTreeMap::new();
        for (i, step) in std::iter::once(&act.step).chain(&act.upcoming).enumerate() {
            for effect in &step.effects {
                let turn = match effect {
                    Effect::Write { verb, side, driven, .. } => Some(Turn {
                        step: i,
                        verb: *verb,
                        write: (*side, driven.clone(), step.kind),
                    }),
                    Effect::Delete { .. } => None,
                    // An eviction changes nothing of the object that it is about.
                    Effect::Await { .. } | Effect::Evict { .. } | Effect::Call { .. } => continue,
                };
                ways.entry(effect.object()).or_default().leads_to(i, turn);
            }
        }
        let swept = sweep.entities.contains(of.1).then_some(sweep);
        let found = ways.into_iter();
        let found = found.map(|(object, way)| self.difference(of, &act.table, swept, object, way));
        let found = concurrently(found).await.into_iter().filter_map(Result::transpose);
        Ok(by_plain_names(found.collect::<Result<_, _>>()?, &act.table))
    }

    /// One object, led to its last state.
    async fn difference(
        &self,
        of: (&Reading, &EntityKey),
        table: &BodyTable,
        swept: Option<&Sweep>,
        object: &ObjectRef,
        way: Way,
    ) -> Result<Option<Difference>, RunError> {
        let live = match swept {
            Some(sweep) if way.last.is_some() && !sweep.unchanged.contains(object) => {
                sweep.live.shared(object)
            }
            _ => self.read_by_name(object).await?,
        };
        let during = way.during().filter(|_| live.is_none());
        let mut found = None;
        let mut body = None;
        let mut after = None;
        let mut notes = Vec::new();
        let last = way.last.as_ref().map(|turn| turn.step);
        match way.last {
            None => {
                let shown = diff(object, live.as_deref(), None);
                found = live.is_some().then_some((shown, None));
            }
            Some(Turn { write, .. }) => {
                let Some((rendered, _)) = table.get(write.0, object) else { return Ok(None) };
                let trial = match swept.and_then(|sweep| sweep.tried.get(object).cloned()) {
                    Some(trial) => trial,
                    None => {
                        let live = live.as_deref();
                        let tried = self.previewed(of, table, object, live, write);
                        let Some(trial) = tried.await? else { return Ok(None) };
                        trial
                    }
                };
                let shown = trial.shown(object, live.as_deref());
                let (stored, refusal) = (shown.after, shown.refusal);
                let shown = diff(object, live.as_deref(), Some(&stored)).with_notes(shown.notes);
                let counts = shown.change != Change::None || refusal.is_some();
                if counts {
                    notes.clone_from(&shown.notes);
                }
                found = counts.then_some((shown, refusal)).or(found);
                (body, after) = (Some(rendered), Some(stored));
            }
        }
        // What travels is shown beside the copy that it comes for.
        let ends = Ends { live: live.clone(), after: after.clone() };
        let live = live.as_deref();
        let between = self.between(of, table, (object, live), way.before, during).await?;
        let found = on_the_way(object, (live, after.as_deref().zip(last)), &between, during, found);
        let mut patch = None;
        if self.options.patches {
            let between: Vec<Arc<Value>> =
                between.into_iter().map(|between| between.shown.after).collect();
            let states = States { live, last: after.as_deref(), between: &between, body };
            let saved = SavedObject::of(object, states, &notes);
            let counts = !saved.fields.is_empty() || !saved.conflicts.is_empty();
            patch = counts.then_some(saved);
        }
        let (shown, refusal) = found.unzip();
        let nothing = shown.is_none() && patch.is_none() && table.plain(object).is_none();
        let (object, refusal) = (object.clone(), refusal.flatten());
        Ok((!nothing).then_some(Difference { object, ends, shown, refusal, patch }))
    }

    /// The states on the way: of what moves traffic and of what makes a
    /// temporary object, and all of them for a saved plan.
    async fn between(
        &self,
        of: (&Reading, &EntityKey),
        table: &BodyTable,
        (object, live): (&ObjectRef, Option<&Value>),
        turns: Vec<Turn>,
        during: Option<(usize, usize)>,
    ) -> Result<Vec<Between>, RunError> {
        let mut between = Vec::new();
        let mut before: Option<Write> = None;
        for (i, Turn { step, verb, write }) in turns.into_iter().enumerate() {
            let told = verb == Verb::Route || (i == 0 && during.is_some());
            // What a step only sees to again is no state of its own.
            let same = before.as_ref() == Some(&write);
            before = Some(write.clone());
            if same || !(told || self.options.patches) {
                continue;
            }
            if let Some(trial) = self.previewed(of, table, object, live, write).await? {
                between.push(Between { step, told, shown: trial.shown(object, live) });
            }
        }
        Ok(between)
    }

    /// Tries out a write of steps that are not begun.
    async fn previewed(
        &self,
        (reading, key): (&Reading, &EntityKey),
        table: &BodyTable,
        object: &ObjectRef,
        live: Option<&Value>,
        (side, driven, step_kind): Write,
    ) -> Result<Option<Trial>, RunError> {
        let Some((body, revision)) = table.get(side, object) else { return Ok(None) };
        let step = StepId("plan".to_owned());
        let stamp = Stamp { step: &step, effect: 0, epoch: 0, entity: key, revision };
        let kind = table.kind(side, object);
        let state = desired(kind, body, &driven, &stamp);
        let mut trial = self.trial_of((object, kind), live, state, (&driven, step_kind)).await?;
        self.remember(reading, [key], object, &mut trial).await;
        Ok(Some(trial))
    }
}

/// What is shown of an object, with its states on the way to the last.
fn on_the_way(
    object: &ObjectRef,
    (live, last): (Option<&Value>, Option<(&Value, usize)>),
    between: &[Between],
    during: Option<(usize, usize)>,
    found: Option<(ObjectDiff, Option<RunError>)>,
) -> Option<(ObjectDiff, Option<RunError>)> {
    let mut told = between.iter().filter(|between| between.told);
    let first = during.and_then(|_| told.next());
    let from = first.map(|first| &*first.shown.after).or(live);
    let states: Vec<(usize, &Value)> =
        told.clone().map(|between| (between.step, &*between.shown.after)).collect();
    let end = last.filter(|_| !states.is_empty()).map(|(last, step)| (step, last));
    let way = Halfway::all(object, from, states.into_iter().chain(end));
    // What a later step meets is not in the way of the next one.
    let next = first.into_iter().chain(told).filter(|between| between.step == 0);
    let refusal = next.into_iter().find_map(|between| between.shown.refusal.clone());
    let (mut shown, ended) = match (found, first, during) {
        (Some(found), ..) => found,
        (None, Some(first), Some(during)) => {
            let made = diff(object, None, Some(&first.shown.after));
            (made.with_notes(first.shown.notes.iter().cloned()).temporary(during), None)
        }
        _ => (diff(object, live, live), None),
    };
    let refusal = ended.or(refusal);
    shown.way = way;
    let counts = shown.change != Change::None || !shown.way.is_empty() || refusal.is_some();
    counts.then_some((shown, refusal))
}

fn resting(idle: Idle) -> Rest {
    match idle {
        Idle::Done => Rest::of(Class::Done, ""),
        Idle::Waiting { reason } => Rest::of(Class::Waiting, reason),
        Idle::Held { reason, until } => Rest::held(reason, until),
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

/// Nothing of an entity.
pub(super) fn empty(key: &EntityKey) -> PreviewEntity {
    PreviewEntity {
        key: key.clone(),
        record: None,
        steps: Vec::new(),
        pauses: Vec::new(),
        rest: None,
        amends: false,
        floor: None,
        warnings: Vec::new(),
        objects: Vec::new(),
        refusals: Vec::new(),
        patches: Vec::new(),
    }
}
