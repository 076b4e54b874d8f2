//! From live objects back to a rollout's record, where the record is lost.
//! Owns what may be concluded from a cluster; what cannot be proven by a
//! step's id is left undecided, never guessed.

use super::candidates::{Found, Ground, Mark, is_last};
use super::{BatchState, RollingState, State};
use crate::core::model::{OnDelete, Rollout};
use crate::core::object::{Live, ObjectRef, at};
use crate::core::record::{
    Ending, EntityRecord, Further, Holder, NamedObject, OpenStep, Phase, RevisionRef, StepsRef,
};
use crate::core::strategy::workload::Shape;
use crate::core::strategy::{
    ANNOTATION_ENTITY, EntityKey, Movement, RevisionBodies, Sizes, Step, StepKind, epoch_of,
    mark_of, revision_of,
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most sizes at the start of an attempt that are tried.
const MOST_SIZES: u32 = 1_000;

/// The run that a found step is of.
pub(super) const LOST: &str = "lost with the record";

/// Everything that a lost record may be concluded from.
#[derive(Clone, Debug)]
pub struct Traces<'a> {
    /// The rollout's name.
    pub key: &'a EntityKey,
    /// The project's id.
    pub project: &'a str,
    /// The target's name.
    pub target: &'a str,
    /// The rollout in the plan's history with its commits, newest first and at
    /// least one.
    pub plans: &'a [(String, Rollout)],
    /// Published revisions, by number.
    pub revisions: &'a [Arc<RevisionBodies>],
    /// Live objects under the names of those revisions.
    pub live: &'a Live,
    /// The number that the cluster knew: no attempt and no epoch is higher.
    pub seq: u64,
    /// The target's time.
    pub now: Timestamp,
}

/// What the cluster tells of a rollout.
#[derive(Clone, Debug)]
pub enum Recognised {
    /// Nothing of it is there.
    Nothing,
    /// Its record, and what it says in words.
    Known(Box<EntityRecord>, String),
    /// It is there, and nothing can be proven of it.
    Undecided(Box<EntityRecord>, String),
}

struct Standing<'a> {
    revision: &'a Arc<RevisionBodies>,
    object: ObjectRef,
    live: &'a Value,
}

impl Standing<'_> {
    /// Whether it is only what its revision is tried in.
    fn is_trial(&self) -> bool {
        self.object != self.revision.workload
    }
}

/// Looks at what is live.
#[must_use]
pub fn recognise(traces: &Traces<'_>) -> Recognised {
    let (mut standing, strange) = standing(traces);
    if let Some(strange) = strange {
        return undecided(traces, strange);
    }
    if standing.is_empty() {
        return Recognised::Nothing;
    }
    if traces.revisions.iter().any(|revision| !revision.parts.is_empty()) {
        return together(traces);
    }
    let mut found = newest_step(traces, &standing);
    // A trial without pods that no step accounts for is what a superseded run has
    // left: it serves nobody, and is removed once the rollout rests.
    let empty = |one: &Standing<'_>| one.is_trial() && one.revision.kind.read(one.live).wanted == 0;
    if found.is_none() && standing.iter().any(empty) {
        standing.retain(|one| !empty(one));
        found = newest_step(traces, &standing);
    }
    if let Some(mut found) = found {
        let finished = standing.len() == 1 && is_last(&found) && is_complete(&standing);
        if !finished && is_past(&found, &standing) {
            found.step = found.compiled.steps.last().cloned().unwrap_or(found.step);
        }
        return known(traces, &found, finished);
    }
    match standing.as_slice() {
        [one] if is_complete(&standing) && has_its_size(traces, one) => serves(traces, one),
        several => undecided(traces, told(several)),
    }
}

