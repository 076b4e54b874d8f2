//! The two servers, behind the same client. Owns how a request gets there and
//! what of the answer is kept; must never look at what is asked.

use http::Request;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tranche::sandbox::Sandbox;
use tranche_lab::ControlPlane;

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub media: String,
    pub body: String,
}

/// An API server that can be asked.
pub struct Server {
    pub name: &'static str,
    client: Client,
    runtime: Runtime,
    _dir: Option<TempDir>,
}

/// The embedded cluster's wall clock stands still.
fn wall() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl Server {
    /// A new embedded cluster in which nothing moves by itself.
    pub fn still_sandbox() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(dir.path(), wall).unwrap().still();
        Self::sandbox(&sandbox, Some(dir))
    }

    /// The API of an embedded cluster.
    pub fn sandbox(sandbox: &Sandbox, dir: Option<TempDir>) -> Self {
        let runtime = runtime();
        let service = sandbox.service();
        let client = runtime.block_on(async { Client::new(service, "default") });
        Self { name: "sandbox", client, runtime, _dir: dir }
    }

    /// The real API server, alone: no controllers. One for this process.
    pub fn still_real() -> Self {
        static PLANE: OnceLock<ControlPlane> = OnceLock::new();
        Self::real(PLANE.get_or_init(|| ControlPlane::still().unwrap()))
    }

    /// A real control plane.
    pub fn real(plane: &ControlPlane) -> Self {
        let runtime = runtime();
        let client = runtime.block_on(connect(&plane.kubeconfig()));
        Self { name: "real", client, runtime, _dir: None }
    }

    /// Sends one request; the answer's code and body. A body that is no JSON
    /// is its text.
    pub fn send(&self, call: &Call) -> (u16, Value) {
        self.ask(call, "application/json")
    }

    /// The aggregated discovery document at `/api` or `/apis`.
    pub fn discover(&self, path: &str) -> Value {
        let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let (method, media) = ("GET".to_owned(), "application/json".to_owned());
        let call = Call { method, path: path.to_owned(), media, body: String::new() };
        let (code, body) = self.ask(&call, accept);
        assert_eq!(code, 200, "{path}: {body}");
        body
    }

    fn ask(&self, call: &Call, accept: &str) -> (u16, Value) {
        let request = Request::builder()
            .method(call.method.as_str())
            .uri(&call.path)
            .header("content-type", &call.media)
            .header("accept", accept)
            .body(Body::from(call.body.clone().into_bytes()))
            .unwrap_or_else(|error| panic!("{call:?}: {error}"));
        self.runtime.block_on(async {
            let answer =
                self.client.send(request).await.unwrap_or_else(|e| panic!("{call:?}: {e}"));
            let code = answer.status().as_u16();
            let bytes = answer.into_body().collect_bytes().await.unwrap();
            let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
            (code, serde_json::from_slice(&bytes).unwrap_or_else(|_| text()))
        })
    }
}

async fn connect(kubeconfig: &Path) -> Client {
    // There already when another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(read, &options).await.unwrap();
    config.default_retry = false;
    config.proxy_url = None;
    Client::try_from(config).unwrap()
}
