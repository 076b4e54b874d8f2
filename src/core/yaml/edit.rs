//! Changes of a file at their place. Owns which bytes a change takes, and the
//! proof that it says what was meant and nothing else; it must never touch a
//! byte that is not the change itself.
//!
//! Each change is made in the text, and the text is read again: if all of its
//! documents are not exactly what they were, with that one value changed, the
//! file stays as it is. So anchors, merge keys and whatever else is shared are
//! never changed behind somebody's back.

use super::read::parse;
use super::write::to_yaml;
use super::{Document, Kind, Node, Source};
use crate::core::model::{InputError, Limits};
use serde_json::{Map, Value};
use std::ops::Range;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One step from a document's root to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seg {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl From<&str> for Seg {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Seg {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A file that is being changed.
#[derive(Clone, Debug)]
pub struct Draft {
    file: String,
    bytes: Vec<u8>,
    limits: Limits,
    documents: Vec<Document>,
}

impl Draft {
    /// Reads a file.
    ///
    /// # Errors
    /// Fails if it is no YAML of the profile.
    pub fn of(file: &str, bytes: &[u8], limits: &Limits) -> Result<Self, InputError> {
        let (limits, bytes) = (limits.clone(), bytes.to_vec());
        let documents = parse(file, &bytes, &limits)?;
        Ok(Self { file: file.to_owned(), bytes, limits, documents })
    }

    /// Its documents as they are now.
    #[must_use]
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Its bytes as they are now.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value at a path, if there is one.
    #[must_use]
    pub fn at(&self, document: usize, path: &[Seg]) -> Option<&Node> {
        path.iter().try_fold(&self.documents.get(document)?.root, |node, seg| match seg {
            Seg::Key(key) => {
                node.entries().iter().find(|entry| entry.key.text == *key).map(|e| &e.value)
            }
            Seg::Index(index) => node.items().get(*index),
        })
    }

    /// Replaces a scalar by another. One that was in quotes stays in the same.
    ///
    /// # Errors
    /// Fails if that cannot be done without touching anything else.
    pub fn set(&mut self, document: usize, path: &[Seg], value: &Value) -> Result<(), InputError> {
        let node = self.found(document, path)?;
        let range = self.scalar(node)?;
        let was = self.text().get(range.clone()).unwrap_or_default();
        let text = match (was.chars().next(), value) {
            (Some('"'), Value::String(text)) => Value::String(text.clone()).to_string(),
            (Some('\''), Value::String(text)) if !text.contains(char::is_control) => {
                format!("'{}'", text.replace('\'', "''"))
            }
            _ => to_yaml(value).trim_end().to_owned(),
        };
        let expected = self.expecting(document, path, |at| *at = value.clone());
        self.replace(document, path, range, &text, &expected)
    }

