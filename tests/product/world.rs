//! The embedded cluster as its journal tells it, instant by instant.

use crate::stage::Stage;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Objects by kind and name.
#[derive(Clone, Debug, Default)]
pub struct World {
    objects: BTreeMap<(String, String), Value>,
}

impl World {
    fn replay(&mut self, entry: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for object in entry["put"].as_array().into_iter().flatten() {
            let key = (text(&object["kind"]), text(&object["metadata"]["name"]));
            self.objects.insert(key, object.clone());
        }
        for object in entry["del"].as_array().into_iter().flatten() {
            self.objects.remove(&(text(&object["kind"]), text(&object["name"])));
        }
    }

    pub fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(kind.to_owned(), name.to_owned()))
    }

    /// All objects of a kind, by name.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let objects = self.objects.iter().filter(move |((k, _), _)| k == kind);
        objects.map(|((_, name), object)| (name.as_str(), object))
    }

    /// `spec.replicas` of every object of a kind.
    pub fn sizes(&self, kind: &str) -> BTreeMap<String, u64> {
        let objects = self.objects.iter().filter(|((k, _), _)| k == kind);
        objects
            .map(|((_, name), object)| {
                (name.clone(), object["spec"]["replicas"].as_u64().unwrap_or(0))
            })
            .collect()
    }

    /// Pods that live on, by the tag of their image.
    fn pods(&self, ready_only: bool) -> BTreeMap<String, usize> {
        let mut pods = BTreeMap::new();
        for ((kind, _), pod) in &self.objects {
            let going = pod["metadata"].get("deletionTimestamp").is_some();
            if kind != "Pod" || going || (ready_only && !is_ready(pod)) {
                continue;
            }
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
            let tag = image.rsplit(':').next().unwrap_or_default();
            *pods.entry(tag.to_owned()).or_default() += 1;
        }
        pods
    }

    pub fn all_pods(&self) -> BTreeMap<String, usize> {
        self.pods(false)
    }

    pub fn ready_pods(&self) -> BTreeMap<String, usize> {
        self.pods(true)
    }

    pub fn ready(&self) -> usize {
        self.ready_pods().values().sum()
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// What pods there must be: `[("6.7.0", 4)]`.
pub fn pods(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(tag, count)| ((*tag).to_owned(), *count)).collect()
}

impl Stage {
    /// The cluster now.
    pub fn world(&self) -> World {
        self.history().pop().unwrap_or_default()
    }

    /// The cluster after each transaction.
    pub fn history(&self) -> Vec<World> {
        let text = std::fs::read_to_string(self.journal()).unwrap();
        let mut world = World::default();
        let lines = text.lines().skip(1);
        lines
            .map(|line| {
                world.replay(&serde_json::from_str(line).unwrap());
                world.clone()
            })
            .collect()
    }

    /// The sizes that Deployments had, one after another; the names of those
    /// that were not there are left out.
    pub fn deployment_sizes(&self) -> Vec<Value> {
        let mut seen: Vec<Value> =
            self.history().iter().map(|world| json!(world.sizes("Deployment"))).collect();
        seen.dedup();
        seen
    }

    /// Does something to the cluster as a person with kubectl would: an
    /// apply by another field manager, with force.
    pub fn meddle(&self, path: &str, body: &Value) {
        let response =
            self.request("PATCH", &format!("{path}?fieldManager=kubectl&force=true"), Some(body));
        assert!(response.0 < 300, "{path}: {} {}", response.0, response.1);
    }

    /// Deletes an object behind the program's back.
    pub fn destroy(&self, path: &str) {
        let response = self.request("DELETE", path, None);
        assert!(response.0 < 300, "{path}: {} {}", response.0, response.1);
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let dir = self.journal().parent().unwrap().to_owned();
        let sandbox = tranche::sandbox::Sandbox::open(&dir, Timestamp::now).unwrap();
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/apply-patch+yaml")
            .body(kube::client::Body::from(bytes))
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = kube::Client::new(sandbox.service(), "default");
            let response = client.send(request).await.unwrap();
            let status = response.status().as_u16();
            (
                status,
                response.into_body().collect_bytes().await.map_or_else(
                    |error| error.to_string(),
                    |bytes| String::from_utf8_lossy(&bytes).into_owned(),
                ),
            )
        })
    }
}
