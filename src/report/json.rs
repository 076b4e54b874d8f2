//! A review as JSON, for programs, and its schema. Owns the names of its
//! fields: what is there stays there, and a change of meaning raises `format`.

use super::{Danger, DiffReport, EntityReport, Resting, Review, StepReport, dangers};
use crate::core::diff::{Change, Note, ObjectDiff, Outcome};
use crate::core::secrecy::{RedactedJson, Veil};
use serde_json::{Value, json};

/// The whole review.
#[must_use]
pub fn json(review: &Review, veil: &Veil) -> RedactedJson {
    let targets: Vec<Value> = review.targets.iter().map(target).collect();
    veil.json(&json!({"format": 1, "targets": targets}))
}

fn target(report: &DiffReport) -> Value {
    let counts = report.counts();
    json!({
        "target": report.target,
        "plan": report.plan,
        "summary": {
            "create": counts.create,
            "update": counts.update,
            "delete": counts.delete,
            "temporary": counts.temporary,
            "dangerous": counts.dangerous,
        },
        "publications": report.publications,
        "entities": report.entities.iter().map(entity).collect::<Vec<_>>(),
    })
}

fn entity(entity: &EntityReport) -> Value {
    let (state, message) = match &entity.rest {
        Resting::No if entity.steps.is_empty() => ("done", None),
        Resting::No => ("steps", None),
        Resting::Records(text) => ("records", Some(text)),
        Resting::Waits(text) => ("waits", Some(text)),
        Resting::Refused(text) => ("refused", Some(text)),
    };
    let steps: Vec<Value> = entity.steps.iter().map(step).collect();
    json!({
        "entity": entity.entity,
        "state": state,
        "message": message,
        "headline": entity.headline,
        "floor": entity.floor,
        "warnings": entity.warnings,
        "steps": steps,
        "objects": entity.objects.iter().map(|one| object(entity, one)).collect::<Vec<_>>(),
    })
}

fn step(step: &StepReport) -> Value {
    let mut told = json!({"name": step.name, "id": step.id, "effects": step.effects});
    if let (Some(gate), Some(told)) = (&step.gate, told.as_object_mut()) {
        told.insert("gate".to_owned(), json!(gate));
    }
    told
}

fn object(entity: &EntityReport, object: &ObjectDiff) -> Value {
    let change = match object.change {
        Change::Create => "create",
        Change::Update => "update",
        Change::Delete => "delete",
        Change::Temporary => "temporary",
        Change::None => "none",
    };
    let dangers: Vec<&str> = dangers(object).into_iter().map(Danger::word).collect();
    let mut told = json!({
        "apiVersion": object.object.api_version,
        "kind": object.object.kind,
        "namespace": object.object.namespace,
        "name": object.object.name,
        "change": change,
        "dangers": dangers,
        "fields": object.fields,
        "diff": object.lines,
        "notes": object.notes.iter().map(note).collect::<Vec<_>>(),
    });
    let way = object.way.iter().map(|halfway| {
        json!({"step": entity.step(halfway.step), "fields": halfway.fields, "diff": halfway.lines})
    });
    let way: Vec<Value> = way.collect();
    if let Some(told) = told.as_object_mut() {
        if let Some((first, last)) = object.during {
            let during = json!({"from": entity.step(first), "to": entity.step(last)});
            told.insert("during".to_owned(), during);
        }
        if !way.is_empty() {
            told.insert("onTheWay".to_owned(), Value::Array(way));
        }
    }
    told
}

fn note(note: &Note) -> Value {
    let text = note.to_string();
    match note {
        Note::Recreate { fields } => json!({"kind": "recreate", "fields": fields, "text": text}),
        Note::Conflict { field, manager, outcome } => {
            let outcome = match outcome {
                Outcome::Kept => "kept",
                Outcome::Taken => "taken",
                Outcome::Refused => "refused",
            };
            json!({"kind": "conflict", "fields": [field], "managers": [manager],
                   "outcome": outcome, "text": text})
        }
        Note::Released { field, managers } => {
            json!({"kind": "released", "fields": [field], "managers": managers, "text": text})
        }
        Note::Extra { field, manager } => {
            json!({"kind": "extra", "fields": [field], "managers": [manager], "text": text})
        }
        Note::LeftTo { field, .. } => json!({"kind": "leftTo", "fields": [field], "text": text}),
        Note::MoreExtra { .. } => json!({"kind": "extra", "text": text}),
        Note::Adopted { manager, .. } => {
            let managers: Vec<&String> = manager.iter().collect();
            json!({"kind": "adopted", "managers": managers, "text": text})
        }
        Note::Unverified { .. } => json!({"kind": "unverified", "text": text}),
        Note::Invalid { .. } => json!({"kind": "invalid", "text": text}),
        Note::OrderOnly => json!({"kind": "orderOnly", "text": text}),
        Note::Copies { .. } => json!({"kind": "copies", "text": text}),
    }
}

