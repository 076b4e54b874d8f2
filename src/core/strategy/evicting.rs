//! Which pods of a workload with one pod a node are evicted next. Owns how old
//! pods are told from new ones and how many may be missing at a time; it must
//! never remember what was evicted before: all is in what is live.

use super::workload;
use crate::core::object::{KindRef, ObjectRef, at};
use serde_json::Value;
use std::sync::Arc;

/// The label by which a pod, and the revision that keeps its template, are found.
const HASH: &str = "controller-revision-hash";

/// The kind that keeps the templates of such workloads.
#[must_use]
pub fn holds_revisions() -> KindRef {
    KindRef::new("apps/v1", "ControllerRevision")
}

/// The kind that is evicted.
#[must_use]
pub fn holds_pods() -> KindRef {
    KindRef::new("v1", "Pod")
}

/// What there is to do about the pods of older templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evicting {
    /// Few enough of them are left.
    pub done: bool,
    /// Those that may go now, with their uids, the first one first.
    pub now: Vec<(ObjectRef, String)>,
    /// What is seen, in words.
    pub seen: String,
}

/// The pods that may go now.
///
/// The choice is a function of what is live and goes by the nodes' names: a
/// request of a run that was superseded, which lands late, asks for the pod that
/// its successor asks for first, and by its uid.
#[must_use]
pub fn evicting(
    live: &Value,
    pods: &[Arc<Value>],
    revisions: &[Arc<Value>],
    (at_most, at_once): (u32, u32),
) -> Evicting {
    let owner = text(live, "/metadata/uid");
    let Some(kind) = ObjectRef::of(live).and_then(|object| workload::of(&object.kind_ref())) else {
        return Evicting::default();
    };
    let counts = kind.read(live);
    let Some(newest) = newest(owner, revisions).filter(|_| counts.observed) else {
        let seen = "the newest template is unseen".to_owned();
        return Evicting { seen, ..Evicting::default() };
    };
    let mine = pods.iter().map(Arc::as_ref).filter(|pod| is_owned(pod, owner) && !leaves(pod));
    let mut old = Vec::new();
    let mut ready = 0_u32;
    for pod in mine {
        let is_ready = is_ready(pod);
        ready += u32::from(is_ready);
        if hash(pod) != Some(newest) {
            old.push((is_ready, text(pod, "/spec/nodeName"), pod));
        }
    }
    // What is down already goes first: that takes nothing from anybody.
    old.sort_by_key(|(ready, node, pod)| (*ready, *node, text(pod, "/metadata/name")));
    let left = u32::try_from(old.len()).unwrap_or(u32::MAX);
    let excess = left.saturating_sub(at_most);
    // Pods are counted anew, and are available as far as the status knows of it.
    let down = counts.wanted.saturating_sub(ready.min(counts.ready));
    let idle = u32::try_from(old.iter().filter(|(ready, ..)| !ready).count()).unwrap_or(u32::MAX);
    let may = excess.min(idle.saturating_add(at_once.saturating_sub(down)));
    let rolls = text(live, "/spec/updateStrategy/type") != "OnDelete";
    let now = old.into_iter().take(usize::try_from(may).unwrap_or(usize::MAX));
    let now = now.filter(|_| !rolls).filter_map(|(_, _, pod)| {
        Some((ObjectRef::of(pod)?, text(pod, "/metadata/uid").to_owned()))
    });
    let seen = match rolls {
        true => {
            format!("{excess} of {left} old pods are to go, but its updateStrategy is not OnDelete")
        }
        false => format!(
            "{excess} of {left} old pods are to go, {at_once} at a time, and {down} of {} nodes are \
             without a ready one",
            counts.wanted
        ),
    };
    Evicting { done: excess == 0, now: now.collect(), seen }
}

/// The hash of the newest template: that of the revision with the highest number,
/// which a template that comes back is given anew.
fn newest<'r>(owner: &str, revisions: &'r [Arc<Value>]) -> Option<&'r str> {
    let mine = revisions.iter().filter(|revision| is_owned(revision, owner));
    let number = |revision: &Value| revision.get("revision").and_then(Value::as_i64);
    mine.max_by_key(|revision| number(revision)).and_then(|revision| hash(revision))
}

fn hash(object: &Value) -> Option<&str> {
    at(object, "/metadata/labels")?.get(HASH)?.as_str()
}

fn is_owned(object: &Value, owner: &str) -> bool {
    let references = at(object, "/metadata/ownerReferences").and_then(Value::as_array);
    let is = |reference: &Value| {
        text(reference, "/uid") == owner && at(reference, "/controller") == Some(&Value::Bool(true))
    };
    references.is_some_and(|references| references.iter().any(is))
}

