//! Sizes, edits by hand and policies.

use super::*;
use crate::core::object::write_managed;
use serde_json::json;

fn web() -> ObjectRef {
    ObjectRef::new(&KindRef::new("apps/v1", "Deployment"), Some("default"), "web")
}

fn desired(annotation: Option<&str>) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [
            {"name": "web", "image": "web:1"},
        ]}}},
    });
    if let Some(word) = annotation {
        object["metadata"]["annotations"] = json!({ANNOTATION_CONFLICTS: word});
    }
    object
}

/// What we applied, with one field written since by somebody else.
fn live(path: &str, value: Value, fields: &Value, manager: &str, subresource: &str) -> Value {
    let ours = Applier { manager: "tranche", force: false, time: "2026-01-01T00:00:00Z" };
    let kind = web().kind_ref();
    let applied = apply(&kind, None, &desired(None), &ours).unwrap();
    let mut live = applied.object;
    *live.pointer_mut(path).unwrap() = value;
    live["metadata"]["managedFields"] = write_managed(&applied.managed);
    let mut other = json!({"manager": manager, "operation": "Update", "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1", "fieldsV1": fields});
    if !subresource.is_empty() {
        other["subresource"] = json!(subresource);
    }
    live["metadata"]["managedFields"].as_array_mut().unwrap().push(other);
    live
}

fn scaled(manager: &str, subresource: &str) -> Value {
    let fields = json!({"f:spec": {"f:replicas": {}}});
    live("/spec/replicas", json!(7), &fields, manager, subresource)
}

fn edited() -> Value {
    let item = json!({"k:{\"name\":\"web\"}": {"f:image": {}}});
    let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": item}}}});
    live("/spec/template/spec/containers/0/image", json!("web:9"), &fields, "kubectl-edit", "")
}

fn yields(live: &Value, annotation: Option<&str>, sized: bool) -> Yielded {
    let size: &[&[&str]] = &[&["spec", "replicas"]];
    let driven = if sized { size } else { &[] };
    yielded(&web(), live, desired(annotation), "tranche", (driven, &[]))
}

#[test]
fn a_size_is_left_to_the_autoscaler_and_to_nobody_else() {
    let left = yields(&scaled("kube-controller-manager", "scale"), None, false);
    assert_eq!(left.state.pointer("/spec/replicas"), None);
    assert!(left.state.pointer("/spec/template").is_some() && !left.takes && !left.refused());
    let owner = "the autoscaler (kube-controller-manager)".to_owned();
    let note = Note::LeftTo { field: ".spec.replicas".to_owned(), owner };
    assert_eq!(left.contested[0].note(), note);
    let by_hand = yields(&scaled("kubectl", "scale"), None, false);
    assert!(by_hand.refused() && by_hand.state == desired(None));
    let taken = yields(&scaled("kube-controller-manager", "scale"), Some("take"), false);
    assert!(taken.takes && taken.state.pointer("/spec/replicas").is_some());
}

#[test]
fn a_size_that_a_rollout_drives_is_left_to_nobody() {
    for word in [None, Some("keep")] {
        let driven = yields(&scaled("kube-controller-manager", "scale"), word, true);
        assert!(driven.refused() && driven.state.pointer("/spec/replicas").is_some(), "{word:?}");
    }
}

#[test]
fn whatever_touches_a_driven_field_is_never_left_out() {
    let path = [Step::field("spec"), Step::field("rules")];
    assert!(touches(&path, &["spec", "rules"]) && touches(&path[..1], &["spec", "rules"]));
    let within = [&path[..], &[Step::field("x")]].concat();
    assert!(touches(&within, &["spec", "rules"]));
    assert!(!touches(&path, &["spec", "replicas"]) && !touches(&path, &["status"]));
}

#[test]
fn an_edit_by_hand_is_refused_kept_or_taken() {
    let image = "/spec/template/spec/containers/0/image";
    let refused = yields(&edited(), None, false);
    assert!(refused.refused() && !refused.takes);
    let field = ".spec.template.spec.containers[name=\"web\"].image".to_owned();
    let manager = "kubectl-edit".to_owned();
    let outcome = Outcome::Refused;
    assert_eq!(refused.contested[0].note(), Note::Conflict { field, manager, outcome });
    let kept = yields(&edited(), Some("keep"), false);
    assert!(!kept.refused() && !kept.takes && kept.state.pointer(image).is_none());
    let name = "/spec/template/spec/containers/0/name";
    assert_eq!(kept.state.pointer(name), Some(&json!("web")), "the item itself stays");
    let taken = yields(&edited(), Some("take"), false);
    assert!(taken.takes && taken.state.pointer(image) == Some(&json!("web:1")));
}

#[test]
fn equal_values_are_contested_by_nobody() {
    let mut same = edited();
    same["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:1");
    let all = yields(&same, None, false);
    assert!(all.contested.is_empty() && !all.takes && all.state == desired(None));
}

#[test]
fn an_unknown_word_refuses() {
    assert_eq!(Policy::of(&desired(Some("force"))), Policy::Refuse);
    assert!(Policy::WORDS.iter().all(|word| Policy::parse(word).is_some()));
}
