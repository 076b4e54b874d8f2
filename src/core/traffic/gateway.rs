//! Gateway API's HTTPRoute, by weight and by request. Owns which of a route's backends are
//! shared, and how a share is written and recognised.
//!
//! Every `backendRef` to the component's Service becomes two, source first,
//! which together get what the one had; other backends of the same rule keep
//! their part of it, and filters of the backend go to both. Rules without it
//! are left alone. `spec.rules` is atomic in the CRD (v1.4.0), so one manager
//! owns all of them: a weight that somebody edits by hand takes the rules over,
//! and the next write of ours is a conflict that names who did it.

use super::matched::narrowed;
use super::{Header, Split, Weight};
use crate::core::object::{KindRef, ObjectRef, at};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The group and version of the routes that are driven.
const API: &str = "gateway.networking.k8s.io/v1";
const KIND: &str = "HTTPRoute";

/// The most that a backend's own weight may be, so that a hundredth of it is
/// still a whole number within the API's bounds.
const MOST: u64 = 10_000;

/// The reference of a route by its name.
#[must_use]
pub fn route(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(&KindRef::new(API, KIND), Some(namespace), name)
}

/// Whether an object is a route.
#[must_use]
pub(super) fn is_http_route(object: &ObjectRef) -> bool {
    object.api_version == API && object.kind == KIND
}

fn rules(route: &Value) -> impl Iterator<Item = &Vec<Value>> {
    let rules = at(route, "/spec/rules").and_then(Value::as_array);
    rules.into_iter().flatten().filter_map(|rule| rule.get("backendRefs")?.as_array())
}

/// The Service that a backend names, if it is one of the route's namespace.
fn service_of<'a>(backend: &'a Value, namespace: &str) -> Option<&'a str> {
    let text = |name: &str| backend.get(name).and_then(Value::as_str);
    let core = text("group").unwrap_or_default().is_empty();
    let service = text("kind").unwrap_or("Service") == "Service";
    let here = text("namespace").is_none_or(|other| other == namespace);
    text("name").filter(|_| core && service && here)
}

fn namespace_of(route: &Value) -> &str {
    at(route, "/metadata/namespace").and_then(Value::as_str).unwrap_or_default()
}

/// A backend's weight; 1 where it is left out, as the server defaults it.
fn weight_of(backend: &Value) -> u64 {
    backend.get("weight").map_or(Some(1), Value::as_u64).unwrap_or(0)
}

/// The Services of its namespace that a route sends traffic to, in order of
/// their names.
#[must_use]
pub(super) fn backends(route: &Value) -> Vec<&str> {
    let namespace = namespace_of(route);
    let names: BTreeSet<&str> =
        rules(route).flatten().filter_map(|backend| service_of(backend, namespace)).collect();
    names.into_iter().collect()
}

/// What keeps a route from being shared, in words.
pub(super) fn unfit(route: &Value) -> Option<String> {
    let parents = at(route, "/spec/parentRefs").and_then(Value::as_array);
    if parents.is_none_or(Vec::is_empty) {
        return Some("has no spec.parentRefs: no Gateway would ever accept it".to_owned());
    }
    let heavy = rules(route).flatten().map(weight_of).find(|weight| *weight > MOST);
    heavy
        .map(|weight| format!("has a backend of weight {weight}; above {MOST} it cannot be shared"))
}

/// What keeps a split from being written into a rendered route, in words.
pub(super) fn inexpressible(route: &Value, split: &Split) -> Option<String> {
    let namespace = namespace_of(route);
    let rules = at(route, "/spec/rules").and_then(Value::as_array);
    let mine = |rule: &&Value| ours(rule, namespace, split).is_some();
    let told = |why: String| format!("cannot send what has {}: {why}", split.told_matches());
    let mut anything = false;
    for rule in rules.into_iter().flatten().filter(mine) {
        match narrowed(rule, &split.matches) {
            Ok(matches) => anything |= !matches.is_empty(),
            Err(why) => return Some(told(why)),
        }
    }
    let lost = !anything && !split.matches.is_empty();
    lost.then(|| told("no rule of it takes such a request".to_owned()))
}

