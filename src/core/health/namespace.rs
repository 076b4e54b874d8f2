//! Namespace: there, and not on its way out.

use super::conditions::text;
use super::{Around, Verdict};
use serde_json::Value;

pub(super) fn health(live: &Value, _: &Around<'_>) -> Verdict {
    match text(live, "/status/phase") {
        "Active" | "" => Verdict::current("it is there"),
        _ => Verdict::of(super::Health::Terminating, "it is being deleted"),
    }
}
