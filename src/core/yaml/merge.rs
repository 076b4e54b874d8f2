//! Merge keys and duplicate keys of one mapping.

use super::node::{Entry, Kind, Node};
use super::source::Source;
use crate::core::model::InputError;
use std::collections::BTreeMap;

/// Among so few keys looking through all is faster than an index.
const FEW: usize = 12;

/// Puts what `<<` names in its place: the mapping's own keys win, then the
/// earlier of several merged mappings. A key written twice is an error.
pub(super) fn settle(source: &Source, written: Vec<Entry>) -> Result<Vec<Entry>, InputError> {
    let mut first_lines = BTreeMap::new();
    for (index, entry) in written.iter().enumerate() {
        let text = entry.key.text.as_str();
        let line = if written.len() <= FEW {
            let earlier = written.iter().take(index).find(|earlier| earlier.key.text == text);
            earlier.map(|earlier| earlier.key.line)
        } else {
            first_lines.insert(text, entry.key.line)
        };
        if let Some(line) = line {
            let message = format!("the key `{}` is written twice", entry.key.text);
            return Err(entry
                .key
                .error(source, message)
                .hint(format!("it is first written in line {line}")));
        }
    }
    if !written.iter().any(is_merge) {
        return Ok(written);
    }
    let mut taken: BTreeMap<String, ()> =
        written.iter().filter(|e| !is_merge(e)).map(|e| (e.key.text.clone(), ())).collect();
    let mut merged = Vec::with_capacity(written.len());
    for entry in written {
        if !is_merge(&entry) {
            merged.push(entry);
            continue;
        }
        for inherited in mappings(source, entry)? {
            if taken.insert(inherited.key.text.clone(), ()).is_none() {
                merged.push(inherited);
            }
        }
    }
    Ok(merged)
}

fn is_merge(entry: &Entry) -> bool {
    entry.key.plain && entry.key.text == "<<"
}

fn mappings(source: &Source, entry: Entry) -> Result<Vec<Entry>, InputError> {
    let wrong = |node: &Node| Err(node.error(source, "`<<` merges mappings only"));
    match entry.value.kind {
        Kind::Map(entries) => Ok(entries),
        Kind::Seq(items) => {
            let mut all = Vec::new();
            for item in items {
                match item.kind {
                    Kind::Map(entries) => all.extend(entries),
                    _ => return wrong(&item),
                }
            }
            Ok(all)
        }
        Kind::Scalar(_) => wrong(&entry.value),
    }
}
