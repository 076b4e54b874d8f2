//! Lanes: a share of the traffic of a whole chain of applications, which any
//! number of rollouts join while they have something to try.

use super::{Place, Traffic};
use crate::core::object::ObjectRef;
use crate::core::traffic::{HeaderChange, Match, Weight};
use serde::{Deserialize, Serialize};

/// A traffic routing that several rollouts share.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// The namespace if the document names one; else the target's.
    pub namespace: Option<String>,
    /// The name, unique in its namespace on a target.
    pub name: String,
    /// The routes through which requests enter the lane; each names its
    /// Service.
    pub traffic: Traffic,
    /// The lane's share of all other requests.
    pub weight: Weight,
    /// Requests that are the lane's whatever its share.
    pub matches: Vec<Match>,
    /// What is changed in the headers of the lane's requests: by that those
    /// further down the chain tell them from others.
    pub headers: HeaderChange,
    /// Where it stands in the plan.
    pub place: Place,
}

/// The lane that a rollout joins while the revision that it tries has pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The lane's name, in the rollout's namespace.
    pub lane: String,
    /// The lane's routes to the rollout's own Services. Filled in once the
    /// whole plan is known, as all that follows.
    pub hops: Vec<Hop>,
    /// All routes of the lane.
    pub routes: Vec<ObjectRef>,
    /// The lane's share of all requests, where it reaches the rollout.
    pub weight: Weight,
    /// How long pods serve on after the lane has left them, in seconds.
    pub drain_seconds: u32,
}

/// A route by which a lane reaches a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hop {
    /// The Service's name.
    pub service: String,
    /// The objects that may send to the pods that are tried.
    pub routes: Vec<ObjectRef>,
}

/// A rollout that is in a lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    /// The rollout's name.
    pub rollout: String,
    /// The revision that it tries.
    pub revision: String,
    /// Where the lane reaches it, by the plan that its steps are of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
}
