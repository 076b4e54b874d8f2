//! The rule, case by case: each begins with the same reviewed plan.

use super::{
    Field, FileFault, Operation, SavedEntity, SavedObject, SavedPlan, SavedStep, SavedTarget,
    Sizes, Source, Standing, States, compare, leads_back,
};
use crate::core::diff::{Note, Outcome};
use crate::core::object::ObjectRef;
use crate::core::record::Ending;
use crate::core::strategy::{EntityKey, EntityKind, StepId, StepKind};
use serde_json::{Value, json};
use std::sync::Arc;

fn deployment(replicas: u32, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n", "uid": "u1", "resourceVersion": "7"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [
            {"name": "web", "image": image}]}}},
        "status": {"replicas": replicas}})
}

fn patch(live: Option<&Value>, last: Option<&Value>, between: &[Value]) -> SavedObject {
    let object = ObjectRef::of(live.or(last).or(between.first()).unwrap()).unwrap();
    let between: Vec<Arc<Value>> = between.iter().cloned().map(Arc::new).collect();
    SavedObject::of(&object, States { live, last, between: &between, body: last }, &[])
}

fn step(id: &str) -> SavedStep {
    SavedStep { id: StepId(id.to_owned()), name: format!("step {id}"), effects: Vec::new() }
}

fn entity(steps: &[&str], objects: Vec<SavedObject>) -> SavedEntity {
    let name = "web".to_owned();
    SavedEntity {
        entity: EntityKey { kind: EntityKind::Rollout, namespace: "n".to_owned(), name },
        state: if steps.is_empty() { Standing::Rests } else { Standing::Steps },
        message: None,
        open: false,
        sizes: Some(Sizes { from: 4, to: 4 }),
        steps: steps.iter().map(|id| step(id)).collect(),
        objects,
    }
}

fn plan(entities: Vec<SavedEntity>) -> SavedPlan {
    let target = SavedTarget {
        target: "t".to_owned(),
        cluster: "c".to_owned(),
        plan: "p".to_owned(),
        record: None,
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        expires: "2026-01-02T00:00:00Z".parse().unwrap(),
        digest: String::new(),
        publications: Vec::new(),
        entities,
    };
    let (project, tool) = ("root".to_owned(), "tranche".to_owned());
    SavedPlan { format: 1, tool, project, digest: String::new(), targets: vec![target] }.sealed()
}

/// What differs, or nothing.
fn stale(saved: &SavedPlan, now: &SavedPlan) -> Vec<String> {
    let compared = compare(&saved.targets[0], &now.targets[0]);
    compared.err().map(|stale| stale.lines()).unwrap_or_default()
}

/// Three batches from 4 pods to none, image 1 to 2.
fn reviewed() -> SavedPlan {
    let (live, last) = (deployment(4, "web:1"), deployment(0, "web:2"));
    let between = [deployment(3, "web:2"), deployment(1, "web:2")];
    plan(vec![entity(&["a", "b", "c"], vec![patch(Some(&live), Some(&last), &between)])])
}

fn now(steps: &[&str], live: &Value) -> SavedPlan {
    let last = deployment(0, "web:2");
    plan(vec![entity(steps, vec![patch(Some(live), Some(&last), &[])])])
}

#[test]
fn the_same_plan_is_the_same_by_its_digest_too() {
    let same = now(&["a", "b", "c"], &deployment(4, "web:1"));
    assert_eq!(same.digest, reviewed().digest, "what is on the way is not part of it");
    assert!(stale(&reviewed(), &same).is_empty());
    // Neither version nor status is part of a patch, nor is the cluster.
    let mut moved = deployment(4, "web:1");
    moved["metadata"]["resourceVersion"] = json!("9");
    moved["status"]["replicas"] = json!(3);
    let mut other = now(&["a", "b", "c"], &moved);
    assert!(stale(&reviewed(), &other).is_empty());
    other.targets[0].cluster = "d".to_owned();
    other.targets[0].plan = "q".to_owned();
    assert_eq!(other.sealed().digest, reviewed().digest);
}

