//! What each built-in type and trait is asked for, with every parameter that it
//! has. The golden files are of these, and the real API server judges them.

use super::{app, place, seed};
use crate::core::model::{Application, Component};
use serde_json::{Value, json};

mod pods;

/// Applications by the golden file that they render.
pub(super) fn cases() -> Vec<(&'static str, Application)> {
    [components(), network(), containers(), pods::cases()].concat()
}

/// A webservice with variables, and traits.
pub(super) fn web(traits: &[(&str, Value)]) -> Application {
    let properties = json!({"image": "web:1", "port": 8080, "env": [
        {"name": "MODE", "value": "slow"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "main"}}},
        {"name": "LEVEL", "value": "1"}]});
    app("webservice", properties, traits)
}

/// An application of several components, which get names of their own.
fn several(parts: &[Application]) -> Application {
    let mut all = parts[0].clone();
    all.components = parts.iter().flat_map(|part| part.components.clone()).collect();
    for (index, component) in all.components.iter_mut().enumerate() {
        *component = Component {
            name: format!("{}-{index}", component.name),
            place: place(5),
            ..component.clone()
        };
    }
    all
}

/// One with further parameters.
fn with(mut properties: Value, more: &Value) -> Value {
    let map = properties.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().clone());
    properties
}

fn mounts() -> Value {
    json!({
        "pvc": [{"name": "data", "mountPath": "/data", "claimName": "data"},
            {"name": "data", "mountPath": "/more", "subPath": "more", "claimName": "data"}],
        "configMap": [{"name": "conf", "mountPath": "/conf", "subPath": "a", "cmName": "conf",
            "defaultMode": 256, "items": [{"key": "a", "path": "b", "mode": 292}]}],
        "secret": [{"name": "keys", "mountPath": "/keys", "subPath": "a", "secretName": "keys",
            "defaultMode": 256, "items": [{"key": "a", "path": "b", "mode": 292}]}],
        "emptyDir": [
            {"name": "tmp", "mountPath": "/tmp", "subPath": "a", "medium": "Memory"}],
        "hostPath": [{"name": "logs", "mountPath": "/logs", "subPath": "a", "path": "/var/log"}]
    })
}

/// The same with what newer types know of a path of the node.
fn all_mounts() -> Value {
    let mut all = mounts();
    let path = &mut all["hostPath"][0];
    path["readOnly"] = json!(true);
    path["mountPropagation"] = json!("HostToContainer");
    all
}

fn variables() -> Value {
    json!([{"name": "MODE", "value": "no"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "main"}}},
        {"name": "FLAG", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "a"}}}])
}

/// What types of pods have in common.
fn program() -> Value {
    json!({"image": "registry.example/web:1.10", "imagePullPolicy": "Always",
        "imagePullSecrets": ["pull"], "cmd": ["./web"], "env": variables(),
        "cpu": 0.5, "memory": "128Mi"})
}

fn ports() -> Value {
    json!([{"port": 80, "containerPort": 8080, "expose": true},
        {"port": 53, "protocol": "UDP", "expose": true, "nodePort": 30053},
        {"port": 9090, "name": "metrics"}])
}

