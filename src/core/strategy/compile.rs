//! From a rollout, its revisions and its sizes to the whole list of steps.

use super::workload::Shape;
use super::{
    BatchError, Bodies, Condition, Driven, Effect, Goals, RevisionBodies, Side, Step, StepContext,
    StepKind, Verb, beside, canary, goals, hooks, in_place, nodes, paced, pair, pod_list, ratio,
    spread, switch, together,
};
use crate::core::model::{
    Batches, BlueGreen, Canary, CapacityError, Naming, ReplicaRatio, Rollout, TurnError,
};
use crate::core::object::ObjectRef;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a rollout moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Movement {
    /// From nothing to the target revision.
    Deploy,
    /// From the source revision to the target revision.
    Upgrade,
    /// The target revision from one size to another.
    Scale,
}

/// The sizes of a rollout, read once at its start and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sizes {
    /// Pods at the start: of the source for an upgrade, of the target
    /// revision for scaling, none for a deploy.
    pub original: u32,
    /// Pods at the end.
    pub target: u32,
}

/// Everything that a list of steps is compiled from.
#[derive(Clone, Debug)]
pub struct RolloutInput<'a> {
    /// The rollout.
    pub rollout: &'a Rollout,
    /// What goes into each step's identity.
    pub context: &'a Arc<StepContext>,
    /// What is moved.
    pub movement: Movement,
    /// From which size to which.
    pub sizes: Sizes,
    /// The objects of both revisions.
    pub bodies: &'a Bodies,
    /// The sizes of the target's further components, in their order; `sizes` is
    /// the first one's.
    pub beside: &'a [Sizes],
}

/// A rollout's steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// One step a batch.
    pub steps: Vec<Step>,
    /// Back to the stable revision, legal at any time before the end.
    pub abort: Step,
    /// What holds once the rollout has succeeded.
    pub settle: Step,
    /// Pods on the target revision after each batch.
    pub goals: Vec<u32>,
    /// Fewest ready pods that the list allows, where it dips below the total.
    pub floor: Option<u32>,
    /// After so many batches the target serves all requests, and what is left is
    /// to clear up: another target lets it finish, instead of undoing it.
    pub serves_after: Option<u32>,
    /// The target's share of all requests after each batch, in per cent, where the
    /// numbers of pods make it.
    pub shares: Vec<u32>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// A rollout that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The batches do not add up.
    #[error("rolloutBatches: {0}")]
    Batches(#[from] BatchError),
    /// The two revisions roll different objects in place.
    #[error("source and target roll different workloads ({left} and {right})")]
    Workloads {
        /// The source's workload.
        left: String,
        /// The target's workload.
        right: String,
    },
    /// The steps of a canary do not fit the size.
    #[error(transparent)]
    Capacity(#[from] CapacityError),
    /// More small passes than anybody waits for.
    #[error(
        "spec.strategy.canary takes more than {most} passes: with so many pods, raise `maxSurge` \
         or `maxUnavailable`"
    )]
    Passes {
        /// The most there may be.
        most: usize,
    },
    /// The turns of a rollout that takes over what runs do not fit its size.
    #[error(transparent)]
    Turns(#[from] TurnError),
    /// A canary whose bodies were compiled without their route.
    #[error("a canary needs the route of both revisions")]
    NoRoute,
    /// A share that a route has no words for.
    #[error("{route} {why}")]
    Route {
        /// The route.
        route: String,
        /// What cannot be said.
        why: String,
    },
    /// More pods than anybody waits for one by one.
    #[error(
        "rolloutBatches move {pods} pods with an instanceInterval: at most {most} go one by one, \
         so take it out of the larger batches"
    )]
    Interval {
        /// Pods.
        pods: u64,
        /// The most there may be.
        most: u64,
    },
    /// An interval between pods that go node by node.
    #[error(
        "rolloutBatches[{batch}].instanceInterval is nothing for a DaemonSet, whose pods are \
         evicted together: take it out, and make the batches smaller"
    )]
    NodeInterval {
        /// The batch, from 0.
        batch: usize,
    },
    /// A podList that no controller follows.
    #[error("rolloutBatches[{batch}].podList {why}")]
    PodList {
        /// The batch, from 0.
        batch: usize,
        /// What is wrong.
        why: String,
    },
    /// One of several components cannot be compiled.
    #[error("component {component}: {why}")]
    Component {
        /// The component.
        component: String,
        /// What is wrong with it.
        why: String,
    },
    /// Source and target differ in the shape of the workload.
    #[error("an upgrade needs a source revision")]
    NoSource,
}

