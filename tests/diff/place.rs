//! Where a case is played: a plan repository, and a namespace of the real
//! cluster or an embedded one. Owns how each is reached; it must never look at
//! what a case expects.

use crate::ports::{EitherClock, Heard, Heeded, Wired};
use base64::Engine as _;
use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Repository, Signature};
use http::Request;
use kube::Client;
use kube::client::Body;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tranche::core::model::{ClusterRef, Target};
use tranche::core::secrecy::Veil;
use tranche::edge::cluster::{KubeCluster, connect};
use tranche::edge::git::{GitRemote, RemoteUrl};
use tranche::edge::process::ThisProcess;
use tranche::edge::signal::Stop;
use tranche::sandbox::{Sandbox, SandboxClock};
use tranche_lab::{ControlPlane, User};

const PLAN: &str = "refs/heads/main";
const RECORD: &str = "tranche/diff";

/// The cluster of a case.
pub enum At {
    Real(&'static ControlPlane),
    Sandbox(Sandbox),
}

/// A plan repository and a cluster.
pub struct Place {
    dir: TempDir,
    pub at: At,
    pub target: Target,
}

impl Place {
    pub fn real() -> Self {
        let plane = ControlPlane::shared().unwrap();
        let namespace = plane.namespace("diff").unwrap();
        let context = ClusterRef::Context("lab".to_owned());
        let name = namespace.name().to_owned();
        Self::new(At::Real(plane), context, &name)
    }

    pub fn sandbox() -> Self {
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        Self::new(At::Sandbox(Sandbox::volatile(start)), ClusterRef::Sandbox, "default")
    }

    fn new(at: At, cluster: ClusterRef, namespace: &str) -> Self {
        let dir = tranche_lab::scratch().unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).mkdir(true).initial_head("main").external_template(false);
        let made = Repository::init_opts(dir.path().join("plan.git"), &options).unwrap();
        // What a server does to itself after a push is two programs more.
        made.config().unwrap().set_bool("receive.autogc", false).unwrap();
        let target = Target {
            name: "diff".to_owned(),
            cluster,
            namespace: namespace.to_owned(),
            record_branch: RECORD.to_owned(),
        };
        Self { dir, at, target }
    }

    pub fn namespace(&self) -> &str {
        &self.target.namespace
    }

    fn plan(&self) -> PathBuf {
        self.dir.path().join("plan.git")
    }

    fn repository(&self) -> Repository {
        Repository::open_bare(self.plan()).unwrap()
    }

    /// Commits a plan of this one file.
    pub fn commit(&self, text: &str) {
        let repository = self.repository();
        let parent = repository.find_reference(PLAN).ok().map(|r| r.peel_to_commit().unwrap());
        let empty = repository.treebuilder(None).unwrap().write().unwrap();
        let empty = repository.find_tree(empty).unwrap();
        let blob = repository.blob(text.as_bytes()).unwrap();
        let mut update = TreeUpdateBuilder::new();
        update.upsert("plan.yaml", blob, FileMode::Blob);
        let tree = update.create_updated(&repository, &empty).unwrap();
        let tree = repository.find_tree(tree).unwrap();
        let dev = Signature::now("dev", "dev@users.noreply.invalid").unwrap();
        let parents: Vec<_> = parent.iter().collect();
        repository.commit(Some(PLAN), &dev, &dev, "plan", &tree, &parents).unwrap();
    }

    /// The record's newest commit.
    pub fn recorded(&self) -> Option<git2::Oid> {
        let repository = self.repository();
        repository.refname_to_id(&format!("refs/heads/{RECORD}")).ok()
    }

    /// Everything on the record branch, as text.
    pub fn record(&self) -> String {
        let repository = self.repository();
        let Some(tip) = self.recorded() else { return String::new() };
        let mut walk = repository.revwalk().unwrap();
        walk.push(tip).unwrap();
        let mut text = String::new();
        for id in walk {
            let commit = repository.find_commit(id.unwrap()).unwrap();
            text.push_str(&String::from_utf8_lossy(commit.message_bytes()));
            let tree = commit.tree().unwrap();
            tree.walk(git2::TreeWalkMode::PreOrder, |_, entry| {
                if entry.kind() == Some(ObjectType::Blob) {
                    let blob = repository.find_blob(entry.id()).unwrap();
                    text.push_str(&String::from_utf8_lossy(blob.content()));
                }
                git2::TreeWalkResult::Ok
            })
            .unwrap();
        }
        text
    }

