//! The traits that reach into pods, and autoscalers: what they refuse, and that
//! they leave alone what others made.

use super::{app, one};
use serde_json::{Value, json};

fn refused(kind: &str, traits: &[(&str, Value)]) -> String {
    one(&app(kind, json!({"image": "x", "cmd": ["./x"]}), traits), &[]).unwrap_err().to_string()
}

fn worker(part: &str, properties: Value) -> String {
    refused("worker", &[(part, properties)])
}

fn pods(traits: &[(&str, Value)]) -> Value {
    let properties = json!({"image": "x", "args": ["-a", "-b"]});
    let rendered = one(&app("webservice", properties, traits), &[]).unwrap();
    rendered.components[0].workload["spec"]["template"]["spec"].clone()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn containers_stand_beside_each_other_and_no_name_twice() {
    let side = |name: &str| ("sidecar", json!({"name": name, "image": "p"}));
    let init = |name: &str| {
        let paths =
            json!({"name": name, "image": "f", "appMountPath": "/a", "initMountPath": "/b"});
        ("init-container", paths)
    };
    let all = pods(&[side("a"), init("b"), side("c"), init("d")]);
    assert_eq!(names(&all["containers"]), ["web", "a", "c"]);
    assert_eq!(names(&all["initContainers"]), ["b", "d"]);
    assert_eq!(names(&all["volumes"]), ["workdir"], "both share one directory");
    assert_eq!(names(&all["containers"][0]["volumeMounts"]), ["workdir"]);
    for traits in [[side("a"), side("a")], [init("a"), side("a")], [side("a"), init("a")]] {
        let text = refused("worker", &traits);
        assert!(text.ends_with("the workload has a container `a` already"), "{text}");
    }
    assert!(refused("worker", &[side("web")]).ends_with("a container `web` already"));
}

#[test]
fn a_shared_directory_hides_nothing() {
    let init = (
        "init-container",
        json!({"name": "i", "image": "f", "mountName": "emptydir-t",
        "appMountPath": "/t", "initMountPath": "/b"}),
    );
    let tmp = ("storage", json!({"emptyDir": [{"name": "t", "mountPath": "/t"}]}));
    assert_eq!(names(&pods(&[tmp.clone(), init])["volumes"]), ["emptydir-t"]);
    let other = (
        "init-container",
        json!({"name": "i", "image": "f", "appMountPath": "/t",
        "initMountPath": "/b"}),
    );
    let text = refused("worker", &[tmp, other]);
    assert!(text.ends_with("the component mounts `emptydir-t` at `/t` already"), "{text}");
    let claim = ("storage", json!({"pvc": [{"name": "t", "mountPath": "/t"}]}));
    let over = (
        "init-container",
        json!({"name": "i", "image": "f", "mountName": "pvc-t",
        "appMountPath": "/u", "initMountPath": "/b"}),
    );
    let text = refused("worker", &[claim, over]);
    assert!(text.contains("the volume `pvc-t` is there already and is no emptyDir"), "{text}");
}

#[test]
fn arguments_are_set_or_changed() {
    let args =
        |properties: Value| pods(&[("command", properties)])["containers"][0]["args"].clone();
    assert_eq!(args(json!({"addArgs": ["-b", "-c"]})), json!(["-a", "-b", "-c"]));
    assert_eq!(args(json!({"delArgs": ["-a"]})), json!(["-b"]));
    assert_eq!(args(json!({"delArgs": ["-a", "-b"]})), Value::Null, "none is left");
    assert_eq!(args(json!({"args": ["-z"]})), json!(["-z"]));
    assert_eq!(args(json!({"command": ["./y"]})), json!(["-a", "-b"]));
    let text = worker("command", json!({"args": [], "addArgs": ["-a"]}));
    assert!(text.ends_with("give `args`, or `addArgs` and `delArgs`, not both"), "{text}");
    let text = worker("command", json!({"containerName": "wev", "args": []}));
    assert!(text.ends_with("the workload has no container `wev`, only web"), "{text}");
    let both = json!({"containers": [{"containerName": "web"}], "addArgs": ["-a"]});
    assert!(worker("command", both).contains("of one, not both"));
    let text = worker("command", json!({"cmd": ["x"]}));
    assert!(text.contains("there is no parameter `cmd`"), "{text}");
    let text = worker("container-image", json!({}));
    assert!(text.ends_with("give `image`, or `containers`"), "{text}");
    let twice =
        json!([{"containerName": "web", "image": "x"}, {"containerName": "web", "image": "x"}]);
    assert!(worker("container-image", json!({"containers": twice})).contains("one of them twice"));
}

#[test]
fn affinity_takes_nothing_away() {
    let tolerate = |key: &str| json!({"tolerations": [{"key": key, "operator": "Exists"}]});
    let twice = pods(&[
        ("affinity", tolerate("a")),
        ("affinity", tolerate("b")),
        ("affinity", tolerate("a")),
    ]);
    let keys: Vec<_> = twice["tolerations"].as_array().unwrap().iter().map(|t| &t["key"]).collect();
    assert_eq!(keys, ["a", "b"]);
    let near = json!({"podAffinity": {"required": [{"topologyKey": "zone"}]}});
    let text = refused("worker", &[("affinity", near.clone()), ("affinity", near)]);
    assert!(text.ends_with("the workload has a `podAffinity` that is required already"), "{text}");
    let dropped = json!({"podAffinity": {"required": [{"topologyKey": "zone", "namespace": "x"}]}});
    let text = worker("affinity", dropped);
    assert!(
        text.contains(
            "no parameter `podAffinity.required[0].namespace`, did you mean `namespaces`?"
        ),
        "{text}"
    );
}

#[test]
fn an_autoscaler_names_the_workload_that_is_there() {
    let target = |kind: &str, part: &str| {
        let rendered = one(&app(kind, json!({"image": "x"}), &[(part, json!({}))]), &[]).unwrap();
        let extras = &rendered.components[0].extras;
        extras.last().unwrap()["spec"]["scaleTargetRef"].clone()
    };
    for part in ["hpa", "cpuscaler"] {
        let due = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"});
        assert_eq!(target("statefulset", part), due);
        assert_eq!(target("clonesetservice", part)["kind"], "CloneSet");
        let text = refused("statefulset", &[(part, json!({"targetKind": "Deployment"}))]);
        assert!(
            text.ends_with("`targetKind` is Deployment, but the workload is a StatefulSet"),
            "{text}"
        );
        let text = worker(part, json!({"targetAPIVersion": "apps/v2"}));
        assert!(
            text.ends_with("`targetAPIVersion` is apps/v2, but the workload is of apps/v1"),
            "{text}"
        );
        assert!(worker(part, json!({"min": 3, "max": 2})).ends_with("`min` is more than `max`"));
        assert!(refused("daemon", &[(part, json!({}))]).contains("not to a DaemonSet"));
        let text = worker(part, json!({"maxx": 3}));
        assert!(text.contains("no parameter `maxx`, did you mean `max`?"), "{text}");
    }
    let text = worker("hpa", json!({"cpu": {"value": "500m"}}));
    assert!(
        text.ends_with("`cpu.value` of the type Utilization is a whole number, per cent"),
        "{text}"
    );
    assert!(worker("cpuscaler", json!({"cpuUtill": 3})).contains("did you mean `cpuUtil`?"));
}

#[test]
fn a_strategy_is_one_that_the_kind_has() {
    let strategy = |kind: &str, how: Value| {
        refused(kind, &[("k8s-update-strategy", json!({"strategy": how}))])
    };
    let text = strategy("worker", json!({"type": "OnDelete"}));
    assert!(text.ends_with("a Deployment has no strategy OnDelete"), "{text}");
    for kind in ["statefulset", "daemon"] {
        assert!(strategy(kind, json!({"type": "Recreate"})).ends_with("has no strategy Recreate"));
    }
    let text = strategy("worker", json!({"rollingStrategy": {"partition": 1}}));
    assert!(text.ends_with("a Deployment has no `rollingStrategy.partition`"), "{text}");
    let text = strategy("statefulset", json!({"rollingStrategy": {"maxSurge": 1}}));
    assert!(text.ends_with("a StatefulSet has no `rollingStrategy.maxSurge`"), "{text}");
    let text = strategy("worker", json!({"type": "Recreate", "rollingStrategy": {"maxSurge": 1}}));
    assert!(
        text.ends_with("`rollingStrategy.maxSurge` needs the type RollingUpdate, not Recreate"),
        "{text}"
    );
    let text = refused("daemon", &[("k8s-update-strategy", json!({"targetKind": "Deployment"}))]);
    assert!(
        text.ends_with("`targetKind` is Deployment, but the workload is a DaemonSet"),
        "{text}"
    );
}

#[test]
fn rights_of_no_namespace_need_the_clusters_scope() {
    let privileges = json!([{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]);
    let text = worker("service-account", json!({"name": "a", "privileges": privileges}));
    assert!(
        text.ends_with("`nonResourceURLs` need `scope: cluster`: no namespace has them"),
        "{text}"
    );
    let text = worker("service-account", json!({"nam": "a"}));
    assert!(text.contains("no parameter `nam`, did you mean `name`?"), "{text}");
    assert!(text.contains("parameter `name` is missing"), "{text}");
}

#[test]
fn what_has_no_containers_is_told() {
    let bare = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}});
    let traits = [
        ("sidecar", json!({"name": "a", "image": "b"})),
        ("command", json!({})),
        ("container-image", json!({"image": "x"})),
        ("hostalias", json!({"hostAliases": []})),
        ("lifecycle", json!({})),
        ("affinity", json!({})),
        ("service-account", json!({"name": "a"})),
    ];
    for part in traits {
        let text = one(&app("raw", bare.clone(), &[part]), &[]).unwrap_err().to_string();
        assert!(text.ends_with("the workload has no containers"), "{text}");
    }
}

