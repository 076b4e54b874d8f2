//! A whole plan, and where its parts stand in it.

use super::{Application, HostRoute, Lane, Project, Rollout};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A place in the plan repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The path inside the repository.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One file of a plan commit, as it lies in the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFile {
    /// The path inside the repository, with forward slashes.
    pub path: String,
    /// The blob's bytes.
    pub bytes: Vec<u8>,
}

/// Everything that one plan commit says.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// `tranche.yaml`, or the defaults.
    pub project: Project,
    /// The applications, by file and line.
    pub applications: Vec<Application>,
    /// The rollouts, by file and line.
    pub rollouts: Vec<Rollout>,
    /// The lanes that rollouts join, by file and line.
    pub lanes: Vec<Lane>,
    /// The hosts that several instances serve, by file and line.
    pub routes: Vec<HostRoute>,
    /// Documents that are no plan kind, by file and line.
    pub objects: Vec<PlainObject>,
    /// The user's own component types and traits, by path.
    pub templates: Vec<TemplateSource>,
    /// What a person should know though nothing is wrong.
    pub notices: Vec<Notice>,
    /// What nobody needs to be told but whoever asks whether the plan is right.
    pub hints: Vec<Notice>,
}

impl Plan {
    /// Whether it has let go of an application that a rollout moves. One that
    /// names no namespace is of the target's.
    #[must_use]
    pub fn releases(&self, namespace: &str, application: &str) -> bool {
        let there =
            |a: &&Application| a.namespace.as_deref().is_none_or(|named| named == namespace);
        let mut here = self.applications.iter().filter(there);
        if let Some(named) = here.clone().find(|a| a.name == application) {
            return named.released;
        }
        // Or the component of one, which has been rolled by itself.
        let has = |a: &Application| a.components.iter().any(|one| one.name == application);
        here.any(|a| a.released && has(a))
    }
}

/// A Kubernetes object that is applied as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainObject {
    /// The whole document.
    pub body: Arc<Value>,
    /// Where it stands in the plan.
    pub place: Place,
}

/// The source of one component type or trait under `templates/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateSource {
    /// The path inside the repository.
    pub path: String,
    /// The whole file.
    pub text: String,
}

/// A warning about the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Where it is about.
    pub place: Place,
    /// What to know, as a sentence fragment.
    pub message: String,
}
