//! The patch of one object, value by value. Owns which values enter it, and
//! that a secret one never does.

use super::{Field, Operation, SavedObject};
use crate::core::diff::{Note, Outcome, cleaned};
use crate::core::object::{ObjectRef, allotted, at, leaves};
use crate::core::secrecy::{CHANGED, REDACTED, redacted_apart};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The path of the object itself: it is there, or it is not.
pub(super) const ITSELF: &str = ".";

/// The states of an object that steps lead it through.
#[derive(Clone, Copy, Debug)]
pub struct States<'v> {
    /// As it is; none if it is missing.
    pub live: Option<&'v Value>,
    /// After the last step; none if it is deleted.
    pub last: Option<&'v Value>,
    /// After each write before that.
    pub between: &'v [Arc<Value>],
    /// What is asked for in the end.
    pub body: Option<&'v Value>,
}

type Leaves = BTreeMap<String, Value>;

impl SavedObject {
    /// The patch that leads an object through its states.
    #[must_use]
    pub fn of(object: &ObjectRef, states: States<'_>, notes: &[Note]) -> Self {
        let live = states.live.map(cleaned);
        let last = states.last.map(cleaned);
        let (from, to) = redacted_apart(&object.kind, live.as_ref(), last.as_ref());
        let (from, to) = (taken(object, from, states.body), taken(object, to, states.body));
        let between: Vec<Leaves> = states
            .between
            .iter()
            .map(|state| {
                let state = cleaned(state);
                let (_, state) = redacted_apart(&object.kind, live.as_ref(), Some(&state));
                let mut found = taken(object, state, states.body);
                found.values_mut().for_each(unmark);
                found
            })
            .collect();
        let uid = states.live.and_then(|live| at(live, "/metadata/uid")).and_then(Value::as_str);
        let fields = fields(&from, &to, &between);
        let operation = match (states.live, states.last) {
            _ if !fields.iter().any(Field::changes) => Operation::Passes,
            (None, _) => Operation::Create,
            (Some(_), Some(_)) => Operation::Update,
            (Some(_), None) => Operation::Delete,
        };
        Self {
            object: object.clone(),
            operation,
            uid: uid.map(str::to_owned),
            digest: String::new(),
            conflicts: conflicts(notes),
            unverified: notes.iter().any(|note| matches!(note, Note::Unverified { .. })),
            sources: Vec::new(),
            fields,
            diff: Vec::new(),
        }
    }
}

/// All values of a state by their paths, and that it is there.
fn taken(object: &ObjectRef, state: Option<Value>, body: Option<&Value>) -> Leaves {
    let Some(state) = state else { return Leaves::new() };
    let kind = object.kind_ref();
    let mut found = leaves(&kind, &state);
    // A null says that there is nothing.
    found.retain(|path, value| !value.is_null() && !allotted(&kind, path, body));
    found.insert(ITSELF.to_owned(), json!("there"));
    found
}

fn fields(from: &Leaves, to: &Leaves, between: &[Leaves]) -> Vec<Field> {
    let all = [from, to].into_iter().chain(between);
    let paths: BTreeSet<&String> = all.flat_map(BTreeMap::keys).collect();
    let found = paths.into_iter().filter_map(|path| {
        let (from, to) = (from.get(path), to.get(path));
        let mut through: Vec<Option<Value>> = Vec::new();
        for state in between {
            let value = state.get(path);
            if value != from && value != to && !through.iter().any(|known| known.as_ref() == value)
            {
                through.push(value.cloned());
            }
        }
        let counts = from != to || !through.is_empty();
        counts.then(|| Field { path: path.clone(), from: from.cloned(), to: to.cloned(), through })
    });
    found.collect()
}

/// What a write brings about is later read as what there is: not as a change.
fn unmark(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(CHANGED) => *text = text.replace(CHANGED, REDACTED),
        Value::Array(items) => items.iter_mut().for_each(unmark),
        Value::Object(map) => map.values_mut().for_each(unmark),
        _ => {}
    }
}

/// Whose fields are written over or left out. What is refused is not applied.
fn conflicts(notes: &[Note]) -> Vec<String> {
    let decided = notes.iter().filter(|note| match note {
        Note::Conflict { outcome, .. } => *outcome != Outcome::Refused,
        _ => false,
    });
    let mut found: Vec<String> = decided.map(ToString::to_string).collect();
    found.sort();
    found.dedup();
    found
}