fn served() -> Value {
    json!({"ports": ports(), "exposeType": "NodePort", "args": ["--on", "yes"],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db"]}]})
}

fn marks() -> Value {
    json!({"labels": {"team": "shop"}, "annotations": {"note": "0644"}})
}

/// A probe of each of the four ways, with all of its numbers.
fn probe(way: usize, liveness: bool) -> Value {
    let handler = [
        json!({"exec": {"command": ["./check"]}}),
        json!({"httpGet": {"path": "/live", "port": 8080, "host": "a.example",
            "scheme": "HTTPS", "httpHeaders": [{"name": "A", "value": "1.10"}]}}),
        json!({"tcpSocket": {"port": 8080}}),
        json!({"grpc": {"port": 9000, "service": "health"}}),
    ];
    let numbers = json!({"initialDelaySeconds": 4, "periodSeconds": 5, "timeoutSeconds": 2,
        // A probe of liveness has to succeed once.
        "successThreshold": if liveness { 1 } else { 2 }, "failureThreshold": 6});
    with(handler[way % 4].clone(), &numbers)
}

fn probes(way: usize) -> Value {
    json!({"livenessProbe": probe(way, true), "readinessProbe": probe(way + 1, false)})
}

/// Each type of pods with a probe of each way.
fn probed() -> Vec<Application> {
    ["webservice", "worker", "statefulset", "daemon", "task"]
        .into_iter()
        .flat_map(|kind| {
            (0..4).map(move |way| app(kind, with(json!({"image": "w"}), &probes(way)), &[]))
        })
        .chain((0..4).map(|way| {
            let nightly = json!({"image": "w", "schedule": "@daily"});
            app("cron-task", with(nightly, &probes(way)), &[])
        }))
        .chain((0..4).map(|way| {
            let beside = with(json!({"name": "proxy", "image": "p"}), &probes(way));
            app("worker", json!({"image": "w"}), &[("sidecar", beside)])
        }))
        .collect()
}

/// The older form of `volumeMounts`, of each type that has both.
fn volumes(older: &Value) -> Vec<Application> {
    let bare = json!({"volumes": [{"name": "bare", "mountPath": "/bare"}]});
    [older, &bare]
        .into_iter()
        .flat_map(|volumes| {
            ["webservice", "worker", "daemon", "cron-task"].map(|kind| {
                let schedule = match kind {
                    "cron-task" => json!({"schedule": "@daily"}),
                    _ => json!({}),
                };
                app(kind, with(with(json!({"image": "w"}), &schedule), volumes), &[])
            })
        })
        .collect()
}

fn components() -> Vec<(&'static str, Application)> {
    let image = json!({"image": "web:yes"});
    let mounted = json!({"volumeMounts": mounts()});
    let newer = json!({"volumeMounts": all_mounts()});
    let webservice = with(with(program(), &served()), &with(marks(), &mounted));
    let worker = with(program(), &mounted);
    let daemon = with(with(program(), &served()), &with(marks(), &newer));
    let stateful = with(daemon.clone(), &json!({"podManagementPolicy": "Parallel"}));
    let finite = with(
        with(program(), &marks()),
        &json!({"args": ["--once"],
        "restart": "OnFailure", "count": 3}),
    );
    let older = json!({"volumes": [
        {"name": "data", "type": "pvc", "mountPath": "/data", "claimName": "data"},
        {"name": "conf", "type": "configMap", "mountPath": "/conf", "cmName": "conf",
            "defaultMode": 256, "items": [{"key": "a", "path": "b", "mode": 292}]},
        {"name": "keys", "type": "secret", "mountPath": "/keys", "secretName": "keys"},
        {"name": "tmp", "type": "emptyDir", "mountPath": "/tmp", "medium": "Memory"}]});
    let task = with(finite.clone(), &older);
    let cron = json!({"schedule": "0 3 * * *", "startingDeadlineSeconds": 60, "suspend": true,
        "concurrencyPolicy": "Forbid", "successfulJobsHistoryLimit": 2,
        "failedJobsHistoryLimit": 2, "ttlSecondsAfterFinished": 600,
        "activeDeadlineSeconds": 300, "backoffLimit": 2,
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db"]}]});
    let cron_task = with(with(finite, &newer), &cron);
    let clones = json!({"image": "a:1", "cmd": ["./run"], "port": 8080, "cpu": "1",
        "env": variables(), "replicas": 2, "updateStrategyType": "InPlaceOnly"});
    vec![
        ("clonesetservice.yaml", seed()),
        ("clonesetservice-full.yaml", app("clonesetservice", clones, &[])),
        ("webservice-least.yaml", app("webservice", image.clone(), &[])),
        ("webservice.yaml", app("webservice", with(webservice, &probes(1)), &[])),
        ("worker.yaml", app("worker", with(worker, &probes(1)), &[])),
        ("daemon-least.yaml", app("daemon", image.clone(), &[])),
        ("daemon.yaml", app("daemon", with(daemon, &probes(1)), &[])),
        ("statefulset-least.yaml", app("statefulset", image.clone(), &[])),
        (
            "statefulset.yaml",
            app(
                "statefulset",
                json!({"image": "db:1", "ports": [{"port": 5432, "name": "sql"}], "memory": "1Gi"}),
                &[],
            ),
        ),
        ("statefulset-full.yaml", app("statefulset", with(stateful, &probes(1)), &[])),
        ("task-least.yaml", app("task", image.clone(), &[])),
        ("task.yaml", app("task", with(task, &probes(1)), &[])),
        (
            "cron-task-least.yaml",
            app("cron-task", with(image, &json!({"schedule": "@daily"})), &[]),
        ),
        ("cron-task.yaml", app("cron-task", with(cron_task, &probes(1)), &[])),
        (
            "one-port.yaml",
            several(
                &["webservice", "daemon", "statefulset"]
                    .map(|kind| app(kind, json!({"image": "a", "port": 8080}), &[])),
            ),
        ),
        ("probes.yaml", several(&probed())),
        ("volumes.yaml", several(&volumes(&older))),
        (
            "k8s-objects.yaml",
            app(
                "k8s-objects",
                json!({"objects": [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "own"},
                "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "own", "image": "o:1"}]}}}},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"},
                "data": {"a": "yes"}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": {"name": "own"},
                "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}]}),
                &[("scaler", json!({"replicas": 2}))],
            ),
        ),
    ]
}

fn full_storage() -> Value {
    json!({
        "pvc": [
            {"name": "data", "mountPath": "/data"},
            {"name": "data", "mountPath": "/more", "subPath": "more", "mountOnly": true,
                "readOnly": true},
            {"name": "disk", "mountPath": "/dev/sdx", "volumeMode": "Block",
                "accessModes": ["ReadWriteOncePod"], "storageClassName": "fast",
                "resources": {"requests": {"storage": "1Ti"}, "limits": {"storage": "2Ti"}}},
            {"name": "copy", "mountPath": "/copy", "volumeName": "pv-1",
                "dataSource": {"kind": "PersistentVolumeClaim", "name": "data"},
                "selector": {"matchLabels": {"tier": "1.10"},
                    "matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}},
            {"name": "shot", "mountPath": "/shot",
                "dataSource": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot",
                    "name": "data"},
                "dataSourceRef": {"apiGroup": "snapshot.storage.k8s.io",
                    "kind": "VolumeSnapshot", "name": "data"}}],
        "configMap": [
            {"name": "conf", "mountPath": "/conf", "data": {"a": "yes", "b": "1.10"},
                "items": [{"key": "a", "path": "x", "mode": 292}], "defaultMode": 256,
                "readOnly": true},
            {"name": "flags", "data": {"mode": "on"},
                "mountToEnv": {"envName": "FLAG", "configMapKey": "mode"},
                "mountToEnvs": [{"envName": "FLAG_TOO", "configMapKey": "mode"}]},
            {"name": "theirs", "mountOnly": true, "mountPath": "/theirs/file", "subPath": "file"}],
        "secret": [
            {"name": "keys", "mountPath": "/keys", "data": {"a": "aGk="}, "stringData": {"b": "0644"},
                "items": [{"key": "a", "path": "x", "mode": 292}], "defaultMode": 256,
                "readOnly": true},
            {"name": "theirs", "mountOnly": true, "mountPath": "/their/key", "subPath": "key"},
            {"name": "token", "mountOnly": true,
                "mountToEnv": {"envName": "TOKEN", "secretKey": "value"},
                "mountToEnvs": [{"envName": "TOKEN_TOO", "secretKey": "value"}]}],
        "emptyDir": [{"name": "tmp", "mountPath": "/tmp", "medium": "Memory"},
            {"name": "cache", "mountPath": "/cache", "subPath": "a"}],
        "hostPath": [{"name": "logs", "path": "/var/log", "mountPath": "/logs",
            "mountPropagation": "HostToContainer", "readOnly": true},
            {"name": "socket", "path": "/run/x", "mountPath": "/x", "type": "Socket",
                "subPath": "a"}]
    })
}

fn network() -> Vec<(&'static str, Application)> {
    let http = json!({"/version": 8090, "/api": 8080, "/": 8080});
    let gateway = json!({"domain": "canary-demo.com", "http": {"/version": 8090}});
    let full = json!({"http": http, "domain": "shop.example", "class": "contour",
        "classInSpec": true, "secretName": "shop-tls", "gatewayHost": "10.0.0.1",
        "name": "public", "pathType": "Prefix", "annotations": {"a": "yes"},
        "labels": {"tier": "1.10"}});
    let second = json!({"http": {"/": 9090}, "existingServiceName": "other",
        "secretName": "any", "annotations": {"kubernetes.io/ingress.class": "own"}});
    let expose = json!({"ports": [
            {"port": 80, "name": "http", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}],
        "port": [8443], "annotations": {"a": "yes"}, "type": "LoadBalancer",
        "matchLabels": {"app.oam.dev/component": "web", "tier": "1.10"}});
    vec![
        ("expose.yaml", app("webservice", json!({"image": "web:yes"}), &[("expose", expose)])),
        ("gateway.yaml", web(&[("gateway", gateway)])),
        ("gateway-full.yaml", web(&[("gateway", full), ("gateway", second)])),
    ]
}

fn containers() -> Vec<(&'static str, Application)> {
    let worker = |traits: &[(&str, Value)]| app("worker", json!({"image": "w:1"}), traits);
    let merged = json!({"env": {"MODE": "yes", "KEY": "0644", "ADDED": "1.10", "GONE": "x"},
        "unset": ["LEVEL", "GONE"]});
    let replaced = json!({"containers": [
        {"containerName": "web", "replace": true, "env": {"ONLY": "a: b", "AND": ""}}]});
    let unset = json!({"containerName": "web", "replace": true, "env": {"A": "1"}});
    let of_one = json!({"containers": [{"containerName": "web", "unset": ["LEVEL"]}]});
    let proxy = json!({"name": "proxy", "image": "p:1", "cmd": ["./p"], "args": ["-v"],
        "env": [{"name": "A", "value": "1.10"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "main"}}},
            {"name": "FLAG", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "a"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "ports": [{"containerPort": 9000, "name": "logs", "protocol": "UDP"}],
        "volumes": [{"name": "emptydir-tmp", "path": "/tmp"}]});
    let scratch = ("storage", json!({"emptyDir": [{"name": "tmp", "mountPath": "/tmp"}]}));
    let init = json!({"name": "fetch", "image": "f:1", "imagePullPolicy": "Always",
        "cmd": ["./fetch"], "args": ["all"], "env": variables(), "mountName": "content",
        "appMountPath": "/content", "initMountPath": "/out",
        "extraVolumeMounts": [{"name": "emptydir-tmp", "mountPath": "/tmp"}]});
    let again = json!({"name": "check", "image": "c:1", "mountName": "content",
        "appMountPath": "/content", "initMountPath": "/in"});
    let second = ("sidecar", json!({"name": "proxy", "image": "p:1", "args": ["-a", "-b"]}));
    let both = json!({"containers": [
        {"containerName": "web", "command": ["./w"], "args": ["--one"]},
        {"containerName": "proxy", "addArgs": ["-c", "-b"], "delArgs": ["-a"]}]});
    let images = json!({"containers": [
        {"containerName": "web", "image": "w:2", "imagePullPolicy": "Never"},
        {"containerName": "proxy", "image": "p:2"}]});
    vec![
        ("env.yaml", web(&[("env", merged)])),
        ("env-replaced.yaml", web(&[("env", replaced)])),
        ("env-one.yaml", web(&[("env", of_one)])),
        ("env-named.yaml", web(&[("env", unset)])),
        ("sidecar.yaml", worker(&[scratch.clone(), ("sidecar", proxy)])),
        (
            "init-container.yaml",
            worker(&[scratch, ("init-container", init), ("init-container", again)]),
        ),
        (
            "command.yaml",
            worker(&[
                ("command", json!({"command": ["./other"], "args": ["-a", "-b"]})),
                ("command", json!({"containerName": "web", "addArgs": ["-c"], "delArgs": ["-a"]})),
            ]),
        ),
        ("command-several.yaml", worker(&[second.clone(), ("command", both)])),
        (
            "container-image.yaml",
            worker(&[(
                "container-image",
                json!({"containerName": "web", "image": "w:2", "imagePullPolicy": "Never"}),
            )]),
        ),
        ("container-image-several.yaml", worker(&[second, ("container-image", images)])),
        ("storage.yaml", web(&[("storage", full_storage())])),
        (
            "storage-least.yaml",
            worker(&[("storage", json!({"pvc": [{"name": "data", "mountPath": "/data"}]}))]),
        ),
        ("resource.yaml", worker(&[("resource", json!({"cpu": "500m", "memory": "128Mi"}))])),
        (
            "resource-apart.yaml",
            worker(&[(
                "resource",
                json!({
            "requests": {"cpu": 0.5, "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1Gi"}}),
            )]),
        ),
    ]
}
