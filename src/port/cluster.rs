//! A cluster as the engine sees it. Owns what a request means and what its
//! failures tell; it must never say how it is sent.

use crate::core::object::{KindRef, ObjectRef};
use serde_json::Value;
use std::sync::Arc;

/// A cluster: reads, server-side applies by the one field manager `tranche`,
/// conditional deletes.
///
/// Objects travel as whole, shared JSON values, `apiVersion` and `kind` always
/// set,
/// `managedFields` included where the server sent them. No call retries a
/// write whose outcome is unknown: it ends in [`ClusterProblem::Unknown`] and
/// the caller reads again.
#[expect(async_fn_in_trait, reason = "one thread: no future needs to be Send")]
pub trait Cluster {
    /// Whether the kind is namespaced.
    ///
    /// # Errors
    /// [`ClusterProblem::NoKind`] where the cluster does not serve it.
    async fn namespaced(&self, kind: &KindRef) -> Result<bool, ClusterError>;

    /// One object, or none if its kind is served and it is not there.
    ///
    /// # Errors
    /// See [`ClusterProblem`].
    async fn get(&self, object: &ObjectRef) -> Result<Option<Arc<Value>>, ClusterError>;

    /// Looks at every object of a kind in a namespace (or everywhere) that
    /// carries all of `labels`, page by page, and returns what `look` makes of
    /// them: a list of any length needs the memory of what is kept of it. All or
    /// an error, never a part. `look` may be shown objects a second time, where
    /// a list had to be begun anew; what it made of them before is dropped.
    ///
    /// # Errors
    /// See [`ClusterProblem`].
    async fn scan<T>(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        labels: &[(String, String)],
        look: &mut dyn FnMut(Arc<Value>) -> Option<T>,
    ) -> Result<Vec<T>, ClusterError>;

    /// All objects of a kind in a namespace (or everywhere), every page of
    /// them, that carry all of `labels`.
    ///
    /// # Errors
    /// As [`Self::scan`].
    async fn list(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        labels: &[(String, String)],
    ) -> Result<Vec<Arc<Value>>, ClusterError> {
        self.scan(kind, namespace, labels, &mut Some).await
    }

    /// Server-side apply of the object's whole desired state; returns what
    /// the server stored, or would store.
    ///
    /// # Errors
    /// See [`ClusterProblem`].
    async fn apply(
        &self,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
        dry_run: bool,
    ) -> Result<Arc<Value>, ClusterError>;

    /// Deletes exactly the object with this uid at this resourceVersion.
    ///
    /// # Errors
    /// See [`ClusterProblem`]; a missing object is [`ClusterProblem::Missing`].
    async fn delete(
        &self,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError>;

    /// Evicts exactly the pod with this uid, as far as its disruption budgets let
    /// it go.
    ///
    /// # Errors
    /// See [`ClusterProblem`]; a budget that does not let it go is
    /// [`ClusterProblem::Budget`], and a pod that is gone
    /// [`ClusterProblem::Missing`].
    async fn evict(&self, pod: &ObjectRef, uid: &str, dry_run: bool) -> Result<(), ClusterError>;

    /// Asks by SelfSubjectAccessReview whether this identity may do it.
    ///
    /// # Errors
    /// See [`ClusterProblem`].
    async fn may(&self, access: &Access) -> Result<bool, ClusterError>;
}

/// The precondition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// The object must not exist (a resourceVersion that cannot match).
    CreateOnly,
    /// The object must be the one that was read: uid and resourceVersion.
    Exactly {
        /// `metadata.uid` of the GET before.
        uid: String,
        /// `metadata.resourceVersion` of the GET before.
        resource_version: String,
    },
    /// As [`Self::Exactly`], and fields that other managers own become ours. The
    /// precondition makes that safe: who owns what was read with the object.
    Taking {
        /// `metadata.uid` of the GET before.
        uid: String,
        /// `metadata.resourceVersion` of the GET before.
        resource_version: String,
    },
    /// Dry-runs only: whatever is there.
    Any,
}

