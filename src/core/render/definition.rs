//! One type out of a type file. Owns how the front part is read; it must never
//! expand a template.

use super::error::RenderError;
use super::schema::Schema;
use super::yaml_text::parse_documents;
use crate::core::model::{Limits, Place};
use crate::core::strategy::workload::{self, WorkloadKind};
use crate::core::yaml::{self, Document as YamlDocument};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// What a type is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TypeKind {
    /// A component type.
    Component,
    /// A trait.
    Trait,
    /// What a share of traffic writes into a kind of route.
    Route,
    /// Where a kind of workload keeps what a rollout moves.
    Workload,
}

impl TypeKind {
    /// The word that errors use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Component => "component type",
            Self::Trait => "trait",
            Self::Route => "route type",
            Self::Workload => "workload type",
        }
    }
}

/// A template's text and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) text: String,
    /// The line of the key that holds it, so that its line 1 is the next one.
    pub(super) line: u32,
}

/// One type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Definition {
    pub(super) kind: TypeKind,
    pub(super) name: String,
    pub(super) description: String,
    /// The kind of the workload that a component type renders.
    pub(super) workload: Option<String>,
    /// The kinds of workload that a trait goes with, empty is any; the kinds of
    /// route that a route type writes.
    pub(super) applies_to: Vec<String>,
    pub(super) parameters: Schema,
    pub(super) template: Option<Block>,
    pub(super) patch: Option<Block>,
    /// A merge patch as RFC 7396 has it, which knows no keys of lists.
    pub(super) merge_patch: Option<Block>,
    /// The operations of a JSON patch.
    pub(super) json_patch: Option<Block>,
    /// What a workload type describes.
    pub(super) describes: Option<Arc<WorkloadKind>>,
    pub(super) place: Place,
    /// The document's text as far as it tells revisions apart; none for a
    /// built-in type, whose version is recorded instead.
    pub(super) source: Option<String>,
}

/// The kind of document that describes a kind of workload.
const WORKLOAD_TYPE: &str = "WorkloadType";

impl Definition {
    /// The parts that hold templates.
    pub(super) const PARTS: [&str; 4] = ["template", "patch", "mergePatch", "jsonPatch"];

