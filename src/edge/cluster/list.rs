//! Whole lists, page by page. Owns the bookkeeping of pages; it must never
//! return a part of a list, nor keep a page longer than it is looked at.

use super::answer::problem;
use super::page::read_page;
use super::path::escape;
use super::request::{Class, Sender};
use crate::core::object::KindRef;
use crate::port::ClusterProblem;
use serde_json::Value;
use std::sync::Arc;

const PAGE: usize = 500;
const MOST_RESTARTS: usize = 3;

/// What `look` makes of all objects under `path` that carry `labels`.
pub(super) async fn scan<T>(
    sender: &Sender,
    kind: &KindRef,
    path: &str,
    labels: &[(String, String)],
    look: &mut dyn FnMut(Arc<Value>) -> Option<T>,
) -> Result<Vec<T>, ClusterProblem> {
    let selector: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let selector = escape(&selector.join(","));
    let mut base = format!("{path}?limit={PAGE}");
    if !selector.is_empty() {
        base.push_str(&format!("&labelSelector={selector}"));
    }
    for _ in 0..=MOST_RESTARTS {
        if let Some(items) = pages(sender, kind, &base, look).await? {
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
async fn pages<T>(
    sender: &Sender,
    kind: &KindRef,
    base: &str,
    look: &mut dyn FnMut(Arc<Value>) -> Option<T>,
) -> Result<Option<Vec<T>>, ClusterProblem> {
    let secret = is_secret(kind);
    let mut kept = Vec::new();
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
        let page = read_page(&answer.body, &mut |item| {
            kept.extend(look(Arc::new(named(item, kind))));
        });
        // The error's text would quote the body.
        let page = page
            .map_err(|_| ClusterProblem::Unreachable("a page of the list is no JSON".to_owned()))?;
        if !page.has_items {
            return Err(ClusterProblem::Other("a page of the list has no items".to_owned()));
        }
        if page.next.is_empty() {
            return Ok(Some(kept));
        }
        if page.next == token {
            return Err(ClusterProblem::Other("the list's pages do not end".to_owned()));
        }
        token = page.next;
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
