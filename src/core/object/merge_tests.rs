//! Server-side apply vectors.

#![expect(clippy::needless_pass_by_value, reason = "literals read better by value")]

use super::*;
use crate::core::object::{owned_by, unchanged, unchanged_except, write_managed};
use serde_json::json;

fn deployment(spec: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"}, "spec": spec,
    })
}

fn containers(list: Value) -> Value {
    deployment(json!({"template": {"spec": {"containers": list}}}))
}

fn run(
    live: Option<&Value>,
    body: &Value,
    manager: &str,
    force: bool,
) -> Result<Value, Vec<Conflict>> {
    let kind = KindRef::new(body["apiVersion"].as_str().unwrap(), body["kind"].as_str().unwrap());
    let applier = Applier { manager, force, time: "2026-01-01T00:00:00Z" };
    let done = apply(&kind, live, body, &applier)?;
    let mut object = done.object;
    object["metadata"]["managedFields"] = write_managed(&done.managed);
    Ok(object)
}

#[test]
fn a_field_that_the_manager_leaves_out_is_removed() {
    let live = run(None, &deployment(json!({"replicas": 3, "paused": true})), "a", false).unwrap();
    let live = run(Some(&live), &deployment(json!({"paused": true})), "a", false).unwrap();
    assert_eq!(live["spec"], json!({"paused": true}));
}

#[test]
fn only_a_different_value_is_a_conflict_and_equal_values_are_co_owned() {
    let live = run(None, &deployment(json!({"replicas": 3})), "a", false).unwrap();
    let live = run(Some(&live), &deployment(json!({"replicas": 3})), "b", false).unwrap();
    let conflicts = run(Some(&live), &deployment(json!({"replicas": 4})), "c", false).unwrap_err();
    let named: Vec<_> = conflicts.iter().map(|c| (c.field(), c.owner.words())).collect();
    assert_eq!(
        named,
        // Who took on what was there already has no instant, and comes first.
        [(".spec.replicas".into(), "\"b\"".into()), (".spec.replicas".into(), "\"a\"".into())]
    );
    // One co-owner leaves: the value stays. The last leaves: it goes.
    let live = run(Some(&live), &deployment(json!({"paused": false})), "a", false).unwrap();
    assert_eq!(live["spec"]["replicas"], 3);
    let live = run(Some(&live), &deployment(json!({"paused": false})), "b", false).unwrap();
    assert_eq!(live["spec"].get("replicas"), None);
}

#[test]
fn force_takes_the_field_from_its_owner() {
    let live = run(None, &deployment(json!({"replicas": 3})), "a", false).unwrap();
    let live = run(Some(&live), &deployment(json!({"replicas": 4})), "b", true).unwrap();
    assert!(owned_by(&live, "a").is_empty());
    assert_eq!(owned_by(&live, "b").texts(), [".spec.replicas"]);
}

#[test]
fn containers_env_and_ports_merge_by_their_keys_and_keep_their_order() {
    let first = containers(json!([
        {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
         "ports": [{"containerPort": 80}]},
    ]));
    let live = run(None, &first, "a", false).unwrap();
    let second = containers(json!([
        {"name": "side", "image": "side:1"},
        {"name": "web", "env": [{"name": "C", "value": "3"}],
         "ports": [{"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP"}]},
    ]));
    let live = run(Some(&live), &second, "b", false).unwrap();
    let list = live["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(list[0]["name"], "side");
    let names: Vec<_> = list[1]["env"].as_array().unwrap().iter().map(|e| &e["name"]).collect();
    assert_eq!(names, ["A", "B", "C"]);
    assert_eq!(list[1]["image"], "web:1");
    assert_eq!(list[1]["ports"].as_array().unwrap().len(), 2);
    // The second manager leaves again: exactly its fields go.
    let live = run(Some(&live), &deployment(json!({"paused": false})), "b", false).unwrap();
    let left = &live["spec"]["template"]["spec"]["containers"];
    assert_eq!(left[0]["env"], first["spec"]["template"]["spec"]["containers"][0]["env"]);
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!(left[0]["ports"].as_array().unwrap().len(), 1);
}

#[test]
fn atomic_lists_and_maps_are_replaced_and_conflict_as_a_whole() {
    let live =
        run(None, &containers(json!([{"name": "w", "args": ["a", "b"]}])), "a", false).unwrap();
    let other = containers(json!([{"name": "w", "args": ["a"]}]));
    let conflicts = run(Some(&live), &other, "b", false).unwrap_err();
    assert_eq!(conflicts[0].field(), ".spec.template.spec.containers[name=\"w\"].args");
    let live = run(Some(&live), &other, "b", true).unwrap();
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["args"], json!(["a"]));
    let service = |selector: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": selector},
        })
    };
    let live = run(None, &service(json!({"app": "web", "old": "x"})), "a", false).unwrap();
    let live = run(Some(&live), &service(json!({"app": "web"})), "a", false).unwrap();
    assert_eq!(live["spec"]["selector"], json!({"app": "web"}));
}

