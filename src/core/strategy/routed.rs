//! What a rollout needs beside the rendered objects to move traffic: the
//! route, and a Service for the pods of each revision alone.

use super::bodies::LABEL_REVISION;
use super::workload::{Shape, set};
use super::{Bodies, RevisionBodies};
use crate::core::model::{CanaryRoute, Rollout};
use crate::core::object::{ObjectRef, at};
use crate::core::traffic::{self, Label, LabelError, TwinError, fitting_service};
use serde_json::{Value, json};
use std::sync::Arc;

/// How traffic reaches one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The route.
    pub route: ObjectRef,
    /// The user's Service, which the rendered route points at.
    pub service: ObjectRef,
    /// The revision's own Service, while the route is shared.
    pub twin: ObjectRef,
    /// The user's Service by its name alone.
    pub name: Label,
    /// The revision's number.
    pub number: u64,
}

/// A rollout whose traffic cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The workload is updated in place.
    #[error("{workload} is updated in place: a canary needs a workload for each revision")]
    InPlace {
        /// The workload.
        workload: String,
    },
    /// A revision without the route.
    #[error("revision {revision} does not render {route}, and no document of the plan is it")]
    NoRoute {
        /// The revision.
        revision: String,
        /// The route.
        route: String,
    },
    /// A route that cannot be shared.
    #[error("{route} {why}")]
    Unfit {
        /// The route.
        route: String,
        /// Why not.
        why: String,
    },
    /// The revisions are reached by different Services.
    #[error(
        "{route} reaches {source_revision} by Service {left}, but {target_revision} by {right}"
    )]
    Services {
        /// The route.
        route: String,
        /// The revision that is left.
        source_revision: String,
        /// Its Service.
        left: String,
        /// The revision that is reached.
        target_revision: String,
        /// Its Service.
        right: String,
    },
    /// No Service of one revision can be made.
    #[error(transparent)]
    Twin(#[from] TwinError),
    /// A Service whose name is none.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The plan has an object of the name already.
    #[error("revision {revision} renders {object}, a name that the rollout needs itself")]
    Taken {
        /// The revision.
        revision: String,
        /// The object.
        object: String,
    },
}

impl Bodies {
    /// Adds what the rollout drives beside the workloads, if it drives
    /// traffic.
    ///
    /// # Errors
    /// Fails where the route cannot be shared between these revisions.
    pub fn routed(mut self, rollout: &Rollout) -> Result<Self, RouteError> {
        let Some(canary) = &rollout.canary else { return Ok(self) };
        let Some(route) = &canary.route else {
            paired(&self.target)?;
            return Ok(self);
        };
        attach(Arc::make_mut(&mut self.target), route)?;
        if let Some(source) = &mut self.source {
            attach(Arc::make_mut(source), route)?;
        }
        if let Some(source) = &self.source
            && let (Some(left), Some(right)) = (&source.routed, &self.target.routed)
            && left.name != right.name
        {
            return Err(RouteError::Services {
                route: right.route.to_string(),
                source_revision: source.revision.clone(),
                left: left.name.to_string(),
                target_revision: self.target.revision.clone(),
                right: right.name.to_string(),
            });
        }
        Ok(self)
    }
}

/// Whether a live object has the shape of a revision's own Service: it is named
/// after a revision, and selects the pods of that one alone. Whose it is, its
/// marks say.
#[must_use]
pub fn is_twin(live: &Value) -> bool {
    let Some(object) = ObjectRef::of(live) else { return false };
    let selector = at(live, "/spec/selector");
    let revision = selector.and_then(|selector| selector.get(LABEL_REVISION)?.as_str());
    let number = revision.and_then(|revision| revision.rsplit_once("-v")).map(|(_, number)| number);
    object.api_version == "v1"
        && object.kind == "Service"
        && number.is_some_and(|number| object.name.ends_with(&format!("-v{number}-traffic")))
}

fn paired(revision: &RevisionBodies) -> Result<(), RouteError> {
    if revision.kind.shape == Shape::Pair {
        return Ok(());
    }
    Err(RouteError::InPlace { workload: revision.workload.to_string() })
}

fn attach(revision: &mut RevisionBodies, driven: &CanaryRoute) -> Result<(), RouteError> {
    paired(revision)?;
    let namespace = revision.workload.namespace.clone().unwrap_or_default();
    let route = traffic::route(&namespace, &driven.name);
    let rendered = revision.bodies.get(&route);
    let Some(mut body) =
        driven.document.clone().or_else(|| rendered.map(|body| Value::clone(body)))
    else {
        let revision = revision.revision.clone();
        return Err(RouteError::NoRoute { revision, route: route.to_string() });
    };
    set(&mut body, &["metadata", "namespace"], json!(namespace));
    let labels = revision.bodies.get(&revision.workload);
    let labels = labels.and_then(|workload| at(workload, "/spec/template/metadata/labels"));
    let bodies: Vec<&Value> = revision
        .rest
        .iter()
        .filter_map(|object| revision.bodies.get(object))
        .map(AsRef::as_ref)
        .collect();
    let unfit = |why| RouteError::Unfit { route: route.to_string(), why };
    let service = fitting_service(&body, &bodies, labels).map_err(unfit)?.clone();
    let name = at(&service, "/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let number = revision.revision.rsplit_once("-v").and_then(|(_, number)| number.parse().ok());
    let number = number.unwrap_or(0);
    let twin_body = traffic::twin(&service, number, (LABEL_REVISION, &revision.workload.name))?;
    let taken = |object: &str| RouteError::Taken {
        revision: revision.revision.clone(),
        object: object.to_owned(),
    };
    let twin = ObjectRef::of(&twin_body).ok_or_else(|| taken(name))?;
    if revision.bodies.contains_key(&twin) {
        return Err(taken(&twin.to_string()));
    }
    let routed = Routed {
        route: route.clone(),
        service: ObjectRef::of(&service).ok_or_else(|| taken(name))?,
        twin: twin.clone(),
        name: Label::new(name)?,
        number,
    };
    revision.rest.retain(|object| *object != route);
    revision.bodies.insert(route, Arc::new(body));
    revision.bodies.insert(twin, Arc::new(twin_body));
    revision.routed = Some(routed);
    Ok(())
}
