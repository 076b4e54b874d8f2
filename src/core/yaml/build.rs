//! Parser events to a tree. Owns anchors, tags, budgets and the rule that
//! keys are strings; it never recurses, so no nesting can exhaust the stack.

use super::merge;
use super::node::{Entry, Key, Kind, Node, Scalar};
use super::scalar::{self, Reading};
use super::source::Source;
use crate::core::model::InputError;
use serde_saphyr::granit_parser::{Event, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// Nesting beyond what any manifest has; later code may recurse that deep.
const MAX_DEPTH: usize = 100;
/// Nodes of one file; the largest known bundles of definitions have half.
const MAX_NODES: usize = 500_000;
/// Nodes that anchors may keep and aliases may repeat in one file.
const MAX_COPIED_NODES: usize = 100_000;
/// Bytes of text that anchors may keep and aliases may repeat in one file.
const MAX_COPIED_BYTES: usize = 8 << 20;

/// Line, column and width.
pub(super) type At = (u32, u32, u32);

/// What one event led to.
pub(super) enum Step {
    /// More is needed.
    On,
    /// A document is complete.
    Document(Node),
}

/// The tree under construction.
pub(super) struct Builder<'s> {
    source: &'s Source,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    copied_nodes: usize,
    copied_bytes: usize,
    root: Option<Node>,
}

struct Frame {
    at: At,
    anchor: usize,
    body: Body,
}

enum Body {
    Seq(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Key> },
}

struct Anchored {
    node: Node,
    size: Size,
}