/// Whether the target serves alone after the batch that its workload was written
/// by last: what that one looks at may be gone by now, and only the end is left.
fn is_past(found: &Found, standing: &[Standing<'_>]) -> bool {
    let StepKind::Batch(index) = found.step.kind else { return false };
    let serves = found.compiled.serves_after.is_some_and(|after| index + 1 >= after);
    let alone = standing.len() == 1 && standing.iter().all(|one| !one.is_trial());
    serves && alone && is_complete(standing)
}

fn told(several: &[Standing<'_>]) -> String {
    let of = |one: &Standing<'_>| {
        let pods = one.revision.kind.read(one.live);
        format!("{} of {} pods of {} ready", pods.ready, pods.wanted, one.revision.revision)
    };
    let all: Vec<String> = several.iter().map(of).collect();
    format!("its objects ({}) fit no step of the plan's history", all.join(", "))
}

/// The live workloads of the rollout, those included in which a revision is only
/// tried, and why they cannot be told apart.
fn standing<'a>(traces: &'a Traces<'_>) -> (Vec<Standing<'a>>, Option<String>) {
    let owner = format!("{}/{}/{}", traces.key.kind, traces.key.namespace, traces.key.name);
    let mut all: Vec<Standing<'a>> = Vec::new();
    let mut seen: Vec<ObjectRef> = Vec::new();
    let named = traces.revisions.iter().rev().map(|named| named.workload.clone());
    let tried = traces.revisions.iter().rev().filter_map(|named| named.tried_in());
    for object in named.chain(tried) {
        let Some(live) = traces.live.get(&object).filter(|_| !seen.contains(&object)) else {
            continue;
        };
        seen.push(object.clone());
        let entity = at(live, "/metadata/annotations").and_then(|a| a.get(ANNOTATION_ENTITY));
        if entity.and_then(Value::as_str) != Some(&owner) {
            continue;
        }
        let is_of = |r: &&Arc<RevisionBodies>| {
            r.workload == object || r.tried_in().as_ref() == Some(&object)
        };
        let mut mine = traces.revisions.iter().rev().filter(is_of);
        let Some(revision) = mine.find(|r| revision_of(live) == Some(r.digest.short())) else {
            let why = format!("{object} is of a revision that the plan's history does not have");
            return (Vec::new(), Some(why));
        };
        all.push(Standing { revision, object, live });
    }
    (all, None)
}

fn is_complete(standing: &[Standing<'_>]) -> bool {
    standing.iter().all(|one| {
        let pods = one.revision.kind.read(one.live);
        pods.settled && pods.wanted > 0
    })
}

fn has_its_size(traces: &Traces<'_>, one: &Standing<'_>) -> bool {
    let wanted = one.revision.kind.read(one.live).wanted;
    let named = traces.plans.first().and_then(|(_, rollout)| rollout.plan.target_size);
    let any = one.revision.kind.shape == Shape::Nodes;
    any || wanted == named.unwrap_or(one.revision.replicas)
}

/// The step that wrote last, if it can be compiled again.
fn newest_step(traces: &Traces<'_>, standing: &[Standing<'_>]) -> Option<Found> {
    let newest = standing.iter().filter_map(|one| epoch_of(one.live)).max()?;
    let ground = Ground {
        key: traces.key,
        project: traces.project,
        target: traces.target,
        plans: traces.plans,
        seq: traces.seq,
    };
    // After a takeover both carry its epoch; the later step is the one.
    let last = standing.iter().filter(|one| epoch_of(one.live) == Some(newest));
    let found = last.filter_map(|one| find(traces, &ground, standing, one));
    found.max_by_key(|found| {
        let place = match found.step.kind {
            StepKind::Batch(index) => index,
            StepKind::Abort
            | StepKind::Settle
            | StepKind::Orphans
            | StepKind::Prune
            | StepKind::Replay(_) => u32::MAX,
        };
        (found.attempt, place)
    })
}

