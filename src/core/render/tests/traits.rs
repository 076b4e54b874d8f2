//! The traits `gateway`, `env`, `storage`, `resource` and `annotations`: what
//! they refuse.

use super::{app, golden, one, user, web};
use serde_json::{Value, json};

/// What a trait of a webservice is refused with.
fn refused(kind: &str, properties: Value) -> String {
    one(&web(&[(kind, properties)]), &[]).unwrap_err().to_string()
}

/// The container of a webservice after some traits.
fn container(traits: &[(&str, Value)]) -> Value {
    let rendered = one(&web(traits), &[]).unwrap();
    rendered.components[0].workload["spec"]["template"]["spec"]["containers"][0].clone()
}

#[test]
fn a_cron_jobs_pods_are_found_where_they_are() {
    let own = user(
        "apiVersion: tranche.dev/v1alpha1\nkind: ComponentType\nmetadata: {name: nightly}\nspec:\n  \
         workload: CronJob\n  template: |\n    apiVersion: batch/v1\n    kind: CronJob\n    \
         metadata: {name: web}\n    spec:\n      schedule: 0 3 * * *\n      jobTemplate:\n        \
         spec:\n          template:\n            spec:\n              restartPolicy: Never\n              \
         containers:\n                - {name: web, image: w}\n",
    );
    let resource = ("resource", json!({"cpu": "50m", "memory": "1Gi"}));
    let notes = ("annotations", json!({"note": "1.10"}));
    golden("cron-job.yaml", &app("nightly", json!({}), &[resource, notes]), &own);
}

#[test]
fn a_gateway_refuses_what_makes_no_ingress() {
    let text = refused("gateway", json!({"http": {}}));
    assert!(text.starts_with("plan/web.yaml:9: component web, trait gateway: builtin/"), "{text}");
    assert!(text.ends_with("`http` is empty: give a path and its port, such as `/: 8080`"));
    let text = refused("gateway", json!({"http": {"/": 70000}, "pathTyp": "Exact"}));
    assert!(text.contains("`http./` must be at most 65535, not 70000"), "{text}");
    assert!(text.contains("no parameter `pathTyp`, did you mean `pathType`?"), "{text}");
    assert!(refused("gateway", json!({})).contains("parameter `http` is missing"));
}

#[test]
fn a_second_service_of_one_name_says_who_has_it_and_what_to_do() {
    let gateway = ("gateway", json!({"http": {"/": 8080}}));
    let expose = ("expose", json!({"port": [80]}));
    let traits = [expose, gateway.clone()];
    let text = one(&web(&traits), &[]).unwrap_err().to_string();
    let due = "component web, trait gateway: renders Service/default/web, which component web, \
               trait expose renders as well; name one of them differently, or leave it out";
    assert!(text.ends_with(due), "{text}");
    let properties = json!({"image": "x", "ports": [{"port": 80, "expose": true}]});
    let text = one(&app("webservice", properties.clone(), &[gateway]), &[]).unwrap_err();
    assert!(text.to_string().contains("which component web renders as well; name"), "{text}");
    let existing = ("gateway", json!({"http": {"/": 80}, "existingServiceName": "web"}));
    let rendered = one(&app("webservice", properties, &[existing]), &[]).unwrap();
    assert_eq!(rendered.components[0].extras.len(), 2, "the Service stays, an Ingress comes");
}

