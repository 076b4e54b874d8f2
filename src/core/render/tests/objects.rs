//! Components that no template makes, and patches as the RFCs have them.

use super::{app, one, user};
use serde_json::{Value, json};

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "own"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "own", "image": "o:1", "env": [{"name": "A"}]}]}}}})
}

fn refused(kind: &str, properties: Value, traits: &[(&str, Value)]) -> String {
    one(&app(kind, properties, traits), &[]).unwrap_err().to_string()
}

fn patched(kind: &str, properties: Value) -> String {
    refused("worker", json!({"image": "x"}), &[(kind, properties)])
}

#[test]
fn the_first_of_several_objects_is_the_workload() {
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}});
    let objects = json!({"objects": [deployment(), config]});
    let scaled = app("k8s-objects", objects, &[("scaler", json!({"replicas": 2}))]);
    let rendered = one(&scaled, &[]).unwrap();
    let component = &rendered.components[0];
    assert_eq!(component.workload["spec"]["replicas"], 2);
    assert_eq!(component.workload["metadata"]["namespace"], "default");
    assert_eq!(component.extras.len(), 1);
    assert_eq!(component.extras[0]["metadata"]["labels"]["app.oam.dev/component"], "web");
}

#[test]
fn objects_that_are_none_are_named() {
    let says = |properties: Value| refused("k8s-objects", properties, &[]);
    assert!(says(json!({})).ends_with("component web: parameter `objects` is missing"));
    assert!(says(json!({"objects": []})).ends_with("`objects` is empty: give the workload"));
    assert!(says(json!({"objects": {}})).ends_with("`objects` must be a list"));
    let text = says(json!({"object": []}));
    assert!(text.ends_with("no parameter `object`, did you mean `objects`?"), "{text}");
    let text = says(json!({"objects": [deployment(), {"kind": "Secret"}]}));
    assert!(text.ends_with("`objects[1]` has no `apiVersion`: each is a whole object"), "{text}");
    let text = says(json!({"objects": [deployment(), deployment()]}));
    assert!(text.contains("renders Deployment/default/own, which"), "{text}");
    let text = refused("k8s-object", json!({}), &[]);
    assert!(text.contains("`k8s-object`, did you mean `k8s-objects`?"), "{text}");
}

#[test]
fn a_type_of_ones_own_comes_before_k8s_objects() {
    let own = user(
        "apiVersion: tranche.dev/v1alpha1\nkind: ComponentType\nmetadata: {name: k8s-objects}\n\
         spec:\n  workload: ConfigMap\n  template: |\n    {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n",
    );
    let rendered = one(&app("k8s-objects", json!({}), &[]), &own).unwrap();
    assert_eq!(rendered.components[0].workload["kind"], "ConfigMap");
}

#[test]
fn a_merge_patch_replaces_lists_and_null_deletes() {
    let patch = json!({"spec": {"paused": null, "template": {"spec": {
        "containers": [{"name": "own", "image": "o:2", "args": null}]}}}});
    let mut object = deployment();
    object["spec"]["paused"] = json!(true);
    let rendered = one(&app("raw", object, &[("json-merge-patch", patch)]), &[]).unwrap();
    let spec = &rendered.components[0].workload["spec"];
    assert_eq!(spec.get("paused"), None);
    let containers = &spec["template"]["spec"]["containers"];
    assert_eq!(containers, &json!([{"name": "own", "image": "o:2"}]), "the variable is gone");
}

#[test]
fn operations_see_what_earlier_traits_made() {
    let traits = [
        ("scaler", json!({"replicas": 3})),
        (
            "json-patch",
            json!({"operations": [
            {"op": "test", "path": "/spec/replicas", "value": 3},
            {"op": "move", "from": "/spec/replicas", "path": "/spec/minReadySeconds"},
            {"op": "add", "path": "/spec/paused", "value": null}]}),
        ),
    ];
    let rendered = one(&app("worker", json!({"image": "x"}), &traits), &[]).unwrap();
    let spec = &rendered.components[0].workload["spec"];
    assert_eq!(spec["minReadySeconds"], 3);
    assert_eq!((spec.get("replicas"), spec.get("paused")), (None, None));
}

#[test]
fn operations_that_do_not_apply_say_which_and_no_value() {
    let says = |operation: Value| {
        let first = json!({"op": "add", "path": "/spec/paused", "value": true});
        let text = patched("json-patch", json!({"operations": [first, operation]}));
        let head = "plan/web.yaml:9: component web, trait json-patch: `operations[1]`: ";
        assert!(!text.contains("hunter2"), "{text}");
        text.strip_prefix(head).unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let replace = json!({"op": "replace", "path": "/spec/q", "value": "hunter2"});
    assert!(says(replace).ends_with("nothing at this path; `op: add` sets it"));
    let typo = json!({"op": "replce", "path": "/spec/q", "value": "hunter2"});
    assert_eq!(says(typo), "there is no operation `replce`, did you mean `replace`?");
    assert_eq!(says(json!({"op": "add", "path": "/spec/q"})), "`add` needs `value`");
    assert_eq!(says(json!({"op": "remove"})), "`remove` needs `path`");
    let more = json!({"op": "remove", "path": "/spec/paused", "value": "hunter2"});
    assert_eq!(says(more), "`remove` takes no `value`");
    assert!(says(json!({"path": "/x"})).starts_with("has no `op`, which is one of add, remove"));
    let pointer = json!({"op": "add", "path": "spec.q", "value": "hunter2"});
    assert!(says(pointer).contains("JSON pointers, such as `/spec/replicas`"));
    let text = patched("json-patch", json!({"operations": ["hunter2"]}));
    assert!(
        text.ends_with("`operations[0]` must be a map, not a value that is not shown"),
        "{text}"
    );
}

#[test]
fn no_patch_renames_the_workload_or_parts_it_from_its_pods() {
    let rename = json!({"op": "replace", "path": "/metadata/name", "value": "other"});
    let text = patched("json-patch", json!({"operations": [rename]}));
    assert!(text.ends_with("renames the workload, which a patch may not"), "{text}");
    let text = patched("json-merge-patch", json!({"kind": "StatefulSet"}));
    assert!(text.ends_with("renames the workload, which a patch may not"), "{text}");
    let labels = "/spec/template/metadata/labels/app.oam.dev~1component";
    let relabel = json!({"op": "replace", "path": labels, "value": "other"});
    let text = patched("json-patch", json!({"operations": [relabel]}));
    assert!(text.contains("the workload selects `app.oam.dev/component`"), "{text}");
}

#[test]
fn only_traits_are_patched_as_the_rfcs_say() {
    for kind in ["ComponentType", "RouteType"] {
        let own = user(&format!(
            "apiVersion: tranche.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n  \
             appliesTo: [A]\n  workload: A\n  jsonPatch: |\n    []\n"
        ));
        let text = one(&app("worker", json!({"image": "x"}), &[]), &own).unwrap_err().to_string();
        assert!(text.ends_with("`mergePatch` and `jsonPatch` belong to traits"), "{text}");
    }
    let own = user(
        "apiVersion: tranche.dev/v1alpha1\nkind: TraitType\nmetadata: {name: x}\nspec:\n  \
         jsonPatch: |\n    a: b\n",
    );
    let text = one(&app("worker", json!({"image": "x"}), &[("x", json!({}))]), &own);
    let text = text.unwrap_err().to_string();
    assert!(text.ends_with("trait x: `jsonPatch` renders no list of operations"), "{text}");
}