fn leaves(pod: &Value) -> bool {
    at(pod, "/metadata/deletionTimestamp").is_some()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = at(pod, "/status/conditions").and_then(Value::as_array);
    let ready = |c: &Value| text(c, "/type") == "Ready" && text(c, "/status") == "True";
    conditions.is_some_and(|conditions| conditions.iter().any(ready))
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OLD: &str = "old";
    const NEW: &str = "new";

    fn owned(mut object: Value, hash: &str) -> Arc<Value> {
        object["metadata"]["labels"] = json!({HASH: hash});
        object["metadata"]["ownerReferences"] = json!([{"uid": "ds", "controller": true}]);
        Arc::new(object)
    }

    fn pod(node: u32, hash: &str, ready: bool) -> Arc<Value> {
        let name = format!("agent-{}", 9 - node);
        let status = json!({"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]});
        owned(
            json!({"apiVersion": "v1", "kind": "Pod", "status": status,
                   "metadata": {"name": name, "namespace": "ops", "uid": format!("uid-{node}")},
                   "spec": {"nodeName": format!("node-{node}")}}),
            hash,
        )
    }

    fn revisions() -> Vec<Arc<Value>> {
        // The old template came back once: numbers count, not names.
        let revision =
            |number: u32, hash: &str| owned(json!({"metadata": {}, "revision": number}), hash);
        vec![revision(4, NEW), revision(3, OLD)]
    }

    fn set(nodes: u32, ready: u32) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "agent", "namespace": "ops", "uid": "ds", "generation": 2},
            "spec": {"updateStrategy": {"type": "OnDelete"}},
            "status": {"observedGeneration": 2, "desiredNumberScheduled": nodes,
                       "numberReady": ready, "numberAvailable": ready}})
    }

    fn gone(live: &Value, pods: &[Arc<Value>], of: (u32, u32)) -> (bool, Vec<String>) {
        let found = evicting(live, pods, &revisions(), of);
        (found.done, found.now.into_iter().map(|(_, uid)| uid).collect())
    }

    #[test]
    fn the_first_by_their_nodes_go_and_no_more_than_are_asked_for() {
        let pods: Vec<_> = (1..=5).map(|node| pod(node, OLD, true)).collect();
        assert_eq!(gone(&set(5, 5), &pods, (3, 2)), (false, vec!["uid-1".into(), "uid-2".into()]));
        assert_eq!(gone(&set(5, 5), &pods, (0, 1)), (false, vec!["uid-1".into()]));
        assert_eq!(gone(&set(5, 5), &pods, (5, 2)), (true, vec![]));
    }

    #[test]
    fn what_is_down_already_counts_against_those_that_may_be() {
        let mut pods: Vec<_> = (2..=5).map(|node| pod(node, OLD, true)).collect();
        pods.push(pod(1, NEW, false));
        assert_eq!(gone(&set(5, 4), &pods, (0, 1)), (false, vec![]));
        assert_eq!(gone(&set(5, 4), &pods, (0, 2)), (false, vec!["uid-2".into()]));
        // The status lags behind either way: whoever says less is believed.
        assert_eq!(gone(&set(5, 5), &pods, (0, 2)), (false, vec!["uid-2".into()]));
        pods.pop();
        assert_eq!(
            gone(&set(5, 5), &pods, (0, 1)),
            (false, vec![]),
            "its successor is not there yet"
        );
        assert_eq!(gone(&set(5, 3), &pods, (0, 2)), (false, vec![]));
    }

    #[test]
    fn an_old_pod_that_is_down_goes_first_and_for_nothing() {
        let mut pods: Vec<_> = (1..=4).map(|node| pod(node, OLD, true)).collect();
        pods.push(pod(5, OLD, false));
        assert_eq!(gone(&set(5, 4), &pods, (0, 1)), (false, vec!["uid-5".into()]));
        assert_eq!(gone(&set(5, 4), &pods, (0, 2)), (false, vec!["uid-5".into(), "uid-1".into()]));
    }

    #[test]
    fn pods_on_their_way_out_are_not_old_ones_that_are_left() {
        let mut leaving = Value::clone(&pod(1, OLD, true));
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let pods = [Arc::new(leaving), pod(2, OLD, true), pod(3, NEW, true)];
        assert_eq!(gone(&set(3, 3), &pods, (1, 2)), (true, vec![]));
        assert_eq!(gone(&set(3, 3), &pods, (0, 1)), (false, vec![]), "it is down");
    }

    #[test]
    fn pods_of_others_and_templates_nobody_has_seen_move_nothing() {
        let mut strange = Value::clone(&pod(1, OLD, true));
        strange["metadata"]["ownerReferences"][0]["uid"] = json!("another");
        assert_eq!(gone(&set(1, 1), &[Arc::new(strange)], (0, 1)), (true, vec![]));
        let pods = [pod(1, OLD, true)];
        let mut unseen = set(1, 1);
        unseen["metadata"]["generation"] = json!(3);
        assert_eq!(gone(&unseen, &pods, (0, 1)), (false, vec![]));
        let found = evicting(&set(1, 1), &pods, &[], (0, 1));
        assert!(!found.done && found.now.is_empty());
    }

    #[test]
    fn the_native_update_is_left_alone_where_somebody_has_begun_it() {
        let mut live = set(1, 1);
        live["spec"]["updateStrategy"] = json!({"type": "RollingUpdate"});
        let found = evicting(&live, &[pod(1, OLD, true)], &revisions(), (0, 1));
        assert!(!found.done && found.now.is_empty());
        assert!(found.seen.contains("not OnDelete"), "{}", found.seen);
    }
}