fn find(
    traces: &Traces<'_>,
    ground: &Ground<'_>,
    standing: &[Standing<'_>],
    one: &Standing<'_>,
) -> Option<Found> {
    let (step, effect) = mark_of(one.live)?;
    let replicas = one.revision.kind.read(one.live).wanted;
    let object = one.object.clone();
    let mark = Mark { step, effect, object, replicas };
    let (some, all) = (originals(traces, standing, false), originals(traces, standing, true));
    let is_live = |r: &RevisionBodies| standing.iter().any(|s| s.revision.revision == r.revision);
    // Nothing else may be live beside the two sides of the step.
    let covers = |source: Option<&RevisionBodies>, target: &RevisionBodies| {
        standing.iter().all(|s| {
            if s.is_trial() {
                return s.revision.revision == target.revision;
            }
            let workload = &s.object;
            target.workload == *workload || source.is_some_and(|s| s.workload == *workload)
        }) && (is_live(target) || source.is_some_and(is_live))
    };
    for target in traces.revisions.iter().rev() {
        let others = traces.revisions.iter().rev().filter(|r| r.revision != target.revision);
        let sources = others.map(Some).chain([None]);
        for source in sources.filter(|source| covers(source.map(AsRef::as_ref), target)) {
            // Of an upgrade with one side gone, the other has a size that the
            // plan names, or had from the start.
            let sizes = if standing.len() == 1 && source.is_some() { &some } else { &all };
            if let Some(found) = ground.find(&mark, source, target, sizes) {
                return Some(found);
            }
        }
    }
    None
}

/// Sizes that an attempt may have begun with: those that the plan's history
/// names, and those between what one side and both sides have.
fn originals(traces: &Traces<'_>, standing: &[Standing<'_>], between: bool) -> Vec<u32> {
    let wanted = standing.iter().map(|one| one.revision.kind.read(one.live).wanted);
    let sum = wanted.fold(0_u32, u32::saturating_add);
    let lowest = if between { 0 } else { sum.min(MOST_SIZES) };
    let mut all: Vec<u32> = traces.plans.iter().filter_map(|(_, r)| r.plan.target_size).collect();
    all.extend(traces.revisions.iter().map(|revision| revision.replicas));
    all.extend((lowest..=sum.min(MOST_SIZES)).rev());
    let mut once = Vec::with_capacity(all.len());
    for size in all {
        if !once.contains(&size) {
            once.push(size);
        }
    }
    once
}

fn reference(revision: &RevisionBodies) -> RevisionRef {
    RevisionRef { name: revision.revision.clone(), digest: revision.digest.clone() }
}

fn blank(traces: &Traces<'_>) -> EntityRecord {
    let (step_plan, on_delete) = traces
        .plans
        .first()
        .map_or((None, OnDelete::Freeze), |(plan, r)| (Some(plan.clone()), r.on_delete));
    // Higher than any that was: no step of it can have an old step's id.
    let attempt = u32::try_from(traces.seq).unwrap_or(u32::MAX);
    let component_of = traces.plans.first().and_then(|(_, r)| r.component_of.clone());
    EntityRecord {
        on_delete,
        step_plan,
        component_of,
        ..EntityRecord::fresh(traces.key.clone(), attempt)
    }
}

fn undecided(traces: &Traces<'_>, why: String) -> Recognised {
    let mut record = blank(traces);
    record.undecided = Some(why.clone());
    Recognised::Undecided(Box::new(record), why)
}

/// One revision serves with all its pods: however it came there, that is the
/// end of it.
fn serves(traces: &Traces<'_>, one: &Standing<'_>) -> Recognised {
    let pods = one.revision.kind.read(one.live);
    finished(traces, one.revision, pods.wanted, Vec::new())
}

fn finished(
    traces: &Traces<'_>,
    revision: &RevisionBodies,
    pods: u32,
    beside: Vec<Further>,
) -> Recognised {
    let mut record = blank(traces);
    describe(&mut record, revision, None);
    record.movement = Some(Movement::Scale);
    record.beside = beside;
    record.stable.clone_from(&record.target);
    let status = &mut record.status;
    status.rollout_original_size = pods;
    status.rollout_target_size = i64::from(pods);
    status.upgraded_replicas = pods;
    status.upgraded_ready_replicas = pods;
    record
        .set_state(State { rolling: RollingState::RolloutSucceed, batch: BatchState::BatchReady });
    let words = format!("finished, {pods} pods on {}", revision.revision);
    Recognised::Known(Box::new(record), words)
}

