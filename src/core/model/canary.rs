//! Canaries: a rollout whose steps move traffic.

use super::{Amount, Joined, Place};
use crate::core::object::{KindRef, ObjectRef};
use crate::core::render::RouteType;
use crate::core::traffic::istio::{self, Rules, Subsets};
use crate::core::traffic::{self, Class, HeaderChange, Match, Weight};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long old pods serve on after a route was confirmed, unless the plan
/// says otherwise: what data planes take to follow, with room to spare.
pub const DEFAULT_DRAIN_SECONDS: u32 = 5;

/// `spec.strategy.canary`.
#[derive(Clone, Debug, PartialEq)]
pub struct Canary {
    /// What traffic is moved by; without a route, the share of traffic is the
    /// share of pods.
    pub traffic: Traffic,
    /// How far the pods may be from their number on the way; counts only where
    /// nothing else moves traffic.
    pub leeway: Leeway,
    /// Of the pods that a step has updated, how many may be not ready for it to
    /// be done; counts only where no requests are moved.
    pub failures: Amount,
    /// Whether the old revision keeps all its pods until the last step, instead
    /// of as many as the traffic left to it needs.
    pub stable_stays: bool,
    /// The steps, at least one; the last one is at weight 100.
    pub steps: Vec<CanaryStep>,
    /// What the pods have besides in which a new revision is tried, while the
    /// workload keeps its name.
    pub patch: PodPatch,
    /// The lane that it joins; then the last step but one updates the workload,
    /// and the last one is left for the trial's end.
    pub lane: Option<Joined>,
}

/// Labels and annotations that only the pods of a trial have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodPatch {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What traffic is moved by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// The routes; they are moved together.
    pub routes: Vec<TrafficRoute>,
    /// How long a confirmed shift is given before pods are taken away.
    pub drain_seconds: u32,
}

/// How many pods there may be beyond their number, and how many below it may
/// be ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leeway {
    /// Beyond it; percentages round up.
    pub surge: Amount,
    /// Below it; percentages round down.
    pub unavailable: Amount,
}

impl Default for Leeway {
    fn default() -> Self {
        Self { surge: Amount::Percent(25), unavailable: Amount::Percent(25) }
    }
}

impl Leeway {
    /// Pods beyond `total`.
    #[must_use]
    pub fn beyond(&self, total: u32) -> u32 {
        self.surge.of(total)
    }

    /// Pods below `total`; one where nothing could move otherwise.
    #[must_use]
    pub fn below(&self, total: u32) -> u32 {
        let least = u32::from(self.beyond(total) == 0);
        self.unavailable.rounded_down(total).max(least)
    }
}

/// A route that a rollout drives.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficRoute {
    /// Whose it is.
    pub provider: RouteProvider,
    /// Its name, in the rollout's namespace.
    pub name: String,
    /// The Service that it reaches the component by, where the plan says so; it
    /// is found, and this only has to agree.
    pub service: Option<String>,
    /// The route as the plan has it, where it is a document of its own; none
    /// where the application renders it. Filled in once the whole plan is
    /// known, and then no longer among the plan's plain objects: an object has
    /// one owner.
    pub document: Option<Value>,
    /// The file of that document.
    pub document_file: Option<String>,
}

/// Who acts on a route, and by what.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteProvider {
    /// A Gateway, on an HTTPRoute.
    HttpRoute,
    /// An Ingress controller that shares traffic by annotations.
    Ingress(&'static Class),
    /// Istio, on a VirtualService.
    VirtualService {
        /// The version of its kind; the newest until the route is known.
        version: &'static str,
        /// Which of its rules are driven, and between what weight moves.
        rules: Rules,
    },
    /// Istio, on the subsets of a DestinationRule that a VirtualService sends
    /// to.
    DestinationRule {
        /// The version of its kind; the newest until the route is known.
        version: &'static str,
        /// The subsets.
        subsets: Subsets,
    },
    /// Whoever acts on a kind that a template of the plan writes.
    Custom(Custom),
}

/// A kind of route that a template of the plan writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Custom {
    /// Its kind.
    pub kind: KindRef,
    /// What the template is given besides.
    pub properties: Value,
    /// The template. Filled in once the whole plan is known.
    pub template: Option<Arc<RouteType>>,
}

