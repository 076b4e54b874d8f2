//! The Service of one revision. Owns what of the user's Service it takes over:
//! an allow-list, since what asks for addresses, ports of nodes or balancers
//! must not be asked for twice.

use super::split::twin_name;
use crate::core::object::at;
use serde_json::{Map, Value, json};

/// A Service that no revision's Service can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwinError {
    /// The name would be too long.
    #[error("Service {service} has too long a name: {twin} has more than 63 characters")]
    Name {
        /// The user's Service.
        service: String,
        /// The name that a revision's Service would have.
        twin: String,
    },
}

/// The fields of a Service's spec that are taken over as they are.
const KEPT: [&str; 4] =
    ["sessionAffinity", "sessionAffinityConfig", "internalTrafficPolicy", "trafficDistribution"];
/// The fields of a port that are taken over.
const PORT: [&str; 5] = ["name", "protocol", "port", "targetPort", "appProtocol"];

/// Whether a Service selects pods of these labels.
#[must_use]
pub fn selects(service: &Value, labels: Option<&Value>) -> bool {
    let selector = at(service, "/spec/selector").and_then(Value::as_object);
    selector.is_some_and(|selector| {
        !selector.is_empty()
            && selector.iter().all(|(name, value)| labels.and_then(|l| l.get(name)) == Some(value))
    })
}

/// The Service of revision `number`: the user's, narrowed to the pods that
/// carry `label`.
///
/// # Errors
/// Fails if its name would be too long.
pub fn twin(service: &Value, number: u64, label: (&str, &str)) -> Result<Value, TwinError> {
    let text = |pointer: &str| at(service, pointer).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap_or_default();
    let twin = twin_name(name, number);
    if twin.len() > 63 {
        return Err(TwinError::Name { service: name.to_owned(), twin });
    }
    let mut spec = Map::new();
    let given = service.get("spec").and_then(Value::as_object);
    for (field, value) in given.into_iter().flatten() {
        if KEPT.contains(&field.as_str()) {
            spec.insert(field.clone(), value.clone());
        }
    }
    spec.insert("type".to_owned(), json!("ClusterIP"));
    let mut selector = at(service, "/spec/selector").cloned().unwrap_or_else(|| json!({}));
    selector[label.0] = json!(label.1);
    spec.insert("selector".to_owned(), selector);
    let ports = at(service, "/spec/ports").and_then(Value::as_array);
    let ports: Vec<Value> = ports.into_iter().flatten().map(port).collect();
    spec.insert("ports".to_owned(), Value::Array(ports));
    let mut metadata = json!({"name": twin});
    for field in ["namespace", "labels"] {
        if let Some(value) = service.pointer(&format!("/metadata/{field}")) {
            metadata[field] = value.clone();
        }
    }
    Ok(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}))
}

fn port(given: &Value) -> Value {
    let fields = given.as_object().into_iter().flatten();
    let kept = fields.filter(|(field, _)| PORT.contains(&field.as_str()));
    Value::Object(kept.map(|(field, value)| (field.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_asks_for_nothing_that_there_is_only_once() {
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "web", "namespace": "shop", "labels": {"team": "a"},
                "annotations": {"balancer": "mine"},
            },
            "spec": {
                "type": "LoadBalancer", "clusterIP": "10.0.0.1", "externalIPs": ["1.2.3.4"],
                "loadBalancerClass": "x", "publishNotReadyAddresses": true,
                "sessionAffinity": "ClientIP", "selector": {"app": "web"},
                "ports": [{"port": 80, "targetPort": "http", "nodePort": 30080, "name": "http"}],
            },
        });
        let made = twin(&service, 2, ("rev", "web-v2")).unwrap();
        assert_eq!(
            made,
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "web-v2-traffic", "namespace": "shop", "labels": {"team": "a"}},
                "spec": {
                    "type": "ClusterIP", "sessionAffinity": "ClientIP",
                    "selector": {"app": "web", "rev": "web-v2"},
                    "ports": [{"port": 80, "targetPort": "http", "name": "http"}],
                },
            })
        );
        assert!(selects(&service, Some(&json!({"app": "web", "rev": "web-v1"}))));
        assert!(!selects(&made, Some(&json!({"app": "web", "rev": "web-v1"}))));
        assert!(!selects(&json!({"spec": {}}), Some(&json!({"app": "web"}))));
        let long = json!({"metadata": {"name": "w".repeat(60)}});
        assert!(twin(&long, 1, ("rev", "x")).is_err());
    }
}
