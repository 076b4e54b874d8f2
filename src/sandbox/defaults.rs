//! Defaults of what people look at. Owns no decision of ours: each is the real
//! server's; a field that is there is never changed.

use super::fields::{annotation, default, set, text};
use super::pod_defaults;
use super::world::World;
use crate::core::object::{KindRef, at};
use serde_json::{Value, json};

/// Fills in what `object` leaves out.
pub(super) fn fill(kind: &str, object: &mut Value) {
    match kind {
        "Namespace" => {
            let name = json!(text(object, "/metadata/name"));
            set(object, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
        }
        "NetworkPolicy" => policy(object),
        "PersistentVolumeClaim" => default(object, &["spec", "volumeMode"], json!("Filesystem")),
        "Service" => service(object),
        "Secret" => default(object, &["type"], json!("Opaque")),
        "Pod" => {
            pod_defaults::spec(object.get_mut("spec"));
            pod_defaults::alone(object);
        }
        "Deployment" => {
            default(object, &["spec", "replicas"], json!(1));
            default(object, &["spec", "revisionHistoryLimit"], json!(10));
            default(object, &["spec", "progressDeadlineSeconds"], json!(600));
            default(object, &["spec", "strategy", "type"], json!("RollingUpdate"));
            if text(object, "/spec/strategy/type") == "RollingUpdate" {
                let path = ["spec", "strategy", "rollingUpdate"];
                default(object, &[&path[..], &["maxSurge"]].concat(), json!("25%"));
                default(object, &[&path[..], &["maxUnavailable"]].concat(), json!("25%"));
            }
            pod_defaults::spec(object.pointer_mut("/spec/template/spec"));
        }
        "ReplicaSet" => {
            default(object, &["spec", "replicas"], json!(1));
            pod_defaults::spec(object.pointer_mut("/spec/template/spec"));
        }
        "StatefulSet" => {
            default(object, &["spec", "replicas"], json!(1));
            default(object, &["spec", "revisionHistoryLimit"], json!(10));
            default(object, &["spec", "serviceName"], json!(""));
            default(object, &["spec", "podManagementPolicy"], json!("OrderedReady"));
            ordered_update(object);
            let claims = ["spec", "persistentVolumeClaimRetentionPolicy"];
            for event in ["whenDeleted", "whenScaled"] {
                default(object, &[&claims[..], &[event]].concat(), json!("Retain"));
            }
            pod_defaults::spec(object.pointer_mut("/spec/template/spec"));
        }
        "DaemonSet" => {
            default(object, &["spec", "revisionHistoryLimit"], json!(10));
            default(object, &["spec", "updateStrategy", "type"], json!("RollingUpdate"));
            if text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
                let path = ["spec", "updateStrategy", "rollingUpdate"];
                default(object, &[&path[..], &["maxSurge"]].concat(), json!(0));
                default(object, &[&path[..], &["maxUnavailable"]].concat(), json!(1));
            }
            pod_defaults::spec(object.pointer_mut("/spec/template/spec"));
        }
        "CloneSet" => {
            default(object, &["spec", "replicas"], json!(1));
            default(object, &["spec", "revisionHistoryLimit"], json!(10));
            default(object, &["spec", "updateStrategy", "type"], json!("ReCreate"));
            default(object, &["spec", "updateStrategy", "partition"], json!(0));
            default(object, &["spec", "updateStrategy", "maxUnavailable"], json!("20%"));
            pod_defaults::spec(object.pointer_mut("/spec/template/spec"));
        }
        "Gateway" => gateway(object),
        "HTTPRoute" => route(object),
        _ => {}
    }
}

fn items<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

fn gateway(object: &mut Value) {
    for listener in items(object, "/spec/listeners") {
        default(listener, &["allowedRoutes", "namespaces", "from"], json!("Same"));
    }
}

/// As the CRD of v1.4.0 defaults what routes by weight hold.
fn route(object: &mut Value) {
    let everything = json!([{"path": {"type": "PathPrefix", "value": "/"}}]);
    default(object, &["spec", "rules"], json!([{"matches": everything}]));
    for parent in items(object, "/spec/parentRefs") {
        default(parent, &["group"], json!("gateway.networking.k8s.io"));
        default(parent, &["kind"], json!("Gateway"));
    }
    for rule in items(object, "/spec/rules") {
        default(rule, &["matches"], everything.clone());
        for one in items(rule, "/matches") {
            default(one, &["path", "type"], json!("PathPrefix"));
            default(one, &["path", "value"], json!("/"));
            for list in ["/headers", "/queryParams"] {
                items(one, list).for_each(|entry| default(entry, &["type"], json!("Exact")));
            }
        }
        for backend in items(rule, "/backendRefs") {
            default(backend, &["group"], json!(""));
            default(backend, &["kind"], json!("Service"));
            default(backend, &["weight"], json!(1));
        }
    }
}

