//! A gateway's controller, played: it accepts every route at its newest
//! generation. Nothing else in the laboratory sets a route's status.

use crate::runs::block_on;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tranche_lab::{ControlPlane, User};

const ROUTES: &str = "/apis/gateway.networking.k8s.io/v1";

/// A thread that plays the controller, for as long as this lives.
pub struct Gateway {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// Installs the Gateway API, and begins to accept.
    pub fn open(plane: &'static ControlPlane) -> Self {
        plane.install(&plane.gateway_api()).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || block_on(accept(plane, &told)));
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the gateway has died");
        }
    }
}

async fn accept(plane: &ControlPlane, over: &AtomicBool) {
    let config = kube::config::Kubeconfig::read_from(plane.kubeconfig_for(User::Admin)).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    while !over.load(Ordering::Relaxed) {
        let all = http::Request::get(format!("{ROUTES}/httproutes")).body(Vec::new()).unwrap();
        let all: Value = client.request(all).await.unwrap();
        for route in all["items"].as_array().unwrap() {
            if let Some(status) = acceptance(route) {
                let metadata = &route["metadata"];
                let (namespace, name) = (&metadata["namespace"], &metadata["name"]);
                let (namespace, name) = (namespace.as_str().unwrap(), name.as_str().unwrap());
                let path = format!("{ROUTES}/namespaces/{namespace}/httproutes/{name}/status");
                let patch = http::Request::patch(path)
                    .header("content-type", "application/merge-patch+json")
                    .body(json!({"status": status}).to_string().into_bytes())
                    .unwrap();
                client.request::<Value>(patch).await.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The status of a route whose newest generation has none.
fn acceptance(route: &Value) -> Option<Value> {
    let generation = &route["metadata"]["generation"];
    let said = &route["status"]["parents"][0]["conditions"][0]["observedGeneration"];
    if said == generation {
        return None;
    }
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "reason": kind, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": generation,
        })
    };
    let conditions = ["Accepted", "ResolvedRefs"].map(condition);
    let parent = &route["spec"]["parentRefs"][0];
    Some(json!({"parents": [{
        "parentRef": parent, "controllerName": "lab.tranche.dev/gateway", "conditions": conditions,
    }]}))
}
