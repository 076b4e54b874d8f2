//! Whether what would be done now is still what was reviewed. Owns the rule and
//! the words for each difference; why the rule is sound is said in
//! [`super`].

use super::patch::ITSELF;
use super::{Field, Operation, SavedEntity, SavedObject, SavedTarget, Standing};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// More differences than people read at once.
const MOST: usize = 20;

/// What differs, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale(Vec<String>);

impl Stale {
    /// The differences; of many, the first ones and how many there are.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.0.iter().take(MOST).cloned().collect();
        if let Some(more) = self.0.len().checked_sub(MOST).filter(|more| *more > 0) {
            lines.push(format!("and {more} more"));
        }
        lines
    }
}

/// Compares what was reviewed with what would be done now; both are sealed.
///
/// # Errors
/// Says what differs.
pub fn compare(saved: &SavedTarget, now: &SavedTarget) -> Result<(), Stale> {
    let mut lines = Vec::new();
    for revision in now.publications.iter().filter(|r| !saved.publications.contains(r)) {
        lines.push(format!("revision {revision} would be published, which was not reviewed"));
    }
    let known: BTreeMap<_, _> = saved.entities.iter().map(|e| (&e.entity, e)).collect();
    for entity in &now.entities {
        match known.get(&entity.entity) {
            Some(saved) => compare_entity(saved, entity, &mut lines),
            None => unknown(entity, &mut lines),
        }
    }
    if lines.is_empty() { Ok(()) } else { Err(Stale(lines)) }
}

fn unknown(now: &SavedEntity, lines: &mut Vec<String>) {
    if matches!(now.state, Standing::Rests | Standing::GoesBack) {
        return;
    }
    lines.push(format!("{}: it was not in the plan that was reviewed", now.entity));
    for object in now.objects.iter().filter(|object| object.counts()) {
        new_object(object, lines);
    }
}

fn compare_entity(saved: &SavedEntity, now: &SavedEntity, lines: &mut Vec<String>) {
    match now.state {
        Standing::Rests | Standing::GoesBack => {}
        // What the reviewed steps lead to may have to be recorded.
        Standing::Records if !saved.steps.is_empty() || saved.message == now.message => {}
        Standing::Records => {
            let message = now.message.as_deref().unwrap_or_default();
            lines.push(format!("{}: it would be recorded that {message}", now.entity));
        }
        Standing::Steps => compare_steps(saved, now, lines),
    }
}

fn compare_steps(saved: &SavedEntity, now: &SavedEntity, lines: &mut Vec<String>) {
    let ids = |entity: &SavedEntity| -> Vec<String> {
        entity.steps.iter().map(|step| step.id.0.clone()).collect()
    };
    let (reviewed, left) = (ids(saved), ids(now));
    let is_end = reviewed.ends_with(&left);
    if !is_end {
        let names = |entity: &SavedEntity| -> String {
            let names = entity.steps.iter().map(|step| format!("{} ({})", step.name, step.id));
            let names: Vec<String> = names.collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let (before, after) = (names(saved), names(now));
        lines.push(format!("{}: steps reviewed: {before}; now: {after}", now.entity));
    }
    if saved.sizes != now.sizes
        && let (Some(before), Some(after)) = (saved.sizes, now.sizes)
    {
        lines.push(format!("{}: sizes reviewed: {before}; now: {after}", now.entity));
    }
    let begun = is_end && (now.open || left.len() < reviewed.len());
    let known: BTreeMap<_, _> = saved.objects.iter().map(|o| (&o.object, o)).collect();
    for object in now.objects.iter().filter(|object| object.counts()) {
        match known.get(&object.object) {
            Some(saved) => compare_object(saved, object, begun, lines),
            None => new_object(object, lines),
        }
    }
    let there: BTreeSet<_> = now.objects.iter().map(|object| &object.object).collect();
    for object in
        saved.objects.iter().filter(|o| !begun && o.counts() && !there.contains(&o.object))
    {
        lines.push(format!("{}: it was reviewed, and differs no more", object.object));
    }
}

fn new_object(object: &SavedObject, lines: &mut Vec<String>) {
    if object.changed().any(|field| field.path == ITSELF) {
        let what = if object.uid.is_some() { "deleted" } else { "created" };
        lines.push(format!("{}: it would be {what}, which was not reviewed", object.object));
        return;
    }
    for field in object.changed() {
        lines.push(format!("{} {}: not reviewed; now {}", object.object, field.path, words(field)));
    }
}

fn compare_object(saved: &SavedObject, now: &SavedObject, begun: bool, lines: &mut Vec<String>) {
    let object = &now.object;
    if let (Some(before), Some(after)) = (&saved.uid, &now.uid)
        && before != after
    {
        lines.push(format!(
            "{object}: it was deleted and created again (uid reviewed: {before}; now: {after})"
        ));
    }
    for source in &now.sources {
        if !saved.sources.iter().any(|known| known.blob == source.blob) {
            lines.push(format!(
                "{object}: it has values that are not shown, and {} has changed: blob {} was not \
                 reviewed",
                source.path,
                source.blob.get(..10).unwrap_or(&source.blob)
            ));
        }
    }
    for conflict in now.conflicts.iter().filter(|conflict| !saved.conflicts.contains(conflict)) {
        lines.push(format!("{object}: not reviewed: {conflict}"));
    }
    let known: BTreeMap<&str, &Field> =
        saved.fields.iter().map(|field| (field.path.as_str(), field)).collect();
    // Its namespace may be there by now, and the server fills in what was
    // reviewed: as it does in a run that is not interrupted.
    let fills_in = saved.unverified && saved.operation == Operation::Create;
    // What the steps make and take away again, others may add to meanwhile: it
    // goes with the object, and nothing of it is written.
    let goes = begun && passes(saved) && now.fields.iter().any(|f| f.path == ITSELF);
    for field in now.changed() {
        let Some(reviewed) = known.get(field.path.as_str()) else {
            if fills_in && field.from.is_none() || goes && field.to.is_none() {
                continue;
            }
            lines.push(format!("{object} {}: not reviewed; now {}", field.path, words(field)));
            continue;
        };
        let ours = begun && reviewed.through.contains(&field.from);
        if reviewed.to != field.to || !(reviewed.from == field.from || ours) {
            lines.push(format!(
                "{object} {}: reviewed {}; now {}",
                field.path,
                words(reviewed),
                words(field)
            ));
        }
    }
    if begun || fills_in {
        return;
    }
    let there: BTreeSet<&str> = now.changed().map(|field| field.path.as_str()).collect();
    for field in saved.changed().filter(|field| !there.contains(field.path.as_str())) {
        let path = &field.path;
        lines.push(format!("{object} {path}: reviewed {}; now nothing changes", words(field)));
    }
}

/// Whether an object is there only on the way.
fn passes(saved: &SavedObject) -> bool {
    let itself = saved.fields.iter().find(|field| field.path == ITSELF);
    itself.is_some_and(|itself| itself.from.is_none() && itself.to.is_none())
}

/// A change in words.
fn words(field: &Field) -> String {
    if field.path == ITSELF {
        return match (&field.from, &field.to) {
            (None, _) => "its creation",
            (_, None) => "its deletion",
            _ => "a change",
        }
        .to_owned();
    }
    let value = |value: &Option<Value>| {
        value.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
    };
    format!("{} to {}", value(&field.from), value(&field.to))
}
