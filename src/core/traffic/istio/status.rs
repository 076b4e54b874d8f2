//! What Istio says of its own objects, where it says anything: by default it
//! writes no status at all.

use crate::core::object::at;
use crate::core::traffic::Acceptance;
use serde_json::Value;

/// Whether proxies have taken an object over. Only what is said of the newest
/// generation counts: a status that was written once may never be again.
pub(in crate::core::traffic) fn acceptance(object: &Value) -> Acceptance {
    let generation = at(object, "/metadata/generation").and_then(Value::as_u64).unwrap_or(0);
    let of_all = at(object, "/status/observedGeneration").and_then(number);
    let conditions = at(object, "/status/conditions").and_then(Value::as_array);
    let said = conditions.into_iter().flatten().find(|condition| {
        let seen = condition.get("observedGeneration").and_then(number).or(of_all);
        condition.get("type").and_then(Value::as_str) == Some("Reconciled")
            && seen.is_some_and(|seen| seen >= generation)
    });
    let text = |field: &str| said.and_then(|said| said.get(field)?.as_str()).unwrap_or_default();
    match text("status") {
        "" | "True" => Acceptance::Accepted,
        other => {
            let message = text("message");
            Acceptance::Missing(format!("Reconciled is {other} ({message})"))
        }
    }
}

/// Its 64-bit numbers may be texts.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
