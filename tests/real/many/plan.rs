//! The plan files of each application: one release of it, to its end or held
//! after the first batch.

use super::app::{App, NODES, Sort};
use serde_json::{Value, json};

/// The port of those that hooks call.
#[derive(Clone, Copy)]
pub struct Hooks(pub u16);

impl App {
    /// The text of its plan file.
    pub fn plan(&self, release: u32, held: bool, hooks: Hooks) -> String {
        let documents = match self.sort {
            Sort::Embedded => vec![self.embedded(release, held)],
            Sort::Trait => vec![self.by_trait(release, held)],
            Sort::Kruise | Sort::KruiseGreen | Sort::KruisePlace => self.of_kruise(release, held),
            Sort::KruiseTrait => vec![self.kruise_trait(release, held), self.ingress()],
            Sort::Ratio => vec![self.ratio(release, held)],
            Sort::Plain => vec![self.plain(release, held)],
            Sort::Objects => self.as_they_stand(release, held),
            _ => self.app_rollout(release, held, hooks),
        };
        let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
        texts.join("\n---\n")
    }

    /// What somebody has on the cluster before the first deploy.
    pub fn running(&self) -> Vec<Value> {
        if self.sort != Sort::Ratio {
            return self.nodes();
        }
        let name = format!("{}-v1", self.name);
        let mut deployment = self.deployment(&name, 1, json!({}));
        for at in
            ["/metadata/labels", "/spec/selector/matchLabels", "/spec/template/metadata/labels"]
        {
            *deployment.pointer_mut(at).unwrap() = json!({"app": self.name, "version": "v1"});
        }
        let mut service = self.service("", "app");
        service["metadata"]["labels"] = json!({"app": self.name, "version": "v1"});
        vec![deployment, service]
    }

    fn nodes(&self) -> Vec<Value> {
        if self.sort != Sort::Nodes {
            return Vec::new();
        }
        let room = json!({"cpu": "10", "memory": "10Gi", "pods": "100"});
        let node = |number: u32| {
            let name = format!("{}-{number}", self.name);
            json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {
                    "name": name, "annotations": {"kwok.x-k8s.io/node": "fake"},
                    "labels": {"kubernetes.io/hostname": name, "pool": self.name},
                },
                "spec": {"taints": [{"key": "pool", "value": self.name, "effect": "NoSchedule"}]},
                "status": {"allocatable": room, "capacity": room},
            })
        };
        (1..=NODES).map(node).collect()
    }

    pub(super) fn metadata(&self, name: &str) -> Value {
        json!({"name": name, "namespace": self.namespace})
    }

    pub(super) fn pod(&self, release: u32) -> Value {
        json!({
            "metadata": {"labels": {"app": self.name}},
            "spec": {"containers": [{"name": "web", "image": Self::image(release)}]},
        })
    }

    pub(super) fn deployment(&self, name: &str, release: u32, selected: Value) -> Value {
        let mut pod = self.pod(release);
        if selected != json!({}) {
            pod["spec"]["nodeSelector"] = selected;
        }
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.namespace, "labels": {"app": self.name}},
            "spec": {
                "replicas": self.size,
                "selector": {"matchLabels": {"app": self.name}},
                "template": pod,
            },
        })
    }

    pub(super) fn service(&self, more: &str, label: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": self.metadata(&format!("{}{more}", self.name)),
            "spec": {"selector": {label: self.name}, "ports": [{"port": 80}]},
        })
    }

    pub(super) fn ingress(&self) -> Value {
        let backend = json!({"service": {"name": self.name, "port": {"number": 80}}});
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": self.metadata(&self.name),
            "spec": {"rules": [{"http": {"paths":
                [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]},
        })
    }

    pub(super) fn pause(held: bool) -> Value {
        if held { json!({}) } else { json!({"duration": 0}) }
    }

    /// What is waited for beside pods, in seconds.
    pub(super) fn seconds(&self) -> u32 {
        u32::from(!self.quick)
    }

    /// Applied as it stands: held by pods that no node takes.
    fn plain(&self, release: u32, held: bool) -> Value {
        let mut traits = vec![self.scaler()];
        if held {
            let nowhere = json!({"spec": {"template": {"spec": {"nodeSelector": nowhere()}}}});
            traits.push(json!({"type": "json-merge-patch", "properties": nowhere}));
        }
        self.application(false, &json!([self.webservice(&self.name, release, &traits)]))
    }

    fn as_they_stand(&self, release: u32, held: bool) -> Vec<Value> {
        let selected = if held && self.is_held() { nowhere() } else { json!({}) };
        let settings = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": self.metadata(&format!("{}-settings", self.name)),
            "data": {"release": release.to_string()},
        });
        vec![self.deployment(&self.name, release, selected), settings]
    }
}

fn nowhere() -> Value {
    json!({"no.node/has": "this"})
}
