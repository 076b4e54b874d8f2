//! How a proxy reads Istio's objects: what a VirtualService sends to whom, by the
//! subsets of a DestinationRule. Whether that is right is for the invariants.

use crate::routes::Shares;
use serde_json::Value;
use tranche::core::object::at;

/// The label by which pods of one revision are told.
const REVISION: &str = "app.oam.dev/revision";
/// Whoever a subset means that nobody has written.
const NOBODY: &str = "nobody";

fn list<'a>(of: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    at(of, path).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(of: &'a Value, field: &str) -> Option<&'a str> {
    of.get(field).and_then(Value::as_str)
}

/// What is sent to each Service; a subset of one revision is the Service of that
/// revision.
pub fn shares(rules: &Value, subsets: Option<&Value>) -> Shares {
    let mut all = Shares::new();
    for rule in list(rules, "/spec/http") {
        let some = list(rule, "/match").any(|one| one.get("headers").is_some());
        let to: Vec<&Value> = list(rule, "/route").collect();
        for one in &to {
            let alone = to.len() == 1;
            let weight =
                one.get("weight").and_then(Value::as_u64).unwrap_or(if alone { 100 } else { 0 });
            let weight = if alone { 100 } else { weight };
            let share = if some { u64::from(weight > 0) } else { weight };
            let known = all.entry(reached(one, subsets)).or_default();
            *known = u32::try_from(share).unwrap_or(100).max(*known);
        }
    }
    all
}

/// The Service that a destination means.
fn reached(destination: &Value, subsets: Option<&Value>) -> String {
    let to = destination.get("destination").unwrap_or(&Value::Null);
    let host = text(to, "host").unwrap_or_default();
    let host = host.split('.').next().unwrap_or(host).to_owned();
    let Some(name) = text(to, "subset") else { return host };
    let subset = subsets
        .and_then(|rule| list(rule, "/spec/subsets").find(|one| text(one, "name") == Some(name)));
    let Some(subset) = subset else { return NOBODY.to_owned() };
    match subset.get("labels").and_then(|labels| text(labels, REVISION)) {
        Some(revision) => format!("{revision}-traffic"),
        None => host,
    }
}

/// What the weights of each rule add up to, where it has several destinations.
pub fn sums(rules: &Value) -> Vec<u64> {
    let several = list(rules, "/spec/http").map(|rule| list(rule, "/route"));
    let weight = |one: &Value| one.get("weight").and_then(Value::as_u64);
    let all = several.map(|to| to.filter_map(weight).collect::<Vec<u64>>());
    all.filter(|weights| weights.len() > 1).map(|weights| weights.iter().sum()).collect()
}

/// Whether proxies have what an object says, where it is one that tells.
pub fn is_told(object: &Value) -> bool {
    let annotations = at(object, "/metadata/annotations");
    let istio = text(object, "apiVersion").is_some_and(|of| of.starts_with("networking.istio.io/"));
    let asks = istio
        && annotations.is_some_and(|all| all.get("sandbox.tranche.dev/accept-after").is_some());
    let number = |path: &str| at(object, path).and_then(Value::as_u64);
    !asks || number("/status/observedGeneration") >= number("/metadata/generation")
}
