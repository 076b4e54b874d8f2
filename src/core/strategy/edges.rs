//! What a Route is on a cluster: one VirtualService for each client, and, once
//! no application renders the host, a Service of the host's name. Owns that as a
//! function of the plan and of what the instances render; it must never look at
//! what is live.
//!
//! The rules of one client know the two instances that it goes to by the exact
//! names of their Services, and no others. Each is for requests of the client's
//! own pods, by the label that all rendered pods carry. Sidecars merge no two
//! VirtualServices of one host: they take the first that has a rule for them, and
//! one of which no rule fits the pod's labels is none. So every rule has to name
//! its client, the last one too.

use super::direct::Around;
use crate::core::model::{Client, HostRoute, Instance};
use crate::core::object::{KindRef, ObjectRef, at};
use crate::core::traffic::{buckets, istio};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The label of rendered pods that names their application.
pub const LABEL_APPLICATION: &str = "app.oam.dev/name";

/// What a Route is on a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edges {
    /// Its objects.
    pub objects: Vec<(ObjectRef, Arc<Value>)>,
    /// What each of them stands on, and what it leaves.
    pub around: BTreeMap<ObjectRef, Around>,
}

/// The objects of a Route. `service` tells what the plan renders as a Service of
/// the Route's namespace.
///
/// # Errors
/// Everything that the rendered Services do not bear, each as a sentence.
pub fn edges<'s>(
    route: &HostRoute,
    namespace: &str,
    service: &dyn Fn(&str) -> Option<&'s Value>,
) -> Result<Edges, Vec<String>> {
    let mut wrong = Vec::new();
    for instance in &route.instances {
        match service(&instance.service) {
            None => wrong.push(format!(
                "instance {} has the Service {}, which nothing in this plan renders: name one that \
                 the application exposes",
                instance.name, instance.service
            )),
            Some(body) => wrong.extend(unfit(route, instance, body)),
        }
    }
    let mut edges = Edges::default();
    for client in &route.clients {
        let Some(to) = route.instance(&client.to) else { continue };
        let next = client.next.as_ref();
        let next = next.and_then(|next| Some((next, route.instance(&next.instance)?)));
        let sides: Vec<(&Instance, u8)> = match next {
            None => vec![(to, 100)],
            Some((next, _)) if next.percent == 0 => vec![(to, 100)],
            Some((next, instance)) if next.percent == 100 => vec![(instance, 100)],
            Some((next, instance)) => vec![(to, 100 - next.percent), (instance, next.percent)],
        };
        let header = next.and_then(|(next, _)| next.sticky.as_deref());
        let rules = rules(route, client, header, &sides);
        let name = format!("{}--{}", client.name, route.name);
        let object = istio::virtual_service(istio::VERSIONS[0], namespace, &name);
        let body = json!({
            "apiVersion": object.api_version, "kind": object.kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"hosts": [route.host], "gateways": ["mesh"], "http": rules},
        });
        let used = |instance: &&Instance| sides.iter().any(|(side, _)| side.name == instance.name);
        let (stands_on, left): (Vec<&Instance>, Vec<&Instance>) =
            route.instances.iter().partition(used);
        let around = Around {
            stands_on: stands_on.iter().map(|i| service_ref(namespace, &i.service)).collect(),
            leaves: left.iter().map(|instance| instance.service.clone()).collect(),
            drain_seconds: route.drain_seconds,
        };
        edges.around.insert(object.clone(), around);
        edges.objects.push((object, Arc::new(body)));
    }
    if service(&route.host).is_none() {
        match alias(route, namespace, service) {
            Err(why) => wrong.push(why),
            Ok((body, behind)) => {
                let object = service_ref(namespace, &route.host);
                let stands_on = vec![service_ref(namespace, &behind)];
                edges.around.insert(object.clone(), Around { stands_on, ..Around::default() });
                edges.objects.push((object, Arc::new(body)));
            }
        }
    }
    edges.objects.sort_by(|(one, _), (other, _)| one.cmp(other));
    if wrong.is_empty() { Ok(edges) } else { Err(wrong) }
}

fn service_ref(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(&KindRef::new("v1", "Service"), Some(namespace), name)
}

