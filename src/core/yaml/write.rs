//! Values to text: block style, the same bytes for the same value for ever.
//!
//! Written by hand rather than by the crate's serializer, because records and
//! digests outlive its versions. A string stays plain only if every reader of
//! either YAML version agrees that it is one.

use super::scalar::{Reading, core_schema, kubernetes};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Plain words that some reader takes for a boolean or null.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
/// Readers may refuse longer keys unless they are written with `?`.
const SIMPLE_KEY: usize = 500;

/// The value as YAML, mappings in the value's own order; ends with a newline.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    Writer { out: String::new(), sorted: false }.document(value)
}

/// The value as YAML, mappings sorted by the bytes of their keys.
#[must_use]
pub fn to_yaml_sorted(value: &Value) -> String {
    Writer { out: String::new(), sorted: true }.document(value)
}

struct Writer {
    out: String,
    sorted: bool,
}

impl Writer {
    fn document(mut self, value: &Value) -> String {
        match value {
            Value::Object(map) if !map.is_empty() => self.mapping(map, 0),
            Value::Array(items) if !items.is_empty() => self.sequence(items, 0),
            scalar => {
                self.scalar(scalar, 0);
                self.out.push('\n');
            }
        }
        self.out
    }

    /// Writes from the current position on; further lines get `indent`.
    fn mapping(&mut self, map: &Map<String, Value>, indent: usize) {
        let mut entries: Vec<(&String, &Value)> = map.iter().collect();
        if self.sorted {
            entries.sort_by_key(|(key, _)| *key);
        }
        for (i, (key, value)) in entries.into_iter().enumerate() {
            if i > 0 {
                self.pad(indent);
            }
            let from = self.out.len();
            self.text(key);
            if self.out.len() - from > SIMPLE_KEY {
                self.out.insert_str(from, "? ");
                let _ = write!(self.out, "\n{:indent$}: ", "");
                self.flow(value);
                self.out.push('\n');
                continue;
            }
            self.out.push(':');
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    self.out.push('\n');
                    self.pad(indent + 2);
                    self.mapping(inner, indent + 2);
                }
                Value::Array(items) if !items.is_empty() => {
                    self.out.push('\n');
                    self.pad(indent);
                    self.sequence(items, indent);
                }
                scalar => {
                    self.out.push(' ');
                    self.scalar(scalar, indent);
                    self.out.push('\n');
                }
            }
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.pad(indent);
            }
            self.out.push_str("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => self.mapping(inner, indent + 2),
                Value::Array(inner) if !inner.is_empty() => self.sequence(inner, indent + 2),
                scalar => {
                    self.scalar(scalar, indent);
                    self.out.push('\n');
                }
            }
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(_) => self.out.push_str("{}"),
            Value::Array(_) => self.out.push_str("[]"),
            Value::String(text) => self.string(text, indent),
            other => {
                let _ = write!(self.out, "{other}");
            }
        }
    }

    /// In one line, every key with `?`: only below a key that is too long.
    fn flow(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                self.out.push('[');
                for (i, item) in items.iter().enumerate() {
                    self.out.push_str(if i > 0 { ", " } else { "" });
                    self.flow(item);
                }
                self.out.push(']');
            }
            Value::Object(map) => {
                let mut entries: Vec<(&String, &Value)> = map.iter().collect();
                if self.sorted {
                    entries.sort_by_key(|(key, _)| *key);
                }
                self.out.push('{');
                for (i, (key, inner)) in entries.into_iter().enumerate() {
                    self.out.push_str(if i > 0 { ", ? " } else { "? " });
                    self.out.push_str(&quoted(key));
                    self.out.push_str(" : ");
                    self.flow(inner);
                }
                self.out.push('}');
            }
            Value::String(text) => self.out.push_str(&quoted(text)),
            other => {
                let _ = write!(self.out, "{other}");
            }
        }
    }

    fn string(&mut self, text: &str, indent: usize) {
        if !literal_safe(text) {
            self.text(text);
            return;
        }
        let (body, chomp) = match text.strip_suffix('\n') {
            None => (text, "|-"),
            Some(body) if body.ends_with('\n') => (body, "|+"),
            Some(body) => (body, "|"),
        };
        self.out.push_str(chomp);
        for line in body.split('\n') {
            self.out.push('\n');
            if !line.is_empty() {
                self.pad(indent + 2);
                self.out.push_str(line);
            }
        }
    }

    /// A key, or a string in one line.
    fn text(&mut self, text: &str) {
        if plain_safe(text) {
            self.out.push_str(text);
        } else {
            self.out.push_str(&quoted(text));
        }
    }

    fn pad(&mut self, indent: usize) {
        self.out.extend(std::iter::repeat_n(' ', indent));
    }
}

fn plain_safe(text: &str) -> bool {
    let starts_well = |c: char| c.is_alphabetic() || c == '/' || c == '_';
    let inside = |c: char| c.is_alphanumeric() || "-_./:@+=%,() ".contains(c);
    text.starts_with(starts_well)
        && text.chars().all(inside)
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
        && kubernetes(text) == Reading::Text
        && core_schema(text) == Reading::Text
}

fn printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn literal_safe(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && text.chars().all(|c| c == '\n' || printable(c))
        && text.split('\n').all(|line| line.is_empty() || !line.trim().is_empty())
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if printable(c) => out.push(c),
            c => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}
