//! Sets of fields, as in `metadata.managedFields`. Owns their algebra, their
//! JSON form (FieldsV1) and their words; it must never change a value.

use super::KindRef;
use super::learned::shape_beside;
use super::proof::UNOWNED;
use super::schema::{ListKind, Node, shape_of};
use crate::core::digest::write_canonical;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One step of a path into an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A field of a map (`f:`).
    Field(String),
    /// An item of an associative list by its keys, as canonical JSON (`k:`).
    Key(String),
    /// An item of a set, as canonical JSON (`v:`).
    Value(String),
    /// An item by its place (`i:`); only ever read, never made.
    Index(u64),
}

impl Step {
    /// A field's step.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    fn parse(text: &str) -> Option<Self> {
        let (tag, rest) = text.split_once(':')?;
        match tag {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => Some(Self::Key(canonical(&serde_json::from_str(rest).ok()?))),
            "v" => Some(Self::Value(canonical(&serde_json::from_str(rest).ok()?))),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    pub(super) fn print(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }
}

/// `value` as canonical JSON text.
pub(super) fn canonical(value: &Value) -> String {
    let mut bytes = Vec::new();
    write_canonical(value, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A path as the API server writes it in conflicts:
/// `.spec.template.spec.containers[name="web"].image`.
#[must_use]
pub fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a String cannot fail.
        let _ = match step {
            Step::Field(name) => write!(text, ".{name}"),
            Step::Value(value) => write!(text, "[={value}]"),
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Key(keys) => {
                let keys: Value = serde_json::from_str(keys).unwrap_or_default();
                let keys = keys.as_object().cloned().unwrap_or_default();
                let pairs: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                write!(text, "[{}]", pairs.join(","))
            }
        };
    }
    text
}

/// A set of fields. A field with inner fields need not be a member itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    member: bool,
    inner: BTreeMap<Step, FieldSet>,
}

