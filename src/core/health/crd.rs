//! CustomResourceDefinition: served, or its names are somebody else's.

use super::conditions::{Said, said};
use super::{Around, Verdict};
use serde_json::Value;

pub(super) fn health(live: &Value, _: &Around<'_>) -> Verdict {
    if let Some(said) = said(live, "NamesAccepted").filter(Said::is_false) {
        return Verdict::lost(said.words());
    }
    match said(live, "Established") {
        Some(said) if said.is_true() => Verdict::current("it is established"),
        Some(said) => Verdict::in_progress(said.words()),
        None => Verdict::in_progress("it is not established"),
    }
}
