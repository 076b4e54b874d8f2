//! What a plan has, without how it is made: enough to say of a recorded entity
//! whether the plan still has it and what holds it back. Small enough to be
//! kept; it must never hold a value of a document.

use super::{Naming, Pause, Place, Plan, Rollout};
use serde::{Deserialize, Serialize};

/// The names in a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outline {
    /// By name.
    rollouts: Vec<Outlined<Hold>>,
    /// By name; with each, whether it is released.
    applications: Vec<Outlined<bool>>,
    /// By name.
    #[serde(default)]
    lanes: Vec<Outlined<()>>,
    /// By name.
    #[serde(default)]
    routes: Vec<Outlined<()>>,
    /// Whether there are plain objects.
    pub objects: bool,
}

/// One document's name, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outlined<T> {
    name: String,
    /// None where it is the target's.
    namespace: Option<String>,
    said: T,
}

/// What in a plan keeps a rollout's next batch back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Hold before the next batch begins.
    pub paused: bool,
    /// The last batch, counted from 0, that may run; none runs all.
    pub partition: Option<u32>,
    /// What is waited for after each batch.
    pub pauses: Vec<Option<Pause>>,
    /// Whether the plan itself has a word for an approval: a trait of somebody
    /// else's has not.
    pub approves: bool,
    /// Where the rollout stands in the plan.
    pub place: Place,
}

impl Rollout {
    /// What keeps its next batch back.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold {
            paused: self.plan.paused,
            partition: self.plan.batch_partition,
            pauses: self.pauses.clone(),
            approves: self.naming == Naming::Revision,
            place: self.place.clone(),
        }
    }
}

impl Plan {
    /// Its outline.
    #[must_use]
    pub fn outline(&self) -> Outline {
        let mut rollouts: Vec<_> = self
            .rollouts
            .iter()
            .map(|rollout| Outlined {
                name: rollout.name.clone(),
                namespace: rollout.namespace.clone(),
                said: rollout.hold(),
            })
            .collect();
        let mut applications: Vec<_> = self
            .applications
            .iter()
            .map(|application| Outlined {
                name: application.name.clone(),
                namespace: application.namespace.clone(),
                said: application.released,
            })
            .collect();
        let mut lanes: Vec<_> = self
            .lanes
            .iter()
            .map(|lane| Outlined {
                name: lane.name.clone(),
                namespace: lane.namespace.clone(),
                said: (),
            })
            .collect();
        let mut routes: Vec<_> = self
            .routes
            .iter()
            .map(|route| Outlined {
                name: route.name.clone(),
                namespace: route.namespace.clone(),
                said: (),
            })
            .collect();
        routes.sort_by(|a, b| a.name.cmp(&b.name));
        lanes.sort_by(|a, b| a.name.cmp(&b.name));
        rollouts.sort_by(|a, b| a.name.cmp(&b.name));
        applications.sort_by(|a, b| a.name.cmp(&b.name));
        Outline { rollouts, applications, lanes, routes, objects: !self.objects.is_empty() }
    }
}

impl Outline {
    /// What holds a rollout back, if the plan has it; a document without a
    /// namespace is in `default`.
    #[must_use]
    pub fn rollout(&self, namespace: &str, name: &str, default: &str) -> Option<&Hold> {
        find(&self.rollouts, namespace, name, default).map(|found| &found.said)
    }

    /// Whether the plan has a lane.
    #[must_use]
    pub fn lane(&self, namespace: &str, name: &str, default: &str) -> bool {
        find(&self.lanes, namespace, name, default).is_some()
    }

    /// Whether the plan has a Route.
    #[must_use]
    pub fn route(&self, namespace: &str, name: &str, default: &str) -> bool {
        find(&self.routes, namespace, name, default).is_some()
    }

    /// Whether the plan has an application.
    #[must_use]
    pub fn application(&self, namespace: &str, name: &str, default: &str) -> bool {
        find(&self.applications, namespace, name, default).is_some()
    }

    /// Whether it has let go of an application that a rollout moves. One that
    /// names no namespace is of the target's.
    #[must_use]
    pub fn releases(&self, namespace: &str, name: &str) -> bool {
        find(&self.applications, namespace, name, namespace).is_some_and(|found| found.said)
    }
}

fn find<'o, T>(
    sorted: &'o [Outlined<T>],
    namespace: &str,
    name: &str,
    default: &str,
) -> Option<&'o Outlined<T>> {
    let first = sorted.partition_point(|one| one.name.as_str() < name);
    sorted.get(first..)?.iter().take_while(|one| one.name == name).find(|one| {
        let there = one.namespace.as_deref().unwrap_or(default);
        there == namespace
    })
}
