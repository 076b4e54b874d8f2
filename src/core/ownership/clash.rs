//! Two owners that give items of one list one name: either is right, and the
//! server refuses both together without a word of whose they are. Owns those
//! words.

use crate::core::object::{
    Applier, ManagedEntry, ObjectRef, Step, Twins, apply, fields_beside, managed_of, path_text,
    twins,
};
use serde_json::Value;

/// What is clashing once `manager` applies `state` over `live`, in words.
#[must_use]
pub fn clash(object: &ObjectRef, live: &Value, state: &Value, manager: &str) -> Option<String> {
    let kind = object.kind_ref();
    let applier = Applier { manager, force: true, time: "" };
    let merged = apply(&kind, Some(live), state, &applier).ok()?.object;
    let wanted = fields_beside(&kind, live, state);
    let others: Vec<ManagedEntry> =
        managed_of(live).into_iter().filter(|entry| entry.manager != manager).collect();
    twins(&kind, &merged).into_iter().find_map(|Twins { list, name, items }| {
        let at = |item: &Step| [list.as_slice(), std::slice::from_ref(item)].concat();
        let (ours, theirs): (Vec<&Step>, Vec<&Step>) =
            items.iter().partition(|item| wanted.at(&at(item)).is_some());
        let (our, their) = (ours.first()?, theirs.first()?);
        let owner = others.iter().find(|entry| entry.fields.at(&at(their)).is_some())?;
        let item = |step: &Step| path_text(std::slice::from_ref(step));
        Some(format!(
            "{} has {name:?} twice: {} is the plan's, and {} stays, because {:?} owns it too; \
             name one of them otherwise, or have {:?} give it up",
            path_text(&list),
            item(our),
            item(their),
            owner.manager,
            owner.manager,
        ))
    })
}
