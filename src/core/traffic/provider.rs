//! Whose objects move traffic. Owns the table from a kind of object to what is
//! written into it and how that is recognised; each provider's own rules are in
//! a file of its own. A kind that is not in it is one that a template of the
//! plan writes.

use super::fields::{differing, holds};
use super::{Acceptance, Split, gateway, ingress, istio, parents};
use crate::core::object::{ObjectRef, at};
use serde_json::Value;
use std::collections::BTreeSet;

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
    /// Whether its kind always tells that.
    has_status: bool,
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
        has_status: true,
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
        has_status: true,
        fields: &[&["spec", "rules"]],
    },
    // What is written into these depends on more than the share: it comes as
    // fields, and is refused where they are made.
    Provider {
        is: istio::is_virtual_service,
        backends: istio::backends,
        unfit: |_| None,
        share: |_, _| {},
        inexpressible: |_, _| None,
        acceptance: istio::acceptance,
        has_status: false,
        fields: &[&["spec", "http"], &["spec", "tls"], &["spec", "tcp"]],
    },
    Provider {
        is: istio::is_destination_rule,
        backends: istio::host,
        unfit: |_| None,
        share: |_, _| {},
        inexpressible: |_, _| None,
        acceptance: istio::acceptance,
        has_status: false,
        fields: &[&["spec", "subsets"]],
    },
];

/// What of a kind that a template writes is a rollout's.
const BY_TEMPLATE: &[&[&str]] = &[&["spec"]];

fn of(object: &ObjectRef) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| (provider.is)(object))
}

fn of_body(body: &Value) -> Option<&'static Provider> {
    of(&ObjectRef::of(body)?)
}

/// Whether an object is of a kind whose routes are known here; others are
/// written by a template.
#[must_use]
pub fn is_route(object: &ObjectRef) -> bool {
    of(object).is_some()
}

/// Whether a kind tells by itself that it was taken over, or is known never to:
/// of others a rule of the plan may.
#[must_use]
pub fn has_status(object: &ObjectRef) -> bool {
    of(object).is_some_and(|provider| provider.has_status)
}

/// The Services of its namespace that a route sends traffic to, in order of
/// their names. Of a kind that is not known, whatever stands in its spec may be
/// one.
#[must_use]
pub fn backends(route: &Value) -> Vec<&str> {
    if let Some(provider) = of_body(route) {
        return (provider.backends)(route);
    }
    let mut names = BTreeSet::new();
    texts(route.get("spec").unwrap_or(&Value::Null), &mut names);
    names.into_iter().collect()
}

/// Every text and every name of a field, since some kinds have a map by Service;
/// and the first label of those that are a host.
fn texts<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => named(text, found),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => {
            for (key, item) in map {
                named(key, found);
                texts(item, found);
            }
        }
        _ => {}
    }
}

fn named<'a>(text: &'a str, found: &mut BTreeSet<&'a str>) {
    found.insert(text);
    found.extend(text.split('.').next());
}

/// What keeps a route from ever being shared, in words.
pub(super) fn unfit(route: &Value) -> Option<String> {
    (of_body(route)?.unfit)(route)
}

/// Writes a share into a rendered route, as far as its kind and the share say
/// it.
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
    of(object).map_or(BY_TEMPLATE, |provider| provider.fields)
}

/// Whether a route is taken over by those who act on it. What nothing is known
/// of has only to be read back.
#[must_use]
pub fn acceptance(route: &Value) -> Acceptance {
    of_body(route).map_or(Acceptance::Accepted, |provider| (provider.acceptance)(route))
}

/// Whether a live route says what a share makes of the rendered one, with
/// `fields` written over it, whoever wrote it; else what it says instead. Only
/// what is driven is looked at, and what the server adds there is no difference.
///
/// # Errors
/// What is seen, in words.
pub fn confirms(
    live: &Value,
    split: &Split,
    rendered: Option<&Value>,
    fields: Option<&Value>,
) -> Result<(), String> {
    let object = ObjectRef::of(live);
    let by_weight = split.matches.is_empty() && split.headers.is_empty() && !split.mixed;
    if by_weight && object.as_ref().is_some_and(gateway::is_http_route) {
        return gateway::confirms(live, split);
    }
    if let Some(fields) = fields {
        let differs = differing(Some(live), fields);
        return differs.map_or(Ok(()), |path| Err(format!("something else in {path}")));
    }
    let Some(rendered) = rendered else { return Err("nothing that was written".to_owned()) };
    let mut wanted = rendered.clone();
    share(&mut wanted, split);
    let driven = object.as_ref().map(driven_fields).unwrap_or_default();
    let differs = driven.iter().find(|path| {
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
