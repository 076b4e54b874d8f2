//! A document against its table: every error with its place. After a check
//! without errors, translations may rely on the table.

use super::duration;
use super::nearest::nearest;
use super::shape::{Field, Kind, Need, Shape};
use crate::core::model::InputError;
use crate::core::yaml::{self, Entry, Node, Source};

/// Errors of one document that are worth showing.
const MOST_ERRORS: usize = 50;

/// Collects the errors of one document.
pub(super) struct Check<'a> {
    /// The text, for excerpts.
    pub source: &'a Source,
    /// What was found so far.
    pub errors: Vec<InputError>,
}

impl<'a> Check<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, errors: Vec::new() }
    }

    /// Notes an error about a node.
    pub(super) fn wrong(&mut self, node: &Node, message: String, expected: &str) {
        self.errors.push(node.error(self.source, message).expected(expected));
    }

    /// Checks a mapping against its table; `path` is what messages call it.
    pub(super) fn object(&mut self, node: &Node, shape: &Shape, path: &str) {
        if !node.is_map() {
            self.unfit(node, path, "a mapping");
            return;
        }
        for entry in node.entries() {
            if self.errors.len() >= MOST_ERRORS {
                return;
            }
            match shape.fields.iter().find(|field| field.name == entry.key.text) {
                None => self.unknown(entry, shape, path),
                Some(Field { need: Need::Unsupported, .. }) => self.unsupported(entry, path),
                // As everywhere in Kubernetes, null is the same as absent.
                Some(_) if entry.value.is_null() => {}
                Some(field) => {
                    self.kind(&entry.value, field.kind, &format!("{path}.{}", field.name));
                }
            }
        }
        for field in shape.fields.iter().filter(|field| field.need == Need::Required) {
            if node.get(field.name).is_none() && !misspelt(node, shape, field.name) {
                let message = format!("`{}` is missing in {path}", field.name);
                self.errors.push(node.error(self.source, message));
            }
        }
    }

    fn unknown(&mut self, entry: &Entry, shape: &Shape, path: &str) {
        let names: Vec<&str> =
            shape.fields.iter().filter(|f| f.need != Need::Unsupported).map(|f| f.name).collect();
        let message = format!("unknown field `{}` in {path}", entry.key.text);
        self.errors.push(
            entry
                .key
                .error(self.source, message)
                .expected(one_of(&names))
                .nearest(nearest(&entry.key.text, &names)),
        );
    }

    fn unsupported(&mut self, entry: &Entry, path: &str) {
        let message = format!("`{}` in {path} is not supported yet", entry.key.text);
        self.errors.push(
            entry
                .key
                .error(self.source, message)
                .hint("take it out: no field is accepted and then ignored"),
        );
    }

    fn unfit(&mut self, node: &Node, path: &str, expected: &str) {
        self.wrong(node, format!("{path} is {}", node.describe()), expected);
    }

    /// Checks a value of some kind.
    pub(super) fn kind(&mut self, node: &Node, kind: Kind, path: &str) {
        match kind {
            Kind::Any => {}
            Kind::Object(shape) => self.object(node, shape, path),
            Kind::List(item) => self.list(node, *item, path),
            Kind::SomeOf(item) => {
                self.list(node, *item, path);
                if matches!(&node.kind, yaml::Kind::Seq(items) if items.is_empty()) {
                    self.wrong(node, format!("{path} is empty"), "at least one item");
                }
            }
            Kind::Texts => self.texts(node, path),
            Kind::Parameters if node.is_map() => {}
            Kind::Parameters => self.unfit(node, path, "a mapping"),
            Kind::OneOf(words) => self.one_of(node, words, path),
            Kind::Text => match node.text() {
                Some(text) if !text.is_empty() => {}
                _ => self.unfit(node, path, "a string"),
            },
            Kind::Name => match node.text() {
                Some(text) if is_label(text) => {}
                _ => self.unfit(node, path, LABEL),
            },
            Kind::MaybeRevision if node.text() == Some("") => {}
            Kind::Revision | Kind::MaybeRevision => match node.text() {
                Some(text) if revision_of(text).is_some() => {}
                _ => self.unfit(node, path, "a revision such as `web-v2`"),
            },
            Kind::Flag if node.flag().is_some() => {}
            Kind::Flag => self.unfit(node, path, "`true` or `false`"),
            Kind::Count { min, max } => match node.count() {
                Some(count) if (min..=max).contains(&count) => {}
                _ => self.unfit(node, path, &format!("a whole number from {min} to {max}")),
            },
            Kind::Duration if duration::of(node).is_some() => {}
            Kind::Duration => self.unfit(node, path, DURATION),
            Kind::Amount => {
                if let Err(error) = super::rollout_plan::amount(node, self.source, path) {
                    self.errors.push(error);
                }
            }
        }
    }

    fn list(&mut self, node: &Node, item: Kind, path: &str) {
        if !matches!(node.kind, yaml::Kind::Seq(_)) {
            self.unfit(node, path, "a list");
        }
        for (i, entry) in node.items().iter().enumerate() {
            if self.errors.len() >= MOST_ERRORS {
                return;
            }
            self.kind(entry, item, &format!("{path}[{i}]"));
        }
    }

    fn texts(&mut self, node: &Node, path: &str) {
        if !node.is_map() {
            self.unfit(node, path, "a mapping of strings to strings");
        }
        for entry in node.entries() {
            if entry.value.text().is_none() && self.errors.len() < MOST_ERRORS {
                let at = format!("{path}[{}]", entry.key.text);
                self.unfit(&entry.value, &at, "a string; put it in quotes");
            }
        }
    }

    fn one_of(&mut self, node: &Node, words: &[&'static str], path: &str) {
        let text = node.text().unwrap_or_default();
        if !words.contains(&text) {
            let error = node
                .error(self.source, format!("{path} is {}", node.describe()))
                .expected(one_of(words))
                .nearest(nearest(text, words));
            self.errors.push(error);
        }
    }
}