#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl<'s> Builder<'s> {
    pub(super) fn new(source: &'s Source) -> Self {
        Self {
            source,
            frames: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            copied_nodes: 0,
            copied_bytes: 0,
            root: None,
        }
    }

    pub(super) fn take(&mut self, event: Event<'_>, at: At) -> Result<Step, InputError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(text, style, tag.as_deref(), at)?;
                self.anchored(node, anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", at)?;
                self.open(Frame { at, anchor, body: Body::Seq(Vec::new()) })?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", at)?;
                self.open(Frame {
                    at,
                    anchor,
                    body: Body::Map { entries: Vec::new(), key: None },
                })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => {
                let node = self.alias(anchor, at)?;
                self.place(node)?;
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                if let Some(root) = self.root.take() {
                    return Ok(Step::Document(root));
                }
            }
            _ => {}
        }
        Ok(Step::On)
    }

    fn error(&self, at: At, message: impl Into<String>) -> InputError {
        self.source.error(at, message.into())
    }

    fn scalar(
        &self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: At,
    ) -> Result<Node, InputError> {
        let untagged_plain = style == ScalarStyle::Plain && tag.is_none();
        let reading = match tag {
            None if style == ScalarStyle::Plain => scalar::kubernetes(&text),
            None => Reading::Text,
            Some(tag) => self.tagged(&text, tag, at)?,
        };
        let value = match reading {
            Reading::Value(value) => Some(value),
            Reading::Text => None,
            Reading::NotFinite => {
                let shown = if self.source.secret() { "a value" } else { &*text };
                let message = format!("`{shown}` is no finite number");
                return Err(self
                    .error(at, message)
                    .expected("a number that JSON can hold, or a string in quotes"));
            }
        };
        let kind = Kind::Scalar(Scalar { text: text.into_owned(), value, plain: untagged_plain });
        Ok(node(at, kind))
    }

    fn tagged(&self, text: &str, tag: &Tag, at: At) -> Result<Reading, InputError> {
        let name = tag.original();
        if name == "!" {
            return Ok(Reading::Text);
        }
        let reading = scalar::kubernetes(text);
        let fits = match (tag.core_suffix(), &reading) {
            (Some("str"), _) => return Ok(Reading::Text),
            (Some("null"), Reading::Value(value)) => value.is_null(),
            (Some("bool"), Reading::Value(value)) => value.is_boolean(),
            (Some("int"), Reading::Value(value)) => value.is_i64() || value.is_u64(),
            (Some("float"), Reading::Value(value)) => value.is_number(),
            (Some("float"), Reading::NotFinite) => true,
            (Some("null" | "bool" | "int" | "float"), _) => false,
            _ => return Err(self.foreign_tag(&name, at)),
        };
        if fits {
            Ok(reading)
        } else {
            Err(self.error(at, format!("this is no value of the tag `{name}`")))
        }
    }

    fn foreign_tag(&self, name: &str, at: At) -> InputError {
        self.error(at, format!("the tag `{name}` is not accepted"))
            .expected("plain YAML without custom tags")
    }

    fn collection_tag(&self, tag: Option<&Tag>, core: &str, at: At) -> Result<(), InputError> {
        match tag {
            Some(tag) if tag.original() != "!" && !tag.is_yaml_core_schema_tag(core) => {
                Err(self.foreign_tag(&tag.original(), at))
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, frame: Frame) -> Result<(), InputError> {
        self.deep_enough(0, frame.at)?;
        self.frames.push(frame);
        Ok(())
    }

    fn deep_enough(&self, below: usize, at: At) -> Result<(), InputError> {
        if self.frames.len() + below < MAX_DEPTH {
            return Ok(());
        }
        Err(self.error(at, format!("nested more than {MAX_DEPTH} levels deep")))
    }

    fn close(&mut self) -> Result<(), InputError> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let kind = match frame.body {
            Body::Seq(items) => Kind::Seq(items),
            Body::Map { entries, .. } => Kind::Map(merge::settle(self.source, entries)?),
        };
        self.anchored(node(frame.at, kind), frame.anchor)
    }

    fn anchored(&mut self, node: Node, anchor: usize) -> Result<(), InputError> {
        if anchor != 0 {
            let size = size(&node);
            self.charge(size, (node.line, node.column, node.width))?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size });
        }
        self.place(node)
    }

    fn alias(&mut self, anchor: usize, at: At) -> Result<Node, InputError> {
        let Some(size) = self.anchors.get(&anchor).map(|anchored| anchored.size) else {
            return Err(self.error(at, "the alias refers to what it stands in"));
        };
        self.charge(size, at)?;
        self.deep_enough(size.depth, at)?;
        match self.anchors.get(&anchor) {
            Some(anchored) => Ok(anchored.node.clone()),
            None => Err(self.error(at, "the alias refers to nothing")),
        }
    }

    /// Copies are paid for before they are made, whatever they repeat.
    fn charge(&mut self, size: Size, at: At) -> Result<(), InputError> {
        self.copied_nodes = self.copied_nodes.saturating_add(size.nodes);
        self.copied_bytes = self.copied_bytes.saturating_add(size.bytes);
        if self.copied_nodes > MAX_COPIED_NODES || self.copied_bytes > MAX_COPIED_BYTES {
            return Err(self.error(at, "the aliases of this file repeat too much"));
        }
        Ok(())
    }

    fn place(&mut self, node: Node) -> Result<(), InputError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let at = (node.line, node.column, node.width);
            return Err(self.error(at, format!("more than {MAX_NODES} values in one file")));
        }
        match self.frames.last_mut().map(|frame| &mut frame.body) {
            None => self.root = Some(node),
            Some(Body::Seq(items)) => items.push(node),
            Some(Body::Map { entries, key }) => match key.take() {
                Some(key) => entries.push(Entry { key, value: node }),
                None => *key = Some(string_key(self.source, node)?),
            },
        }
        Ok(())
    }
}

fn string_key(source: &Source, node: Node) -> Result<Key, InputError> {
    match node.kind {
        Kind::Scalar(Scalar { text, value: None, plain }) => {
            Ok(Key { text, line: node.line, column: node.column, width: node.width, plain })
        }
        _ => Err(node
            .error(source, format!("a key must be a string, but this is {}", node.describe()))
            .hint("put it in quotes")),
    }
}

fn node((line, column, width): At, kind: Kind) -> Node {
    Node { line, column, width, kind }
}

/// Recursion is fine here: the tree is at most [`MAX_DEPTH`] deep.
fn size(node: &Node) -> Size {
    let children: Vec<(usize, &Node)> = match &node.kind {
        Kind::Scalar(scalar) => return Size { nodes: 1, bytes: scalar.text.len(), depth: 0 },
        Kind::Seq(items) => items.iter().map(|item| (0, item)).collect(),
        Kind::Map(entries) => entries.iter().map(|e| (e.key.text.len(), &e.value)).collect(),
    };
    let mut total = Size { nodes: 1, bytes: 0, depth: 0 };
    for (key, child) in children {
        let inner = size(child);
        total.nodes += inner.nodes;
        total.bytes += inner.bytes + key;
        total.depth = total.depth.max(inner.depth);
    }
    total.depth += 1;
    total
}
