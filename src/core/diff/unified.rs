//! A unified diff of one object.

use super::order::order_only;
use super::{Halfway, Note, cleaned};
use crate::core::object::{FieldSet, ObjectRef, Step, compare, path_text};
use crate::core::secrecy::redacted_apart;
use crate::core::yaml::to_yaml_sorted;
use serde_json::Value;
use similar::TextDiff;
use std::collections::BTreeMap;

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// It is created and deleted again.
    Temporary,
    /// Nothing.
    None,
}

/// One object's difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDiff {
    /// The object.
    pub object: ObjectRef,
    /// What happens to it.
    pub change: Change,
    /// The lines of a unified diff with three lines of context, without file
    /// headers; empty if nothing changes.
    pub lines: Vec<String>,
    /// The fields that a change writes or removes, as paths and in order.
    pub fields: Vec<String>,
    /// What differs inside of lists that are written as a whole, since nobody
    /// knows the keys of their items; as paths and in order.
    pub inside: Vec<String>,
    /// What to know besides, in order.
    pub notes: Vec<Note>,
    /// The steps, from 0, that create it first and delete it last, if it is
    /// temporary.
    pub during: Option<(usize, usize)>,
    /// What steps make of it on the way to its end, in their order.
    pub way: Vec<Halfway>,
}

impl ObjectDiff {
    /// The same with notes, each once and in order.
    #[must_use]
    pub fn with_notes(mut self, notes: impl IntoIterator<Item = Note>) -> Self {
        self.notes.extend(notes);
        self.notes.sort();
        self.notes.dedup();
        self
    }
}

impl ObjectDiff {
    /// An object that is created, and deleted again by a later of these steps.
    #[must_use]
    pub fn temporary(self, during: (usize, usize)) -> Self {
        Self { change: Change::Temporary, during: Some(during), ..self }
    }
}

/// Compares an object as it is with what it is going to be.
#[must_use]
pub fn diff(object: &ObjectRef, live: Option<&Value>, desired: Option<&Value>) -> ObjectDiff {
    let (live, desired) = (live.map(cleaned), desired.map(cleaned));
    let (live, desired) = redacted_apart(&object.kind, live.as_ref(), desired.as_ref());
    let text = |value: &Option<Value>| value.as_ref().map_or_else(String::new, to_yaml_sorted);
    let (old, new) = (text(&live), text(&desired));
    let change = match (&live, &desired) {
        (None, Some(_)) => Change::Create,
        (Some(_), None) => Change::Delete,
        _ if old == new => Change::None,
        _ => Change::Update,
    };
    let mut found = ObjectDiff {
        object: object.clone(),
        change,
        lines: Vec::new(),
        fields: Vec::new(),
        inside: Vec::new(),
        notes: Vec::new(),
        during: None,
        way: Vec::new(),
    };
    if let (Change::Update, Some(live), Some(desired)) = (change, &live, &desired) {
        (found.fields, found.inside) = fields(object, live, desired);
        if let Some(lines) = order_only(object, live, desired) {
            return ObjectDiff { lines, notes: vec![Note::OrderOnly], ..found };
        }
    }
    if change != Change::None {
        let texts = TextDiff::from_lines(old.as_str(), new.as_str());
        let unified = texts.unified_diff().context_radius(3).to_string();
        found.lines.extend(unified.lines().map(str::to_owned));
    }
    found
}

/// The paths of what a change writes or removes, and of what differs inside of
/// lists among it.
fn fields(object: &ObjectRef, old: &Value, new: &Value) -> (Vec<String>, Vec<String>) {
    let change = compare(&object.kind_ref(), old, new);
    let (mut paths, mut inside) = (Vec::new(), Vec::new());
    for set in [&change.written, &change.removed] {
        leaves(set, &mut Vec::new(), &mut |path| {
            let text = path_text(path);
            let lists = within(old, path).zip(within(new, path));
            if let Some((old @ Value::Array(_), new @ Value::Array(_))) = lists {
                differing(&text, Some(old), Some(new), &mut inside);
            }
            paths.push(text);
        });
    }
    for list in [&mut paths, &mut inside] {
        list.sort();
        list.dedup();
    }
    (paths, inside)
}

fn leaves(set: &FieldSet, path: &mut Vec<Step>, found: &mut impl FnMut(&[Step])) {
    if set.is_leaf() && !path.is_empty() {
        found(path);
    }
    for (step, inner) in set.steps() {
        path.push(step.clone());
        leaves(inner, path, found);
        path.pop();
    }
}

