//! What the traits are asked for that are about pods as a whole, their number and
//! how they are replaced.

use super::super::app;
use super::{several, with};
use crate::core::model::Application;
use serde_json::{Value, json};

type Cases = Vec<(&'static str, Application)>;

pub(super) fn cases() -> Cases {
    [sized(), placed(), hooked(), replaced(), patched(), everywhere()].concat()
}

fn of(kind: &str, traits: &[(&str, Value)]) -> Application {
    app(kind, json!({"image": "w:1"}), traits)
}

fn worker(kind: &str, properties: Value) -> Application {
    of("worker", &[(kind, properties)])
}

fn sized() -> Cases {
    let least = json!({"cpu": {"value": 60}, "mem": {"type": "AverageValue", "value": "1Gi"}});
    let most = json!({"min": 2, "max": 5, "targetAPIVersion": "apps/v1",
        "targetKind": "Deployment", "cpu": {"type": "AverageValue", "value": "500m"},
        "mem": {"type": "Utilization", "value": 70},
        "podCustomMetrics": [{"name": "requests_per_second", "value": "100"}]});
    let busy = json!({"min": 2, "max": 5, "cpuUtil": 70, "targetAPIVersion": "apps/v1",
        "targetKind": "Deployment"});
    let busy = [worker("cpuscaler", busy), of("statefulset", &[("cpuscaler", json!({}))])];
    vec![
        ("scaler.yaml", worker("scaler", json!({"replicas": 3}))),
        ("hpa-least.yaml", worker("hpa", json!({}))),
        ("hpa.yaml", worker("hpa", most)),
        ("hpa-percent.yaml", of("statefulset", &[("hpa", least)])),
        ("cpuscaler.yaml", several(&busy)),
    ]
}

fn selector(name: &str) -> Value {
    json!({"matchLabels": {"app": name},
        "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["1.10"]}]})
}

fn affinity() -> Value {
    let term = |name: &str| {
        json!({"labelSelector": selector(name), "namespaces": ["other"],
        "namespaceSelector": selector("space"), "topologyKey": "kubernetes.io/hostname"})
    };
    let pods = |name: &str| {
        json!({"required": [term(name)],
        "preferred": [{"weight": 7, "podAffinityTerm": term(name)}]})
    };
    let nodes = json!({
        "matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["4"]}],
        "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["a"]}]});
    json!({"podAffinity": pods("db"), "podAntiAffinity": pods("web"),
        "nodeAffinity": {"required": {"nodeSelectorTerms": [nodes]},
            "preferred": [{"weight": 9, "preference": nodes}]},
        "tolerations": [
            {"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoExecute",
                "tolerationSeconds": 60},
            {"operator": "Exists", "effect": "NoSchedule"}]})
}

fn placed() -> Cases {
    let twice = [
        ("affinity", affinity()),
        ("affinity", json!({"tolerations": [{"key": "gpu", "operator": "Exists"}]})),
    ];
    let account = json!({"name": "watcher", "create": true, "privileges": [
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"],
            "resourceNames": ["a"]},
        {"verbs": ["get"], "nonResourceURLs": ["/metrics"], "scope": "cluster"}]});
    let known = json!({"image": "w:1", "hostAliases": [
        {"ip": "10.0.0.1", "hostnames": ["db"]}, {"ip": "10.0.0.2", "hostnames": ["mq"]}]});
    let more = json!({"hostAliases": [
        {"ip": "10.0.0.2", "hostnames": ["queue"]},
        {"ip": "10.0.0.3", "hostnames": ["a", "b"]}]});
    vec![
        ("affinity.yaml", of("worker", &twice)),
        ("service-account.yaml", worker("service-account", account)),
        ("service-account-least.yaml", worker("service-account", json!({"name": "watcher"}))),
        ("hostalias.yaml", app("webservice", known, &[("hostalias", more)])),
    ]
}

fn exec() -> Value {
    json!({"exec": {"command": ["./hook"]}})
}

fn hooks(after: &Value, before: &Value) -> (&'static str, Value) {
    ("lifecycle", json!({"postStart": after, "preStop": before}))
}

fn notes() -> (&'static str, Value) {
    ("annotations", json!({"note": "a: b # c"}))
}

fn hooked() -> Cases {
    let get = json!({"httpGet": {"path": "/end", "port": 8080, "host": "a.example",
        "scheme": "HTTPS", "httpHeaders": [{"name": "A", "value": "1.10"}]}});
    let tcp = json!({"tcpSocket": {"port": 8080, "host": "a.example"}});
    let proxy = ("sidecar", json!({"name": "proxy", "image": "p:1"}));
    let every = [
        of("worker", &[proxy, hooks(&exec(), &get)]),
        of("worker", &[hooks(&get, &tcp)]),
        of("worker", &[hooks(&tcp, &exec())]),
    ];
    let labels = ("labels", json!({"tier": "1.10", "app.oam.dev/name": null}));
    vec![("lifecycle.yaml", several(&every)), ("labels.yaml", of("webservice", &[labels, notes()]))]
}

fn replaced() -> Cases {
    let strategy =
        |kind: &str, how: Value| of(kind, &[("k8s-update-strategy", json!({"strategy": how}))]);
    let surge = json!({"type": "RollingUpdate",
        "rollingStrategy": {"maxSurge": "50%", "maxUnavailable": "1"}});
    let held = json!({"targetAPIVersion": "apps/v1", "targetKind": "StatefulSet",
        "strategy": {"rollingStrategy": {"partition": 2}}});
    let every = [
        strategy("worker", surge),
        strategy("worker", json!({"type": "Recreate"})),
        strategy("daemon", json!({"rollingStrategy": {"maxSurge": 1}})),
        strategy("daemon", json!({})),
        strategy("daemon", json!({"type": "OnDelete"})),
        of("statefulset", &[("k8s-update-strategy", held)]),
    ];
    vec![("k8s-update-strategy.yaml", several(&every))]
}

fn patched() -> Cases {
    let operations = json!({"operations": [
        {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "web"},
        {"op": "add", "path": "/spec/minReadySeconds", "value": 5},
        {"op": "add", "path": "/metadata/annotations", "value": {"a": "yes"}},
        {"op": "copy", "from": "/metadata/annotations/a", "path": "/metadata/annotations/b~1c"}]});
    let merge = json!({"spec": {"template": {"metadata": {"labels": {"team": null}}, "spec": {
        "terminationGracePeriodSeconds": 60,
        "containers": [{"name": "web", "image": "w:2"}]}}}});
    let labelled = json!({"image": "w:1", "labels": {"team": "shop"}, "cmd": ["./gone"]});
    vec![
        ("json-patch.yaml", worker("json-patch", operations)),
        ("json-merge-patch.yaml", app("webservice", labelled, &[("json-merge-patch", merge)])),
    ]
}

/// The traits of pods on kinds that have them elsewhere, or run to an end.
fn everywhere() -> Cases {
    let init = json!({"name": "fetch", "image": "f:1", "appMountPath": "/a",
        "initMountPath": "/b"});
    let alias = json!({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db"]}]});
    let storage = json!({
        "secret": [{"name": "keys", "mountOnly": true, "mountPath": "/keys",
            "mountToEnv": {"envName": "KEY", "secretKey": "main"}}],
        "pvc": [{"name": "disk", "mountOnly": true, "volumeMode": "Block",
            "mountPath": "/dev/sdx"}]});
    let traits = [
        ("sidecar", json!({"name": "proxy", "image": "p:1"})),
        ("init-container", init),
        ("command", json!({"command": ["./other"], "addArgs": ["-a"]})),
        ("container-image", json!({"image": "w:2"})),
        ("hostalias", alias),
        hooks(&exec(), &exec()),
        ("affinity", json!({"tolerations": [{"operator": "Exists"}]})),
        ("service-account", json!({"name": "watcher"})),
        ("resource", json!({"cpu": "50m", "memory": "1Gi"})),
        ("env", json!({"env": {"A": "1.10"}})),
        ("storage", storage),
        notes(),
    ];
    let every = ["daemon", "task", "cron-task"].map(|kind| {
        let more = match kind {
            "cron-task" => json!({"schedule": "@daily"}),
            _ => json!({}),
        };
        app(kind, with(json!({"image": "w:1"}), &more), &traits)
    });
    vec![("traits-everywhere.yaml", several(&every))]
}