/// The backends of a rule, if the component's Service is among them.
fn ours<'a>(rule: &'a Value, namespace: &str, split: &Split) -> Option<&'a Vec<Value>> {
    let refs = rule.get("backendRefs")?.as_array()?;
    refs.iter().any(|backend| is_ours(backend, namespace, split)).then_some(refs)
}

fn is_ours(backend: &Value, namespace: &str, split: &Split) -> bool {
    service_of(backend, namespace) == Some(split.service.as_str())
}

/// Writes a share into a rendered route.
pub(super) fn share(route: &mut Value, split: &Split) {
    let Some(weight) = split.weight else { return };
    let namespace = namespace_of(route).to_owned();
    let Some(rules) = route.pointer_mut("/spec/rules").and_then(Value::as_array_mut) else {
        return;
    };
    let mut shared = Vec::with_capacity(rules.len());
    for mut rule in std::mem::take(rules) {
        let Some(refs) = ours(&rule, &namespace, split) else {
            shared.push(rule);
            continue;
        };
        shared.extend(for_matches(&rule, refs, &namespace, split));
        let refs = weighted(refs, &namespace, split, weight);
        rule["backendRefs"] = Value::Array(refs);
        shared.push(rule);
    }
    *rules = shared;
}

/// The rule in front of another for the requests that go to the target
/// whatever its weight.
fn for_matches(rule: &Value, refs: &[Value], namespace: &str, split: &Split) -> Option<Value> {
    let matches = narrowed(rule, &split.matches).ok().filter(|matches| !matches.is_empty())?;
    let mut front = rule.clone();
    // The name of a rule is its own.
    front.as_object_mut()?.remove("name");
    front["matches"] = Value::Array(matches);
    let all = refs.iter().filter(|backend| is_ours(backend, namespace, split)).cloned();
    let refs = all.map(|mut backend| {
        backend["name"] = json!(split.target_service());
        backend
    });
    front["backendRefs"] = Value::Array(refs.collect());
    change_headers(&mut front, split);
    Some(front)
}

/// The backends of a rule, each of ours as two.
fn weighted(refs: &[Value], namespace: &str, split: &Split, weight: Weight) -> Vec<Value> {
    // One backend alone is shared in plain per cent.
    let alone = refs.len() == 1;
    let mut shared = Vec::with_capacity(refs.len() + 1);
    for backend in refs {
        let own = weight_of(backend);
        let part = |name: Option<String>, percent: u32| {
            let mut backend = backend.clone();
            if let Some(name) = name {
                backend["name"] = json!(name);
            }
            let whole = if alone { own.min(1) } else { own };
            backend["weight"] = json!(whole * u64::from(percent));
            backend
        };
        if is_ours(backend, namespace, split) {
            shared.push(part(Some(split.left_service()), weight.rest().percent()));
            let mut reached = part(Some(split.target_service()), weight.percent());
            change_headers(&mut reached, split);
            shared.push(reached);
        } else {
            shared.push(part(None, 100));
        }
    }
    shared
}

/// Adds the change of headers to the filters of a rule or a backend, which may
/// have one such filter at most.
fn change_headers(of: &mut Value, split: &Split) {
    if split.headers.is_empty() {
        return;
    }
    const KIND: &str = "RequestHeaderModifier";
    let mut filters = of.get("filters").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_change = |filter: &Value| filter.get("type").and_then(Value::as_str) == Some(KIND);
    let at = filters.iter().position(is_change);
    let mut change = at.map(|at| filters.remove(at)).unwrap_or_else(|| json!({"type": KIND}));
    let headers = &mut change["requestHeaderModifier"];
    let list = |list: &[Header]| -> Vec<Value> {
        list.iter().map(|h| json!({"name": h.name, "value": h.value})).collect()
    };
    let remove = split.headers.remove.iter().map(|name| json!(name)).collect();
    for (field, ours) in
        [("set", list(&split.headers.set)), ("add", list(&split.headers.add)), ("remove", remove)]
    {
        if ours.is_empty() {
            continue;
        }
        // Lists by name: what is said here takes the place of what the plan says.
        let name = |value: &Value| value.get("name").unwrap_or(value).clone();
        let known = headers.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        let others = known.into_iter().filter(|one| ours.iter().all(|o| name(o) != name(one)));
        headers[field] = others.chain(ours.iter().cloned()).collect();
    }
    filters.push(change);
    of["filters"] = Value::Array(filters);
}

