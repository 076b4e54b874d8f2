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
    if !subdomain(name) && !resource.group.starts_with("rbac.") {
        let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                   characters, '-' or '.', and must start and end with an alphanumeric character";
        causes.push(("metadata.name".into(), format!("Invalid value: {name:?}: {why}")));
    }
    match resource.kind {
        "Deployment" | "ReplicaSet" | "CloneSet" => {
            unmodelled(resource.kind, object)?;
            workload(live, object, &mut causes);
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
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name.split('.').all(|part| {
            part.starts_with(edge)
                && part.ends_with(edge)
                && part.chars().all(|c| edge(c) || c == '-')
        })
}

fn workload(live: Option<&Value>, object: &Value, causes: &mut Vec<(String, String)>) {
    let selector = object.pointer("/spec/selector");
    let labels = object.pointer("/spec/template/metadata/labels");
    if selector.is_none_or(Value::is_null) {
        causes.push(("spec.selector".into(), "Required value".into()));
    } else if !selects(selector, labels) {
        let labels = labels.cloned().unwrap_or_else(|| json!({}));
        let why = format!("Invalid value: {labels}: `selector` does not match template `labels`");
        causes.push(("spec.template.metadata.labels".into(), why));
    }
    if let Some(old) = live.and_then(|live| live.pointer("/spec/selector"))
        && Some(old) != selector
    {
        let new = selector.cloned().unwrap_or_default();
        causes.push(("spec.selector".into(), format!("Invalid value: {new}: field is immutable")));
    }
    let replicas = int(object, "/spec/replicas", 0);
    if replicas < 0 {
        let why = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        causes.push(("spec.replicas".into(), why));
    }
    containers(object, "spec/template/spec", causes);
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
        _ => &[],
    };
    let strategy = &["priorityStrategy", "scatterStrategy", "inPlaceUpdateStrategy"];
    let there = |place: &str, name: &str| {
        object.pointer(&format!("{place}/{name}")).is_some_and(|value| !value.is_null())
    };
    if let Some(name) = fields.iter().find(|name| there("/spec", name)) {
        return Err(Refusal::not_modelled(&format!("spec.{name} of a {kind}")));
    }
    if let Some(name) = strategy.iter().find(|name| there("/spec/updateStrategy", name)) {
        return Err(Refusal::not_modelled(&format!("spec.updateStrategy.{name} of a {kind}")));
    }
    if there("/spec/selector", "matchExpressions") {
        return Err(Refusal::not_modelled(&format!("spec.selector.matchExpressions of a {kind}")));
    }
    Ok(())
}
