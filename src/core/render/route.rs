//! What a template of the plan writes into a kind of route. Owns what it is
//! given and what it may say; it must never know when a route is written.

use super::definition::Definition;
use super::expand::{expand, file_line};
use super::library::Library;
use super::validate::complete;
use crate::core::model::{Limits, Place};
use crate::core::object::{KindRef, at};
use serde_json::{Value, json};
use std::sync::Arc;

/// Annotations of ours, which no template writes.
const OURS: &str = "tranche.dev/";

/// A route type: the template for one or several kinds of route.
#[derive(Clone, Debug)]
pub struct RouteType {
    library: Library,
    definition: Arc<Definition>,
    limits: Limits,
}

impl PartialEq for RouteType {
    fn eq(&self, other: &Self) -> bool {
        self.definition == other.definition && self.limits == other.limits
    }
}

/// A kind as route types name it: `TraefikService.traefik.io`.
#[must_use]
pub fn route_kind(kind: &KindRef) -> String {
    match kind.group() {
        "" => kind.kind.clone(),
        group => format!("{}.{group}", kind.kind),
    }
}

impl RouteType {
    /// The route type of a plan that applies to a kind.
    #[must_use]
    pub fn of(library: &Library, kind: &KindRef, limits: &Limits) -> Option<Self> {
        let definition = library.route_type(&route_kind(kind))?;
        Some(Self { library: library.clone(), definition, limits: limits.clone() })
    }

    /// The fields that it writes over a rendered route at a share of traffic;
    /// `null` takes one away.
    ///
    /// # Errors
    /// In words that follow the route's name: what it has no words for, or
    /// what it may not say.
    pub fn fields(
        &self,
        properties: &Value,
        rendered: &Value,
        traffic: &Value,
    ) -> Result<Value, String> {
        let definition = &*self.definition;
        let parameter = complete(&definition.parameters, properties).map_err(|problems| {
            format!("has properties that {} does not take: {}", self.place(0), problems.join("; "))
        })?;
        let namespace = at(rendered, "/metadata/namespace").and_then(Value::as_str);
        let context = json!({"namespace": namespace.unwrap_or_default(), "output": rendered});
        let values = json!({"parameter": parameter, "context": context, "traffic": traffic});
        let found = expand(&self.library, definition, "patch", &values, &self.limits);
        let found = found.map_err(|fault| {
            format!("is refused by its template: {}: {}", self.place(fault.line), fault.message)
        })?;
        match <[Value; 1]>::try_from(found) {
            Ok([fields]) => allowed(&fields)
                .map(|()| fields)
                .map_err(|why| format!("gets from {} {why}", self.place(0))),
            Err(found) => Err(format!(
                "gets {} documents from {}: it needs one, with `spec` in it",
                found.len(),
                self.place(0)
            )),
        }
    }

    /// A line of the template, from 1, or all of it.
    fn place(&self, line: u32) -> Place {
        let definition = &self.definition;
        let block = definition.patch.as_ref().filter(|_| line > 0);
        let line = block.map_or(definition.place.line, |block| file_line(block, line));
        Place { file: definition.place.file.clone(), line }
    }
}

/// Whether fields are some that a template may write.
fn allowed(fields: &Value) -> Result<(), String> {
    let Some(map) = fields.as_object() else { return Err("no mapping".to_owned()) };
    if !map.get("spec").is_some_and(Value::is_object) {
        return Err("no `spec`".to_owned());
    }
    if let Some(other) = map.keys().find(|key| !["metadata", "spec"].contains(&key.as_str())) {
        return Err(format!("`{other}`: it may write `spec` and `metadata.annotations`"));
    }
    let metadata = map.get("metadata").and_then(Value::as_object);
    if let Some(other) = metadata.and_then(|map| map.keys().find(|key| *key != "annotations")) {
        return Err(format!("`metadata.{other}`: of `metadata` it may write `annotations`"));
    }
    let annotations = metadata.and_then(|map| map.get("annotations")?.as_object());
    for (key, value) in annotations.into_iter().flatten() {
        if key.starts_with(OURS) {
            return Err(format!("the annotation {key}, which is not its to write"));
        }
        if !value.is_string() && !value.is_null() {
            return Err(format!("an annotation {key} that is no text: write `| to_json`"));
        }
    }
    Ok(())
}