/// Of several components only that they all are of one revision, and nothing of
/// another one is left, can be told: between two batches no object alone says
/// which of them it is.
fn together(traces: &Traces<'_>) -> Recognised {
    let owner = format!("{}/{}/{}", traces.key.kind, traces.key.namespace, traces.key.name);
    let owned = |object: &ObjectRef| {
        let live = traces.live.get(object)?;
        let entity = at(live, "/metadata/annotations").and_then(|a| a.get(ANNOTATION_ENTITY));
        (entity.and_then(Value::as_str) == Some(&owner)).then_some(live)
    };
    let sizes = |revision: &RevisionBodies| -> Option<Vec<Further>> {
        let each = revision.rolled().map(|one| {
            let live = owned(&one.workload)?;
            let pods = one.kind.read(live);
            let sized = one.kind.shape == Shape::Nodes || pods.wanted == one.replicas;
            let whole = pods.settled && pods.wanted > 0 && sized;
            let sizes = Sizes { original: pods.wanted, target: pods.wanted };
            let ours = revision_of(live) == Some(revision.digest.short());
            let component = one.component.clone();
            (whole && ours).then_some(Further { component, sizes })
        });
        each.collect()
    };
    let alone = |revision: &RevisionBodies| {
        let others = traces.revisions.iter().flat_map(|other| other.rolled());
        let mut left = others.map(|one| &one.workload).filter(|object| owned(object).is_some());
        left.all(|object| revision.rolled().any(|one| one.workload == *object))
    };
    let newest = traces.revisions.iter().rev();
    let mut found = newest.filter_map(|revision| Some((revision, sizes(revision)?)));
    let Some((revision, mut beside)) = found.find(|(revision, _)| alone(revision)) else {
        let why = "which batch its components were in together cannot be told";
        return undecided(traces, why.to_owned());
    };
    let pods = beside.iter().map(|one| one.sizes.target).fold(0, u32::saturating_add);
    beside.remove(0);
    finished(traces, revision, pods, beside)
}

fn describe(record: &mut EntityRecord, target: &RevisionBodies, source: Option<&RevisionBodies>) {
    record.component = Some(target.component.clone());
    record.target = Some(reference(target));
    record.source = source.map(reference);
    let status = &mut record.status;
    target.digest.short().clone_into(&mut status.target_generation);
    target.revision.clone_into(&mut status.last_target_app_revision);
    status.last_source_app_revision = source.map_or_else(String::new, |s| s.revision.clone());
}

/// The record of a step that was found: open and waiting at its first effect,
/// so that the next run proves it.
fn known(traces: &Traces<'_>, found: &Found, finished: bool) -> Recognised {
    let mut record = blank(traces);
    let (source, target) = (found.bodies.source.as_ref(), &found.bodies.target);
    describe(&mut record, target, source.map(AsRef::as_ref));
    record.attempt = found.attempt;
    record.movement = Some(found.movement);
    record.step_plan = Some(found.step_plan.clone());
    record.stable = match found.movement {
        Movement::Deploy => None,
        Movement::Scale => Some(reference(target)),
        Movement::Upgrade => source.map(|source| reference(source)),
    };
    let steps = &found.compiled.steps;
    record.steps = Some(StepsRef {
        of: u32::try_from(steps.len()).unwrap_or(u32::MAX),
        digest: Step::list_digest(steps),
    });
    record.status.rollout_original_size = found.sizes.original;
    record.status.rollout_target_size = i64::from(found.sizes.target);
    record.replays = found.replays;
    let words =
        if finished { succeeded(&mut record, traces, found) } else { opened(&mut record, found) };
    if !finished {
        record.open = Some(open(traces, found));
    }
    Recognised::Known(Box::new(record), words)
}

