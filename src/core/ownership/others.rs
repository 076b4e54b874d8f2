//! What others have on an object that a write changes: fields that the plan
//! never sets, and fields that it lets go of while others keep them. Owns what
//! of it is worth a line; nothing is decided by it, and no write depends on it.

use super::Contested;
use super::controllers::is_controller;
use crate::core::diff::Note;
use crate::core::object::{
    FieldSet, ManagedEntry, ObjectRef, Step, fields_beside, holds, managed_of, owned_by, path_text,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// More fields of others than anybody reads beside a change.
const MOST: usize = 10;

/// What every `kubectl apply` on the client leaves; it says nothing by itself.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A write of `state` over `live` by `manager`, and what the server would store.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The object.
    pub object: &'a ObjectRef,
    /// As it is.
    pub live: &'a Value,
    /// What is applied.
    pub state: &'a Value,
    /// As it would be.
    pub after: &'a Value,
    /// The field manager that applies.
    pub manager: &'a str,
    /// The fields that are told as contested.
    pub contested: &'a [Contested],
}

impl Write<'_> {
    /// A note for each field that others keep, and for each that only they set.
    #[must_use]
    pub fn notes_of_others(&self) -> Vec<Note> {
        let others: Vec<ManagedEntry> = managed_of(self.live)
            .into_iter()
            .filter(|entry| {
                entry.manager != self.manager && entry.subresource.as_deref() != Some("status")
            })
            .collect();
        if others.is_empty() {
            return Vec::new();
        }
        let wanted = fields_beside(&self.object.kind_ref(), self.live, self.state);
        let owned = owned_by(self.live, self.manager);
        let kept = self.kept(&others, &owned.difference(&wanted));
        let mut extra = self.extra(&others, &wanted.union(&owned));
        // What is within an item that is kept is told with it.
        extra.retain(|(field, _)| !kept.keys().any(|kept| field.starts_with(kept)));
        let rest = extra.len().saturating_sub(MOST);
        let released = kept.into_iter().map(|(field, managers)| Note::Released {
            field,
            managers: managers.into_iter().collect(),
        });
        let extra = extra.into_iter().take(MOST);
        let mut notes: Vec<Note> =
            released.chain(extra.map(|(field, manager)| Note::Extra { field, manager })).collect();
        if rest > 0 {
            notes.push(Note::MoreExtra { count: rest });
        }
        notes
    }

    /// What the plan lets go of and others keep, with those.
    fn kept(
        &self,
        others: &[ManagedEntry],
        let_go: &FieldSet,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let mut kept: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for other in others {
            for path in outermost(&other.fields.intersection(let_go), &FieldSet::new()) {
                if holds(self.after, &path) && !self.is_contested(&path) {
                    kept.entry(path_text(&path)).or_default().insert(other.manager.clone());
                }
            }
        }
        kept
    }

    /// What only others set, each with who does.
    fn extra(&self, others: &[ManagedEntry], known: &FieldSet) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        let by_hand =
            |entry: &&ManagedEntry| entry.subresource.is_none() && !is_controller(&entry.manager);
        for other in others.iter().filter(by_hand) {
            // Fields of another API version may have no place in this one.
            let paths = outermost(&other.fields, known)
                .into_iter()
                .filter(|path| is_told(path) && holds(self.live, path) && !self.is_contested(path));
            found.extend(paths.map(|path| (path_text(&path), other.manager.clone())));
        }
        found
    }

    /// What is kept as it is was left out of the state, and is told already.
    fn is_contested(&self, path: &[Step]) -> bool {
        let text = path_text(path);
        self.contested.iter().any(|field| field.field.starts_with(&text))
    }
}

/// The paths of a set that nothing of `known` is at, above or within. An item of
/// a list is one path, whatever its owner sets in it.
fn outermost(set: &FieldSet, known: &FieldSet) -> Vec<Vec<Step>> {
    let mut out = Vec::new();
    look(set, Some(known), &mut Vec::new(), &mut out);
    out
}

fn look(set: &FieldSet, known: Option<&FieldSet>, path: &mut Vec<Step>, out: &mut Vec<Vec<Step>>) {
    for (step, inner) in set.steps() {
        let known = known.and_then(|known| known.at(std::slice::from_ref(step)));
        if known.is_some_and(FieldSet::is_leaf) {
            continue;
        }
        path.push(step.clone());
        let item = !matches!(step, Step::Field(_));
        if known.is_none() && inner.is_member() && (item || inner.is_leaf()) {
            out.push(path.clone());
        } else {
            look(inner, known, path, out);
        }
        path.pop();
    }
}

/// Of metadata people set labels and annotations; status is nobody's wish.
fn is_told(path: &[Step]) -> bool {
    let name = |place: usize| match path.get(place) {
        Some(Step::Field(name)) => name.as_str(),
        _ => "",
    };
    match (name(0), name(1)) {
        ("status", _) => false,
        ("metadata", "labels") => true,
        ("metadata", "annotations") => name(2) != LAST_APPLIED,
        ("metadata", _) => false,
        _ => true,
    }
}
