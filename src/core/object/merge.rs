//! Server-side apply on values. Owns how an applied object merges into a live
//! one, who then owns what, and what conflicts; it must never know of versions,
//! uids or defaults: those are the server's.

use super::compare::compare;
use super::fields::{FieldSet, Step, fields_of, item_step, path_text, strip};
use super::managed::{ManagedEntry, Operation, managed_of};
use super::schema::{ListKind, Node, shape_of};
use super::{KindRef, managed};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Who applies.
#[derive(Clone, Copy, Debug)]
pub struct Applier<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Take fields over from others.
    pub force: bool,
    /// The instant for `managedFields`, RFC 3339.
    pub time: &'a str,
}

/// What an apply makes of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The merged object, `metadata.managedFields` left out.
    pub object: Value,
    /// The managers after it.
    pub managed: Vec<ManagedEntry>,
    /// Whether anything differs from the live object: values or owners.
    pub changed: bool,
}

/// A field whose value would change and that another manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The field.
    pub path: Vec<Step>,
    /// The other manager's entry.
    pub owner: ManagedEntry,
}

impl Conflict {
    /// The field as the server writes it.
    #[must_use]
    pub fn field(&self) -> String {
        path_text(&self.path)
    }
}

/// Applies `applied`, the whole of what `applier` wants, to `live`.
///
/// # Errors
/// Without force: every field that another manager owns and whose value would
/// change.
pub fn apply(
    kind: &KindRef,
    live: Option<&Value>,
    applied: &Value,
    applier: &Applier<'_>,
) -> Result<Applied, Vec<Conflict>> {
    let node = shape_of(kind);
    let empty = Value::Object(Map::new());
    let mut base = live.unwrap_or(&empty).clone();
    let before = live.map(managed_of).unwrap_or_default();
    take_managed(&mut base);

    let wanted = fields_of(kind, applied);
    let mut ours = ManagedEntry {
        manager: applier.manager.to_owned(),
        operation: Operation::Apply,
        api_version: kind.api_version.clone(),
        subresource: None,
        time: Some(applier.time.to_owned()),
        fields: wanted.clone(),
    };
    let (previous, mut others): (Vec<_>, Vec<_>) =
        before.iter().cloned().partition(|entry| entry.same_manager(&ours));
    let previous = previous.into_iter().next();

    let mut object = merge(node, &base, applied);
    take_managed(&mut object);
    if let Some(previous) = &previous {
        let keep = others.iter().fold(wanted.clone(), |set, other| set.union(&other.fields));
        let gone = previous.fields.difference(&keep);
        object = prune(node, &object, &gone, &keep);
    }

    let mut change = compare(kind, &base, &object);
    strip(&mut change.written);
    settle(&mut others, &change.written, &change.removed, applier.force)?;

    let same_values = change.is_empty();
    if let Some(previous) = previous
        && same_values
        && previous.fields == wanted
    {
        ours.time = previous.time;
    }
    let mut managed = others;
    if !wanted.is_empty() {
        managed.push(ours);
    }
    let changed = live.is_none()
        || !same_values
        || managed::write_managed(&managed) != managed::write_managed(&before);
    Ok(Applied { object, managed, changed })
}

/// Finds the conflicts of a change with the other managers; with force takes
/// the fields from them. What is gone is nobody's.
fn settle(
    others: &mut Vec<ManagedEntry>,
    written: &FieldSet,
    removed: &FieldSet,
    force: bool,
) -> Result<(), Vec<Conflict>> {
    let mut conflicts = Vec::new();
    for other in others.iter_mut() {
        let both = other.fields.intersection(written);
        if !force {
            let owner = other.clone();
            conflicts.extend(
                both.paths().into_iter().map(|path| Conflict { path, owner: owner.clone() }),
            );
        }
        other.fields = other.fields.difference(&both).difference(removed);
    }
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    others.retain(|other| !other.fields.is_empty());
    Ok(())
}

