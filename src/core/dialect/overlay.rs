//! `spec.targets[].overlays` of `tranche.yaml`, and the files that it names.
//! Owns their fields, which are those of Kustomize's JSON patches; it must
//! never say a value of a patch, which may be a secret's.

use super::check::Check;
use super::select::PROJECT_FILE;
use super::shape::{Field, Kind, Shape};
use crate::core::model::{InputError, Operation, Overlay, Selected};
use crate::core::yaml::{Document, Node};
use serde_json::{Map, Value};

pub(super) static OVERLAY: Shape = Shape {
    doc: "A JSON patch onto objects as they are rendered for this target.",
    fields: &[
        Field::required("target", Kind::Object(&SELECTED), "The objects that are patched."),
        Field::optional("patch", OPERATIONS, "The operations, in their order (RFC 6902)."),
        Field::optional(
            "path",
            Kind::Text,
            "A file of the repository with the operations, instead of `patch`.",
        ),
    ],
};

static SELECTED: Shape = Shape {
    doc: "The objects that are patched.",
    fields: &[
        Field::optional("group", Kind::Text, "The API group; any without it."),
        Field::required("kind", Kind::Text, "The kind."),
        Field::required("name", Kind::Text, "The name, without a revision's number."),
        Field::optional("namespace", Kind::Name, "The namespace; any without it."),
    ],
};

static OPERATION: Shape = Shape {
    doc: "One operation of a JSON patch.",
    fields: &[
        Field::required(
            "op",
            Kind::OneOf(&["add", "remove", "replace", "move", "copy", "test"]),
            "What is done.",
        ),
        Field::required(
            "path",
            Kind::Text,
            "Where, as a JSON pointer: `/spec/template/spec/containers/0/image`.",
        ),
        Field::optional("from", Kind::Text, "Whence, of `move` and `copy`."),
        Field::optional("value", Kind::Any, "The value, of `add`, `replace` and `test`."),
    ],
};

const OPERATIONS: Kind = Kind::SomeOf(&Kind::Object(&OPERATION));

/// The overlays of one target.
pub(super) fn read(check: &mut Check<'_>, target: &Node) -> Vec<Overlay> {
    let name = target.get("name").and_then(Node::text).unwrap_or_default();
    let nodes = target.get("overlays").map(Node::items).unwrap_or_default();
    nodes.iter().filter_map(|node| overlay(check, name, node)).collect()
}

fn overlay(check: &mut Check<'_>, target: &str, node: &Node) -> Option<Overlay> {
    let selected = node.get("target")?;
    let text = |name: &str| selected.get(name).and_then(Node::text).map(str::to_owned);
    let (file, operations) = match (node.get("path"), node.get("patch")) {
        (Some(path), None) => (Some(file(check, path)?), Vec::new()),
        (None, Some(patch)) => (None, operations(check, patch)),
        (path, _) => {
            let at = path.unwrap_or(node);
            check.wrong(at, "an overlay is one patch".to_owned(), "either `patch` or `path`");
            return None;
        }
    };
    Some(Overlay {
        target: target.to_owned(),
        object: Selected {
            group: text("group"),
            kind: text("kind")?,
            name: text("name")?,
            namespace: text("namespace"),
        },
        file,
        operations,
        place: check.source.place(node.line),
    })
}

fn file(check: &mut Check<'_>, node: &Node) -> Option<String> {
    let path = node.text()?;
    let plain = !path.contains('\\') && !path.split('/').any(|p| matches!(p, "" | "." | ".."));
    if !plain || path == PROJECT_FILE {
        check.wrong(
            node,
            format!("{path:?} cannot be the file of an overlay"),
            "a path inside the repository, from its root, such as `overlays/prod.yaml`",
        );
    }
    Some(path.to_owned())
}

/// The operations of a file of its own.
pub(super) fn of_file(
    path: &str,
    documents: &[Document],
) -> Result<Vec<Operation>, Vec<InputError>> {
    let [document] = documents else {
        let message = "an overlay's file holds one list of operations and nothing else";
        return Err(vec![InputError::in_file(path, message)]);
    };
    let mut check = Check::new(&document.source);
    check.kind(&document.root, OPERATIONS, "the patch");
    let operations = operations(&mut check, &document.root);
    if check.errors.is_empty() { Ok(operations) } else { Err(check.errors) }
}

fn operations(check: &mut Check<'_>, list: &Node) -> Vec<Operation> {
    list.items().iter().filter_map(|node| operation(check, node)).collect()
}

fn operation(check: &mut Check<'_>, node: &Node) -> Option<Operation> {
    let op = node.get("op").and_then(Node::text)?;
    let other = match op {
        "add" | "replace" | "test" => Some("value"),
        "move" | "copy" => Some("from"),
        _ => None,
    };
    for name in ["value", "from"] {
        let has = node.entries().iter().find(|entry| entry.key.text == name);
        match (has, other == Some(name)) {
            (Some(entry), false) => {
                let error = entry.key.error(check.source, format!("`{op}` has no `{name}`"));
                check.errors.push(error);
            }
            (None, true) => missing(check, node, op, name),
            (Some(entry), true) if entry.value.is_null() => missing(check, node, op, name),
            _ => {}
        }
    }
    for name in ["path", "from"] {
        if let Some(at) = node.get(name) {
            pointer(check, at);
        }
    }
    let mut written = Map::new();
    for name in ["op", "path", "from", "value"] {
        if let Some(inner) = node.get(name) {
            written.insert(name.to_owned(), inner.to_value());
        }
    }
    // What does not fit was said above, at its place.
    let patch = serde_json::from_value(Value::Object(written)).ok()?;
    Some(Operation { patch, place: check.source.place(node.line) })
}

fn missing(check: &mut Check<'_>, node: &Node, op: &str, name: &str) {
    let error = InputError::at(&check.source.place(node.line), format!("`{op}` needs `{name}`"));
    let hint = "`op: remove` takes a field away, and null is no value here";
    check.errors.push(if name == "value" { error.hint(hint) } else { error });
}

fn pointer(check: &mut Check<'_>, node: &Node) {
    let Some(text) = node.text() else { return };
    let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !text.is_empty() && (!text.starts_with('/') || !escapes) {
        check.wrong(
            node,
            "this is no JSON pointer".to_owned(),
            "a path such as `/metadata/annotations/example.com~1key`: `~1` is `/`, `~0` is `~`",
        );
    }
}