    /// Adds an entry to a mapping, below its entry `after` or as the last one;
    /// where there is one of that name already, a scalar is replaced.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn put(
        &mut self,
        document: usize,
        path: &[Seg],
        (key, value): (&str, &Value),
        after: Option<&str>,
    ) -> Result<(), InputError> {
        let inside = [path, &[key.into()]].concat();
        if self.at(document, &inside).is_some() {
            return self.set(document, &inside, value);
        }
        let map = self.found(document, path)?;
        self.in_block(map)?;
        let entries = map.entries();
        let found = after.and_then(|after| entries.iter().find(|entry| entry.key.text == after));
        let Some(before) = found.or(entries.last()) else {
            return Err(self.stuck(map, "an empty mapping has no place to write into"));
        };
        let indent = column(before.key.column);
        let at = self.end_of(before.key.line, indent, true);
        let entry = Value::Object(Map::from_iter([(key.to_owned(), value.clone())]));
        let lines = indented(&to_yaml(&entry), &" ".repeat(indent), None);
        let expected = self.expecting(document, path, |at| {
            if let Value::Object(map) = at {
                map.insert(key.to_owned(), value.clone());
            }
        });
        self.insert(document, path, at, &lines, &expected)
    }

    /// Adds an item to the end of a list.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn push(&mut self, document: usize, path: &[Seg], value: &Value) -> Result<(), InputError> {
        let list = self.found(document, path)?;
        self.in_block(list)?;
        let Some(last) = list.items().last() else {
            return Err(self.stuck(list, "an empty list has no place to write into"));
        };
        let dash = self.dash(last)?;
        let at = self.end_of(last.line, dash, false);
        let pad = " ".repeat(dash);
        let lines = indented(&to_yaml(value), &format!("{pad}  "), Some(&format!("{pad}- ")));
        let expected = self.expecting(document, path, |at| {
            if let Value::Array(items) = at {
                items.push(value.clone());
            }
        });
        self.insert(document, path, at, &lines, &expected)
    }

    /// Takes an entry out of a mapping, or an item out of a list, with the lines
    /// that are its own. The last one of a list takes the list with it.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn remove(&mut self, document: usize, path: &[Seg]) -> Result<(), InputError> {
        let Some((last, parent)) = path.split_last() else { return Ok(()) };
        let holder = self.found(document, parent)?;
        if holder.entries().len().max(holder.items().len()) == 1 && !parent.is_empty() {
            return self.remove(document, parent);
        }
        self.in_block(holder)?;
        let (line, end) = match last {
            Seg::Key(key) => {
                let found = holder.entries().iter().find(|entry| entry.key.text == *key);
                let Some(entry) = found else { return Ok(()) };
                self.alone(&entry.value, entry.key.line, entry.key.column)?;
                let line = entry.key.line;
                (line, self.end_of(line, column(entry.key.column), true))
            }
            Seg::Index(_) => {
                let item = self.found(document, path)?;
                let dash = self.dash(item)?;
                (item.line, self.end_of(item.line, dash, false))
            }
        };
        let expected = self.expecting(document, parent, |at| match (at, last) {
            (Value::Object(map), Seg::Key(key)) => _ = map.remove(key),
            (Value::Array(items), Seg::Index(index)) if *index < items.len() => {
                items.remove(*index);
            }
            _ => {}
        });
        let mut start = self.line_start(line);
        let text = self.text();
        if end == text.len() && !text.ends_with('\n') {
            // The file ends without a newline, and goes on doing so.
            let before = text.get(..start).unwrap_or_default();
            let kept = before.strip_suffix('\n').unwrap_or(before);
            start = kept.strip_suffix('\r').unwrap_or(kept).len();
        }
        self.replace(document, parent, start..end, "", &expected)
    }

    /// Takes a whole document out, with the line that parts it from the one before.
    /// False if it is the only one: then it is the file that has to go.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn remove_document(&mut self, document: usize) -> Result<bool, InputError> {
        let Some(gone) = self.documents.get(document) else { return Ok(true) };
        if self.documents.len() == 1 {
            return Ok(false);
        }
        let root = gone.root.clone();
        let here = self.line_start(root.line);
        let text = self.text();
        // A line that begins so parts documents wherever it stands.
        let mut starts: Vec<usize> = vec![0];
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if line.starts_with("---") && at > 0 {
                starts.push(at);
            }
            at += line.len();
        }
        let start = starts.iter().rfind(|start| **start <= here).copied().unwrap_or(0);
        let end = starts.iter().find(|start| **start > here).copied().unwrap_or(text.len());
        let mut expected: Vec<Value> = self.values();
        expected.remove(document);
        self.written(start..end, "", &expected, &root)?;
        Ok(true)
    }

    fn values(&self) -> Vec<Value> {
        self.documents.iter().map(|document| document.root.to_value()).collect()
    }

    fn expecting(
        &self,
        document: usize,
        path: &[Seg],
        change: impl FnOnce(&mut Value),
    ) -> Vec<Value> {
        let mut all = self.values();
        let root = all.get_mut(document);
        let found = root.and_then(|root| {
            path.iter().try_fold(root, |at, seg| match seg {
                Seg::Key(key) => at.get_mut(key),
                Seg::Index(index) => at.get_mut(index),
            })
        });
        if let Some(found) = found {
            change(found);
        }
        all
    }

    fn found(&self, document: usize, path: &[Seg]) -> Result<&Node, InputError> {
        self.at(document, path)
            .ok_or_else(|| InputError::in_file(&self.file, "what was to be changed is not there"))
    }

    fn source(&self) -> Option<&Source> {
        self.documents.first().map(|document| document.source.as_ref())
    }

    /// The text without a byte order mark, as places count it.
    fn text(&self) -> &str {
        self.source().map_or("", Source::text)
    }

    fn stuck(&self, node: &Node, why: &str) -> InputError {
        let message = format!("this cannot be changed at its place: {why}");
        let error = match self.source() {
            Some(source) => node.error(source, message),
            None => InputError::in_file(&self.file, message),
        };
        error.hint("change it by hand; nothing was written")
    }

    fn in_block(&self, node: &Node) -> Result<(), InputError> {
        let begins = self.offset(node.line, node.column);
        let first = self.text().get(begins..).and_then(|rest| rest.chars().next());
        // A list in lines stands where its first item does, brackets of that or not.
        let inside = |item: &Node| (item.line, item.column) == (node.line, node.column);
        let brackets = match first {
            Some('[') => !node.items().first().is_some_and(inside),
            Some('{') => node.items().is_empty(),
            _ => false,
        };
        match brackets {
            true => {
                Err(self.stuck(node, "it is written in brackets; write it with one entry a line"))
            }
            false => Ok(()),
        }
    }

    /// Whether an entry begins its line, list markers aside, so that the lines
    /// are its own.
    fn alone(&self, node: &Node, line: u32, column_of: u32) -> Result<(), InputError> {
        let start = self.line_start(line);
        let before = self.text().get(start..self.offset(line, column_of)).unwrap_or_default();
        match before.trim().is_empty() {
            true => Ok(()),
            false => Err(self.stuck(node, "its line has something else in front of it")),
        }
    }

    /// The column, from 0, of the dash before an item.
    fn dash(&self, item: &Node) -> Result<usize, InputError> {
        let start = self.line_start(item.line);
        let before =
            self.text().get(start..self.offset(item.line, item.column)).unwrap_or_default();
        match before.trim() == "-" {
            true => Ok(before.find('-').unwrap_or_default()),
            false => Err(self.stuck(item, "its line does not begin with its own `-`")),
        }
    }

    fn line_start(&self, line: u32) -> usize {
        self.offset(line, 1)
    }

    fn offset(&self, line: u32, column: u32) -> usize {
        self.source().map_or(0, |source| source.offset(line, column))
    }

    /// The bytes of a scalar on one line.
    fn scalar(&self, node: &Node) -> Result<Range<usize>, InputError> {
        let start = self.offset(node.line, node.column);
        let line = self.text().get(start..).unwrap_or_default();
        let line = line.lines().next().unwrap_or_default();
        let Kind::Scalar(scalar) = &node.kind else {
            return Err(self.stuck(node, "it is no single value"));
        };
        let length = match line.chars().next() {
            Some('"') => closing(line, '"'),
            Some('\'') => closing(line, '\''),
            _ => line.starts_with(scalar.text.as_str()).then_some(scalar.text.len()),
        };
        let length = length.filter(|length| *length > 0);
        let length =
            length.ok_or_else(|| self.stuck(node, "it is no plain or quoted value on one line"))?;
        Ok(start..start + length)
    }

    /// Where the lines of what begins at a line end: before the first line with
    /// something on it that is not further in than `indent`. The items of a list
    /// may be no further in than its key.
    fn end_of(&self, line: u32, indent: usize, lists: bool) -> usize {
        let start = self.line_start(line);
        let rest = self.text().get(start..).unwrap_or_default();
        let (mut at, mut end) = (start, start);
        for (i, line) in rest.split_inclusive('\n').enumerate() {
            at += line.len();
            let bare = line.trim_end();
            let inner = bare.trim_start_matches(' ');
            let depth = bare.len() - inner.len();
            let item = lists && depth == indent && (inner == "-" || inner.starts_with("- "));
            if i > 0 && !inner.is_empty() && !inner.starts_with('#') && depth <= indent && !item {
                break;
            }
            if i == 0 || !(inner.is_empty() || inner.starts_with('#')) {
                end = at;
            }
        }
        end
    }

    fn insert(
        &mut self,
        document: usize,
        path: &[Seg],
        at: usize,
        lines: &[String],
        expected: &[Value],
    ) -> Result<(), InputError> {
        let text = self.text();
        let before = text.get(..at).unwrap_or_default();
        // As the line before it ends; where that has no end, as any does.
        let windows = match before.ends_with('\n') {
            true => before.ends_with("\r\n"),
            false => text.contains("\r\n"),
        };
        let ending = if windows { "\r\n" } else { "\n" };
        let text = if before.ends_with('\n') {
            lines.iter().map(|line| format!("{line}{ending}")).collect::<String>()
        } else {
            // The file ends without a newline, and goes on doing so.
            lines.iter().map(|line| format!("{ending}{line}")).collect()
        };
        self.replace(document, path, at..at, &text, expected)
    }

    fn replace(
        &mut self,
        document: usize,
        path: &[Seg],
        range: Range<usize>,
        text: &str,
        expected: &[Value],
    ) -> Result<(), InputError> {
        let node = self.found(document, path)?.clone();
        self.written(range, text, expected, &node)
    }

    /// The file with a range replaced, if it then says what is expected.
    fn written(
        &mut self,
        range: Range<usize>,
        text: &str,
        expected: &[Value],
        node: &Node,
    ) -> Result<(), InputError> {
        let mut changed = self.text().to_owned();
        changed.replace_range(range, text);
        let mut bytes = if self.bytes.starts_with(BOM) { BOM.to_vec() } else { Vec::new() };
        bytes.extend_from_slice(changed.as_bytes());
        let documents = parse(&self.file, &bytes, &self.limits).ok();
        let says = |documents: &Vec<Document>| {
            documents.iter().map(|d| d.root.to_value()).eq(expected.iter().cloned())
        };
        let Some(documents) = documents.filter(says) else {
            let why = "something else would change with it, as where an anchor, an alias or `<<` \
                       shares it";
            return Err(self.stuck(node, why));
        };
        (self.bytes, self.documents) = (bytes, documents);
        Ok(())
    }
}

fn column(column: u32) -> usize {
    usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1)
}

/// The length of a quoted text that ends on its line, quotes included.
fn closing(line: &str, quote: char) -> Option<usize> {
    let mut chars = line.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                chars.next();
                continue;
            }
            return Some(at + 1);
        }
    }
    None
}

/// The lines of a text, each with `pad` in front, the first with `first` if there
/// is one.
fn indented(text: &str, pad: &str, first: Option<&str>) -> Vec<String> {
    let pad_of = |i: usize| if i == 0 { first.unwrap_or(pad) } else { pad };
    text.lines().enumerate().map(|(i, line)| format!("{}{line}", pad_of(i))).collect()
}

#[cfg(test)]
mod tests;
