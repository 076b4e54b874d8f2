//! Server-side apply on values. Owns how an applied object merges into a live
//! one, who then owns what, and what conflicts; it must never know of versions,
//! uids or defaults: those are the server's.

use super::compare::{compare, compare_in};
use super::fields::{FieldSet, Step, fields_in, item_step, path_text, strip, walk};
use super::learned::{shape_beside, shape_by};
use super::managed::{ManagedEntry, Operation, managed_of};
use super::schema::{ListKind, Node};
use super::{KindRef, managed};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The metadata that only the server writes.
const IDENTITY: [&str; 9] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generateName",
    "generation",
    "name",
    "namespace",
    "resourceVersion",
    "uid",
];

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
    let base = live.map(|live| {
        let mut base = live.clone();
        take_managed(&mut base);
        base
    });
    let before = live.map(managed_of).unwrap_or_default();
    apply_to(kind, base.as_ref().map(|base| (base, before.as_slice())), applied, applier)
}

/// As [`apply`], to an object without `managedFields` and its managers.
///
/// # Errors
/// See [`apply`].
pub fn apply_to(
    kind: &KindRef,
    live: Option<(&Value, &[ManagedEntry])>,
    applied: &Value,
    applier: &Applier<'_>,
) -> Result<Applied, Vec<Conflict>> {
    let empty = Value::Object(Map::new());
    let (base, before) = live.unwrap_or((&empty, &[]));
    let node = &*shape_by(kind, before);

    let wanted = fields_in(node, applied);
    let mut ours = ManagedEntry {
        manager: applier.manager.to_owned(),
        operation: Operation::Apply,
        api_version: kind.api_version.clone(),
        subresource: None,
        time: Some(applier.time.to_owned()),
        fields: Arc::new(wanted.clone()),
    };
    let (previous, mut others): (Vec<_>, Vec<_>) =
        before.iter().cloned().partition(|entry| entry.same_manager(&ours));
    let previous = previous.into_iter().next();

    let mut object = merge(node, base, applied);
    take_managed(&mut object);
    // What is still wanted is never taken out, nor is anything above it.
    if let Some(previous) = previous.as_ref().filter(|p| !wanted.contains_all(&p.fields)) {
        let mut managed = wanted.clone();
        others.iter().for_each(|other| managed.absorb(&other.fields));
        object = prune(node, &object, &previous.fields, &managed);
        keep_identity(base, &mut object);
    }

    let mut change = compare_in(node, base, &object);
    strip(&mut change.written);
    settle(&mut others, &change.written, &change.removed, applier.force)?;

    let same_values = change.is_empty();
    if same_values && live.is_some() {
        // Who takes on what is there already has no instant of its own.
        ours.time = previous.and_then(|previous| previous.time);
    }
    let mut managed = others;
    if !wanted.is_empty() {
        managed.push(ours);
    }
    let changed = live.is_none() || !same_values || !managed::same_managed(&managed, before);
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
        other.lose(&both);
        other.lose(removed);
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
    let before = live.map(managed_of).unwrap_or_default();
    update_of(kind, (live.unwrap_or(&empty), before), new, manager, subresource, time)
}

/// As [`update`], with the managers until now apart from the object.
#[must_use]
pub fn update_of(
    kind: &KindRef,
    (live, mut managed): (&Value, Vec<ManagedEntry>),
    new: &Value,
    manager: &str,
    subresource: Option<&str>,
    time: &str,
) -> Vec<ManagedEntry> {
    let mut change = compare(kind, live, new);
    strip(&mut change.written);
    let mut ours = ManagedEntry {
        manager: manager.to_owned(),
        operation: Operation::Update,
        api_version: kind.api_version.clone(),
        subresource: subresource.map(str::to_owned),
        time: Some(time.to_owned()),
        fields: Arc::default(),
    };
    for entry in &mut managed {
        if entry.same_manager(&ours) {
            ours.time = entry.time.clone();
            ours.fields = Arc::clone(&entry.fields);
            ours.lose(&change.removed);
        } else {
            entry.lose(&change.written);
            entry.lose(&change.removed);
        }
    }
    if !change.written.is_empty() {
        Arc::make_mut(&mut ours.fields).absorb(&change.written);
        ours.time = Some(time.to_owned());
    }
    managed.retain(|entry| !entry.same_manager(&ours) && !entry.fields.is_empty());
    if !ours.fields.is_empty() {
        managed.push(ours);
    }
    managed
}

