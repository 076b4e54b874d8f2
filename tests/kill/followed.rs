//! Where routes send traffic by what they say at one moment, kind by kind, and
//! how many ready pods are there. Owns how an Istio object and a template's are
//! read; it must never look at what a run thinks that they say.

use serde_json::{Map, Value};
use std::sync::Arc;
use tranche::core::object::KindRef;
use tranche::core::traffic;
use tranche::port::Cluster;

/// One destination of a route, and its part of the whole.
struct Share {
    service: String,
    /// What the Service's pods have to have besides.
    labels: Map<String, Value>,
    weight: u32,
    all: u32,
}

/// The first share that has too few of so many pods, in words.
pub async fn underserved(cluster: &impl Cluster, floor: u32) -> Option<String> {
    let mut shares = by_istio(cluster).await;
    shares.extend(by_template(cluster).await);
    for share in shares.iter().filter(|share| share.weight > 0) {
        let there = ready(cluster, share).await;
        let needed = (floor * share.weight).div_ceil(share.all);
        if there < needed {
            let Share { service, labels, .. } = share;
            return Some(format!("{service} with {labels:?} has {there} of {needed} pods"));
        }
    }
    None
}

async fn list(cluster: &impl Cluster, api: &'static str, kind: &'static str) -> Vec<Arc<Value>> {
    cluster.list(&KindRef::new(api, kind), Some("default"), &[]).await.unwrap()
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().unwrap()).unwrap()
}

async fn by_istio(cluster: &impl Cluster) -> Vec<Share> {
    let api = traffic::istio::VERSIONS[0];
    let subsets = list(cluster, api, "DestinationRule").await;
    let mut shares = Vec::new();
    for rules in list(cluster, api, "VirtualService").await {
        for rule in rules["spec"]["http"].as_array().unwrap() {
            let route = rule["route"].as_array().unwrap();
            let weight = |one: &Value| match one.get("weight") {
                Some(weight) => number(weight),
                // One alone needs none.
                None => u32::from(route.len() == 1),
            };
            for one in route {
                let to = &one["destination"];
                let host = to["host"].as_str().unwrap().split('.').next().unwrap();
                let mut labels = Map::new();
                if let Some(name) = to.get("subset") {
                    let mut known =
                        subsets.iter().flat_map(|rule| rule["spec"]["subsets"].as_array().unwrap());
                    let subset = known.find(|subset| subset["name"] == *name).unwrap();
                    labels = subset["labels"].as_object().unwrap().clone();
                }
                let all = route.iter().map(weight).sum();
                shares.push(Share { service: host.to_owned(), labels, weight: weight(one), all });
            }
        }
    }
    shares
}

async fn by_template(cluster: &impl Cluster) -> Vec<Share> {
    let mut shares = Vec::new();
    for route in list(cluster, "traefik.io/v1alpha1", "TraefikService").await {
        let services = route["spec"]["weighted"]["services"].as_array().unwrap();
        let all = services.iter().map(|one| number(&one["weight"])).sum();
        for one in services {
            let (service, labels) = (one["name"].as_str().unwrap().to_owned(), Map::new());
            shares.push(Share { service, labels, weight: number(&one["weight"]), all });
        }
    }
    shares
}

/// Ready pods of a Service's slices that have the labels.
async fn ready(cluster: &impl Cluster, share: &Share) -> u32 {
    let pods = list(cluster, "v1", "Pod").await;
    let label = [(traffic::SERVICE_LABEL.to_owned(), share.service.clone())];
    let kind = KindRef::new(traffic::SLICES.0, traffic::SLICES.1);
    let mut slices = cluster.list(&kind, Some("default"), &label).await.unwrap();
    for slice in &mut slices {
        let Some(endpoints) = Arc::make_mut(slice)["endpoints"].as_array_mut() else { continue };
        endpoints.retain(|endpoint| {
            let uid = &endpoint["targetRef"]["uid"];
            let pod = pods.iter().find(|pod| pod["metadata"]["uid"] == *uid);
            let has = |pod: &Arc<Value>| {
                let is = |(key, value): (&String, &Value)| pod["metadata"]["labels"][key] == *value;
                share.labels.iter().all(is)
            };
            pod.is_some_and(has)
        });
    }
    traffic::ready_addresses(&slices)
}