/// Whether a live route says what a split says, whoever wrote it; else what it
/// says instead. Only what the split drives is looked at.
///
/// # Errors
/// The weights that are seen, in words.
pub(super) fn confirms(route: &Value, split: &Split) -> Result<(), String> {
    let namespace = namespace_of(route);
    let (source, target) = (split.source_service(), split.target_service());
    let mut seen = (false, false);
    for refs in rules(route) {
        let sum = |name: &str| {
            let mine = refs.iter().filter(|backend| service_of(backend, namespace) == Some(name));
            mine.fold(None, |sum: Option<u64>, backend| {
                Some(sum.unwrap_or(0).saturating_add(weight_of(backend)))
            })
        };
        let (whole, left, reached) = (sum(split.service.as_str()), sum(&source), sum(&target));
        seen.0 |= whole.is_some();
        seen.1 |= left.is_some() || reached.is_some();
        let right = match split.weight {
            None => left.is_none() && reached.is_none(),
            Some(weight) => {
                let (left, reached) = (left.unwrap_or(0), reached.unwrap_or(0));
                let (rest, percent) = (weight.rest().percent(), weight.percent());
                let crossed = left.checked_mul(u64::from(percent));
                whole.is_none() && crossed == reached.checked_mul(u64::from(rest))
            }
        };
        if !right {
            return Err(told(refs, namespace));
        }
    }
    let (whole, parts) = seen;
    let there = if split.weight.is_some() { parts } else { whole };
    if there { Ok(()) } else { Err("nothing to this component".to_owned()) }
}

