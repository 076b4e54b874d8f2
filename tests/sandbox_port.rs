//! The embedded cluster as a port: without HTTP every answer is the one that a
//! client gets through its API server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use serde_json::{Value, json};
use tranche::core::object::{KindRef, ObjectRef};
use tranche::edge::cluster::KubeCluster;
use tranche::port::{Cluster, WriteMode};
use tranche::sandbox::Sandbox;

fn wall() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn web() -> ObjectRef {
    ObjectRef::new(&KindRef::new("apps/v1", "Deployment"), Some("default"), "web")
}

fn deployment(replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    })
}

fn exactly(live: &Value, uid: &str, version: &str) -> WriteMode {
    let text = |field: &str| live["metadata"][field].as_str().unwrap().to_owned();
    WriteMode::Exactly {
        uid: text("uid") + uid,
        resource_version: text("resourceVersion") + version,
    }
}

/// The same questions, and what each came to.
async fn conversation(cluster: &impl Cluster) -> Vec<String> {
    let object = web();
    let mut said = Vec::new();
    let mut body = deployment(2, "a:1");
    let create = WriteMode::CreateOnly;
    said.push(format!("{:?}", cluster.get(&object).await));
    said.push(format!("{:?}", cluster.apply(&object, &body, &create, true).await));
    said.push(format!("{:?}", cluster.apply(&object, &body, &create, false).await));
    said.push(format!("{:?}", cluster.apply(&object, &body, &create, false).await));
    let live = cluster.get(&object).await.unwrap().unwrap();
    body["spec"]["replicas"] = json!(3);
    for (uid, version) in [("x", ""), ("", "9"), ("", "")] {
        let mode = exactly(&live, uid, version);
        said.push(format!("{:?}", cluster.apply(&object, &body, &mode, false).await));
    }
    body["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    said.push(format!("{:?}", cluster.apply(&object, &body, &WriteMode::Any, true).await));
    body["spec"]["nonsense"] = json!(1);
    said.push(format!("{:?}", cluster.apply(&object, &body, &WriteMode::Any, true).await));
    let widget = KindRef::new("example.com/v1", "Widget");
    said.push(format!("{:?}", cluster.namespaced(&widget).await));
    let label = [("app".to_owned(), "web".to_owned())];
    let pods = KindRef::new("v1", "Pod");
    said.push(format!("{:?}", cluster.list(&pods, Some("default"), &label).await));
    said.push(format!("{:?}", cluster.delete(&object, "nobody", "1").await.is_err()));
    let live = cluster.get(&object).await.unwrap().unwrap();
    let text = |field: &str| live["metadata"][field].as_str().unwrap();
    let (uid, version) = (text("uid"), text("resourceVersion"));
    said.push(format!("{:?}", cluster.delete(&object, uid, version).await));
    said.push(format!("{:?}", cluster.delete(&object, uid, version).await));
    said
}

#[test]
fn without_http_every_answer_is_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let over_http = Sandbox::volatile(wall());
    runtime.block_on(async {
        let client = kube::Client::new(over_http.service(), "default");
        let wanted = conversation(&KubeCluster::new(client)).await;
        let got = conversation(&Sandbox::volatile(wall()).cluster()).await;
        assert_eq!(wanted.len(), 14);
        for (wanted, got) in wanted.iter().zip(&got) {
            assert_eq!(wanted, got);
        }
    });
}
