//! What a pod's spec must be, in a Pod or in a template. Owns the rules that
//! people meet; what is left out here the real server may still refuse.

use super::{Causes, amount_between, name, unsupported};
use crate::core::object::billionths;
use crate::sandbox::fields::text;
use serde_json::Value;

/// Sources of a volume, in the order of the real server's checks.
const SOURCES: [&str; 12] = [
    "emptyDir",
    "hostPath",
    "secret",
    "nfs",
    "iscsi",
    "persistentVolumeClaim",
    "downwardAPI",
    "azureFile",
    "configMap",
    "projected",
    "csi",
    "ephemeral",
];

/// A spec at `field`, such as `spec.template.spec`.
pub(super) fn spec(spec: &Value, field: &str, causes: &mut Causes) {
    let volumes = items(spec, "volumes");
    for (index, volume) in volumes.iter().enumerate() {
        let there = SOURCES.iter().filter(|source| volume.get(**source).is_some());
        for source in there.skip(1) {
            let why = "Forbidden: may not specify more than 1 volume type";
            causes.push((format!("{field}.volumes[{index}].{source}"), why.into()));
        }
    }
    if items(spec, "containers").is_empty() {
        causes.push((format!("{field}.containers"), "Required value".into()));
    }
    for list in ["containers", "initContainers"] {
        for (index, one) in items(spec, list).iter().enumerate() {
            container(one, volumes, &format!("{field}.{list}[{index}]"), causes);
        }
    }
    let policy = text(spec, "/restartPolicy");
    let policies = ["Always", "OnFailure", "Never"];
    unsupported(policy, &policies, &format!("{field}.restartPolicy"), causes);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    unsupported(text(spec, "/dnsPolicy"), &dns, &format!("{field}.dnsPolicy"), causes);
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn container(container: &Value, volumes: &[Value], field: &str, causes: &mut Causes) {
    let name = text(container, "/name");
    if name.is_empty() {
        causes.push((format!("{field}.name"), "Required value".into()));
    } else if let Some(why) = name::label(name) {
        causes.push((format!("{field}.name"), format!("Invalid value: {name:?}: {why}")));
    }
    if text(container, "/image").is_empty() {
        causes.push((format!("{field}.image"), "Required value".into()));
    }
    ports(container, field, causes);
    environment(container, field, causes);
    for (index, mount) in items(container, "volumeMounts").iter().enumerate() {
        let wanted = text(mount, "/name");
        if volumes.iter().all(|volume| text(volume, "/name") != wanted) {
            let why = format!("Not found: {wanted:?}");
            causes.push((format!("{field}.volumeMounts[{index}].name"), why));
        }
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    let policy = text(container, "/imagePullPolicy");
    unsupported(policy, &policies, &format!("{field}.imagePullPolicy"), causes);
    resources(container, &format!("{field}.resources"), causes);
}

fn ports(container: &Value, field: &str, causes: &mut Causes) {
    let mut names = Vec::new();
    for (index, port) in items(container, "ports").iter().enumerate() {
        let field = format!("{field}.ports[{index}]");
        let name = text(port, "/name");
        if !name.is_empty() && names.contains(&name) {
            causes.push((format!("{field}.name"), format!("Duplicate value: {name:?}")));
        }
        names.push(name);
        match port["containerPort"].as_i64() {
            None | Some(0) => {
                causes.push((format!("{field}.containerPort"), "Required value".into()));
            }
            Some(number) => amount_between(number, &format!("{field}.containerPort"), causes),
        }
        let protocols = ["SCTP", "TCP", "UDP"];
        unsupported(text(port, "/protocol"), &protocols, &format!("{field}.protocol"), causes);
    }
}

fn environment(container: &Value, field: &str, causes: &mut Causes) {
    for (index, variable) in items(container, "env").iter().enumerate() {
        let field = format!("{field}.env[{index}]");
        let name = text(variable, "/name");
        if name.is_empty() {
            causes.push((format!("{field}.name"), "Required value".into()));
        } else if !name.chars().all(|c| (' '..='~').contains(&c) && c != '=') {
            let why = "a valid environment variable name must consist only of printable ASCII \
                       characters other than '='";
            causes.push((format!("{field}.name"), format!("Invalid value: {name:?}: {why}")));
        }
        if !text(variable, "/value").is_empty() && variable.get("valueFrom").is_some() {
            let why = "Invalid value: \"\": may not be specified when `value` is not empty";
            causes.push((format!("{field}.valueFrom"), why.into()));
        }
    }
}

fn resources(container: &Value, field: &str, causes: &mut Causes) {
    let list = |name: &str| container.pointer(&format!("/resources/{name}"));
    let limits = list("limits").and_then(Value::as_object);
    for name in ["limits", "requests"] {
        for (resource, amount) in list(name).and_then(Value::as_object).into_iter().flatten() {
            if billionths(amount).is_some_and(|amount| amount < 0) {
                let why = format!("Invalid value: {amount}: must be greater than or equal to 0");
                causes.push((format!("{field}.{name}[{resource}]"), why));
            }
        }
    }
    for (resource, amount) in list("requests").and_then(Value::as_object).into_iter().flatten() {
        let Some(limit) = limits.and_then(|limits| limits.get(resource)) else { continue };
        if billionths(amount) > billionths(limit) {
            let most = limit.as_str().unwrap_or_default();
            let why = format!(
                "Invalid value: {amount}: must be less than or equal to {resource} limit of {most}"
            );
            causes.push((format!("{field}.requests"), why));
        }
    }
}

/// Of a Pod that is there only a few fields may change.
pub(super) fn stays(live: &Value, object: &Value, causes: &mut Causes) {
    let count = |pod: &Value| items(&pod["spec"], "containers").len();
    if count(live) != count(object) {
        let why = "Forbidden: pod updates may not add or remove containers";
        causes.push(("spec.containers".into(), why.into()));
    } else if lasting(live) != lasting(object) {
        let why = "Forbidden: pod updates may not change fields other than \
            `spec.containers[*].image`,`spec.initContainers[*].image`,\
            `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
            tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
            previously negative)";
        causes.push(("spec".into(), why.into()));
    }
}

fn lasting(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    if let Some(fields) = spec.as_object_mut() {
        for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            fields.remove(field);
        }
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                container.remove("image");
            }
        }
    }
    spec
}
