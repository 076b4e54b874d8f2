//! Which objects others lean on, and which writes need no order among them.
//! Owns the order of objects that are applied as they stand; it must never
//! look at what an object says.

use super::{Driven, Effect, Step, StepKind, Verb};
use crate::core::object::KindRef;
use std::ops::Range;

/// What a kind is to the others of a plan, the first of these to be written
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// What other objects live in.
    Namespaces,
    /// What makes other objects' kinds.
    Kinds,
    /// What others name: accounts, settings, limits, classes, roles.
    Named,
    /// What gives roles to accounts: the server looks at both.
    Bindings,
    /// What pods are found by.
    Services,
    /// What runs.
    Workloads,
    /// Everything else, objects of the cluster's own kinds among it.
    Others,
    /// What passes requests on to a Service.
    Aggregated,
    /// What judges requests: were it there before, it would judge ours.
    Judges,
}

impl Rank {
    /// The rank of a kind, by its group and name: the version does not matter.
    #[must_use]
    pub fn of(kind: &KindRef) -> Self {
        match (kind.group(), kind.kind.as_str()) {
            ("", "Namespace") => Self::Namespaces,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Kinds,
            (
                "",
                "ConfigMap"
                | "LimitRange"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
                | "ResourceQuota"
                | "Secret"
                | "ServiceAccount",
            )
            | ("scheduling.k8s.io", "PriorityClass")
            | ("storage.k8s.io", "StorageClass")
            | ("networking.k8s.io", "IngressClass" | "NetworkPolicy")
            | ("node.k8s.io", "RuntimeClass")
            | ("gateway.networking.k8s.io", "GatewayClass")
            | ("rbac.authorization.k8s.io", "ClusterRole" | "Role") => Self::Named,
            ("rbac.authorization.k8s.io", "ClusterRoleBinding" | "RoleBinding") => Self::Bindings,
            ("", "Service" | "Endpoints")
            | ("discovery.k8s.io", "EndpointSlice")
            | ("policy", "PodDisruptionBudget") => Self::Services,
            ("", "Pod" | "ReplicationController")
            | ("apps", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet")
            | ("apps.kruise.io", "CloneSet")
            | ("batch", "CronJob" | "Job") => Self::Workloads,
            ("apiregistration.k8s.io", "APIService") => Self::Aggregated,
            ("admissionregistration.k8s.io", _) => Self::Judges,
            _ => Self::Others,
        }
    }
}

/// The effects that may be done at once with the one at a place: writes that
/// follow each other, of objects of one rank, none of which a rollout drives.
/// What has an order has it by the step alone: nothing else may be inferred.
#[must_use]
pub fn wave(step: &Step, from: usize) -> Range<usize> {
    let rank = |effect: &Effect| match effect {
        Effect::Write { verb: Verb::Apply, object, driven, .. } if *driven == Driven::default() => {
            Some(Rank::of(&object.kind_ref()))
        }
        _ => None,
    };
    let first = step.effects.get(from).and_then(rank).filter(|_| step.kind == StepKind::Settle);
    let Some(first) = first else { return from..from + 1 };
    let same = step.effects.iter().skip(from).take_while(|effect| rank(effect) == Some(first));
    from..from + same.count()
}
