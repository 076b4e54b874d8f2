//! The decision about a rollout whose cluster was rebuilt: what stood is
//! brought back before anything else moves.

use super::open::{from_record, recorded_bodies};
use super::rollout::{act, after_steps, go_back, recorded_rollout, wants_ending};
use super::view::RolloutView;
use super::{Decision, Entry, Refusal, RollingState};
use crate::core::model::Rollout;
use crate::core::record::{Ending, EntityRecord};
use crate::core::strategy::{Bodies, Standing, Step, StepKind, compile_replay};

/// Brings back what stood, or goes back to stable at once where that is what
/// comes next.
pub(super) fn replay(view: &RolloutView<'_>, record: &EntityRecord) -> Result<Decision, Refusal> {
    if let Some(ending) = replay_ending(view, record)? {
        return go_back(view, record, ending);
    }
    let rollout = recorded_rollout(view)?;
    let Some((step, bodies)) = replayed(view, record, rollout)? else {
        // Nothing stood.
        let mut record = record.clone();
        record.rebuilt = false;
        return after_steps(view, &record);
    };
    let step_plan = record.step_plan.clone().unwrap_or_else(|| view.plan_commit.to_owned());
    let next = record.clone();
    Ok(act(Entry::Fresh, (step, Vec::new()), 0, next, &bodies, step_plan, Vec::new()))
}

/// Why a rollout between its batches goes back instead: the way back brings
/// the stable revision itself.
pub(super) fn replay_ending(
    view: &RolloutView<'_>,
    record: &EntityRecord,
) -> Result<Option<Ending>, Refusal> {
    if moves(record) { wants_ending(view, record) } else { Ok(None) }
}

/// The step that brings back what stood, as the record says.
pub(super) fn replayed(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
) -> Result<Option<(Step, Bodies)>, Refusal> {
    let bodies = recorded_bodies(view, record, rollout)?;
    let step = from_record(view, record, rollout, &bodies, |input| {
        compile_replay(input, standing(record), record.replays)
    })?;
    Ok(step.map(|step| (step, bodies)))
}

fn standing(record: &EntityRecord) -> Standing {
    let done = u32::try_from(record.goals.len()).unwrap_or(u32::MAX);
    match record.status.rolling_state {
        RollingState::RolloutSucceed => Standing::Finished(done),
        _ if moves(record) => Standing::After(done),
        // On the way back, or there: the stable revision.
        _ => Standing::After(0),
    }
}

/// Whether the attempt is between its batches.
fn moves(record: &EntityRecord) -> bool {
    let state = record.status.rolling_state;
    !(state.terminal() || state.going_back() || state == RollingState::LocatingTargetApp)
}

/// Whether an abort on the record stops a step of this kind: the way back is
/// never stopped, nor is what has to stand before it; nor is the removal of
/// leftovers, which begins where nothing is due: an aborted attempt stays
/// aborted, and would stop it for ever.
#[must_use]
pub fn heeds_abort(kind: StepKind, record: &EntityRecord) -> bool {
    match kind {
        StepKind::Abort | StepKind::Orphans | StepKind::Prune => false,
        StepKind::Replay(_) => moves(record),
        StepKind::Batch(_) | StepKind::Settle => true,
    }
}
