//! Blue-green over a pair of workloads: one Service, and all of its requests at
//! once.
//!
//! At rest the Service selects the pods of every revision, which are those of
//! one. So before the first new pod exists it is pointed at the old revision
//! alone. The new side is then brought up beside it, and reached by the preview
//! Service; once it has all its pods, one write points the Service at the new
//! revision, ports and all else as that one renders them. The old side runs on
//! through the gate that follows. It is taken away then, and with none of its pods
//! left both Services return to what is rendered, as the last of all.
//!
//! The way back is the mirror image, one list from wherever it begins: the old
//! side is seen whole, one write points the Service at it, and the new side goes
//! once that was followed for as long as the old one would have run on. Where it
//! begins with none of the old pods left, the Service may be as rendered again,
//! and would reach them as they come back: it is pointed at the new revision
//! first. A way back that starts over does not do that again once it has pointed
//! the Service elsewhere, since the new pods may be gone: the marks tell.

use super::compile::Parts;
use super::pair::replicas;
use super::switched::Switched;
use super::{
    CompileError, Condition, Driven, Effect, Pin, RevisionBodies, RolloutInput, Side, Sides, Verb,
};
use crate::core::model::BlueGreen;
use crate::core::object::ObjectRef;

/// After so many batches all requests go to the target.
pub(super) const SERVES_AFTER: u32 = 2;

struct Switch<'a> {
    input: &'a RolloutInput<'a>,
    blue_green: &'a BlueGreen,
    source: &'a RevisionBodies,
    target: &'a RevisionBodies,
    left: &'a Switched,
    reached: &'a Switched,
}

/// Pods of the new side after each batch.
pub(super) fn goals(blue_green: &BlueGreen, total: u32) -> Vec<u32> {
    vec![blue_green.before_switch(total), total, total]
}

pub(super) fn upgrade(
    input: &RolloutInput<'_>,
    blue_green: &BlueGreen,
) -> Result<Parts, CompileError> {
    let switch = Switch::of(input, blue_green)?;
    let total = input.sizes.target;
    let workload = &switch.target.workload;
    let mut settle =
        vec![RolloutInput::write(Verb::Apply, workload, Side::Target, replicas(total))];
    settle.extend(input.rest(Side::Target));
    settle.push(input.wait(workload, Condition::Healthy));
    let batches = vec![switch.previewed(), switch.switched(), switch.ended()];
    Ok(Parts { batches, abort: switch.back(), settle, floor: None })
}

/// Both sides and the Services as they stood before the first batch, or after so
/// many.
pub(super) fn standing(
    input: &RolloutInput<'_>,
    blue_green: &BlueGreen,
    done: u32,
) -> Result<Vec<Effect>, CompileError> {
    let switch = Switch::of(input, blue_green)?;
    let original = input.sizes.original;
    if done == 0 {
        let mut effects = input.rest(Side::Source);
        effects.extend(switch.brought(Side::Source, original));
        return Ok(effects);
    }
    let mut effects = input.rest(Side::Source);
    effects.retain(|effect| !switch.target.bodies.contains_key(effect.object()));
    effects.extend(switch.rest(Side::Target));
    effects.extend(switch.brought(Side::Source, original));
    let total = input.sizes.target;
    if done < SERVES_AFTER {
        effects.extend(switch.pointed(Side::Source, original));
        let count = switch.blue_green.before_switch(total);
        effects.extend(switch.shown(switch.brought(Side::Target, count), count));
    } else {
        effects.extend(switch.shown(switch.brought(Side::Target, total), total));
        effects.extend(switch.pointed(Side::Target, total));
    }
    Ok(effects)
}

/// The sizes from which on the Services may be as rendered again.
pub(super) fn late(input: &RolloutInput<'_>) -> Sides {
    Sides { old: 0, new: input.sizes.target }
}

/// The way back from the end, where none of the old pods are left; none from
/// anywhere else.
pub(super) fn late_back(
    input: &RolloutInput<'_>,
    blue_green: &BlueGreen,
    from: Sides,
) -> Result<Option<Vec<Effect>>, CompileError> {
    if from.old > 0 {
        return Ok(None);
    }
    let switch = Switch::of(input, blue_green)?;
    // Whatever has become of the new pods: the old ones are not held up by them.
    let mut effects = switch.pointed(Side::Target, 0).to_vec();
    effects.extend(switch.back());
    Ok(Some(effects))
}

impl<'a> Switch<'a> {
    fn of(input: &'a RolloutInput<'a>, blue_green: &'a BlueGreen) -> Result<Self, CompileError> {
        let target = &input.bodies.target;
        let source = input.apart()?;
        let (Some(left), Some(reached)) = (&source.switched, &target.switched) else {
            return Err(CompileError::NoRoute);
        };
        Ok(Self { input, blue_green, source, target, left, reached })
    }

    fn revision(&self, side: Side) -> (&RevisionBodies, &Switched) {
        match side {
            Side::Source => (self.source, self.left),
            Side::Target => (self.target, self.reached),
        }
    }

    /// All objects beside the workload but the Services, whose time is another.
    fn rest(&self, side: Side) -> Vec<Effect> {
        let mut effects = self.input.rest(side);
        let services = [Some(&self.reached.active), self.reached.preview.as_ref()];
        effects.retain(|effect| !services.contains(&Some(effect.object())));
        effects
    }

