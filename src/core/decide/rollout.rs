//! The decision about a rollout without an open step. Owns which step is next,
//! and why none is; how a step is written down is `strategy`'s.

use super::direct::decide_gone;
use super::gate::{ahead, held};
use super::open::{decide_open, from_record, recompiled, recorded_bodies};
use super::replay::replay;
use super::start::start;
use super::terminal::decide_terminal;
use super::view::RolloutView;
use super::{Act, BatchState, Decision, Entry, Event, Idle, Refusal, RollingState};
use crate::core::model::{Canary, CanaryStep, Hold, Naming, OnDelete, Place, Rollout};
use crate::core::object::ObjectRef;
use crate::core::record::{Ending, EntityRecord, StepsRef, inventory_path};
use crate::core::strategy::{
    Bodies, BodyTable, Compiled, Movement, RevisionBodies, Sides, Step, compile_back,
};

/// Decides about a rollout.
#[must_use]
pub fn decide_rollout(view: &RolloutView<'_>) -> Decision {
    decide(view).unwrap_or_else(Decision::Refuse)
}

fn decide(view: &RolloutView<'_>) -> Result<Decision, Refusal> {
    if view.record.is_some_and(|r| r.removed && r.open.is_some()) {
        // What has left the plan only deletes, and is closed first if it is back.
        let of = (view.project, view.target);
        return Ok(decide_gone(of, view.record, view.now, view.holder_dead));
    }
    let Some(record) = view.record.filter(|r| !r.removed) else {
        return match view.rollout {
            Some(rollout) => start(view, view.record, rollout),
            None => Ok(Decision::Idle(Idle::Done)),
        };
    };
    if let Some(why) = &record.undecided {
        return match view.rollout {
            Some(_) => Err(undecided(view, why)),
            None => Ok(bury(view, record)),
        };
    }
    if let Some(open) = &record.open {
        return decide_open(view, record, open);
    }
    if record.rebuilt && !buried(view, record) {
        return replay(view, record);
    }
    after_steps(view, record)
}

/// The decision about a rollout that has no open step, and whose objects the
/// cluster has.
pub(super) fn after_steps(
    view: &RolloutView<'_>,
    record: &EntityRecord,
) -> Result<Decision, Refusal> {
    let Some(rollout) = view.rollout else { return vanished(view, record, record.on_delete) };
    if rollout.disabled && !record.status.rolling_state.terminal() && is_tried(record) {
        return vanished(view, record, rollout.on_delete);
    }
    if record.status.rolling_state.going_back() {
        return go_back(view, record, record.ending.unwrap_or(Ending::Aborted));
    }
    if record.on_delete != rollout.on_delete && !record.status.rolling_state.terminal() {
        let mut amended = record.clone();
        amended.on_delete = rollout.on_delete;
        let subject =
            format!("{}: its removal would now mean {:?}", view.key.name, rollout.on_delete);
        return Ok(Decision::Amend(Box::new(amended), subject));
    }
    match record.status.rolling_state {
        RollingState::RolloutSucceed | RollingState::RolloutFailed => {
            decide_terminal(view, record, rollout)
        }
        RollingState::LocatingTargetApp => start(view, Some(record), rollout),
        _ => match wants_ending(view, record)? {
            Some(ending) => go_back(view, record, ending),
            None if wants_another(view, record)? => finish(view, record, rollout),
            None => next_batch(view, record, rollout, true),
        },
    }
}

