//! The decision about a rollout with an open step.

use super::gate::ahead;
use super::replay::{replay_ending, replayed};
use super::rollout::{
    act, after_batch, frozen, go_back, recorded_rollout, wants_another, wants_ending,
};
use super::start::fits_nowhere;
use super::terminal::decide_terminal;
use super::view::RolloutView;
use super::{Decision, Entry, Idle, Refusal, RollingState, orphan};
use crate::core::model::{HookType, OnDelete, Rollout};
use crate::core::object::ObjectRef;
use crate::core::record::{Ending, EntityRecord, OpenStep, Phase};
use crate::core::strategy::workload::Shape;
use crate::core::strategy::{
    Bodies, CompileError, Compiled, Effect, EntityKey, Movement, RolloutInput, Sizes, StepKind,
    compile, compile_back, revision_of,
};
use std::sync::Arc;

pub(super) fn decide_open(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    open: &OpenStep,
) -> Result<Decision, Refusal> {
    let of = (view.project, view.target);
    if open.phase == Phase::Intent {
        if !view.holder_dead && view.now < open.lease_until {
            let holder = open.holder.clone();
            let step = open.id.clone();
            return Ok(Decision::Idle(Idle::Busy { step, holder, until: open.lease_until }));
        }
        // Whatever the plan says by now: the step is first brought to a
        // boundary under an intent of ours, as its old holder may have left
        // anything.
        if open.kind == StepKind::Orphans {
            return orphan::reopened(of, view.key, record, open, Entry::Takeover);
        }
        return reopen(view, record, open, Entry::Takeover);
    }
    if open.kind == StepKind::Orphans {
        return orphan::reopened(of, view.key, record, open, Entry::Resume);
    }
    if let StepKind::Batch(_) = open.kind {
        // No batch is open once a rollout is over: the kind was edited, and the
        // way back of what has succeeded would follow.
        if record.status.rolling_state.terminal() {
            return Err(not_compiled(view.key, open));
        }
        let gone = view.rollout.is_none() && !view.released;
        let aborted = view.decisions.aborts(record.attempt);
        if gone && !aborted && record.on_delete == OnDelete::Freeze && record.ending.is_none() {
            return Err(frozen(view));
        }
        if !aborted && record.ending.is_none() && is_only_untold(view, record, open)? {
            let mut decision = reopen(view, record, open, Entry::Resume)?;
            if let Decision::Act(act) = &mut decision {
                // A target that does not exist is said once nothing is open.
                act.hurries = wants_another(view, record).unwrap_or_default();
            }
            return Ok(decision);
        }
        if let Some(ending) = wants_ending(view, record)? {
            return go_back(view, record, ending);
        }
    }
    if let StepKind::Replay(_) = open.kind
        && let Some(ending) = replay_ending(view, record)?
    {
        return go_back(view, record, ending);
    }
    // The mending of a finished rollout gives way to a new target.
    if let (StepKind::Settle, Some(rollout), Some(name)) =
        (open.kind, view.rollout, view.target_revision)
        && record.status.rolling_state.terminal()
    {
        let wanted = view.revision(name, "targetAppRevisionName")?;
        let other = record.target.as_ref().is_none_or(|target| !view.is(target, wanted));
        if other && has_its_size(view, record)? {
            return decide_terminal(view, record, rollout);
        }
    }
    if open.kind == StepKind::Settle
        && !record.status.rolling_state.terminal()
        && view.decisions.aborts(record.attempt)
    {
        return go_back(view, record, Ending::Aborted);
    }
    reopen(view, record, open, Entry::Resume)
}

/// Whether a rollout has its pods where it was to bring them, and somebody is only
/// to hear of it: nothing is undone for that, and what is wanted next begins from
/// there.
fn is_only_untold(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    open: &OpenStep,
) -> Result<bool, Refusal> {
    let StepKind::Batch(index) = open.kind else { return Ok(false) };
    let rollout = recorded_rollout(view)?;
    if !rollout.plan.around.hooks.iter().any(|one| one.hook.kind == HookType::FinalizeRollout) {
        return Ok(false);
    }
    let (compiled, bodies) = recompiled(view, record, rollout)?;
    let step = usize::try_from(index).ok().and_then(|index| compiled.steps.get(index));
    let left = step.filter(|step| *step.id() == open.id);
    let left = left.and_then(|step| step.effects.get(open.cursor..)).unwrap_or_default();
    let untold = !left.is_empty() && left.iter().all(Effect::tells_the_end);
    Ok(untold && stands_alone(view, &bodies))
}

/// Whether all pods of the target are there, and no workload of the source that is
/// another one.
fn stands_alone(view: &RolloutView<'_>, bodies: &Bodies) -> bool {
    let target = &bodies.target;
    let whole = target.rolled().all(|one| {
        let live = view.live.get(&one.workload);
        live.is_some_and(|live| {
            one.kind.read(live).settled && revision_of(live) == Some(target.digest.short())
        })
    });
    let mut before = bodies.source.iter().flat_map(|source| source.rolled());
    let kept = |object: &ObjectRef| target.rolled().any(|one| one.workload == *object);
    whole && before.all(|one| kept(&one.workload) || !view.live.contains(&one.workload))
}