impl RouteProvider {
    /// The versions that routes of its kind may have, the likeliest first.
    #[must_use]
    pub fn versions(&self) -> &'static [&'static str] {
        match self {
            Self::VirtualService { .. } | Self::DestinationRule { .. } => &istio::VERSIONS,
            Self::HttpRoute | Self::Ingress(_) | Self::Custom(_) => &[],
        }
    }

    /// The same for a route of another version of its kind.
    #[must_use]
    pub fn of_version(mut self, other: &'static str) -> Self {
        if let Self::VirtualService { version, .. } | Self::DestinationRule { version, .. } =
            &mut self
        {
            *version = other;
        }
        self
    }

    /// Whether another route stands on its objects: it is brought back, and
    /// seen in force, before that one is.
    #[must_use]
    pub fn stands_first(&self) -> bool {
        matches!(self, Self::DestinationRule { .. })
    }
}

impl TrafficRoute {
    /// One of a name, of which the plan is still to be asked for the rest.
    #[must_use]
    pub fn named(provider: RouteProvider, name: String) -> Self {
        Self { provider, name, service: None, document: None, document_file: None }
    }

    /// Its reference.
    #[must_use]
    pub fn object(&self, namespace: &str) -> ObjectRef {
        let name = &self.name;
        match &self.provider {
            RouteProvider::HttpRoute => traffic::route(namespace, name),
            RouteProvider::Ingress(_) => traffic::ingress(namespace, name),
            RouteProvider::VirtualService { version, .. } => {
                istio::virtual_service(version, namespace, name)
            }
            RouteProvider::DestinationRule { version, .. } => {
                istio::destination_rule(version, namespace, name)
            }
            RouteProvider::Custom(custom) => ObjectRef::new(&custom.kind, Some(namespace), name),
        }
    }
}

/// One step of a canary.
#[derive(Clone, Debug, PartialEq)]
pub struct CanaryStep {
    /// The new revision's share of the traffic.
    pub weight: Weight,
    /// Its pods, of all there will be; as many as the weight needs if left out.
    pub replicas: Option<Amount>,
    /// Requests that it takes whatever its weight.
    pub matches: Vec<Match>,
    /// What is changed in the headers of what it takes.
    pub headers: HeaderChange,
    /// Where it stands in the plan.
    pub place: Place,
}

impl CanaryStep {
    /// A step by weight alone.
    #[must_use]
    pub fn weighing(weight: Weight, replicas: Option<Amount>, place: Place) -> Self {
        let (matches, headers) = (Vec::new(), HeaderChange::default());
        Self { weight, replicas, matches, headers, place }
    }
}

/// Steps that cannot be done with so many pods.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapacityError {
    /// Too few for the weight.
    #[error(
        "{place}: step {step} sends {weight}% of the traffic to {pods} of {total} pods: \
         it needs at least {needed}"
    )]
    TooFew {
        /// Where.
        place: Place,
        /// The step, from 1.
        step: usize,
        /// The weight.
        weight: Weight,
        /// Its pods.
        pods: u32,
        /// Pods in all.
        total: u32,
        /// Pods that the weight needs.
        needed: u32,
    },
    /// More than there will be.
    #[error("{place}: step {step} asks for {pods} pods, but there will be {total} in all")]
    TooMany {
        /// Where.
        place: Place,
        /// The step, from 1.
        step: usize,
        /// Its pods.
        pods: u32,
        /// Pods in all.
        total: u32,
    },
    /// Fewer than the step before.
    #[error("{place}: step {step} has {pods} pods, fewer than the {before} of the step before")]
    Fewer {
        /// Where.
        place: Place,
        /// The step, from 1.
        step: usize,
        /// Its pods.
        pods: u32,
        /// Pods of the step before.
        before: u32,
    },
}

impl Canary {
    /// Whether anything but the number of pods moves traffic.
    #[must_use]
    pub fn is_routed(&self) -> bool {
        !self.traffic.routes.is_empty()
    }

    /// Pods of `updated` ones that a step has to see ready, and one at least. A
    /// share of requests is never more than ready pods can take, so where
    /// requests are moved it is all of them.
    #[must_use]
    pub fn certain(&self, updated: u32) -> u32 {
        if self.is_routed() || self.lane.is_some() {
            return updated;
        }
        updated.saturating_sub(self.failures.of(updated)).max(updated.min(1))
    }

