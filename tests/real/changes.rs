//! Which effect changed what, by the API server's audit log alone.

use serde_json::Value;
use std::collections::BTreeMap;
use tranche::core::strategy::{ANNOTATION_PREFIX, ANNOTATION_STEP};
use tranche_lab::Request;

/// How often each effect changed the state of its object, by its mark
/// (`<step>/<effect>`) and the object; a delete by the object alone. What
/// changes nothing but our own marks, as a stamp does, is no change.
pub fn changes(requests: &[Request], namespace: &str) -> BTreeMap<String, u32> {
    let ours = requests.iter().filter(|request| {
        let done = request.is_write() && request.succeeded();
        done && request.namespace == namespace && request.resource != "leases"
    });
    let mut objects: BTreeMap<String, Vec<&Request>> = BTreeMap::new();
    for request in ours {
        let object = format!("{}/{}", request.resource, request.name);
        objects.entry(object).or_default().push(request);
    }
    let mut counted = BTreeMap::new();
    for (object, writes) in objects {
        let mut before = None;
        for write in in_order(writes) {
            let after = (write.verb != "delete").then(|| state(&write.answer));
            if after != before {
                let annotations = &write.sent["metadata"]["annotations"];
                let effect = match annotations[ANNOTATION_STEP].as_str() {
                    Some(mark) => format!("{mark} {object}"),
                    None => format!("{} {object}", write.verb),
                };
                *counted.entry(effect).or_default() += 1;
            }
            before = after;
        }
    }
    counted
}

/// Writes of one object as the store took them: answers of several runs may
/// overtake each other on the way into the log.
fn in_order(writes: Vec<&Request>) -> Vec<&Request> {
    let mut newest = 0;
    let mut keyed: Vec<(u64, &Request)> = Vec::new();
    for write in writes {
        let version = write.answer["metadata"]["resourceVersion"].as_str();
        // A deletion's answer has none.
        let version = version.map_or(newest, |version| version.parse().unwrap());
        newest = newest.max(version);
        keyed.push((version, write));
    }
    keyed.sort_by_key(|(version, _)| *version);
    keyed.into_iter().map(|(_, write)| write).collect()
}

/// An object without its status, the server's own fields, its controllers'
/// annotations and our marks.
fn state(object: &Value) -> Value {
    let mut state = object.clone();
    state.as_object_mut().unwrap().remove("status");
    let metadata = state["metadata"].as_object_mut().unwrap();
    for field in ["managedFields", "resourceVersion", "generation"] {
        metadata.remove(field);
    }
    if let Some(all) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        all.retain(|key, _| {
            !key.starts_with(ANNOTATION_PREFIX) && !key.starts_with("deployment.kubernetes.io/")
        });
    }
    state
}
