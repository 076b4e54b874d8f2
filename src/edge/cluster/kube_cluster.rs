//! A cluster behind its API server. Owns how each question of the port is put
//! as a request; what answers mean is decided next door.

use super::FIELD_MANAGER;
use super::answer::problem;
use super::body::apply_body;
use super::discovery::Discovery;
use super::list::{is_secret, scan};
use super::path::{Resource, collection, object as object_path};
use super::request::{Call, Class, Patience, Sender};
use crate::core::object::{KindRef, ObjectRef, at};
use crate::core::secrecy::Veil;
use crate::port::{Access, Cluster, ClusterError, ClusterProblem, WriteMode};
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;

const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";

/// A cluster that is spoken to through a `kube` client: a real API server, or
/// a service that behaves like one.
pub struct KubeCluster {
    sender: Sender,
    discovery: Discovery,
}

impl KubeCluster {
    /// A cluster behind a client. The client must not repeat requests by
    /// itself.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self::patient(client, Patience::default())
    }

    /// A cluster behind a client, with deadlines and pauses of one's own.
    #[must_use]
    pub fn patient(client: kube::Client, patience: Patience) -> Self {
        Self { sender: Sender::new(client, patience), discovery: Discovery::default() }
    }

    /// Lets the secrets that are sent or received be known to `veil`, and
    /// passes the server's errors over it.
    #[must_use]
    pub fn veiled(mut self, veil: Veil) -> Self {
        self.sender.veil = veil;
        self
    }

    async fn resource(&self, kind: &KindRef) -> Result<Resource, ClusterError> {
        let found = self.discovery.find(&self.sender, kind).await;
        found.map_err(|problem| ClusterError { subject: kind.to_string(), problem })
    }

    async fn path(&self, object: &ObjectRef) -> Result<String, ClusterError> {
        let resource = self.resource(&object.kind_ref()).await?;
        object_path(object, &resource).map_err(invalid(object))
    }
}

fn about(subject: &impl ToString) -> impl FnOnce(ClusterProblem) -> ClusterError {
    let subject = subject.to_string();
    move |problem| ClusterError { subject, problem }
}

fn invalid(subject: &impl ToString) -> impl FnOnce(String) -> ClusterError {
    let subject = subject.to_string();
    move |cause| ClusterError { subject, problem: ClusterProblem::Invalid(cause) }
}

