//! The embedded cluster as its journal tells it, instant by instant.

use crate::stage::Stage;
use jiff::Timestamp;
use jiff::ToSpan as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;
use tranche::sandbox::Sandbox;

/// Objects by kind and name. What stays as it was is shared from instant to
/// instant: a history of whole copies is gigabytes.
#[derive(Clone, Debug, Default)]
pub struct World {
    objects: BTreeMap<Rc<(String, String)>, Rc<Value>>,
}

impl World {
    fn replay(&mut self, line: &str) {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for object in entry["put"].as_array_mut().into_iter().flatten() {
            let key = (text(&object["kind"]), text(&object["metadata"]["name"]));
            self.objects.insert(Rc::new(key), Rc::new(object.take()));
        }
        for object in entry["del"].as_array().into_iter().flatten() {
            self.objects.remove(&(text(&object["kind"]), text(&object["name"])));
        }
    }

    pub fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(kind.to_owned(), name.to_owned())).map(Rc::as_ref)
    }

    /// All objects of a kind, by name.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let objects = self.objects.iter().filter(move |(key, _)| key.0 == kind);
        objects.map(|(key, object)| (key.1.as_str(), object.as_ref()))
    }

    /// `spec.replicas` of every object of a kind.
    pub fn sizes(&self, kind: &str) -> BTreeMap<String, u64> {
        self.of_kind(kind)
            .map(|(name, object)| {
                (name.to_owned(), object["spec"]["replicas"].as_u64().unwrap_or(0))
            })
            .collect()
    }

    /// Pods that live on, by the tag of their image.
    fn pods(&self, ready_only: bool) -> BTreeMap<String, usize> {
        let mut pods = BTreeMap::new();
        for (_, pod) in self.of_kind("Pod") {
            let going = pod["metadata"].get("deletionTimestamp").is_some();
            if going || (ready_only && !is_ready(pod)) {
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
        self.world_of("sandbox")
    }

    /// The cluster of a target now.
    pub fn world_of(&self, target: &str) -> World {
        let mut world = World::default();
        let told = std::fs::read_to_string(self.journal_of(target)).unwrap();
        told.lines().skip(1).for_each(|line| world.replay(line));
        world
    }

    /// The cluster after each transaction.
    pub fn history(&self) -> Vec<World> {
        let mut world = World::default();
        let after = |line| {
            world.replay(line);
            world.clone()
        };
        self.told().lines().skip(1).map(after).collect()
    }

    fn told(&self) -> String {
        std::fs::read_to_string(self.journal()).unwrap()
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

    /// Scales a Deployment as an autoscaler does.
    pub fn autoscale(&self, name: &str, replicas: u32) {
        let path = format!("/apis/apps/v1/namespaces/default/deployments/{name}");
        let body = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name}, "spec": {"replicas": replicas}});
        let by = "fieldManager=horizontal-pod-autoscaler&force=true";
        let response = self.request("PATCH", &format!("{path}?{by}"), Some(&body));
        assert!(response.0 < 300, "{path}: {} {}", response.0, response.1);
    }

    /// Creates a second Ingress that was there once again. A run that was
    /// superseded does so late, with a weight of 0.
    pub fn land_late(&self, was: &Value, weight: &str) {
        let metadata = &was["metadata"];
        let mut annotations = metadata["annotations"].as_object().unwrap().clone();
        annotations.retain(|name, _| !name.contains("/canary-by-"));
        let key = "nginx.ingress.kubernetes.io/canary-weight";
        annotations.insert(key.to_owned(), json!(weight));
        let name = metadata["name"].as_str().unwrap();
        assert_eq!(self.world().get("Ingress", name), None, "it is late only once it was deleted");
        let labels = &metadata["labels"];
        let body = json!({
            "apiVersion": was["apiVersion"], "kind": "Ingress", "spec": was["spec"],
            "metadata": {"name": name, "labels": labels, "annotations": annotations},
        });
        let path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
        self.meddle(&format!("{path}/{name}"), &body);
    }

    /// Deletes an object behind the program's back.
    pub fn destroy(&self, path: &str) {
        let response = self.request("DELETE", path, None);
        assert!(response.0 < 300, "{path}: {} {}", response.0, response.1);
    }

    /// Lets the cluster's time pass. By itself it goes on only once the wall
    /// clock has come to where runs that wait have jumped.
    pub fn pass(&self, seconds: i64) {
        let sandbox = self.sandbox();
        let to = sandbox.now().unwrap() + seconds.seconds();
        sandbox.advance(to).unwrap();
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::open(self.journal().parent().unwrap(), Timestamp::now).unwrap()
    }

    /// What a kubelet says of a pod.
    pub fn say_of_pod(&self, name: &str, status: &Value) {
        let path = format!("/api/v1/namespaces/default/pods/{name}/status");
        let body = json!({"status": status});
        let merge = "application/merge-patch+json";
        let response =
            self.send("PATCH", &format!("{path}?fieldManager=kubelet"), merge, Some(&body));
        assert!(response.0 < 300, "{path}: {} {}", response.0, response.1);
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        self.send(method, path, "application/apply-patch+yaml", body)
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> (u16, String) {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(kube::client::Body::from(bytes))
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = kube::Client::new(self.sandbox().service(), "default");
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
