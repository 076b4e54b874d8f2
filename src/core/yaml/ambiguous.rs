//! Lint: plain scalars that YAML 1.1 and YAML 1.2 read differently.

use super::node::{Document, Kind, Node};
use super::scalar::{Reading, core_schema, kubernetes, sexagesimal};
use super::source::Source;
use crate::core::model::Notice;

/// Every plain scalar of the document that YAML 1.1 and YAML 1.2 read
/// differently, by place. Kubernetes' reading is the one that holds here.
#[must_use]
pub fn ambiguous(document: &Document) -> Vec<Notice> {
    let mut notices = Vec::new();
    visit(&document.source, &document.root, &mut notices);
    notices.sort_by(|a: &Notice, b| a.place.cmp(&b.place));
    notices
}

fn visit(source: &Source, node: &Node, notices: &mut Vec<Notice>) {
    match &node.kind {
        Kind::Scalar(scalar) => {
            if scalar.plain {
                note(source, node.line, &scalar.text, notices);
            }
        }
        Kind::Seq(items) => items.iter().for_each(|item| visit(source, item, notices)),
        Kind::Map(entries) => {
            for entry in entries {
                if entry.key.plain {
                    note(source, entry.key.line, &entry.key.text, notices);
                }
                visit(source, &entry.value, notices);
            }
        }
    }
}

fn note(source: &Source, line: u32, text: &str, notices: &mut Vec<Notice>) {
    let (ours, other) = (kubernetes(text), core_schema(text));
    let old_number = sexagesimal(text);
    // `0o17` is new in YAML 1.2; the Go reader takes it, older ones do not.
    let new_octal = text.contains("0o") && matches!(ours, Reading::Value(_));
    if ours == other && !old_number && !new_octal {
        return;
    }
    let message = if source.secret() {
        "a value reads differently in YAML 1.1 and 1.2: put it in quotes".to_owned()
    } else if old_number {
        format!(
            "`{text}` is a base-60 number in YAML 1.1 and a string to Kubernetes: put it in quotes"
        )
    } else if new_octal && ours == other {
        format!(
            "`{text}` is {} to Kubernetes and a string in YAML 1.1: write it otherwise",
            shown(&ours)
        )
    } else {
        format!(
            "`{text}` is {} to Kubernetes and {} in YAML 1.2: put it in quotes or write it otherwise",
            shown(&ours),
            shown(&other)
        )
    };
    notices.push(Notice { place: source.place(line), message });
}

fn shown(reading: &Reading) -> String {
    match reading {
        Reading::Value(value) => value.to_string(),
        Reading::Text => "a string".to_owned(),
        Reading::NotFinite => "not a finite number".to_owned(),
    }
}