/// The managers after a write that is not an apply: `manager` owns what it
/// changed, and everybody else what is left.
#[must_use]
pub fn update(
    kind: &KindRef,
    live: Option<&Value>,
    new: &Value,
    manager: &str,
    subresource: Option<&str>,
    time: &str,
) -> Vec<ManagedEntry> {
    let empty = Value::Object(Map::new());
    let mut change = compare(kind, live.unwrap_or(&empty), new);
    strip(&mut change.written);
    let mut managed = live.map(managed_of).unwrap_or_default();
    let mut ours = ManagedEntry {
        manager: manager.to_owned(),
        operation: Operation::Update,
        api_version: kind.api_version.clone(),
        subresource: subresource.map(str::to_owned),
        time: Some(time.to_owned()),
        fields: FieldSet::new(),
    };
    for entry in &mut managed {
        if entry.same_manager(&ours) {
            ours.time = entry.time.clone();
            ours.fields = entry.fields.difference(&change.removed);
        } else {
            entry.fields = entry.fields.difference(&change.written).difference(&change.removed);
        }
    }
    if !change.written.is_empty() {
        ours.fields = ours.fields.union(&change.written);
        ours.time = Some(time.to_owned());
    }
    managed.retain(|entry| !entry.same_manager(&ours) && !entry.fields.is_empty());
    if !ours.fields.is_empty() {
        managed.push(ours);
    }
    managed
}

fn take_managed(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// `right` over `left`, by the schema.
pub(super) fn merge(node: &'static Node, left: &Value, right: &Value) -> Value {
    if node.atomic() {
        return right.clone();
    }
    match (left, right) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let mut out = ours.clone();
            for (name, value) in theirs {
                let inner = node.field(name).0;
                let merged = match ours.get(name) {
                    Some(old) => merge(inner, old, value),
                    None => merge(inner, &Value::Null, value),
                };
                out.insert(name.clone(), merged);
            }
            Value::Object(out)
        }
        (Value::Array(ours), Value::Array(theirs)) => match node {
            Node::List { of, kind } => Value::Array(merge_items(of, kind, ours, theirs)),
            _ => right.clone(),
        },
        _ => right.clone(),
    }
}

/// Interleaves two associative lists: both orders are kept, and where they
/// contradict each other the applied one wins.
fn merge_items(of: &'static Node, kind: &ListKind, left: &[Value], right: &[Value]) -> Vec<Value> {
    let live: BTreeMap<Step, &Value> =
        left.iter().map(|item| (item_step(kind, item), item)).collect();
    let wanted: Vec<(Step, &Value)> =
        right.iter().map(|item| (item_step(kind, item), item)).collect();
    let mut out = Vec::with_capacity(left.len() + right.len());
    let mut next = 0;
    let mut emitted = std::collections::BTreeSet::new();
    for item in left {
        let step = item_step(kind, item);
        let Some(place) = wanted.iter().position(|(other, _)| *other == step) else {
            out.push(item.clone());
            continue;
        };
        while next <= place {
            push_item(of, &live, &wanted[next], &mut emitted, &mut out);
            next += 1;
        }
    }
    for pair in wanted.iter().skip(next) {
        push_item(of, &live, pair, &mut emitted, &mut out);
    }
    out
}

fn push_item(
    of: &'static Node,
    live: &BTreeMap<Step, &Value>,
    (step, item): &(Step, &Value),
    emitted: &mut std::collections::BTreeSet<Step>,
    out: &mut Vec<Value>,
) {
    if emitted.insert(step.clone()) {
        out.push(live.get(step).map_or_else(|| (*item).clone(), |old| merge(of, old, item)));
    }
}

/// Takes out the fields in `gone`; a container that this empties goes too,
/// unless somebody keeps it.
fn prune(node: &'static Node, value: &Value, gone: &FieldSet, keep: &FieldSet) -> Value {
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            for (name, value) in map {
                let step = [Step::field(name)];
                let kept = prune_one(node.field(name).0, value, &step, gone, keep);
                if let Some(kept) = kept {
                    out.insert(name.clone(), kept);
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => match node {
            Node::List { of, kind } if *kind != ListKind::Atomic => items
                .iter()
                .filter_map(|item| prune_one(of, item, &[item_step(kind, item)], gone, keep))
                .collect(),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

fn prune_one(
    node: &'static Node,
    value: &Value,
    step: &[Step],
    gone: &FieldSet,
    keep: &FieldSet,
) -> Option<Value> {
    let Some(inner) = gone.at(step) else { return Some(value.clone()) };
    let none = FieldSet::new();
    let keep = keep.at(step).unwrap_or(&none);
    // A map's field stays for what anybody owns within it; a list's item only
    // for those who own the item itself, as on the real server.
    let held = match step {
        [Step::Field(_)] => !keep.is_empty(),
        _ => keep.is_member(),
    };
    if inner.is_member() && !held {
        return None;
    }
    let left = prune(node, value, inner, keep);
    let emptied = is_empty_container(&left) && !is_empty_container(value);
    (!emptied || held).then_some(left)
}

fn is_empty_container(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
