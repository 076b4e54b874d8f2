//! A rollout's part in a lane. Owns the Services by which the pods that are
//! tried are reached, and what the user's own Services select meanwhile: the
//! pods of the workload alone, so that nobody but the lane reaches the others.
//! The lane's routes are the lane's; here they are only looked at.

use super::beside::served;
use super::{Condition, Driven, Effect, Pin, RevisionBodies, RolloutInput, Side, Verb};
use crate::core::model::Joined;
use crate::core::object::ObjectRef;

/// Where the pods of a revision that a lane tries are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Berth {
    /// The user's Services that select them.
    pub services: Vec<ObjectRef>,
    /// The Services of these pods alone, by which routes send to them, each with
    /// the name of the user's Service that it stands for.
    pub own: Vec<(String, ObjectRef)>,
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
        effects.extend(
            self.own()
                .map(|own| RolloutInput::write(Verb::Apply, own, Side::Target, Driven::default())),
        );
        effects
    }

    /// The Services of the trial's pods.
    fn own(&self) -> impl Iterator<Item = &ObjectRef> {
        self.berth.own.iter().map(|(_, own)| own)
    }

    /// The user's Services select the pods of the revision that is left, and no
    /// others.
    pub(super) fn pinned(&self, side: Side) -> Vec<Effect> {
        let pin = Pin::Template { template: self.source.pods_label().1 };
        let driven = Driven { pin: Some(pin.clone()), ..Driven::default() };
        let mut effects = self.pointed(side, &driven);
        let at_least = served(self.input, Side::Source);
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
        if at_least == 0 { Vec::new() } else { self.own().map(serves).collect() }
    }

    /// The lane has left the trial, and what it had sent has been answered. Where
    /// none of its routes leads there, whoever tells its requests by their headers
    /// is given the same time.
    pub(super) fn left(&self) -> Vec<Effect> {
        let mut ways: Vec<(&ObjectRef, &str)> = Vec::new();
        for hop in &self.joined.hops {
            let own = self.berth.own.iter().find(|(service, _)| *service == hop.service);
            let Some((_, own)) = own else { continue };
            ways.extend(hop.routes.iter().map(|route| (route, own.name.as_str())));
        }
        if ways.is_empty() {
            let trial = self.input.bodies.target.trial.as_ref();
            ways.extend(self.joined.routes.first().zip(trial.map(|trial| trial.name.as_str())));
        }
        let drain = self.joined.drain_seconds;
        let drained = Some(drain).filter(|seconds| *seconds > 0);
        let rounds = [Some(0), drained].into_iter().flatten();
        let waits = rounds.flat_map(|seconds| ways.iter().map(move |way| (way, seconds)));
        waits.map(|((route, service), seconds)| self.withdrawn(route, service, seconds)).collect()
    }

    fn withdrawn(&self, route: &ObjectRef, service: &str, seconds: u32) -> Effect {
        let namespace = self.input.context.entity.namespace.clone();
        Effect::Await {
            object: ObjectRef { namespace: Some(namespace), ..route.clone() },
            condition: Condition::Withdrawn { service: service.to_owned(), seconds },
            deadline_seconds: self.input.rollout.deadline_seconds.saturating_add(seconds),
        }
    }

    /// The Services of the trial's pods are deleted.
    pub(super) fn gone(&self) -> impl Iterator<Item = Effect> + '_ {
        self.own().map(|own| Effect::Delete { object: own.clone(), uid: None })
    }
}
