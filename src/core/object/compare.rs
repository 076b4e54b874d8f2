//! What differs between two states of an object, by its schema, and whether an
//! apply would certainly change nothing. Owns sameness; when in doubt it must
//! say "different": a false "unchanged" would hide a change.

use super::fields::{FieldSet, Step, fields_in, item_step, walk};
use super::learned::shape_beside;
use super::managed::applied_by;
use super::merge::merge;
use super::schema::{ListKind, Node, shape_of};
use super::{KindRef, ObjectRef};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The difference between two states of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Fields that are new or have another value.
    pub written: FieldSet,
    /// Fields that are gone.
    pub removed: FieldSet,
    reordered: bool,
}

impl Change {
    /// Whether the two states are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty() && !self.reordered
    }
}

/// Compares two states of an object.
#[must_use]
pub fn compare(kind: &KindRef, old: &Value, new: &Value) -> Change {
    compare_in(shape_of(kind), old, new)
}

/// The same by a shape.
pub(super) fn compare_in(node: &Node, old: &Value, new: &Value) -> Change {
    let mut change = Change::default();
    differ(node, Some(old), Some(new), &mut Vec::new(), &mut change);
    change
}

fn differ(
    node: &Node,
    old: Option<&Value>,
    new: Option<&Value>,
    path: &mut Vec<Step>,
    change: &mut Change,
) {
    match (old, new) {
        (Some(old), Some(new)) if old == new => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) if !node.atomic() => {
            let mut field = |name: &String, old, new| {
                path.push(Step::field(name));
                differ(node.field(name).0, old, new, path, change);
                path.pop();
            };
            for (name, old) in a {
                let new = b.get(name);
                if new != Some(old) {
                    field(name, Some(old), new);
                }
            }
            for (name, new) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                field(name, None, Some(new));
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if !node.atomic() => match node {
            Node::List { of, kind } => differ_items(of, kind, (a, b), path, change),
            _ => change.written.insert(path),
        },
        // What is written as null is there all the same, and empty.
        (Some(Value::Null), Some(Value::Array(b))) if !node.atomic() => match node {
            Node::List { of, kind } => differ_items(of, kind, (&[], b), path, change),
            _ => change.written.insert(path),
        },
        (None, Some(new)) => whole(node, new, path, &mut change.written),
        (Some(old), None) => whole(node, old, path, &mut change.removed),
        (Some(_), Some(_)) => change.written.insert(path),
        (None, None) => {}
    }
}

fn differ_items(
    of: &Node,
    kind: &ListKind,
    (old, new): (&[Value], &[Value]),
    path: &mut Vec<Step>,
    change: &mut Change,
) {
    let by_step =
        |items: &[Value]| -> Vec<Step> { items.iter().map(|item| item_step(kind, item)).collect() };
    let (old_steps, new_steps) = (by_step(old), by_step(new));
    let before: BTreeMap<&Step, &Value> = old_steps.iter().zip(old).collect();
    let after: BTreeMap<&Step, &Value> = new_steps.iter().zip(new).collect();
    let kept: Vec<&Step> = old_steps.iter().filter(|step| after.contains_key(step)).collect();
    let still: Vec<&Step> = new_steps.iter().filter(|step| before.contains_key(step)).collect();
    change.reordered |= kept != still;
    let all: std::collections::BTreeSet<&Step> =
        before.keys().chain(after.keys()).copied().collect();
    for step in all {
        path.push(step.clone());
        differ(of, before.get(step).copied(), after.get(step).copied(), path, change);
        path.pop();
    }
}

/// Adds a whole value's fields and the value itself: who adds a map owns that
/// it is there.
fn whole(node: &Node, value: &Value, path: &[Step], set: &mut FieldSet) {
    let mut inner = FieldSet::new();
    walk(node, value, &mut inner);
    set.graft(path, inner);
}

/// Whether applying `desired` by `manager` would certainly change nothing: the
/// fields that it owns on `live`, and their values, are exactly those it would
/// apply. An object that cannot be read is simply not provably unchanged.
#[must_use]
pub fn unchanged(live: &Value, desired: &Value, manager: &str) -> bool {
    would_hold(live, desired, manager, None)
}

