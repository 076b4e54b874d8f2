//! From live objects to a revision, and from that to the next one. Owns what has
//! to be so of a Deployment and its Service that two versions can stand side by
//! side.

use super::clean::cleaned;
use super::version::of_next;
use super::{CaptureError, VERSION};
use crate::core::digest::Digest;
use crate::core::model::ReplicaRatio;
use crate::core::object::{KindRef, ObjectRef, at, extract, owned_by};
use crate::core::render::{Rendered, RenderedComponent, rendered_digest};
use crate::core::secrecy::redacted;
use crate::core::strategy::FIELD_MANAGER;
use crate::core::strategy::workload::Workloads;
use crate::core::strategy::workload::set;
use crate::core::traffic::selects;
use serde_json::{Value, json};
use std::sync::Arc;

/// One version's objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The version.
    pub version: String,
    /// Its objects.
    pub rendered: Rendered,
}

/// The Deployment of a version.
#[must_use]
pub fn workload(namespace: &str, deployment: &str, version: &str) -> ObjectRef {
    let kind = KindRef::new("apps/v1", "Deployment");
    ObjectRef::new(&kind, Some(namespace), &format!("{deployment}-{version}"))
}

/// The version that a Service says is in production.
#[must_use]
pub fn label_of(service: &Value) -> Option<&str> {
    at(service, "/metadata/labels")?.get(VERSION)?.as_str().filter(|version| !version.is_empty())
}

/// What runs as the version that the Service names.
///
/// # Errors
/// Fails where a second version could not stand beside it, or where it could not
/// be told from a record what it was.
pub fn capture(
    service: &Value,
    deployment: &Value,
    ratio: &ReplicaRatio,
) -> Result<Taken, CaptureError> {
    let version = label_of(service).unwrap_or_default().to_owned();
    let mut body = cleaned(deployment);
    let object = name_of(deployment);
    if let Some(owner) = at(deployment, "/metadata/ownerReferences").and_then(|all| all.get(0)) {
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
        return Err(CaptureError::new(
            format!("{object} is made by {}/{}", text("kind"), text("name")),
            "whatever makes it would put it back: roll that out instead",
        ));
    }
    for place in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        let label = at(&body, place).and_then(|labels| labels.get(VERSION)?.as_str());
        if label != Some(&version) {
            let found =
                label.map_or("no label `version`".to_owned(), |l| format!("`version: {l}`"));
            return Err(CaptureError::new(
                format!(
                    "{object} has {found} in {}, but its Service says {version}",
                    place.trim_start_matches('/').replace('/', ".")
                ),
                "by that label the pods of two versions are told apart: give the Deployment a \
                 selector and pods with the version that it is",
            ));
        }
    }
    // How many pods there are is not what they are.
    if let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("replicas");
    }
    if redacted("Deployment", &body) != body {
        return Err(CaptureError::new(
            format!("{object} has a value that looks like a secret"),
            "what is taken over is put on the record, in git: move the value to a Secret \
             (`valueFrom: {secretKeyRef: …}`)",
        ));
    }
    let taken = of(ratio, &version, body, label(service, &version));
    reaches(service, &taken, &object)?;
    Ok(taken)
}

/// The version that follows another one.
///
/// # Errors
/// Fails where its image cannot be told, or where no requests would reach it.
pub fn followed(
    taken: &Taken,
    service: Option<&Value>,
    ratio: &ReplicaRatio,
) -> Result<Taken, CaptureError> {
    let component = taken.rendered.components.first();
    let nothing = || CaptureError::new("the revision has no Deployment", "`tranche log` shows it");
    let Some(component) = component else { return Err(nothing()) };
    let body = of_next(&component.workload, &taken.version, ratio)?;
    let mut label = component.extras.first().map(|body| Value::clone(body)).ok_or_else(nothing)?;
    set(&mut label, &["metadata", "labels", VERSION], json!(ratio.new_version));
    let next = of(ratio, &ratio.new_version, body, label);
    if let Some(service) = service {
        let object = workload(&next.rendered.namespace, &ratio.deployment, &ratio.new_version);
        reaches(service, &next, &object.to_string())?;
    }
    Ok(next)
}

fn of(ratio: &ReplicaRatio, version: &str, body: Value, label: Value) -> Taken {
    let namespace = at(&body, "/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let namespace = namespace.to_owned();
    let component = RenderedComponent {
        name: ratio.deployment.clone(),
        workload: Arc::new(body),
        extras: vec![Arc::new(label)],
    };
    let application = ratio.deployment.clone();
    let rendered = Rendered {
        application,
        namespace,
        components: vec![component],
        workloads: Workloads::default(),
    };
    Taken { version: version.to_owned(), rendered }
}

/// The Service as this writes it: nothing but its label. What we own there
/// besides, if it was once ours, is kept, or leaving it out would take it away.
fn label(service: &Value, version: &str) -> Value {
    let mut body = cleaned(&extract(service, &owned_by(service, FIELD_MANAGER)));
    let text = |pointer: &str| at(service, pointer).cloned().unwrap_or_default();
    set(&mut body, &["apiVersion"], json!("v1"));
    set(&mut body, &["kind"], json!("Service"));
    set(&mut body, &["metadata", "name"], text("/metadata/name"));
    set(&mut body, &["metadata", "namespace"], text("/metadata/namespace"));
    set(&mut body, &["metadata", "labels", VERSION], json!(version));
    body
}

/// Whether a Service sends requests to the pods of a version.
fn reaches(service: &Value, taken: &Taken, object: &str) -> Result<(), CaptureError> {
    let workload = taken.rendered.components.first().map(|component| &component.workload);
    let labels = workload.and_then(|body| at(body, "/spec/template/metadata/labels"));
    if selects(service, labels) {
        return Ok(());
    }
    Err(CaptureError::new(
        format!("{} does not select the pods of {object}", name_of(service)),
        "the Service has to select the pods of every version: leave the version out of its \
         selector",
    ))
}

fn name_of(live: &Value) -> String {
    ObjectRef::of(live).map(|object| object.to_string()).unwrap_or_default()
}

/// A revision as it was recorded, if it is the one that its digest says.
#[must_use]
pub fn rendered(
    (application, namespace): (&str, &str),
    objects: &[Value],
    digest: &Digest,
) -> Option<Rendered> {
    let (workload, extras) = objects.split_first()?;
    let component = RenderedComponent {
        name: application.to_owned(),
        workload: Arc::new(workload.clone()),
        extras: extras.iter().cloned().map(Arc::new).collect(),
    };
    let (application, namespace) = (application.to_owned(), namespace.to_owned());
    let rendered = Rendered {
        application,
        namespace,
        components: vec![component],
        workloads: Workloads::default(),
    };
    (rendered_digest(&rendered) == *digest).then_some(rendered)
}

/// The digest that tells captured revisions apart.
#[must_use]
pub fn content(taken: &Taken) -> Digest {
    Digest::of("tranche-captured-v1", &json!(rendered_digest(&taken.rendered)))
}
