//! Defaults of a pod's spec, in a Pod or in a template. Owns no decision of
//! ours: each is the real server's; a field that is there is never changed.

use super::fields::{default, set, text};
use crate::core::object::at;
use serde_json::{Value, json};

fn items<'a>(value: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Fills in a spec.
pub(super) fn spec(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    default(spec, &["restartPolicy"], json!("Always"));
    default(spec, &["terminationGracePeriodSeconds"], json!(30));
    default(spec, &["dnsPolicy"], json!("ClusterFirst"));
    default(spec, &["schedulerName"], json!("default-scheduler"));
    default(spec, &["securityContext"], json!({}));
    // One field under two names.
    let account = match text(spec, "/serviceAccountName") {
        "" => text(spec, "/serviceAccount").to_owned(),
        account => account.to_owned(),
    };
    if !account.is_empty() {
        set(spec, &["serviceAccountName"], json!(account));
        set(spec, &["serviceAccount"], json!(account));
    }
    items(spec, "/volumes").for_each(volume);
    for list in ["/initContainers", "/containers"] {
        items(spec, list).for_each(container);
    }
}

/// What only a Pod has, not a template.
pub(super) fn alone(pod: &mut Value) {
    default(pod, &["spec", "enableServiceLinks"], json!(true));
    for container in items(pod, "/spec/containers") {
        let limits = at(container, "/resources/limits").cloned().unwrap_or_default();
        for (name, limit) in limits.as_object().into_iter().flatten() {
            default(container, &["resources", "requests", name], limit.clone());
        }
    }
}

/// What admission and the server itself add to a new Pod.
pub(super) fn admitted(pod: &mut Value) {
    default(pod, &["spec", "priority"], json!(0));
    default(pod, &["spec", "preemptionPolicy"], json!("PreemptLowerPriority"));
    let tolerations = ["not-ready", "unreachable"].map(|condition| {
        json!({
            "key": format!("node.kubernetes.io/{condition}"), "operator": "Exists",
            "effect": "NoExecute", "tolerationSeconds": 300,
        })
    });
    default(pod, &["spec", "tolerations"], json!(tolerations));
    default(pod, &["status", "phase"], json!("Pending"));
    let class = class(pod);
    default(pod, &["status", "qosClass"], json!(class));
}

fn class(pod: &Value) -> &'static str {
    let containers = at(pod, "/spec/containers").and_then(Value::as_array);
    let containers = containers.map(Vec::as_slice).unwrap_or_default();
    let amount = |container: &Value, list: &str, name: &str| {
        container.pointer(&format!("/resources/{list}/{name}")).cloned()
    };
    let both = ["cpu", "memory"];
    let guaranteed = containers.iter().all(|container| {
        both.iter().all(|name| {
            let limit = amount(container, "limits", name);
            limit.is_some() && limit == amount(container, "requests", name)
        })
    });
    let some = containers.iter().any(|container| {
        both.iter().any(|name| {
            ["limits", "requests"].iter().any(|list| amount(container, list, name).is_some())
        })
    });
    match (guaranteed, some) {
        (true, _) => "Guaranteed",
        (false, true) => "Burstable",
        (false, false) => "BestEffort",
    }
}

fn volume(volume: &mut Value) {
    if volume.as_object().is_some_and(|fields| fields.len() < 2) {
        set(volume, &["emptyDir"], json!({}));
    }
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if volume.get(source).is_some() {
            default(volume, &[source, "defaultMode"], json!(420));
        }
    }
    if volume.get("hostPath").is_some() {
        default(volume, &["hostPath", "type"], json!(""));
    }
    items(volume, "/downwardAPI/items").for_each(reference);
    for source in items(volume, "/projected/sources") {
        items(source, "/downwardAPI/items").for_each(reference);
        if source.get("serviceAccountToken").is_some() {
            default(source, &["serviceAccountToken", "expirationSeconds"], json!(3600));
        }
    }
}

fn reference(value: &mut Value) {
    if value.get("fieldRef").is_some() {
        default(value, &["fieldRef", "apiVersion"], json!("v1"));
    }
    if value.get("resourceFieldRef").is_some() {
        default(value, &["resourceFieldRef", "divisor"], json!("0"));
    }
}

fn container(container: &mut Value) {
    let image = text(container, "/image");
    let name = image.rsplit('/').next().unwrap_or("");
    let pinned = image.contains('@') || name.split_once(':').is_some_and(|(_, t)| t != "latest");
    let policy = if pinned { "IfNotPresent" } else { "Always" };
    default(container, &["imagePullPolicy"], json!(policy));
    default(container, &["terminationMessagePath"], json!("/dev/termination-log"));
    default(container, &["terminationMessagePolicy"], json!("File"));
    default(container, &["resources"], json!({}));
    items(container, "/ports").for_each(|port| default(port, &["protocol"], json!("TCP")));
    for variable in items(container, "/env") {
        if let Some(from) = variable.get_mut("valueFrom") {
            reference(from);
        }
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            for (field, number) in [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ] {
                default(probe, &[field], json!(number));
            }
            handler(probe);
        }
    }
    for event in ["preStop", "postStart"] {
        if let Some(event) = container.pointer_mut(&format!("/lifecycle/{event}")) {
            handler(event);
        }
    }
}

fn handler(handler: &mut Value) {
    if handler.get("httpGet").is_some() {
        default(handler, &["httpGet", "path"], json!("/"));
        default(handler, &["httpGet", "scheme"], json!("HTTP"));
    }
    if handler.get("grpc").is_some() {
        default(handler, &["grpc", "service"], json!(""));
    }
}
