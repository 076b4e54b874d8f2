//! What Deployments, ReplicaSets and StatefulSets must be. Owns their rules;
//! what is in their templates is `pod`'s.

use super::{Causes, name, natural, pod};
use crate::core::object::at;
use crate::sandbox::fields::{int, selects, text};
use serde_json::{Value, json};

/// Replicas, selector and template; what all workloads have.
pub(super) fn check(kind: &str, object: &Value, causes: &mut Causes) {
    if kind == "StatefulSet" {
        management(object, causes);
    }
    if kind != "DaemonSet" {
        natural(object, "spec.replicas", causes);
    }
    if kind == "ReplicaSet" {
        natural(object, "spec.minReadySeconds", causes);
    }
    let selector = at(object, "/spec/selector").filter(|selector| !selector.is_null());
    let labels = at(object, "/spec/template/metadata/labels").filter(|l| !l.is_null());
    let empty = selector.is_some_and(|selector| {
        selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none()
    });
    if selector.is_none() && kind != "DaemonSet" {
        causes.push(("spec.selector".into(), "Required value".into()));
    } else if empty {
        let what = match kind {
            "StatefulSet" => "statefulset",
            "DaemonSet" => "daemonset",
            _ => "deployment",
        };
        let why = format!("Invalid value: {{}}: empty selector is invalid for {what}");
        causes.push(("spec.selector".into(), why));
    } else {
        let wanted = selector.and_then(|selector| selector.get("matchLabels"));
        name::labels(wanted, "spec.selector", causes);
    }
    if !empty && !selects(selector, labels) {
        let labels = labels.cloned().unwrap_or_default();
        let why = format!("Invalid value: {labels}: `selector` does not match template `labels`");
        causes.push(("spec.template.metadata.labels".into(), why));
    }
    template(object, causes);
}

fn template(object: &Value, causes: &mut Causes) {
    let metadata = at(object, "/spec/template/metadata");
    let part = |field: &str| metadata.and_then(|metadata| metadata.get(field));
    name::labels(part("labels"), "spec.template.labels", causes);
    name::annotations(part("annotations"), "spec.template.annotations", causes);
    let none = json!({});
    let spec = at(object, "/spec/template/spec").unwrap_or(&none);
    pod::spec(spec, "spec.template.spec", causes);
    let policy = text(spec, "/restartPolicy");
    if policy != "Always" && !policy.is_empty() {
        let why = format!("Unsupported value: {policy:?}: supported values: \"Always\"");
        causes.push(("spec.template.spec.restartPolicy".into(), why));
    }
}

/// What a selector selects never changes.
pub(super) fn selector_stays(live: Option<&Value>, object: &Value, causes: &mut Causes) {
    let selector = at(object, "/spec/selector");
    if let Some(old) = live.and_then(|live| at(live, "/spec/selector"))
        && Some(old) != selector
    {
        let new = selector.cloned().unwrap_or_default();
        causes.push(("spec.selector".into(), format!("Invalid value: {new}: field is immutable")));
    }
}

/// What a Deployment has beyond other workloads.
pub(super) fn deployment(object: &Value, causes: &mut Causes) {
    strategy(object, causes);
    natural(object, "spec.minReadySeconds", causes);
    natural(object, "spec.revisionHistoryLimit", causes);
    natural(object, "spec.progressDeadlineSeconds", causes);
    if let Some(deadline) = at(object, "/spec/progressDeadlineSeconds").and_then(Value::as_i64)
        && deadline <= int(object, "/spec/minReadySeconds", 0)
    {
        let why = format!("Invalid value: {deadline}: must be greater than minReadySeconds");
        causes.push(("spec.progressDeadlineSeconds".into(), why));
    }
}

const ROLLING: &str = "spec.strategy.rollingUpdate";

fn strategy(object: &Value, causes: &mut Causes) {
    let rolling = at(object, "/spec/strategy/rollingUpdate").filter(|r| !r.is_null());
    match (text(object, "/spec/strategy/type"), rolling) {
        ("Recreate", Some(_)) => {
            let why =
                "Forbidden: may not be specified when strategy `type` is 'Recreate'".to_owned();
            causes.push(("spec.strategy.rollingUpdate".into(), why));
        }
        ("RollingUpdate", Some(rolling)) => {
            let unavailable = fraction(rolling, (ROLLING, "maxUnavailable"), causes);
            let surge = fraction(rolling, (ROLLING, "maxSurge"), causes);
            let field = "spec.strategy.rollingUpdate.maxUnavailable";
            let value = &rolling["maxUnavailable"];
            if unavailable == Some(0) && surge == Some(0) {
                let why = "may not be 0 when `maxSurge` is 0";
                causes.push((field.into(), format!("Invalid value: {value}: {why}")));
            }
            if value.is_string() && unavailable.is_some_and(|percent| percent > 100) {
                let why = "must not be greater than 100%";
                causes.push((field.into(), format!("Invalid value: {value}: {why}")));
            }
        }
        ("Recreate" | "RollingUpdate", None) => {}
        (odd, _) => {
            let why = format!(
                "Unsupported value: {{\"Type\":{odd:?},\"RollingUpdate\":null}}: supported values: \
                 \"Recreate\", \"RollingUpdate\""
            );
            causes.push(("spec.strategy".into(), why));
        }
    }
}

