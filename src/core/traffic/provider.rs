//! Whose objects move traffic. Owns the table from a kind of object to what is
//! written into it and how that is recognised; each provider's own rules are in
//! a file of its own.

use super::{Acceptance, Split, gateway, ingress, parents};
use crate::core::object::{ObjectRef, at};
use serde_json::Value;

/// A kind of object that moves traffic.
struct Provider {
    /// Whether an object is of it.
    is: fn(&ObjectRef) -> bool,
    /// The Services of its namespace that an object sends to.
    backends: fn(&Value) -> Vec<&str>,
    /// What keeps an object from ever being shared, in words.
    unfit: fn(&Value) -> Option<String>,
    /// Writes a share into a rendered object.
    share: fn(&mut Value, &Split),
    /// What keeps a share from being written, in words.
    inexpressible: fn(&Value, &Split) -> Option<String>,
    /// Whether it is taken over by whoever acts on it.
    acceptance: fn(&Value) -> Acceptance,
    /// The fields that a share is written into.
    fields: &'static [&'static [&'static str]],
}

static PROVIDERS: &[Provider] = &[
    Provider {
        is: gateway::is_http_route,
        backends: gateway::backends,
        unfit: gateway::unfit,
        share: gateway::share,
        inexpressible: gateway::inexpressible,
        acceptance: parents::acceptance,
        fields: &[&["spec", "rules"]],
    },
    Provider {
        is: ingress::is_ingress,
        backends: ingress::backends,
        unfit: |_| None,
        share: ingress::share,
        inexpressible: |_, _| None,
        // An Ingress has nothing to say it by; what is read back has to do.
        acceptance: |_| Acceptance::Accepted,
        fields: &[&["spec", "rules"]],
    },
];

fn of(object: &ObjectRef) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| (provider.is)(object))
}

fn of_body(body: &Value) -> Option<&'static Provider> {
    of(&ObjectRef::of(body)?)
}

/// Whether an object moves traffic.
#[must_use]
pub fn is_route(object: &ObjectRef) -> bool {
    of(object).is_some()
}

/// The Services of its namespace that a route sends traffic to, in order of
/// their names.
#[must_use]
pub fn backends(route: &Value) -> Vec<&str> {
    of_body(route).map(|provider| (provider.backends)(route)).unwrap_or_default()
}

/// What keeps a route from ever being shared, in words.
pub(super) fn unfit(route: &Value) -> Option<String> {
    (of_body(route)?.unfit)(route)
}

/// Writes a share into a rendered route.
pub fn share(route: &mut Value, split: &Split) {
    if let Some(provider) = of_body(route) {
        (provider.share)(route, split);
    }
}

/// What keeps a share from being written into a rendered route, in words that
/// follow its name.
#[must_use]
pub fn inexpressible(route: &Value, split: &Split) -> Option<String> {
    (of_body(route)?.inexpressible)(route, split)
}

/// The fields of a route that a share is written into.
#[must_use]
pub fn driven_fields(object: &ObjectRef) -> &'static [&'static [&'static str]] {
    of(object).map_or(&[], |provider| provider.fields)
}

/// Whether a route is taken over by those who act on it.
#[must_use]
pub fn acceptance(route: &Value) -> Acceptance {
    let none = || Acceptance::Missing("it is no route".to_owned());
    of_body(route).map_or_else(none, |provider| (provider.acceptance)(route))
}

/// Whether a live route says what a split makes of the rendered one, whoever
/// wrote it; else what it says instead. Only what a split is written into is
/// looked at, and what the server adds there is no difference.
///
/// # Errors
/// What is seen, in words.
pub fn confirms(live: &Value, split: &Split, rendered: Option<&Value>) -> Result<(), String> {
    let object = ObjectRef::of(live);
    let by_weight = split.matches.is_empty() && split.headers.is_empty() && !split.mixed;
    if by_weight && object.as_ref().is_some_and(gateway::is_http_route) {
        return gateway::confirms(live, split);
    }
    let Some(rendered) = rendered else { return Err("nothing that was written".to_owned()) };
    let mut wanted = rendered.clone();
    share(&mut wanted, split);
    let fields = object.as_ref().map(driven_fields).unwrap_or_default();
    let differs = fields.iter().find(|path| {
        let pointer = format!("/{}", path.join("/"));
        at(&wanted, &pointer).is_some_and(|w| at(live, &pointer).is_none_or(|l| !holds(l, w)))
    });
    let annotated = annotations(&wanted).all(|(key, value)| {
        live["metadata"]["annotations"].get(key).is_some_and(|live| live == value)
    });
    match differs {
        Some(path) => Err(format!("something else in {}", path.join("."))),
        None if !annotated => Err("something else in its annotations".to_owned()),
        None => Ok(()),
    }
}

fn annotations(body: &Value) -> impl Iterator<Item = (&String, &Value)> {
    at(body, "/metadata/annotations").and_then(Value::as_object).into_iter().flatten()
}

/// Whether a live value has everything that is wanted; maps may have more.
fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| live.get(key).is_some_and(|live| holds(live, wanted)))
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(l, w)| holds(l, w))
        }
        _ => live == wanted,
    }
}