/// A rule's backends and weights, for people.
fn told(refs: &[Value], namespace: &str) -> String {
    let parts: Vec<String> = refs
        .iter()
        .map(|backend| {
            let name = service_of(backend, namespace).unwrap_or("something else");
            format!("{name} {}", weight_of(backend))
        })
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::{Comparison, HeaderChange, Label, Match, ValueMatch};
    use super::*;

    fn split(percent: Option<u32>) -> Split {
        let weight = percent.map(|percent| Weight::new(percent).unwrap());
        Split {
            service: Label::new("web").unwrap(),
            source: 1,
            target: 2,
            weight,
            matches: Vec::new(),
            headers: HeaderChange::default(),
            mixed: false,
            alike: false,
            apart: false,
        }
    }

    fn rendered() -> Value {
        json!({
            "apiVersion": API, "kind": KIND,
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"parentRefs": [{"name": "edge"}], "rules": [
                {"backendRefs": [{"name": "web", "port": 80}]},
                {"backendRefs": [
                    {"name": "web", "port": 80, "weight": 9, "filters": [{"type": "URLRewrite"}]},
                    {"name": "old", "port": 80},
                    {"name": "web", "namespace": "other", "port": 80, "weight": 3},
                ]},
                {"backendRefs": [{"name": "api", "port": 80, "weight": 7}]},
            ]},
        })
    }

    #[test]
    fn each_backend_becomes_two_and_the_others_keep_their_part() {
        let mut route = rendered();
        share(&mut route, &split(Some(20)));
        let rules = &route["spec"]["rules"];
        assert_eq!(
            rules[0]["backendRefs"],
            json!([
                {"name": "web-v1-traffic", "port": 80, "weight": 80},
                {"name": "web-v2-traffic", "port": 80, "weight": 20},
            ])
        );
        let filters = json!([{"type": "URLRewrite"}]);
        assert_eq!(
            rules[1]["backendRefs"],
            json!([
                {"name": "web-v1-traffic", "port": 80, "weight": 720, "filters": filters},
                {"name": "web-v2-traffic", "port": 80, "weight": 180, "filters": filters},
                {"name": "old", "port": 80, "weight": 100},
                {"name": "web", "namespace": "other", "port": 80, "weight": 300},
            ])
        );
        assert_eq!(rules[2], rendered()["spec"]["rules"][2]);
        assert_eq!(backends(&rendered()), ["api", "old", "web"]);
    }

    #[test]
    fn a_share_confirms_itself_and_no_other() {
        for written in [None, Some(0), Some(20), Some(100)] {
            let mut route = rendered();
            share(&mut route, &split(written));
            for asked in [None, Some(0), Some(19), Some(20), Some(100)] {
                let confirmed = confirms(&route, &split(asked)).is_ok();
                assert_eq!(confirmed, written == asked, "{written:?} {asked:?}");
            }
        }
        let mut route = rendered();
        share(&mut route, &split(Some(20)));
        route["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(21);
        let seen = confirms(&route, &split(Some(20))).unwrap_err();
        assert_eq!(seen, "web-v1-traffic 80, web-v2-traffic 21");
        route["spec"]["rules"] = json!([]);
        assert!(confirms(&route, &split(Some(20))).is_err());
        assert!(confirms(&route, &split(None)).is_err());
    }

    #[test]
    fn a_backend_without_weight_stays_without() {
        let mut route = rendered();
        route["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(0);
        share(&mut route, &split(Some(20)));
        let refs = &route["spec"]["rules"][0]["backendRefs"];
        assert_eq!((&refs[0]["weight"], &refs[1]["weight"]), (&json!(0), &json!(0)));
    }

    fn by_header() -> Split {
        let user_agent = ValueMatch {
            comparison: Comparison::Exact,
            name: "User-Agent".to_owned(),
            value: "foo".to_owned(),
        };
        let tag = Header { name: "x-tag".to_owned(), value: "gray".to_owned() };
        Split {
            matches: vec![Match { headers: vec![user_agent], ..Match::default() }],
            headers: HeaderChange { set: vec![tag], ..HeaderChange::default() },
            ..split(Some(20))
        }
    }

    #[test]
    fn what_matches_goes_to_the_target_alone_by_a_rule_in_front() {
        let mut route = rendered();
        route["spec"]["rules"][0]["name"] = json!("all");
        route["spec"]["rules"][0]["timeouts"] = json!({"request": "5s"});
        share(&mut route, &by_header());
        let rules = &route["spec"]["rules"];
        let tagged = json!([{
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {"set": [{"name": "x-tag", "value": "gray"}]},
        }]);
        assert_eq!(
            rules[0],
            json!({
                "matches": [
                    {"headers": [{"type": "Exact", "name": "User-Agent", "value": "foo"}]},
                ],
                "backendRefs": [{"name": "web-v2-traffic", "port": 80}],
                "timeouts": {"request": "5s"},
                "filters": tagged,
            })
        );
        assert_eq!(
            rules[1]["backendRefs"],
            json!([
                {"name": "web-v1-traffic", "port": 80, "weight": 80},
                {"name": "web-v2-traffic", "port": 80, "weight": 20, "filters": tagged},
            ])
        );
        assert_eq!(rules[1]["name"], "all");
        assert_eq!(rules[2]["backendRefs"].as_array().unwrap().len(), 1, "{rules:#}");
        assert_eq!(rules[4], rendered()["spec"]["rules"][2]);
    }

    #[test]
    fn a_header_that_the_plan_sets_already_is_set_once() {
        let mut route = rendered();
        route["spec"]["rules"][0]["filters"] = json!([{
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {
                "set": [{"name": "x-tag", "value": "red"}, {"name": "x-a", "value": "1"}],
            },
        }]);
        share(&mut route, &by_header());
        let filters = &route["spec"]["rules"][0]["filters"];
        assert_eq!(
            filters[0]["requestHeaderModifier"]["set"],
            json!([{"name": "x-a", "value": "1"}, {"name": "x-tag", "value": "gray"}])
        );
        assert_eq!(filters.as_array().unwrap().len(), 1);
    }

    #[test]
    fn what_no_rule_takes_cannot_be_sent() {
        let mut route = rendered();
        assert_eq!(inexpressible(&route, &by_header()), None);
        let other = json!([{"headers": [{"name": "user-agent", "value": "bar"}]}]);
        for rule in route["spec"]["rules"].as_array_mut().unwrap() {
            rule["matches"] = other.clone();
        }
        let why = inexpressible(&route, &by_header()).unwrap();
        assert_eq!(why, "cannot send what has User-Agent=foo: no rule of it takes such a request");
    }
}
