//! Parameters against their schema. Owns defaults and the wording of what does
//! not fit; it must never show a value that may be a secret.

use super::error::hint;
use super::schema::Schema;
use serde_json::{Map, Value};

/// Parts of a parameter's name that make its value a secret.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "secret", "token", "credential", "apikey"];

/// `given` with defaults filled in, and `none` for what is declared but
/// absent.
///
/// # Errors
/// Every parameter that does not fit, each as one fragment.
pub(super) fn complete(schema: &Schema, given: &Value) -> Result<Value, Vec<String>> {
    let empty = Value::Object(Map::new());
    let given = if given.is_null() { &empty } else { given };
    let mut problems = Vec::new();
    let value = visit(schema, given, "", schema.secret, &mut problems);
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

fn visit(
    schema: &Schema,
    value: &Value,
    path: &str,
    secret: bool,
    problems: &mut Vec<String>,
) -> Value {
    if let Some(problem) = misfit(schema, value, path, secret) {
        problems.push(problem);
        return Value::Null;
    }
    match value {
        Value::Object(map) => visit_object(schema, map, path, secret, problems),
        Value::Array(items) => {
            let any = Schema::default();
            let inner = schema.items.as_deref().unwrap_or(&any);
            let secret = secret || inner.secret;
            let visit_item =
                |(i, item)| visit(inner, item, &format!("{path}[{i}]"), secret, problems);
            Value::Array(items.iter().enumerate().map(visit_item).collect())
        }
        scalar => scalar.clone(),
    }
}

fn visit_object(
    schema: &Schema,
    map: &Map<String, Value>,
    path: &str,
    secret: bool,
    problems: &mut Vec<String>,
) -> Value {
    let mut out = Map::new();
    let any = Schema::default();
    // A schema that says nothing of members takes them all.
    let untyped = schema.types.is_empty() && schema.properties.is_empty();
    let additional = schema.additional.as_deref().or(untyped.then_some(&any));
    for (name, value) in map {
        let inner_path = join(path, name);
        let Some(inner) = schema.properties.get(name).or(additional) else {
            let hint = hint(name, schema.properties.keys().map(String::as_str));
            problems.push(format!("there is no parameter `{inner_path}`{hint}"));
            continue;
        };
        let declared = schema.properties.contains_key(name);
        // `name: null` is the same as not naming it, unless null is a value.
        if value.is_null() && declared && !accepts(inner, value) {
            continue;
        }
        let secret = secret || inner.secret || is_secret(name);
        out.insert(name.clone(), visit(inner, value, &inner_path, secret, problems));
    }
    for name in &schema.required {
        if !out.contains_key(name) && map.get(name).is_none_or(Value::is_null) {
            problems.push(format!("parameter `{}` is missing", join(path, name)));
        }
    }
    for (name, inner) in &schema.properties {
        if out.contains_key(name) {
            continue;
        }
        let value = match &inner.default {
            Some(default) => visit(inner, default, &join(path, name), secret, problems),
            None => Value::Null,
        };
        out.insert(name.clone(), value);
    }
    Value::Object(out)
}

fn misfit(schema: &Schema, value: &Value, path: &str, secret: bool) -> Option<String> {
    let name = if path.is_empty() { "the parameters".to_owned() } else { format!("`{path}`") };
    let shown = if secret { "a value that is not shown".to_owned() } else { show(value) };
    if !accepts(schema, value) {
        return Some(format!("{name} must be {}, not {shown}", article(&schema.types)));
    }
    if let Some(allowed) = &schema.allowed
        && !allowed.contains(value)
    {
        let names: Vec<String> = allowed.iter().map(show).collect();
        let hint = match value.as_str() {
            Some(text) if !secret => match hint(text, allowed.iter().filter_map(Value::as_str)) {
                close if close.starts_with(", did") => close,
                _ => String::new(),
            },
            _ => String::new(),
        };
        return Some(format!("{name} must be one of {}, not {shown}{hint}", names.join(", ")));
    }
    let number = value.as_f64()?;
    if schema.minimum.is_some_and(|minimum| number < minimum) {
        let bound = schema.minimum.unwrap_or_default();
        return Some(format!("{name} must be at least {bound}, not {shown}"));
    }
    if schema.maximum.is_some_and(|maximum| number > maximum) {
        let bound = schema.maximum.unwrap_or_default();
        return Some(format!("{name} must be at most {bound}, not {shown}"));
    }
    None
}

fn accepts(schema: &Schema, value: &Value) -> bool {
    let is = |name: &String| match name.as_str() {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    };
    schema.types.is_empty() || schema.types.iter().any(is)
}

fn article(types: &[String]) -> String {
    let names: Vec<&str> = types
        .iter()
        .map(|name| match name.as_str() {
            "string" => "a string",
            "integer" => "an integer",
            "number" => "a number",
            "boolean" => "a boolean",
            "array" => "a list",
            "object" => "a map",
            _ => "null",
        })
        .collect();
    names.join(" or ")
}

/// A value as an error shows it: short, and for lists and maps only the kind,
/// since what is in them may be anything.
fn show(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        Value::String(text) if text.chars().count() > 40 => {
            let start: String = text.chars().take(40).collect();
            format!("{}...", Value::String(start))
        }
        scalar => scalar.to_string(),
    }
}

fn is_secret(name: &str) -> bool {
    let name: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
