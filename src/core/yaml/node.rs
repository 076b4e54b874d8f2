//! The spanned tree that a document is read into.

use super::Source;
use crate::core::model::{InputError, Place};
use serde_json::Value;
use std::sync::Arc;

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it begins.
    pub place: Place,
    /// Its root.
    pub root: Node,
    /// The text it was read from, for errors.
    pub source: Arc<Source>,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The line, counted from 1.
    pub line: u32,
    /// The column in characters, counted from 1.
    pub column: u32,
    /// How many characters it takes, for underlining.
    pub width: u32,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A scalar.
    Scalar(Scalar),
    /// A sequence.
    Seq(Vec<Node>),
    /// A mapping in its written order, merge keys already resolved.
    Map(Vec<Entry>),
}

/// A scalar as written and as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The text, escapes and folding resolved.
    pub text: String,
    /// What it reads as; none if it is the string `text`.
    pub value: Option<Value>,
    /// Written without quotes, block indicator or tag.
    pub plain: bool,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// A mapping's key and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The text.
    pub text: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column in characters, counted from 1.
    pub column: u32,
    /// How many characters it takes.
    pub width: u32,
    /// Written without quotes.
    pub plain: bool,
}

impl Key {
    /// An error about this key.
    #[must_use]
    pub fn error(&self, source: &Source, message: impl Into<String>) -> InputError {
        source.error((self.line, self.column, self.width), message.into())
    }
}

impl Node {
    /// An error about this node.
    #[must_use]
    pub fn error(&self, source: &Source, message: impl Into<String>) -> InputError {
        source.error((self.line, self.column, self.width), message.into())
    }

    /// The node as plain JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(scalar) => {
                scalar.value.clone().unwrap_or_else(|| Value::String(scalar.text.clone()))
            }
            Kind::Seq(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|e| (e.key.text.clone(), e.value.to_value())).collect(),
            ),
        }
    }

    /// The same of a node that nobody needs any more.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self.kind {
            Kind::Scalar(scalar) => scalar.value.unwrap_or(Value::String(scalar.text)),
            Kind::Seq(items) => Value::Array(items.into_iter().map(Self::into_value).collect()),
            Kind::Map(entries) => Value::Object(
                entries.into_iter().map(|e| (e.key.text, e.value.into_value())).collect(),
            ),
        }
    }

    /// The value under `key`, or none if this is no mapping, the key is
    /// missing or its value is null.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let entry = self.entries().iter().find(|entry| entry.key.text == key)?;
        (!entry.value.is_null()).then_some(&entry.value)
    }

    /// The mapping's entries; empty for anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The sequence's items; empty for anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::Seq(items) => items,
            _ => &[],
        }
    }

    /// Whether it is a mapping.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(Scalar { value: Some(Value::Null), .. }))
    }

    /// The text of a string.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Scalar { text, value: None, .. }) => Some(text),
            _ => None,
        }
    }

    /// The value of a boolean.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        self.scalar().and_then(Value::as_bool)
    }

    /// The value of a number that is whole and not negative.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.scalar().and_then(Value::as_u64)
    }

    fn scalar(&self) -> Option<&Value> {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.value.as_ref(),
            _ => None,
        }
    }

    /// What it is, for messages: `the string "x"`, `a list`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Seq(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
            Kind::Scalar(scalar) => match &scalar.value {
                None => format!("the string {:?}", clipped(&scalar.text)),
                Some(Value::Null) => "null".to_owned(),
                Some(Value::Bool(_)) => format!("the boolean `{}`", clipped(&scalar.text)),
                Some(_) => format!("the number `{}`", clipped(&scalar.text)),
            },
        }
    }
}

fn clipped(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
