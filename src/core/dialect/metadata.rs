//! `metadata` of the plan kinds, and the annotations that mean something.

use super::check::{Check, one_of};
use super::nearest::nearest;
use super::shape::{Field, Kind, Shape};
use crate::core::yaml::Node;
use std::collections::BTreeMap;

/// The group of our own annotations.
const OURS: &str = "tranche.dev/";

pub(super) static METADATA: Shape = Shape {
    doc: "Standard object metadata.",
    fields: &[
        Field::required("name", Kind::Name, "The name."),
        Field::optional("namespace", Kind::Name, "The namespace; the target's if left out."),
        Field::optional("labels", Kind::Texts, "Labels."),
        Field::optional("annotations", Kind::Texts, "Annotations."),
    ],
};

/// The string under `key`, owned.
pub(super) fn text(node: Option<&Node>, key: &str) -> Option<String> {
    node?.get(key)?.text().map(str::to_owned)
}

/// The strings under `key`.
pub(super) fn texts(node: Option<&Node>, key: &str) -> BTreeMap<String, String> {
    let entries = node.and_then(|node| node.get(key)).map(Node::entries).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| Some((entry.key.text.clone(), entry.value.text()?.to_owned())))
        .collect()
}

/// The node of one annotation.
pub(super) fn annotation<'n>(document: &'n Node, name: &str) -> Option<&'n Node> {
    document.get("metadata")?.get("annotations")?.get(name)
}

/// An annotation of our own group that `known` does not name is an error, as
/// a field would be.
pub(super) fn own_annotations(check: &mut Check<'_>, document: &Node, known: &[&str], kind: &str) {
    let Some(annotations) = document.get("metadata").and_then(|m| m.get("annotations")) else {
        return;
    };
    for entry in annotations.entries() {
        let name = entry.key.text.as_str();
        if name.starts_with(OURS) && !known.contains(&name) {
            let error = entry
                .key
                .error(check.source, format!("unknown annotation `{name}` of an {kind}"))
                .expected(one_of(known))
                .nearest(nearest(name, known));
            check.errors.push(error);
        }
    }
}