impl RolloutInput<'_> {
    /// `maxUnavailable` of a batch, in pods. The base is the total of an
    /// upgrade or deploy, and the difference when scaling.
    pub(super) fn tolerance(&self, batch: usize) -> u32 {
        let base = match self.movement {
            Movement::Scale => self.sizes.original.abs_diff(self.sizes.target),
            Movement::Deploy | Movement::Upgrade => self.sizes.target,
        };
        match &self.rollout.plan.batches {
            Batches::Listed(list) => list.get(batch).map_or(0, |b| b.max_unavailable.of(base)),
            Batches::Even(_) => 0,
        }
    }

    /// Pods that a batch has to see ready, of `goal` that are to be on the target
    /// revision.
    pub(super) fn certain(&self, batch: usize, goal: u32) -> u32 {
        match self.canary() {
            Some(canary) => canary.certain(goal),
            None => goal.saturating_sub(self.tolerance(batch)),
        }
    }

    /// The revision that is left, whose workload is another one than the
    /// target's.
    pub(super) fn apart(&self) -> Result<&RevisionBodies, CompileError> {
        self.source(false)
    }

    /// The revision that is left, whose workload is the target's too.
    pub(super) fn together(&self) -> Result<&RevisionBodies, CompileError> {
        self.source(true)
    }

    fn source(&self, same: bool) -> Result<&RevisionBodies, CompileError> {
        let Bodies { source, target } = self.bodies;
        let Some(source) = source else { return Err(CompileError::NoSource) };
        if (source.workload == target.workload) == same {
            return Ok(source);
        }
        Err(CompileError::Workloads {
            left: source.workload.to_string(),
            right: target.workload.to_string(),
        })
    }

    pub(super) fn write(verb: Verb, object: &ObjectRef, side: Side, driven: Driven) -> Effect {
        Effect::Write { verb, object: object.clone(), side, driven }
    }

    pub(super) fn wait(&self, object: &ObjectRef, condition: Condition) -> Effect {
        let deadline_seconds = self.rollout.deadline_seconds;
        Effect::Await { object: object.clone(), condition, deadline_seconds }
    }

    /// Everything beside the rolled workload, applied as one side has it, and
    /// the workloads among it awaited, and what a rule of the plan is about.
    pub(super) fn rest(&self, side: Side) -> Vec<Effect> {
        let Some(revision) = self.bodies.side(side) else { return Vec::new() };
        let apply =
            revision.rest.iter().map(|o| Self::write(Verb::Apply, o, side, Driven::default()));
        let rules = &self.rollout.health;
        let lively = revision.rest.iter().filter(|o| {
            let kind = o.kind_ref();
            let counted = revision.workloads.of(&kind).filter(|kind| kind.shape != Shape::Nodes);
            counted.is_some() || rules.cover(&kind)
        });
        let awaits = lively.map(|o| self.wait(o, Condition::Healthy));
        apply.chain(awaits).collect()
    }

    /// Deletes of what only `of` has. What the plan has given to another owner
    /// stays: it may be applied already.
    pub(super) fn leftovers(&self, of: Side) -> Vec<Effect> {
        let (Some(mine), Some(theirs)) = (self.bodies.side(of), self.bodies.side(of.other()))
        else {
            return Vec::new();
        };
        let (namespace, application) = (&self.context.entity.namespace, self.rollout.application());
        let owners = &self.rollout.owners;
        mine.rest
            .iter()
            .filter(|object| !theirs.bodies.contains_key(*object))
            .filter(|object| !owners.is_anothers(object, namespace, application))
            .map(|object| Effect::Delete { object: object.clone(), uid: None })
            .collect()
    }

    /// The canary, wherever one revision follows another: else there is no
    /// traffic to shift.
    pub(super) fn canary(&self) -> Option<&Canary> {
        let canary = self.rollout.canary.as_ref().filter(|_| !self.rollout.disabled);
        canary.filter(|_| self.movement == Movement::Upgrade && !self.only_around_pods())
    }

    /// The switch, wherever one revision follows another.
    pub(super) fn blue_green(&self) -> Option<&BlueGreen> {
        self.rollout.blue_green.as_ref().filter(|_| self.movement == Movement::Upgrade)
    }

    /// What is taken over, wherever one version follows another.
    pub(super) fn ratio(&self) -> Option<&ReplicaRatio> {
        self.rollout.ratio.as_ref().filter(|_| self.movement == Movement::Upgrade)
    }

    /// Whether the workload keeps its name and its pods: nothing in their
    /// template changes.
    fn only_around_pods(&self) -> bool {
        let Bodies { source, target } = self.bodies;
        target.naming == Naming::Kept
            && source.as_ref().is_some_and(|source| source.template == target.template)
    }

    /// The goals of the batches over what moves.
    pub(super) fn goals(&self) -> Result<Goals, CompileError> {
        if let Some(blue_green) = self.blue_green() {
            let total = self.sizes.target;
            let warnings = blue_green.told(total).into_iter().collect();
            return Ok(Goals { cumulative: switch::goals(blue_green, total), warnings });
        }
        if let Some(ratio) = self.ratio() {
            let total = self.sizes.target;
            let cumulative = ratio::goals(ratio, total)?;
            return Ok(Goals { cumulative, warnings: ratio::told(ratio, total) });
        }
        if let Some(canary) = self.canary() {
            let total = self.sizes.target;
            let cumulative = match self.rollout.spreads() {
                true => spread::sides(canary, total)?.iter().map(|sides| sides.new).collect(),
                false => canary.pods(total)?,
            };
            return Ok(Goals { cumulative, warnings: Vec::new() });
        }
        let on_nodes = self.bodies.target.kind.shape == Shape::Nodes;
        if on_nodes && self.movement == Movement::Deploy {
            return Ok(nodes::at_once_deployed(self));
        }
        let total = match self.movement {
            Movement::Deploy | Movement::Upgrade => self.sizes.target,
            Movement::Scale => self.sizes.original.abs_diff(self.sizes.target),
        };
        if total == 0 && (on_nodes || self.movement == Movement::Scale) {
            // Nothing moves: whatever the batches say, they are done.
            let batches = match &self.rollout.plan.batches {
                Batches::Listed(list) => list.len(),
                Batches::Even(count) => usize::try_from(*count).unwrap_or(1),
            };
            return Ok(Goals { cumulative: vec![0; batches.max(1)], warnings: Vec::new() });
        }
        Ok(goals(&self.rollout.plan.batches, total)?)
    }

    /// The size after a batch that has moved `moved` pods in all.
    pub(super) fn size_after(&self, moved: u32) -> u32 {
        match self.movement {
            Movement::Deploy | Movement::Upgrade => moved,
            Movement::Scale if self.sizes.target >= self.sizes.original => {
                self.sizes.original.saturating_add(moved)
            }
            Movement::Scale => self.sizes.original.saturating_sub(moved),
        }
    }
}

