//! The embedded cluster as a port, without HTTP and bytes in between. Owns how
//! a refusal reads as a problem of the port; every answer comes from the same
//! functions as the API server's, so it must never decide anything itself.

use super::api::route::{Place, Query};
use super::api::{delete, evict, read, write};
use super::fields::set;
use super::kinds::{self, Resource};
use super::status::Refusal;
use super::{Sandbox, World};
use crate::core::object::{KindRef, ObjectRef};
use crate::core::strategy::FIELD_MANAGER;
use crate::port::{Access, Cluster, ClusterError, ClusterProblem, FieldConflict, WriteMode};
use serde_json::{Value, json};
use std::sync::Arc;

/// A resourceVersion that no present object has: a create that must not find
/// anything.
const NO_SUCH_VERSION: &str = "1";

/// The embedded cluster, asked by function calls.
#[derive(Clone, Debug)]
pub struct SandboxCluster {
    sandbox: Sandbox,
    manager: String,
    force: bool,
}

impl Sandbox {
    /// The cluster as the port that the engine acts through, by the one field
    /// manager `tranche`.
    #[must_use]
    pub fn cluster(&self) -> SandboxCluster {
        SandboxCluster { sandbox: self.clone(), manager: FIELD_MANAGER.to_owned(), force: false }
    }

    /// The cluster as somebody else writes it: under another field manager,
    /// who takes over the fields that others own.
    #[must_use]
    pub fn cluster_of(&self, manager: &str) -> SandboxCluster {
        SandboxCluster { sandbox: self.clone(), manager: manager.to_owned(), force: true }
    }
}

impl SandboxCluster {
    fn asked<T>(
        &self,
        subject: &impl ToString,
        kind: &KindRef,
        work: impl FnOnce(&mut World, &'static Resource) -> Result<T, Refusal>,
    ) -> Result<T, ClusterError> {
        let failed = |problem| ClusterError { subject: subject.to_string(), problem };
        let Some(resource) = kinds::served(kind) else {
            return Err(failed(ClusterProblem::NoKind(kind.to_string())));
        };
        let done = self.sandbox.transact(|world| work(world, resource));
        match done {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(refusal)) => Err(failed(problem(&refusal))),
            Err(error) => Err(failed(ClusterProblem::Unreachable(error.to_string()))),
        }
    }

    /// The object as it is stored, uncopied; none if it is not there.
    #[must_use]
    pub fn shared(&self, object: &ObjectRef) -> Option<Arc<Value>> {
        self.sandbox.transact(|world| world.shared(object)).ok().flatten()
    }

    /// The same without `managedFields`, which are made only if somebody asks.
    #[must_use]
    pub fn bare(&self, object: &ObjectRef) -> Option<Arc<Value>> {
        self.sandbox.transact(|world| world.bare(object).cloned()).ok().flatten()
    }

    /// [`Cluster::get`], at once.
    ///
    /// # Errors
    /// See [`ClusterProblem`].
    pub fn read(&self, object: &ObjectRef) -> Result<Option<Arc<Value>>, ClusterError> {
        self.asked(object, &object.kind_ref(), |world, _| Ok(world.shared(object)))
    }

    /// [`Cluster::list`], at once.
    ///
    /// # Errors
    /// See [`ClusterProblem`].
    pub fn read_all(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        labels: &[(String, String)],
    ) -> Result<Vec<Arc<Value>>, ClusterError> {
        let selector: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let query = Query::of(&[("labelSelector", &selector.join(","))]);
        self.asked(kind, kind, |world, resource| {
            let chosen = read::selected(world, resource, namespace, &query)?;
            Ok(chosen.into_iter().map(|(_, stored)| Arc::clone(stored.whole())).collect())
        })
    }

    /// [`Cluster::apply`], at once.
    ///
    /// # Errors
    /// See [`ClusterProblem`].
    pub fn write(
        &self,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
        dry_run: bool,
    ) -> Result<Arc<Value>, ClusterError> {
        let mut body = body.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("status");
        }
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            metadata.remove("uid");
            metadata.remove("resourceVersion");
        }
        match mode {
            WriteMode::CreateOnly => {
                set(&mut body, &["metadata", "resourceVersion"], json!(NO_SUCH_VERSION));
            }
            WriteMode::Exactly { uid, resource_version }
            | WriteMode::Taking { uid, resource_version } => {
                set(&mut body, &["metadata", "uid"], json!(uid));
                set(&mut body, &["metadata", "resourceVersion"], json!(resource_version));
            }
            WriteMode::Any => {}
        }
        let force = self.force || matches!(mode, WriteMode::Taking { .. });
        let query = Query::of(&[
            ("fieldManager", &self.manager),
            ("force", if force { "true" } else { "false" }),
            ("dryRun", if dry_run { "All" } else { "" }),
        ]);
        self.asked(object, &object.kind_ref(), |world, resource| {
            Ok(write::apply(world, resource, &place(object), body, &query)?.1)
        })
    }

    /// [`Cluster::delete`], at once; without `exactly` whatever is there.
    ///
    /// # Errors
    /// See [`ClusterProblem`].
    pub fn remove(
        &self,
        object: &ObjectRef,
        exactly: Option<(&str, &str)>,
    ) -> Result<(), ClusterError> {
        let options = exactly.map_or(
            Value::Null,
            |(uid, version)| json!({"preconditions": {"uid": uid, "resourceVersion": version}}),
        );
        self.asked(object, &object.kind_ref(), |world, resource| {
            delete::delete(world, resource, &place(object), &options, &Query::default()).map(|_| ())
        })
    }
}