    /// What one run acts through.
    pub async fn wire(&self, user: User) -> Wired {
        let (cluster, clock) = match &self.at {
            At::Real(plane) => {
                let kubeconfig = plane.kubeconfig_for(user);
                let connected =
                    connect(&self.target.cluster, Some(&kubeconfig), &Veil::default()).await;
                let connected = connected.unwrap();
                (connected.cluster, EitherClock::Real(connected.clock))
            }
            At::Sandbox(sandbox) => {
                let client = Client::new(sandbox.service(), self.namespace());
                let clock = SandboxClock::new(sandbox.clone());
                (KubeCluster::new(client), EitherClock::Sandbox(clock))
            }
        };
        let url = RemoteUrl::of_path(&self.plan()).unwrap();
        let remote = GitRemote::open(&url, "main", &self.dir.path().join("cache")).unwrap();
        let cluster = Heeded { cluster, heard: Heard::default() };
        Wired { cluster, remote, clock, process: ThisProcess::new(Stop::default()) }
    }

    /// A request past the product, by somebody who may do everything.
    pub async fn send(&self, request: &str, manager: &str, body: &Value) -> Value {
        let client = match &self.at {
            At::Real(plane) => admin(&plane.kubeconfig()).await,
            At::Sandbox(sandbox) => Client::new(sandbox.service(), self.namespace()),
        };
        let (verb, path) = request.split_once(' ').unwrap_or_else(|| panic!("no verb: {request}"));
        if verb == "STORE" {
            return self.store(path, body).await;
        }
        let (method, media) = match verb {
            "APPLY" => ("PATCH", "application/apply-patch+yaml"),
            "MERGE" => ("PATCH", "application/merge-patch+json"),
            "STRATEGIC" => ("PATCH", "application/strategic-merge-patch+json"),
            "JSON" => ("PATCH", "application/json-patch+json"),
            other => (other, "application/json"),
        };
        let mut uri = self.path(path);
        if !["GET", "DELETE"].contains(&method) {
            uri = format!("{uri}?fieldManager={manager}");
        }
        if verb == "APPLY" {
            uri.push_str("&force=true");
        }
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder()
            .method(method)
            .uri(&uri)
            .header("content-type", media)
            .body(Body::from(bytes))
            .unwrap();
        let answer = client.send(request).await.unwrap();
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await.unwrap();
        let said = String::from_utf8_lossy(&bytes);
        assert!(code < 300, "{method} {uri}: {code} {said}");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Puts an object where the API server keeps it, as one that it would not
    /// take any more, and took when it was older.
    async fn store(&self, key: &str, body: &Value) -> Value {
        let At::Real(plane) = &self.at else { panic!("the embedded cluster has no etcd") };
        let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let put = json!({"key": encoded(key), "value": encoded(&body.to_string())});
        let request = Request::builder()
            .method("POST")
            .uri("/v3/kv/put")
            .body(Body::from(put.to_string().into_bytes()))
            .unwrap();
        let client = Client::try_from(Config::new(plane.etcd().parse().unwrap())).unwrap();
        let answer = client.send(request).await.unwrap();
        assert!(answer.status().is_success(), "{key}: {}", answer.status());
        let bytes = answer.into_body().collect_bytes().await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// `apps/v1/deployments/web` is in the case's namespace.
    fn path(&self, short: &str) -> String {
        if short.starts_with('/') {
            return short.to_owned();
        }
        let parts: Vec<&str> = short.split('/').collect();
        let (root, version) = if parts[0] == "v1" { ("api", 1) } else { ("apis", 2) };
        let (version, rest) = parts.split_at(version);
        let namespace = self.namespace();
        format!("/{root}/{}/namespaces/{namespace}/{}", version.join("/"), rest.join("/"))
    }
}

async fn admin(kubeconfig: &Path) -> Client {
    // There already when another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(read, &options).await.unwrap();
    config.proxy_url = None;
    Client::try_from(config).unwrap()
}
