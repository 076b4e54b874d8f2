//! The form that the real server gives to what it stores: through Go's types
//! and out again. Owns `encoding.json` (made by `testdata/openapi/encode.py`);
//! it must never default or refuse anything.

use super::schema::{Node, StructType, shape_of};
use super::{KindRef, base64, quantity};
use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::LazyLock;

type Forms = HashMap<String, String>;

static FORMS: LazyLock<HashMap<String, Forms>> = LazyLock::new(|| {
    // A unit test proves that the file in the binary parses.
    serde_json::from_str(include_str!("encoding.json")).unwrap_or_default()
});

/// Brings a whole object into that form.
pub fn settle(kind: &KindRef, object: &mut Value) {
    if *kind == KindRef::new("v1", "Secret") {
        plain(object);
    }
    walk(shape_of(kind), object);
}

/// A Secret's plain data are kept like the others.
fn plain(secret: &mut Value) {
    let Some(secret) = secret.as_object_mut() else { return };
    let Some(Value::Object(plain)) = secret.remove("stringData") else { return };
    let data = secret.entry("data").or_insert(Value::Null);
    if data.is_null() {
        *data = json!({});
    }
    let Some(data) = data.as_object_mut() else { return };
    for (name, value) in plain {
        let value = STANDARD.encode(value.as_str().unwrap_or_default().as_bytes());
        data.insert(name, json!(value));
    }
}

/// An object of this kind without any content: what a new one is compared to.
#[must_use]
pub fn blank(kind: &KindRef) -> Value {
    let mut object = json!({});
    settle(kind, &mut object);
    object
}

/// Why an object that its schema declares cannot be one of Go's all the same.
#[must_use]
pub fn misfit(kind: &KindRef, object: &Value) -> Option<String> {
    if *kind == KindRef::new("v1", "Secret") {
        let data = object.get("data").and_then(Value::as_object);
        let broken = data.into_iter().flatten().filter_map(|(_, value)| value.as_str());
        if let Some(at) = broken.filter_map(base64::misfit).next() {
            return Some(format!(
                "error decoding from json: illegal base64 data at input byte {at}"
            ));
        }
    }
    unfit(shape_of(kind), object)
}

fn unfit(node: &Node, value: &Value) -> Option<String> {
    match (node, value) {
        (Node::Integer, Value::Number(number)) if number.is_f64() => {
            Some("cannot convert float64 to int32".to_owned())
        }
        (Node::Quantity, Value::String(_)) if !quantity::is_quantity(value) => {
            let form = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";
            Some(format!("quantities must match the regular expression '{form}'"))
        }
        (_, Value::Object(map)) => {
            map.iter().find_map(|(name, value)| unfit(node.field(name).0, value))
        }
        (_, Value::Array(items)) => items.iter().find_map(|item| unfit(node.item(), item)),
        _ => None,
    }
}

fn walk(node: &Node, value: &mut Value) {
    match (node, &mut *value) {
        (Node::Quantity, Value::String(_) | Value::Number(_)) => {
            *value = quantity::canonical(value);
        }
        (Node::Struct(name), Value::Object(map)) => {
            if let Some(ty) = StructType::named(name) {
                fields(name, ty, map);
            }
        }
        (Node::Map { of, .. }, Value::Object(map)) => {
            for inner in map.values_mut() {
                walk(of, inner);
                if inner.is_null() {
                    *inner = zero(of);
                }
            }
        }
        (Node::List { of, .. }, Value::Array(items)) => {
            items.iter_mut().for_each(|item| walk(of, item));
        }
        _ => {}
    }
}

fn fields(name: &str, ty: &'static StructType, map: &mut Map<String, Value>) {
    let none = Forms::new();
    let forms = FORMS.get(name).unwrap_or(&none);
    for (field, form) in forms {
        let Some(node) = ty.fields.get(field) else { continue };
        let missing = map.get(field).is_none_or(Value::is_null);
        if !missing {
            continue;
        }
        match form.as_str() {
            "Z" => map.insert(field.clone(), zero(node)),
            "E" => map.insert(field.clone(), Value::Null),
            "s" => map.insert(field.clone(), json!({})),
            _ => None,
        };
    }
    map.retain(|field, value| {
        let Some(node) = ty.fields.get(field) else { return true };
        walk(node, value);
        match forms.get(field).map(String::as_str) {
            Some("Z" | "s") => true,
            Some("z") => !value.is_null() && *value != zero(node),
            Some("e") => !is_empty(value),
            Some("E") => {
                if is_empty(value) {
                    *value = Value::Null;
                }
                true
            }
            _ => !value.is_null(),
        }
    });
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn zero(node: &Node) -> Value {
    match node {
        Node::Text => json!(""),
        Node::Integer | Node::Number | Node::IntOrString => json!(0),
        Node::Boolean => json!(false),
        Node::Quantity => json!("0"),
        Node::Struct(_) => json!({}),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_file_is_one_of_the_schema() {
        assert!(FORMS.len() > 200, "{}", FORMS.len());
        for (name, forms) in FORMS.iter() {
            let ty = StructType::named(name).unwrap_or_else(|| panic!("no type {name}"));
            for field in forms.keys() {
                assert!(ty.fields.contains_key(field), "{name}.{field}");
            }
        }
    }

    #[test]
    fn a_secrets_plain_data_become_data_and_go_before_them() {
        let kind = KindRef::new("v1", "Secret");
        let mut object = json!({"data": {"a": "b2xk", "b": "b2xk"}, "stringData": {"a": "new"}});
        settle(&kind, &mut object);
        assert_eq!(object["data"], json!({"a": "bmV3", "b": "b2xk"}));
        assert_eq!(object.get("stringData"), None);
        let mut object = json!({"data": null, "stringData": {"a": "new"}});
        settle(&kind, &mut object);
        assert_eq!(object["data"], json!({"a": "bmV3"}));
    }

    #[test]
    fn what_go_leaves_out_goes_and_what_it_always_writes_is_there() {
        let kind = KindRef::new("apps/v1", "Deployment");
        let mut object = json!({
            "metadata": {"name": "web", "labels": {}},
            "spec": {"paused": false, "replicas": 0, "template": {"spec": {
                "nodeSelector": {}, "containers": [{"name": "web", "env": [{"name": "A", "value": ""}]}],
            }}},
        });
        settle(&kind, &mut object);
        let expected = json!({
            "metadata": {"name": "web"},
            "spec": {"replicas": 0, "strategy": {}, "template": {"metadata": {}, "spec": {
                "containers": [{"name": "web", "resources": {}, "env": [{"name": "A"}]}],
            }}},
            "status": {},
        });
        assert_eq!(object, expected);
    }
}