impl SandboxCluster {
    /// [`Cluster::evict`], at once.
    ///
    /// # Errors
    /// See [`ClusterProblem`].
    pub fn take_off(&self, pod: &ObjectRef, uid: &str, dry_run: bool) -> Result<(), ClusterError> {
        let mut options = json!({"preconditions": {"uid": uid}});
        if dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let body = json!({"metadata": {"name": pod.name}, "deleteOptions": options});
        self.asked(pod, &pod.kind_ref(), |world, resource| {
            evict::evict(world, resource, &place(pod), &body, &Query::default()).map(|_| ())
        })
    }
}

impl Cluster for SandboxCluster {
    async fn namespaced(&self, kind: &KindRef) -> Result<bool, ClusterError> {
        self.asked(kind, kind, |_, resource| Ok(resource.namespaced))
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Arc<Value>>, ClusterError> {
        self.read(object)
    }

    async fn scan<T>(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        labels: &[(String, String)],
        look: &mut dyn FnMut(Arc<Value>) -> Option<T>,
    ) -> Result<Vec<T>, ClusterError> {
        Ok(self.read_all(kind, namespace, labels)?.into_iter().filter_map(look).collect())
    }

    async fn apply(
        &self,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
        dry_run: bool,
    ) -> Result<Arc<Value>, ClusterError> {
        self.write(object, body, mode, dry_run)
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        self.remove(object, Some((uid, resource_version)))
    }

    async fn evict(&self, pod: &ObjectRef, uid: &str, dry_run: bool) -> Result<(), ClusterError> {
        self.take_off(pod, uid, dry_run)
    }

    async fn may(&self, access: &Access) -> Result<bool, ClusterError> {
        self.asked(&access.kind, &access.kind, |_, _| Ok(true))
    }
}

fn place(object: &ObjectRef) -> Place {
    Place { namespace: object.namespace.clone(), name: object.name.clone() }
}

/// How a 500 begins that is about the body, as `edge/cluster` tells it apart
/// too.
const NOT_OF_THE_TYPE: [&str; 2] =
    ["failed to create typed patch object", "failed to convert new object"];

/// What a client makes of a refusal.
fn problem(refusal: &Refusal) -> ClusterProblem {
    let text = refusal.message.clone();
    let causes = refusal.details.get("causes").and_then(Value::as_array);
    let causes = causes.map(Vec::as_slice).unwrap_or_default();
    match refusal.code {
        401 | 403 => ClusterProblem::Forbidden(text),
        404 => ClusterProblem::Missing(text),
        409 => {
            let conflicts: Vec<FieldConflict> = causes
                .iter()
                .filter(|cause| cause["reason"] == "FieldManagerConflict")
                .map(conflict)
                .collect();
            if conflicts.is_empty() {
                ClusterProblem::Stale(text)
            } else {
                ClusterProblem::Conflict(conflicts)
            }
        }
        422 if !causes.is_empty() && causes.iter().all(|c| c["field"] == "metadata.uid") => {
            ClusterProblem::Stale(text)
        }
        422 => {
            let pairs = causes.iter().map(|cause| {
                let (field, said) = (cause["field"].as_str(), cause["message"].as_str());
                (field.unwrap_or_default(), said.unwrap_or_default())
            });
            ClusterProblem::immutable(pairs).unwrap_or(ClusterProblem::Invalid(text))
        }
        400 => ClusterProblem::Invalid(text),
        429 => {
            let said = causes.iter().find_map(|cause| cause["message"].as_str());
            ClusterProblem::Budget(said.map_or(text, str::to_owned))
        }
        500 if NOT_OF_THE_TYPE.iter().any(|words| text.starts_with(words)) => {
            ClusterProblem::Invalid(text)
        }
        501 => ClusterProblem::NotImplemented(text),
        _ => ClusterProblem::Other(text),
    }
}

fn conflict(cause: &Value) -> FieldConflict {
    let message = cause["message"].as_str().unwrap_or_default();
    let manager = message.split('"').nth(1).unwrap_or(message);
    FieldConflict {
        field: cause["field"].as_str().unwrap_or_default().to_owned(),
        manager: manager.to_owned(),
    }
}