/// Why a rollout under way must go back to stable now, if it must.
pub(super) fn wants_ending(
    view: &RolloutView<'_>,
    record: &EntityRecord,
) -> Result<Option<Ending>, Refusal> {
    if let Some(ending) = record.ending {
        return Ok(Some(ending));
    }
    if view.decisions.aborts(record.attempt) {
        return Ok(Some(Ending::Aborted));
    }
    let Some(name) = view.target_revision else {
        return Ok((record.on_delete == OnDelete::Abort).then_some(Ending::Deleted));
    };
    let wanted = match view.revision(name, "targetAppRevisionName") {
        Ok(revision) => revision,
        // A target that does not exist is said once nothing is open: it must
        // not keep the open step from its end.
        Err(_) if record.open.is_some() => return Ok(None),
        Err(refusal) => return Err(refusal),
    };
    Ok(if record.target.as_ref().is_some_and(|target| view.is(target, wanted)) {
        None
    } else if record.stable.as_ref().is_some_and(|stable| view.is(stable, wanted)) {
        Some(Ending::Reverted)
    } else if only_around_pods(view, record, wanted) || serves(view, record)? == Some(true) {
        None
    } else {
        Some(Ending::Modified)
    })
}

/// Whether a rollout is under way by steps, and not about to end.
fn is_tried(record: &EntityRecord) -> bool {
    record.steps.as_ref().is_some_and(|steps| steps.of > 1)
}

/// Whether what is wanted now has the very pods that are being tried: another
/// size, or another Service. What is under way goes on, and that follows it.
fn only_around_pods(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    wanted: &RevisionBodies,
) -> bool {
    let Some(target) = record.target.as_ref().and_then(|target| view.recorded(target).ok()) else {
        return false;
    };
    let kept = [&**target, wanted].iter().all(|revision| revision.naming == Naming::Kept);
    let tries = record.movement == Some(Movement::Upgrade) && is_tried(record);
    kept && tries && target.workload == wanted.workload && target.template == wanted.template
}

/// Whether the target of a rollout under way has all requests already; none where
/// there is no such point before the end.
fn serves(view: &RolloutView<'_>, record: &EntityRecord) -> Result<Option<bool>, Refusal> {
    let (compiled, _) = recompiled(view, record, recorded_rollout(view)?)?;
    let done = u32::try_from(record.goals.len()).unwrap_or(u32::MAX);
    Ok(compiled.serves_after.map(|after| done >= after))
}

/// Whether the plan names another target than that of the rollout under way.
pub(super) fn wants_another(
    view: &RolloutView<'_>,
    record: &EntityRecord,
) -> Result<bool, Refusal> {
    let Some(name) = view.target_revision else { return Ok(false) };
    let wanted = view.revision(name, "targetAppRevisionName")?;
    Ok(record.target.as_ref().is_some_and(|target| !view.is(target, wanted)))
}

/// The next batch of a rollout that is only cleared up after, as it began: the
/// plan's batches and its partition are those of the next target. Where the very
/// pods that are tried are wanted, its gates are about this one too.
fn finish(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
) -> Result<Decision, Refusal> {
    let mut began = recorded_rollout(view)?.clone();
    began.plan.batch_partition = None;
    began.plan.paused = rollout.plan.paused;
    let wanted = view.target_revision.map(|name| view.revision(name, "targetAppRevisionName"));
    if wanted.transpose()?.is_some_and(|wanted| only_around_pods(view, record, wanted)) {
        began.pauses.clone_from(&rollout.pauses);
    }
    next_batch(view, record, &began, false)
}

/// A rollout that the plan has no more.
fn vanished(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    on_delete: OnDelete,
) -> Result<Decision, Refusal> {
    let state = record.status.rolling_state;
    if buried(view, record) {
        return Ok(bury(view, record));
    }
    if state.going_back() {
        return go_back(view, record, record.ending.unwrap_or(Ending::Deleted));
    }
    // Frozen is not over: a person's abort is heard here too.
    if view.decisions.aborts(record.attempt) {
        return go_back(view, record, Ending::Aborted);
    }
    match (on_delete, view.step_rollout) {
        // Disabled, it is given up: what it was on its way to is not begun again.
        (OnDelete::Abort, _) if view.rollout.is_some() => go_back(view, record, Ending::Aborted),
        (OnDelete::Abort, _) => go_back(view, record, Ending::Deleted),
        (OnDelete::Promote, Some(rollout)) => {
            let mut open_end = rollout.clone();
            open_end.plan.batch_partition = None;
            open_end.plan.paused = false;
            open_end.pauses.clear();
            next_batch(view, record, &open_end, false)
        }
        _ => Err(frozen(view)),
    }
}

