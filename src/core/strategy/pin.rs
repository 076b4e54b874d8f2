//! Whose pods alone a Service selects. Owns the label by which that is said; when
//! it is written is a strategy's.

use super::bodies::LABEL_REVISION;
use super::trial::LABEL_TEMPLATE;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whose pods alone a Service selects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pin {
    /// Those of one revision, by its workload's name.
    Revision(String),
    /// Those of one template of a workload that keeps its name.
    Template {
        /// The short digest of the template.
        template: String,
    },
}

impl Pin {
    /// The label that these pods have and no others.
    #[must_use]
    pub fn label(&self) -> (&'static str, &str) {
        match self {
            Self::Revision(name) => (LABEL_REVISION, name),
            Self::Template { template } => (LABEL_TEMPLATE, template),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revision(name) => f.write_str(name),
            Self::Template { template } => write!(f, "template {template}"),
        }
    }
}
