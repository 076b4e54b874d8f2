//! What a Service really serves: the ready addresses of its EndpointSlices.

use crate::core::object::at;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Group, version and kind of the slices.
pub const SLICES: (&str, &str) = ("discovery.k8s.io/v1", "EndpointSlice");
/// The label by which a Service's slices are found.
pub const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// How many ready endpoints the slices of one Service hold. One that stands
/// in two slices while it moves between them counts once; one that is not yet
/// known to be ready does not count.
#[must_use]
pub fn ready_addresses(slices: &[Arc<Value>]) -> u32 {
    let list = |value: &'_ Value, name: &str| {
        value.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let mut ready = BTreeSet::new();
    for slice in slices {
        for endpoint in list(slice, "endpoints") {
            let conditions = endpoint.get("conditions");
            let yes = |name: &str| {
                conditions.and_then(|c| c.get(name)).and_then(Value::as_bool).unwrap_or(false)
            };
            if yes("ready") && !yes("terminating") {
                let address = list(&endpoint, "addresses").into_iter().next();
                let pod = at(&endpoint, "/targetRef/uid").cloned();
                let key = pod.or(address);
                ready.extend(key.and_then(|key| Some(key.as_str()?.to_owned())));
            }
        }
    }
    u32::try_from(ready.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_ready_endpoints_count_and_each_once() {
        let endpoint = |address: &str, ready: bool, terminating: bool| {
            json!({
                "addresses": [address],
                "conditions": {"ready": ready, "serving": true, "terminating": terminating},
            })
        };
        let one = json!({"endpoints": [endpoint("1", true, false), endpoint("2", false, false)]});
        let two = json!({"endpoints": [endpoint("1", true, false), endpoint("3", true, true)]});
        let three = json!({"endpoints": [endpoint("4", true, false), {"addresses": ["5"]}]});
        assert_eq!(ready_addresses(&[one, two, three].map(Arc::new)), 2);
        assert_eq!(ready_addresses(&[]), 0);
    }
}