/// Whether what serves has all its pods. An upgrade takes its size from what
/// it finds: one that began while a workload is being brought back would bring
/// as few. Each component by itself: nodes that have joined make up for nobody's
/// pods, and those that have left are missing to nobody.
fn has_its_size(view: &RolloutView<'_>, record: &EntityRecord) -> Result<bool, Refusal> {
    let Some(stable) = &record.stable else { return Ok(true) };
    let size = |sizes: &Sizes| match record.status.rolling_state {
        RollingState::RolloutSucceed => sizes.target,
        _ => sizes.original,
    };
    let stable = view.recorded(stable)?;
    let first = record.sizes();
    Ok(stable.rolled().enumerate().all(|(place, one)| {
        let Some(live) = view.live_size(one) else { return false };
        if one.kind.shape == Shape::Nodes {
            return live > 0 || fits_nowhere(view, one);
        }
        let beside = record.beside.iter().find(|further| further.component == one.component);
        let sizes = if place == 0 { Some(&first) } else { beside.map(|further| &further.sizes) };
        sizes.is_none_or(|sizes| live >= size(sizes))
    }))
}

/// Goes on with the open step, compiled again from the plan it began with.
fn reopen(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    open: &OpenStep,
    entry: Entry,
) -> Result<Decision, Refusal> {
    let rollout = recorded_rollout(view)?;
    let (compiled, bodies) = recompiled(view, record, rollout)?;
    let upcoming = match open.kind {
        StepKind::Batch(index) => after_batch(&compiled, index),
        StepKind::Abort
        | StepKind::Settle
        | StepKind::Orphans
        | StepKind::Prune
        | StepKind::Replay(_) => Vec::new(),
    };
    let step = match open.kind {
        StepKind::Batch(index) => {
            usize::try_from(index).ok().and_then(|i| compiled.steps.get(i)).cloned()
        }
        StepKind::Abort => Some(from_record(view, record, rollout, &bodies, |input| {
            compile_back(input, record.back_from)
        })?),
        StepKind::Settle => Some(compiled.settle),
        StepKind::Orphans | StepKind::Prune => None,
        StepKind::Replay(_) => replayed(view, record, rollout)?.map(|(step, _)| step),
    };
    let Some(step) = step.filter(|step| *step.id() == open.id) else {
        return Err(not_compiled(view.key, open));
    };
    // A step that is open has something left to do or to see, whatever the file
    // says.
    let cursor = open.cursor.min(step.effects.len().saturating_sub(1));
    let next = record.clone();
    let step_plan = open.step_plan.clone();
    let mut decision = act(entry, (step, upcoming), cursor, next, &bodies, step_plan, Vec::new());
    if let (Decision::Act(act), StepKind::Batch(_)) = (&mut decision, open.kind) {
        act.pauses = ahead(view, record);
    }
    Ok(decision)
}

/// The refusal of an open step that nobody can make again.
pub(super) fn not_compiled(key: &EntityKey, open: &OpenStep) -> Refusal {
    Refusal::record(
        format!(
            "{key}: the open step {} cannot be compiled again from plan commit {}: the record or \
             the plan's history was rewritten, or another version of tranche began it",
            open.id,
            open.step_plan.get(..10).unwrap_or(&open.step_plan)
        ),
        format!(
            "finish it with the version that began it, or restore what was rewritten; if neither \
             can be done, `tranche unlock --abandon {}` gives the step up where it stands",
            open.id
        ),
    )
}

/// The refusal of an attempt whose steps this program does not know how to make.
fn foreign(key: &EntityKey, record: &EntityRecord) -> Refusal {
    Refusal::record(
        format!(
            "{key}: its attempt {} was begun by another version of tranche, by {}, which this one \
             does not have",
            record.attempt,
            record.compiler.as_deref().unwrap_or_default(),
        ),
        "run a version that has it: `tranche log` shows which one wrote last",
    )
}

/// Compiles the recorded attempt again: its movement, its sizes, its
/// revisions.
pub(super) fn recompiled(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
) -> Result<(Compiled, Bodies), Refusal> {
    let bodies = recorded_bodies(view, record, rollout)?;
    let compiled = from_record(view, record, rollout, &bodies, compile)?;
    Ok((compiled, bodies))
}

/// Both revisions of the recorded attempt.
pub(super) fn recorded_bodies(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
) -> Result<Bodies, Refusal> {
    let Some(target) = &record.target else {
        return Err(Refusal::record(
            format!("{}: its record names no target revision: it was edited by hand", view.key),
            "`tranche log` shows who did; take that commit off the branch",
        ));
    };
    let source = record.source.as_ref().map(|s| view.recorded(s)).transpose()?.cloned();
    let bodies = Bodies { source, target: view.recorded(target)?.clone() };
    bodies.routed(rollout).map_err(|error| unfit(view, rollout, &error))
}

fn unfit(view: &RolloutView<'_>, rollout: &Rollout, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::plan(
        format!("{}: {}: {error}", rollout.place, view.key),
        "mend the rollout plan; what is under way goes on once it is valid",
    )
}

/// Compiles something of the recorded attempt.
pub(super) fn from_record<T>(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
    bodies: &Bodies,
    compile: impl FnOnce(&RolloutInput<'_>) -> Result<T, CompileError>,
) -> Result<T, Refusal> {
    let sizes = record.sizes();
    let beside: Vec<Sizes> = record.beside.iter().map(|one| one.sizes).collect();
    let source = bodies.source.as_deref();
    let compiler = view.release.compiler_of(record.compiler.as_deref());
    let Some(compiler) = compiler else { return Err(foreign(view.key, record)) };
    let rounds = (record.settled, compiler);
    let context = view.context(source, &bodies.target, record.attempt, rounds);
    let context = Arc::new(context);
    let input = RolloutInput {
        rollout,
        context: &context,
        movement: record.movement.unwrap_or(Movement::Deploy),
        sizes,
        bodies,
        beside: &beside,
    };
    compile(&input).map_err(|error| unfit(view, rollout, &error))
}
