//! Effects that a step comes by once more: after a run that died before it
//! could record how far it was, or after a set-back. Owns what the step itself
//! has taken away since, which is neither awaited nor made again; it must never
//! believe more than the marks on the live objects say.

use super::Engine;
use super::outcome::Halt;
use super::work::Work;
use crate::core::decide::Act;
use crate::core::object::ObjectRef;
use crate::core::strategy::{Condition, Effect, Verb, mark_of};
use crate::port::{Cluster, Ports};
use serde_json::Value;

impl<P: Ports> Engine<'_, P> {
    /// What is left to wait for of a workload's pods, or of those behind a
    /// Service, where this step has scaled them down since; none where all are.
    pub(super) async fn left_to_serve(
        &self,
        work: &Work,
        condition: &Condition,
        (object, live): (&ObjectRef, Option<&Value>),
    ) -> Result<Option<Condition>, Halt> {
        match condition {
            Condition::Serving { at_least } => {
                let Some(workload) = work.scales_later(object) else { return Ok(None) };
                let live = self.ports.cluster().get(workload).await?;
                let left = live.as_ref().and_then(|live| work.scaled_to(live));
                let left = left.filter(|left| left < at_least);
                Ok(left.map(|at_least| Condition::Serving { at_least }))
            }
            // A trial is looked at, and emptied, by the same step.
            Condition::Ready { at_least } => {
                let left = live.and_then(|live| work.scaled_to(live));
                let left = left.filter(|left| left < at_least);
                Ok(left.map(|at_least| Condition::Ready { at_least }))
            }
            _ => Ok(None),
        }
    }

    /// Whether this step has deleted an object that is not there, and that the
    /// effect at a cursor waits for or writes: it has made the write that stands
    /// between that effect and the deletion.
    pub(super) async fn has_deleted(
        &self,
        act: &Act,
        cursor: usize,
        object: &ObjectRef,
    ) -> Result<bool, Halt> {
        let Some((between, at)) = written_before_deletion(act, cursor, object) else {
            return Ok(false);
        };
        let live = self.ports.cluster().get(between).await?;
        let done = live.as_ref().and_then(|live| done_later(act, cursor, live));
        Ok(done.is_some_and(|done| done >= at))
    }
}

impl Work {
    /// The workload behind a Service that this step brings, if the step scales
    /// it after the wait at the cursor.
    fn scales_later(&self, service: &ObjectRef) -> Option<&ObjectRef> {
        let of =
            self.act.step.effects.iter().take(self.cursor).find_map(|effect| match effect {
                Effect::Write { object, side, .. } if object == service => Some(side),
                _ => None,
            })?;
        later(&self.act, self.cursor).find_map(|(_, effect)| match effect {
            Effect::Write { verb: Verb::Scale, object, side, .. } if side == of => Some(object),
            _ => None,
        })
    }

    /// To how many pods this step has scaled a workload since.
    fn scaled_to(&self, live: &Value) -> Option<u32> {
        match self.act.step.effects.get(done_later(&self.act, self.cursor, live)?)? {
            Effect::Write { verb: Verb::Scale, driven, .. } => driven.replicas,
            _ => None,
        }
    }
}

/// Effects after a cursor, each with its place.
fn later(act: &Act, cursor: usize) -> impl DoubleEndedIterator<Item = (usize, &Effect)> {
    act.step.effects.iter().enumerate().skip(cursor + 1)
}

/// The last write of something else, and its place, between a cursor and the
/// deletion of an object: its own marks went with it.
fn written_before_deletion<'a>(
    act: &'a Act,
    cursor: usize,
    gone: &ObjectRef,
) -> Option<(&'a ObjectRef, usize)> {
    let deletes =
        |effect: &Effect| matches!(effect, Effect::Delete { object, .. } if object == gone);
    let (deletion, _) = later(act, cursor).find(|(_, effect)| deletes(effect))?;
    later(act, cursor).filter(|(at, _)| *at < deletion).rev().find_map(
        |(at, effect)| match effect {
            Effect::Write { object, .. } if object != gone => Some((object, at)),
            _ => None,
        },
    )
}

/// The effect after a cursor whose mark an object carries.
fn done_later(act: &Act, cursor: usize, live: &Value) -> Option<usize> {
    let (step, done) = mark_of(live)?;
    (step == *act.step.id() && done > cursor).then_some(done)
}
