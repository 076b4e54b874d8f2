//! The same tables as JSON Schema, for editors.

use super::shape::{Kind, Need, Shape};
use serde_json::{Map, Value, json};

/// The JSON Schemas of the plan kinds, each with the name of its file in
/// `schemas/`.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("application.json", root("Application", &super::application::APPLICATION)),
        ("approllout.json", root("AppRollout", &super::approllout::APPROLLOUT)),
        ("kruise-rollout-v1alpha1.json", root("Rollout", &super::kruise_fields::ROLLOUT_ALPHA)),
        ("kruise-rollout-v1beta1.json", root("Rollout", &super::kruise_fields::ROLLOUT_BETA)),
        (
            "kruise-trafficrouting.json",
            root("TrafficRouting", &super::kruise_route::TRAFFIC_ROUTING),
        ),
        ("component-rollout.json", root("Rollout", &super::component_rollout::ROLLOUT)),
        ("project.json", root("Project", &super::project::PROJECT)),
        ("route.json", root("Route", &super::route::ROUTE)),
    ]
}

fn root(title: &str, shape: &Shape) -> Value {
    let mut schema = object(shape);
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".to_owned(), json!(title));
    }
    schema
}

fn object(shape: &Shape) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in shape.fields {
        if field.need == Need::Unsupported {
            continue;
        }
        let mut schema = kind(field.kind);
        if let Value::Object(map) = &mut schema {
            map.insert("description".to_owned(), json!(field.doc));
        }
        properties.insert(field.name.to_owned(), schema);
        if field.need == Need::Required {
            required.push(field.name);
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": shape.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Value::Object(map), false) = (&mut schema, required.is_empty()) {
        map.insert("required".to_owned(), json!(required));
    }
    schema
}

fn kind(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({"type": "string", "minLength": 1}),
        Kind::Name => json!({"type": "string", "maxLength": 63, "pattern": LABEL}),
        Kind::Revision => json!({"type": "string", "maxLength": 63, "pattern": REVISION}),
        Kind::MaybeRevision => {
            json!({"type": "string", "maxLength": 63, "pattern": format!("^$|{REVISION}")})
        }
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Amount => json!({"oneOf": [
            {"type": "integer", "minimum": 0, "maximum": super::shape::INT32},
            {"type": "string", "pattern": "^(0|[1-9][0-9]?|100)%$"},
        ]}),
        Kind::Duration => json!({"oneOf": [
            {"type": "integer", "minimum": 0, "maximum": super::duration::LONGEST},
            {"type": "string", "pattern": DURATION},
        ]}),
        Kind::OneOf(words) => json!({"enum": words}),
        Kind::Object(shape) => object(shape),
        Kind::List(item) => json!({"type": "array", "items": self::kind(*item)}),
        Kind::SomeOf(item) => json!({"type": "array", "minItems": 1, "items": self::kind(*item)}),
        Kind::Texts => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Kind::Parameters => json!({"type": "object"}),
        Kind::Any => json!({}),
    }
}

const DURATION: &str = "^([0-9]+|[0-9]+h([0-9]+m)?([0-9]+s)?|[0-9]+m([0-9]+s)?|[0-9]+s)$";
const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const REVISION: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?-v[1-9][0-9]*$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_schemas_are_those_of_the_code() {
        let committed = [
            ("application.json", include_str!("../../../schemas/application.json")),
            ("approllout.json", include_str!("../../../schemas/approllout.json")),
            (
                "kruise-rollout-v1alpha1.json",
                include_str!("../../../schemas/kruise-rollout-v1alpha1.json"),
            ),
            (
                "kruise-rollout-v1beta1.json",
                include_str!("../../../schemas/kruise-rollout-v1beta1.json"),
            ),
            (
                "kruise-trafficrouting.json",
                include_str!("../../../schemas/kruise-trafficrouting.json"),
            ),
            ("component-rollout.json", include_str!("../../../schemas/component-rollout.json")),
            ("project.json", include_str!("../../../schemas/project.json")),
            ("route.json", include_str!("../../../schemas/route.json")),
        ];
        for ((name, schema), (file, text)) in schemas().into_iter().zip(committed) {
            assert_eq!(name, file);
            let stored: Value = serde_json::from_str(text).unwrap();
            assert_eq!(
                stored, schema,
                "schemas/{name} is stale: run `cargo run -- schema --all schemas`"
            );
        }
    }

    #[test]
    fn every_mapping_with_named_fields_rejects_an_unknown_one() {
        fn visit(schema: &Value, seen: &mut usize) {
            if schema["type"] == json!("object") && schema.get("properties").is_some() {
                assert_eq!(schema["additionalProperties"], json!(false), "{schema}");
                *seen += 1;
            }
            match schema {
                Value::Object(map) => map.values().for_each(|inner| visit(inner, seen)),
                Value::Array(items) => items.iter().for_each(|inner| visit(inner, seen)),
                _ => {}
            }
        }
        let mut seen = 0;
        schemas().iter().for_each(|(_, schema)| visit(schema, &mut seen));
        assert!(seen > 12, "{seen}");
    }
}
