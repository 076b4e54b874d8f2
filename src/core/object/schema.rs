//! What Kubernetes' own OpenAPI says about the shape of objects: which lists
//! are maps and by which keys, which are sets, what is atomic. Owns the
//! reading of `schema.json` (made by `testdata/openapi/trim.py`); it must never
//! guess: a kind without a schema has granular maps and atomic lists.

use super::KindRef;
use super::fields::{item_step, path_text};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

/// The shape of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A string.
    Text,
    /// An integer.
    Integer,
    /// Any number.
    Number,
    /// A boolean.
    Boolean,
    /// A quantity such as `100m`.
    Quantity,
    /// An integer or a string such as `25%`.
    IntOrString,
    /// No schema: maps are granular, lists atomic.
    Untyped,
    /// A struct type, by the name that [`StructType::named`] takes.
    Struct(String),
    /// Fields whose shapes an object's owners tell, and whether each is one of
    /// a struct's.
    Learned(BTreeMap<String, (Node, bool)>),
    /// A map from string to one shape.
    Map {
        /// The shape of the values.
        of: Box<Node>,
        /// Owned as a whole.
        atomic: bool,
    },
    /// A list.
    List {
        /// The shape of the items.
        of: Box<Node>,
        /// How its items are told apart.
        kind: ListKind,
    },
}

/// How a list's items are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// Not at all: the list is owned as a whole.
    Atomic,
    /// By value.
    Set,
    /// By some of their fields.
    Map(Vec<ListKey>),
}

/// A key field of an associative list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListKey {
    /// The field.
    pub name: String,
    /// What a missing field means, such as the protocol `TCP`.
    pub default: Option<Value>,
}

/// A type with named fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructType {
    /// Owned as a whole.
    pub atomic: bool,
    /// Its fields.
    pub fields: BTreeMap<String, Node>,
}

impl StructType {
    /// The type behind [`Node::Struct`].
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCHEMA.types.get(name)
    }
}

struct Schema {
    kinds: HashMap<String, Node>,
    types: HashMap<String, StructType>,
}

static UNTYPED: Node = Node::Untyped;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    // A unit test proves that the file in the binary parses to the full set.
    let file: Value = serde_json::from_str(include_str!("schema.json")).unwrap_or(Value::Null);
    let entries = |name: &str| file.get(name).and_then(Value::as_object).cloned();
    let mut kinds: HashMap<String, Node> =
        entries("kinds").unwrap_or_default().iter().map(|(k, v)| (k.clone(), node(v))).collect();
    let mut types: HashMap<String, StructType> = entries("types")
        .unwrap_or_default()
        .iter()
        .map(|(name, entry)| (name.clone(), struct_type(entry)))
        .collect();
    types.insert(CUSTOM.to_owned(), custom_type());
    kinds.insert(CUSTOM.to_owned(), Node::Struct(CUSTOM.to_owned()));
    Schema { kinds, types }
});

const CUSTOM: &str = "custom";

/// Every object has the same metadata, whatever its kind.
fn custom_type() -> StructType {
    let fields = [
        ("apiVersion", Node::Text),
        ("kind", Node::Text),
        ("metadata", Node::Struct("meta.v1.ObjectMeta".to_owned())),
        ("spec", Node::Untyped),
        ("status", Node::Untyped),
    ];
    StructType {
        atomic: false,
        fields: fields.into_iter().map(|(name, node)| (name.to_owned(), node)).collect(),
    }
}

fn struct_type(entry: &Value) -> StructType {
    let fields = entry.get("fields").and_then(Value::as_object);
    StructType {
        atomic: entry.get("atomic") == Some(&Value::Bool(true)),
        fields: fields
            .map(|fields| fields.iter().map(|(name, value)| (name.clone(), node(value))).collect())
            .unwrap_or_default(),
    }
}

fn node(value: &Value) -> Node {
    match value {
        Value::String(text) => match text.as_str() {
            "s" => Node::Text,
            "i" => Node::Integer,
            "n" => Node::Number,
            "b" => Node::Boolean,
            "q" => Node::Quantity,
            "is" => Node::IntOrString,
            other => {
                other.strip_prefix('#').map_or(Node::Untyped, |name| Node::Struct(name.to_owned()))
            }
        },
        Value::Object(entry) => compound(entry),
        _ => Node::Untyped,
    }
}