/// As [`unchanged`], without the fields for whose path `skip` holds.
#[must_use]
pub fn unchanged_except(
    live: &Value,
    desired: &Value,
    manager: &str,
    skip: &dyn Fn(&[Step]) -> bool,
) -> bool {
    would_hold(live, desired, manager, Some(skip))
}

type Skip<'a> = &'a dyn Fn(&[Step]) -> bool;

fn would_hold(live: &Value, desired: &Value, manager: &str, skip: Option<Skip<'_>>) -> bool {
    let (Some(there), Some(wanted)) = (ObjectRef::of(live), ObjectRef::of(desired)) else {
        return false;
    };
    let same_name = wanted.name == there.name
        && (wanted.namespace.is_none() || wanted.namespace == there.namespace);
    if !same_name || wanted.kind_ref() != there.kind_ref() {
        return false;
    }
    let kind = wanted.kind_ref();
    let mine = applied_by(live, manager);
    // Two entries are of two API versions: their fields are not comparable.
    let [entry] = mine.as_slice() else { return false };
    if entry.api_version != kind.api_version {
        return false;
    }
    let node = &*shape_beside(&kind, Some(live));
    let Some(skip) = skip else {
        return entry.fields.same_leaves(&fields_in(node, desired)) && holds(node, live, desired);
    };
    let mut desired = desired.clone();
    drop_skipped(&mut desired, &mut Vec::new(), skip);
    let without = |set: &FieldSet| {
        let mut out = FieldSet::new();
        set.leaves().paths().iter().filter(|path| !skip(path)).for_each(|path| out.insert(path));
        out
    };
    without(&entry.fields) == without(&fields_in(node, &desired)) && holds(node, live, &desired)
}

/// Whether merging `desired` into `live` gives `live` again.
fn holds(node: &Node, live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (Value::Object(ours), Value::Object(theirs)) if !node.atomic() => {
            theirs.iter().all(|(name, theirs)| {
                ours.get(name).is_some_and(|ours| holds(node.field(name).0, ours, theirs))
            })
        }
        (Value::Array(_), Value::Array(_)) => same(node, live, &merge(node, live, desired)),
        _ => same(node, live, desired),
    }
}

fn drop_skipped(value: &mut Value, path: &mut Vec<Step>, skip: &dyn Fn(&[Step]) -> bool) {
    let Value::Object(map) = value else { return };
    let old = std::mem::take(map);
    for (name, mut inner) in old {
        path.push(Step::Field(name.clone()));
        if !skip(path) {
            let before = inner.as_object().map_or(0, Map::len);
            drop_skipped(&mut inner, path, skip);
            // A map of nothing but skipped fields was never applied.
            if before == 0 || inner.as_object().is_some_and(|inner| !inner.is_empty()) {
                map.insert(name, inner);
            }
        }
        path.pop();
    }
}

/// Equal values; two spellings of one quantity are equal too.
fn same(node: &Node, a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, value)| {
                    b.get(name).is_some_and(|other| same(node.field(name).0, value, other))
                })
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(node.item(), a, b))
        }
        _ if *node == Node::Quantity => {
            a == b || quantity(a).is_some_and(|q| Some(q) == quantity(b))
        }
        _ => a == b,
    }
}

/// A quantity in thousandths, if that is exact.
fn quantity(value: &Value) -> Option<i128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let scale: i128 = match suffix {
        "m" => 1,
        "" => 1000,
        "k" => 1000 * 1000,
        "M" => 1000 * 1000_i128.pow(2),
        "G" => 1000 * 1000_i128.pow(3),
        "T" => 1000 * 1000_i128.pow(4),
        "Ki" => 1000 * 1024,
        "Mi" => 1000 * 1024_i128.pow(2),
        "Gi" => 1000 * 1024_i128.pow(3),
        "Ti" => 1000 * 1024_i128.pow(4),
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || whole.len() > 15 || whole.starts_with(['-', '+']) {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let scaled = digits.checked_mul(scale)?;
    (scaled % divisor == 0).then_some(scaled / divisor)
}