#[test]
fn an_environment_keeps_its_order_and_names_what_it_does_not_know() {
    let names = |traits: &[(&str, Value)]| -> Vec<String> {
        let env = container(traits)["env"].clone();
        env.as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap().to_owned()).collect()
    };
    let some = ("env", json!({"env": {"A": "1", "LEVEL": "2"}}));
    assert_eq!(names(std::slice::from_ref(&some)), ["MODE", "KEY", "LEVEL", "A"]);
    let more = ("env", json!({"env": {"MODE": "x"}, "unset": ["A"]}));
    assert_eq!(names(&[some, more]), ["MODE", "KEY", "LEVEL"], "the later one sees the earlier");
    let none = container(&[("env", json!({"replace": true}))]);
    assert_eq!(none.get("env"), None);
    let text = refused("env", json!({"containerName": "wev", "env": {"A": "hunter2"}}));
    assert!(text.ends_with("the workload has no container `wev`, only web"), "{text}");
    let both = json!({"containers": [{"containerName": "web"}], "env": {"A": "1"}});
    assert!(refused("env", both).contains("of one, not both"));
    let twice = json!({"containers": [{"containerName": "web"}, {"containerName": "web"}]});
    assert!(refused("env", twice).contains("names one of them twice"));
    let text = refused("env", json!({"env": {"A": 1234567}}));
    assert!(text.contains("`env.A` must be a string") && !text.contains("1234567"), "{text}");
    let own = user(
        "apiVersion: tranche.dev/v1alpha1\nkind: ComponentType\nmetadata: {name: bare}\nspec:\n  \
         workload: ConfigMap\n  template: |\n    {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n",
    );
    for kind in ["env", "storage", "resource"] {
        let text = one(&app("bare", json!({}), &[(kind, json!({}))]), &own).unwrap_err();
        assert!(text.to_string().contains("the workload has no container"), "{text}");
    }
}

#[test]
fn storage_refuses_two_of_a_kind_in_one_place() {
    let claim = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let text = refused("storage", json!({"pvc": [claim("a", "/x"), claim("b", "/x")]}));
    assert!(text.ends_with("two are mounted at `/x`"), "{text}");
    let across = json!({"pvc": [claim("a", "/x")], "emptyDir": [claim("b", "/x")]});
    assert!(refused("storage", across).ends_with("two are mounted at `/x`"));
    let first = ("storage", json!({"emptyDir": [claim("a", "/x")]}));
    let text = one(&web(&[first.clone(), first]), &[]).unwrap_err().to_string();
    assert!(text.ends_with("the component mounts something at `/x` already"), "{text}");
    let variable = json!({"secret": [{"name": "s", "mountOnly": true,
        "mountToEnvs": [{"envName": "MODE", "secretKey": "a"}]}]});
    let text = refused("storage", variable);
    assert!(text.ends_with("the component sets the variable `MODE` already"), "{text}");
    let secret = json!({"secret": [{"name": "s", "stringData": {"a": 1234567}}]});
    let text = refused("storage", secret);
    assert!(text.contains("must be a string") && !text.contains("1234567"), "{text}");
    let same = json!({"configMap": [claim("a", "/x"), claim("a", "/y")]});
    assert!(refused("storage", same).contains("renders ConfigMap/default/a, which"));
}

#[test]
fn what_is_mounted_stands_beside_what_the_component_mounts() {
    let properties = json!({"image": "x", "volumeMounts":
        {"emptyDir": [{"name": "own", "mountPath": "/own"}]}});
    let traits = [("storage", json!({"emptyDir": [{"name": "tmp", "mountPath": "/tmp"}]}))];
    let rendered = one(&app("webservice", properties, &traits), &[]).unwrap();
    let pods = &rendered.components[0].workload["spec"]["template"]["spec"];
    let names = |list: &Value| -> Vec<String> {
        let named = |one: &Value| one["name"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(named).collect()
    };
    assert_eq!(names(&pods["volumes"]), ["own", "emptydir-tmp"]);
    assert_eq!(names(&pods["containers"][0]["volumeMounts"]), ["own", "emptydir-tmp"]);
}

#[test]
fn null_removes_an_annotation_and_a_label() {
    let properties = json!({"image": "x", "labels": {"a": "1", "b": "2"},
        "annotations": {"a": "1", "b": "2"}});
    let traits = [("annotations", json!({"a": null})), ("labels", json!({"a": null}))];
    let rendered = one(&app("webservice", properties, &traits), &[]).unwrap();
    let pods = &rendered.components[0].workload["spec"]["template"]["metadata"];
    assert_eq!(pods["annotations"], json!({"b": "2"}));
    assert_eq!(pods["labels"].get("a"), None);
    assert_eq!(pods["labels"]["b"], "2");
}
