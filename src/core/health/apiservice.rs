//! APIService: its server answers.

use super::conditions::said;
use super::{Around, Verdict};
use serde_json::Value;

pub(super) fn health(live: &Value, _: &Around<'_>) -> Verdict {
    match said(live, "Available") {
        Some(said) if said.is_true() => Verdict::current("it is available"),
        Some(said) => Verdict::in_progress(said.words()),
        None => Verdict::in_progress("it is not available"),
    }
}
