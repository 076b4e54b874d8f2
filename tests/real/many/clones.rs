//! OpenKruise's controller of CloneSets, played, with pods that are there: it
//! replaces one at a time, and leaves as many on the template before as the
//! partition says.

use crate::runs::block_on;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tranche::core::digest::Digest;
use tranche_lab::{ControlPlane, User};

const SETS: &str = "/apis/apps.kruise.io/v1alpha1";
/// Whose a pod is.
const OF: &str = "lab.tranche.dev/clone-of";
/// The template that it was made of.
const HASH: &str = "controller-revision-hash";

/// A thread that plays the controller, for as long as this lives.
pub struct Clones {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clones {
    /// Installs the kind, and begins to act on it.
    pub fn open(plane: &'static ControlPlane) -> Self {
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "clonesets.apps.kruise.io"},
            "spec": {
                "group": "apps.kruise.io", "scope": "Namespaced",
                "names": {"plural": "clonesets", "singular": "cloneset", "kind": "CloneSet"},
                "versions": [{
                    "name": "v1alpha1", "served": true, "storage": true,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "properties":
                        {"spec": any, "status": any}}},
                }],
            },
        });
        plane.kubectl_as(User::Admin, &["apply", "-f", "-"], &definition.to_string()).unwrap();
        let until = ["wait", "--for=condition=Established", "--timeout=60s"];
        plane.kubectl(&[&until[..], &["crd/clonesets.apps.kruise.io"]].concat()).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || block_on(control(plane, &told)));
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Clones {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "CloneSets' controller has died");
        }
    }
}

async fn control(plane: &ControlPlane, over: &AtomicBool) {
    let config = kube::config::Kubeconfig::read_from(plane.kubeconfig_for(User::Admin)).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    while !over.load(Ordering::Relaxed) {
        let sets = asked(&client, "GET", &format!("{SETS}/clonesets"), &Value::Null).await;
        let pods = format!("/api/v1/pods?labelSelector={OF}");
        let pods = asked(&client, "GET", &pods, &Value::Null).await.unwrap();
        for set in sets.unwrap()["items"].as_array().unwrap() {
            let mine = pods["items"].as_array().unwrap().iter().filter(|pod| is_of(pod, set));
            act(&client, set, &mine.collect::<Vec<_>>()).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn asked(
    client: &kube::Client,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value, kube::Error> {
    let kind = match method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = http::Request::builder().method(method).uri(path).header("content-type", kind);
    client.request(request.body(body).unwrap()).await
}

fn is_of(pod: &Value, set: &Value) -> bool {
    let (pod, set) = (&pod["metadata"], &set["metadata"]);
    pod["labels"][OF] == set["name"] && pod["namespace"] == set["namespace"]
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// One look at a set: a pod is taken away only where all are ready, and comes
/// again with the newest template at the next look.
async fn act(client: &kube::Client, set: &Value, pods: &[&Value]) {
    let (metadata, spec) = (&set["metadata"], &set["spec"]);
    let (namespace, name) =
        (metadata["namespace"].as_str().unwrap(), metadata["name"].as_str().unwrap());
    let number = |value: &Value, or: u64| usize::try_from(value.as_u64().unwrap_or(or)).unwrap();
    let size = number(&spec["replicas"], 1);
    let held = number(&spec["updateStrategy"]["partition"], 0);
    let hash = Digest::of("clones", &spec["template"]).short().to_owned();
    let there: Vec<&&Value> =
        pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).collect();
    let is_new = |pod: &Value| pod["metadata"]["labels"][HASH] == hash;
    let ready: Vec<bool> =
        there.iter().filter(|pod| is_ready(pod)).map(|pod| is_new(pod)).collect();
    let updated = there.iter().filter(|pod| is_new(pod)).count();
    let goes = match there.len().cmp(&size) {
        std::cmp::Ordering::Greater => there.iter().find(|pod| !is_new(pod)).or(there.first()),
        std::cmp::Ordering::Equal if ready.len() == size && updated < size.saturating_sub(held) => {
            there.iter().find(|pod| !is_new(pod))
        }
        _ => None,
    };
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    if let Some(pod) = goes {
        let path = format!("{path}/{}", pod["metadata"]["name"].as_str().unwrap());
        asked(client, "DELETE", &path, &Value::Null).await.unwrap();
    }
    for _ in there.len()..size {
        let mut labels = spec["template"]["metadata"]["labels"].clone();
        labels[OF] = json!(name);
        labels[HASH] = json!(hash);
        let metadata = json!({"generateName": format!("{name}-"), "labels": labels});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
                         "spec": spec["template"]["spec"]});
        asked(client, "POST", &path, &pod).await.unwrap();
    }
    let status = json!({
        "observedGeneration": metadata["generation"], "replicas": there.len(),
        "readyReplicas": ready.len(), "updatedReplicas": updated,
        "updatedReadyReplicas": ready.iter().filter(|new| **new).count(),
    });
    if set["status"] != status {
        let path = format!("{SETS}/namespaces/{namespace}/clonesets/{name}/status");
        // Another write may have come first; the next look sees it.
        let _ = asked(client, "PATCH", &path, &json!({"status": status})).await;
    }
}
