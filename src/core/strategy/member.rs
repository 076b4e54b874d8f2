//! A rollout's part in a lane. Owns the Services by which the pods that are
//! tried are reached, and what the user's own Services select meanwhile: the
//! pods of the workload alone, so that nobody but the lane reaches the others.
//! The lane's routes are the lane's; here they are only looked at.

use super::{Condition, Driven, Effect, Pin, RevisionBodies, RolloutInput, Side, Verb};
use crate::core::model::Joined;
use crate::core::object::ObjectRef;

/// Where the pods of a revision that a lane tries are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Berth {
    /// The user's Services that select them.
    pub services: Vec<ObjectRef>,
    /// The Services of these pods alone, by which routes send to them.
    pub own: Vec<ObjectRef>,
}

/// What a member does around its trial.
pub(super) struct Membership<'a> {
    pub(super) input: &'a RolloutInput<'a>,
    pub(super) joined: &'a Joined,
    pub(super) source: &'a RevisionBodies,
    pub(super) berth: &'a Berth,
}

impl Membership<'_> {
    /// Before the trial has a pod: the user's Services select the workload's
    /// own, and there are Services for the trial's.
    pub(super) fn prepared(&self) -> Vec<Effect> {
        let mut effects = self.pinned(Side::Target);
        effects.extend(self.own());
        effects
    }

    /// The Services of the trial's pods.
    fn own(&self) -> impl Iterator<Item = Effect> + '_ {
        let write =
            |service| RolloutInput::write(Verb::Apply, service, Side::Target, Driven::default());
        self.berth.own.iter().map(write)
    }

    /// The user's Services select the pods of the revision that is left, and no
    /// others.
    pub(super) fn pinned(&self, side: Side) -> Vec<Effect> {
        let pin = Pin::Template { template: self.source.pods_label().1 };
        let driven = Driven { pin: Some(pin.clone()), ..Driven::default() };
        let mut effects = self.pointed(side, &driven);
        let at_least = self.input.sizes.original;
        let reaches = Condition::Reaches { of: pin, at_least, seconds: 0 };
        effects.extend(self.services(side).map(|s| self.input.wait(s, reaches.clone())));
        effects
    }

    /// The user's Services as they are rendered.
    pub(super) fn released(&self, side: Side) -> Vec<Effect> {
        self.pointed(side, &Driven::default())
    }

    fn pointed(&self, side: Side, driven: &Driven) -> Vec<Effect> {
        let write = |s| RolloutInput::write(Verb::Point, s, side, driven.clone());
        self.services(side).map(write).collect()
    }

    /// The user's Services that a revision has.
    fn services(&self, side: Side) -> impl Iterator<Item = &ObjectRef> {
        let revision = self.input.bodies.side(side);
        let has = move |s: &&ObjectRef| revision.is_some_and(|r| r.bodies.contains_key(*s));
        self.berth.services.iter().filter(has)
    }

    /// Whether the trial is reached by its Services.
    pub(super) fn serving(&self, at_least: u32) -> Vec<Effect> {
        let serves = |s| self.input.wait(s, Condition::Serving { at_least });
        if at_least == 0 { Vec::new() } else { self.berth.own.iter().map(serves).collect() }
    }

    /// The lane has left the trial, and what it had sent has been answered.
    pub(super) fn left(&self) -> Vec<Effect> {
        let namespace = self.input.context.entity.namespace.as_str();
        let mut effects = Vec::new();
        for seconds in [0, self.joined.drain_seconds] {
            for hop in &self.joined.hops {
                let here = |own: &&ObjectRef| own.name.starts_with(&format!("{}-v", hop.service));
                let Some(own) = self.berth.own.iter().find(here) else { continue };
                for route in &hop.routes {
                    let mut route = route.clone();
                    route.namespace = Some(namespace.to_owned());
                    let service = own.name.clone();
                    effects.push(Effect::Await {
                        object: route,
                        condition: Condition::Withdrawn { service, seconds },
                        deadline_seconds: self
                            .input
                            .rollout
                            .deadline_seconds
                            .saturating_add(seconds),
                    });
                }
            }
            if seconds == self.joined.drain_seconds {
                break;
            }
        }
        effects
    }

    /// The Services of the trial's pods are deleted.
    pub(super) fn gone(&self) -> impl Iterator<Item = Effect> + '_ {
        self.berth.own.iter().map(|own| Effect::Delete { object: own.clone(), uid: None })
    }
}