    /// Pods of the new revision after each step, of `total` in all, where they
    /// are as many as the weight needs.
    ///
    /// # Errors
    /// Fails where they are too few for the weight, too many, or fall.
    pub fn pods(&self, total: u32) -> Result<Vec<u32>, CapacityError> {
        let mut all = Vec::with_capacity(self.steps.len());
        let mut before = 0;
        let lane = self.lane.as_ref().map(|joined| joined.weight).unwrap_or_default();
        for (i, CanaryStep { weight, replicas, matches, place, .. }) in
            self.steps.iter().enumerate()
        {
            let (step, place) = (i + 1, place.clone());
            // What a lane takes of all requests comes to every step.
            let weight = weight.max(&lane);
            let needed = weight.needs(total).max(u32::from(!matches.is_empty()));
            let pods = replicas.map_or(needed.max(before), |amount| amount.of(total));
            if pods < needed {
                let weight = *weight;
                return Err(CapacityError::TooFew { place, step, weight, pods, total, needed });
            }
            if pods > total {
                return Err(CapacityError::TooMany { place, step, pods, total });
            }
            if pods < before {
                return Err(CapacityError::Fewer { place, step, pods, before });
            }
            before = pods;
            all.push(pods);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary(steps: &[(u32, Option<Amount>)]) -> Canary {
        let step = |(weight, replicas): &(u32, Option<Amount>)| {
            let place = Place { file: "rollout.yaml".to_owned(), line: 9 };
            CanaryStep::weighing(Weight::new(*weight).unwrap(), *replicas, place)
        };
        Canary {
            traffic: Traffic::default(),
            leeway: Leeway::default(),
            failures: Amount::default(),
            stable_stays: false,
            steps: steps.iter().map(step).collect(),
            patch: PodPatch::default(),
            lane: None,
        }
    }

    #[test]
    fn pods_follow_the_weight_unless_the_plan_says_more() {
        let (count, percent) = (|n| Some(Amount::Count(n)), |n| Some(Amount::Percent(n)));
        let steps = [(20, count(1)), (60, percent(60)), (100, None)];
        assert_eq!(canary(&steps).pods(5).unwrap(), [1, 3, 5]);
        assert_eq!(
            canary(&[(20, percent(60)), (40, None), (100, None)]).pods(5).unwrap(),
            [3, 3, 5]
        );
        assert_eq!(canary(&[(1, None), (100, None)]).pods(7).unwrap(), [1, 7]);
        let says = |steps: &[(u32, Option<Amount>)], total| {
            canary(steps).pods(total).unwrap_err().to_string()
        };
        assert_eq!(
            says(&steps, 10),
            "rollout.yaml:9: step 1 sends 20% of the traffic to 1 of 10 pods: it needs at least 2"
        );
        assert_eq!(
            says(&[(10, count(6)), (100, None)], 5),
            "rollout.yaml:9: step 1 asks for 6 pods, but there will be 5 in all"
        );
        assert_eq!(
            says(&[(10, count(4)), (20, count(3)), (100, None)], 5),
            "rollout.yaml:9: step 2 has 3 pods, fewer than the 4 of the step before"
        );
    }

    #[test]
    fn some_of_the_updated_pods_may_fail_but_never_all_and_none_that_a_share_needs() {
        let plan = |failures| Canary { failures, ..canary(&[(0, None)]) };
        let certain = |failures| [0, 1, 3, 6, 10].map(|pods| plan(failures).certain(pods));
        assert_eq!(certain(Amount::default()), [0, 1, 3, 6, 10]);
        assert_eq!(certain(Amount::Percent(20)), [0, 1, 2, 4, 8], "rounded up");
        assert_eq!(certain(Amount::Count(2)), [0, 1, 1, 4, 8]);
        assert_eq!(certain(Amount::Percent(100)), [0, 1, 1, 1, 1]);
        let joined = Joined { lane: "gray".to_owned(), ..Joined::default() };
        let in_lane = Canary { lane: Some(joined), ..plan(Amount::Percent(20)) };
        assert_eq!(in_lane.certain(6), 6);
        let route = TrafficRoute::named(RouteProvider::HttpRoute, "web".to_owned());
        let traffic = Traffic { routes: vec![route], drain_seconds: 0 };
        assert_eq!(Canary { traffic, ..plan(Amount::Percent(20)) }.certain(6), 6);
    }

    #[test]
    fn surge_rounds_up_and_what_is_missing_rounds_down() {
        let leeway = Leeway::default();
        assert_eq!((leeway.beyond(10), leeway.below(10)), (3, 2));
        assert_eq!((leeway.beyond(3), leeway.below(3)), (1, 0));
        let none = Leeway { surge: Amount::Count(0), unavailable: Amount::Percent(10) };
        assert_eq!((none.beyond(20), none.below(20)), (0, 2));
        assert_eq!((none.beyond(5), none.below(5)), (0, 1), "something has to move");
    }
}