/// A partition comes only with a strategy that was left out or begun: a bare
/// `type: RollingUpdate` stays as it is.
fn ordered_update(object: &mut Value) {
    let path = ["spec", "updateStrategy"];
    if text(object, "/spec/updateStrategy/type").is_empty() {
        default(object, &[&path[..], &["type"]].concat(), json!("RollingUpdate"));
        default(object, &[&path[..], &["rollingUpdate"]].concat(), json!({}));
    }
    let begun = at(object, "/spec/updateStrategy/rollingUpdate").is_some_and(Value::is_object);
    if begun && text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
        default(object, &[&path[..], &["rollingUpdate", "partition"]].concat(), json!(0));
    }
}

/// What the server adds of its own: nobody owns it.
pub(super) fn assign(world: &World, kind: &str, live: Option<&Value>, object: &mut Value) {
    match kind {
        "Namespace" => {
            default(object, &["spec", "finalizers"], json!(["kubernetes"]));
            default(object, &["status", "phase"], json!("Active"));
        }
        "PersistentVolumeClaim" => default(object, &["status", "phase"], json!("Pending")),
        "DaemonSet" => template_generation(live, object),
        "Pod" if live.is_none() => pod_defaults::admitted(object),
        "Service" => address(world, live, object),
        _ => {}
    }
}

/// A DaemonSet says in an annotation how often its template has changed.
fn template_generation(live: Option<&Value>, object: &mut Value) {
    const NAME: &str = "deprecated.daemonset.template.generation";
    let template = |object: &Value| at(object, "/spec/template").cloned();
    let before = live.and_then(|live| annotation(live, NAME)?.parse::<i64>().ok());
    let changed = live.is_some_and(|live| template(live) != template(object));
    let generation = before.unwrap_or(1) + i64::from(changed);
    set(object, &["metadata", "annotations", NAME], json!(generation.to_string()));
}

fn policy(object: &mut Value) {
    let directions: Vec<&str> = match at(object, "/spec/egress") {
        Some(_) => vec!["Ingress", "Egress"],
        None => vec!["Ingress"],
    };
    default(object, &["spec", "policyTypes"], json!(directions));
    for direction in ["/spec/ingress", "/spec/egress"] {
        let rules = object.pointer_mut(direction).and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            let ports = rule.get_mut("ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten() {
                default(port, &["protocol"], json!("TCP"));
            }
        }
    }
}

fn address(world: &World, live: Option<&Value>, object: &mut Value) {
    if text(object, "/spec/type") == "ExternalName" {
        return;
    }
    default(object, &["spec", "ipFamilies"], json!(["IPv4"]));
    default(object, &["spec", "ipFamilyPolicy"], json!("SingleStack"));
    let kept = live.map(|live| text(live, "/spec/clusterIP")).filter(|ip| !ip.is_empty());
    let ip = kept.map_or_else(|| free_address(world), str::to_owned);
    default(object, &["spec", "clusterIP"], json!(ip));
    let ip = text(object, "/spec/clusterIP").to_owned();
    default(object, &["spec", "clusterIPs"], json!([ip]));
}

fn service(object: &mut Value) {
    default(object, &["spec", "type"], json!("ClusterIP"));
    default(object, &["spec", "sessionAffinity"], json!("None"));
    if text(object, "/spec/sessionAffinity") == "ClientIP" {
        let path = ["spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"];
        default(object, &path, json!(10_800));
    }
    if text(object, "/spec/type") != "ExternalName" {
        default(object, &["spec", "internalTrafficPolicy"], json!("Cluster"));
    }
    for port in
        object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten()
    {
        default(port, &["protocol"], json!("TCP"));
        let number = port.get("port").cloned().unwrap_or(Value::Null);
        default(port, &["targetPort"], number);
    }
}

/// The lowest address of the service range that no Service has.
fn free_address(world: &World) -> String {
    let services = KindRef::new("v1", "Service");
    let taken: std::collections::BTreeSet<&str> =
        world.of_kind(&services).map(|(_, service)| text(service, "/spec/clusterIP")).collect();
    let addresses = (1_u32..65_534).map(|n| format!("10.96.{}.{}", n / 256, n % 256));
    addresses.into_iter().find(|ip| !taken.contains(ip.as_str())).unwrap_or_default()
}