impl FieldSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads FieldsV1 JSON; none if it is not that.
    #[must_use]
    pub fn parse(fields_v1: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (name, value) in fields_v1.as_object()? {
            if name == "." {
                set.member = true;
                continue;
            }
            let mut inner = Self::parse(value)?;
            // `"f:replicas": {}` is a member; `"f:spec": {...}` only with a dot.
            inner.member |= inner.inner.is_empty();
            set.inner.insert(Step::parse(name)?, inner);
        }
        Some(set)
    }

    /// Writes FieldsV1 JSON.
    #[must_use]
    pub fn print(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.inner.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (step, inner) in &self.inner {
            map.insert(step.print(), inner.print());
        }
        Value::Object(map)
    }

    /// Whether both have the same FieldsV1 JSON.
    #[must_use]
    pub fn is_written_as(&self, other: &Self) -> bool {
        self.inner.len() == other.inner.len()
            && (self.inner.is_empty() || self.member == other.member)
            && self
                .inner
                .iter()
                .zip(&other.inner)
                .all(|((step, ours), (other, theirs))| step == other && ours.is_written_as(theirs))
    }

    /// Whether it is a field without inner fields: all that is below it.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.member && self.inner.is_empty()
    }

    /// The steps right below it, each with its set.
    pub fn steps(&self) -> impl Iterator<Item = (&Step, &Self)> {
        self.inner.iter()
    }

    /// Adds one path.
    pub fn insert(&mut self, path: &[Step]) {
        match path.split_first() {
            None => self.member = true,
            Some((first, rest)) => match self.inner.get_mut(first) {
                Some(inner) => inner.insert(rest),
                None => self.inner.entry(first.clone()).or_default().insert(rest),
            },
        }
    }

    /// Takes out one path, not what is within it.
    pub fn remove(&mut self, path: &[Step]) {
        match path.split_first() {
            None => self.member = false,
            Some((first, rest)) => {
                if let Some(inner) = self.inner.get_mut(first) {
                    inner.remove(rest);
                    if inner.is_empty() {
                        self.inner.remove(first);
                    }
                }
            }
        }
    }

    /// Takes out one path and everything within it.
    pub fn remove_within(&mut self, path: &[Step]) {
        match path {
            [] => *self = Self::default(),
            [last] => {
                self.inner.remove(last);
            }
            [first, rest @ ..] => {
                if let Some(inner) = self.inner.get_mut(first) {
                    inner.remove_within(rest);
                    if inner.is_empty() {
                        self.inner.remove(first);
                    }
                }
            }
        }
    }

    /// Whether no field is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.member && self.inner.values().all(Self::is_empty)
    }

    /// Whether exactly this path is a member.
    #[must_use]
    pub fn contains(&self, path: &[Step]) -> bool {
        self.at(path).is_some_and(|set| set.member)
    }

    /// Whether every field of `other` is in this set.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        (self.member || !other.member)
            && other.inner.iter().all(|(step, theirs)| match self.inner.get(step) {
                Some(ours) => ours.contains_all(theirs),
                None => theirs.is_empty(),
            })
    }

    /// The part of the set within `path`.
    #[must_use]
    pub fn at(&self, path: &[Step]) -> Option<&Self> {
        path.iter().try_fold(self, |set, step| set.inner.get(step))
    }

    /// Whether the field the set stands at is itself a member.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.member
    }

    /// The fields of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.absorb(other);
        out
    }

    /// Adds the fields of another set.
    pub fn absorb(&mut self, other: &Self) {
        self.member |= other.member;
        for (step, theirs) in &other.inner {
            match self.inner.get_mut(step) {
                Some(ours) => ours.absorb(theirs),
                None => {
                    self.inner.insert(step.clone(), theirs.clone());
                }
            }
        }
    }

    /// Takes out the fields of another set.
    pub fn subtract(&mut self, other: &Self) {
        self.member &= !other.member;
        for (step, theirs) in &other.inner {
            if let Some(ours) = self.inner.get_mut(step) {
                ours.subtract(theirs);
                if ours.is_empty() {
                    self.inner.remove(step);
                }
            }
        }
    }

    /// Whether any field is in both sets.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.member && other.member
            || other
                .inner
                .iter()
                .any(|(step, theirs)| self.inner.get(step).is_some_and(|ours| ours.meets(theirs)))
    }

    /// Adds a field with everything in `inner` below it.
    pub(super) fn graft(&mut self, path: &[Step], inner: Self) {
        match path.split_first() {
            Some((first, rest)) => match self.inner.get_mut(first) {
                Some(below) => below.graft(rest, inner),
                None => self.inner.entry(first.clone()).or_default().graft(rest, inner),
            },
            None if self.is_empty() => *self = Self { member: true, ..inner },
            None => {
                self.absorb(&inner);
                self.member = true;
            }
        }
    }

    /// Whether both sets have the same leaves: see [`Self::leaves`].
    #[must_use]
    pub fn same_leaves(&self, other: &Self) -> bool {
        if self.inner.is_empty() && other.inner.is_empty() {
            return self.member == other.member;
        }
        self.inner.len() == other.inner.len()
            && self
                .inner
                .iter()
                .zip(&other.inner)
                .all(|((step, ours), (other, theirs))| step == other && ours.same_leaves(theirs))
    }

    /// The fields of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let inner = other.inner.iter().filter_map(|(step, theirs)| {
            let out = self.inner.get(step)?.intersection(theirs);
            (!out.is_empty()).then(|| (step.clone(), out))
        });
        Self { inner: inner.collect(), member: self.member && other.member }
    }

    /// The fields of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.subtract(other);
        out
    }

    /// The set without members that have fields of their own within: what the
    /// server says of `labels: {a: b}` and `labels: {a: b}` owned with its dot
    /// is the same by its leaves.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let inner: BTreeMap<Step, Self> =
            self.inner.iter().map(|(step, set)| (step.clone(), set.leaves())).collect();
        Self { member: self.member && inner.is_empty(), inner }
    }

    /// The set with every field of a struct that it has something within.
    #[must_use]
    pub(super) fn with_named(&self, node: &Node) -> Self {
        let inner = self.inner.iter().map(|(step, set)| {
            let (below, declared) = match step {
                Step::Field(name) => node.field(name),
                _ => (node.item(), false),
            };
            let mut set = set.with_named(below);
            set.member |= declared && !set.inner.is_empty();
            (step.clone(), set)
        });
        Self { member: self.member, inner: inner.collect() }
    }

    /// All member paths, in order.
    #[must_use]
    pub fn paths(&self) -> Vec<Vec<Step>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, path: &mut Vec<Step>, out: &mut Vec<Vec<Step>>) {
        if self.member {
            out.push(path.clone());
        }
        for (step, inner) in &self.inner {
            path.push(step.clone());
            inner.collect(path, out);
            path.pop();
        }
    }

    /// All member paths in words, in order.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.paths().iter().map(|path| path_text(path)).collect()
    }
}

/// The fields that a manager owns who applies `object`, exactly as the API
/// server computes them; what names the object is nobody's.
#[must_use]
pub fn fields_of(kind: &KindRef, object: &Value) -> FieldSet {
    fields_in(shape_of(kind), object)
}

/// The same beside a live object, whose owners tell what no schema here does.
#[must_use]
pub fn fields_beside(kind: &KindRef, live: &Value, object: &Value) -> FieldSet {
    fields_in(&shape_beside(kind, Some(live)), object)
}

