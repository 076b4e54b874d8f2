//! A Service: there, unless a rule of the plan asks for more. Who needs the
//! address of a load balancer says so by a rule: not every plan does, and a
//! cluster without a provider never has one.

use super::conditions::text;
use super::{Around, Verdict};
use serde_json::Value;

pub(super) fn health(live: &Value, _: &Around<'_>) -> Verdict {
    let balanced = text(live, "/spec/type") == "LoadBalancer";
    if balanced && text(live, "/spec/clusterIP").is_empty() {
        return Verdict::in_progress("it has no address yet");
    }
    Verdict::current("it is there")
}
