//! Blue-green: a rollout that brings a revision up whole beside the one that
//! serves, and then moves all requests to it at once, by a Service's selector.

use crate::core::object::{KindRef, ObjectRef};
use serde_json::Value;

/// How long the revision that requests have left runs on, unless the plan says
/// otherwise.
pub const DEFAULT_SCALE_DOWN_DELAY: u32 = 30;

/// `spec.strategy.blueGreen`.
#[derive(Clone, Debug, PartialEq)]
pub struct BlueGreen {
    /// The Service that everybody sends requests to.
    pub active: DrivenService,
    /// The Service that reaches the new revision before that one does.
    pub preview: Option<DrivenService>,
    /// Pods of the new revision before the switch; all of them if left out.
    pub preview_replicas: Option<u32>,
    /// How long the pods that requests have left run on, in seconds. On the way
    /// forward that is a gate; on the way back a wait.
    pub scale_down_delay: u32,
}

/// A Service that a rollout drives.
#[derive(Clone, Debug, PartialEq)]
pub struct DrivenService {
    /// Its name, in the rollout's namespace.
    pub name: String,
    /// The Service as the plan has it, where it is a document of its own; none
    /// where the application renders it. Filled in once the whole plan is
    /// known, and then no longer among the plan's plain objects.
    pub document: Option<Value>,
    /// The file of that document.
    pub document_file: Option<String>,
}

impl DrivenService {
    /// A Service by its name, before the plan is known.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), document: None, document_file: None }
    }

    /// Its reference.
    #[must_use]
    pub fn object(&self, namespace: &str) -> ObjectRef {
        ObjectRef::new(&KindRef::new("v1", "Service"), Some(namespace), &self.name)
    }
}

impl BlueGreen {
    /// The Services that are driven.
    pub fn services(&self) -> impl Iterator<Item = &DrivenService> {
        std::iter::once(&self.active).chain(&self.preview)
    }

    /// Pods of the new revision before the switch, of `total` in all.
    #[must_use]
    pub fn before_switch(&self, total: u32) -> u32 {
        self.preview_replicas.map_or(total, |count| count.min(total))
    }

    /// What a person should know of the pods before the switch.
    #[must_use]
    pub fn told(&self, total: u32) -> Option<String> {
        let count = self.preview_replicas.filter(|count| *count > total)?;
        Some(format!(
            "previewReplicaCount is {count}, but there will be {total} pods in all: it means all \
             of them"
        ))
    }
}
