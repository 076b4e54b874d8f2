//! A VirtualService's rules. Owns which of a rule's destinations are shared,
//! and how a share is written into them.
//!
//! A rule's other destinations keep their weights, and what ours had is split
//! by the largest remainder, so that a rule's weights add up to what they did.
//! Requests that go to the target whatever its weight get a rule of their own
//! in front of each rule, which is that rule in everything but its destination
//! and what it matches besides.

use super::matched::narrowed;
use super::{Subsets, service_of, text};
use crate::core::object::at;
use crate::core::traffic::{Header, Split, Weight};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The lists of rules; the first one's know requests.
const SECTIONS: [&str; 3] = [HTTP, "tls", "tcp"];
const HTTP: &str = "http";

/// Which rules of a VirtualService are shared, and between what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The http rules, by name; all that send to the Service if none is named.
    pub names: Vec<String>,
    /// The subsets that weight moves between; the Services of single revisions
    /// if there are none.
    pub subsets: Option<Subsets>,
}

struct Scene<'a> {
    namespace: &'a str,
    split: &'a Split,
    weight: Weight,
    by: &'a Rules,
}

/// What of a VirtualService's spec a share makes another than it is rendered.
///
/// # Errors
/// In words that follow its name: what cannot be said, or shared.
pub fn shared(rendered: &Value, split: &Split, by: &Rules) -> Result<Value, String> {
    let namespace = at(rendered, "/metadata/namespace").and_then(Value::as_str);
    let weight = split.weight.unwrap_or_default();
    let scene = Scene { namespace: namespace.unwrap_or_default(), split, weight, by };
    let mut spec = Map::new();
    let (mut driven, mut in_front) = (false, false);
    let mut named: BTreeSet<&str> = by.names.iter().map(String::as_str).collect();
    for section in SECTIONS {
        let Some(rules) = list(rendered, section) else { continue };
        let mut all = Vec::with_capacity(rules.len());
        for rule in rules {
            if section == HTTP
                && let Some(name) = text(rule, "name")
                && named.remove(name)
                && !scene.is_ours(rule)
            {
                return Err(format!(
                    "has a rule {name} that does not send to Service {}",
                    split.service
                ));
            }
            if !scene.drives(section, rule) {
                scene.stays(rule)?;
                all.push(rule.clone());
                continue;
            }
            driven = true;
            if section == HTTP {
                let front = scene.in_front(rule)?;
                in_front |= front.is_some();
                all.extend(front);
            } else if !split.matches.is_empty() || !split.headers.is_empty() {
                return Err(format!(
                    "shares connections by {section} rules, which know nothing of requests: \
                     `matches` and `requestHeaderModifier` cannot be had"
                ));
            }
            let mut rule = rule.clone();
            rule["route"] = Value::Array(scene.weighted(destinations(&rule), section)?);
            all.push(rule);
        }
        spec.insert(section.to_owned(), Value::Array(all));
    }
    if let Some(name) = named.first() {
        return Err(format!("has no http rule named {name}"));
    }
    if !driven {
        return Err(format!("has no rule that sends to Service {}", split.service));
    }
    if !split.matches.is_empty() && !in_front {
        return Err(scene.cannot_send("no rule of it takes such a request"));
    }
    Ok(json!({"spec": spec}))
}

/// The Services of its namespace that a VirtualService sends to, in order of
/// their names.
pub(in crate::core::traffic) fn backends(route: &Value) -> Vec<&str> {
    let namespace = at(route, "/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let rules = SECTIONS.iter().filter_map(|section| list(route, section)).flatten();
    let hosts =
        rules.flat_map(destinations).filter_map(|one| text(one.get("destination")?, "host"));
    let names: BTreeSet<&str> = hosts.filter_map(|host| service_of(host, namespace)).collect();
    names.into_iter().collect()
}

fn list<'a>(route: &'a Value, section: &str) -> Option<&'a Vec<Value>> {
    route.get("spec")?.get(section)?.as_array()
}

