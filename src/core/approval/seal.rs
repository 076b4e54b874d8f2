//! Digests of a saved plan, and reading one back. Owns what the plan digest
//! covers; it is taken of what the file says, so that no value enters it that
//! the file does not show.

use super::{SAVED_FORMAT, SavedEntity, SavedObject, SavedPlan, SavedTarget, Standing};
use crate::core::digest::Digest;
use crate::core::secrecy::{CHANGED, REDACTED};
use serde_json::{Value, json};

/// Why a file is no saved plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// It is not of the expected form.
    #[error("it is no saved plan: {0}")]
    Broken(String),
    /// It was written by another version.
    #[error("it has format {0}, and this version reads {SAVED_FORMAT}")]
    Format(u64),
    /// What it says is not what its digest is of.
    #[error("it was changed after it was written: its digest is not that of its steps and patches")]
    Edited,
}

impl SavedPlan {
    /// The plan in its order and with its digests. What comes from files is kept
    /// only where a value of it is not shown.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.targets.sort_by(|a, b| a.target.cmp(&b.target));
        self.targets.iter_mut().for_each(SavedTarget::seal);
        let all: Vec<&str> = self.targets.iter().map(|target| target.digest.as_str()).collect();
        let digest = Digest::of("tranche-saved-plan-v1", &json!(all));
        self.digest = digest.as_str().to_owned();
        self
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Fails if it is no saved plan, or not as it was written.
    pub fn read(bytes: &[u8]) -> Result<Self, FileFault> {
        let broken = |error: serde_json::Error| FileFault::Broken(error.to_string());
        let value: Value = serde_json::from_slice(bytes).map_err(broken)?;
        if let Some(format) = value.get("format").and_then(Value::as_u64)
            && format != u64::from(SAVED_FORMAT)
        {
            return Err(FileFault::Format(format));
        }
        let read: Self = serde_json::from_value(value).map_err(broken)?;
        let sealed = read.clone().sealed();
        if sealed == read { Ok(read) } else { Err(FileFault::Edited) }
    }
}

impl SavedTarget {
    fn seal(&mut self) {
        self.publications.sort();
        self.entities.sort_by(|a, b| a.entity.cmp(&b.entity));
        self.entities.iter_mut().flat_map(|e| &mut e.objects).for_each(SavedObject::seal);
        self.entities.iter_mut().for_each(|e| e.objects.sort_by(|a, b| a.object.cmp(&b.object)));
        let entities: Vec<Value> = self.entities.iter().filter_map(SavedEntity::covered).collect();
        let covered = json!({
            "target": self.target,
            "publications": self.publications,
            "entities": entities,
        });
        self.digest = Digest::of("tranche-plan-v1", &covered).as_str().to_owned();
    }
}

impl SavedEntity {
    /// What the plan digest covers of it; of what rests, nothing.
    fn covered(&self) -> Option<Value> {
        let message = self.message.as_ref().filter(|_| self.state == Standing::Records);
        if self.steps.is_empty() && message.is_none() {
            return None;
        }
        let steps: Vec<Value> =
            self.steps.iter().map(|step| json!([step.id, step.effects])).collect();
        let counted = self.objects.iter().filter(|object| object.counts());
        let objects: Vec<&str> = counted.map(|object| object.digest.as_str()).collect();
        Some(json!({
            "entity": self.entity,
            "state": self.state,
            "message": message,
            "sizes": self.sizes,
            "steps": steps,
            "objects": objects,
        }))
    }
}

impl SavedObject {
    fn seal(&mut self) {
        if !self.fields.iter().any(|field| [&field.from, &field.to].into_iter().any(is_hidden)) {
            self.sources.clear();
        }
        self.sources.sort();
        self.sources.dedup();
        let fields: Vec<Value> =
            self.changed().map(|field| json!([field.path, field.from, field.to])).collect();
        let blobs: Vec<&str> = self.sources.iter().map(|source| source.blob.as_str()).collect();
        let patch = json!({
            "object": self.object,
            "fields": fields,
            "conflicts": self.conflicts,
            "unverified": self.unverified,
            "blobs": blobs,
        });
        self.digest = Digest::of("tranche-patch-v1", &patch).as_str().to_owned();
    }
}

/// Whether anything of a value is not shown.
fn is_hidden(value: &Option<Value>) -> bool {
    value.as_ref().is_some_and(hides)
}

fn hides(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(REDACTED) || text.contains(CHANGED),
        Value::Array(items) => items.iter().any(hides),
        Value::Object(map) => map.values().any(hides),
        _ => false,
    }
}