fn compound(entry: &Map<String, Value>) -> Node {
    let of = Box::new(entry.get("of").map_or(Node::Untyped, node));
    if let Some(kind) = entry.get("map") {
        return Node::Map { of, atomic: kind == "atomic" };
    }
    let kind = match entry.get("list") {
        Some(Value::String(kind)) if kind == "set" => ListKind::Set,
        Some(Value::Array(keys)) => ListKind::Map(keys.iter().filter_map(list_key).collect()),
        _ => ListKind::Atomic,
    };
    Node::List { of, kind }
}

fn list_key(pair: &Value) -> Option<ListKey> {
    let name = pair.get(0)?.as_str()?.to_owned();
    let default = pair.get(1).filter(|default| !default.is_null()).cloned();
    Some(ListKey { name, default })
}

/// Whether the kind has a schema of its own.
#[must_use]
pub fn has_schema(kind: &KindRef) -> bool {
    own_shape(kind).is_some()
}

/// The shape of a kind that has a schema of its own.
pub(super) fn own_shape(kind: &KindRef) -> Option<&'static Node> {
    SCHEMA.kinds.get(&key_of(kind))
}

/// The shape of a whole object of this kind.
#[must_use]
pub fn shape_of(kind: &KindRef) -> &'static Node {
    own_shape(kind).unwrap_or_else(common_shape)
}

/// The shape of all kinds that have none: that of their metadata.
pub(super) fn common_shape() -> &'static Node {
    SCHEMA.kinds.get(CUSTOM).unwrap_or(&UNTYPED)
}

fn key_of(kind: &KindRef) -> String {
    format!("{}/{}", kind.api_version, kind.kind)
}

impl Node {
    /// Whether a value of this shape is owned as a whole.
    #[must_use]
    pub fn atomic(&self) -> bool {
        match self {
            Self::Map { atomic, .. } => *atomic,
            Self::List { kind, .. } => *kind == ListKind::Atomic,
            Self::Struct(name) => StructType::named(name).is_some_and(|ty| ty.atomic),
            _ => false,
        }
    }

    /// The shape of a field, and whether the field is one of a struct's.
    #[must_use]
    pub fn field(&self, name: &str) -> (&Self, bool) {
        match self {
            Self::Struct(ty) => StructType::named(ty)
                .and_then(|ty| ty.fields.get(name))
                .map_or((&UNTYPED, false), |node| (node, true)),
            Self::Learned(fields) => {
                fields.get(name).map_or((&UNTYPED, false), |(node, declared)| (node, *declared))
            }
            Self::Map { of, .. } => (of, false),
            _ => (&UNTYPED, false),
        }
    }

    /// The shape of a list's items.
    #[must_use]
    pub fn item(&self) -> &Self {
        match self {
            Self::List { of, .. } => of,
            _ => &UNTYPED,
        }
    }
}

/// Where `object` has fields that its schema does not know, or values of the
/// wrong shape: a path and what is wrong, in words. Nulls are always right.
#[must_use]
pub fn undeclared(kind: &KindRef, object: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    check(shape_of(kind), object, &mut String::new(), &mut found);
    found
}

fn check(node: &Node, value: &Value, path: &mut String, found: &mut Vec<(String, String)>) {
    let expected = match (node, value) {
        (_, Value::Null) | (Node::Untyped | Node::Learned(_), _) => return,
        (Node::Struct(_) | Node::Map { .. }, Value::Object(map)) => {
            check_fields(node, map, path, found);
            return;
        }
        (Node::List { of, kind }, Value::Array(items)) => {
            check_items(of, kind, items, path, found);
            return;
        }
        (Node::Text, Value::String(_))
        | (Node::Boolean, Value::Bool(_))
        | (Node::Number, Value::Number(_))
        | (Node::Quantity | Node::IntOrString, Value::String(_) | Value::Number(_)) => return,
        // A part of a number is another error, of the conversion.
        (Node::Integer, Value::Number(_)) => return,
        (Node::Struct(_) | Node::Map { .. }, _) => format!("map, got &{{{}}}", go_words(value)),
        (Node::List { .. }, _) => format!("list, got &{{{}}}", go_words(value)),
        (Node::Text, _) => {
            format!("string, got &value.valueUnstructured{{Value:{}}}", go_literal(value))
        }
        (Node::Boolean, _) => format!("boolean, got &{{{}}}", go_words(value)),
        _ => format!("numeric (int or float), got {}", go_type(value)),
    };
    found.push((path.clone(), format!("expected {expected}")));
}