fn destinations(rule: &Value) -> &[Value] {
    rule.get("route").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A destination's own weight: nothing where it is left out, unless it is the
/// only one of its rule.
fn weight_of(destination: &Value) -> u64 {
    destination.get("weight").and_then(Value::as_u64).unwrap_or(0)
}

fn subset_of(destination: &Value) -> Option<&str> {
    text(destination.get("destination")?, "subset").filter(|subset| !subset.is_empty())
}

/// Points that a share may be off what was asked for: pods are there for that.
const MOST_OFF: u64 = 5;

/// What the left and the reached side get of a whole: the nearest there is, the
/// left one in doubt, so that the whole stays what it was.
fn parts(whole: u64, weight: Weight) -> Result<(u64, u64), String> {
    let percent = u64::from(weight.percent());
    let wanted = whole.saturating_mul(percent);
    let reached = wanted / 100 + u64::from(wanted % 100 > 50);
    if reached.saturating_mul(100).abs_diff(wanted) > whole.saturating_mul(MOST_OFF) {
        return Err(format!(
            "has a destination of weight {whole}, of which {percent}% is no whole number: give \
             all destinations of its rule larger weights, in the same proportions"
        ));
    }
    Ok((whole.saturating_sub(reached), reached))
}

impl Scene<'_> {
    fn is_our_host(&self, destination: &Value) -> bool {
        let host = destination.get("destination").and_then(|one| text(one, "host"));
        host.and_then(|host| service_of(host, self.namespace)) == Some(self.split.service.as_str())
    }

    /// Whether a rule sends to the component's Service.
    fn is_ours(&self, rule: &Value) -> bool {
        destinations(rule).iter().any(|one| self.is_our_host(one))
    }

    fn drives(&self, section: &str, rule: &Value) -> bool {
        let names = &self.by.names;
        let named = || text(rule, "name").is_some_and(|own| names.iter().any(|name| name == own));
        self.is_ours(rule) && (section != HTTP || names.is_empty() || named())
    }

    /// A rule that is not shared must not send to a subset that is narrowed:
    /// one of them will have no pods.
    fn stays(&self, rule: &Value) -> Result<(), String> {
        let Some(subsets) = &self.by.subsets else { return Ok(()) };
        let mine = destinations(rule).iter().filter(|one| self.is_our_host(one));
        let mut narrowed = mine.filter_map(subset_of).filter(|one| subsets.has(one));
        let name = text(rule, "name").unwrap_or("without a name");
        narrowed.next().map_or(Ok(()), |subset| {
            Err(format!(
                "has a rule {name} that sends to subset {subset} and is not among `routes`: the \
                 subset will not always have pods"
            ))
        })
    }

    fn cannot_send(&self, why: &str) -> String {
        format!("cannot send what has {}: {why}", self.split.told_matches())
    }

    /// The rule in front of another for the requests that go to the target
    /// whatever its weight.
    fn in_front(&self, rule: &Value) -> Result<Option<Value>, String> {
        let matches = narrowed(rule, &self.split.matches).map_err(|why| self.cannot_send(&why))?;
        let route = destinations(rule);
        let mine = self.groups(route)?;
        // A rule that sends us nothing beside others has no requests of ours.
        let others = route.iter().any(|one| !self.is_our_host(one));
        if matches.is_empty() || (others && mine.iter().all(|group| group.whole == 0)) {
            return Ok(None);
        }
        let mut front = rule.clone();
        if let Some(front) = front.as_object_mut() {
            // The name of a rule is its own.
            front.remove("name");
        }
        front["match"] = Value::Array(matches);
        let mut to = Vec::with_capacity(mine.len());
        for group in &mine {
            let mut reached = self.reached(group, HTTP)?;
            if let Some(only) = reached.as_object_mut().filter(|_| mine.len() == 1) {
                only.remove("weight");
            } else {
                reached["weight"] = json!(group.whole);
            }
            to.push(reached);
        }
        front["route"] = Value::Array(to);
        Ok(Some(front))
    }

    /// A rule's destinations, each of ours as two.
    fn weighted(&self, route: &[Value], section: &str) -> Result<Vec<Value>, String> {
        let mine = self.groups(route)?;
        // What alone takes everything does so by any weights.
        let alone = mine.len() == 1 && route.iter().all(|one| self.is_our_host(one));
        let mut all = Vec::with_capacity(route.len() + 1);
        for (i, destination) in route.iter().enumerate() {
            if !self.is_our_host(destination) {
                all.push(destination.clone());
                continue;
            }
            let Some(group) = mine.iter().find(|group| group.first == i) else { continue };
            let whole = if alone { group.whole.max(100) } else { group.whole };
            let (left, reached) = parts(whole, self.weight)?;
            for (mut one, weight) in
                [(self.left(group), left), (self.reached(group, section)?, reached)]
            {
                one["weight"] = json!(weight);
                all.push(one);
            }
        }
        Ok(all)
    }

    /// Our destinations of a rule. Without subsets each is one of its own; with
    /// them, those of one port are one.
    fn groups<'v>(&self, route: &'v [Value]) -> Result<Vec<Group<'v>>, String> {
        let mut groups: Vec<Group<'v>> = Vec::new();
        for (first, one) in route.iter().enumerate().filter(|(_, one)| self.is_our_host(one)) {
            let (subset, whole) = (subset_of(one), weight_of(one));
            let canary = match (&self.by.subsets, subset) {
                (None, Some(subset)) => {
                    return Err(format!(
                        "sends to subset {subset} of Service {}: name the DestinationRule that \
                         has it in `traffic.istio.destinationRule`",
                        self.split.service
                    ));
                }
                (Some(subsets), Some(subset)) if !subsets.has(subset) => {
                    return Err(format!(
                        "sends to subset {subset}, which is neither {} nor {}",
                        subsets.stable, subsets.canary
                    ));
                }
                (Some(subsets), subset) => subset == Some(subsets.canary.as_str()),
                (None, None) => false,
            };
            let alone = route.len() == 1;
            if canary && (whole > 0 || alone) {
                let subset = subset.unwrap_or_default();
                return Err(format!(
                    "sends to subset {subset} at rest: only a rollout may give it a weight"
                ));
            }
            let port = |one: &Value| at(one, "/destination/port").cloned();
            let known = groups.iter_mut().find(|group| port(group.this) == port(one));
            match known.filter(|_| self.by.subsets.is_some()) {
                Some(group) => {
                    group.whole = group.whole.saturating_add(whole);
                    let place = if canary { &mut group.canary } else { &mut group.stable };
                    place.get_or_insert(one);
                }
                None => groups.push(Group {
                    first,
                    whole,
                    stable: (!canary).then_some(one),
                    canary: canary.then_some(one),
                    this: one,
                }),
            }
        }
        Ok(groups)
    }

    fn left(&self, group: &Group<'_>) -> Value {
        let mut one = group.stable.unwrap_or(group.this).clone();
        match &self.by.subsets {
            None => self.rename(&mut one, &self.split.left_service()),
            // The pods of every revision.
            Some(_) if self.split.mixed => {
                if let Some(to) = one.get_mut("destination").and_then(Value::as_object_mut) {
                    to.remove("subset");
                }
            }
            Some(subsets) => one["destination"]["subset"] = json!(subsets.stable),
        }
        one
    }

    fn reached(&self, group: &Group<'_>, section: &str) -> Result<Value, String> {
        let mut one = group.canary.or(group.stable).unwrap_or(group.this).clone();
        match &self.by.subsets {
            None => self.rename(&mut one, &self.split.target_service()),
            Some(subsets) => one["destination"]["subset"] = json!(subsets.canary),
        }
        if section == HTTP {
            change_headers(&mut one, self.split)?;
        }
        Ok(one)
    }

    /// Another Service in the same form of host.
    fn rename(&self, destination: &mut Value, service: &str) {
        let host = destination.get("destination").and_then(|one| text(one, "host"));
        let rest = host.and_then(|host| host.strip_prefix(self.split.service.as_str()));
        let host = format!("{service}{}", rest.unwrap_or_default());
        destination["destination"]["host"] = json!(host);
    }
}

