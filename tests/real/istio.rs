//! Canaries by Istio's objects, by a kind that a template writes, and by two
//! providers at once, on the real control plane: the API server's own merging
//! of their lists, and nobody who acts on them.

use crate::site::Site;
use serde_json::{Value, json};
use std::path::Path;

const APPLICATION: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: web
  annotations: {app.oam.dev/rollout-template: \"true\"}
spec:
  components:
    - name: web
      type: webservice
      properties: {image: \"stefanprodan/podinfo:6.7.0\", ports: [{port: 9898, expose: true}]}
      traits: [{type: scaler, properties: {replicas: 4}}]
";

/// In the older version that most plans still name.
const PAIR: &str = "\
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
    - name: primary
      timeout: 5s
      route:
        - {destination: {host: web, subset: stable}, weight: 100}
        - {destination: {host: web, subset: canary}, weight: 0}
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 100}}}
  subsets:
    - {name: stable, labels: {app.oam.dev/component: web}}
    - {name: canary, labels: {app.oam.dev/component: web}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  rules:
    - host: web.shop.example
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 9898}}}}
";

const BOTH: &str = "istio: {virtualService: {name: web}, destinationRule: {name: web, \
    stableSubsetName: stable, canarySubsetName: canary}}, ingress: {name: web}, drainSeconds: 1";
const STEPS: &str =
    "[{weight: 25}, {matches: [{headers: [{name: x-canary, value: always}]}], weight: 50}]";

fn canary(revision: &str, traffic: &str, steps: &str, partition: &str) -> String {
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {{name: web}}
spec:
  targetAppRevisionName: {revision}
  rolloutPlan: {{{partition}}}
  strategy:
    canary:
      traffic: {{{traffic}}}
      steps: {steps}
"
    )
}

fn crds(site: &Site<'_>, name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/crds").join(name);
    site.plane.install(&file).unwrap();
}

fn serving(site: &Site<'_>, routes: &[(&str, &str)], traffic: &str, steps: &str) {
    let rollout = canary("web-v1", traffic, steps, "");
    let plan = [("application.yaml", APPLICATION), ("approllout.yaml", &rollout)];
    site.commit(&[&plan[..], routes].concat());
    site.apply_wait().ends(0);
}

fn upgrade(site: &Site<'_>, traffic: &str, steps: &str, partition: &str) {
    site.commit(&[
        ("application.yaml", &APPLICATION.replace("6.7.0", "6.7.1")),
        ("approllout.yaml", &canary("web-v2", traffic, steps, partition)),
    ]);
}

fn spec(site: &Site<'_>, kind: &str) -> Value {
    site.get(&[kind, "web"])["spec"].clone()
}

/// Ready pods of each Deployment.
fn ready(site: &Site<'_>) -> Value {
    let all = site.get(&["deployments"]);
    let deployments = all["items"].as_array().unwrap().iter();
    let ready = deployments.map(|deployment| {
        let name = deployment["metadata"]["name"].as_str().unwrap().to_owned();
        (name, deployment["status"]["readyReplicas"].clone())
    });
    json!(ready.collect::<serde_json::Map<String, Value>>())
}

fn says(site: &Site<'_>, status: &str) {
    let condition = json!({"type": "Reconciled", "status": status, "message": "1/2 proxies"});
    let patch = json!({"status": {"observedGeneration": "1000", "conditions": [condition]}});
    let namespace = site.namespace.name();
    let patched = ["-n", namespace, "patch", "virtualservice", "web", "--subresource=status"];
    let patch = patch.to_string();
    let merged = ["--type=merge", "-p", &patch];
    site.plane.kubectl(&[&patched[..], &merged[..]].concat()).unwrap();
}

const KINDS: [&str; 3] = ["virtualservice", "destinationrule", "ingress"];

