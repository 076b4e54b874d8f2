//! A unified diff of one object.

use super::order::order_only;
use super::{Halfway, Note, cleaned};
use crate::core::object::{FieldSet, ObjectRef, Step, compare, path_text};
use crate::core::secrecy::redacted_apart;
use crate::core::yaml::to_yaml_sorted;
use serde_json::Value;
use similar::TextDiff;

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
        notes: Vec::new(),
        during: None,
        way: Vec::new(),
    };
    if let (Change::Update, Some(live), Some(desired)) = (change, &live, &desired) {
        found.fields = fields(object, live, desired);
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

/// The paths of what a change writes or removes.
fn fields(object: &ObjectRef, old: &Value, new: &Value) -> Vec<String> {
    let change = compare(&object.kind_ref(), old, new);
    let mut paths = Vec::new();
    for set in [&change.written, &change.removed] {
        leaves(set, &mut Vec::new(), &mut paths);
    }
    paths.sort();
    paths.dedup();
    paths
}

fn leaves(set: &FieldSet, path: &mut Vec<Step>, out: &mut Vec<String>) {
    if set.is_leaf() && !path.is_empty() {
        out.push(path_text(path));
    }
    for (step, inner) in set.steps() {
        path.push(step.clone());
        leaves(inner, path, out);
        path.pop();
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
