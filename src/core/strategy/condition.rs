//! Whether what an await waits for has come.

use super::Condition;
use super::workload::{self, Pods};
use crate::core::object::ObjectRef;
use serde_json::Value;

/// One look at an awaited object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The condition holds.
    pub met: bool,
    /// It cannot come by waiting: the object is missing, or was set lower
    /// than the step set it.
    pub set_back: bool,
    /// What is seen, in words.
    pub seen: String,
    /// Ready pods of what is rolled, where the condition counts them.
    pub ready: Option<u32>,
}

/// Looks at a condition.
#[must_use]
pub fn look(condition: Condition, object: &ObjectRef, live: Option<&Value>) -> Look {
    let Some(live) = live else {
        let met = matches!(condition, Condition::ScaledTo { .. });
        let seen = format!("{object} is not there");
        return Look { met, set_back: !met, seen, ready: None };
    };
    let Some(kind) = workload::of(&object.kind_ref()) else {
        let (met, seen) = healthy(object, live);
        return Look { met, set_back: false, seen, ready: None };
    };
    let pods = (kind.read)(live);
    let (met, set_back, seen, ready) = match condition {
        Condition::Ready { at_least } => (
            pods.ready >= at_least,
            pods.wanted < at_least,
            format!("{} of {at_least} pods ready", pods.ready),
            Some(pods.ready),
        ),
        Condition::UpdatedReady { at_least } => (
            pods.updated_ready >= at_least,
            pods.wanted < at_least,
            format!("{} of {at_least} updated pods ready", pods.updated_ready),
            Some(pods.updated_ready),
        ),
        Condition::ScaledTo { at_most } => (
            pods.replicas <= at_most,
            pods.wanted > at_most,
            format!("{} pods left, {at_most} wanted", pods.replicas),
            None,
        ),
        Condition::Healthy => (pods.settled, false, settling(&pods), None),
    };
    let seen = if pods.observed { seen } else { format!("{seen}, the newest change unseen") };
    Look { met: met && pods.observed, set_back, seen: format!("{object}: {seen}"), ready }
}

fn settling(pods: &Pods) -> String {
    format!("{} of {} pods ready, {} updated", pods.ready, pods.wanted, pods.updated)
}

/// Kinds whose existence is all there is to wait for.
const PASSIVE: &[&str] = &[
    "ConfigMap",
    "Secret",
    "Service",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "NetworkPolicy",
    "Ingress",
    "PodDisruptionBudget",
    "Lease",
    "HorizontalPodAutoscaler",
];

/// Health as far as any object tells: its newest generation is observed, and
/// a `Ready`, `Available` or `Established` condition, where there is one, is
/// true.
fn healthy(object: &ObjectRef, live: &Value) -> (bool, String) {
    if PASSIVE.contains(&object.kind.as_str()) {
        return (true, format!("{object} is there"));
    }
    let generation = live.pointer("/metadata/generation").and_then(Value::as_u64);
    let observed = live.pointer("/status/observedGeneration").and_then(Value::as_u64);
    if let (Some(generation), Some(observed)) = (generation, observed)
        && observed < generation
    {
        return (false, format!("{object}: the newest change is unseen"));
    }
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    for condition in conditions.into_iter().flatten() {
        let name = condition.get("type").and_then(Value::as_str).unwrap_or_default();
        let value = condition.get("status").and_then(Value::as_str).unwrap_or_default();
        if matches!(name, "Ready" | "Available" | "Established") && value != "True" {
            return (false, format!("{object}: condition {name} is {value}"));
        }
    }
    (true, format!("{object} is there"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::object::KindRef;
    use serde_json::json;

    fn deployment() -> ObjectRef {
        ObjectRef::new(&KindRef::new("apps/v1", "Deployment"), Some("default"), "web")
    }

    #[test]
    fn ready_pods_of_an_unseen_spec_do_not_count() {
        let mut live = json!({
            "metadata": {"generation": 2},
            "spec": {"replicas": 3},
            "status": {"observedGeneration": 1, "readyReplicas": 3, "replicas": 3},
        });
        let condition = Condition::Ready { at_least: 3 };
        assert!(!look(condition, &deployment(), Some(&live)).met);
        live["status"]["observedGeneration"] = json!(2);
        assert!(look(condition, &deployment(), Some(&live)).met);
    }

    #[test]
    fn missing_or_lowered_objects_cannot_come_by_waiting() {
        let condition = Condition::Ready { at_least: 3 };
        assert!(look(condition, &deployment(), None).set_back);
        let lowered = json!({"spec": {"replicas": 1}, "status": {"observedGeneration": 1}});
        assert!(look(condition, &deployment(), Some(&lowered)).set_back);
        assert!(look(Condition::ScaledTo { at_most: 0 }, &deployment(), None).met);
    }
}
