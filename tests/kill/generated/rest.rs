//! What is left once a generated rollout is over: its workloads and nothing that
//! is only there on the way. Owns the list of what that is.

use super::rows::Row;
use super::stage::Stage;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tranche::core::object::KindRef;
use tranche::core::strategy::workload;

/// Where requests go.
const ROUTES: &[(&str, &str)] = &[
    ("networking.k8s.io/v1", "Ingress"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("networking.istio.io/v1", "VirtualService"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("traefik.io/v1alpha1", "TraefikService"),
];

/// What holds pods of a workload back while it is updated.
const HELD: &[&str] =
    &["/spec/updateStrategy/partition", "/spec/updateStrategy/rollingUpdate/partition"];

fn list(stage: &Stage, api: &str, kind: &str) -> Vec<Arc<Value>> {
    stage.cluster().read_all(&KindRef::new(api, kind), Some("default"), &[]).unwrap()
}

/// One workload a component with all its pods of one image, in one of these sizes
/// of the whole, its Service, the route as it is rendered, and nothing that is
/// only there during a rollout.
pub fn at_rest(stage: &Stage, row: &Row, number: u32, sizes: &[u32], words: &str) {
    let image = json!(format!("podinfo:{number}"));
    let found = workloads(stage, words);
    let sizes: BTreeSet<u32> = sizes.iter().copied().collect();
    let wanted: Vec<BTreeMap<String, Found>> = sizes
        .iter()
        .map(|size| {
            let parts = row.parts.iter().map(|part| {
                let pods = (part.pods)(*size);
                ((part.called)(number), (pods, pods, image.clone()))
            });
            parts.collect()
        })
        .collect();
    assert!(wanted.contains(&found), "{words}: {found:?} is none of {wanted:?}");
    let pods = list(stage, "v1", "Pod");
    let pods: Vec<_> =
        pods.iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none()).collect();
    let all: u32 = found.values().map(|(pods, ..)| pods).sum();
    assert_eq!(pods.len(), all as usize, "{words}: pods");
    for pod in pods {
        assert_eq!(pod["spec"]["containers"][0]["image"], image, "{words}");
    }
    services(stage, row, words);
    routes(stage, row, words);
}

/// The pods that are wanted, those that are ready, and the image.
type Found = (u32, u32, Value);

fn workloads(stage: &Stage, words: &str) -> BTreeMap<String, Found> {
    let mut found = BTreeMap::new();
    for kind in workload::built_in() {
        for live in list(stage, &kind.of.api_version, &kind.of.kind) {
            let image = live["spec"]["template"]["spec"]["containers"][0]["image"].clone();
            let pods = kind.read(&live);
            let name = live["metadata"]["name"].as_str().unwrap().to_owned();
            let held = HELD.iter().filter_map(|at| live.pointer(at)).find(|held| **held != 0);
            assert_eq!(held, None, "{words}: {name} is held back");
            let by_hand = live.pointer("/spec/updateStrategy/type") == Some(&json!("OnDelete"));
            assert!(!by_hand, "{words}: {name} is not updated by itself");
            found.insert(name, (pods.wanted, pods.ready, image));
        }
    }
    found
}

fn services(stage: &Stage, row: &Row, words: &str) {
    let services = list(stage, "v1", "Service");
    let wanted = row.parts.iter().filter(|part| part.serves).count();
    assert_eq!(services.len(), wanted, "{words}: {services:?}");
    for service in services {
        let (labels, selector) = (&service["metadata"]["labels"], &service["spec"]["selector"]);
        let narrow = selector.get("app.oam.dev/revision").or(labels.get("tranche.dev/reaches"));
        assert_eq!(narrow, None, "{words}");
    }
}

fn routes(stage: &Stage, row: &Row, words: &str) {
    let mut routes = 0;
    for (api, kind) in ROUTES {
        for route in list(stage, api, kind) {
            let text = route["spec"].to_string();
            let narrow = text.contains("-traffic") || text.contains("app.oam.dev/revision");
            assert!(text.contains("\"web\"") && !narrow, "{words}: {text}");
            routes += 1;
        }
    }
    // As many as their files have: Gateways have another name.
    let files = row.beside.iter().filter(|(path, _)| *path == "route.yaml");
    let wanted: usize = files.map(|(_, text)| text.matches("{name: web}\nspec").count()).sum();
    assert_eq!(routes, wanted, "{words}");
}
