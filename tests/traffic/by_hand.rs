//! Two versions behind a route with weights, moved by a person with kubectl.

use std::thread::sleep;
use std::time::Duration;
use tranche_lab::traffic::{GATEWAY, Load, Requests, TrafficLab};
use tranche_lab::{Namespace, User};

/// Deployments and Services `v1` and `v2`, and a route to both.
pub struct Versions {
    lab: &'static TrafficLab,
    namespace: Namespace,
}

impl Versions {
    /// Both are ready, and the route has followed.
    pub fn ready(lab: &'static TrafficLab, prefix: &str, weights: (u32, u32)) -> Self {
        let namespace = lab.plane().namespace(prefix).unwrap();
        let versions = Self { lab, namespace };
        for tag in ["v1", "v2"] {
            versions.apply(&version(tag));
        }
        versions.weigh(weights);
        for tag in ["v1", "v2"] {
            versions.kubectl(&["rollout", "status", "--timeout=60s", &format!("deployment/{tag}")]);
        }
        follow();
        versions
    }

    pub fn host(&self) -> String {
        format!("{}.shop.example", self.namespace)
    }

    /// Writes the weights. Traefik follows a moment later.
    pub fn weigh(&self, (v1, v2): (u32, u32)) {
        self.apply(&format!(
            "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web}}
spec:
  parentRefs: [{GATEWAY}]
  hostnames: [{}]
  rules:
    - backendRefs: [{{name: v1, port: 80, weight: {v1}}}, {{name: v2, port: 80, weight: {v2}}}]
",
            self.host()
        ));
    }

    pub fn scale(&self, tag: &str, replicas: u32) {
        let name = format!("deployment/{tag}");
        self.kubectl(&["scale", &name, &format!("--replicas={replicas}")]);
    }

    pub fn load(&self) -> Load {
        self.lab.load(&Requests::to(&self.host())).unwrap()
    }

    fn apply(&self, text: &str) {
        let arguments = ["apply", "-n", self.namespace.name(), "-f", "-"];
        self.lab.plane().kubectl_as(User::Admin, &arguments, text).unwrap();
    }

    fn kubectl(&self, arguments: &[&str]) {
        self.lab.kubectl(&[&["-n", self.namespace.name()], arguments].concat()).unwrap();
    }
}

/// Long enough for the proxy to follow the API server: it takes a tenth.
pub fn follow() {
    sleep(Duration::from_secs(1));
}

/// And for the hook of pods that are to end.
pub fn settle() {
    sleep(Duration::from_secs(3));
}

fn version(tag: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {tag}}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: {tag}}}}}
  template:
    metadata: {{labels: {{app: {tag}}}}}
    spec:
      containers:
        - name: web
          image: shop/web:{tag}
          ports: [{{containerPort: 8080}}]
          lifecycle: {{preStop: {{sleep: {{seconds: 2}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {tag}}}
spec: {{selector: {{app: {tag}}}, ports: [{{port: 80, targetPort: 8080}}]}}
"
    )
}
