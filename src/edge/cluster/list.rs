//! Whole lists, page by page. Owns the bookkeeping of pages; it must never
//! return a part of a list.

use super::answer::problem;
use super::path::escape;
use super::request::{Class, Sender};
use crate::core::object::{KindRef, at};
use crate::port::ClusterProblem;
use serde_json::Value;

const PAGE: usize = 500;
const MOST_RESTARTS: usize = 3;

/// All objects under `path` that carry `labels`.
pub(super) async fn list(
    sender: &Sender,
    kind: &KindRef,
    path: &str,
    labels: &[(String, String)],
) -> Result<Vec<Value>, ClusterProblem> {
    let selector: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let selector = escape(&selector.join(","));
    let mut base = format!("{path}?limit={PAGE}");
    if !selector.is_empty() {
        base.push_str(&format!("&labelSelector={selector}"));
    }
    for _ in 0..=MOST_RESTARTS {
        if let Some(items) = pages(sender, kind, &base).await? {
            return Ok(items);
        }
    }
    Err(ClusterProblem::Unreachable(format!(
        "the list changed too fast: its pages expired {} times",
        MOST_RESTARTS + 1
    )))
}

/// One go through all pages; none if the server has forgotten the list's
/// version on the way (410).
async fn pages(
    sender: &Sender,
    kind: &KindRef,
    base: &str,
) -> Result<Option<Vec<Value>>, ClusterProblem> {
    let secret = is_secret(kind);
    let mut items = Vec::new();
    let mut token = String::new();
    loop {
        let page = match token.as_str() {
            "" => base.to_owned(),
            token => format!("{base}&continue={}", escape(token)),
        };
        let answer = sender.get(&page).await.answer(Class::Read)?;
        match answer.code {
            200 => {}
            410 => return Ok(None),
            404 => return Err(ClusterProblem::NoKind(kind.to_string())),
            _ => return Err(problem(&answer, Class::Read, secret)),
        }
        let mut page: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| ClusterProblem::Unreachable("a page of the list is no JSON".to_owned()))?;
        let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) else {
            return Err(ClusterProblem::Other("a page of the list has no items".to_owned()));
        };
        items.extend(found.into_iter().map(|item| named(item, kind)));
        let next = at(&page, "/metadata/continue").and_then(Value::as_str).unwrap_or_default();
        if next.is_empty() {
            return Ok(Some(items));
        }
        if next == token {
            return Err(ClusterProblem::Other("the list's pages do not end".to_owned()));
        }
        token = next.to_owned();
    }
}

/// Items of built-in lists come without their kind.
fn named(mut item: Value, kind: &KindRef) -> Value {
    if let Some(map) = item.as_object_mut() {
        map.entry("apiVersion").or_insert_with(|| kind.api_version.as_str().into());
        map.entry("kind").or_insert_with(|| kind.kind.as_str().into());
    }
    item
}

/// Whether the server's texts about a kind may hold a secret's value.
pub(super) fn is_secret(kind: &KindRef) -> bool {
    kind.group().is_empty() && kind.kind == "Secret"
}
