//! Who refers to a ConfigMap or a Secret by name, in pod templates and anywhere
//! else. Owns the shapes of references; names in metadata are none, and values
//! that no key tells to be a name are not seen.

use crate::core::object::ObjectRef;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Config {
    /// A ConfigMap.
    Map,
    /// A Secret.
    Secret,
}

impl Config {
    /// What an object is, if it is one of the two.
    pub(super) fn of(object: &ObjectRef) -> Option<Self> {
        match (object.api_version.as_str(), object.kind.as_str()) {
            ("v1", "ConfigMap") => Some(Self::Map),
            ("v1", "Secret") => Some(Self::Secret),
            _ => None,
        }
    }

    /// Whether an object is one of these.
    pub(super) fn is(self, object: &ObjectRef) -> bool {
        Self::of(object) == Some(self)
    }

    /// What a key says that the `name` below it is of: `configMapKeyRef`,
    /// `secretRef`, and the many keys of drivers such as `nodePublishSecretRef`.
    fn below(key: &str) -> Option<Self> {
        match key {
            "configMap" | "configMapRef" | "configMapKeyRef" => Some(Self::Map),
            "secret" | "secretRef" | "secretKeyRef" | "imagePullSecrets" | "secrets" => {
                Some(Self::Secret)
            }
            _ if key.ends_with("SecretRef") => Some(Self::Secret),
            _ => None,
        }
    }
}

/// Hands over the name in every reference, to be changed at will.
pub(super) fn each_reference(value: &mut Value, found: &mut dyn FnMut(Config, &mut String)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_reference(item, found)),
        Value::Object(map) => {
            for (key, below) in map.iter_mut().filter(|(key, _)| *key != "metadata") {
                match (key.as_str(), &mut *below) {
                    ("secretName", Value::String(name)) => found(Config::Secret, name),
                    ("configMapName", Value::String(name)) => found(Config::Map, name),
                    _ => {}
                }
                if let Some(config) = Config::below(key) {
                    named(below, config, found);
                }
                each_reference(below, found);
            }
        }
        _ => {}
    }
}

/// The `name` of a reference, or of each in a list of them.
fn named(value: &mut Value, config: Config, found: &mut dyn FnMut(Config, &mut String)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| named(item, config, found)),
        Value::Object(map) => {
            if let Some(Value::String(name)) = map.get_mut("name") {
                found(config, name);
            }
        }
        _ => {}
    }
}

/// Every ConfigMap and Secret that a value refers to.
pub(super) fn references(value: &Value) -> BTreeSet<(Config, String)> {
    let mut all = BTreeSet::new();
    gather(value, &mut all);
    all
}

/// The same of a whole object; what a ConfigMap or a Secret holds refers to
/// nothing.
pub(super) fn references_of(body: &Value) -> BTreeSet<(Config, String)> {
    match body.get("kind").and_then(Value::as_str) {
        Some("ConfigMap" | "Secret") => BTreeSet::new(),
        _ => references(body),
    }
}

fn gather(value: &Value, all: &mut BTreeSet<(Config, String)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, all)),
        Value::Object(map) => {
            for (key, below) in map.iter().filter(|(key, _)| *key != "metadata") {
                match (key.as_str(), below) {
                    ("secretName", Value::String(name)) => {
                        all.insert((Config::Secret, name.clone()));
                    }
                    ("configMapName", Value::String(name)) => {
                        all.insert((Config::Map, name.clone()));
                    }
                    _ => {}
                }
                if let Some(config) = Config::below(key) {
                    let many = below.as_array().map(Vec::as_slice);
                    let many = many.unwrap_or_else(|| std::slice::from_ref(below));
                    let names = many.iter().filter_map(|one| one.get("name")?.as_str());
                    all.extend(names.map(|name| (config, name.to_owned())));
                }
                gather(below, all);
            }
        }
        _ => {}
    }
}

/// Who refers to what in a plan: by namespace, the objects of each owner.
#[derive(Debug, Default)]
pub struct Referrers<O>(BTreeMap<(String, Config, String), Vec<(O, ObjectRef)>>);

impl<O: PartialEq + Clone> Referrers<O> {
    /// Adds all that an object of an owner refers to in its namespace.
    pub fn add(&mut self, owner: &O, namespace: &str, body: &Value) {
        let Some(object) = ObjectRef::of(body) else { return };
        for (config, name) in references_of(body) {
            let of = self.0.entry((namespace.to_owned(), config, name)).or_default();
            of.push((owner.clone(), object.clone()));
        }
    }

    /// An object of somebody else that refers to this one.
    #[must_use]
    pub fn other(&self, owner: &O, namespace: &str, object: &ObjectRef) -> Option<&ObjectRef> {
        let name = (namespace.to_owned(), Config::of(object)?, object.name.clone());
        let found = self.0.get(&name)?.iter().find(|(other, _)| other != owner)?;
        Some(&found.1)
    }
}
