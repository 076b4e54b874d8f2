//! Gateway and GatewayClass of the Gateway API: taken up by a controller.

use super::conditions::{Said, said};
use super::generic::unruled;
use super::{Around, Verdict};
use serde_json::Value;

/// `Programmed` is a Gateway's alone.
const CONDITIONS: &[&str] = &["Accepted", "Programmed"];

pub(super) fn health(live: &Value, around: &Around<'_>) -> Verdict {
    let known: Vec<Said<'_>> = CONDITIONS.iter().filter_map(|name| said(live, name)).collect();
    // The definition itself defaults them to unknown, and they stay so where
    // nobody looks after the class.
    if known.iter().all(|said| said.status == "Unknown") {
        return unruled(live, around.now, "health unknown, no controller has said anything of it");
    }
    match known.iter().find(|said| !said.is_true()) {
        Some(said) => Verdict::in_progress(said.words()),
        None => Verdict::current("it is accepted"),
    }
}
