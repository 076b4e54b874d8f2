//! A Service whose selector names one revision. Owns what is written into it,
//! and how it is recognised that the cluster follows that; when it is written is
//! a strategy's.
//!
//! Slices lag behind a Service: those that are read right after a selector was
//! changed list the pods of before, and are as ready as ever. But whoever makes
//! them copies the Service's labels into each one, in the same write as its
//! endpoints. So a label goes with the selector, and a slice that has it was made
//! of the pods that this selector selects, of these and no others. A list of
//! pods could not tell that: before the first new pod exists, slices of the old
//! selector and of the new one are the same.

use super::slices::ready_addresses;
use crate::core::object::at;
use serde_json::{Value, json};
use std::sync::Arc;

/// The label of a Service by the pods that its selector names, and of its slices.
const LABEL_REACHES: &str = "tranche.dev/reaches";

/// The fields of a Service that are driven. A selector is replaced whole,
/// whoever changes which part of it.
pub const PINNED_FIELDS: &[&[&str]] =
    &[&["spec", "selector"], &["metadata", "labels", LABEL_REACHES]];

/// Narrows a rendered Service to the pods that carry a label.
pub fn pin(service: &mut Value, (key, value): (&str, &str)) {
    for (path, key) in [(["spec", "selector"], key), (["metadata", "labels"], LABEL_REACHES)] {
        let mut at = &mut *service;
        for name in path {
            if !at[name].is_object() {
                at[name] = json!({});
            }
            at = &mut at[name];
        }
        at[key] = json!(value);
    }
}

/// Whether a live Service is narrowed to the pods that carry a label, whoever
/// wrote that; else what it is, in words that follow its name.
///
/// # Errors
/// What it reaches instead.
pub fn pinned(live: &Value, (key, value): (&str, &str)) -> Result<(), String> {
    let selector = at(live, "/spec/selector").and_then(|selector| selector.get(key));
    let label = at(live, "/metadata/labels").and_then(|labels| labels.get(LABEL_REACHES));
    match (selector.and_then(Value::as_str), label.and_then(Value::as_str)) {
        (Some(selected), Some(label)) if selected == value && label == value => Ok(()),
        (None, _) => Err("selects the pods of every revision".to_owned()),
        (Some(selected), _) if selected != value => Err(format!("selects the pods of {selected}")),
        _ => Err(format!("has lost its label {LABEL_REACHES}")),
    }
}

/// How far the slices of a Service follow its selector: how many of them do, how
/// many there are, and the ready endpoints that those have which do.
#[must_use]
pub fn following(slices: &[Arc<Value>], value: &str) -> (usize, usize, u32) {
    let follows = |slice: &&Arc<Value>| {
        let labels = at(slice, "/metadata/labels");
        labels.and_then(|labels| labels.get(LABEL_REACHES)?.as_str()) == Some(value)
    };
    let followers: Vec<Arc<Value>> = slices.iter().filter(follows).cloned().collect();
    (followers.len(), slices.len(), ready_addresses(&followers))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: (&str, &str) = ("rev", "web-v2");

    #[test]
    fn a_pinned_service_is_the_rendered_one_narrowed() {
        let rendered = json!({
            "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{}]},
        });
        let mut live = rendered.clone();
        pin(&mut live, V2);
        assert_eq!(
            live,
            json!({
                "metadata": {"name": "web", "labels": {LABEL_REACHES: "web-v2"}},
                "spec": {"selector": {"app": "web", "rev": "web-v2"}, "ports": [{}]},
            })
        );
        assert_eq!(pinned(&live, V2), Ok(()));
        assert_eq!(pinned(&live, ("rev", "web-v1")).unwrap_err(), "selects the pods of web-v2");
        assert!(pinned(&rendered, V2).unwrap_err().contains("every revision"));
        live["metadata"]["labels"] = json!({});
        assert!(pinned(&live, V2).unwrap_err().contains("lost its label"));
    }

    #[test]
    fn a_slice_follows_once_it_has_the_label_whatever_it_lists() {
        let slice = |reaches: &str, ready: &[&str]| {
            let endpoint =
                |address: &&str| json!({"addresses": [address], "conditions": {"ready": true}});
            let endpoints: Vec<Value> = ready.iter().map(endpoint).collect();
            let labels = json!({LABEL_REACHES: reaches});
            Arc::new(json!({"metadata": {"labels": labels}, "endpoints": endpoints}))
        };
        let late = [slice("web-v1", &["1", "2"]), slice("web-v2", &["3"])];
        assert_eq!(following(&late, "web-v2"), (1, 2, 1));
        assert_eq!(following(&late[1..], "web-v2"), (1, 1, 1));
        let none = Arc::new(json!({"endpoints": []}));
        assert_eq!(following(&[none], "web-v2"), (0, 1, 0));
    }
}