#[test]
fn istio_and_an_ingress_share_traffic_and_are_restored() {
    let site = Site::new("istio");
    crds(&site, "istio.yaml");
    serving(&site, &[("routes.yaml", PAIR)], BOTH, STEPS);
    let before = KINDS.map(|kind| spec(&site, kind));
    upgrade(&site, BOTH, STEPS, "batchPartition: 0");
    // What somebody says of the newest generation counts.
    says(&site, "False");
    site.run(&["apply", "--wait", "15s"]).ends(3).says("Reconciled is False (1/2 proxies)");
    assert_eq!(ready(&site)["web-v1"], 4);
    says(&site, "True");
    site.apply_wait().ends(3);
    assert_eq!(ready(&site), json!({"web-v1": 3, "web-v2": 1}));
    let route = |subset: &str, weight: u32| json!({"destination": {"host": "web", "subset": subset}, "weight": weight});
    let rules = spec(&site, "virtualservice")["http"].clone();
    let shared = json!([route("stable", 75), route("canary", 25)]);
    assert_eq!(rules, json!([{"name": "primary", "timeout": "5s", "route": shared}]));
    let subsets = spec(&site, "destinationrule");
    assert_eq!(subsets["trafficPolicy"], before[1]["trafficPolicy"]);
    for (i, revision) in ["web-v1", "web-v2"].iter().enumerate() {
        let labels = json!({"app.oam.dev/component": "web", "app.oam.dev/revision": revision});
        assert_eq!(subsets["subsets"][i]["labels"], labels);
    }
    let second = site.get(&["ingress", "web-canary"]);
    let weight = &second["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"];
    assert_eq!(weight, "25");
    upgrade(&site, BOTH, STEPS, "batchPartition: 1");
    site.apply_wait().ends(3);
    let rules = spec(&site, "virtualservice")["http"].clone();
    let by_header = json!([{"headers": {"x-canary": {"exact": "always"}}}]);
    let canary = json!([{"destination": {"host": "web", "subset": "canary"}}]);
    assert_eq!(rules[0], json!({"match": by_header, "timeout": "5s", "route": canary}));
    upgrade(&site, BOTH, STEPS, "");
    site.apply_wait().ends(0);
    assert_eq!(ready(&site), json!({"web-v2": 4}));
    assert_eq!(KINDS.map(|kind| spec(&site, kind)), before);
    assert_eq!(site.get(&["ingresses"])["items"].as_array().unwrap().len(), 1);
    assert_eq!(site.get(&["services"])["items"].as_array().unwrap().len(), 1);
    let tip = site.repository().refname_to_id(crate::site::RECORD).unwrap();
    site.apply_wait().ends(0);
    assert_eq!(site.repository().refname_to_id(crate::site::RECORD).unwrap(), tip);
}

#[test]
fn istio_goes_back_and_an_edit_by_hand_is_a_conflict() {
    let site = Site::new("istio");
    crds(&site, "istio.yaml");
    serving(&site, &[("routes.yaml", PAIR)], BOTH, STEPS);
    let before = KINDS.map(|kind| spec(&site, kind));
    upgrade(&site, BOTH, STEPS, "batchPartition: 0");
    site.apply_wait().ends(3);
    let edit = json!({"spec": {"subsets": [{"name": "stable"}]}}).to_string();
    let namespace = site.namespace.name();
    let patch = ["-n", namespace, "patch", "destinationrule", "web", "--type=merge", "-p", &edit];
    site.plane.kubectl(&patch).unwrap();
    upgrade(&site, BOTH, STEPS, "");
    site.apply_wait().ends(77).says("spec.subsets").says("kubectl");
    assert_eq!(ready(&site), json!({"web-v1": 3, "web-v2": 1}));
    // The edit undone by its own manager: nobody but us wants anything there.
    let undo = json!([{"op": "remove", "path": "/spec/subsets"}]).to_string();
    let patch = ["-n", namespace, "patch", "destinationrule", "web", "--type=json", "-p", &undo];
    site.plane.kubectl(&patch).unwrap();
    site.run(&["abort", "web"]).ends(0);
    site.apply_wait().ends(4);
    assert_eq!(ready(&site), json!({"web-v1": 4}));
    assert_eq!(KINDS.map(|kind| spec(&site, kind)), before);
    assert_eq!(site.get(&["services"])["items"].as_array().unwrap().len(), 1);
}

const ROUTE: &str = "\
apiVersion: traefik.io/v1alpha1
kind: TraefikService
metadata: {name: web}
spec:
  weighted:
    sticky: {cookie: {name: lvl}}
    services: [{name: web, port: 9898, weight: 100}]
";

#[test]
fn a_kind_that_a_template_writes_is_restored() {
    let site = Site::new("template");
    crds(&site, "traefik.yaml");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/canary-template");
    let template = std::fs::read_to_string(example.join("templates/traefik.yaml")).unwrap();
    let traffic = "custom: [{apiVersion: traefik.io/v1alpha1, kind: TraefikService, name: web}], \
                   drainSeconds: 1";
    let files = [("route.yaml", ROUTE), ("templates/traefik.yaml", template.as_str())];
    serving(&site, &files, traffic, "[{weight: 25}]");
    let before = spec(&site, "traefikservice");
    upgrade(&site, traffic, "[{weight: 25}]", "batchPartition: 0");
    site.apply_wait().ends(3);
    let weighted = spec(&site, "traefikservice")["weighted"].clone();
    let one = |name: &str, weight: u32| json!({"name": name, "port": 9898, "weight": weight});
    let shared = json!([one("web-v1-traffic", 75), one("web-v2-traffic", 25)]);
    assert_eq!(weighted, json!({"sticky": {"cookie": {"name": "lvl"}}, "services": shared}));
    upgrade(&site, traffic, "[{weight: 25}]", "");
    site.apply_wait().ends(0);
    assert_eq!(spec(&site, "traefikservice"), before);
    assert_eq!(ready(&site), json!({"web-v2": 4}));
    assert_eq!(site.get(&["services"])["items"].as_array().unwrap().len(), 1);
}
