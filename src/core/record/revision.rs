//! A published revision.

use crate::core::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An immutable rendering of an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRecord {
    /// The file's format.
    pub format: u32,
    /// The application.
    pub application: String,
    /// Its namespace.
    pub namespace: String,
    /// The revision's name, `<app>-vN`.
    pub revision: String,
    /// Its number.
    pub number: u64,
    /// The digest over its rendering inputs.
    pub digest: Digest,
    /// The digest over its rendered objects.
    pub rendered: Digest,
    /// The version of the built-in templates that rendered it.
    pub builtins: String,
    /// The plan commit that it was first published from; it is rendered again
    /// from there.
    pub plan_commit: String,
    /// The rendered objects, secrets redacted.
    pub objects: Vec<Value>,
}
