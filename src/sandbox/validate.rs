//! What the server refuses in an object's content. Owns the required basics;
//! what is modelled nowhere is a 501 here, so that nothing is silently ignored.

use super::fields::{int, selects, text};
use super::kinds::Resource;
use super::status::Refusal;
use serde_json::{Value, json};

/// Checks a whole object, defaults filled in, against what was there before.
pub(super) fn check(
    resource: &Resource,
    live: Option<&Value>,
    object: &Value,
) -> Result<(), Refusal> {
    let mut causes: Vec<(String, String)> = Vec::new();
    let name = text(object, "/metadata/name");
    let otherwise = resource.group.starts_with("rbac.") || resource.kind == "StatefulSet";
    if !subdomain(name) && !otherwise {
        let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                   characters, '-' or '.', and must start and end with an alphanumeric character";
        causes.push(("metadata.name".into(), format!("Invalid value: {name:?}: {why}")));
    }
    match resource.kind {
        "Deployment" | "ReplicaSet" | "CloneSet" => {
            unmodelled(resource.kind, object)?;
            workload(object, &mut causes);
            selector_stays(live, object, &mut causes);
        }
        "StatefulSet" => {
            unmodelled(resource.kind, object)?;
            workload(object, &mut causes);
            ordinal(live, object, &mut causes);
        }
        "Pod" => containers(object, "spec", &mut causes),
        "Service" => service(live, object, &mut causes),
        _ => {}
    }
    if resource.kind == "CloneSet" {
        in_place_only(live, object, &mut causes);
    }
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(resource, name, &causes)) }
}

fn subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(spelled)
}

fn spelled(label: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    label.starts_with(edge) && label.ends_with(edge) && label.chars().all(|c| edge(c) || c == '-')
}

fn workload(object: &Value, causes: &mut Vec<(String, String)>) {
    let selector = object.pointer("/spec/selector");
    let labels = object.pointer("/spec/template/metadata/labels");
    if selector.is_none_or(Value::is_null) {
        causes.push(("spec.selector".into(), "Required value".into()));
    } else if !selects(selector, labels) {
        let labels = labels.cloned().unwrap_or_else(|| json!({}));
        let why = format!("Invalid value: {labels}: `selector` does not match template `labels`");
        causes.push(("spec.template.metadata.labels".into(), why));
    }
    natural(object, "spec.replicas", causes);
    containers(object, "spec/template/spec", causes);
}

fn selector_stays(live: Option<&Value>, object: &Value, causes: &mut Vec<(String, String)>) {
    let selector = object.pointer("/spec/selector");
    if let Some(old) = live.and_then(|live| live.pointer("/spec/selector"))
        && Some(old) != selector
    {
        let new = selector.cloned().unwrap_or_default();
        causes.push(("spec.selector".into(), format!("Invalid value: {new}: field is immutable")));
    }
}

/// A number that is there must not be below 0.
fn natural(object: &Value, field: &str, causes: &mut Vec<(String, String)>) {
    let number = int(object, &format!("/{}", field.replace('.', "/")), 0);
    if number < 0 {
        let why = format!("Invalid value: {number}: must be greater than or equal to 0");
        causes.push((field.to_owned(), why));
    }
}

