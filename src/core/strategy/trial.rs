//! The workload in which a revision is tried beside the one that keeps its
//! name, and the label by which a Service tells their pods apart. Owns what of
//! the user's workload the trial takes over.

use super::RevisionBodies;
use super::bodies::LABEL_REVISION;
use super::routed::{RouteError, revision_number};
use super::workload::set;
use crate::core::model::{Naming, PodPatch};
use crate::core::object::{ObjectRef, at};
use serde_json::{Value, json};
use std::sync::Arc;

/// The label of pods by their template. Unlike a revision's number it stays
/// what it is while the template does, so that no pod is replaced for it.
pub(super) const LABEL_TEMPLATE: &str = "tranche.dev/template";

impl RevisionBodies {
    /// The label that tells the revision's pods from those of another one.
    pub(super) fn pods_label(&self) -> (&'static str, String) {
        match self.naming {
            Naming::Revision | Naming::Captured => (LABEL_REVISION, self.workload.name.clone()),
            Naming::Kept => (LABEL_TEMPLATE, self.template.short().to_owned()),
        }
    }

    /// Labels the pods of the workload that keeps its name, so that a Service
    /// can tell them from others.
    pub(super) fn label_pods(&mut self) {
        let (key, value) = self.pods_label();
        let labels = self.kind.template.to(&["metadata", "labels", key]);
        if let Some(body) = self.bodies.get_mut(&self.workload) {
            set(Arc::make_mut(body), &labels, json!(value));
        }
    }

    /// The workload in which a revision is tried beside one that keeps its name.
    #[must_use]
    pub fn tried_in(&self) -> Option<ObjectRef> {
        let number = revision_number(&self.revision);
        let name = format!("{}-v{number}-canary", self.workload.name);
        (self.naming == Naming::Kept).then(|| ObjectRef { name, ..self.workload.clone() })
    }

    /// Adds the workload in which the revision is tried: the user's, with a
    /// label of its own in its selector, and with what only its pods have.
    pub(super) fn add_trial(&mut self, patch: &PodPatch) -> Result<(), RouteError> {
        let Some(body) = self.bodies.get(&self.workload) else { return Ok(()) };
        let Some(ObjectRef { name, .. }) = self.tried_in() else { return Ok(()) };
        let taken = |name: &str| RouteError::Taken {
            revision: self.revision.clone(),
            object: format!("{} {name}", self.workload.kind),
        };
        if name.len() > 63 {
            return Err(RouteError::TrialName { workload: self.workload.to_string(), name });
        }
        let field = |pointer: &str| at(body, pointer).cloned();
        let mut trial = json!({
            "apiVersion": field("/apiVersion"),
            "kind": field("/kind"),
            "metadata": {"name": name},
            "spec": field("/spec"),
        });
        for shared in ["namespace", "labels"] {
            if let Some(value) = body.get("metadata").and_then(|metadata| metadata.get(shared)) {
                trial["metadata"][shared] = value.clone();
            }
        }
        if let Some(selector) = &self.kind.selector {
            set(&mut trial, &selector.to(&[LABEL_REVISION]), json!(name));
        }
        let metadata = self.kind.template.to(&["metadata"]);
        let mut add = |field: &str, key: &str, value: Value| {
            let path = [&metadata[..], &[field, key]].concat();
            set(&mut trial, &path, value);
        };
        for (key, value) in &patch.labels {
            add("labels", key, json!(value));
        }
        for (key, value) in &patch.annotations {
            add("annotations", key, json!(value));
        }
        add("labels", LABEL_REVISION, json!(name));
        let object = ObjectRef::of(&trial).ok_or_else(|| taken(&name))?;
        if self.bodies.contains_key(&object) {
            return Err(taken(&name));
        }
        self.bodies.insert(object.clone(), Arc::new(trial));
        self.trial = Some(object);
        Ok(())
    }
}
