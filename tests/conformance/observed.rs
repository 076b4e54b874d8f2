//! A workload under observation, on either cluster. Owns how time passes, how
//! samples are taken, and what of them is compared.

use crate::server::{Call, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tranche::sandbox::Sandbox;
use tranche_lab::ControlPlane;

/// The most samples between two steps; each real one takes some milliseconds.
const PATIENCE: usize = 2_000;
/// How many equal samples in a row say that a real cluster has come to rest.
const REST: usize = 8;

pub struct Observed {
    server: Server,
    /// The embedded cluster, whose time passes from event to event.
    sandbox: Option<Sandbox>,
    namespace: String,
    pub samples: Vec<Sample>,
}

/// What was seen at one instant; each list is one snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Seen on the real cluster.
    pub real: bool,
    pub pods: Vec<Value>,
    pub sets: Vec<Value>,
    pub workload: Value,
}

fn wall() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

impl Observed {
    pub fn real(namespace: &str) -> Self {
        let plane = ControlPlane::shared().unwrap();
        Self::new(Server::real(plane), None, namespace)
    }

    pub fn sandbox(namespace: &str) -> Self {
        let dir: TempDir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::open(dir.path(), wall).unwrap();
        Self::new(Server::sandbox(&sandbox, Some(dir)), Some(sandbox), namespace)
    }

    fn new(server: Server, sandbox: Option<Sandbox>, namespace: &str) -> Self {
        let new = Self { server, sandbox, namespace: namespace.to_owned(), samples: Vec::new() };
        let body =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        new.send("POST", "/api/v1/namespaces", &body, 201);
        new
    }

    fn send(&self, method: &str, path: &str, body: &Value, wanted: u16) -> Value {
        let media =
            if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
        let (method, path, media) = (method.to_owned(), path.to_owned(), media.to_owned());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let call = Call { method, path, media, body };
        let (code, answer) = self.server.send(&call);
        assert!(code == wanted || (wanted == 200 && code == 201), "{call:?}: {code} {answer}");
        answer
    }

    fn path(&self, api: &str, plural: &str) -> String {
        format!("/{api}/namespaces/{}/{plural}", self.namespace)
    }

    pub fn apply(&self, plural: &str, body: &Value) {
        self.apply_to("apis/apps/v1", plural, body);
    }

    pub fn apply_to(&self, api: &str, plural: &str, body: &Value) {
        let name = body["metadata"]["name"].as_str().unwrap();
        let path = self.path(api, &format!("{plural}/{name}"));
        self.send("PATCH", &format!("{path}?fieldManager=tranche&force=true"), body, 200);
    }

    pub fn delete(&self, plural: &str, name: &str) {
        let path = self.path("apis/apps/v1", &format!("{plural}/{name}"));
        self.send("DELETE", &path, &json!({"propagationPolicy": "Background"}), 200);
    }

    pub fn delete_pod(&self, name: &str) {
        let path = self.path("api/v1", &format!("pods/{name}"));
        self.send("DELETE", &path, &Value::Null, 200);
    }

    pub fn list(&self, api: &str, plural: &str) -> Vec<Value> {
        let list = self.send("GET", &self.path(api, plural), &Value::Null, 200);
        list["items"].as_array().unwrap().clone()
    }

    fn sample(&self, plural: &str) -> Sample {
        let pods = self.list("api/v1", "pods");
        let sets = self.list("apis/apps/v1", "replicasets");
        let workload = self.list("apis/apps/v1", plural).pop().unwrap_or_default();
        Sample { real: self.sandbox.is_none(), pods, sets, workload }
    }

    /// Lets time pass, sampling, until `done` and the cluster is at rest.
    pub fn until(&mut self, plural: &str, done: &dyn Fn(&Sample) -> bool) -> Sample {
        let mut equal = 0;
        for _ in 0..PATIENCE {
            let sample = self.sample(plural);
            if self.samples.last() == Some(&sample) {
                equal += 1;
            } else {
                equal = 0;
                self.samples.push(sample.clone());
            }
            match &self.sandbox {
                None if done(&sample) && equal >= REST => return sample,
                None => std::thread::sleep(std::time::Duration::from_millis(15)),
                Some(sandbox) => match sandbox.next_event().unwrap() {
                    Some(at) => {
                        sandbox.advance(at).unwrap();
                    }
                    None if done(&sample) => return sample,
                    None => panic!("at rest, and not as wanted: {sample:#?}"),
                },
            }
        }
        panic!("{}: never as wanted: {:#?}", self.server.name, self.samples.last());
    }
}

pub fn is_leaving(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some()
}

pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

