//! Several components that go through the same batches together. Owns how the
//! steps of each become one list; what each does by itself is its own
//! compiler's, and no order between two components is known here.
//!
//! A list of effects is a row of turns, each some writes and then some waits.
//! The first turns of all components are one turn, then the second ones, and so
//! on: no component waits for another one's pods inside a turn, and each keeps
//! its own order. What is deleted goes last of all, since old pods of another
//! component may still need it.

use super::compile::{Parts, parts};
use super::workload::Shape;
use super::{
    Bodies, CompileError, Compiled, Condition, Driven, Effect, Movement, RevisionBodies,
    RolloutInput, Side, Sizes, StepKind, Verb,
};
use crate::core::object::ObjectRef;
use std::sync::Arc;

/// A further component that is rolled with the first one.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its workload, and nothing else.
    pub revision: Arc<RevisionBodies>,
    /// The workload under the name that it is rendered with.
    pub plain: ObjectRef,
}

impl RevisionBodies {
    /// A further component by its name.
    #[must_use]
    pub fn part(&self, component: &str) -> Option<&Arc<Self>> {
        self.parts.iter().map(|part| &part.revision).find(|part| part.component == component)
    }

    /// Everything that is rolled: the first component and the further ones.
    pub fn rolled(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.parts.iter().map(|part| &*part.revision))
    }
}

/// Compiles a rollout of several components.
pub(super) fn compile(input: &RolloutInput<'_>) -> Result<Compiled, CompileError> {
    let mut all = Vec::new();
    let components = each(input);
    for one in &components {
        let component = one.bodies.target.component.clone();
        let rollout = one.input(input);
        let (mut made, goals, warnings) = parts(&rollout).map_err(|error| {
            CompileError::Component { component: component.clone(), why: error.to_string() }
        })?;
        if one.joins {
            made.abort = leaves(&rollout, made.abort);
        }
        for (i, batch) in made.batches.iter_mut().enumerate() {
            see(&rollout, i, goals.get(i).copied().unwrap_or(0), batch);
        }
        let total = one.sizes.original.min(one.sizes.target);
        let floor = (made.floor, total);
        let warnings = warnings.into_iter().map(|text| format!("component {component}: {text}"));
        all.push((made, goals, floor, warnings.collect::<Vec<String>>()));
    }
    let batches = all.iter().map(|(made, ..)| made.batches.len()).max().unwrap_or(0);
    let of = |pick: &dyn Fn(&Parts) -> Vec<Effect>| {
        merged(all.iter().map(|(made, ..)| pick(made)).collect())
    };
    let batch = |i: usize| of(&|made: &Parts| made.batches.get(i).cloned().unwrap_or_default());
    let goal = |i: usize| {
        let each = all.iter().map(|(_, goals, ..)| goals.get(i).or(goals.last()).copied());
        each.flatten().fold(0_u32, u32::saturating_add)
    };
    let goals: Vec<u32> = (0..batches).map(goal).collect();
    let dips = all.iter().any(|(_, _, (floor, _), _)| floor.is_some());
    let kept = all.iter().map(|(_, _, (floor, total), _)| floor.unwrap_or(*total));
    let floor = dips.then(|| kept.fold(0_u32, u32::saturating_add));
    let context = input.context;
    let steps = goals.iter().enumerate().map(|(i, goal)| {
        let index = u32::try_from(i).unwrap_or(u32::MAX);
        context.step(StepKind::Batch(index), batch(i), *goal)
    });
    let target = components.iter().map(|one| one.sizes.target).fold(0_u32, u32::saturating_add);
    Ok(Compiled {
        steps: steps.collect(),
        abort: context.step(StepKind::Abort, of(&|made| made.abort.clone()), 0),
        settle: context.step(StepKind::Settle, of(&|made| made.settle.clone()), target),
        goals,
        floor,
        serves_after: None,
        shares: Vec::new(),
        warnings: all.iter().flat_map(|(.., warnings)| warnings.clone()).collect(),
    })
}

