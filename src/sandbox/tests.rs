//! The embedded cluster as its users see it: through requests.

#![expect(clippy::disallowed_methods, reason = "tests look at the journal's file")]

mod apply;
mod budgets;
mod direct;
mod files;
mod life;
mod ordinals;
mod read;

use super::Sandbox;
use http::Request;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};
use tower::ServiceExt;

/// The wall clock of tests stands still; `advance` moves the cluster's.
pub(super) fn wall() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub(super) struct Bench {
    pub sandbox: Sandbox,
    pub dir: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { sandbox: Sandbox::open(dir.path(), wall).unwrap(), dir }
    }

    pub fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        call(&self.sandbox, method, path, body)
    }

    pub fn get(&self, path: &str) -> Value {
        let (code, body) = self.call("GET", path, &Value::Null);
        assert_eq!(code, 200, "{path}: {body}");
        body
    }

    /// Applies as `tranche`; the answer must be a success.
    pub fn apply(&self, path: &str, body: &Value) -> Value {
        let (code, body) = self.call("PATCH", &format!("{path}?fieldManager=tranche"), body);
        assert!(code < 300, "{path}: {body}");
        body
    }

    /// Seconds pass.
    pub fn pass(&self, seconds: i64) {
        let now = self.sandbox.now().unwrap();
        self.sandbox.advance(super::fields::after(now, seconds)).unwrap();
    }

    pub fn journal(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("journal.jsonl")).unwrap()
    }

    pub fn items(&self, path: &str) -> Vec<Value> {
        self.get(path)["items"].as_array().unwrap().clone()
    }
}

pub(super) fn call(sandbox: &Sandbox, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(Body::from(bytes))
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let response = sandbox.service().oneshot(request).await.unwrap();
        assert!(response.headers().contains_key("date"));
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        (code, serde_json::from_slice(&bytes).unwrap())
    })
}

pub(super) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/web";
pub(super) const CLONESET: &str = "/apis/apps.kruise.io/v1alpha1/namespaces/default/clonesets/web";
pub(super) const PODS: &str = "/api/v1/namespaces/default/pods";

pub(super) fn template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    })
}

pub(super) fn deployment(replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": template(image),
        },
    })
}

pub(super) fn cloneset(replicas: u32, image: &str, strategy: Value) -> Value {
    let mut out = deployment(replicas, image);
    out["apiVersion"] = json!("apps.kruise.io/v1alpha1");
    out["kind"] = json!("CloneSet");
    out["spec"]["updateStrategy"] = strategy;
    out
}
