//! The decision about a rollout that is over.

use super::open::recompiled;
use super::rollout::act;
use super::start::start;
use super::view::RolloutView;
use super::{Decision, Entry, Idle, Refusal, RollingState};
use crate::core::model::Rollout;
use crate::core::object::{Live, ObjectRef};
use crate::core::record::{Ended, EntityRecord, RevisionRef};
use crate::core::strategy::{Bodies, BodyTable, Effect, Step, settled};
use std::collections::BTreeSet;

pub(super) fn decide_terminal(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
) -> Result<Decision, Refusal> {
    let Some(name) = view.target_revision else { return start(view, Some(record), rollout) };
    let wanted = view.revision(name, "targetAppRevisionName")?;
    let size = rollout.plan.target_size.map(i64::from);
    let resized = size.is_some_and(|size| size != record.status.rollout_target_size);
    let revision = record.target.as_ref().is_some_and(|target| view.is(target, wanted));
    let same = revision && !resized;
    if record.status.rolling_state == RollingState::RolloutFailed {
        let held = record.held_at.as_deref() == Some(view.plan_commit);
        if view.decisions.retries(record.attempt) || !(same || held) {
            return start(view, Some(record), rollout);
        }
        return Ok(Decision::Idle(Idle::Failed { reason: why_failed(view, record, same) }));
    }
    if !same {
        return start(view, Some(record), rollout);
    }
    if rollout.ratio.is_some() {
        // Between two rollouts what runs is its owner's, as before the first one.
        return Ok(Decision::Idle(Idle::Done));
    }
    mend(view, record, rollout)
}

fn why_failed(view: &RolloutView<'_>, record: &EntityRecord, same: bool) -> String {
    let target = record.target.as_ref().map_or("its target", |target| target.name.as_str());
    let last = record.last.as_ref().map(|last| last.message.as_str()).filter(|m| !m.is_empty());
    let cause = last.map_or_else(String::new, |message| format!(" ({message})"));
    let name = &view.key.name;
    if record.last.as_ref().is_some_and(|last| last.verdict == Ended::Abandoned) {
        return format!(
            "a step of the rollout to {target} was {}, and its objects stand where it left them; \
             {}",
            last.unwrap_or("abandoned"),
            by_hand(view, record)
        );
    }
    if same {
        format!(
            "the rollout to {target} was given up{cause}; `tranche retry {name}` or a new target \
             starts again"
        )
    } else {
        format!(
            "the rollout to {target} was given up{cause} while the newer target was in the plan; \
             `tranche retry {name}` or a newer plan commit starts it"
        )
    }
}

/// What a person does about a rollout that stands half-way.
fn by_hand(view: &RolloutView<'_>, record: &EntityRecord) -> String {
    let name = &view.key.name;
    let workload = |revision: &RevisionRef| view.revisions.get(&revision.name).map(|r| &r.workload);
    let source = record.source.as_ref();
    let target = record.target.as_ref().and_then(workload);
    match (source, target) {
        (Some(source), Some(target)) if workload(source) != Some(target) => format!(
            "a plan that names {} as the target, with all its pods as `targetSize`, brings it \
             back; then delete {target} by hand (`kubectl delete`), and `tranche retry {name}` or \
             a new target starts again",
            source.name
        ),
        (None, Some(target)) => format!(
            "delete {target} by hand (`kubectl delete`), then `tranche retry {name}` or a new \
             target starts again"
        ),
        _ => format!("`tranche retry {name}` or a new target starts from what stands"),
    }
}

/// What a finished rollout owns is held at its final state.
fn mend(
    view: &RolloutView<'_>,
    record: &EntityRecord,
    rollout: &Rollout,
) -> Result<Decision, Refusal> {
    let mut next = record.clone();
    next.settled += 1;
    // Batches are not looked at any more: an edit of them after the end says
    // nothing, so the recorded document is compiled.
    // The route of its own document is an edit that counts, though: nobody
    // else applies it.
    let recorded = view.step_rollout.filter(|recorded| same_route(recorded, rollout));
    let step_plan = record.step_plan.clone().filter(|_| recorded.is_some());
    let step_plan = step_plan.unwrap_or_else(|| view.plan_commit.to_owned());
    next.step_plan = Some(step_plan.clone());
    let rollout = recorded.unwrap_or(rollout);
    let (compiled, bodies) = recompiled(view, &next, rollout)?;
    if !drifted(&compiled.settle, &BodyTable::of(&bodies), view.live, view.unchanged) {
        return Ok(Decision::Idle(Idle::Done));
    }
    // Only this side is applied: the source is gone.
    let bodies = Bodies { source: None, target: bodies.target };
    let step = (compiled.settle, Vec::new());
    Ok(act(Entry::Fresh, step, 0, next, &bodies, step_plan, Vec::new()))
}

fn same_route(one: &Rollout, other: &Rollout) -> bool {
    let routes = |rollout: &Rollout| -> Vec<_> {
        let driven = rollout.drives("").into_iter();
        driven.map(|driven| (driven.object, driven.document.cloned())).collect()
    };
    routes(one) == routes(other)
}

/// Whether any write of a step would change something, as far as can be told
/// without asking the server; `unchanged` are objects that were asked about.
pub(super) fn drifted(
    step: &Step,
    table: &BodyTable,
    live: &Live,
    unchanged: &BTreeSet<ObjectRef>,
) -> bool {
    step.effects.iter().any(|effect| match effect {
        Effect::Write { object, .. } if unchanged.contains(object) => false,
        Effect::Write { object, side, driven, .. } => {
            let body = table.get(*side, object);
            let named = (object, table.kind(*side, object));
            body.is_none_or(|(body, _)| !settled(live.get(object), named, body, driven))
        }
        Effect::Delete { object, .. } => live.contains(object),
        Effect::Await { .. } | Effect::Evict { .. } | Effect::Call { .. } => false,
    })
}
