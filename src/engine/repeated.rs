//! Waits that a step comes by once more: after a run that died before it could
//! record how far it was, or after a set-back. Owns what the step itself has
//! taken away since, which never returns; it must never believe more than the
//! marks on the live objects say.

use super::Engine;
use super::outcome::Halt;
use super::work::Work;
use crate::core::object::ObjectRef;
use crate::core::strategy::{Condition, Effect, Verb, mark_of};
use crate::port::{Cluster, Ports};
use serde_json::Value;

impl<P: Ports> Engine<'_, P> {
    /// What a Service is waited for to serve, where this step has scaled down
    /// the pods behind it since; none where all are waited for.
    pub(super) async fn left_to_serve(
        &self,
        work: &Work,
        condition: &Condition,
        service: &ObjectRef,
    ) -> Result<Option<Condition>, Halt> {
        let Condition::Serving { at_least } = condition else { return Ok(None) };
        let Some(workload) = work.scales_later(service) else { return Ok(None) };
        let live = self.ports.cluster().get(workload).await?;
        let left = live.as_ref().and_then(|live| work.scaled_to(live));
        let left = left.filter(|left| left < at_least);
        Ok(left.map(|at_least| Condition::Serving { at_least }))
    }

    /// Whether this step has deleted an awaited object that is not there: it
    /// has made the write that stands between the wait and the deletion.
    pub(super) async fn has_deleted(&self, work: &Work, object: &ObjectRef) -> Result<bool, Halt> {
        let Some((between, at)) = work.writes_before_deletion(object) else { return Ok(false) };
        let live = self.ports.cluster().get(between).await?;
        Ok(live.as_ref().and_then(|live| work.done_later(live)).is_some_and(|done| done >= at))
    }
}

impl Work {
    /// Effects after the wait at the cursor, each with its place.
    fn later(&self) -> impl DoubleEndedIterator<Item = (usize, &Effect)> {
        self.act.step.effects.iter().enumerate().skip(self.cursor + 1)
    }

    /// The workload behind a Service that this step brings, if the step scales
    /// it after the wait at the cursor.
    fn scales_later(&self, service: &ObjectRef) -> Option<&ObjectRef> {
        let of =
            self.act.step.effects.iter().take(self.cursor).find_map(|effect| match effect {
                Effect::Write { object, side, .. } if object == service => Some(side),
                _ => None,
            })?;
        self.later().find_map(|(_, effect)| match effect {
            Effect::Write { verb: Verb::Scale, object, side, .. } if side == of => Some(object),
            _ => None,
        })
    }

    /// To how many pods this step has scaled a workload since.
    fn scaled_to(&self, live: &Value) -> Option<u32> {
        match self.act.step.effects.get(self.done_later(live)?)? {
            Effect::Write { verb: Verb::Scale, driven, .. } => driven.replicas,
            _ => None,
        }
    }

    /// The last write of something else, and its place, between the wait at the
    /// cursor and the deletion of an object: its own marks went with it.
    fn writes_before_deletion(&self, gone: &ObjectRef) -> Option<(&ObjectRef, usize)> {
        let deletes =
            |effect: &Effect| matches!(effect, Effect::Delete { object, .. } if object == gone);
        let (deletion, _) = self.later().find(|(_, effect)| deletes(effect))?;
        self.later().filter(|(at, _)| *at < deletion).rev().find_map(|(at, effect)| match effect {
            Effect::Write { object, .. } if object != gone => Some((object, at)),
            _ => None,
        })
    }

    /// The effect after the wait at the cursor whose mark an object carries.
    fn done_later(&self, live: &Value) -> Option<usize> {
        let (step, done) = mark_of(live)?;
        (step == *self.act.step.id() && done > self.cursor).then_some(done)
    }
}