/// The value at a path that leads through maps alone.
fn within<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.get(name),
        Step::Key(_) | Step::Value(_) | Step::Index(_) => None,
    })
}

/// The paths of the single values that differ; items of lists are told apart by
/// their names, or by their places.
fn differing(path: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<String>) {
    if old == new {
        return;
    }
    let mut parts: BTreeMap<String, (Option<&Value>, Option<&Value>)> = BTreeMap::new();
    for (step, value) in old.into_iter().flat_map(steps) {
        parts.entry(step).or_default().0 = Some(value);
    }
    for (step, value) in new.into_iter().flat_map(steps) {
        parts.entry(step).or_default().1 = Some(value);
    }
    let single = |value: &Value| !value.is_array() && !value.is_object();
    if parts.is_empty() || old.is_some_and(single) || new.is_some_and(single) {
        found.push(path.to_owned());
    }
    for (step, (old, new)) in parts {
        differing(&format!("{path}{step}"), old, new, found);
    }
}

/// The parts of a map or list, each by its step in a path.
fn steps(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Object(map) => map.iter().map(|(name, part)| (format!(".{name}"), part)).collect(),
        Value::Array(items) => {
            let step = |(place, item): (usize, &Value)| match item["name"].as_str() {
                Some(name) => format!("[name={name:?}]"),
                None => format!("[{place}]"),
            };
            items.iter().enumerate().map(|at| (step(at), at.1)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(value: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
               "data": {"password": value, "same": "eA=="}})
    }

    #[test]
    fn a_changed_secret_shows_that_it_changed_and_nothing_else() {
        let object = ObjectRef::of(&secret("")).unwrap();
        let got = diff(&object, Some(&secret("aHVudGVyMg==")), Some(&secret("bmV3")));
        assert_eq!(got.change, Change::Update);
        let text = got.lines.join("\n");
        assert!(text.contains("+  password: \"<redacted, changed>\""), "{text}");
        assert!(!text.contains("aHVudGVyMg") && !text.contains("bmV3"), "{text}");
        assert!(!text.contains("+  same"), "{text}");
    }

    #[test]
    fn what_differs_inside_of_a_list_without_keys_is_known_too() {
        let of = |image: &str, more: &Value| {
            json!({"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet", "metadata":
                {"name": "c"}, "spec": {"template": {"spec": {"containers":
                [{"name": "web", "image": image, "args": ["a", "b"]}, more]}}}})
        };
        let (one, two) = (json!({"name": "x"}), json!({"name": "y", "tty": true}));
        let (old, new) = (of("web:1", &one), of("web:2", &two));
        let got = diff(&ObjectRef::of(&old).unwrap(), Some(&old), Some(&new));
        let list = ".spec.template.spec.containers";
        assert_eq!(got.fields, [list]);
        let inside = ["[name=\"web\"].image", "[name=\"x\"].name", "[name=\"y\"].name"];
        let mut inside: Vec<String> = inside.iter().map(|at| format!("{list}{at}")).collect();
        inside.push(format!("{list}[name=\"y\"].tty"));
        assert_eq!(got.inside, inside);
    }

    #[test]
    fn a_change_of_order_alone_is_told_as_such() {
        let of = |env: Value| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec":
                {"template": {"spec": {"containers": [{"name": "web", "env": env}]}}}})
        };
        let one = of(json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]));
        let two = of(json!([{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]));
        let object = ObjectRef::of(&one).unwrap();
        let got = diff(&object, Some(&one), Some(&two));
        assert_eq!((got.change, got.notes.as_slice()), (Change::Update, &[Note::OrderOnly][..]));
        let head = "@@ .spec.template.spec.containers[web].env: only the order @@";
        assert_eq!(got.lines, [head, "-A, B", "+B, A"]);
        let three = of(json!([{"name": "B", "value": "3"}, {"name": "A", "value": "1"}]));
        let got = diff(&object, Some(&one), Some(&three));
        assert!(got.notes.is_empty() && got.lines.iter().any(|line| line.contains("+")));
        let path = ".spec.template.spec.containers[name=\"web\"].env[name=\"B\"].value";
        assert_eq!(got.fields, [path]);
    }

    #[test]
    fn marks_and_server_fields_are_no_difference() {
        let live = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "uid": "1", "annotations": {"tranche.dev/epoch": "3"}}});
        let desired = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
        let object = ObjectRef::of(&live).unwrap();
        assert_eq!(diff(&object, Some(&live), Some(&desired)).change, Change::None);
    }
}