/// Our destinations of a rule that share one part of its weight.
struct Group<'v> {
    /// Where the first of them stands.
    first: usize,
    /// Their weights together.
    whole: u64,
    /// The first of them.
    this: &'v Value,
    /// The first that is not of the subset `canary`.
    stable: Option<&'v Value>,
    /// The first that is.
    canary: Option<&'v Value>,
}

/// Adds the change of headers to what a destination changes already. Names
/// count whatever their case.
fn change_headers(destination: &mut Value, split: &Split) -> Result<(), String> {
    let changes = &split.headers;
    for (field, ours) in [("set", &changes.set), ("add", &changes.add)] {
        for Header { name, value } in ours {
            let key = name.to_ascii_lowercase();
            if ours.iter().filter(|other| other.name.eq_ignore_ascii_case(name)).count() > 1 {
                return Err(format!("cannot {field} the header {name} twice"));
            }
            let known = &mut destination["headers"]["request"][field];
            if let Some(known) = known.as_object_mut() {
                known.retain(|other, _| !other.eq_ignore_ascii_case(&key));
            }
            known[key] = json!(value);
        }
    }
    if !changes.remove.is_empty() {
        let known = &mut destination["headers"]["request"]["remove"];
        let mut all = known.as_array().cloned().unwrap_or_default();
        for name in &changes.remove {
            let same = |one: &Value| one.as_str().is_some_and(|one| one.eq_ignore_ascii_case(name));
            if !all.iter().any(same) {
                all.push(json!(name));
            }
        }
        *known = Value::Array(all);
    }
    Ok(())
}