/// The shares of steps that follow each other, in per cent.
pub(super) struct Shares<'w> {
    /// Whose they are, in messages.
    whose: &'w str,
    before: u64,
}

impl<'w> Shares<'w> {
    pub(super) fn new(whose: &'w str) -> Self {
        Self { whose, before: 0 }
    }

    /// The next one, which `path` is the name of.
    pub(super) fn next(&mut self, check: &mut Check<'_>, node: &Node, path: &str, share: u64) {
        let Self { whose, before } = *self;
        if share < before {
            let message = format!("{path} is {share}, less than the {before} before it");
            check.wrong(node, message, &format!("{before} or more: {whose} never falls"));
        }
        self.before = before.max(share);
    }
}

/// Whether a mapping has an unknown field that is probably meant to be `name`:
/// that it is missing is then no error of its own.
pub(super) fn misspelt(node: &Node, shape: &Shape, name: &str) -> bool {
    let names: Vec<&str> = shape.fields.iter().map(|field| field.name).collect();
    node.entries()
        .iter()
        .map(|entry| entry.key.text.as_str())
        .any(|key| !names.contains(&key) && nearest(key, &names) == Some(name))
}

/// What a name must be.
pub(super) const LABEL: &str =
    "a name of at most 63 lower-case letters, digits and `-`, with a letter or digit at both ends";

/// What a duration must be.
const DURATION: &str = "seconds, or a duration such as `30s`, `5m` or `1h30m`, up to 168h";

/// Names as a list, for messages.
pub(super) fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [only] => only.clone(),
        _ => format!("one of {}", quoted.join(", ")),
    }
}

/// Whether it is a DNS label.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The application of a revision's name `<application>-vN`.
pub(super) fn revision_of(text: &str) -> Option<&str> {
    let (application, number) = text.rsplit_once("-v")?;
    let counts = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
    let fits = is_label(application) && is_label(text) && number.parse::<u32>().is_ok();
    (counts && fits).then_some(application)
}
