//! A DestinationRule's subsets. Owns how two of them are narrowed to the pods
//! of one revision each.

use super::{service_of, text};
use crate::core::object::at;
use crate::core::traffic::Apart;
use serde_json::{Value, json};

/// The names of the subsets that weight moves between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subsets {
    /// That of the revision that is left.
    pub stable: String,
    /// That of the revision that is reached.
    pub canary: String,
}

impl Subsets {
    pub(super) fn has(&self, name: &str) -> bool {
        self.stable == name || self.canary == name
    }
}

/// The Service of its namespace that a DestinationRule is about.
pub(in crate::core::traffic) fn host(rule: &Value) -> Vec<&str> {
    let namespace = at(rule, "/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let host = rule.get("spec").and_then(|spec| text(spec, "host"));
    host.and_then(|host| service_of(host, namespace)).into_iter().collect()
}

/// What of a DestinationRule's spec is another than it is rendered while its
/// subsets are narrowed; `pods` are the labels that the component's pods have.
///
/// # Errors
/// In words that follow its name: why they cannot be.
pub fn pinned(
    rendered: &Value,
    subsets: &Subsets,
    apart: &Apart,
    pods: Option<&Value>,
) -> Result<Value, String> {
    let list = at(rendered, "/spec/subsets").and_then(Value::as_array);
    let mut list = list.cloned().unwrap_or_default();
    let known: Vec<String> =
        list.iter().filter_map(|one| Some(text(one, "name")?.to_owned())).collect();
    for (name, value) in [(&subsets.stable, &apart.left), (&subsets.canary, &apart.reached)] {
        let Some(subset) = list.iter_mut().find(|one| text(one, "name") == Some(name)) else {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("has no subset {name}; it has {known}"));
        };
        let labels = subset.get("labels").and_then(Value::as_object);
        let missing = labels.into_iter().flatten().find(|(key, value)| {
            pods.and_then(|pods| pods.get(key.as_str())) != Some(value) && **key != *apart.key
        });
        if let Some((key, value)) = missing {
            let value = value.as_str().unwrap_or_default();
            return Err(format!(
                "has a subset {name} of pods with {key}={value}, which the component's pods do not \
                 have: it would reach none of them"
            ));
        }
        if !subset.get("labels").is_some_and(Value::is_object) {
            subset["labels"] = json!({});
        }
        subset["labels"][apart.key] = json!(value);
    }
    Ok(json!({"spec": {"subsets": list}}))
}