/// Effects of each part of a rollout, before they become steps.
pub(super) struct Parts {
    pub(super) batches: Vec<Vec<Effect>>,
    pub(super) abort: Vec<Effect>,
    pub(super) settle: Vec<Effect>,
    pub(super) floor: Option<u32>,
}

/// Compiles a rollout.
pub(super) fn listed(input: &RolloutInput<'_>) -> Result<Compiled, CompileError> {
    let compiled = match input.bodies.target.parts.is_empty() {
        true => alone(input)?,
        false => together::compile(input)?,
    };
    Ok(hooks::around(input, compiled))
}

/// The steps of one component.
fn alone(input: &RolloutInput<'_>) -> Result<Compiled, CompileError> {
    let (parts, goals, warnings) = parts(input)?;
    let context = input.context;
    let steps = parts.batches.into_iter().zip(&goals).enumerate().map(|(i, (effects, goal))| {
        let index = u32::try_from(i).unwrap_or(u32::MAX);
        context.step(StepKind::Batch(index), effects, *goal)
    });
    // Once a lane has only to leave what was tried, the workload is updated.
    let member = input.canary().filter(|canary| canary.lane.is_some());
    let member = member.filter(|_| input.bodies.target.berth.is_some());
    let promoted = member.and_then(|_| u32::try_from(goals.len()).ok()?.checked_sub(1));
    Ok(Compiled {
        steps: steps.collect(),
        abort: context.step(StepKind::Abort, parts.abort, 0),
        settle: context.step(StepKind::Settle, parts.settle, input.sizes.target),
        goals,
        floor: parts.floor,
        serves_after: input
            .blue_green()
            .map(|_| switch::SERVES_AFTER)
            .or(promoted)
            .or(input.ratio().map(ratio::serves_after)),
        shares: input.ratio().map(|r| ratio::shares(r, input.sizes.target)).unwrap_or_default(),
        warnings,
    })
}

/// The effects of one component, the pods on its target revision after each
/// batch, and what a person should know.
pub(super) fn parts(
    input: &RolloutInput<'_>,
) -> Result<(Parts, Vec<u32>, Vec<String>), CompileError> {
    let Goals { cumulative, warnings } = input.goals()?;
    let goals: Vec<u32> = cumulative.iter().map(|moved| input.size_after(*moved)).collect();
    pod_list::check(input, &goals)?;
    paced::check(input, &goals)?;
    let parts = match (input.movement, input.bodies.target.kind.shape) {
        (Movement::Upgrade, Shape::Pair) if input.bodies.target.naming == Naming::Kept => {
            beside::upgrade(input, input.canary(), &goals)?
        }
        (Movement::Upgrade, Shape::Pair) if input.ratio().is_some() => ratio::upgrade(input)?,
        (Movement::Upgrade, Shape::Pair) => match (input.blue_green(), input.canary()) {
            (Some(blue_green), _) => switch::upgrade(input, blue_green)?,
            (None, Some(canary)) if input.rollout.spreads() => spread::upgrade(input, canary)?,
            (None, Some(canary)) => canary::upgrade(input, canary, &goals)?,
            (None, None) => pair::upgrade(input, &goals)?,
        },
        (Movement::Upgrade, Shape::InPlace) => in_place::upgrade(input, &goals)?,
        (Movement::Upgrade, Shape::Nodes) => nodes::upgrade(input, &goals)?,
        (Movement::Deploy | Movement::Scale, Shape::Nodes) => nodes::whole(input, &goals),
        (Movement::Deploy | Movement::Scale, _) => in_place::resize(input, &goals),
    };
    Ok((parts, goals, warnings))
}