#[test]
fn a_volume_of_a_task_has_what_its_type_needs_and_no_more() {
    let says = |volume: Value| {
        let mut volume = volume;
        volume["name"] = json!("v");
        volume["mountPath"] = json!("/v");
        let properties = json!({"image": "x", "volumes": [volume]});
        one(&app("task", properties, &[]), &[]).unwrap_err().to_string()
    };
    let text = says(json!({"type": "pvc"}));
    assert!(text.ends_with("the volume `v` is a pvc and needs `claimName`"), "{text}");
    let text = says(json!({"type": "secret", "secretName": "a", "cmName": "b"}));
    assert!(text.ends_with("the volume `v` is a secret, which has no `cmName`"), "{text}");
    let text = says(json!({"type": "emptyDir", "defaultMode": 256}));
    assert!(text.contains("is a emptyDir, which has no `defaultMode`"), "{text}");
    let text = says(json!({"type": "emptydir"}));
    assert!(text.contains("did you mean `emptyDir`?"), "{text}");
    // The same list of the types that have a newer form of it.
    for kind in ["webservice", "worker", "daemon", "cron-task"] {
        let says = |mut properties: Value| {
            properties["image"] = json!("x");
            if kind == "cron-task" {
                properties["schedule"] = json!("@daily");
            }
            one(&app(kind, properties, &[]), &[]).unwrap_err().to_string()
        };
        let text = says(json!({"volumes": [{"name": "v", "mountPath": "/v", "type": "pvc"}]}));
        assert!(text.ends_with("the volume `v` is a pvc and needs `claimName`"), "{text}");
        let text = says(json!({"volumes": [{"name": "v", "mountPath": "/v"}],
            "volumeMounts": {"emptyDir": [{"name": "w", "mountPath": "/w"}]}}));
        assert!(text.contains("leave one of the two out"), "{kind}: {text}");
    }
}

#[test]
fn tasks_name_what_they_do_not_know() {
    let text = refused("cron-task", &[]);
    assert!(text.contains("parameter `schedule` is missing"), "{text}");
    let properties = json!({"image": "x", "restart": "Always", "counts": 2});
    let text = one(&app("task", properties, &[]), &[]).unwrap_err().to_string();
    assert!(text.contains("`restart` must be one of \"Never\", \"OnFailure\""), "{text}");
    assert!(text.contains("no parameter `counts`, did you mean `count`?"), "{text}");
}
