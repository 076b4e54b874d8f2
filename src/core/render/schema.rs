//! The schema of a type's parameters. Owns which keywords exist; it must never
//! accept one that it does not check.

use super::error::hint;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const KEYWORDS: [&str; 12] = [
    "type",
    "description",
    "properties",
    "required",
    "default",
    "enum",
    "items",
    "additionalProperties",
    "minimum",
    "maximum",
    "writeOnly",
    "example",
];

const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];

/// What values a parameter may have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Schema {
    /// The types that are accepted; any without one.
    pub(super) types: Vec<String>,
    /// The declared members of an object.
    pub(super) properties: BTreeMap<String, Schema>,
    /// The members that must be given.
    pub(super) required: Vec<String>,
    /// What holds when nothing is given.
    pub(super) default: Option<Value>,
    /// The only values that are accepted.
    pub(super) allowed: Option<Vec<Value>>,
    /// The schema of a list's members.
    pub(super) items: Option<Box<Schema>>,
    /// The schema of an object's undeclared members; none refuses them.
    pub(super) additional: Option<Box<Schema>>,
    /// The smallest number.
    pub(super) minimum: Option<f64>,
    /// The largest number.
    pub(super) maximum: Option<f64>,
    /// The value may be a secret.
    pub(super) secret: bool,
}

impl Schema {
    /// Reads a schema; `path` is named in what is wrong with it.
    pub(super) fn parse(value: &Value, path: &str) -> Result<Self, String> {
        let map = value.as_object().ok_or_else(|| format!("{path} must be a map"))?;
        if let Some(key) = map.keys().find(|key| !KEYWORDS.contains(&key.as_str())) {
            let hint = hint(key, KEYWORDS.into_iter());
            return Err(format!("{path} has an unknown keyword `{key}`{hint}"));
        }
        let schema = Self {
            types: parse_types(map, path)?,
            properties: parse_properties(map, path)?,
            required: parse_names(map, path)?,
            default: map.get("default").cloned(),
            allowed: match map.get("enum") {
                None => None,
                Some(Value::Array(values)) => Some(values.clone()),
                Some(_) => return Err(format!("{path}.enum must be a list")),
            },
            items: match map.get("items") {
                None => None,
                Some(items) => Some(Box::new(Self::parse(items, &format!("{path}.items"))?)),
            },
            additional: match map.get("additionalProperties") {
                None | Some(Value::Bool(false)) => None,
                Some(Value::Bool(true)) => Some(Box::default()),
                Some(inner) => {
                    let path = format!("{path}.additionalProperties");
                    Some(Box::new(Self::parse(inner, &path)?))
                }
            },
            minimum: parse_bound(map, path, "minimum")?,
            maximum: parse_bound(map, path, "maximum")?,
            secret: map.get("writeOnly").and_then(Value::as_bool).unwrap_or(false),
        };
        schema.check_required(path)?;
        Ok(schema)
    }

    fn check_required(&self, path: &str) -> Result<(), String> {
        match self.required.iter().find(|name| !self.properties.contains_key(*name)) {
            Some(name) if self.additional.is_none() => {
                Err(format!("{path}.required names `{name}`, which is no property"))
            }
            _ => Ok(()),
        }
    }
}

fn parse_types(map: &Map<String, Value>, path: &str) -> Result<Vec<String>, String> {
    let listed = match map.get("type") {
        None => return Ok(Vec::new()),
        Some(Value::Array(types)) => types.clone(),
        Some(one) => vec![one.clone()],
    };
    listed
        .iter()
        .map(|name| match name.as_str() {
            Some(name) if TYPES.contains(&name) => Ok(name.to_owned()),
            _ => Err(format!("{path}.type must be one of {}", TYPES.join(", "))),
        })
        .collect()
}

fn parse_properties(
    map: &Map<String, Value>,
    path: &str,
) -> Result<BTreeMap<String, Schema>, String> {
    match map.get("properties") {
        None => Ok(BTreeMap::new()),
        Some(Value::Object(properties)) => properties
            .iter()
            .map(|(name, inner)| {
                let path = format!("{path}.properties.{name}");
                Ok((name.clone(), Schema::parse(inner, &path)?))
            })
            .collect(),
        Some(_) => Err(format!("{path}.properties must be a map")),
    }
}

fn parse_names(map: &Map<String, Value>, path: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{path}.required must be a list of names");
    match map.get("required") {
        None => Ok(Vec::new()),
        Some(Value::Array(names)) => {
            names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn parse_bound(map: &Map<String, Value>, path: &str, key: &str) -> Result<Option<f64>, String> {
    match map.get(key) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(bound) => Ok(Some(bound)),
            None => Err(format!("{path}.{key} must be a number")),
        },
    }
}