#[test]
fn a_custom_kind_merges_maps_and_replaces_lists() {
    let cloneset = |spec: Value| {
        json!({
            "apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet",
            "metadata": {"name": "web"}, "spec": spec,
        })
    };
    let live =
        run(None, &cloneset(json!({"updateStrategy": {"partition": 3}, "list": [1]})), "a", false)
            .unwrap();
    let live = run(Some(&live), &cloneset(json!({"updateStrategy": {"paused": true}})), "b", false)
        .unwrap();
    assert_eq!(live["spec"]["updateStrategy"], json!({"partition": 3, "paused": true}));
    let live = run(Some(&live), &cloneset(json!({"list": [2]})), "a", false).unwrap();
    assert_eq!(live["spec"], json!({"updateStrategy": {"paused": true}, "list": [2]}));
}

#[test]
fn the_same_apply_twice_changes_nothing() {
    let body =
        containers(json!([{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}]));
    let live = run(None, &body, "a", false).unwrap();
    let kind = KindRef::new("apps/v1", "Deployment");
    let later = Applier { manager: "a", force: false, time: "2026-01-01T00:00:09Z" };
    assert!(!apply(&kind, Some(&live), &body, &later).unwrap().changed);
    let other = Applier { manager: "b", ..later };
    assert!(apply(&kind, Some(&live), &body, &other).unwrap().changed, "a new co-owner");
}

#[test]
fn an_update_takes_fields_and_names_itself_in_conflicts() {
    let kind = KindRef::new("apps/v1", "Deployment");
    let live = run(None, &deployment(json!({"replicas": 3})), "a", false).unwrap();
    let mut scaled = live.clone();
    scaled["spec"]["replicas"] = json!(5);
    let managed = update(&kind, Some(&live), &scaled, "hpa", None, "2026-01-01T00:01:00Z");
    scaled["metadata"]["managedFields"] = write_managed(&managed);
    let conflicts =
        run(Some(&scaled), &deployment(json!({"replicas": 3})), "a", false).unwrap_err();
    assert_eq!(conflicts[0].owner.words(), "\"hpa\" using apps/v1");
}

#[test]
fn unchanged_is_said_only_where_it_is_proven() {
    let body = |cpu: &str| {
        containers(json!([
            {"name": "web", "image": "web:1", "resources": {"limits": {"cpu": cpu}}, "env": [{"name": "A"}, {"name": "B"}]},
        ]))
    };
    let mut live = run(None, &body("1000m"), "tranche", false).unwrap();
    // Defaults and status that others wrote are no difference.
    live["spec"]["progressDeadlineSeconds"] = json!(600);
    live["status"] = json!({"replicas": 1});
    assert!(unchanged(&live, &body("1"), "tranche"));
    assert!(unchanged(&live, &body("1.0"), "tranche"));
    assert!(!unchanged(&live, &body("1001m"), "tranche"));
    assert!(!unchanged(&live, &body("1000m"), "someone"));
    let mut reordered = body("1000m");
    let env = &mut reordered["spec"]["template"]["spec"]["containers"][0]["env"];
    *env = json!([{"name": "B"}, {"name": "A"}]);
    assert!(!unchanged(&live, &reordered, "tranche"), "order is a change");
    let mut fewer = body("1000m");
    fewer["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("image");
    assert!(!unchanged(&live, &fewer, "tranche"), "what we own and would not apply is a removal");
}

#[test]
fn skipped_fields_are_no_difference() {
    let mut body = deployment(json!({"replicas": 3}));
    body["metadata"]["annotations"] = json!({"tranche.dev/step": "1"});
    let live = run(None, &body, "tranche", false).unwrap();
    let skip = |path: &[Step]| {
        matches!(path, [_, Step::Field(map), Step::Field(name)]
            if map == "annotations" && name.starts_with("tranche.dev/"))
    };
    let plain = deployment(json!({"replicas": 3}));
    assert!(!unchanged(&live, &plain, "tranche"));
    assert!(unchanged_except(&live, &plain, "tranche", &skip));
    body["metadata"]["annotations"] = json!({"tranche.dev/step": "2"});
    assert!(unchanged_except(&live, &body, "tranche", &skip));
}