/// The tombstone of a rollout that has vanished from the plan.
fn bury(view: &RolloutView<'_>, record: &EntityRecord) -> Decision {
    let mut buried = record.clone();
    buried.removed = true;
    buried.undecided = None;
    let subject = format!(
        "{}: gone from the plan, what it applied stays ({})",
        view.key.name,
        inventory_path(view.key)
    );
    Decision::Amend(Box::new(buried), subject)
}

/// Whether a rollout that has vanished from the plan is over.
fn buried(view: &RolloutView<'_>, record: &EntityRecord) -> bool {
    let state = record.status.rolling_state;
    let over = state.terminal() || state == RollingState::LocatingTargetApp;
    view.rollout.is_none() && (view.released || over)
}

/// The refusal of a rollout of which a rebuilt record cannot say where it
/// stands.
fn undecided(view: &RolloutView<'_>, why: &str) -> Refusal {
    Refusal::safety(
        format!("{} is frozen: the record was rebuilt, and {why}", view.key),
        "bring it by hand to one revision with all its pods, and `tranche record rebuild --write` \
         finds it finished",
    )
}

/// The refusal of a rollout that vanished while it was under way.
pub(super) fn frozen(view: &RolloutView<'_>) -> Refusal {
    let how = if view.rollout.is_some() { "is disabled now" } else { "no longer in the plan" };
    Refusal::safety(
        format!("{} is under way but {how}: it is frozen where it stands", view.key),
        "put it back, with the annotation `tranche.dev/on-delete: abort` or `promote` to choose \
         what its removal means (`freeze` is the default), or set `tranche.dev/rollout: none` on \
         its application, if it is of one, to let go of it; or `tranche abort` it",
    )
}

/// The step back to the stable revision.
pub(super) fn go_back(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    ending: Ending,
) -> Result<Decision, Refusal> {
    let rollout = recorded_rollout(view)?;
    let bodies = recorded_bodies(view, record, rollout)?;
    // Before the target serves, a side without pods is one that somebody else has
    // taken away: nothing of the way back may rest on it.
    let early = serves(view, record)? == Some(false);
    let (step, from) = from_record(view, record, rollout, &bodies, |input| {
        let always = compile_back(input, None)?;
        let from = Some(stands(view, &bodies)).filter(|_| !early);
        let step = compile_back(input, from)?;
        // What makes no difference is not put on the record.
        let from = from.filter(|_| step != always);
        Ok((step, from))
    })?;
    let event = match ending {
        Ending::Aborted => Event::Aborted,
        // The failing state was entered with the result that said so.
        Ending::DeadlineExceeded => Event::Aborted,
        Ending::Modified | Ending::Reverted => Event::Modified,
        Ending::Deleted => Event::Deleted,
    };
    let mut next = record.clone();
    next.set_state(record.state().after(&[event]));
    next.ending = Some(ending);
    next.open = None;
    next.back_from = from;
    let step_plan = record.step_plan.clone().unwrap_or_else(|| view.plan_commit.to_owned());
    let step = (step, Vec::new());
    Ok(act(Entry::Fresh, step, 0, next, &bodies, step_plan, Vec::new()))
}

/// The sizes that both workloads have; a missing one has no pods.
fn stands(view: &RolloutView<'_>, bodies: &Bodies) -> Sides {
    let size = |revision: &RevisionBodies| view.live_size(revision).unwrap_or(0);
    Sides { old: bodies.source.as_deref().map_or(0, size), new: size(&bodies.target) }
}

/// The rollout document that the running attempt was last compiled from.
pub(super) fn recorded_rollout<'a>(view: &RolloutView<'a>) -> Result<&'a Rollout, Refusal> {
    view.step_rollout.or(view.rollout).ok_or_else(|| {
        Refusal::safety(
            format!("{}: the plan commit of its last step does not hold it", view.key),
            "the plan's history was rewritten: restore the commit that the record names (`tranche \
             log -o json` shows it), any clone that fetched it has it",
        )
    })
}