#[test]
fn before_anything_is_begun_every_difference_counts() {
    let all = ["a", "b", "c"];
    for live in [deployment(3, "web:1"), deployment(4, "web:0"), deployment(4, "web:2")] {
        let now = now(&all, &live);
        assert_ne!(now.digest, reviewed().digest);
        assert!(!stale(&reviewed(), &now).is_empty(), "{live}");
    }
    let lines = stale(&reviewed(), &now(&all, &deployment(4, "web:0")));
    let path = ".spec.template.spec.containers[name=\"web\"].image";
    let line = format!(
        "Deployment/n/web {path}: reviewed \"web:1\" to \"web:2\"; now \"web:0\" to \"web:2\""
    );
    assert_eq!(lines, [line]);
    let mut again = deployment(4, "web:1");
    again["metadata"]["uid"] = json!("u2");
    assert!(stale(&reviewed(), &now(&all, &again))[0].contains("deleted and created again"));
    let nothing = plan(vec![entity(&all, Vec::new())]);
    assert_eq!(
        stale(&reviewed(), &nothing),
        ["Deployment/n/web: it was reviewed, and differs no more"]
    );
}

#[test]
fn what_is_begun_goes_on_from_where_reviewed_writes_led() {
    for (steps, replicas) in [(&["b", "c"][..], 3), (&["c"], 1)] {
        let live = deployment(replicas, "web:2");
        assert!(stale(&reviewed(), &now(steps, &live)).is_empty(), "{steps:?}");
    }
    let mut open = now(&["a", "b", "c"], &deployment(3, "web:2"));
    assert!(!stale(&reviewed(), &open).is_empty());
    open.targets[0].entities[0].open = true;
    assert!(stale(&reviewed(), &open).is_empty(), "its first batch is half done");
    // What no reviewed write leads to was set by somebody else.
    for live in [deployment(2, "web:2"), deployment(3, "web:3")] {
        assert_eq!(stale(&reviewed(), &now(&["b", "c"], &live)).len(), 1, "{live}");
    }
    let mut labelled = deployment(3, "web:2");
    labelled["metadata"]["labels"] = json!({"by": "hand"});
    let lines = stale(&reviewed(), &now(&["b", "c"], &labelled));
    assert_eq!(
        lines,
        ["Deployment/n/web .metadata.labels.by: not reviewed; now \"hand\" to nothing"]
    );
}

