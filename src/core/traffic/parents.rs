//! Whether every Gateway that a route names has taken it over.

use crate::core::object::at;
use serde_json::Value;

/// What a route's status says of its newest generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// All parents have accepted it, and found all backends.
    Accepted,
    /// Not yet: not every parent has looked at it; in words.
    Missing(String),
    /// A parent has looked at it and says no; in words.
    Refused(String),
}

/// What must be true at every parent.
const CONDITIONS: [&str; 2] = ["Accepted", "ResolvedRefs"];

/// Reads the status of a route. A condition counts only if its controller has
/// seen the generation that was read, which is at least the one that a write
/// before it returned.
#[must_use]
pub(super) fn acceptance(route: &Value) -> Acceptance {
    let generation = at(route, "/metadata/generation").and_then(Value::as_u64).unwrap_or(0);
    let list = |pointer: &str| {
        at(route, pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    };
    let wanted = list("/spec/parentRefs");
    if wanted.is_empty() {
        return Acceptance::Missing("it names no parent".to_owned());
    }
    let statuses = list("/status/parents");
    for parent in wanted {
        let name = parent.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut mine = statuses
            .iter()
            .filter(|status| status.get("parentRef").is_some_and(|seen| same(seen, parent, route)))
            .peekable();
        if mine.peek().is_none() {
            return Acceptance::Missing(format!("parent {name} has said nothing yet"));
        }
        for status in mine {
            if let Some(lacking) = lacking(name, status, generation) {
                return lacking;
            }
        }
    }
    Acceptance::Accepted
}

fn lacking(parent: &str, status: &Value, generation: u64) -> Option<Acceptance> {
    let missing = |why: String| Some(Acceptance::Missing(format!("parent {parent}: {why}")));
    let conditions = status.get("conditions").and_then(Value::as_array);
    for wanted in CONDITIONS {
        let mut all = conditions.into_iter().flatten();
        let Some(found) = all.find(|c| c.get("type").and_then(Value::as_str) == Some(wanted))
        else {
            return missing(format!("{wanted} is not known yet"));
        };
        let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
        let seen = found.get("observedGeneration").and_then(Value::as_u64);
        if seen.is_none_or(|seen| seen < generation) {
            return missing(format!("{wanted} is of an older generation"));
        }
        if text("status") != "True" {
            let why = format!("{wanted} is {} ({})", text("status"), text("reason"));
            return Some(Acceptance::Refused(format!("parent {parent}: {why}")));
        }
    }
    None
}

/// Whether two references name the same parent, defaults filled in.
fn same(one: &Value, other: &Value, route: &Value) -> bool {
    let own = at(route, "/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let text = |parent: &Value, name: &str, default: &str| {
        parent.get(name).and_then(Value::as_str).unwrap_or(default).to_owned()
    };
    let key = |parent: &Value| {
        (
            text(parent, "group", "gateway.networking.k8s.io"),
            text(parent, "kind", "Gateway"),
            text(parent, "namespace", own),
            text(parent, "name", ""),
            text(parent, "sectionName", ""),
            parent.get("port").and_then(Value::as_u64),
        )
    };
    key(one) == key(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route(parents: &Value) -> Value {
        json!({
            "metadata": {"namespace": "shop", "generation": 3},
            "spec": {"parentRefs": [{"name": "a"}, {"name": "b", "sectionName": "http"}]},
            "status": {"parents": parents},
        })
    }

    fn parent(name: &str, section: Option<&str>, accepted: (&str, u64)) -> Value {
        let condition = |kind: &str, (status, generation): (&str, u64)| json!({"type": kind, "status": status, "observedGeneration": generation, "reason": "X"});
        let mut parent = json!({"name": name, "namespace": "shop", "kind": "Gateway"});
        if let Some(section) = section {
            parent["sectionName"] = json!(section);
        }
        let conditions = [condition("Accepted", accepted), condition("ResolvedRefs", ("True", 3))];
        json!({"parentRef": parent, "controllerName": "x/y", "conditions": conditions})
    }

    #[test]
    fn all_parents_must_have_seen_the_newest_generation() {
        let good = ("True", 3);
        let all = json!([parent("a", None, good), parent("b", Some("http"), good)]);
        assert_eq!(acceptance(&route(&all)), Acceptance::Accepted);
        let cases = [
            (json!([parent("a", None, good)]), "parent b has said nothing yet"),
            (
                json!([parent("a", None, good), parent("b", None, good)]),
                "parent b has said nothing yet",
            ),
            (
                json!([parent("a", None, ("True", 2)), parent("b", Some("http"), good)]),
                "parent a: Accepted is of an older generation",
            ),
        ];
        for (parents, why) in cases {
            assert_eq!(acceptance(&route(&parents)), Acceptance::Missing(why.to_owned()));
        }
        let refused = json!([parent("a", None, ("False", 3)), parent("b", Some("http"), good)]);
        let why = "parent a: Accepted is False (X)".to_owned();
        assert_eq!(acceptance(&route(&refused)), Acceptance::Refused(why));
    }
}
