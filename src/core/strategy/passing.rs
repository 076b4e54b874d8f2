//! What is on the cluster only while a rollout is under way. Owns which objects
//! these are; it must never say when one is written.

use super::{Bodies, Side};
use crate::core::object::ObjectRef;
use std::collections::BTreeSet;

impl Bodies {
    /// The objects that a rollout needs beside what its revisions render, and
    /// takes away again.
    #[must_use]
    pub fn passing(&self) -> BTreeSet<ObjectRef> {
        let sides = [Side::Source, Side::Target].into_iter().filter_map(|side| self.side(side));
        let mut passing = BTreeSet::new();
        for revision in sides {
            passing.extend(revision.trial.clone());
            passing.extend(
                revision
                    .berth
                    .iter()
                    .flat_map(|berth| berth.own.iter().map(|(_, own)| own.clone())),
            );
            if let Some(routed) = &revision.routed {
                passing.extend(routed.made.iter().cloned());
                passing.insert(routed.twin.clone());
            }
        }
        passing
    }
}