#[test]
fn what_others_add_to_what_the_steps_make_and_delete_is_theirs() {
    let made = [deployment(0, "web:2"), deployment(2, "web:2")];
    let all = ["a", "b", "c"];
    let reviewed = plan(vec![entity(&all, vec![patch(None, None, &made)])]);
    let left = |steps: &[&str], live: &Value| {
        stale(&reviewed, &plan(vec![entity(steps, vec![patch(Some(live), None, &[])])]))
    };
    let mut added = deployment(2, "web:2");
    added["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    assert!(left(&["b", "c"], &added).is_empty());
    assert!(!left(&all, &added).is_empty(), "nothing is begun: it is somebody else's");
    let lines = left(&["b", "c"], &deployment(2, "web:3"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("now \"web:3\" to nothing"), "{lines:?}");
}

#[test]
fn the_steps_that_are_left_are_the_last_of_the_reviewed_ones() {
    let live = deployment(3, "web:2");
    for steps in [&["a", "c"][..], &["a", "b"], &["c", "d"], &["x"], &["c", "b"]] {
        let lines = stale(&reviewed(), &now(steps, &live));
        assert!(lines[0].contains("steps reviewed: step a (a), step b (b), step c (c); now"));
    }
    let mut resized = now(&["b", "c"], &live);
    resized.targets[0].entities[0].sizes = Some(Sizes { from: 5, to: 4 });
    let lines = stale(&reviewed(), &resized);
    assert_eq!(lines, ["rollout n/web: sizes reviewed: 4 to 4 pods; now: 5 to 4 pods"]);
}

#[test]
fn nothing_to_do_needs_no_review_and_the_way_back_none_either() {
    let rests = plan(vec![entity(&[], Vec::new())]);
    assert!(stale(&reviewed(), &rests).is_empty());
    assert!(stale(&plan(Vec::new()), &rests).is_empty());
    let mut back = now(&["abort"], &deployment(2, "web:9"));
    assert!(!stale(&reviewed(), &back).is_empty());
    back.targets[0].entities[0].state = Standing::GoesBack;
    assert!(stale(&reviewed(), &back).is_empty());
    for (ending, open) in [
        (Ending::Aborted, true),
        (Ending::DeadlineExceeded, true),
        (Ending::Modified, false),
        (Ending::Reverted, false),
        (Ending::Deleted, false),
    ] {
        assert_eq!(leads_back(StepKind::Abort, Some(ending)), open);
        assert!(!leads_back(StepKind::Settle, Some(ending)));
    }
}

#[test]
fn what_nobody_saw_is_named() {
    let reviewed = plan(Vec::new());
    let mut unknown = now(&["a"], &deployment(4, "web:1"));
    unknown.targets[0].publications.push("web-v9".to_owned());
    let lines = stale(&reviewed, &unknown);
    assert_eq!(lines[0], "revision web-v9 would be published, which was not reviewed");
    assert_eq!(lines[1], "rollout n/web: it was not in the plan that was reviewed");
    assert_eq!(lines.len(), 4, "{lines:?}");
    let mut records = entity(&[], Vec::new());
    records.state = Standing::Records;
    records.message = Some("web: gone".to_owned());
    let (records, was) = (plan(vec![records]), plan(vec![entity(&[], Vec::new())]));
    assert_eq!(stale(&was, &records).len(), 1);
    assert!(stale(&records, &records).is_empty());
}

#[test]
fn what_passes_through_and_comes_back_is_known_on_the_way() {
    let rest = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web"}, "spec": {"rules": [{"weight": 1}]}});
    let at = |weight: u32| {
        let mut route = rest.clone();
        route["spec"]["rules"] = json!([{"weight": weight}]);
        route
    };
    let object = patch(Some(&rest), Some(&rest), &[at(5), at(9)]);
    assert_eq!(object.operation, Operation::Passes);
    assert!(!object.counts());
    // A Service that lives only as long as the way is.
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "v2"},
        "spec": {"clusterIP": "10.0.0.9", "ports": [{"port": 80}]}});
    let twin = patch(None, None, std::slice::from_ref(&service));
    let reviewed = plan(vec![entity(&["a", "b"], vec![object, twin])]);
    let mut later = service;
    later["spec"]["clusterIP"] = json!("10.0.0.7");
    for (weight, stales) in [(5, 0), (9, 0), (7, 1)] {
        let left = [patch(Some(&at(weight)), Some(&rest), &[]), patch(Some(&later), None, &[])];
        let now = plan(vec![entity(&["b"], left.to_vec())]);
        assert_eq!(stale(&reviewed, &now).len(), stales, "{weight}");
    }
}

fn secret(value: &str, blob: &str) -> SavedPlan {
    let of = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
               "data": {"password": value}})
    };
    let mut object = patch(Some(&of("b2xk")), Some(&of(value)), &[]);
    object.sources = vec![Source { path: "s.yaml".to_owned(), blob: blob.to_owned() }];
    plan(vec![entity(&["a"], vec![object])])
}

