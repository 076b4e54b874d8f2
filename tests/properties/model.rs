//! A cluster at its worst: after a wait exactly as many pods are ready as were
//! waited for, and a write makes none ready.

use std::collections::BTreeMap;
use tranche::core::object::ObjectRef;
use tranche::core::strategy::{Condition, Effect, Side, Verb, workload};

/// One workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pods {
    pub wanted: u32,
    pub partition: u32,
    pub side: Side,
    /// Ready pods of the revision of `side`, at least.
    pub new: u32,
    /// Ready pods of the other revision, at least (in-place kinds).
    pub old: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub workloads: BTreeMap<ObjectRef, Pods>,
    /// Fewest ready pods so far, and most that were asked for.
    pub lowest: Option<u32>,
    pub highest: u32,
}

impl Cluster {
    pub fn with(object: &ObjectRef, side: Side, pods: u32) -> Self {
        let mut cluster = Self::default();
        let all = Pods { wanted: pods, partition: 0, side, new: pods, old: 0 };
        cluster.workloads.insert(object.clone(), all);
        cluster.look();
        cluster
    }

    pub fn ready(&self) -> u32 {
        self.workloads.values().map(|pods| pods.new + pods.old).sum()
    }

    fn look(&mut self) {
        let ready = self.ready();
        self.lowest = Some(self.lowest.map_or(ready, |lowest| lowest.min(ready)));
        let wanted = self.workloads.values().map(|pods| pods.wanted).sum();
        self.highest = self.highest.max(wanted);
    }

    pub fn act(&mut self, effect: &Effect) {
        match effect {
            Effect::Write { verb, object, side, driven } => {
                if workload::of(&object.kind_ref()).is_some() {
                    let wanted = driven.replicas.expect("every write of a workload says its size");
                    self.write(*verb, object, *side, wanted, driven.partition);
                }
            }
            Effect::Await { object, condition, deadline_seconds } => {
                assert!(*deadline_seconds > 0, "an await without a deadline");
                if let Some(pods) = self.workloads.get_mut(object) {
                    match condition {
                        Condition::Ready { at_least }
                        | Condition::Sound { at_least, .. }
                        | Condition::UpdatedReady { at_least }
                        | Condition::ReadyFor { at_least, .. } => {
                            pods.new = pods.new.max(*at_least);
                        }
                        Condition::Healthy => pods.new = pods.wanted,
                        Condition::ScaledTo { at_most } => assert!(pods.wanted <= *at_most),
                        Condition::Replaced { .. } => panic!("{object} has no pod on each node"),
                        Condition::Serving { .. }
                        | Condition::Reaches { .. }
                        | Condition::RouteAccepted { .. }
                        | Condition::Withdrawn { .. }
                        | Condition::Capacity { .. }
                        | Condition::TakenOver
                        | Condition::Drained { .. } => panic!("{object} is no route"),
                    }
                }
            }
            Effect::Evict { object, .. } => panic!("pods of {object} move by themselves"),
            Effect::Delete { object, .. } => {
                self.workloads.remove(object);
            }
            Effect::Call { .. } => {}
        }
        self.look();
    }

    fn write(
        &mut self,
        verb: Verb,
        object: &ObjectRef,
        side: Side,
        wanted: u32,
        partition: Option<u32>,
    ) {
        let Some(pods) = self.workloads.get_mut(object) else {
            assert!(verb == Verb::Apply || wanted == 0, "{verb} {object} creates it");
            assert_eq!(wanted, 0, "{object} is not born inert");
            let partition = partition.unwrap_or(0);
            let fresh = Pods { wanted, partition, side, new: 0, old: 0 };
            self.workloads.insert(object.clone(), fresh);
            return;
        };
        if pods.side != side {
            // Another template on the same object: what was new is old now.
            (pods.side, pods.new, pods.old) = (side, pods.old, pods.new);
        }
        (pods.wanted, pods.partition) = (wanted, partition.unwrap_or(0));
        // Unready pods go first, and old ones only down to the partition.
        if partition.is_some() {
            pods.old = pods.old.min(pods.partition);
        }
        pods.new = pods.new.min(wanted.saturating_sub(pods.old));
    }
}
