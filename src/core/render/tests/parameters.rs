//! No built-in type takes a parameter and does nothing with it: each one that a
//! schema has is given in some case, and another value of it renders something
//! else.

use super::cases::cases;
use super::one;
use crate::core::model::Application;
use crate::core::render::RenderError;
use crate::core::render::builtin;
use crate::core::render::definition::{TypeKind, read_file};
use crate::core::render::schema::Schema;
use serde_json::{Value, json};

/// A place in a schema.
#[derive(Clone)]
enum Step {
    Named(String),
    Any,
}

/// Every parameter that holds no others.
fn leaves<'a>(schema: &'a Schema, at: &mut Vec<Step>, found: &mut Vec<(Vec<Step>, &'a Schema)>) {
    let inner = schema.properties.iter().map(|(name, inner)| (Step::Named(name.clone()), inner));
    let inner = inner.chain(schema.additional.iter().map(|inner| (Step::Any, &**inner)));
    let inner: Vec<_> = inner.chain(schema.items.iter().map(|i| (Step::Any, &**i))).collect();
    if inner.is_empty() {
        found.push((at.clone(), schema));
    }
    for (step, schema) in inner {
        at.push(step);
        leaves(schema, at, found);
        at.pop();
    }
}

/// The values at a place.
fn values<'a>(value: &'a mut Value, path: &[Step]) -> Vec<&'a mut Value> {
    let Some((step, rest)) = path.split_first() else { return vec![value] };
    let inner: Vec<&mut Value> = match (step, value) {
        (Step::Named(name), Value::Object(map)) => map.get_mut(name).into_iter().collect(),
        (Step::Any, Value::Object(map)) => map.values_mut().collect(),
        (Step::Any, Value::Array(items)) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    inner.into_iter().flat_map(|value| values(value, rest)).collect()
}

/// Other values that the schema takes as well.
fn others(schema: &Schema, value: &Value) -> Vec<Value> {
    match (&schema.allowed, value) {
        (Some(allowed), _) => allowed.iter().filter(|other| *other != value).cloned().collect(),
        (None, Value::Bool(flag)) => vec![json!(!flag)],
        (None, Value::Number(number)) => {
            let step = if schema.maximum == number.as_f64() { -1.0 } else { 1.0 };
            let moved = number.as_f64().unwrap() + step;
            vec![if number.is_f64() { json!(moved) } else { json!(moved as i64) }]
        }
        (None, Value::String(text)) => vec![json!(format!("{text}x"))],
        (None, Value::Object(_)) => vec![json!({"op": "remove", "path": "/spec"})],
        _ => vec![json!("x")],
    }
}

/// The properties of each use of a type in an application.
fn uses<'a>(application: &'a mut Application, kind: TypeKind, name: &str) -> Vec<&'a mut Value> {
    let components = application.components.iter_mut();
    match kind {
        TypeKind::Component => {
            components.filter(|c| c.kind == name).map(|c| &mut c.properties).collect()
        }
        _ => components
            .flat_map(|c| &mut c.traits)
            .filter(|part| part.kind == name)
            .map(|part| &mut part.properties)
            .collect(),
    }
}

/// Whether some other value at a place of a use renders something else.
fn counts(
    application: &Application,
    kind: TypeKind,
    name: &str,
    path: &[Step],
    schema: &Schema,
) -> bool {
    let mut copy = application.clone();
    let all = uses(&mut copy, kind, name).len();
    if all == 0 {
        return false;
    }
    let due = one(application, &[]).unwrap();
    (0..all).any(|index| {
        let mut copy = application.clone();
        let given = uses(&mut copy, kind, name).remove(index).clone();
        let number = values(&mut given.clone(), path).len();
        (0..number).any(|at| {
            let value = values(&mut given.clone(), path).remove(at).clone();
            others(schema, &value).into_iter().any(|other| {
                let mut copy = application.clone();
                let properties = uses(&mut copy, kind, name).remove(index);
                *values(properties, path).remove(at) = other;
                match one(&copy, &[]) {
                    Ok(rendered) => rendered != due,
                    Err(RenderError::Parameters { .. }) => false,
                    Err(_) => true,
                }
            })
        })
    })
}

/// The cases with one component each.
fn singles() -> Vec<Application> {
    let all = cases().into_iter().map(|(_, application)| application);
    all.flat_map(|application| {
        let parts = application.components.clone().into_iter();
        parts.map(move |part| Application { components: vec![part], ..application.clone() })
    })
    .collect()
}

#[test]
fn no_parameter_of_a_built_in_type_is_taken_and_ignored() {
    let cases = singles();
    let mut ignored = Vec::new();
    for (path, text) in builtin::FILES {
        for definition in read_file(path, text).unwrap() {
            let (kind, name) = (definition.kind, definition.name.as_str());
            let mut found = Vec::new();
            leaves(&definition.parameters, &mut Vec::new(), &mut found);
            for (place, schema) in found {
                if !cases.iter().any(|case| counts(case, kind, name, &place, schema)) {
                    let words = place.iter().map(|step| match step {
                        Step::Named(name) => format!(".{name}"),
                        Step::Any => "[]".to_owned(),
                    });
                    ignored.push(format!("{name}: {}", words.collect::<String>()));
                }
            }
        }
    }
    assert!(ignored.is_empty(), "{}", ignored.join("\n"));
}

#[test]
fn the_page_on_templates_names_every_type_and_its_parameters() {
    let page = include_str!("../../../../docs/templates.md");
    let (_, list) = page.split_once("### What they take").unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    // These three have a section each, with all that they take.
    let apart = ["gateway", "env", "storage"];
    let mut missing = Vec::new();
    for (path, text) in builtin::FILES {
        for definition in read_file(path, text).unwrap() {
            let quoted = format!("`{}`", definition.name);
            let is_about = |row: &&&str| row.split('|').nth(1).unwrap().contains(&quoted);
            let about: String = rows.iter().filter(is_about).copied().collect();
            let about = if apart.contains(&definition.name.as_str()) { list } else { &about };
            let names = definition.parameters.properties.keys();
            let absent = |name: &&String| match apart.contains(&definition.name.as_str()) {
                true => !about.contains(name.as_str()),
                false => !about.contains(&format!("`{name}`")),
            };
            missing.extend(names.filter(absent).map(|name| format!("{quoted}: {name}")));
            if !rows.iter().any(|row| row.contains(&quoted)) {
                missing.push(quoted);
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