/// The next batch, if its gate is open.
fn next_batch(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
    from_newest: bool,
) -> Result<Decision, Refusal> {
    let (compiled, bodies) = recompiled(view, record, rollout)?;
    keeps_done_batches(view, record, rollout, &compiled)?;
    keeps_partition(view, record, rollout)?;
    keeps_traffic(view, record, rollout)?;
    let done = record.state().batch == BatchState::BatchReady;
    let index = record.status.current_batch + u32::from(done);
    let gate = gate(view, rollout, index).or_else(|| held(view, record, rollout, index));
    if let Some(idle) = gate {
        return Ok(Decision::Idle(idle));
    }
    let step_plan = if from_newest {
        view.plan_commit.to_owned()
    } else {
        record.step_plan.clone().unwrap_or_else(|| view.plan_commit.to_owned())
    };
    let mut next = record.clone();
    next.on_delete = rollout.on_delete;
    next.set_state(record.state().after(&[Event::BatchApproved, Event::BatchStarted]));
    begin_batch(view, next, &compiled, &bodies, index, step_plan)
}

/// Why the gate before a batch is closed, if it is.
pub(super) fn gate(view: &RolloutView<'_>, rollout: &Rollout, index: u32) -> Option<Idle> {
    let name = &view.key.name;
    let reason = if let Some(verdict) = &view.decisions.paused {
        let why = verdict.reason.as_ref().map_or_else(String::new, |r| format!(" ({r})"));
        format!("paused by {}{why}; `tranche resume {name}` goes on", verdict.by)
    } else {
        return plan_gate(&rollout.hold(), index).map(|reason| Idle::Waiting { reason });
    };
    Some(Idle::Waiting { reason })
}

/// Why the plan keeps the gate before a batch closed, if it does.
#[must_use]
pub fn plan_gate(hold: &Hold, index: u32) -> Option<String> {
    if hold.paused {
        return Some(format!("paused by the plan ({}); `paused: false` goes on", hold.place));
    }
    let partition = hold.partition.filter(|partition| index > *partition)?;
    Some(format!(
        "batchPartition is {partition} ({}): a plan with {index} or more lets batch {} run",
        hold.place,
        index + 1
    ))
}

/// Batches that are done cannot be edited.
fn keeps_done_batches(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
    compiled: &Compiled,
) -> Result<(), Refusal> {
    let done = record.goals.as_slice();
    if compiled.goals.len() > done.len() && compiled.goals.starts_with(done) {
        return Ok(());
    }
    let list = |goals: &[u32]| {
        let texts: Vec<String> = goals.iter().map(u32::to_string).collect();
        texts.join(", ")
    };
    Err(Refusal::plan(
        format!(
            "{}: {} has done batches up to {} pods, but the plan now says {}",
            rollout.place,
            view.key,
            list(done),
            list(&compiled.goals)
        ),
        "leave the batches that are done as they were and edit the later ones",
    ))
}

/// A partition that is lower than a batch that is done asks for what no batch
/// does: to go back. Down to the last one that is done it is a hold.
fn keeps_partition(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
) -> Result<(), Refusal> {
    let last = u32::try_from(record.goals.len()).unwrap_or(u32::MAX).checked_sub(1);
    let Some(partition) = rollout.plan.batch_partition else { return Ok(()) };
    let Some(last) = last.filter(|last| partition < *last) else { return Ok(()) };
    Err(Refusal::plan(
        format!(
            "{}: batchPartition is {partition}, but batch {} of {} is done: a partition never \
             falls below what is done",
            rollout.place,
            last + 1,
            view.key
        ),
        format!("`batchPartition: {last}` holds it where it stands; `tranche abort` goes back"),
    ))
}