impl Cluster for KubeCluster {
    async fn namespaced(&self, kind: &KindRef) -> Result<bool, ClusterError> {
        Ok(self.resource(kind).await?.namespaced)
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Arc<Value>>, ClusterError> {
        let path = self.path(object).await?;
        let kind = object.kind_ref();
        let answer = self.sender.get(&path).await.answer(Class::Read).map_err(about(object))?;
        if answer.code == 404 {
            // The server names the object it looked for. Without that the
            // kind itself may have gone since it was discovered.
            let named = answer.status().and_then(|status| status.details);
            if named.is_none_or(|details| details.name != object.name) {
                self.discovery.forget(&kind);
                self.resource(&kind).await?;
            }
            return Ok(None);
        }
        let secret = is_secret(&kind);
        if answer.code != 200 {
            return Err(about(object)(problem(&answer, Class::Read, secret)));
        }
        let value = serde_json::from_slice(&answer.body).map_err(|_| {
            about(object)(ClusterProblem::Unreachable("the answer is no whole JSON".to_owned()))
        })?;
        self.sender.veil.learn_object(&object.kind, &value);
        Ok(Some(Arc::new(value)))
    }

    async fn scan<T>(
        &self,
        kind: &KindRef,
        namespace: Option<&str>,
        labels: &[(String, String)],
        look: &mut dyn FnMut(Arc<Value>) -> Option<T>,
    ) -> Result<Vec<T>, ClusterError> {
        let subject = match namespace {
            Some(namespace) => format!("{kind} in {namespace}"),
            None => kind.to_string(),
        };
        let resource = self.resource(kind).await?;
        let path = collection(kind, &resource, namespace).map_err(invalid(&subject))?;
        let secret = is_secret(kind);
        // Of a namespace full of others' Secrets only those that are looked at.
        let mut look = |item: Arc<Value>| {
            let kept = look(Arc::clone(&item));
            if secret && kept.is_some() {
                self.sender.veil.learn_object(&kind.kind, &item);
            }
            kept
        };
        let kept = scan(&self.sender, kind, &path, labels, &mut look).await;
        if matches!(kept, Err(ClusterProblem::NoKind(_))) {
            self.discovery.forget(kind);
        }
        kept.map_err(about(&subject))
    }

    async fn apply(
        &self,
        object: &ObjectRef,
        body: &Value,
        mode: &WriteMode,
        dry_run: bool,
    ) -> Result<Arc<Value>, ClusterError> {
        let body = apply_body(object, body, mode, dry_run).map_err(invalid(object))?;
        self.sender.veil.learn_object(&object.kind, &body);
        let class = if dry_run { Class::Read } else { Class::Write };
        let mut path = self.path(object).await?;
        let force = matches!(mode, WriteMode::Taking { .. });
        path.push_str(&format!(
            "?fieldManager={FIELD_MANAGER}&force={force}&fieldValidation=Strict"
        ));
        if dry_run {
            path.push_str("&dryRun=All");
        }
        let call = Call {
            class,
            method: Method::PATCH,
            path: &path,
            content_type: APPLY,
            body: body.to_string().into_bytes(),
        };
        let sent = self.sender.send(&call).await;
        let stored = sent.json(class, is_secret(&object.kind_ref())).map_err(about(object))?;
        Ok(Arc::new(stored))
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        uid: &str,
        resource_version: &str,
    ) -> Result<(), ClusterError> {
        let path = self.path(object).await?;
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
            "propagationPolicy": "Background",
        });
        let call = Call {
            class: Class::Write,
            method: Method::DELETE,
            path: &path,
            content_type: JSON,
            body: options.to_string().into_bytes(),
        };
        let answer = self.sender.send(&call).await.answer(Class::Write).map_err(about(object))?;
        if (200..300).contains(&answer.code) {
            return Ok(());
        }
        let secret = is_secret(&object.kind_ref());
        Err(about(object)(problem(&answer, Class::Write, secret)))
    }

    async fn evict(&self, pod: &ObjectRef, uid: &str, dry_run: bool) -> Result<(), ClusterError> {
        let path = format!("{}/eviction", self.path(pod).await?);
        let mut options = json!({"preconditions": {"uid": uid}});
        if dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
            "deleteOptions": options,
        });
        let class = if dry_run { Class::Read } else { Class::Write };
        let call = Call {
            class,
            method: Method::POST,
            path: &path,
            content_type: JSON,
            body: eviction.to_string().into_bytes(),
        };
        let answer = self.sender.send(&call).await.answer(class).map_err(about(pod))?;
        if (200..300).contains(&answer.code) {
            return Ok(());
        }
        Err(about(pod)(problem(&answer, class, false)))
    }

    async fn may(&self, access: &Access) -> Result<bool, ClusterError> {
        let resource = self.resource(&access.kind).await?;
        let mut review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": access.verb,
                "group": access.kind.group(),
                "version": access.kind.version(),
                "resource": resource.plural,
                "namespace": access.namespace.as_deref().unwrap_or_default(),
            }},
        });
        if let Some(part) = access.part {
            review["spec"]["resourceAttributes"]["subresource"] = json!(part);
        }
        let call = Call {
            class: Class::Read,
            method: Method::POST,
            path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            content_type: JSON,
            body: review.to_string().into_bytes(),
        };
        let part = access.part.map_or_else(String::new, |part| format!("{part} of "));
        let subject = format!("the right to {} {part}{}", access.verb, access.kind);
        let answer = self.sender.send(&call).await.json(Class::Read, false);
        let answer = answer.map_err(about(&subject))?;
        let allowed = at(&answer, "/status/allowed").and_then(Value::as_bool);
        allowed.ok_or_else(|| {
            about(&subject)(ClusterProblem::Other("the review has no verdict".to_owned()))
        })
    }
}