fn succeeded(record: &mut EntityRecord, traces: &Traces<'_>, found: &Found) -> String {
    record.goals.clone_from(&found.compiled.goals);
    record.stable.clone_from(&record.target);
    record.status.current_batch = batches(found).saturating_sub(1);
    record.status.upgraded_replicas = found.sizes.target;
    record.status.upgraded_ready_replicas = found.sizes.target;
    record
        .set_state(State { rolling: RollingState::RolloutSucceed, batch: BatchState::BatchReady });
    let target = &found.bodies.target;
    let live = traces.live.get(&target.workload);
    if let Some(live) = live.filter(|_| target.kind.shape == Shape::Nodes)
        && found.movement == Movement::Deploy
    {
        record.count_on_nodes(target.kind.read(live).wanted);
        record.status.upgraded_ready_replicas = record.status.upgraded_replicas;
    }
    format!("finished, {} pods on {}", record.status.rollout_target_size, target.revision)
}

fn batches(found: &Found) -> u32 {
    u32::try_from(found.compiled.steps.len()).unwrap_or(u32::MAX)
}

fn opened(record: &mut EntityRecord, found: &Found) -> String {
    let in_batches = |batch| State { rolling: RollingState::RollingInBatches, batch };
    let name = &found.bodies.target.revision;
    let done = |count: u32| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        found.compiled.goals.iter().take(count).copied().collect()
    };
    let step = match found.step.kind {
        StepKind::Batch(index) => {
            record.goals = done(index);
            record.status.current_batch = index;
            record.status.upgraded_replicas = found.step.goal;
            record.set_state(in_batches(BatchState::BatchVerifying));
            format!("batch {}/{} to {name}", index + 1, batches(found))
        }
        StepKind::Abort | StepKind::Settle | StepKind::Orphans | StepKind::Prune => {
            record.ending = Some(Ending::Aborted);
            record.back_from = found.back_from;
            let rolling = RollingState::RolloutFailing;
            record.set_state(State { rolling, batch: BatchState::BatchInitializing });
            format!("the way back from {name}")
        }
        StepKind::Replay(count) => {
            record.goals = done(count);
            record.rebuilt = true;
            record.status.current_batch = count.saturating_sub(1);
            record.set_state(in_batches(match count {
                0 => BatchState::BatchInitializing,
                _ => BatchState::BatchReady,
            }));
            format!("bringing back what stood after batch {count}/{}", batches(found))
        }
    };
    format!("in {step}, attempt {}: the next run proves it", found.attempt)
}

fn open(traces: &Traces<'_>, found: &Found) -> OpenStep {
    let mut objects: BTreeMap<ObjectRef, NamedObject> = BTreeMap::new();
    for effect in &found.step.effects {
        let Some(object) = effect.claimed() else { continue };
        let live = traces.live.get(object);
        let text = live.and_then(|l| at(l, "/metadata/uid")).and_then(Value::as_str);
        let generation = live.and_then(|l| at(l, "/metadata/generation"));
        let (uid, generation) = (text.map(str::to_owned), generation.and_then(Value::as_u64));
        let named = NamedObject { object: object.clone(), uid, generation };
        objects.insert(object.clone(), named);
    }
    OpenStep {
        id: found.step.id().clone(),
        kind: found.step.kind,
        phase: Phase::Waiting,
        cursor: 0,
        step_plan: found.step_plan.clone(),
        epoch: traces.seq,
        holder: Holder {
            run: LOST.to_owned(),
            boot: String::new(),
            pid_namespace: String::new(),
            pid: 0,
            started: 0,
        },
        lease_until: traces.now,
        objects: objects.into_values().collect(),
        since: None,
        waits_at: None,
        deadline: None,
        reason: Some("the record was rebuilt: the next run proves this step".to_owned()),
        unlocked: None,
    }
}