pub fn image(pod: &Value) -> &str {
    pod["spec"]["containers"][0]["image"].as_str().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What the two clusters must have in common in the end. Names of ReplicaSets
/// and revisions hold a hash that each computes in its own way.
pub fn facts(sample: &Sample) -> Value {
    let mut hashes: Vec<(String, String)> = Vec::new();
    let mut sets: Vec<&Value> = sample.sets.iter().collect();
    sets.sort_by_key(|set| {
        let revision = &set["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
        text(revision).parse::<u64>().unwrap_or(0)
    });
    for (index, set) in sets.iter().enumerate() {
        let hash = text(&set["metadata"]["labels"]["pod-template-hash"]);
        if !hash.is_empty() {
            hashes.push((hash, format!("<hash {index}>")));
        }
    }
    for field in ["currentRevision", "updateRevision"] {
        let revision = text(&sample.workload["status"][field]);
        if let Some((_, hash)) = revision.rsplit_once('-')
            && hashes.iter().all(|(known, _)| known != hash)
        {
            hashes.push((hash.to_owned(), format!("<revision {}>", hashes.len())));
        }
    }
    let mut pods: Vec<Value> = sample.pods.iter().filter(|pod| !is_leaving(pod)).map(pod).collect();
    pods.sort_by_key(Value::to_string);
    let sets: Vec<Value> = sets.into_iter().map(set).collect();
    let mut out = json!({"workload": workload(&sample.workload), "sets": sets, "pods": pods});
    rename(&mut out, &hashes);
    if let Some(pods) = out["pods"].as_array_mut() {
        pods.sort_by_key(Value::to_string);
    }
    out
}

fn rename(value: &mut Value, hashes: &[(String, String)]) {
    match value {
        Value::String(text) => {
            for (hash, alias) in hashes {
                *text = text.replace(hash, alias);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, hashes)),
        Value::Object(map) => map.values_mut().for_each(|value| rename(value, hashes)),
        _ => {}
    }
}

fn owners(object: &Value) -> Value {
    let mut owners = object["metadata"]["ownerReferences"].clone();
    for owner in owners.as_array_mut().into_iter().flatten() {
        owner["uid"] = json!("<uid>");
    }
    owners
}

fn workload(object: &Value) -> Value {
    if object.is_null() {
        return Value::Null;
    }
    let mut status = object["status"].clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        let fields = condition.as_object_mut().unwrap();
        fields.retain(|name, _| !name.starts_with("last"));
        // Which ReplicaSet a message names is that of the last change of reason,
        // and that depends on what the controller saw of one.
        let message = fields["message"].as_str().unwrap_or_default();
        let name = message.split('"').nth(1).unwrap_or_default().to_owned();
        if message.starts_with("ReplicaSet") {
            fields["message"] = json!(message.replace(&name, "<set>"));
        }
    }
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.sort_by_key(Value::to_string);
    }
    let fields = status.as_object_mut();
    if let Some(fields) = fields {
        // A count of revisions that only guards names against collisions.
        fields.remove("collisionCount");
    }
    json!({
        "spec": object["spec"], "status": status, "generation": object["metadata"]["generation"],
        "annotations": object["metadata"]["annotations"], "labels": object["metadata"]["labels"],
        "managers": managers(object),
    })
}

fn managers(object: &Value) -> Value {
    let entries = object["metadata"]["managedFields"].as_array();
    let entry = |entry: &Value| {
        let mut out = entry.clone();
        out.as_object_mut().unwrap().remove("time");
        let mut fields = out["fieldsV1"].clone();
        if let Some(status) = fields.get_mut("f:status").and_then(Value::as_object_mut) {
            status.remove("f:collisionCount");
        }
        out["fieldsV1"] = fields;
        out
    };
    let mut all: Vec<Value> = entries.into_iter().flatten().map(entry).collect();
    all.sort_by_key(Value::to_string);
    Value::Array(all)
}

fn set(object: &Value) -> Value {
    // How often a set was resized on the way depends on what came at once.
    let mut status = object["status"].clone();
    let observed = status.as_object_mut().and_then(|status| status.remove("observedGeneration"));
    assert_eq!(observed.as_ref(), Some(&object["metadata"]["generation"]), "at rest");
    json!({
        "name": object["metadata"]["name"], "labels": object["metadata"]["labels"],
        "annotations": object["metadata"]["annotations"], "owners": owners(object),
        "spec": object["spec"], "status": status,
    })
}

fn pod(object: &Value) -> Value {
    let name = text(&object["metadata"]["name"]);
    // The last part of the name of a ReplicaSet's pod is random.
    let generated = object["metadata"].get("generateName").is_some();
    let ordinal = object["metadata"]["labels"].get("apps.kubernetes.io/pod-index").is_some();
    let name = match name.rsplit_once('-') {
        Some((set, _)) if generated && !ordinal => format!("{set}-<random>"),
        _ => name,
    };
    json!({
        "name": name, "generateName": object["metadata"]["generateName"],
        "labels": object["metadata"]["labels"],
        "owners": owners(object), "image": image(object), "ready": is_ready(object),
        "hostname": object["spec"]["hostname"], "subdomain": object["spec"]["subdomain"],
    })
}