/// What stood between two batches, of every component.
pub(super) fn standing(
    input: &RolloutInput<'_>,
    of: &dyn Fn(&RolloutInput<'_>) -> Result<Vec<Effect>, CompileError>,
) -> Result<Vec<Effect>, CompileError> {
    let lists = each(input).into_iter().map(|one| of(&one.input(input)));
    Ok(merged(lists.collect::<Result<_, _>>()?))
}

/// One component of a rollout.
struct One {
    bodies: Bodies,
    sizes: Sizes,
    movement: Movement,
    /// It is new beside others that have a revision to come from.
    joins: bool,
}

impl One {
    fn input<'a>(&'a self, of: &RolloutInput<'a>) -> RolloutInput<'a> {
        let Self { bodies, sizes, movement, .. } = self;
        RolloutInput { movement: *movement, sizes: *sizes, bodies, beside: &[], ..*of }
    }
}

fn each(input: &RolloutInput<'_>) -> Vec<One> {
    let Bodies { source, target } = input.bodies;
    let first = |revision: &Arc<RevisionBodies>| {
        Arc::new(RevisionBodies { parts: Vec::new(), ..RevisionBodies::clone(revision) })
    };
    let bodies = Bodies { source: source.as_ref().map(first), target: first(target) };
    let lead = One { bodies, sizes: input.sizes, movement: input.movement, joins: false };
    let further = target.parts.iter().zip(input.beside).map(|(part, sizes)| {
        let left = source.as_ref().and_then(|source| source.part(&part.revision.component));
        let joins = left.is_none() && input.movement == Movement::Upgrade;
        One {
            bodies: Bodies { source: left.cloned(), target: Arc::clone(&part.revision) },
            sizes: *sizes,
            movement: if joins { Movement::Deploy } else { input.movement },
            joins,
        }
    });
    std::iter::once(lead).chain(further).collect()
}

/// No batch is done before each component was seen, whichever of them moves in it.
fn see(input: &RolloutInput<'_>, batch: usize, goal: u32, effects: &mut Vec<Effect>) {
    let object = &input.bodies.target.workload;
    let seen = |effect: &Effect| !effect.writes() && effect.object() == object;
    let at_least = input.certain(batch, goal);
    if input.movement == Movement::Scale || at_least == 0 || effects.iter().any(seen) {
        return;
    }
    let condition = match input.bodies.target.kind.shape {
        Shape::Pair => Condition::Ready { at_least },
        Shape::InPlace => Condition::UpdatedReady { at_least },
        // How many there are is the nodes' doing, and each batch waits for them.
        Shape::Nodes => return,
    };
    let last = effects.iter().take_while(|effect| !matches!(effect, Effect::Delete { .. })).count();
    effects.insert(last, input.wait(object, condition));
}

/// The way back of what had no revision before: nothing of it stays.
fn leaves(input: &RolloutInput<'_>, back: Vec<Effect>) -> Vec<Effect> {
    let object = &input.bodies.target.workload;
    let gone = Effect::Delete { object: object.clone(), uid: None };
    if input.bodies.target.kind.shape == Shape::Nodes {
        return back.into_iter().chain([gone]).collect();
    }
    let none = Driven { replicas: Some(0), ..super::in_place::driven(input, 0) };
    vec![
        RolloutInput::write(Verb::Scale, object, Side::Target, none),
        input.wait(object, Condition::ScaledTo { at_most: 0 }),
        gone,
    ]
}

/// Turn by turn; deletes last.
fn merged(lists: Vec<Vec<Effect>>) -> Vec<Effect> {
    let mut rows: Vec<_> = lists.into_iter().map(|list| turns(list).into_iter()).collect();
    let (mut effects, mut deletes) = (Vec::new(), Vec::new());
    loop {
        let turn: Vec<_> = rows.iter_mut().filter_map(Iterator::next).collect();
        if turn.is_empty() {
            break;
        }
        let (writes, waits): (Vec<_>, Vec<_>) = turn.into_iter().unzip();
        for write in writes.into_iter().flatten() {
            match write {
                Effect::Delete { .. } => deletes.push(write),
                write => effects.push(write),
            }
        }
        effects.extend(waits.into_iter().flatten());
    }
    effects.extend(deletes);
    effects
}

/// A list as its turns: writes, and the waits that follow them.
fn turns(list: Vec<Effect>) -> Vec<(Vec<Effect>, Vec<Effect>)> {
    let mut turns: Vec<(Vec<Effect>, Vec<Effect>)> = Vec::new();
    for effect in list {
        // An eviction goes on until what it is about is gone.
        let writes = effect.writes() && !matches!(effect, Effect::Evict { .. });
        let begins = turns.last().is_none_or(|(_, waits)| writes && !waits.is_empty());
        if begins {
            turns.push((Vec::new(), Vec::new()));
        }
        let Some((written, waits)) = turns.last_mut() else { continue };
        let turn = if writes { written } else { waits };
        turn.push(effect);
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::KindRef;
    use proptest::prelude::*;

    fn effects(component: u8, sorts: &[u8]) -> Vec<Effect> {
        let kind = KindRef::new("v1", "Pod");
        let each = sorts.iter().enumerate().map(|(i, sort)| {
            let object = ObjectRef::new(&kind, None, &format!("{component}-{i}"));
            match sort {
                0 => RolloutInput::write(Verb::Apply, &object, Side::Target, Driven::default()),
                1 => {
                    let condition = Condition::Healthy;
                    Effect::Await { object, condition, deadline_seconds: 1 }
                }
                _ => Effect::Delete { object, uid: None },
            }
        });
        each.collect()
    }

    #[test]
    fn the_first_turns_of_all_are_one_turn() {
        let lists = vec![effects(0, &[0, 0, 1, 0, 1]), effects(1, &[1]), effects(2, &[0, 1, 2])];
        let names: Vec<String> =
            merged(lists).iter().map(|effect| effect.object().name.clone()).collect();
        assert_eq!(names, ["0-0", "0-1", "2-0", "0-2", "1-0", "2-1", "0-3", "0-4", "2-2"]);
    }

    proptest! {
        /// Nothing is lost, each component keeps its own order, nothing but
        /// deletes moves, and those go last.
        #[test]
        fn each_component_keeps_its_order(
            sorts in prop::collection::vec(prop::collection::vec(0_u8..3, 0..9), 1..4),
        ) {
            let lists: Vec<Vec<Effect>> =
                (0_u8..).zip(&sorts).map(|(component, sorts)| effects(component, sorts)).collect();
            let all = merged(lists.clone());
            prop_assert_eq!(all.len(), lists.iter().map(Vec::len).sum::<usize>());
            let deletes = |effect: &&Effect| matches!(effect, Effect::Delete { .. });
            let last = all.iter().rev().take_while(deletes).count();
            prop_assert_eq!(last, all.iter().filter(deletes).count());
            for list in &lists {
                let own = |effect: &&Effect| list.contains(effect);
                let kept: Vec<&Effect> = all.iter().filter(own).filter(|e| !deletes(e)).collect();
                let before: Vec<&Effect> = list.iter().filter(|e| !deletes(e)).collect();
                prop_assert_eq!(kept, before);
                let deleted: Vec<&Effect> = all.iter().filter(own).filter(deletes).collect();
                prop_assert_eq!(deleted, list.iter().filter(deletes).collect::<Vec<_>>());
            }
        }
    }
}
