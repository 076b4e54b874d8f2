//! What becomes of an object on the way to its end. Owns how its states follow
//! one upon the other; which states there are is the business of who plans the
//! steps.

use super::{ObjectDiff, diff};
use crate::core::object::ObjectRef;
use serde_json::Value;

/// What one step makes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halfway {
    /// The step, from 0.
    pub step: usize,
    /// The lines of a unified diff from the state before.
    pub lines: Vec<String>,
    /// The fields that it writes or removes, as paths and in order.
    pub fields: Vec<String>,
}

impl Halfway {
    /// The states of an object, each with the step that brings it about, one
    /// compared with the other. What changes nothing is left out.
    #[must_use]
    pub fn all<'v>(
        object: &ObjectRef,
        first: Option<&'v Value>,
        states: impl IntoIterator<Item = (usize, &'v Value)>,
    ) -> Vec<Self> {
        let mut before = first;
        let mut all = Vec::new();
        for (step, state) in states {
            let ObjectDiff { lines, fields, .. } = diff(object, before, Some(state));
            before = Some(state);
            if !lines.is_empty() {
                all.push(Self { step, lines, fields });
            }
        }
        all
    }
}
