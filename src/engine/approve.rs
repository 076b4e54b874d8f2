//! The gate that an approval is for. Owns finding it in the plan in force, and
//! saying why there is none; what an approval does is `decide`'s.

use super::{RunError, load_documents};
use crate::core::decide::{Closed, Command, Gate, gates_left, plan_gate, stands_after};
use crate::core::model::{Plan, Rollout, Target, TargetRevision};
use crate::core::record::{Decisions, EntityRecord, Trailers};
use crate::core::strategy::StepKind;
use crate::port::{CommitId, Objects, Remote};

/// Where an approval finds a rollout.
pub(super) struct Stand {
    /// The gate that it stands at.
    pub(super) gate: Gate,
    /// The batch, from 0, that is done at it.
    pub(super) after: u32,
    /// Why there is none, where the state alone does not say it.
    pub(super) why: Option<String>,
}

impl Stand {
    fn at(gate: Gate, after: u32) -> Self {
        Self { gate, after, why: None }
    }

    fn no(why: impl Into<String>) -> Self {
        Self { gate: Gate::None, after: 0, why: Some(why.into()) }
    }
}

/// Where a rollout stands by the newest plan, or by the one that the record was
/// written with if that is none.
pub(super) async fn stand<R: Remote>(
    remote: &R,
    target: &Target,
    recorded: &str,
    about: (&EntityRecord, &Decisions),
    wanted: Command,
) -> Result<Stand, RunError> {
    let objects = remote.objects();
    let newest = remote.fetch(&target.record_branch).await?.plan;
    let plan = match load_documents(objects, &newest) {
        Ok(plan) => plan,
        Err(error) => match in_force(objects, recorded) {
            Some(plan) => plan,
            None => return Err(error),
        },
    };
    Ok(found(&plan, target, about, wanted))
}

fn in_force<O: Objects>(objects: &O, recorded: &str) -> Option<Plan> {
    let commit = Trailers::parse(recorded)?.plan_commit;
    load_documents(objects, &CommitId(commit)).ok()
}

fn found(
    plan: &Plan,
    target: &Target,
    (entity, decisions): (&EntityRecord, &Decisions),
    wanted: Command,
) -> Stand {
    let all = wanted == Command::ApproveAll;
    let (key, name) = (&entity.entity, &entity.entity.name);
    if let Some(why) = &entity.undecided {
        return Stand::no(format!("it is frozen: the record was rebuilt, and {why}"));
    }
    if entity.status.rolling_state.terminal() || entity.status.rolling_state.going_back() {
        return Stand::at(Gate::None, 0);
    }
    if decisions.aborts(entity.attempt) {
        return Stand::no("it is aborted, and the next `tranche apply` goes back");
    }
    if let Some(open) = entity.open.as_ref().filter(|_| !all)
        && let StepKind::Batch(index) = open.kind
    {
        let why = format!("batch {} is under way: a gate is opened once it is reached", index + 1);
        return Stand::no(why);
    }
    let stood = stands_after(entity);
    let Some(after) = stood.or(all.then_some(entity.status.current_batch)) else {
        return Stand::at(Gate::None, 0);
    };
    let rollout = plan.rollouts.iter().find(|rollout| {
        rollout.name == key.name
            && *rollout.namespace.as_ref().unwrap_or(&target.namespace) == key.namespace
    });
    let Some(rollout) = rollout else {
        return Stand::no("it is no longer in the plan, which has nothing approved");
    };
    if let Some(other) = another(rollout, entity) {
        let why = format!("the plan names {other} now: the next `tranche apply` leaves this one");
        return Stand::no(why);
    }
    if all {
        return Stand::at(left(rollout, entity, decisions, after), after);
    }
    if decisions.approves_one(entity.attempt, after).is_some() {
        return Stand::at(Gate::Approved, after);
    }
    if let Some(closed) = Closed::written(&rollout.pauses, entity, after) {
        let open = decisions.approval(entity.attempt, after, closed.pause).is_some();
        return Stand::at(if open { Gate::Approved } else { Gate::Closed }, after);
    }
    if let Some(paused) = &decisions.paused {
        let by = &paused.by;
        return Stand::no(format!("it is paused by {by}, and `tranche resume {name}` goes on"));
    }
    let next = after + 2;
    Stand::no(plan_gate(&rollout.hold(), after + 1).unwrap_or_else(|| {
        format!("nothing holds batch {next}: the next `tranche apply` begins it")
    }))
}

/// The gates that are left, from the one after a batch on.
fn left(rollout: &Rollout, entity: &EntityRecord, decisions: &Decisions, from: u32) -> Gate {
    if decisions.approves_all(entity.attempt).is_some() {
        Gate::Approved
    } else if gates_left(&rollout.pauses, entity, from) {
        Gate::Closed
    } else {
        Gate::None
    }
}

/// The target that the plan names, if it is another one than the attempt's.
fn another<'a>(rollout: &'a Rollout, entity: &EntityRecord) -> Option<&'a str> {
    let TargetRevision::Named(wanted) = &rollout.target else { return None };
    entity.target.as_ref().is_none_or(|target| target.name != *wanted).then_some(wanted)
}