/// Why a Service cannot stand behind the host.
fn unfit(route: &HostRoute, instance: &Instance, body: &Value) -> Vec<String> {
    let (name, service) = (&instance.name, &instance.service);
    let ports = at(body, "/spec/ports").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let number = |port: &Value| port.get("port").and_then(Value::as_u64);
    let called: Vec<&Value> = match route.port {
        None => ports.iter().collect(),
        Some(port) => ports.iter().filter(|one| number(one) == Some(u64::from(port))).collect(),
    };
    if let (Some(port), true) = (route.port, called.is_empty()) {
        let known: Vec<String> = ports.iter().filter_map(number).map(|n| n.to_string()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return vec![format!(
            "instance {name}: Service {service} has no port {port}, which clients call; it has \
             {known}"
        )];
    }
    if route.port.is_none() && ports.len() > 1 {
        return vec![format!(
            "instance {name}: Service {service} has {} ports: say with `port` which of them clients \
             call",
            ports.len()
        )];
    }
    let speaks = called.iter().filter_map(|port| other_protocol(port));
    let told = speaks.map(|speaks| {
        format!(
            "instance {name}: Service {service} speaks {speaks}, no HTTP: only HTTP requests can be \
             routed by client and share"
        )
    });
    told.collect()
}

/// What a port speaks, if Istio takes it for anything else than HTTP: by
/// `appProtocol`, by the first word of its name, or by its protocol.
fn other_protocol(port: &Value) -> Option<String> {
    let text = |field: &str| port.get(field).and_then(Value::as_str).unwrap_or_default();
    if !matches!(text("protocol"), "" | "TCP") {
        return Some(text("protocol").to_owned());
    }
    let word = match text("appProtocol") {
        "" => text("name").split('-').next().unwrap_or_default(),
        said => said,
    };
    let other = ["tcp", "tls", "https", "mongo", "mysql", "redis", "udp"];
    other.contains(&word.to_ascii_lowercase().as_str()).then(|| word.to_owned())
}

/// A client's rules: users by their buckets first, then everybody else.
fn rules(
    route: &HostRoute,
    client: &Client,
    header: Option<&str>,
    sides: &[(&Instance, u8)],
) -> Vec<Value> {
    let to = |instance: &Instance| {
        let mut destination = Map::new();
        destination.insert("host".to_owned(), json!(instance.service));
        if let Some(port) = route.port {
            destination.insert("port".to_owned(), json!({"number": port}));
        }
        Value::Object(destination)
    };
    let matched = |bucket: Option<(&str, String)>| {
        let mut matched = Map::new();
        matched.insert("sourceLabels".to_owned(), json!({LABEL_APPLICATION: client.name}));
        if let Some(port) = route.port {
            matched.insert("port".to_owned(), json!(port));
        }
        if let Some((header, buckets)) = bucket {
            matched.insert("headers".to_owned(), json!({header: {"regex": buckets}}));
        }
        Value::Object(matched)
    };
    let mut rules = Vec::new();
    if let (Some(header), [(old, _), (new, share)]) = (header, sides) {
        let sides = [("next", new, buckets(0, *share)), ("current", old, buckets(*share, 100))];
        for (name, instance, expression) in sides {
            let Some(expression) = expression else { continue };
            rules.push(json!({
                "name": format!("users-{name}"),
                "match": [matched(Some((header, expression)))],
                "route": [{"destination": to(instance)}],
            }));
        }
    }
    let all = match sides {
        [(only, _)] => vec![json!({"destination": to(only)})],
        several => {
            let one = |(instance, share): &(&Instance, u8)| json!({"destination": to(instance), "weight": share});
            several.iter().map(one).collect()
        }
    };
    rules.push(json!({"name": "all", "match": [matched(None)], "route": all}));
    rules
}

/// The Service of the host's name, which leads to the pods of the instance that
/// took it over, and the Service of that instance.
fn alias<'s>(
    route: &HostRoute,
    namespace: &str,
    service: &dyn Fn(&str) -> Option<&'s Value>,
) -> Result<(Value, String), String> {
    let agreed = || {
        let mut clients = route.clients.iter().map(|client| client.to.as_str());
        let first = clients.next()?;
        clients.all(|other| other == first).then_some(first)
    };
    let host = &route.host;
    let Some(instance) = route.alias.as_deref().or_else(agreed) else {
        return Err(format!(
            "nothing in this plan renders the Service {host} any more, and its clients are on \
             several instances: say with `alias` which of them the host itself is"
        ));
    };
    let behind = route.instance(instance).map(|instance| instance.service.clone());
    let behind = behind.unwrap_or_default();
    // That it is missing is told already.
    let body = service(&behind).unwrap_or(&Value::Null);
    let field = |pointer: &str| at(body, pointer).cloned();
    let mut ports = field("/spec/ports").unwrap_or_else(|| json!([]));
    for port in ports.as_array_mut().into_iter().flatten() {
        // A node's port is one Service's.
        port.as_object_mut().map(|port| port.remove("nodePort"));
    }
    let Some(selector) = field("/spec/selector").filter(|_| body.is_object()) else {
        return Err(format!(
            "nothing in this plan renders the Service {host} any more, and Service {behind} of \
             instance {instance}, which takes it over, selects no pods"
        ));
    };
    let alias = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": host, "namespace": namespace},
        "spec": {"selector": selector, "ports": ports},
    });
    Ok((alias, behind))
}

#[cfg(test)]
mod tests;