    /// The template of a part, if the type has it.
    pub(super) fn part(&self, part: &str) -> Option<&Block> {
        match part {
            "patch" => self.patch.as_ref(),
            "mergePatch" => self.merge_patch.as_ref(),
            "jsonPatch" => self.json_patch.as_ref(),
            _ => self.template.as_ref(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    description: String,
    workload: Option<String>,
    #[serde(default)]
    applies_to: Vec<String>,
    parameters: Option<Value>,
    template: Option<String>,
    patch: Option<String>,
    merge_patch: Option<String>,
    json_patch: Option<String>,
}

impl Spec {
    /// Whether it has a patch in the form of an RFC.
    fn is_plainly_patched(&self) -> bool {
        self.merge_patch.is_some() || self.json_patch.is_some()
    }
}

/// Reads every type in a file.
pub(super) fn read_file(path: &str, text: &str) -> Result<Vec<Definition>, RenderError> {
    let text = text.replace("\r\n", "\n");
    let mut definitions = Vec::new();
    for (line, chunk) in split(&text) {
        let values = parse_documents(&chunk).map_err(|fault| {
            definition_error(path, line + fault.line - 1, format!("is no YAML: {}", fault.message))
        })?;
        for value in values {
            definitions.push(read(path, line, &chunk, value)?);
        }
    }
    Ok(definitions)
}

/// The documents of a file with the line that each begins at.
fn split(text: &str) -> Vec<(u32, String)> {
    let mut chunks = vec![(1, String::new())];
    for (line, number) in text.lines().zip(1_u32..) {
        if line.trim_end() == "---" {
            chunks.push((number + 1, String::new()));
        } else if let Some((_, chunk)) = chunks.last_mut() {
            chunk.push_str(line);
            chunk.push('\n');
        }
    }
    chunks
}

fn definition_error(path: &str, line: u32, message: String) -> RenderError {
    RenderError::Definition { place: Place { file: path.to_owned(), line }, message }
}

fn read(path: &str, line: u32, chunk: &str, value: Value) -> Result<Definition, RenderError> {
    let blank = chunk.lines().take_while(|text| is_blank(text)).count();
    let start = line + u32::try_from(blank).unwrap_or(0);
    let fail = |message: String| definition_error(path, start, message);
    if value.get("kind").and_then(Value::as_str) == Some(WORKLOAD_TYPE) {
        return workload_type(path, line, chunk);
    }
    let document: Document =
        serde_json::from_value(value).map_err(|error| fail(format!("is no type: {error}")))?;
    if document.api_version != "tranche.dev/v1alpha1" {
        let found = document.api_version;
        return Err(fail(format!("apiVersion must be tranche.dev/v1alpha1, not {found}")));
    }
    let kind = match document.kind.as_str() {
        "ComponentType" => TypeKind::Component,
        "TraitType" => TypeKind::Trait,
        "RouteType" => TypeKind::Route,
        other => {
            let known = "ComponentType, TraitType, RouteType or WorkloadType";
            return Err(fail(format!("kind must be {known}, not {other}")));
        }
    };
    let spec = document.spec;
    check_parts(kind, &spec).map_err(|problem| fail(problem.to_owned()))?;
    let parameters = match &spec.parameters {
        None => Schema { types: vec!["object".to_owned()], ..Schema::default() },
        Some(schema) => Schema::parse(schema, "spec.parameters").map_err(fail)?,
    };
    let block = |key: &str, text: String| Block { text, line: line + block_line(chunk, key) };
    Ok(Definition {
        kind,
        name: document.metadata.name,
        description: spec.description,
        workload: spec.workload,
        applies_to: spec.applies_to,
        parameters,
        template: spec.template.map(|text| block("template", text)),
        patch: spec.patch.map(|text| block("patch", text)),
        merge_patch: spec.merge_patch.map(|text| block("mergePatch", text)),
        json_patch: spec.json_patch.map(|text| block("jsonPatch", text)),
        describes: None,
        place: Place { file: path.to_owned(), line: start },
        source: Some(chunk.trim_end().to_owned()),
    })
}

/// A descriptor of a kind, which has no template.
fn workload_type(path: &str, line: u32, chunk: &str) -> Result<Definition, RenderError> {
    let limits = Limits { file_bytes: chunk.len(), ..Limits::default() };
    let documents = yaml::parse(path, chunk.as_bytes(), &limits).map_err(|error| {
        definition_error(path, line + error.line().max(1) - 1, error.message().to_owned())
    })?;
    let is = |document: &&YamlDocument| !document.root.is_null();
    let Some(document) = documents.iter().find(is) else {
        return Err(definition_error(path, line, "is no type: it is empty".to_owned()));
    };
    let root = &document.root;
    let fail = |at: u32, message: String| definition_error(path, line + at.max(1) - 1, message);
    let version = root.get("apiVersion").and_then(|node| node.text()).unwrap_or_default();
    if version != "tranche.dev/v1alpha1" {
        let message = format!("apiVersion must be tranche.dev/v1alpha1, not {version}");
        return Err(fail(root.line, message));
    }
    for entry in root.entries() {
        let key = entry.key.text.as_str();
        if !["apiVersion", "kind", "metadata", "spec"].contains(&key) {
            let message = format!("a workload type has no `{key}`: it is `metadata` and `spec`");
            return Err(fail(entry.key.line, message));
        }
    }
    let name = root.get("metadata").and_then(|node| node.get("name")?.text());
    let Some(name) = name else {
        return Err(fail(root.line, "is no type: it has no metadata.name".to_owned()));
    };
    let Some(spec) = root.get("spec") else {
        return Err(fail(root.line, format!("workload type `{name}` has no spec")));
    };
    let describes = workload::read(spec).map_err(|fault| fail(fault.line, fault.message))?;
    let description = spec.get("description").and_then(|node| node.text()).unwrap_or_default();
    Ok(Definition {
        kind: TypeKind::Workload,
        name: name.to_owned(),
        description: description.to_owned(),
        workload: None,
        applies_to: Vec::new(),
        parameters: Schema { types: vec!["object".to_owned()], ..Schema::default() },
        template: None,
        patch: None,
        merge_patch: None,
        json_patch: None,
        describes: Some(Arc::new(describes)),
        place: Place { file: path.to_owned(), line: line + root.line.max(1) - 1 },
        source: Some(chunk.trim_end().to_owned()),
    })
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn check_parts(kind: TypeKind, spec: &Spec) -> Result<(), &'static str> {
    match kind {
        TypeKind::Component | TypeKind::Route if spec.is_plainly_patched() => {
            Err("`mergePatch` and `jsonPatch` belong to traits")
        }
        TypeKind::Component if spec.template.is_none() => Err("a component type needs a template"),
        TypeKind::Component if spec.workload.is_none() => {
            Err("a component type needs `workload`, the kind of the first object it renders")
        }
        TypeKind::Component if spec.patch.is_some() || !spec.applies_to.is_empty() => {
            Err("`patch` and `appliesTo` belong to traits")
        }
        TypeKind::Trait if spec.workload.is_some() => Err("`workload` belongs to component types"),
        TypeKind::Trait
            if spec.template.is_none() && spec.patch.is_none() && !spec.is_plainly_patched() =>
        {
            Err("a trait needs a patch, a template or both")
        }
        TypeKind::Route if spec.workload.is_some() || spec.template.is_some() => {
            Err("`workload` and `template` do not belong to route types")
        }
        TypeKind::Workload => Err("a workload type has no template"),
        TypeKind::Route if spec.patch.is_none() || spec.applies_to.is_empty() => Err(
            "a route type needs a `patch`, and in `appliesTo` the kinds that it writes, such as \
             `TraefikService.traefik.io`",
        ),
        _ => Ok(()),
    }
}

/// How many lines below the document's first one the block of `key` begins.
fn block_line(chunk: &str, key: &str) -> u32 {
    let head = format!("{key}: |");
    let found = chunk
        .lines()
        .enumerate()
        .filter(|(_, line)| line.trim_start().starts_with(&head))
        .min_by_key(|(_, line)| line.len() - line.trim_start().len());
    found.and_then(|(index, _)| u32::try_from(index).ok()).unwrap_or(0)
}
