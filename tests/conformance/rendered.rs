//! What the built-in types render, before the real API server: every object of
//! the golden files is taken, and nothing of it is unknown or dropped.

use crate::server::{Call, Server};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::path::Path;

/// Kinds that no bare API server has.
const FOREIGN: [&str; 1] = ["CloneSet"];

/// Kinds that the built-in types make.
const DUE: [&str; 16] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "PersistentVolumeClaim",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
];

fn path(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    let plural = if kind == "ingress" { "ingresses".to_owned() } else { format!("{kind}s") };
    let version = object["apiVersion"].as_str().unwrap();
    let root = if version.contains('/') { "apis" } else { "api" };
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap();
    let within = match metadata["namespace"].as_str() {
        Some(namespace) => format!("/namespaces/{namespace}"),
        None => String::new(),
    };
    format!("/{root}/{version}{within}/{plural}/{name}")
}

/// Everything of `sent` that is not in `stored`.
fn dropped(sent: &Value, stored: &Value, at: &str, lost: &mut Vec<String>) {
    match (sent, stored) {
        (Value::Object(map), Value::Object(_)) => map
            .iter()
            .for_each(|(key, value)| dropped(value, &stored[key], &format!("{at}/{key}"), lost)),
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, pair) in items.iter().zip(others).enumerate() {
                dropped(pair.0, pair.1, &format!("{at}/{index}"), lost);
            }
        }
        // The server leaves out what says no more than its absence.
        (Value::String(text), Value::Null) if text.is_empty() => {}
        (Value::Number(number), Value::Null) if number.as_i64() == Some(0) => {}
        _ if sent == stored => {}
        _ if at.contains("/resources/") && is_quantity(sent, stored) => {}
        _ => lost.push(format!("{at}: {sent} became {stored}")),
    }
}

/// Whether a number is stored as the text of a quantity, a fraction in
/// thousandths.
fn is_quantity(sent: &Value, stored: &Value) -> bool {
    let number = sent.as_str().and_then(|text| text.parse().ok()).or_else(|| sent.as_f64());
    let thousandths = number.map(|number: f64| format!("{}m", number * 1000.0));
    *stored == json!(thousandths) || sent.is_number() && *stored == json!(sent.to_string())
}

/// A Secret as it is stored: texts are kept in base64.
fn stored_form(mut object: Value) -> Value {
    let texts = object.as_object_mut().unwrap().remove("stringData");
    for (key, text) in texts.iter().filter_map(Value::as_object).flatten() {
        object["data"][key] = json!(STANDARD.encode(text.as_str().unwrap()));
    }
    object
}

#[test]
fn the_api_server_takes_all_that_the_built_in_types_render() {
    let server = Server::still_real();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/render");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut said, mut kinds) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let object = Value::deserialize(document).unwrap();
            let kind = object["kind"].as_str().unwrap().to_owned();
            if FOREIGN.contains(&kind.as_str()) || name.ends_with("-type.yaml") {
                continue;
            }
            let (code, answer) = server.send(&Call {
                method: "PATCH".into(),
                path: format!(
                    "{}?fieldManager=tranche&dryRun=All&fieldValidation=Strict",
                    path(&object)
                ),
                media: "application/apply-patch+yaml".into(),
                body: object.to_string(),
            });
            let mut lost = Vec::new();
            if code == 201 {
                dropped(&stored_form(object), &answer, "", &mut lost);
            } else {
                lost.push(answer["message"].to_string());
            }
            said.extend(lost.into_iter().map(|line| format!("{name}: {kind}: {line}")));
            kinds.push(kind);
        }
    }
    assert!(said.is_empty(), "{}", said.join("\n"));
    kinds.sort();
    kinds.dedup();
    for due in DUE {
        assert!(kinds.iter().any(|found| found == due), "no {due} among {kinds:?}");
    }
}