/// Its JSON Schema.
#[must_use]
pub fn json_schema() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let maybe = json!({"type": ["string", "null"]});
    let count = json!({"type": "integer", "minimum": 0});
    let object = object_schema();
    let step = closed(
        "One step, reviewed, executed and recorded as one. `gate`, if there is one, is what is \
         waited for before it.",
        &json!({"name": text, "id": text, "gate": text, "effects": texts}),
        &["name", "id", "effects"],
    );
    let entity = closed(
        "A rollout, an application that is applied directly, or the plain objects of a namespace.",
        &json!({
            "entity": text,
            "state": {"enum": ["done", "steps", "records", "waits", "refused"]},
            "message": maybe,
            "headline": text,
            "floor": {"type": ["integer", "null"]},
            "warnings": texts,
            "steps": {"type": "array", "items": step},
            "objects": {"type": "array", "items": object},
        }),
        &["entity", "state", "message", "headline", "floor", "warnings", "steps", "objects"],
    );
    let summary = closed(
        "How many objects change.",
        &json!({
            "create": count, "update": count, "delete": count, "temporary": count,
            "dangerous": count,
        }),
        &["create", "update", "delete", "temporary", "dangerous"],
    );
    let target = closed(
        "What an apply would do to one target.",
        &json!({
            "target": text, "plan": text, "summary": summary, "publications": texts,
            "entities": {"type": "array", "items": entity},
        }),
        &["target", "plan", "summary", "publications", "entities"],
    );
    let mut root = closed(
        "What `tranche plan -o json` prints.",
        &json!({"format": {"const": 1}, "targets": {"type": "array", "items": target}}),
        &["format", "targets"],
    );
    if let Value::Object(root) = &mut root {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".to_owned(), json!("Plan"));
    }
    root
}

/// The schema of one object.
fn object_schema() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let maybe = json!({"type": ["string", "null"]});
    let dangers: Vec<&str> = Danger::ALL.into_iter().map(Danger::word).collect();
    let note = closed(
        "What to know of an object besides its diff.",
        &json!({
            "kind": {"enum": ["recreate", "conflict", "released", "extra", "leftTo", "adopted",
                              "unverified", "invalid", "orderOnly", "copies"]},
            "fields": texts,
            "managers": texts,
            "outcome": {"enum": ["kept", "taken", "refused"]},
            "text": text,
        }),
        &["kind", "text"],
    );
    let during = closed(
        "The steps that create a temporary object first, and delete it last.",
        &json!({"from": text, "to": text}),
        &["from", "to"],
    );
    let halfway = closed(
        "What a step makes of an object on the way to its end, as a unified diff from the state \
         before.",
        &json!({"step": text, "fields": texts, "diff": texts}),
        &["step", "fields", "diff"],
    );
    closed(
        "One object: what happens to it, why it needs a closer look, and a unified diff of its \
         YAML. What is temporary is there only during the rollout. Secret values are replaced.",
        &json!({
            "apiVersion": text, "kind": text, "namespace": maybe, "name": text,
            "change": {"enum": ["create", "update", "delete", "temporary", "none"]},
            "dangers": {"type": "array", "items": {"enum": dangers}},
            "fields": texts,
            "diff": texts,
            "notes": {"type": "array", "items": note},
            "during": during,
            "onTheWay": {"type": "array", "items": halfway},
        }),
        &[
            "apiVersion",
            "kind",
            "namespace",
            "name",
            "change",
            "dangers",
            "fields",
            "diff",
            "notes",
        ],
    )
}

pub(super) fn closed(description: &str, properties: &Value, required: &[&str]) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
