//! What every rendered object must be. Owns names, namespaces, our labels and
//! size; it must never change what a template says beyond these.

use crate::core::digest::write_canonical;
use crate::core::object::at;
use crate::core::ownership::{ANNOTATION_CONFLICTS, Policy};
use serde_json::{Map, Value};

/// What etcd takes in one request, less than a margin.
const OBJECT_BYTES: usize = 1_500_000;
/// What the API server takes in annotations.
const ANNOTATION_BYTES: usize = 256 << 10;

const CLUSTER_SCOPED: [&str; 20] = [
    "APIService",
    "CSIDriver",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "GatewayClass",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeSnapshotClass",
];

/// Whether objects of a built-in kind are in no namespace.
pub(super) fn is_cluster_scoped(kind: &str) -> bool {
    CLUSTER_SCOPED.contains(&kind)
}

/// Removes map entries that are null, all the way down.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let nulls: Vec<String> = map
                .iter()
                .filter(|(_, inner)| inner.is_null())
                .map(|(key, _)| key.clone())
                .collect();
            for key in nulls {
                map.remove(&key);
            }
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Gives `object` its namespace and our labels.
///
/// # Errors
/// What is missing or wrong, as a fragment.
pub(super) fn finish(
    object: &mut Value,
    namespace: &str,
    application: &str,
    component: &str,
) -> Result<(), String> {
    let kind = text_of(object, "kind")?;
    text_of(object, "apiVersion")?;
    let scoped = is_cluster_scoped(&kind);
    let metadata = object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| format!("renders a {kind} without metadata.name"))?;
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    check_name(&kind, &name)?;
    match metadata.get("namespace") {
        Some(_) if scoped => {
            return Err(format!("renders {kind}/{name}, which is cluster-scoped, in a namespace"));
        }
        Some(Value::String(_)) => {}
        Some(_) => return Err(format!("renders {kind}/{name} with a namespace that is no text")),
        None if scoped => {}
        None => {
            metadata.insert("namespace".to_owned(), Value::String(namespace.to_owned()));
        }
    }
    let labels = metadata
        .entry("labels")
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
        .ok_or_else(|| format!("renders {kind}/{name} with labels that are no map"))?;
    labels.insert("app.oam.dev/name".to_owned(), Value::String(application.to_owned()));
    labels.insert("app.oam.dev/component".to_owned(), Value::String(component.to_owned()));
    check_policy(object).map_err(|why| format!("renders {kind}/{name} with {why}"))?;
    check_size(object, &kind, &name)
}

/// Whether the policy on other owners' fields is one.
///
/// # Errors
/// What it is instead, as a fragment.
pub(super) fn check_policy(object: &Value) -> Result<(), String> {
    let annotations = at(object, "/metadata/annotations");
    let Some(word) = annotations.and_then(|all| all.get(ANNOTATION_CONFLICTS)) else {
        return Ok(());
    };
    match word.as_str().and_then(Policy::parse) {
        Some(_) => Ok(()),
        None => {
            let word = word.as_str().map_or_else(|| word.to_string(), str::to_owned);
            let words = Policy::WORDS.join(", ");
            Err(format!("`{ANNOTATION_CONFLICTS}: {word}`, which is none of {words}"))
        }
    }
}

fn text_of(object: &Value, key: &str) -> Result<String, String> {
    match object.get(key).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("renders an object without {key}")),
    }
}

fn check_name(kind: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("renders a {kind} without metadata.name"));
    }
    // RBAC names may hold colons; the API server refuses what we let through.
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    if name.len() > 253 || !name.chars().all(fits) {
        return Err(format!("renders a {kind} with the name `{name}`, which is no DNS name"));
    }
    Ok(())
}

fn check_size(object: &Value, kind: &str, name: &str) -> Result<(), String> {
    let mut bytes = Vec::new();
    write_canonical(object, &mut bytes);
    if bytes.len() > OBJECT_BYTES {
        return Err(format!("renders {kind}/{name} with more than {OBJECT_BYTES} bytes"));
    }
    let annotations = at(object, "/metadata/annotations").and_then(Value::as_object);
    let length = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
    if annotations.is_some_and(|map| map.iter().map(length).sum::<usize>() > ANNOTATION_BYTES) {
        let limit = ANNOTATION_BYTES;
        return Err(format!("renders {kind}/{name} with more than {limit} bytes of annotations"));
    }
    Ok(())
}

/// Whether a workload's selector chooses its own pods; a trait may have
/// parted them.
///
/// # Errors
/// The label that differs, as a fragment.
pub(super) fn check_selector(workload: &Value) -> Result<(), String> {
    let selector = at(workload, "/spec/selector/matchLabels").and_then(Value::as_object);
    let labels = at(workload, "/spec/template/metadata/labels");
    for (key, value) in selector.into_iter().flatten() {
        if labels.and_then(|labels| labels.get(key)) != Some(value) {
            return Err(format!("the workload selects `{key}`, but its pods' label differs"));
        }
    }
    Ok(())
}
