//! Whether new pods are sound. Owns what of a pod says that it will not come
//! right by waiting; it looks at what it is given, and must never ask for time.

use crate::core::object::{KindRef, at};
use serde_json::Value;
use std::sync::Arc;

/// What a container waits for in vain, as the kubelet says it. A first pull or
/// start that fails has other words, and may succeed the next time.
const IN_VAIN: [&str; 7] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

pub(super) fn kind() -> KindRef {
    KindRef::new("v1", "Pod")
}

/// What is wrong with the first of some pods with which anything is, in words;
/// pods on their way out have no say.
pub(super) fn wrong(pods: &[Arc<Value>], restarts: u32) -> Option<String> {
    let mut staying: Vec<&Value> = pods.iter().map(AsRef::as_ref).collect();
    staying.retain(|pod| at(pod, "/metadata/deletionTimestamp").is_none());
    staying.sort_by_key(|pod| name_of(pod));
    staying.into_iter().find_map(|pod| {
        let why = wrong_with(pod, restarts)?;
        Some(format!("pod {} {why}", name_of(pod).unwrap_or_default()))
    })
}

fn name_of(pod: &Value) -> Option<&str> {
    at(pod, "/metadata/name").and_then(Value::as_str)
}

fn wrong_with(pod: &Value, restarts: u32) -> Option<String> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let containers = || {
        let lists = lists.iter().filter_map(|list| at(pod, list).and_then(Value::as_array));
        lists.flatten()
    };
    let waiting = containers().find_map(|container| {
        let reason = at(container, "/state/waiting/reason").and_then(Value::as_str)?;
        IN_VAIN.contains(&reason).then_some(reason)
    });
    let counts = containers().filter_map(|container| container.get("restartCount")?.as_u64());
    let count: u64 = counts.sum();
    let also = waiting.map_or_else(String::new, |reason| format!(" and waits: {reason}"));
    if count > u64::from(restarts) {
        let often = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        return Some(format!("has restarted {often}, {restarts} allowed{also}"));
    }
    if let Some(reason) = waiting {
        return Some(format!("waits: {reason}"));
    }
    let failed = at(pod, "/status/phase").and_then(Value::as_str) == Some("Failed");
    failed.then(|| {
        let reason = at(pod, "/status/reason").and_then(Value::as_str);
        reason.map_or("has failed".to_owned(), |reason| format!("has failed: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, status: &Value) -> Arc<Value> {
        Arc::new(json!({"metadata": {"name": name}, "status": status}))
    }

    fn restarted(count: u32) -> Arc<Value> {
        pod("a", &json!({"containerStatuses": [{"restartCount": count}]}))
    }

    #[test]
    fn restarts_count_beyond_what_is_allowed() {
        assert_eq!(wrong(&[restarted(0)], 0), None);
        assert_eq!(wrong(&[restarted(2)], 2), None);
        let told = wrong(&[restarted(0), restarted(3)], 2).unwrap();
        assert_eq!(told, "pod a has restarted 3 times, 2 allowed");
        let both = json!({
            "initContainerStatuses": [{"restartCount": 1}],
            "containerStatuses": [{"restartCount": 1}],
        });
        assert!(wrong(&[pod("a", &both)], 1).is_some(), "a pod's, of all its containers");
    }

    #[test]
    fn what_never_comes_is_told_from_what_may() {
        let waits = |reason: &str| {
            let state = json!({"waiting": {"reason": reason}});
            wrong(
                &[pod("a", &json!({"containerStatuses": [{"restartCount": 0, "state": state}]}))],
                5,
            )
        };
        for reason in IN_VAIN {
            assert_eq!(waits(reason), Some(format!("pod a waits: {reason}")));
        }
        for reason in ["ContainerCreating", "PodInitializing", "ErrImagePull"] {
            assert_eq!(waits(reason), None, "{reason}");
        }
        let evicted = pod("a", &json!({"phase": "Failed", "reason": "Evicted"}));
        assert_eq!(wrong(&[evicted], 0).as_deref(), Some("pod a has failed: Evicted"));
    }

    #[test]
    fn pods_on_their_way_out_have_no_say() {
        let mut gone = Value::clone(&restarted(4));
        gone["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(wrong(&[Arc::new(gone)], 0), None);
    }
}
