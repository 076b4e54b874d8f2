//! What the server refuses in an object's content. Owns the required basics;
//! what is modelled nowhere is a 501 here, so that nothing is silently ignored.

mod name;
mod pod;
mod small;
mod workload;

use super::fields::{int, text};
use super::kinds::Resource;
use super::status::Refusal;
use crate::core::object::at;
use serde_json::{Value, json};

/// Fields and what is wrong with them.
type Causes = Vec<(String, String)>;

/// Checks a whole object, defaults filled in, against what was there before.
pub(super) fn check(
    resource: &Resource,
    live: Option<&Value>,
    object: &Value,
) -> Result<(), Refusal> {
    let mut causes = Causes::new();
    name::metadata(resource.group, resource.kind, object, &mut causes);
    match resource.kind {
        "Deployment" | "ReplicaSet" | "CloneSet" => {
            unmodelled(resource.kind, object)?;
            workload::check(resource.kind, object, &mut causes);
            if resource.kind == "Deployment" {
                workload::deployment(object, &mut causes);
            }
            workload::selector_stays(live, object, &mut causes);
        }
        "StatefulSet" => {
            unmodelled(resource.kind, object)?;
            workload::check(resource.kind, object, &mut causes);
            workload::ordinals(live, object, &mut causes);
        }
        "DaemonSet" => {
            unmodelled(resource.kind, object)?;
            workload::check(resource.kind, object, &mut causes);
            workload::daemons(live, object, &mut causes);
        }
        "Pod" => {
            pod::spec(&object["spec"], "spec", &mut causes);
            if let Some(live) = live.filter(|_| causes.is_empty()) {
                pod::stays(live, object, &mut causes);
            }
        }
        "Service" => small::service(live, object, &mut causes),
        "ConfigMap" => small::data(live, object, &mut causes),
        "Secret" => small::secret(live, object, &mut causes),
        "Lease" => small::lease(object, &mut causes),
        "Ingress" => small::ingress(object, &mut causes),
        "PodDisruptionBudget" => small::budget(object, &mut causes),
        "Role" | "ClusterRole" => small::role(object, &mut causes),
        "RoleBinding" | "ClusterRoleBinding" => small::binding(live, object, &mut causes),
        "ControllerRevision" => {
            let data = &object["data"];
            if live.is_some_and(|live| live["data"] != *data) {
                let why = format!("Invalid value: {data}: field is immutable");
                causes.push(("data".into(), why));
            }
        }
        _ => {}
    }
    if resource.kind == "CloneSet" {
        in_place_only(live, object, &mut causes);
    }
    let name = text(object, "/metadata/name");
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(resource, name, &causes)) }
}

/// A number that is there must not be below 0.
fn natural(object: &Value, field: &str, causes: &mut Causes) {
    let number = int(object, &format!("/{}", field.replace('.', "/")), 0);
    if number < 0 {
        let why = format!("Invalid value: {number}: must be greater than or equal to 0");
        causes.push((field.to_owned(), why));
    }
}

/// A port's number.
fn amount_between(number: i64, field: &str, causes: &mut Causes) {
    if !(1..=65_535).contains(&number) {
        let why = format!("Invalid value: {number}: must be between 1 and 65535, inclusive");
        causes.push((field.to_owned(), why));
    }
}

/// One of a few words; none is a default's business.
fn unsupported(word: &str, words: &[&str], field: &str, causes: &mut Causes) {
    if !word.is_empty() && !words.contains(&word) {
        let known: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        let why = format!("Unsupported value: {word:?}: supported values: {}", known.join(", "));
        causes.push((field.to_owned(), why));
    }
}

/// Kruise's webhook: with `InPlaceOnly` only images may change.
fn in_place_only(live: Option<&Value>, object: &Value, causes: &mut Causes) {
    let Some(live) = live else { return };
    if text(object, "/spec/updateStrategy/type") != "InPlaceOnly" {
        return;
    }
    let (old, new) = (at(live, "/spec/template"), at(object, "/spec/template"));
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
        "DaemonSet" => &["rollingUpdate/maxSurge"],
        _ => &["priorityStrategy", "scatterStrategy", "inPlaceUpdateStrategy"],
    };
    let there = |place: &str, name: &str| {
        object
            .pointer(&format!("{place}/{name}"))
            .is_some_and(|value| !value.is_null() && *value != json!([]) && *value != json!(0))
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
    if kind == "DaemonSet" && there("/spec/template/spec/affinity", "nodeAffinity") {
        return Err(Refusal::not_modelled("node affinity of a DaemonSet"));
    }
    if there("/spec/selector", "matchExpressions") {
        return Err(Refusal::not_modelled(&format!("spec.selector.matchExpressions of a {kind}")));
    }
    Ok(())
}
