//! What is taken, what is changed, and what is refused, each by its own case.

use super::*;
use crate::core::model::{ReplicaRatio, Turns};
use crate::core::render::rendered_digest;
use serde_json::{Value, json};

fn ratio(new: &str) -> ReplicaRatio {
    ReplicaRatio {
        service: "my-demo-app".to_owned(),
        deployment: "my-demo-app".to_owned(),
        new_version: new.to_owned(),
        image: None,
        container: None,
        turns: Turns::By(25),
        restarts: 0,
        retain: 0,
    }
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "my-demo-app", "namespace": "default", "uid": "s",
            "labels": {"app": "my-demo-app", "version": "v1.0.0"},
            "managedFields": [{"manager": "kubectl", "operation": "Update"}]},
        "spec": {"selector": {"app": "my-demo-app"}, "ports": [{"port": 80}]},
    })
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "my-demo-app-v1.0.0", "namespace": "default", "uid": "d",
            "resourceVersion": "7", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "my-demo-app", "version": "v1.0.0"},
            "annotations": {
                "deployment.kubernetes.io/revision": "1",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "tranche.dev/epoch": "4",
                "example.com/owner": "shop",
            },
        },
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "my-demo-app", "version": "v1.0.0"}},
            "template": {
                "metadata": {"creationTimestamp": null,
                    "labels": {"app": "my-demo-app", "version": "v1.0.0"}},
                "spec": {"containers": [
                    {"name": "my-demo-app", "image": "registry.example/my-demo-app:v1.0.0",
                     "args": ["--since=v1.0.0"]},
                ]},
            },
        },
        "status": {"replicas": 3},
    })
}

fn workload_of(taken: &Taken) -> &Value {
    &taken.rendered.components[0].workload
}

#[test]
fn what_runs_is_taken_as_somebody_would_have_written_it() {
    let taken = capture(&service(), &deployment(), &ratio("v1.1.0")).unwrap();
    assert_eq!(taken.version, "v1.0.0");
    let body = workload_of(&taken);
    assert_eq!(
        body["metadata"],
        json!({"name": "my-demo-app-v1.0.0", "namespace": "default",
            "labels": {"app": "my-demo-app", "version": "v1.0.0"},
            "annotations": {"example.com/owner": "shop"}})
    );
    assert!(body.get("status").is_none() && body["spec"].get("replicas").is_none());
    assert_eq!(
        *taken.rendered.components[0].extras[0],
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "my-demo-app",
            "namespace": "default", "labels": {"version": "v1.0.0"}}}),
        "of the Service the label alone"
    );
    let mut scaled = deployment();
    scaled["spec"]["replicas"] = json!(9);
    let again = capture(&service(), &scaled, &ratio("v1.1.0")).unwrap();
    assert_eq!(content(&again), content(&taken), "another size is no other revision");
}

#[test]
fn the_next_version_differs_in_its_name_its_labels_and_one_image() {
    let taken = capture(&service(), &deployment(), &ratio("v1.1.0")).unwrap();
    let next = followed(&taken, Some(&service()), &ratio("v1.1.0")).unwrap();
    let text = workload_of(&taken).to_string();
    // The argument has the version too, and is nobody's business.
    let expected = text.replace("v1.0.0", "v1.1.0").replace("--since=v1.1.0", "--since=v1.0.0");
    assert_eq!(workload_of(&next).to_string(), expected);
    let label = &next.rendered.components[0].extras[0]["metadata"]["labels"];
    assert_eq!(*label, json!({"version": "v1.1.0"}));
}

#[test]
fn a_version_is_a_whole_word_of_a_tag() {
    let next = |image: &str, old: &str| exchanged(image, old, "NEW");
    assert_eq!(next("host:5000/a/b:v1.0.0", "v1.0.0").as_deref(), Some("host:5000/a/b:NEW"));
    assert_eq!(next("b:1.0-alpine", "1.0").as_deref(), Some("b:NEW-alpine"));
    assert_eq!(next("b:release_v1", "v1").as_deref(), Some("b:release_NEW"));
    for (image, old) in [
        ("b:1.0.1", "1.0"),
        ("b:v1.0", "1.0"),
        ("b:11", "1"),
        ("b:1-1", "1"),
        ("b", "1"),
        ("b-1", "1"),
        ("host:1/b", "1"),
        ("b:v1@sha256:abc", "v1"),
        ("b:latest", "v1"),
    ] {
        assert_eq!(next(image, old), None, "{image} {old}");
    }
}