/// A number or a percentage that must not be below 0.
pub(super) fn fraction(
    rolling: &Value,
    (of, name): (&str, &str),
    causes: &mut Causes,
) -> Option<i64> {
    let field = format!("{of}.{name}");
    match &rolling[name] {
        Value::Number(number) => {
            let number = number.as_i64()?;
            if number < 0 {
                let why = format!("Invalid value: {number}: must be greater than or equal to 0");
                causes.push((field, why));
            }
            Some(number)
        }
        Value::String(given) => {
            let percent = given.strip_suffix('%').filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
            let number = percent.and_then(|percent| percent.parse().ok());
            if number.is_none() {
                let why = "a valid percent string must be a numeric string followed by an ending \
                           '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
                causes.push((field, format!("Invalid value: {given:?}: {why}")));
            }
            number
        }
        _ => None,
    }
}

/// What a DaemonSet has beyond other workloads.
pub(super) fn daemons(live: Option<&Value>, object: &Value, causes: &mut Causes) {
    natural(object, "spec.minReadySeconds", causes);
    natural(object, "spec.revisionHistoryLimit", causes);
    let field = "spec.updateStrategy.rollingUpdate";
    match text(object, "/spec/updateStrategy/type") {
        "OnDelete" => {}
        "RollingUpdate" => {
            let rolling = &object["spec"]["updateStrategy"]["rollingUpdate"];
            let most = fraction(rolling, (field, "maxUnavailable"), causes);
            if most.is_none_or(|most| most == 0) {
                let why = "Required value: cannot be 0 when maxSurge is 0";
                causes.push((format!("{field}.maxUnavailable"), why.to_owned()));
            }
        }
        odd => {
            let why = format!(
                "Unsupported value: {{\"Type\":{odd:?},\"RollingUpdate\":null}}: supported values: \
                 \"RollingUpdate\", \"OnDelete\""
            );
            causes.push(("spec.updateStrategy".into(), why));
        }
    }
    selector_stays(live, object, causes);
}

fn management(object: &Value, causes: &mut Causes) {
    let policy = text(object, "/spec/podManagementPolicy");
    if !["OrderedReady", "Parallel"].contains(&policy) {
        let why = format!("Invalid value: {policy:?}: must be 'OrderedReady' or 'Parallel'");
        causes.push(("spec.podManagementPolicy".into(), why));
    }
    let strategy = at(object, "/spec/updateStrategy").cloned().unwrap_or_default();
    let rolling = strategy.get("rollingUpdate").filter(|rolling| !rolling.is_null());
    match (text(&strategy, "/type"), rolling) {
        ("RollingUpdate", _) => {
            natural(object, "spec.updateStrategy.rollingUpdate.partition", causes);
        }
        ("OnDelete", None) => {}
        ("OnDelete", Some(rolling)) => {
            let why = format!(
                "Invalid value: {{\"Partition\":{},\"MaxUnavailable\":{}}}: only allowed for \
                 updateStrategy 'RollingUpdate'",
                rolling["partition"], rolling["maxUnavailable"]
            );
            causes.push(("spec.updateStrategy.rollingUpdate".into(), why));
        }
        (odd, _) => {
            let why = format!(
                "Invalid value: {{\"Type\":{odd:?},\"RollingUpdate\":null}}: must be \
                 'RollingUpdate' or 'OnDelete'"
            );
            causes.push(("spec.updateStrategy".into(), why));
        }
    }
}

/// What a StatefulSet has beyond other workloads.
pub(super) fn ordinals(live: Option<&Value>, object: &Value, causes: &mut Causes) {
    let service = text(object, "/spec/serviceName");
    // It never changes, so one that is there already stays.
    if live.is_none()
        && !service.is_empty()
        && let Some(why) = name::label(service)
    {
        causes.push(("spec.serviceName".into(), format!("Invalid value: {service:?}: {why}")));
    }
    natural(object, "spec.minReadySeconds", causes);
    natural(object, "spec.ordinals.start", causes);
    if live.is_some_and(|live| lasting(live) != lasting(object)) {
        let why = "Forbidden: updates to statefulset spec for fields other than 'replicas', \
                   'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
                   'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        causes.push(("spec".into(), why.into()));
    }
}

/// What of a StatefulSet's spec may never change.
fn lasting(object: &Value) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    for field in [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ] {
        if let Some(spec) = spec.as_object_mut() {
            spec.remove(field);
        }
    }
    spec
}
