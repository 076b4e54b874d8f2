//! What a rollout needs beside the rendered objects to switch a Service: the
//! Services themselves, which have to be there in both revisions and to reach
//! the pods of any.

use super::bodies::LABEL_REVISION;
use super::workload::{Shape, set};
use super::{Bodies, RevisionBodies, RouteError};
use crate::core::model::{BlueGreen, DrivenService};
use crate::core::object::{ObjectRef, at};
use crate::core::traffic::selects;
use serde_json::json;
use std::sync::Arc;

/// The Services that reach one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// The one that everybody uses.
    pub active: ObjectRef,
    /// The one that reaches the new revision first; none where the revision has
    /// none.
    pub preview: Option<ObjectRef>,
}

/// A Service that cannot be switched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The workload is updated in place.
    #[error("{workload} is updated in place: blue-green needs a workload for each revision")]
    InPlace {
        /// The workload.
        workload: String,
    },
    /// A revision without the Service.
    #[error("revision {revision} does not render {service}, and no document of the plan is it")]
    Missing {
        /// The revision.
        revision: String,
        /// The Service.
        service: String,
    },
    /// It has no business with the component, or with one revision alone.
    #[error("{service} {why}")]
    Unfit {
        /// The Service.
        service: String,
        /// Why it cannot be switched.
        why: &'static str,
    },
}

impl Bodies {
    /// Adds the Services that are documents of the plan, and says which are
    /// switched.
    pub(super) fn switched(mut self, blue_green: &BlueGreen) -> Result<Self, RouteError> {
        let target = Arc::make_mut(&mut self.target);
        target.attach(blue_green)?;
        if blue_green.preview.is_some() && target.switched.iter().any(|s| s.preview.is_none()) {
            let revision = target.revision.clone();
            let service = blue_green.preview.as_ref().map(|preview| preview.name.as_str());
            let service = format!("Service {}", service.unwrap_or_default());
            return Err(ServiceError::Missing { revision, service }.into());
        }
        if let Some(source) = &mut self.source {
            Arc::make_mut(source).attach(blue_green)?;
        }
        Ok(self)
    }
}

impl RevisionBodies {
    fn attach(&mut self, blue_green: &BlueGreen) -> Result<(), ServiceError> {
        if self.kind.shape != Shape::Pair {
            return Err(ServiceError::InPlace { workload: self.workload.to_string() });
        }
        let Some(active) = self.service(&blue_green.active)? else {
            let (revision, service) = (self.revision.clone(), &blue_green.active.name);
            return Err(ServiceError::Missing { revision, service: format!("Service {service}") });
        };
        // The old revision may be from before there was a preview.
        let preview = blue_green.preview.as_ref();
        let preview = preview.map(|preview| self.service(preview)).transpose()?.flatten();
        self.switched = Some(Switched { active, preview });
        Ok(())
    }

    /// One of the Services, if the revision or the plan has it.
    fn service(&mut self, service: &DrivenService) -> Result<Option<ObjectRef>, ServiceError> {
        let namespace = self.workload.namespace.clone().unwrap_or_default();
        let object = service.object(&namespace);
        if let Some(document) = &service.document {
            let mut body = document.clone();
            set(&mut body, &["metadata", "namespace"], json!(namespace));
            if self.bodies.insert(object.clone(), Arc::new(body)).is_none() {
                self.rest.push(object.clone());
            }
        }
        let Some(body) = self.bodies.get(&object) else { return Ok(None) };
        let labels = self.pods();
        let selector = at(body, "/spec/selector");
        let why = if !selects(body, labels) {
            "does not select the component's pods"
        } else if selector.is_some_and(|selector| selector.get(LABEL_REVISION).is_some()) {
            "selects the pods of one revision by itself: take `app.oam.dev/revision` out"
        } else {
            return Ok(Some(object));
        };
        Err(ServiceError::Unfit { service: object.to_string(), why })
    }
}