#[test]
fn a_secret_value_is_compared_by_where_it_comes_from() {
    let saved = secret("bmV3", "11");
    assert_eq!(secret("b3RoZXI=", "11"), saved, "no digest is of the value");
    let text = serde_json::to_string(&saved).unwrap();
    assert!(!text.contains("bmV3") && !text.contains("b2xk"), "{text}");
    assert!(stale(&saved, &secret("bmV3", "11")).is_empty());
    assert!(stale(&saved, &secret("b3RoZXI=", "22"))[0].contains("s.yaml has changed"));
    // Where everything is shown, a comment in the file changes nothing.
    let plain = |blob: &str| {
        let mut plan = now(&["a"], &deployment(4, "web:1"));
        let source = Source { path: "w.yaml".to_owned(), blob: blob.to_owned() };
        plan.targets[0].entities[0].objects[0].sources = vec![source];
        plan.sealed()
    };
    assert_eq!(plain("11"), plain("22"));
}

#[test]
fn what_is_taken_from_others_was_reviewed() {
    let of = |outcome: Outcome| {
        let (live, last) = (deployment(4, "web:1"), deployment(4, "web:2"));
        let (field, manager) = (".spec.replicas".to_owned(), "hpa".to_owned());
        let notes = [Note::Conflict { field, manager, outcome }];
        let states = States { live: Some(&live), last: Some(&last), between: &[], body: None };
        let object = SavedObject::of(&ObjectRef::of(&live).unwrap(), states, &notes);
        plan(vec![entity(&["a"], vec![object])])
    };
    let (refused, taken) = (of(Outcome::Refused), of(Outcome::Taken));
    assert!(stale(&refused, &taken)[0].contains("taken over"));
    assert!(stale(&taken, &taken).is_empty());
    assert!(stale(&taken, &refused).is_empty(), "an apply refuses it itself");
}

#[test]
fn what_the_server_could_not_judge_may_be_filled_in_and_not_changed() {
    let of = |image: &str, more: Value| {
        let mut object = deployment(4, image);
        object["spec"]["strategy"] = more;
        object["metadata"].as_object_mut().unwrap().remove("uid");
        object
    };
    let create = |body: &Value| patch(None, Some(body), &[]);
    let mut blind = create(&of("web:1", Value::Null));
    blind.unverified = true;
    let reviewed = plan(vec![entity(&["a"], vec![blind.clone()])]);
    let filled = plan(vec![entity(&["a"], vec![create(&of("web:1", json!({"type": "x"})))])]);
    assert!(stale(&reviewed, &filled).is_empty());
    let other = plan(vec![entity(&["a"], vec![create(&of("web:2", json!({"type": "x"})))])]);
    assert_eq!(stale(&reviewed, &other).len(), 1);
    blind.unverified = false;
    let seen = plan(vec![entity(&["a"], vec![blind])]);
    assert_eq!(stale(&seen, &filled).len(), 1, "where it could judge, that counts");
}

#[test]
fn a_file_is_read_as_it_was_written_or_not_at_all() {
    let text = serde_json::to_string(&reviewed()).unwrap();
    assert_eq!(SavedPlan::read(text.as_bytes()), Ok(reviewed()));
    let read = |text: &str| SavedPlan::read(text.as_bytes()).unwrap_err();
    assert_eq!(read(&text.replace("\"format\":1", "\"format\":2")), FileFault::Format(2));
    for (from, to) in
        [("web:2", "web:3"), ("\"id\":\"b\"", "\"id\":\"d\""), ("4,\"to\":4", "5,\"to\":4")]
    {
        assert_ne!(text.replace(from, to), text);
        assert_eq!(read(&text.replace(from, to)), FileFault::Edited, "{from}");
    }
    assert!(matches!(read("[]"), FileFault::Broken(_)));
}

#[test]
fn many_differences_are_counted() {
    let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}});
    let mut last = live.clone();
    last["data"] =
        (0..30).map(|i| (format!("k{i}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let now = plan(vec![entity(&["a"], vec![patch(Some(&live), Some(&last), &[])])]);
    let mut reviewed = now.clone();
    let fields: &mut Vec<Field> = &mut reviewed.targets[0].entities[0].objects[0].fields;
    fields.iter_mut().for_each(|field| field.to = Some(json!("w")));
    let lines = stale(&reviewed, &now);
    assert_eq!((lines.len(), lines[20].as_str()), (21, "and 10 more"));
}
