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
    /// The application whose component it is; none of an application itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_of: Option<String>,
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
    /// Of one that no plan renders: what was taken over from the cluster, or made of
    /// that. Its objects are all that there is of it, and hold no secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<Captured>,
}

/// Where a revision comes from that no plan renders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Captured {
    /// The version that its objects say they are of.
    pub version: String,
    /// The revision that it was made of; none of one that was read from the
    /// cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The image that the plan named for it, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The container that the plan named for it, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}