/// What traffic is moved by, and what was moved already, cannot be edited:
/// the route stands where the recorded steps have brought it.
fn keeps_traffic(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
) -> Result<(), Refusal> {
    let Some(began) = view.step_rollout.filter(|_| record.movement == Some(Movement::Upgrade))
    else {
        return Ok(());
    };
    let driven = |rollout: &Rollout| -> Vec<ObjectRef> {
        rollout.drives("").into_iter().map(|driven| driven.object).collect()
    };
    let kept = match (&began.canary, &rollout.canary) {
        _ if driven(began) != driven(rollout) => false,
        _ if began.blue_green.is_some() != rollout.blue_green.is_some() => false,
        (None, None) => true,
        (Some(began), Some(now)) => {
            let done = |canary: &Canary| -> Vec<CanaryStep> {
                let steps = canary.steps.iter().take(record.goals.len()).cloned();
                // How many pods a step has is in the goals.
                // Without a route the pods that a step names say what the old
                // side has, too.
                let alone = !canary.is_routed();
                let bare = |step: CanaryStep| CanaryStep {
                    place: Place::default(),
                    replicas: step.replicas.filter(|_| alone),
                    ..step
                };
                steps.map(bare).collect()
            };
            let lane = |canary: &Canary| canary.lane.as_ref().map(|joined| joined.lane.clone());
            lane(began) == lane(now)
                && began.leeway == now.leeway
                && began.stable_stays == now.stable_stays
                && done(began) == done(now)
        }
        _ => false,
    };
    if kept {
        return Ok(());
    }
    Err(Refusal::plan(
        format!(
            "{}: {} is under way, and the plan now moves its traffic by something else, within \
             other bounds, or by other weights in steps that are done",
            rollout.place, view.key
        ),
        "put `spec.strategy` back as it was, and edit later steps only; or abort first",
    ))
}

/// The decision to do a batch.
pub(super) fn begin_batch(
    view: &RolloutView<'_>,
    mut next: EntityRecord,
    compiled: &Compiled,
    bodies: &Bodies,
    index: u32,
    step_plan: String,
) -> Result<Decision, Refusal> {
    let found = usize::try_from(index).ok().and_then(|i| compiled.steps.get(i));
    let Some(step) = found else {
        return Err(Refusal::safety(
            format!(
                "{}: the record stands at batch {}, which the plan does not have",
                view.key,
                index + 1
            ),
            "restore the batches that the rollout began with, and `tranche apply` again",
        ));
    };
    next.status.current_batch = index;
    next.status.upgraded_replicas = step.goal.saturating_add(next.on_nodes);
    next.shares.clone_from(&compiled.shares);
    next.steps = Some(StepsRef {
        of: u32::try_from(compiled.steps.len()).unwrap_or(u32::MAX),
        digest: Step::list_digest(&compiled.steps),
    });
    next.step_plan = Some(step_plan.clone());
    let warnings = compiled.warnings.clone();
    let upcoming = after_batch(compiled, index);
    let steps = (step.clone(), upcoming);
    let mut decision = act(Entry::Fresh, steps, 0, next, bodies, step_plan, warnings);
    if let Decision::Act(act) = &mut decision {
        act.floor = compiled.floor;
        act.pauses = ahead(view, &act.record);
    }
    Ok(decision)
}

/// Puts an act together.
pub(super) fn act(
    entry: Entry,
    (step, upcoming): (Step, Vec<Step>),
    cursor: usize,
    record: EntityRecord,
    bodies: &Bodies,
    step_plan: String,
    warnings: Vec<String>,
) -> Decision {
    let table = BodyTable::of(bodies);
    Decision::Act(Box::new(Act {
        entry,
        step,
        cursor,
        record,
        table,
        upcoming,
        pauses: Vec::new(),
        floor: None,
        step_plan,
        warnings,
        hurries: false,
        handed: Vec::new(),
    }))
}

/// The batches after one.
pub(super) fn after_batch(compiled: &Compiled, index: u32) -> Vec<Step> {
    let done = usize::try_from(index).unwrap_or(usize::MAX).saturating_add(1);
    compiled.steps.iter().skip(done).cloned().collect()
}
