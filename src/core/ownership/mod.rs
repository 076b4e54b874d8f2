//! Who keeps a field that two want. Owns what becomes of each field of a
//! desired state that another manager owns with another value; it must never
//! read the texts of errors, and it decides from the one live state that a
//! write is conditional on.
//!
//! A field that a well-known controller drives (an autoscaler the size, an
//! injector a certificate) is left to it. Of all others the plan decides, object
//! by object, by the annotation `tranche.dev/conflicts`: `refuse` (the default),
//! `keep` or `take`.

mod clash;
mod controllers;
mod others;
mod tools;

use crate::core::diff::{Note, Outcome};
use crate::core::object::{
    Applier, Conflict, FieldSet, KindRef, ManagedEntry, ObjectRef, Operation, Step, apply, at,
    fields_beside, managed_of, without,
};
pub use clash::clash;
use controllers::owner_of;
pub use others::Write;
use serde_json::Value;
pub use tools::applied_before;

/// Says what happens to fields that others own.
pub const ANNOTATION_CONFLICTS: &str = "tranche.dev/conflicts";

/// What a plan wants of the fields that others own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Nothing is applied.
    #[default]
    Refuse,
    /// The field stays as it is.
    Keep,
    /// The field becomes ours.
    Take,
}

impl Policy {
    /// The words of all policies.
    pub const WORDS: [&'static str; 3] = ["refuse", "keep", "take"];

    /// Reads a policy's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "refuse" => Some(Self::Refuse),
            "keep" => Some(Self::Keep),
            "take" => Some(Self::Take),
            _ => None,
        }
    }

    /// What an object's annotation asks for; an unknown word refuses, and the
    /// plan's own check names it.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let annotations = at(object, "/metadata/annotations");
        let word = annotations.and_then(|all| all.get(ANNOTATION_CONFLICTS)?.as_str());
        word.and_then(Self::parse).unwrap_or_default()
    }
}

/// A field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// The field, as the server writes it.
    pub field: String,
    /// The other manager.
    pub manager: String,
    /// The controller that it is left to, in words, if it is one of those.
    pub left_to: Option<String>,
    /// What becomes of it.
    pub outcome: Outcome,
}

impl Contested {
    /// As a note for reviewers.
    #[must_use]
    pub fn note(&self) -> Note {
        let (field, manager) = (self.field.clone(), self.manager.clone());
        match &self.left_to {
            Some(owner) => Note::LeftTo { field, owner: owner.clone() },
            None => Note::Conflict { field, manager, outcome: self.outcome },
        }
    }
}

/// A desired state beside what others own.
#[derive(Clone, Debug)]
pub struct Yielded {
    /// The state to apply.
    pub state: Value,
    /// Fields of others are to be taken over.
    pub takes: bool,
    /// Every contested field.
    pub contested: Vec<Contested>,
}

impl Yielded {
    /// Whether a field stands in the way of any apply.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.contested.iter().any(|field| field.outcome == Outcome::Refused)
    }
}

/// What of `state` is applied over `live` by `manager`. `driven` are paths of
/// fields that a rollout drives: they are never left out of its own writes.
/// `restored` are those of them that it takes over whoever owns them.
#[must_use]
pub fn yielded(
    object: &ObjectRef,
    live: &Value,
    state: Value,
    manager: &str,
    (driven, restored): (&[&[&str]], &[&[&str]]),
) -> Yielded {
    let kind = object.kind_ref();
    if !is_shared(&kind, live, &state, manager) {
        return Yielded { state, takes: false, contested: Vec::new() };
    }
    let applier = Applier { manager, force: false, time: "" };
    let conflicts = match apply(&kind, Some(live), &state, &applier) {
        Ok(_) => Vec::new(),
        Err(conflicts) => conflicts,
    };
    let policy = Policy::of(&state);
    let mut kept = FieldSet::new();
    let mut contested = Vec::new();
    for conflict in conflicts {
        let found = judge(&kind, &conflict, policy, (driven, restored));
        if found.outcome == Outcome::Kept {
            kept.insert(&conflict.path);
        }
        contested.push(found);
    }
    let state = if kept.is_empty() { state } else { without(&kind, live, &state, &kept) };
    let takes = contested.iter().any(|field| field.outcome == Outcome::Taken);
    let mut yielded = Yielded { state, takes, contested };
    yielded.takes &= !yielded.refused();
    yielded
}

/// Whether anybody else owns a field of the state: of most objects nobody does,
/// and the merge that tells whose values differ is the dear part.
fn is_shared(kind: &KindRef, live: &Value, state: &Value, manager: &str) -> bool {
    let others = managed_of(live).into_iter().filter(|entry| {
        entry.subresource.as_deref() != Some("status")
            && (entry.manager != manager || entry.operation != Operation::Apply)
    });
    let others: Vec<ManagedEntry> = others.collect();
    if others.is_empty() {
        return false;
    }
    let wanted = fields_beside(kind, live, state);
    others.iter().any(|entry| entry.fields.meets(&wanted))
}

fn judge(
    kind: &KindRef,
    conflict: &Conflict,
    policy: Policy,
    (driven, restored): (&[&[&str]], &[&[&str]]),
) -> Contested {
    let among = |paths: &[&[&str]]| paths.iter().any(|path| touches(&conflict.path, path));
    let ours = among(driven);
    let left_to = owner_of(kind, conflict).filter(|_| !ours);
    let outcome = match (&left_to, policy) {
        (_, Policy::Take) => Outcome::Taken,
        _ if among(restored) => Outcome::Taken,
        (None, Policy::Keep) if ours => Outcome::Refused,
        (Some(_), _) | (None, Policy::Keep) => Outcome::Kept,
        (None, Policy::Refuse) => Outcome::Refused,
    };
    Contested {
        field: conflict.field(),
        manager: conflict.owner.manager.clone(),
        left_to: left_to.filter(|_| outcome == Outcome::Kept),
        outcome,
    }
}

/// Whether a contested path is a driven field, within it or around it.
fn touches(contested: &[Step], driven: &[&str]) -> bool {
    contested.iter().zip(driven).all(|(step, name)| *step == Step::field(name))
}

#[cfg(test)]
mod tests;
