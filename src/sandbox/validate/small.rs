//! What the small kinds must be: Services, ConfigMaps and Secrets, Leases,
//! roles, Ingresses. Owns their rules.

use super::workload::fraction;
use super::{Causes, amount_between, name, unsupported};
use crate::core::object::at;
use crate::sandbox::fields::text;
use serde_json::Value;
use std::net::IpAddr;

fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn service(live: Option<&Value>, object: &Value, causes: &mut Causes) {
    let kind = text(object, "/spec/type");
    let ip = text(object, "/spec/clusterIP");
    let ports = items(object, "/spec/ports");
    if ports.is_empty() && ip != "None" && kind != "ExternalName" {
        causes.push(("spec.ports".into(), "Required value".into()));
    }
    let mut names = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let field = format!("spec.ports[{index}]");
        let name = text(port, "/name");
        if name.is_empty() {
            if ports.len() > 1 {
                causes.push((format!("{field}.name"), "Required value".into()));
            }
        } else if let Some(why) = name::label(name) {
            causes.push((format!("{field}.name"), format!("Invalid value: {name:?}: {why}")));
        } else if names.contains(&name) {
            causes.push((format!("{field}.name"), format!("Duplicate value: {name:?}")));
        }
        names.push(name);
        amount_between(port["port"].as_i64().unwrap_or(0), &format!("{field}.port"), causes);
        let protocols = ["SCTP", "TCP", "UDP"];
        unsupported(text(port, "/protocol"), &protocols, &format!("{field}.protocol"), causes);
        target(&port["targetPort"], &format!("{field}.targetPort"), causes);
    }
    name::labels(at(object, "/spec/selector"), "spec.selector", causes);
    let affinities = ["ClientIP", "None"];
    let affinity = text(object, "/spec/sessionAffinity");
    unsupported(affinity, &affinities, "spec.sessionAffinity", causes);
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    unsupported(kind, &kinds, "spec.type", causes);
    if kind == "ExternalName" && text(object, "/spec/externalName").is_empty() {
        causes.push(("spec.externalName".into(), "Required value".into()));
    }
    let old = live.map_or("", |live| text(live, "/spec/clusterIP"));
    if !ip.is_empty() && ip != "None" && ip.parse::<IpAddr>().is_err() {
        let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        causes.push(("spec.clusterIPs[0]".into(), format!("Invalid value: {ip:?}: {why}")));
    } else if !old.is_empty() && old != ip {
        let why = format!("Invalid value: [{ip:?}]: may not change once set");
        causes.push(("spec.clusterIPs[0]".into(), why));
    }
}

fn target(port: &Value, field: &str, causes: &mut Causes) {
    match port {
        Value::String(name) => {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if !name.chars().all(fits) {
                let why = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
                causes.push((field.into(), format!("Invalid value: {name:?}: {why}")));
            }
        }
        other => amount_between(other.as_i64().unwrap_or(0), field, causes),
    }
}

/// Data that may be set to stay as it is.
pub(super) fn data(live: Option<&Value>, object: &Value, causes: &mut Causes) {
    name::keys(object.get("data"), "data", causes);
    name::keys(object.get("binaryData"), "binaryData", causes);
    let binary = object.get("binaryData").and_then(Value::as_object);
    for name in object.get("data").and_then(Value::as_object).into_iter().flatten().map(|p| p.0) {
        if binary.is_some_and(|binary| binary.contains_key(name)) {
            let why = format!("Invalid value: {name:?}: duplicate of key present in binaryData");
            causes.push((format!("data[{name}]"), why));
        }
    }
    let Some(live) = live.filter(|live| live["immutable"] == true) else { return };
    let why = "Forbidden: field is immutable when `immutable` is set";
    if object["immutable"] != true {
        causes.push(("immutable".into(), why.into()));
    }
    for field in ["data", "binaryData"] {
        if live.get(field) != object.get(field) {
            causes.push((field.into(), why.into()));
        }
    }
}

pub(super) fn secret(live: Option<&Value>, object: &Value, causes: &mut Causes) {
    let kind = text(object, "/type");
    let needed: &[&str] = match kind {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        _ => &[],
    };
    for key in needed.iter().filter(|key| object["data"].get(**key).is_none()) {
        causes.push((format!("data[{key}]"), "Required value".into()));
    }
    if live.is_some_and(|live| text(live, "/type") != kind) {
        causes.push(("type".into(), format!("Invalid value: {kind:?}: field is immutable")));
    }
    data(live, object, causes);
}

pub(super) fn lease(object: &Value, causes: &mut Causes) {
    let number = |name: &str| object["spec"][name].as_i64();
    if let Some(seconds) = number("leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        let why = format!("Invalid value: {seconds}: must be greater than 0");
        causes.push(("spec.leaseDurationSeconds".into(), why));
    }
    super::natural(object, "spec.leaseTransitions", causes);
}

pub(super) fn ingress(object: &Value, causes: &mut Causes) {
    if at(object, "/spec/rules").is_none() && at(object, "/spec/defaultBackend").is_none() {
        let why = "Invalid value: null: either `defaultBackend` or `rules` must be specified";
        causes.push(("spec".into(), why.into()));
    }
}

pub(super) fn budget(object: &Value, causes: &mut Causes) {
    let spec = &object["spec"];
    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
        let why = format!(
            "Invalid value: {{\"MinAvailable\":{},\"Selector\":null,\"MaxUnavailable\":{},\
             \"UnhealthyPodEvictionPolicy\":null}}: minAvailable and maxUnavailable cannot be both \
             set",
            spec["minAvailable"], spec["maxUnavailable"]
        );
        causes.push(("spec".into(), why));
    }
    for name in ["minAvailable", "maxUnavailable"] {
        let (amount, value) = (fraction(spec, ("spec", name), causes), &spec[name]);
        if value.is_string() && amount.is_some_and(|percent| percent > 100) {
            let why = format!("Invalid value: {value}: must not be greater than 100%");
            causes.push((format!("spec.{name}"), why));
        }
    }
}

pub(super) fn role(object: &Value, causes: &mut Causes) {
    for (index, rule) in items(object, "/rules").iter().enumerate() {
        let field = |name: &str| format!("rules[{index}].{name}");
        let missing = |name: &str| items(rule, &format!("/{name}")).is_empty();
        if missing("verbs") {
            let why = "Required value: verbs must contain at least one value";
            causes.push((field("verbs"), why.into()));
        }
        if !missing("nonResourceURLs") {
            continue;
        }
        for (name, words) in [("apiGroups", "api group"), ("resources", "resource")] {
            if missing(name) {
                let why =
                    format!("Required value: resource rules must supply at least one {words}");
                causes.push((field(name), why));
            }
        }
    }
}

pub(super) fn binding(live: Option<&Value>, object: &Value, causes: &mut Causes) {
    let role = |name: &str| text(object, &format!("/roleRef/{name}")).to_owned();
    let kind = role("kind");
    if !["Role", "ClusterRole"].contains(&kind.as_str()) {
        let why =
            format!("Unsupported value: {kind:?}: supported values: \"Role\", \"ClusterRole\"");
        causes.push(("roleRef.kind".into(), why));
    }
    if role("name").is_empty() {
        causes.push(("roleRef.name".into(), "Required value".into()));
    }
    if live.is_some_and(|live| live["roleRef"] != object["roleRef"]) {
        let why = format!(
            "Invalid value: {{\"APIGroup\":{:?},\"Kind\":{kind:?},\"Name\":{:?}}}: cannot change \
             roleRef",
            role("apiGroup"),
            role("name")
        );
        causes.push(("roleRef".into(), why));
    }
}