/// What a StatefulSet has beyond other workloads.
fn ordinal(live: Option<&Value>, object: &Value, causes: &mut Vec<(String, String)>) {
    for field in ["metadata.name", "spec.serviceName"] {
        let name = text(object, &format!("/{}", field.replace('.', "/")));
        let fine = spelled(name) && name.len() <= 63;
        // Both never change, so one that is there already stays.
        if live.is_none() && !name.is_empty() && !fine {
            let why = "a lowercase RFC 1123 label must consist of at most 63 lower case \
                       alphanumeric characters or '-'";
            causes.push((field.to_owned(), format!("Invalid value: {name:?}: {why}")));
        }
    }
    let policy = text(object, "/spec/podManagementPolicy");
    if !["OrderedReady", "Parallel"].contains(&policy) {
        let why = format!("Invalid value: {policy:?}: must be 'OrderedReady' or 'Parallel'");
        causes.push(("spec.podManagementPolicy".into(), why));
    }
    let strategy = object.pointer("/spec/updateStrategy").cloned().unwrap_or_default();
    let rolling = strategy.get("rollingUpdate").filter(|rolling| !rolling.is_null());
    match (text(&strategy, "/type"), rolling) {
        ("RollingUpdate", _) => {
            natural(object, "spec.updateStrategy.rollingUpdate.partition", causes);
        }
        ("OnDelete", None) => {}
        ("OnDelete", Some(rolling)) => {
            let why = format!(
                "Invalid value: {rolling}: only allowed for updateStrategy 'RollingUpdate'"
            );
            causes.push(("spec.updateStrategy.rollingUpdate".into(), why));
        }
        _ => {
            let why = format!("Invalid value: {strategy}: must be 'RollingUpdate' or 'OnDelete'");
            causes.push(("spec.updateStrategy".into(), why));
        }
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

fn containers(object: &Value, place: &str, causes: &mut Vec<(String, String)>) {
    let dotted = place.replace('/', ".");
    let list = object.pointer(&format!("/{place}/containers")).and_then(Value::as_array);
    let Some(list) = list.filter(|list| !list.is_empty()) else {
        causes.push((format!("{dotted}.containers"), "Required value".into()));
        return;
    };
    for (index, container) in list.iter().enumerate() {
        for field in ["name", "image"] {
            if text(container, &format!("/{field}")).is_empty() {
                causes.push((
                    format!("{dotted}.containers[{index}].{field}"),
                    "Required value".into(),
                ));
            }
        }
    }
}

fn service(live: Option<&Value>, object: &Value, causes: &mut Vec<(String, String)>) {
    let headless = text(object, "/spec/clusterIP") == "None";
    let ports = object.pointer("/spec/ports").and_then(Value::as_array);
    if ports.is_none_or(Vec::is_empty) && !headless && text(object, "/spec/type") != "ExternalName"
    {
        causes.push(("spec.ports".into(), "Required value".into()));
    }
    let old = live.map_or("", |live| text(live, "/spec/clusterIP"));
    let new = text(object, "/spec/clusterIP");
    if !old.is_empty() && old != new {
        let why = format!("Invalid value: [{new:?}]: may not change once set");
        causes.push(("spec.clusterIPs[0]".into(), why));
    }
}

/// Kruise's webhook: with `InPlaceOnly` only images may change.
fn in_place_only(live: Option<&Value>, object: &Value, causes: &mut Vec<(String, String)>) {
    let Some(live) = live else { return };
    if text(object, "/spec/updateStrategy/type") != "InPlaceOnly" {
        return;
    }
    let (old, new) = (live.pointer("/spec/template"), object.pointer("/spec/template"));
    if let (Some(old), Some(new)) = (old, new)
        && !super::controllers::only_images_differ(old, new)
    {
        let why = "Invalid value: only allowed to update images in spec.template with InPlaceOnly";
        causes.push(("spec.template".into(), why.into()));
    }
}

/// Fields of a workload that the controllers here know nothing of.
fn unmodelled(kind: &str, object: &Value) -> Result<(), Refusal> {
    let fields: &[&str] = match kind {
        "CloneSet" => &["volumeClaimTemplates", "scaleStrategy", "lifecycle"],
        "StatefulSet" => &["volumeClaimTemplates"],
        _ => &[],
    };
    let strategy: &[&str] = match kind {
        "StatefulSet" => &["rollingUpdate/maxUnavailable"],
        _ => &["priorityStrategy", "scatterStrategy", "inPlaceUpdateStrategy"],
    };
    let there = |place: &str, name: &str| {
        object
            .pointer(&format!("{place}/{name}"))
            .is_some_and(|value| !value.is_null() && *value != json!([]))
    };
    if let Some(name) = fields.iter().find(|name| there("/spec", name)) {
        return Err(Refusal::not_modelled(&format!("spec.{name} of a {kind}")));
    }
    if let Some(name) = strategy.iter().find(|name| there("/spec/updateStrategy", name)) {
        return Err(Refusal::not_modelled(&format!(
            "spec.updateStrategy.{} of a {kind}",
            name.replace('/', ".")
        )));
    }
    if there("/spec/selector", "matchExpressions") {
        return Err(Refusal::not_modelled(&format!("spec.selector.matchExpressions of a {kind}")));
    }
    Ok(())
}