/// The same by a shape.
pub(super) fn fields_in(node: &Node, object: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    walk(node, object, &mut set);
    strip(&mut set);
    set
}

/// Takes out what the server never lists in managedFields.
pub(super) fn strip(set: &mut FieldSet) {
    for name in ["apiVersion", "kind"] {
        set.remove_within(&[Step::field(name)]);
    }
    let metadata = Step::field("metadata");
    let Some(within) = set.inner.get_mut(&metadata) else { return };
    within.member = false;
    for name in UNOWNED {
        within.inner.remove(&Step::field(name));
    }
    if within.is_empty() {
        set.inner.remove(&metadata);
    }
}

pub(super) fn walk(node: &Node, value: &Value, set: &mut FieldSet) {
    if node.atomic() {
        set.member = true;
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let (inner, declared) = node.field(name);
                let entry = set.inner.entry(Step::field(name)).or_default();
                walk(inner, value, entry);
                let empty = value.as_object().is_some_and(Map::is_empty);
                entry.member |= value.is_null() || empty || !declared;
                if entry.is_empty() {
                    set.inner.remove(&Step::field(name));
                }
            }
        }
        Value::Array(items) => match node {
            Node::List { of, kind } => {
                for item in items {
                    let entry = set.inner.entry(item_step(kind, item)).or_default();
                    walk(of, item, entry);
                    entry.member = true;
                }
            }
            _ => set.member = true,
        },
        _ => set.member = true,
    }
}

/// How an item of an associative list or a set is told apart.
pub(super) fn item_step(kind: &ListKind, item: &Value) -> Step {
    let ListKind::Map(keys) = kind else {
        return Step::Value(canonical(item));
    };
    let mut map = Map::new();
    for key in keys {
        if let Some(value) = item.get(&key.name).or(key.default.as_ref()) {
            map.insert(key.name.clone(), value.clone());
        }
    }
    Step::Key(canonical(&Value::Object(map)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment() -> KindRef {
        KindRef::new("apps/v1", "Deployment")
    }

    #[test]
    fn fields_are_those_the_server_lists() {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web"}, "resourceVersion": "7"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [
                    {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}], "args": ["a", "b"]},
                ], "nodeSelector": {}}},
            },
        });
        let expected = json!({
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:selector": {},
                "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                    ".": {}, "f:args": {}, "f:image": {}, "f:name": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                }}, "f:nodeSelector": {}}},
            },
        });
        let set = fields_of(&deployment(), &object);
        assert_eq!(set.print(), expected);
        assert_eq!(FieldSet::parse(&expected), Some(set.clone()));
        assert!(set.texts().contains(
            &".spec.template.spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"]"
                .to_owned()
        ));
    }

    #[test]
    fn a_kind_without_a_schema_has_atomic_lists() {
        let kind = KindRef::new("apps.kruise.io/v1alpha1", "CloneSet");
        let object = json!({"spec": {"template": {"containers": [{"name": "web"}]}}});
        let expected = json!({"f:spec": {"f:template": {".": {}, "f:containers": {}}}});
        assert_eq!(fields_of(&kind, &object).print(), expected);
    }

    #[test]
    fn the_algebra_holds_on_members_and_what_is_within() {
        let a = FieldSet::parse(&json!({"f:a": {".": {}, "f:x": {}}, "f:b": {}})).unwrap();
        let b = FieldSet::parse(&json!({"f:a": {"f:x": {}}, "f:c": {}})).unwrap();
        assert_eq!(a.difference(&b).print(), json!({"f:a": {}, "f:b": {}}));
        assert_eq!(a.intersection(&b).print(), json!({"f:a": {"f:x": {}}}));
        assert_eq!(a.union(&b).print(), json!({"f:a": {".": {}, "f:x": {}}, "f:b": {}, "f:c": {}}));
        assert!(a.union(&b).contains_all(&a) && !a.contains_all(&b));
        assert_eq!(a.leaves().print(), json!({"f:a": {"f:x": {}}, "f:b": {}}));
    }

    #[test]
    fn sets_and_nulls_are_printed_as_the_server_does() {
        let object = json!({"metadata": {"finalizers": ["a.b/c"]}, "spec": {"paused": null}});
        let set = fields_of(&deployment(), &object);
        assert_eq!(
            set.print(),
            json!({"f:metadata": {"f:finalizers": {"v:\"a.b/c\"": {}}}, "f:spec": {"f:paused": {}}})
        );
        assert_eq!(FieldSet::parse(&set.print()), Some(set));
    }
}
