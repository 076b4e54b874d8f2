//! Slices of a Service on both clusters: whose pods they list, and that they
//! carry the Service's labels, which is how it is told that a changed selector
//! was followed.

use crate::observed::Observed;
use serde_json::{Value, json};
use std::time::Duration;

/// The most looks at a real cluster until it has followed.
const PATIENCE: usize = 400;

fn deployment(name: &str, replicas: u32) -> Value {
    let labels = json!({"app": "web", "side": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"side": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            },
        },
    })
}

fn service(labels: &Value, selector: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": labels},
        "spec": {"selector": selector, "ports": [{"port": 80}]},
    })
}

/// What both must say: the labels of each slice, and of each endpoint the side
/// of its pod and whether it is ready.
fn told(cluster: &Observed) -> Value {
    let pods = cluster.list("api/v1", "pods");
    let slices = cluster.list("apis/discovery.k8s.io/v1", "endpointslices");
    let slices = slices.iter().map(|slice| {
        let empty = Vec::new();
        let endpoints = slice["endpoints"].as_array().unwrap_or(&empty).iter().map(|endpoint| {
            let target = &endpoint["targetRef"];
            let pod = pods.iter().find(|pod| pod["metadata"]["uid"] == target["uid"]).unwrap();
            assert_eq!(target["name"], pod["metadata"]["name"]);
            assert_eq!(target["kind"], "Pod");
            json!([pod["metadata"]["labels"]["side"], endpoint["conditions"]["ready"]])
        });
        let mut endpoints: Vec<Value> = endpoints.collect();
        endpoints.sort_by_key(Value::to_string);
        json!({"labels": slice["metadata"]["labels"], "endpoints": endpoints})
    });
    slices.collect()
}

/// Both come to say this, and the Service's labels with it.
#[track_caller]
fn agree(clusters: &[Observed; 2], labels: &Value, endpoints: &Value) {
    let mut expected = labels.clone();
    expected["kubernetes.io/service-name"] = json!("web");
    expected["endpointslice.kubernetes.io/managed-by"] = json!("endpointslice-controller.k8s.io");
    let expected = json!([{"labels": expected, "endpoints": endpoints}]);
    for (cluster, name) in clusters.iter().zip(["real", "sandbox"]) {
        let mut seen = told(cluster);
        for _ in 0..PATIENCE {
            if seen == expected {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
            seen = told(cluster);
        }
        assert_eq!(seen, expected, "{name}");
    }
}

#[test]
fn slices_carry_their_services_labels_and_name_their_pods() {
    let mut clusters = [Observed::real("slices"), Observed::sandbox("slices")];
    let ready = |side: &str, count: usize| vec![json!([side, true]); count];
    for cluster in &mut clusters {
        for side in ["v1", "v2"] {
            cluster.apply("deployments", &deployment(side, 2));
        }
        cluster.until("deployments", &|sample| {
            sample.pods.len() == 4 && sample.pods.iter().all(crate::observed::is_ready)
        });
    }
    let apply = |clusters: &[Observed; 2], labels: &Value, selector: &Value| {
        let body = service(labels, selector);
        clusters.iter().for_each(|cluster| cluster.apply_to("api/v1", "services", &body));
    };
    let plain = json!({"team": "shop"});
    apply(&clusters, &plain, &json!({"app": "web"}));
    agree(&clusters, &plain, &json!([ready("v1", 2), ready("v2", 2)].concat()));
    for side in ["v1", "v2"] {
        let labels = json!({"team": "shop", "tranche.dev/reaches": side});
        apply(&clusters, &labels, &json!({"app": "web", "side": side}));
        agree(&clusters, &labels, &json!(ready(side, 2)));
    }
    // A label alone changes a slice too, and one that is taken out leaves it.
    apply(&clusters, &plain, &json!({"app": "web", "side": "v2"}));
    agree(&clusters, &plain, &json!(ready("v2", 2)));
    apply(&clusters, &plain, &json!({"app": "web", "side": "v3"}));
    agree(&clusters, &plain, &json!([]));
}
