//! The workload kinds that a plan knows. Owns which one an object is of: a
//! plan's own descriptor before the built-in kind of the same name.

use super::{WorkloadKind, built_in, of};
use crate::core::object::{KindRef, ObjectRef};
use std::sync::Arc;

/// The kinds that a plan describes, over the built-in ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workloads(Vec<Arc<WorkloadKind>>);

impl Workloads {
    /// Only the built-in kinds.
    pub const BUILT_IN: &Self = &Self(Vec::new());

    /// Described kinds.
    #[must_use]
    pub fn new(described: Vec<Arc<WorkloadKind>>) -> Self {
        Self(described)
    }

    /// The workload kind of `kind`, if rollouts can drive it.
    #[must_use]
    pub fn of(&self, kind: &KindRef) -> Option<&Arc<WorkloadKind>> {
        self.described(kind).or_else(|| of(kind))
    }

    /// The workload kind of an object, if rollouts can drive it.
    #[must_use]
    pub fn of_object(&self, object: &ObjectRef) -> Option<&Arc<WorkloadKind>> {
        self.of(&object.kind_ref())
    }

    /// The kind as the plan describes it.
    #[must_use]
    pub fn described(&self, kind: &KindRef) -> Option<&Arc<WorkloadKind>> {
        self.0.iter().find(|known| known.of == *kind)
    }

    /// Those of the described kinds that some objects are of.
    #[must_use]
    pub fn used(&self, kinds: impl Iterator<Item = KindRef>) -> Self {
        let mut used: Vec<Arc<WorkloadKind>> = Vec::new();
        if self.0.is_empty() {
            return Self(used);
        }
        for kind in kinds {
            if let Some(known) = self.described(&kind).filter(|known| !used.contains(known)) {
                used.push(Arc::clone(known));
            }
        }
        Self(used)
    }

    /// Adds those of another table that this one does not describe.
    pub fn join(&mut self, other: &Self) {
        for kind in &other.0 {
            if self.described(&kind.of).is_none() {
                self.0.push(Arc::clone(kind));
            }
        }
    }

    /// Whether a plan describes none of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds by name, for people: the described ones first.
    #[must_use]
    pub fn names(&self) -> String {
        let all = self.0.iter().chain(built_in());
        let mut names: Vec<&str> = all.map(|kind| kind.of.kind.as_str()).collect();
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(*name));
        names.join(", ")
    }
}