/// A value as the real server prints it in its refusals.
fn go_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(go_words).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let mut pairs: Vec<String> =
                map.iter().map(|(name, value)| format!("{name}:{}", go_words(value))).collect();
            pairs.sort();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}

fn go_literal(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_literal).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let mut pairs: Vec<String> =
                map.iter().map(|(name, v)| format!("{name:?}:{}", go_literal(v))).collect();
            pairs.sort();
            format!("map[string]interface {{}}{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        _ => "<nil>",
    }
}

fn check_items(
    of: &Node,
    kind: &ListKind,
    items: &[Value],
    path: &mut String,
    found: &mut Vec<(String, String)>,
) {
    let length = path.len();
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let by_index = || format!("[{index}]");
        let step = match (kind, item) {
            (ListKind::Atomic, _) => by_index(),
            (ListKind::Map(_), Value::Null) => {
                let why = "associative list with keys may not have a null element";
                found.push((path.clone(), format!("element {index}: {why}")));
                continue;
            }
            (ListKind::Map(_), Value::Object(_)) | (ListKind::Set, _) => {
                path_text(&[item_step(kind, item)])
            }
            (ListKind::Map(_), _) => {
                let why = "associative list with keys may not have non-map elements";
                found.push((path.clone(), format!("element {index}: {why}")));
                continue;
            }
        };
        if *kind != ListKind::Atomic && !seen.insert(step.clone()) {
            found.push((path.clone(), format!("duplicate entries for key {step}")));
        }
        path.push_str(&step);
        check(of, item, path, found);
        path.truncate(length);
    }
}

fn check_fields(
    node: &Node,
    map: &Map<String, Value>,
    path: &mut String,
    found: &mut Vec<(String, String)>,
) {
    let length = path.len();
    for (name, value) in map {
        path.push('.');
        path.push_str(name);
        let (inner, declared) = node.field(name);
        if declared || matches!(node, Node::Map { .. }) {
            check(inner, value, path, found);
        } else {
            found.push((path.clone(), "field not declared in schema".to_owned()));
        }
        path.truncate(length);
    }
}

/// Takes out the fields that the schema does not know, as a server does with
/// what it was not asked to be strict about.
pub fn prune(kind: &KindRef, object: &mut Value) {
    cut(shape_of(kind), object);
}

fn cut(node: &Node, value: &mut Value) {
    match value {
        Value::Object(map) => {
            if matches!(node, Node::Struct(_)) {
                map.retain(|name, _| node.field(name).1);
            }
            map.iter_mut().for_each(|(name, value)| cut(node.field(name).0, value));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cut(node.item(), item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_reference_in_the_file_is_answered() {
        assert!(SCHEMA.kinds.len() >= 24, "{}", SCHEMA.kinds.len());
        fn walk(node: &Node) {
            match node {
                Node::Struct(name) => assert!(StructType::named(name).is_some(), "{name}"),
                Node::Map { of, .. } | Node::List { of, .. } => walk(of),
                _ => {}
            }
        }
        SCHEMA.kinds.values().for_each(walk);
        SCHEMA.types.values().flat_map(|ty| ty.fields.values()).for_each(walk);
    }

    #[test]
    fn ports_are_told_apart_by_number_and_protocol() {
        let ports = StructType::named("api.core.v1.ServiceSpec").unwrap().fields.get("ports");
        let Some(Node::List { kind: ListKind::Map(keys), .. }) = ports else { panic!("{ports:?}") };
        assert_eq!(keys[0], ListKey { name: "port".into(), default: None });
        assert_eq!(keys[1], ListKey { name: "protocol".into(), default: Some(json!("TCP")) });
    }

    #[test]
    fn an_unknown_field_is_named_by_its_path() {
        let kind = KindRef::new("apps/v1", "Deployment");
        let found = undeclared(&kind, &json!({"spec": {"replica": 1, "paused": "yes"}}));
        assert_eq!(found[0].0, ".spec.paused");
        assert_eq!(found[1], (".spec.replica".into(), "field not declared in schema".into()));
        let custom = KindRef::new("apps.kruise.io/v1alpha1", "CloneSet");
        assert!(undeclared(&custom, &json!({"spec": {"anything": [1, "x"]}})).is_empty());
    }
}
