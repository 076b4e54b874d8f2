//! `spec.targets[].overlays`: what is changed of rendered objects for one
//! target alone. Owns which objects an overlay is about; what becomes of them
//! is the renderer's.

use super::Place;
use crate::core::object::ObjectRef;
use json_patch::PatchOperation;
use serde_json::{Value, json};

/// A JSON patch (RFC 6902) onto what is rendered for a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// The name of the target.
    pub target: String,
    /// The objects that it is about.
    pub object: Selected,
    /// The file that holds the operations, where they do not stand in
    /// `tranche.yaml` itself.
    pub file: Option<String>,
    /// The operations in their order.
    pub operations: Vec<Operation>,
    /// Where it stands.
    pub place: Place,
}

/// Which objects an overlay is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The API group; any if none is named.
    pub group: Option<String>,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace; any if none is named.
    pub namespace: Option<String>,
}

/// One operation of a patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What is done.
    pub patch: PatchOperation,
    /// Where it stands.
    pub place: Place,
}

impl Selected {
    /// Whether an object is meant.
    #[must_use]
    pub fn is(&self, object: &ObjectRef) -> bool {
        let group = object.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        self.kind == object.kind
            && self.name == object.name
            && self.group.as_deref().is_none_or(|named| named == group)
            && self
                .namespace
                .as_deref()
                .is_none_or(|named| object.namespace.as_deref() == Some(named))
    }
}

impl std::fmt::Display for Selected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

impl Overlay {
    /// What of it makes other objects: all but its places.
    #[must_use]
    pub fn inputs(&self) -> Value {
        let object = &self.object;
        let operations: Vec<&PatchOperation> = self.operations.iter().map(|o| &o.patch).collect();
        json!({
            "group": object.group,
            "kind": object.kind,
            "name": object.name,
            "namespace": object.namespace,
            "patch": operations,
        })
    }

    /// The file in which its operations stand.
    #[must_use]
    pub fn source(&self) -> &str {
        self.file.as_deref().unwrap_or(&self.place.file)
    }
}
