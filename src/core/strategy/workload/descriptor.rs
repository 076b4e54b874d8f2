//! A descriptor: what a `WorkloadType` says about a kind. Owns its keys and what
//! is wrong with them; it must never know where the text came from.

use super::{FieldPath, Shape, StatusPaths, WorkloadKind};
use crate::core::dialect::nearest;
use crate::core::object::KindRef;
use crate::core::yaml::Node;

/// What is wrong with a descriptor, and at which of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line in the text that was parsed, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// The keys of `spec`; `description` is for people.
const SPEC: [&str; 8] =
    ["description", "workload", "shape", "replicas", "partition", "template", "selector", "status"];
const OF: [&str; 2] = ["apiVersion", "kind"];
const STATUS: [&str; 6] =
    ["observedGeneration", "replicas", "ready", "updated", "updatedReady", "available"];
const SHAPES: [&str; 2] = ["inPlace", "pair"];

/// Reads the `spec` of a descriptor.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(spec: &Node) -> Result<WorkloadKind, Fault> {
    let whole = Map::of(spec, "spec", &SPEC)?;
    let workload = whole.map("workload", &OF)?;
    let of = KindRef::new(&workload.text("apiVersion")?, &workload.text("kind")?);
    let shape = shape(&whole)?;
    let status = whole.map("status", &STATUS)?;
    let kind = WorkloadKind {
        of,
        shape,
        replicas: whole.path("replicas", "spec")?,
        partition: whole.path_if("partition", "spec")?,
        template: whole.path("template", "spec")?,
        selector: whole.path_if("selector", "spec")?,
        status: StatusPaths {
            observed: status.path("observedGeneration", "status")?,
            replicas: status.path("replicas", "status")?,
            ready: status.path("ready", "status")?,
            updated: status.path("updated", "status")?,
            updated_ready: status.path_if("updatedReady", "status")?,
            available: status.path_if("available", "status")?,
        },
    };
    fits(&whole, &kind)?;
    Ok(kind)
}

fn shape(whole: &Map<'_>) -> Result<Shape, Fault> {
    match whole.text("shape")?.as_str() {
        "inPlace" => Ok(Shape::InPlace),
        "pair" => Ok(Shape::Pair),
        other => {
            let hint = nearest(other, &SHAPES).map(|near| format!(", did you mean `{near}`?"));
            let hint = hint.unwrap_or_default();
            let message = format!(
                "spec.shape is `inPlace` (one object, pods behind a partition) or `pair` (two \
                 objects, one a revision), not `{other}`{hint}"
            );
            Err(whole.fault("shape", message))
        }
    }
}

/// What a shape needs, and what it has no use for.
fn fits(whole: &Map<'_>, kind: &WorkloadKind) -> Result<(), Fault> {
    let wrong = |key: &str, message: &str| Err(whole.fault(key, message.to_owned()));
    match kind.shape {
        Shape::InPlace if kind.partition.is_none() => wrong(
            "partition",
            "spec.partition is missing: what is in place needs the field that says how many pods \
             stay on the revision before; a kind that has none is `shape: pair`",
        ),
        Shape::InPlace if kind.selector.is_some() => wrong(
            "selector",
            "spec.selector is for `shape: pair`: what is in place keeps its selector",
        ),
        Shape::Pair if kind.partition.is_some() => wrong(
            "partition",
            "spec.partition is for `shape: inPlace`: of a pair each object has one revision",
        ),
        Shape::Pair if kind.selector.is_none() => wrong(
            "selector",
            "spec.selector is missing: of a pair each object selects its own pods, so it says \
             where the labels stand that are selected, such as `spec.selector.matchLabels`",
        ),
        _ => apart(whole, kind),
    }
}

/// One field is not two things.
fn apart(whole: &Map<'_>, kind: &WorkloadKind) -> Result<(), Fault> {
    let named = [
        ("replicas", Some(&kind.replicas)),
        ("partition", kind.partition.as_ref()),
        ("template", Some(&kind.template)),
        ("selector", kind.selector.as_ref()),
    ];
    let named: Vec<(&str, &FieldPath)> =
        named.into_iter().filter_map(|(key, path)| Some((key, path?))).collect();
    for (i, (key, path)) in named.iter().enumerate() {
        if let Some((other, _)) = named.iter().take(i).find(|(_, other)| other.meets(path)) {
            let message = format!("spec.{key}: {path} and spec.{other} lead through each other");
            return Err(whole.fault(key, message));
        }
    }
    Ok(())
}

/// A mapping of a descriptor, of which every key is known.
struct Map<'n> {
    node: &'n Node,
    place: String,
}

impl<'n> Map<'n> {
    fn of(node: &'n Node, place: &str, known: &[&'static str]) -> Result<Self, Fault> {
        if !node.is_map() {
            let message = format!("{place} is {}, not a mapping", node.describe());
            return Err(Fault { line: node.line, message });
        }
        for entry in node.entries() {
            let key = entry.key.text.as_str();
            if known.contains(&key) {
                continue;
            }
            let hint = match nearest(key, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            let message = format!("{place} has no `{key}`: {hint}");
            return Err(Fault { line: entry.key.line, message });
        }
        Ok(Self { node, place: place.to_owned() })
    }

    fn map(&self, key: &str, known: &[&'static str]) -> Result<Self, Fault> {
        Self::of(self.need(key)?, &format!("{}.{key}", self.place), known)
    }

    fn need(&self, key: &str) -> Result<&'n Node, Fault> {
        self.node
            .get(key)
            .ok_or_else(|| self.fault(key, format!("{}.{key} is missing", self.place)))
    }

    /// A fault at a key, or at the mapping that lacks it.
    fn fault(&self, key: &str, message: String) -> Fault {
        let line = self.node.get(key).map_or(self.node.line, |node| node.line);
        Fault { line, message }
    }

    fn text(&self, key: &str) -> Result<String, Fault> {
        let node = self.need(key)?;
        let text = node.text().filter(|text| !text.is_empty()).map(str::to_owned);
        text.ok_or_else(|| {
            self.fault(key, format!("{}.{key} is {}, not a text", self.place, node.describe()))
        })
    }

    fn path_if(&self, key: &str, root: &str) -> Result<Option<FieldPath>, Fault> {
        self.node.get(key).map(|_| self.path(key, root)).transpose()
    }

    /// A path below `spec` or `status`: what is written, and what is read.
    fn path(&self, key: &str, root: &str) -> Result<FieldPath, Fault> {
        let text = self.text(key)?;
        let place = &self.place;
        let path = FieldPath::parse(&text)
            .map_err(|why| self.fault(key, format!("{place}.{key}: `{text}` {why}")))?;
        if path.keys().first() == Some(&root) && path.keys().len() > 1 {
            return Ok(path);
        }
        let hint = match text.contains('.') {
            true => String::new(),
            false => format!(", such as `{root}.{text}`"),
        };
        let message = format!("{place}.{key}: `{text}` does not begin with `{root}.`{hint}");
        Err(self.fault(key, message))
    }
}
