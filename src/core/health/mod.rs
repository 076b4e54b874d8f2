//! The health of an object, as far as its kind or a rule of the plan tells.
//! Owns what counts as healthy, one file a kind; it looks at what it is given,
//! and must never ask for time nor decide what follows.
//!
//! The rules are those of kstatus but for what docs/health.md says. What no
//! rule knows is [`Health::Unknown`], never healthy.
//!
//! A status counts only for the newest generation. That one is never older
//! than what the step has written: the caller looks at an object that carries a
//! mark only if it is that of the step's own newest write, so its generation is
//! at least the one that write was answered with. Every write leaves a mark; who
//! has removed it wrote after us.

mod apiservice;
mod budget;
mod claim;
mod cloneset;
mod conditions;
mod crd;
mod daemonset;
mod deployment;
mod described;
mod existing;
mod expression;
mod gateway;
mod generic;
mod job;
mod namespace;
mod pod;
mod remarks;
mod replicaset;
mod rules;
mod service;
mod statefulset;
#[cfg(test)]
mod tests;

pub use claim::class_of;
pub use expression::{Expression, ExpressionError, MOST_BYTES, MOST_LOOPS, MOST_PARTS, MOST_WORK};
pub use job::removed_itself;
pub use remarks::remarks;
pub use rules::{Rule, Rules, rule_of};

use crate::core::object::ObjectRef;
use crate::core::strategy::workload::{WorkloadKind, Workloads};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// How an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is what its spec says, and works.
    Current,
    /// It is on its way.
    InProgress,
    /// It does not work.
    Failed,
    /// It is being deleted.
    Terminating,
    /// Nothing that is known tells.
    Unknown,
}

/// What was found of an object's health, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it is.
    pub health: Health,
    /// Why, on one line, without values of the object but what its conditions
    /// say.
    pub words: String,
    /// A failure that waiting does not mend.
    pub is_final: bool,
    /// No rule covers the object, so nothing more will ever be known.
    pub unruled: bool,
    /// What people should know although the wait is over.
    pub remark: Option<String>,
}

/// What a verdict stands on beside the object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// The plan's own rules.
    pub rules: &'a [Rule],
    /// The kinds of workload, where a plan describes some.
    pub workloads: Option<&'a Workloads>,
    /// The target's time; without it nothing counts as just begun.
    pub now: Option<Timestamp>,
    /// The partition that the step has written; pods that a higher one holds
    /// back are missing.
    pub partition: Option<u32>,
    /// What [`class_of`] names, if it was found.
    pub beside: &'a [Arc<Value>],
}

impl<'a> Around<'a> {
    /// How an object is read as a workload, if it is one.
    #[must_use]
    pub fn kind(&self, object: &ObjectRef) -> Option<&'a WorkloadKind> {
        let workloads = self.workloads.unwrap_or(Workloads::BUILT_IN);
        workloads.of_object(object).map(|kind| &**kind)
    }
}

impl Verdict {
    fn of(health: Health, words: impl Into<String>) -> Self {
        let words = words.into();
        Self { health, words, is_final: false, unruled: false, remark: None }
    }

    fn current(words: impl Into<String>) -> Self {
        Self::of(Health::Current, words)
    }

    fn in_progress(words: impl Into<String>) -> Self {
        Self::of(Health::InProgress, words)
    }

    /// A failure that may mend itself.
    fn failed(words: impl Into<String>) -> Self {
        Self::of(Health::Failed, words)
    }

    /// A failure that does not.
    fn lost(words: impl Into<String>) -> Self {
        Self { is_final: true, ..Self::of(Health::Failed, words) }
    }

    fn unknown(words: impl Into<String>) -> Self {
        Self::of(Health::Unknown, words)
    }

    /// Healthy, but something is left for a person.
    fn but(words: impl Into<String>) -> Self {
        let words = words.into();
        Self { remark: Some(words.clone()), ..Self::current(words) }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "current",
            Self::InProgress => "in progress",
            Self::Failed => "failed",
            Self::Terminating => "terminating",
            Self::Unknown => "unknown",
        })
    }
}

/// The rule of a built-in kind.
type OfKind = fn(&Value, &Around<'_>) -> Verdict;

/// The kinds that have a rule of their own, by group and kind.
const KINDS: &[(&str, &str, OfKind)] = &[
    ("", "Namespace", namespace::health),
    ("", "PersistentVolumeClaim", claim::health),
    ("", "Pod", pod::health),
    ("", "Service", service::health),
    ("apiextensions.k8s.io", "CustomResourceDefinition", crd::health),
    ("apiregistration.k8s.io", "APIService", apiservice::health),
    ("apps", "DaemonSet", daemonset::health),
    ("apps", "Deployment", deployment::health),
    ("apps", "ReplicaSet", replicaset::health),
    ("apps", "StatefulSet", statefulset::health),
    ("apps.kruise.io", "CloneSet", cloneset::health),
    ("batch", "Job", job::health),
    ("gateway.networking.k8s.io", "Gateway", gateway::health),
    ("gateway.networking.k8s.io", "GatewayClass", gateway::health),
];

/// How an object is. The plan's own rules come first, then what it says where a
/// kind of workload has its counts, then the kind's own rule, then what
/// conditions mean everywhere.
#[must_use]
pub fn health_of(object: &ObjectRef, live: &Value, around: &Around<'_>) -> Verdict {
    if let Some(verdict) = generic::stale(live) {
        return verdict;
    }
    let kind = object.kind_ref();
    if let Some(rule) = rule_of(around.rules, &kind) {
        return rule.health(live);
    }
    if let Some(verdict) = generic::stalled(live) {
        return verdict;
    }
    if let Some(described) = around.workloads.and_then(|workloads| workloads.described(&kind)) {
        return described::health(live, described, around.partition);
    }
    let group = kind.group();
    if let Some((.., of_kind)) = KINDS.iter().find(|(g, k, _)| *g == group && *k == object.kind) {
        return of_kind(live, around);
    }
    if let Some(kind) = around.kind(object) {
        return described::health(live, kind, around.partition);
    }
    if existing::is_healthy_as_it_is(group, &object.kind) {
        return Verdict::current("it is there");
    }
    generic::health(live, around.now)
}
