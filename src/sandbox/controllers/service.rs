//! EndpointSlices of Services: which pods a Service reaches. Owns one slice a
//! Service, with all its pods in it, however many (the real controller begins
//! another after a hundred). They follow at once, unless an annotation of the
//! Service has them lag:
//!
//! ```text
//! sandbox.tranche.dev/endpoints-after: 30s   from a write of the Service to the next look at it
//! ```

use super::gateway::changed;
use super::template::{controller_of, ready_since};
use crate::core::digest::Digest;
use crate::core::object::{KindRef, ObjectRef, at};
use crate::core::traffic::{SERVICE_LABEL, SLICES, selects};
use crate::sandbox::fields::{after, annotation, label, seconds, text};
use crate::sandbox::world::World;
use jiff::Timestamp;
use serde_json::{Value, json};

const MANAGER: &str = "kube-controller-manager";
const HEADLESS: &str = "service.kubernetes.io/headless";
const ENDPOINTS_AFTER: &str = "sandbox.tranche.dev/endpoints-after";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// The Services that a pod is, or was, an endpoint of.
pub(super) fn of_pod(world: &World, pod: &Value) -> Vec<ObjectRef> {
    let namespace = at(pod, "/metadata/namespace").and_then(Value::as_str);
    let labels = at(pod, "/metadata/labels");
    let kind = KindRef::new("v1", "Service");
    let services = world.of_kind(&kind);
    services
        .filter(|(name, service)| {
            name.namespace.as_deref() == namespace && selects(service, labels)
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// When a Service that is followed late is looked at again.
pub(super) fn due(world: &World, name: &ObjectRef, service: &Value) -> Option<Timestamp> {
    let delay = annotation(service, ENDPOINTS_AFTER).and_then(seconds)?;
    changed(world, name).map(|changed| after(changed, delay))
}

pub(super) fn reconcile(world: &mut World, service: &Value) {
    let late = ObjectRef::of(service).and_then(|name| due(world, &name, service));
    if late.is_some_and(|at| at > world.now()) {
        return;
    }
    let name = text(service, "/metadata/name").to_owned();
    let selector = at(service, "/spec/selector").and_then(Value::as_object);
    if selector.is_none_or(serde_json::Map::is_empty) {
        return;
    }
    let slices = world.owned(text(service, "/metadata/uid"), SLICES.1);
    let mine = slices.into_iter().find(|slice| label(slice, SERVICE_LABEL) == Some(&name));
    let known = mine.as_ref().map_or(&Value::Null, |mine| &mine["endpoints"]);
    let (endpoints, ports) = (endpoints(world, service, known), Value::Array(ports(service)));
    let labels = labels(service, &name);
    if let Some(mine) = &mine
        && mine["endpoints"] == endpoints
        && mine["ports"] == ports
        && mine["metadata"]["labels"] == labels
    {
        return;
    }
    let mut slice = mine.map_or_else(|| fresh(world, service, &name), |mine| Value::clone(&mine));
    slice["metadata"]["labels"] = labels;
    slice["endpoints"] = endpoints;
    slice["ports"] = ports;
    world.write(slice, MANAGER, None);
}

fn fresh(world: &World, service: &Value, name: &str) -> Value {
    let suffix: String = world.unique(name).chars().take(5).collect();
    json!({
        "apiVersion": SLICES.0, "kind": SLICES.1,
        "metadata": {
            "name": format!("{name}-{suffix}"),
            "namespace": service["metadata"]["namespace"],
            "ownerReferences": controller_of(service),
        },
        "addressType": "IPv4",
    })
}

/// A slice has the Service's own labels beside those that say whose it is.
fn labels(service: &Value, name: &str) -> Value {
    let mut labels = at(service, "/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    if at(service, "/spec/clusterIP").and_then(Value::as_str) == Some("None") {
        labels[HEADLESS] = json!("");
    }
    labels[SERVICE_LABEL] = json!(name);
    labels[MANAGED_BY] = json!("endpointslice-controller.k8s.io");
    labels
}

fn endpoints(world: &World, service: &Value, known: &Value) -> Value {
    let namespace = text(service, "/metadata/namespace");
    let kind = KindRef::new("v1", "Pod");
    let pods = world.of_kind(&kind).filter(|(name, pod)| {
        name.namespace.as_deref() == Some(namespace)
            && selects(service, at(pod, "/metadata/labels"))
            && text(pod, "/status/phase") == "Running"
    });
    pods.map(|(_, pod)| endpoint(pod, known)).collect()
}

fn endpoint(pod: &Value, known: &Value) -> Value {
    let going = !text(pod, "/metadata/deletionTimestamp").is_empty();
    let serving = ready_since(pod).is_some();
    json!({
        "addresses": [address(text(pod, "/metadata/uid"), known)],
        "conditions": {"ready": serving && !going, "serving": serving, "terminating": going},
        "targetRef": {
            "kind": "Pod", "namespace": pod["metadata"]["namespace"],
            "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"],
        },
    })
}

/// An address for a pod, the one that it is known by; nothing here ever uses it.
fn address(uid: &str, known: &Value) -> String {
    let mut known = known.as_array().into_iter().flatten();
    if let Some(known) = known.find(|known| text(known, "/targetRef/uid") == uid) {
        return text(known, "/addresses/0").to_owned();
    }
    let digest = Digest::of_bytes(uid.as_bytes());
    let hex = digest.as_str().trim_start_matches("sha256:");
    let byte = |at: usize| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let [a, b, c] = [0, 2, 4].map(|at| byte(at).unwrap_or(0));
    format!("10.{a}.{b}.{c}")
}

fn ports(service: &Value) -> Vec<Value> {
    let ports = at(service, "/spec/ports").and_then(Value::as_array);
    let port = |port: &Value| {
        let number = port.get("targetPort").filter(|target| target.is_number());
        json!({
            "name": text(port, "/name"), "protocol": text(port, "/protocol"),
            "port": number.or_else(|| port.get("port")),
        })
    };
    ports.into_iter().flatten().map(port).collect()
}
