//! Differences by the names that people gave. Owns how the copies that revisions
//! have of one ConfigMap or Secret are shown as the one object that they are of;
//! it must never change what is saved or applied.

use super::preview::Difference;
use crate::core::diff::{Change, Note, diff};
use crate::core::object::ObjectRef;
use crate::core::strategy::BodyTable;
use crate::core::strategy::workload::set;
use serde_json::{Value, json};
use std::sync::Arc;

/// An object as it is, and as the steps leave it.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) live: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

/// Shows a copy that goes and the one that comes for it as one change.
pub(super) fn by_plain_names(mut found: Vec<Difference>, table: &BodyTable) -> Vec<Difference> {
    let plain = |one: &Difference| table.plain(&one.object).cloned();
    let goes = |one: &Difference| one.ends.after.is_none() && one.ends.live.is_some();
    for gone in 0..found.len() {
        let Some(one) = found.get(gone).filter(|one| goes(one)) else { continue };
        let Some(name) = plain(one) else { continue };
        let (from, live) = (one.object.clone(), one.ends.live.clone());
        let comes = |one: &Difference| one.ends.after.is_some() && plain(one) == Some(name.clone());
        let Some(come) = found.iter_mut().find(|one| comes(one)) else { continue };
        let named = |value: &Option<Arc<Value>>| {
            let mut named = Value::clone(value.as_deref()?);
            set(&mut named, &["metadata", "name"], json!(name.name));
            Some(named)
        };
        let note = beside(&from, &come.object);
        let notes = come.shown.take().into_iter().flat_map(|shown| shown.notes).chain([note]);
        let shown = diff(&name, named(&live).as_ref(), named(&come.ends.after).as_ref());
        come.shown = (shown.change != Change::None).then(|| shown.with_notes(notes));
        if let Some(one) = found.get_mut(gone) {
            one.shown = None;
        }
    }
    found
}

fn beside(from: &ObjectRef, to: &ObjectRef) -> Note {
    Note::Copies { from: from.name.clone(), to: to.name.clone() }
}
