//! A plan in all its forms, as one identity sees it.

use crate::site::Ran;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOT_VERIFIED: &str = "not verified by the server: this identity may not dry-run its write";

/// What a plan says, as its JSON has it.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// State and steps of each entity.
    pub steps: Vec<Value>,
    /// By `Kind/namespace/name`.
    pub objects: BTreeMap<String, Shown>,
}

/// What a plan says of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub change: String,
    pub diff: Vec<Value>,
    /// What to know of it, besides:
    pub notes: Vec<String>,
    /// that the diff is a merge done here.
    pub not_verified: bool,
}

impl Plan {
    /// Reads the JSON form. The others show the same objects, with the same
    /// label; none shows a secret.
    pub fn of([text, json, markdown, html]: [Ran; 4]) -> Self {
        let whole: Value = serde_json::from_str(&json.out).unwrap();
        let entities = whole["targets"][0]["entities"].as_array().unwrap();
        let steps = entities.iter().map(|e| json!([e["entity"], e["state"], e["steps"]])).collect();
        let objects = entities.iter().flat_map(|e| e["objects"].as_array().unwrap());
        let objects: BTreeMap<_, _> = objects.map(shown).collect();
        let labelled = objects.values().filter(|object| object.not_verified).count();
        for ran in [&text, &json, &markdown, &html] {
            for object in objects.keys() {
                let name = object.rsplit('/').next().unwrap();
                assert!(ran.out.contains(name), "no {name} in {ran}");
            }
            // Markdown and HTML may say it once more in a summary.
            assert!(ran.out.matches("not verified by the server").count() >= labelled, "{ran}");
            assert!(labelled > 0 || !ran.out.contains("not verified"), "{ran}");
            assert!(!ran.err.contains("is not known"), "the anchor is read: {ran}");
            for secret in ["horse", "Ymx1ZS1ob3JzZQ", "cmVkLWhvcnNl", "d2hpdGUtaG9yc2U"] {
                assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{ran}");
            }
        }
        Self { steps, objects }
    }

    /// `create Kind/name` and so on, in the objects' order.
    pub fn changes(&self) -> Vec<String> {
        let all = self.objects.iter().map(|(object, shown)| {
            let mut parts = object.split('/');
            let (kind, name) = (parts.next().unwrap(), parts.next_back().unwrap());
            format!("{} {kind}/{name}", shown.change)
        });
        all.collect()
    }
}

fn shown(object: &Value) -> (String, Shown) {
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let notes = object["notes"].as_array().unwrap().iter();
    let notes = notes.map(|note| note["text"].as_str().unwrap().to_owned());
    let (labels, notes): (Vec<_>, Vec<_>) = notes.partition(|note| note == NOT_VERIFIED);
    let shown = Shown {
        change: text("change"),
        diff: object["diff"].as_array().unwrap().clone(),
        notes,
        not_verified: !labels.is_empty(),
    };
    (format!("{}/{}/{}", text("kind"), text("namespace"), text("name")), shown)
}
