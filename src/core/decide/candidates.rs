//! Which step left a mark: every step that the plan's history could have
//! compiled is made again, and its id compared. Owns that search and its
//! bounds; it must never take a step for the one that only looks like it.

use crate::core::digest::Digest;
use crate::core::model::Rollout;
use crate::core::object::ObjectRef;
use crate::core::strategy::{
    Bodies, COMPILER, Compiled, Driven, Effect, EntityKey, Movement, RevisionBodies, RolloutInput,
    Sides, Sizes, Standing, Step, StepContext, StepId, StepKind, begins_of_back, compile,
    compile_back, compile_replay,
};
use std::sync::Arc;

/// More attempts than are tried for one rollout.
const MOST_ATTEMPTS: u64 = 4_000;
/// A way back that may have begun at more sizes than this is not looked for.
const MOST_BEGINS: usize = 200;
/// How often a rollout may have been brought back before.
const MOST_REPLAYS: u32 = 4;

/// A mark on a live object, and the state that it has with it.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) step: StepId,
    pub(super) effect: usize,
    pub(super) object: ObjectRef,
    pub(super) replicas: u32,
}

/// A step that was found again.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) step: Step,
    pub(super) compiled: Compiled,
    pub(super) attempt: u32,
    pub(super) replays: u32,
    /// Where a way back began, if it depends on that.
    pub(super) back_from: Option<Sides>,
    pub(super) movement: Movement,
    pub(super) sizes: Sizes,
    pub(super) bodies: Bodies,
    pub(super) step_plan: String,
}

/// Where steps are looked for.
#[derive(Clone, Debug)]
pub(super) struct Ground<'a> {
    pub(super) key: &'a EntityKey,
    pub(super) project: &'a str,
    pub(super) target: &'a str,
    /// Rollouts of the plan's history with their commits, newest first.
    pub(super) plans: &'a [(String, Rollout)],
    /// No attempt can be higher than the record had commits.
    pub(super) seq: u64,
}

impl Ground<'_> {
    /// The step of a mark on the way from one revision to another.
    pub(super) fn find(
        &self,
        mark: &Mark,
        source: Option<&Arc<RevisionBodies>>,
        target: &Arc<RevisionBodies>,
        originals: &[u32],
    ) -> Option<Found> {
        for (step_plan, rollout) in self.plans {
            let bodies = Bodies { source: source.cloned(), target: target.clone() };
            let Ok(bodies) = bodies.routed(rollout) else { continue };
            for (movement, sizes) in movements(rollout, &bodies, originals) {
                let found = self.among(mark, rollout, &bodies, movement, sizes);
                if let Some((step, compiled, attempt, of)) = found {
                    let (bodies, step_plan) = (bodies.clone(), step_plan.clone());
                    return Some(Found {
                        step,
                        compiled,
                        attempt,
                        replays: of.round,
                        back_from: of.back_from,
                        movement,
                        sizes,
                        bodies,
                        step_plan,
                    });
                }
            }
        }
        None
    }

    fn among(
        &self,
        mark: &Mark,
        rollout: &Rollout,
        bodies: &Bodies,
        movement: Movement,
        sizes: Sizes,
    ) -> Option<(Step, Compiled, u32, Of)> {
        let context = Arc::new(self.context(bodies, 0));
        let input =
            RolloutInput { rollout, context: &context, movement, sizes, bodies, beside: &[] };
        let compiled = compile(&input).ok()?;
        let replays = replays(&input, &compiled, mark);
        let own = compiled.steps.iter().chain([&compiled.abort]);
        let own = own.map(|step| (step.clone(), Of::default()));
        let all = own.chain(replays).chain(backs(&input));
        for (step, of) in all.filter(|(step, _)| could_have_left(step, mark)) {
            for attempt in 1..=self.seq.min(MOST_ATTEMPTS) {
                let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
                let mut context = self.context(bodies, attempt);
                context.round = of.round;
                let again = Arc::new(context).step(step.kind, step.effects.clone(), step.goal);
                if *again.id() == mark.step {
                    let context = Arc::new(self.context(bodies, attempt));
                    let input = RolloutInput { context: &context, ..input };
                    return Some((again, compile(&input).ok()?, attempt, of));
                }
            }
        }
        None
    }

    fn context(&self, bodies: &Bodies, attempt: u32) -> StepContext {
        let digest = |revision: &RevisionBodies| -> Digest { revision.digest.clone() };
        StepContext {
            project: self.project.to_owned(),
            target: self.target.to_owned(),
            entity: self.key.clone(),
            source: bodies.source.as_deref().map(digest),
            revision: bodies.target.digest.clone(),
            attempt,
            round: 0,
            compiler: COMPILER,
        }
    }
}

/// What may have been moved, from which size to which.
fn movements(rollout: &Rollout, bodies: &Bodies, originals: &[u32]) -> Vec<(Movement, Sizes)> {
    let wanted = rollout.plan.target_size;
    let from = |movement| {
        let sizes = move |original: &u32| {
            (movement, Sizes { original: *original, target: wanted.unwrap_or(*original) })
        };
        originals.iter().map(sizes)
    };
    if bodies.source.is_some() {
        return from(Movement::Upgrade).collect();
    }
    let target = wanted.unwrap_or(bodies.target.replicas);
    let deploy = (Movement::Deploy, Sizes { original: 0, target });
    std::iter::once(deploy).chain(from(Movement::Scale)).collect()
}

/// What else decides a step's id.
#[derive(Clone, Copy, Debug, Default)]
struct Of {
    round: u32,
    back_from: Option<Sides>,
}

fn replays(input: &RolloutInput<'_>, compiled: &Compiled, mark: &Mark) -> Vec<(Step, Of)> {
    let batches = u32::try_from(compiled.steps.len()).unwrap_or(u32::MAX);
    let standings = (0..=batches).map(Standing::After).chain([Standing::Finished(batches)]);
    let steps = standings.filter_map(|standing| compile_replay(input, standing, 0).ok().flatten());
    let fitting = steps.filter(|step| could_have_left(step, mark));
    let rounds = |step: Step| {
        (0..MOST_REPLAYS).map(move |round| (step.clone(), Of { round, back_from: None }))
    };
    fitting.flat_map(rounds).collect()
}

/// The ways back from wherever a step may have stopped.
fn backs<'a>(input: &'a RolloutInput<'a>) -> impl Iterator<Item = (Step, Of)> + 'a {
    let begins = std::iter::once_with(|| begins_of_back(input, MOST_BEGINS)).flatten();
    begins.filter_map(|from| {
        let step = compile_back(input, Some(from)).ok()?;
        Some((step, Of { round: 0, back_from: Some(from) }))
    })
}

/// Whether a step writes at the marked effect what stands there; a missing
/// object is created without pods first.
fn could_have_left(step: &Step, mark: &Mark) -> bool {
    let Some(Effect::Write { object, driven: Driven { replicas, .. }, .. }) =
        step.effects.get(mark.effect)
    else {
        return false;
    };
    // A size that no write has said is anybody's.
    *object == mark.object
        && (mark.replicas == 0 || replicas.is_none_or(|replicas| replicas == mark.replicas))
}

/// Whether a found step ends its attempt at the target.
pub(super) fn is_last(found: &Found) -> bool {
    let last = found.compiled.steps.last();
    match found.step.kind {
        StepKind::Batch(_) => last.is_some_and(|last| last.id() == found.step.id()),
        StepKind::Abort
        | StepKind::Settle
        | StepKind::Orphans
        | StepKind::Prune
        | StepKind::Replay(_) => false,
    }
}