    /// A Service whose selector names one revision.
    fn point(&self, service: &ObjectRef, side: Side) -> Effect {
        let pin = Some(Pin::Revision(self.revision(side).0.workload.name.clone()));
        RolloutInput::write(Verb::Point, service, side, Driven { pin, ..Driven::default() })
    }

    /// The wait until that is followed, and has been for so many seconds.
    fn followed(&self, service: &ObjectRef, side: Side, at_least: u32, seconds: u32) -> Effect {
        let of = Pin::Revision(self.revision(side).0.workload.name.clone());
        let deadline = self.input.rollout.deadline_seconds;
        Effect::Await {
            object: service.clone(),
            condition: Condition::Reaches { of, at_least, seconds },
            // The time that it has to hold is no reason to fail.
            deadline_seconds: deadline.saturating_add(seconds),
        }
    }

    /// The active Service on one revision, once that is followed.
    fn pointed(&self, side: Side, at_least: u32) -> [Effect; 2] {
        let active = &self.reached.active;
        [self.point(active, side), self.followed(active, side, at_least, 0)]
    }

    /// The new side with so many pods, between the write that points the preview
    /// Service at it and the wait until that reaches them.
    fn shown(&self, pods: impl IntoIterator<Item = Effect>, at_least: u32) -> Vec<Effect> {
        let preview = self.reached.preview.as_ref();
        let mut effects: Vec<Effect> =
            preview.map(|preview| self.point(preview, Side::Target)).into_iter().collect();
        effects.extend(pods);
        effects.extend(preview.map(|p| self.followed(p, Side::Target, at_least, 0)));
        effects
    }

    fn ready(&self, side: Side, at_least: u32) -> Effect {
        self.input.wait(&self.revision(side).0.workload, Condition::Ready { at_least })
    }

    fn scaled(&self, side: Side, to: u32) -> Effect {
        let workload = &self.revision(side).0.workload;
        RolloutInput::write(Verb::Scale, workload, side, replicas(to))
    }

    /// A side as it stood, and ready.
    fn brought(&self, side: Side, pods: u32) -> [Effect; 2] {
        let workload = &self.revision(side).0.workload;
        let write = RolloutInput::write(Verb::Apply, workload, side, replicas(pods));
        [write, self.ready(side, pods)]
    }

    /// A side without pods.
    fn emptied(&self, side: Side) -> [Effect; 2] {
        let gone = Condition::ScaledTo { at_most: 0 };
        [self.scaled(side, 0), self.input.wait(&self.revision(side).0.workload, gone)]
    }

    /// No pods left of the other side, and then both Services as this one renders
    /// them: they reach what they reached.
    fn alone(&self, side: Side, at_least: u32) -> Vec<Effect> {
        let mut effects = self.emptied(side.other()).to_vec();
        effects.extend(self.input.leftovers(side.other()));
        let (_, services) = self.revision(side);
        let rendered = [Some(&services.active), services.preview.as_ref()].into_iter().flatten();
        let write = |service| RolloutInput::write(Verb::Apply, service, side, Driven::default());
        effects.extend(rendered.map(write));
        effects.push(self.input.wait(&services.active, Condition::Serving { at_least }));
        let object = self.revision(side.other()).0.workload.clone();
        effects.push(Effect::Delete { object, uid: None });
        effects
    }

    /// The Service held on the old revision, and the new one brought up beside
    /// it.
    fn previewed(&self) -> Vec<Effect> {
        let (original, total) = (self.input.sizes.original, self.input.sizes.target);
        let count = self.blue_green.before_switch(total);
        let workload = &self.target.workload;
        let mut effects =
            vec![RolloutInput::write(Verb::Apply, workload, Side::Target, replicas(0))];
        effects.extend(self.rest(Side::Target));
        effects.extend(self.pointed(Side::Source, original));
        let pods = [self.scaled(Side::Target, count), self.ready(Side::Target, count)];
        effects.extend(self.shown(pods, count));
        effects
    }

    /// The switch, once the new side has all its pods. It is scaled even where it
    /// has them already: by that mark on the workload the step is known, should
    /// the record be lost.
    fn switched(&self) -> Vec<Effect> {
        let total = self.input.sizes.target;
        let mut effects = vec![self.scaled(Side::Target, total), self.ready(Side::Target, total)];
        effects.extend(self.pointed(Side::Target, total));
        effects
    }

    /// The old side away. Much may have been done to the Service meanwhile: it is
    /// brought to the new revision, and seen to reach all of it, once more.
    fn ended(&self) -> Vec<Effect> {
        let total = self.input.sizes.target;
        let mut effects = vec![self.ready(Side::Target, total)];
        effects.extend(self.pointed(Side::Target, total));
        effects.extend(self.alone(Side::Target, total));
        effects
    }

    /// Back to the old revision.
    fn back(&self) -> Vec<Effect> {
        let original = self.input.sizes.original;
        let mut effects = vec![self.scaled(Side::Source, original)];
        effects.extend(self.rest(Side::Source));
        effects.push(self.ready(Side::Source, original));
        let active = &self.reached.active;
        effects.push(self.point(active, Side::Source));
        let delay = self.blue_green.scale_down_delay;
        effects.push(self.followed(active, Side::Source, original, delay));
        effects.extend(self.alone(Side::Source, original));
        effects
    }
}