/// What makes an object this one is nobody's to take out.
fn keep_identity(base: &Value, object: &mut Value) {
    let Some(there) = base.get("metadata").and_then(Value::as_object) else { return };
    let Some(object) = object.as_object_mut() else { return };
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else { return };
    for name in IDENTITY {
        if let Some(value) = there.get(name) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
}

fn take_managed(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// `right` over `left`, by the schema.
pub(super) fn merge(node: &Node, left: &Value, right: &Value) -> Value {
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

/// Interleaves two associative lists in the order of the real server, which is
/// not always the one that one would choose: items of the live list that are
/// not applied keep their place, as far as the applied order lets them.
fn merge_items(of: &Node, kind: &ListKind, left: &[Value], right: &[Value]) -> Vec<Value> {
    let steps =
        |items: &[Value]| -> Vec<Step> { items.iter().map(|item| item_step(kind, item)).collect() };
    let (ours, theirs) = (steps(left), steps(right));
    let live: BTreeMap<&Step, &Value> = ours.iter().zip(left).collect();
    let wanted: BTreeSet<&Step> = theirs.iter().collect();
    let mut shared = theirs.iter().filter(|step| live.contains_key(step)).peekable();
    let mut done: BTreeSet<&Step> = BTreeSet::new();
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if let (Some(our), Some(their)) = (ours.get(l), theirs.get(r)) {
            if our == their {
                done.insert(our);
                out.push(merge_item(of, live.get(our).copied(), &right[r]));
                (l, r) = (l + 1, r + 1);
                shared.next();
                continue;
            }
            if wanted.contains(our) && shared.peek().is_some_and(|next| *next != our) {
                l += 1;
                continue;
            }
        }
        if let Some(our) = ours.get(l) {
            if !wanted.contains(our) {
                out.push(left[l].clone());
                l += 1;
                continue;
            }
            if done.contains(our) {
                l += 1;
            }
        }
        if let Some(their) = theirs.get(r) {
            done.insert(their);
            out.push(merge_item(of, live.get(their).copied(), &right[r]));
            r += 1;
            if shared.peek() == Some(&their) {
                shared.next();
            }
        }
    }
    out
}

fn merge_item(of: &Node, old: Option<&Value>, item: &Value) -> Value {
    old.map_or_else(|| item.clone(), |old| merge(of, old, item))
}

/// Takes out what the manager owned until now and nobody owns any more, with
/// what the server itself put into it. In the steps of the real server: take
/// out all that was owned, put back what somebody owns, and of the rest put
/// back the items that were never this manager's.
fn prune(node: &Node, merged: &Value, last: &FieldSet, managed: &FieldSet) -> Value {
    let last = last.with_named(node);
    let whole = all_of(node, merged);
    let pruned = all_of(node, &cut(node, merged, &last));
    let gone = whole.difference(&pruned.union(&managed.with_named(node)));
    let owned = all_of(node, &cut(node, merged, &gone));
    cut(node, merged, &whole.difference(&owned).intersection(&last))
}

fn all_of(node: &Node, value: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    walk(node, value, &mut set);
    set.with_named(node)
}

/// What is applied over a live object, without the fields of a set; a map that
/// this empties goes too.
#[must_use]
pub fn without(kind: &KindRef, live: &Value, object: &Value, fields: &FieldSet) -> Value {
    cut(&shape_beside(kind, Some(live)), object, fields)
}

/// A value without the fields of a set; a container that this empties goes too.
fn cut(node: &Node, value: &Value, gone: &FieldSet) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter_map(|(name, value)| {
                let inner = gone.at(&[Step::field(name)]);
                Some((name.clone(), cut_one(node.field(name).0, value, inner)?))
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => match node {
            Node::List { of, kind } if *kind != ListKind::Atomic => items
                .iter()
                .filter_map(|item| cut_one(of, item, gone.at(&[item_step(kind, item)])))
                .collect(),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

fn cut_one(node: &Node, value: &Value, gone: Option<&FieldSet>) -> Option<Value> {
    let Some(gone) = gone else { return Some(value.clone()) };
    if gone.is_member() {
        return None;
    }
    let left = cut(node, value, gone);
    let emptied = is_empty_container(&left) && !is_empty_container(value);
    (!emptied).then_some(left)
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