#[test]
fn what_cannot_stand_beside_a_second_version_is_refused() {
    let refused = |service: &Value, deployment: &Value| {
        let taken = capture(service, deployment, &ratio("v1.1.0"));
        taken.and_then(|taken| followed(&taken, Some(service), &ratio("v1.1.0"))).unwrap_err().what
    };
    let mut narrow = service();
    narrow["spec"]["selector"]["version"] = json!("v1.0.0");
    let what = refused(&narrow, &deployment());
    assert!(
        what.contains("does not select the pods of Deployment/default/my-demo-app-v1.1.0"),
        "{what}"
    );
    let mut unlabelled = deployment();
    unlabelled["spec"]["selector"]["matchLabels"] = json!({"app": "my-demo-app"});
    let what = refused(&service(), &unlabelled);
    assert!(what.contains("no label `version` in spec.selector.matchLabels"), "{what}");
    let mut latest = deployment();
    latest["spec"]["template"]["spec"]["containers"][0]["image"] = json!("app:latest");
    let what = refused(&service(), &latest);
    assert!(what.contains("runs app:latest, whose tag does not have v1.0.0"), "{what}");
    let mut open = deployment();
    open["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "DB_PASSWORD", "value": "hunter2-hunter2"}]);
    let what = refused(&service(), &open);
    assert!(what.contains("looks like a secret") && !what.contains("hunter2"), "{what}");
    let mut made = deployment();
    made["metadata"]["ownerReferences"] = json!([{"kind": "Shop", "name": "main"}]);
    assert!(refused(&service(), &made).contains("is made by Shop/main"));
}

#[test]
fn of_several_containers_one_is_meant() {
    let mut two = deployment();
    two["spec"]["template"]["spec"]["containers"] = json!([
        {"name": "proxy", "image": "proxy:3"},
        {"name": "app", "image": "app:v1.0.0"},
    ]);
    let image = |deployment: &Value, ratio: &ReplicaRatio| {
        let taken = capture(&service(), deployment, ratio)?;
        let next = followed(&taken, None, ratio)?;
        let containers = &workload_of(&next)["spec"]["template"]["spec"]["containers"];
        Ok::<_, CaptureError>((containers[0]["image"].clone(), containers[1]["image"].clone()))
    };
    assert_eq!(image(&two, &ratio("v2")).unwrap(), (json!("proxy:3"), json!("app:v2")));
    let named = ReplicaRatio {
        container: Some("proxy".to_owned()),
        image: Some("proxy:4".to_owned()),
        ..ratio("v2")
    };
    assert_eq!(image(&two, &named).unwrap(), (json!("proxy:4"), json!("app:v1.0.0")));
    two["spec"]["template"]["spec"]["containers"][0]["image"] = json!("proxy:v1.0.0");
    let what = image(&two, &ratio("v2")).unwrap_err();
    assert!(what.what.contains("has 2 containers"), "{what}");
    assert!(what.next.contains("`container`"));
    let unknown = ReplicaRatio { container: Some("web".to_owned()), ..ratio("v2") };
    assert!(image(&two, &unknown).unwrap_err().what.contains("no container \"web\""));
}

#[test]
fn a_recorded_revision_is_believed_only_as_it_was() {
    let taken = capture(&service(), &deployment(), &ratio("v1.1.0")).unwrap();
    let digest = rendered_digest(&taken.rendered);
    let component = &taken.rendered.components[0];
    let mut objects = vec![Value::clone(&component.workload), Value::clone(&component.extras[0])];
    let key = ("my-demo-app", "default");
    assert_eq!(rendered(key, &objects, &digest), Some(taken.rendered.clone()));
    objects[0]["spec"]["template"]["spec"]["containers"][0]["image"] = json!("evil:1");
    assert_eq!(rendered(key, &objects, &digest), None);
    assert_eq!(rendered(key, &[], &digest), None);
}