/// One question about rights.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// `get`, `create`, `patch`, `delete`, ...
    pub verb: &'static str,
    /// The kind.
    pub kind: KindRef,
    /// A part of it that has rights of its own, such as `eviction`.
    pub part: Option<&'static str>,
    /// The namespace; none for cluster-scoped kinds.
    pub namespace: Option<String>,
}

/// A request to a cluster that failed, and the object it was about.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{subject}: {problem}")]
pub struct ClusterError {
    /// The object, kind or endpoint, in words.
    pub subject: String,
    /// What is wrong.
    #[source]
    pub problem: ClusterProblem,
}

/// Why a request failed, told apart by what the caller does next.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ClusterProblem {
    /// The cluster cannot be reached or did not answer in time; a read, or a
    /// write that was certainly not sent.
    #[error("the cluster does not answer: {0}")]
    Unreachable(String),
    /// A write was sent and its answer is lost: it may have been applied.
    #[error("the answer to a write is lost: {0}")]
    Unknown(String),
    /// 401 or 403.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// The cluster does not serve this kind.
    #[error("the cluster does not serve the kind {0}")]
    NoKind(String),
    /// 404 of an object that was to be written or deleted, or of its namespace.
    #[error("not found: {0}")]
    Missing(String),
    /// 409 by a precondition: the object is not the one that was read, or it
    /// exists already.
    #[error("the object has changed since it was read: {0}")]
    Stale(String),
    /// 409 by field ownership.
    #[error("owned by another field manager: {}", FieldConflict::list(.0))]
    Conflict(Vec<FieldConflict>),
    /// 400 or 422: the server refuses the object's content.
    #[error("refused by the server: {0}")]
    Invalid(String),
    /// 422 by fields that cannot be changed once the object is there.
    #[error("cannot be changed once it is there: {}", .0.join(", "))]
    Immutable(Vec<String>),
    /// A webhook takes no dry-runs; a write may well be possible.
    #[error("a webhook of the cluster takes no dry-runs: {0}")]
    NoDryRun(String),
    /// A webhook that has to be asked does not answer.
    #[error("a webhook of the cluster does not answer: {0}")]
    Webhook(String),
    /// A disruption budget does not let the pod go now.
    #[error("a disruption budget does not let it go yet: {0}")]
    Budget(String),
    /// 501: it is no part of this cluster, as much of Kubernetes is none of the
    /// sandbox.
    #[error("{0}")]
    NotImplemented(String),
    /// Anything else the server said.
    #[error("{0}")]
    Other(String),
}

/// How API servers say that a field cannot be changed: by these words alone,
/// behind a field's name.
const UNCHANGEABLE: [&str; 5] = [
    "field is immutable",
    "is immutable after creation",
    "may not change once set",
    "cannot change roleRef",
    "updates to statefulset spec for fields other than",
];

impl ClusterProblem {
    /// The problem behind a 422 whose causes, each a field and what is said of
    /// it, all say that the field cannot be changed.
    pub fn immutable<'c>(causes: impl Iterator<Item = (&'c str, &'c str)>) -> Option<Self> {
        let mut fields = Vec::new();
        for (field, message) in causes {
            if field.is_empty() || !UNCHANGEABLE.iter().any(|words| message.contains(words)) {
                return None;
            }
            fields.push(format!(".{}", field.trim_start_matches('.')));
        }
        fields.sort();
        fields.dedup();
        (!fields.is_empty()).then_some(Self::Immutable(fields))
    }
}

/// One field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The field's path as the server writes it.
    pub field: String,
    /// The other manager.
    pub manager: String,
}

impl FieldConflict {
    fn list(conflicts: &[Self]) -> String {
        let parts: Vec<String> =
            conflicts.iter().map(|c| format!("{} by \"{}\"", c.field, c.manager)).collect();
        parts.join(", ")
    }
}
