//! The JSON Schema of a saved plan. Owns its words; the fields themselves are
//! [`approval`](crate::core::approval)'s, and a test holds both together.

use super::json::closed;
use serde_json::{Value, json};

/// The schema of what `tranche plan --out` writes.
#[must_use]
pub fn saved_schema() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let digest = digest();
    let instant = json!({"type": "string", "format": "date-time"});
    let object = object();
    let step = closed(
        "One step, by the id that it is recorded by.",
        &json!({"id": text, "name": text, "effects": texts}),
        &["id", "name", "effects"],
    );
    let entity = closed(
        "What was reviewed of a rollout, an application or plain objects.",
        &json!({
            "entity": closed(
                "What owns the objects.",
                &json!({
                    "kind": {"enum": ["Objects", "Application", "Rollout"]},
                    "namespace": text, "name": text,
                }),
                &["kind", "namespace", "name"],
            ),
            "state": {"enum": ["steps", "goesBack", "records", "rests"]},
            "message": text,
            "open": {"type": "boolean"},
            "sizes": closed(
                "Pods of a rollout at the start and at the end.",
                &json!({"from": {"type": "integer"}, "to": {"type": "integer"}}),
                &["from", "to"],
            ),
            "steps": {"type": "array", "items": step},
            "objects": {"type": "array", "items": object},
        }),
        &["entity", "state"],
    );
    let target = closed(
        "What was reviewed of one target. Its digest is over publications, steps, sizes and \
         patches: neither over the cluster nor over a commit's id.",
        &json!({
            "target": text, "cluster": text, "plan": text, "record": text,
            "created": instant, "expires": instant, "digest": digest,
            "publications": texts,
            "entities": {"type": "array", "items": entity},
        }),
        &["target", "cluster", "plan", "created", "expires", "digest", "publications", "entities"],
    );
    let mut root = closed(
        "What `tranche plan --out` writes and `tranche apply --plan` is held to.",
        &json!({
            "format": {"const": 1}, "tool": text, "project": text, "digest": digest,
            "targets": {"type": "array", "items": target},
        }),
        &["format", "tool", "project", "digest", "targets"],
    );
    if let Value::Object(root) = &mut root {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".to_owned(), json!("Saved plan"));
    }
    root
}

fn object() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let field = closed(
        "One value of an object. No `from`: there is none; no `to`: it goes. `through` are the \
         values that steps bring about on the way, null for none. The path `.` is the object \
         itself, the path of a list that is known by keys is its order.",
        &json!({
            "path": text, "from": {}, "to": {},
            "through": {"type": "array"},
        }),
        &["path"],
    );
    let source = closed(
        "A file of the plan that a value comes from which is not shown, and its git blob.",
        &json!({"path": text, "blob": text}),
        &["path", "blob"],
    );
    let reference = closed(
        "An object's name.",
        &json!({"apiVersion": text, "kind": text, "namespace": text, "name": text}),
        &["apiVersion", "kind", "name"],
    );
    closed(
        "The patch of one object. Its digest is over `object`, `conflicts`, `unverified`, the blobs and the \
         values that are another in the end. Secret values are replaced.",
        &json!({
            "object": reference,
            "operation": {"enum": ["create", "update", "delete", "passes"]},
            "uid": text,
            "digest": digest(),
            "conflicts": texts,
            "unverified": {"type": "boolean"},
            "sources": {"type": "array", "items": source},
            "fields": {"type": "array", "items": field},
            "diff": texts,
        }),
        &["object", "operation", "digest", "fields"],
    )
}

fn digest() -> Value {
    json!({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"})
}
