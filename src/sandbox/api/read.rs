//! Get and list. Owns paging and selection; it must never change anything.

use super::Answer;
use super::route::{Place, Query};
use crate::core::object::{ObjectRef, schema};
use crate::sandbox::kinds::Resource;
use crate::sandbox::selector::{FieldSelector, Selector};
use crate::sandbox::status::Refusal;
use crate::sandbox::stored::Stored;
use crate::sandbox::world::World;
use serde_json::{Value, json};

pub(in crate::sandbox) fn get(world: &World, resource: &Resource, place: &Place) -> Answer {
    let name = ObjectRef::new(&resource.kind_ref(), place.namespace.as_deref(), &place.name);
    let found = world.get(&name).cloned();
    found.map(|object| (200, object)).ok_or_else(|| Refusal::not_found(resource, &place.name))
}

pub(in crate::sandbox) fn list(
    world: &World,
    resource: &Resource,
    namespace: Option<&str>,
    query: &Query,
) -> Answer {
    if query.yes("watch") {
        return Err(Refusal::not_modelled("watches; list again instead"));
    }
    let limit = match query.get("limit") {
        "" | "0" => usize::MAX,
        text => text.parse().map_err(|_| {
            let why = format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
            Refusal::bad_request(why)
        })?,
    };
    let from = resume(query.get("continue"), world.rv())?;
    let kind = resource.kind_ref();
    let mut chosen = selected(world, resource, namespace, query)?;
    chosen.retain(|(name, _)| from.is_empty() || token(name) > from);
    let left = chosen.len().saturating_sub(limit);
    chosen.truncate(limit);
    let mut metadata = json!({"resourceVersion": world.rv().to_string()});
    if left > 0
        && let Some((last, _)) = chosen.last()
    {
        let token = format!("{}\u{1}{}", world.rv(), token(last));
        metadata["continue"] = json!(hex(&token));
        // Nobody has counted what a selector would leave.
        if query.get("labelSelector").is_empty() && query.get("fieldSelector").is_empty() {
            metadata["remainingItemCount"] = json!(left);
        }
    }
    // Like the real server: items of built-in kinds do not name their kind.
    let bare = schema::has_schema(&kind);
    let items: Vec<Value> = chosen.into_iter().map(|(_, s)| item(s.whole(), bare)).collect();
    let body = json!({
        "kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(),
        "metadata": metadata, "items": items,
    });
    Ok((200, body))
}

/// The objects that a list is about, in the order of the state.
pub(in crate::sandbox) fn selected<'w>(
    world: &'w World,
    resource: &Resource,
    namespace: Option<&str>,
    query: &Query,
) -> Result<Vec<(&'w ObjectRef, &'w Stored)>, Refusal> {
    let selector = Selector::parse(query.get("labelSelector"))?;
    let fields = FieldSelector::parse(query.get("fieldSelector"), resource.kind)?;
    let kind = resource.kind_ref();
    let chosen = world.stored_of_kind(&kind).filter(|(name, stored)| {
        let here = namespace.is_none() || name.namespace.as_deref() == namespace;
        here && selector.matches(stored.bare()) && fields.matches(stored.bare())
    });
    Ok(chosen.collect())
}

/// Where a page ends. The separator sorts before everything that a name may
/// contain, so tokens are in the order of the state.
fn token(name: &ObjectRef) -> String {
    format!("{}\u{1}{}", name.namespace.as_deref().unwrap_or(""), name.name)
}

/// A token as it goes over the wire.
fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a token goes on. Only the newest state is kept, so a list that was
/// begun on another one has to begin again.
fn resume(given: &str, version: u64) -> Result<String, Refusal> {
    if given.is_empty() {
        return Ok(String::new());
    }
    let text = unhex(given)?;
    match text.split_once('\u{1}') {
        Some((of, place)) if of == version.to_string() => Ok(place.to_owned()),
        Some(_) => Err(Refusal::new(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result. You \
             can start a new list without the continue parameter.",
        )),
        None => Err(foreign()),
    }
}

fn foreign() -> Refusal {
    Refusal::bad_request("continue key is not valid: it is not of this server")
}

fn unhex(given: &str) -> Result<String, Refusal> {
    let byte = |index: usize| u8::from_str_radix(given.get(index..index + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..given.len()).step_by(2).map(byte).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(foreign)
}

fn item(object: &Value, bare: bool) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut().filter(|_| bare) {
        map.remove("kind");
        map.remove("apiVersion");
    }
    object
}
