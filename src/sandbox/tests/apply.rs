//! Facts measured on a real kube-apiserver 1.36.3, one by one.

use super::*;

fn versioned(field: &str, value: &str) -> Value {
    let mut body = deployment(1, "web:1");
    body["metadata"][field] = json!(value);
    body
}

fn patch(bench: &Bench, body: &Value, more: &str) -> (u16, Value) {
    bench.call("PATCH", &format!("{DEPLOYMENT}?fieldManager=tranche{more}"), body)
}

#[test]
fn a_stale_version_is_a_conflict_with_force_and_in_a_dry_run_too() {
    let bench = Bench::new();
    let first = bench.apply(DEPLOYMENT, &deployment(1, "web:1"));
    let stale = versioned("resourceVersion", "1");
    for more in ["", "&force=true", "&dryRun=All"] {
        let (code, status) = patch(&bench, &stale, more);
        assert_eq!((code, status["reason"].as_str()), (409, Some("Conflict")), "{more}");
        assert_eq!(status["details"].get("causes"), None);
    }
    let live = bench.get(DEPLOYMENT);
    assert_ne!(live["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let fresh = versioned("resourceVersion", live["metadata"]["resourceVersion"].as_str().unwrap());
    assert_eq!(patch(&bench, &fresh, "").0, 200);
}

#[test]
fn a_missing_object_with_a_uid_is_a_conflict_and_with_a_version_is_created() {
    let bench = Bench::new();
    let (code, status) = patch(&bench, &versioned("uid", "abc"), "");
    assert_eq!(code, 409);
    assert!(status["message"].as_str().unwrap().contains("uid mismatch"));
    assert_eq!(patch(&bench, &versioned("resourceVersion", "1"), "").0, 201);
    assert_eq!(patch(&bench, &versioned("resourceVersion", "1"), "").0, 409, "create-only");
}

#[test]
fn a_wrong_uid_on_a_present_object_is_invalid() {
    let bench = Bench::new();
    bench.apply(DEPLOYMENT, &deployment(1, "web:1"));
    let (code, status) = patch(&bench, &versioned("uid", "abc"), "");
    assert_eq!((code, status["reason"].as_str()), (422, Some("Invalid")));
}

#[test]
fn an_identical_apply_keeps_the_version() {
    let bench = Bench::new();
    bench.apply(DEPLOYMENT, &deployment(1, "web:1"));
    bench.pass(10);
    let before = bench.get(DEPLOYMENT);
    bench.pass(1);
    assert_eq!(bench.apply(DEPLOYMENT, &deployment(1, "web:1")), before);
}

#[test]
fn leaving_out_replicas_resets_them_to_one() {
    let bench = Bench::new();
    bench.apply(DEPLOYMENT, &deployment(3, "web:1"));
    let mut body = deployment(3, "web:1");
    body["spec"].as_object_mut().unwrap().remove("replicas");
    let after = bench.apply(DEPLOYMENT, &body);
    assert_eq!(after["spec"]["replicas"], 1);
    assert_eq!(after["metadata"]["generation"], 2);
}

#[test]
fn a_field_of_another_manager_is_a_conflict_that_names_both() {
    let bench = Bench::new();
    bench.apply(DEPLOYMENT, &deployment(1, "web:1"));
    let path = format!("{DEPLOYMENT}?fieldManager=kubectl");
    let (code, status) = bench.call("PATCH", &path, &deployment(2, "web:1"));
    assert_eq!(code, 409);
    let cause = json!({
        "reason": "FieldManagerConflict", "field": ".spec.replicas",
        "message": "conflict with \"tranche\"",
    });
    assert_eq!(status["details"]["causes"], json!([cause]));
    let (code, taken) = bench.call("PATCH", &format!("{path}&force=true"), &deployment(2, "web:1"));
    assert_eq!((code, &taken["spec"]["replicas"]), (200, &json!(2)));
}

#[test]
fn a_dry_run_answers_and_leaves_the_journal_untouched() {
    let bench = Bench::new();
    bench.apply(DEPLOYMENT, &deployment(1, "web:1"));
    bench.pass(10);
    let before = bench.journal();
    let (code, would) = patch(&bench, &deployment(5, "web:2"), "&dryRun=All");
    assert_eq!((code, &would["spec"]["replicas"]), (200, &json!(5)));
    assert_eq!(bench.call("DELETE", &format!("{DEPLOYMENT}?dryRun=All"), &Value::Null).0, 200);
    assert_eq!(bench.journal(), before);
}

#[test]
fn what_is_wrong_or_not_modelled_is_refused_by_name() {
    let bench = Bench::new();
    let mut typo = deployment(1, "web:1");
    typo["spec"]["replica"] = json!(1);
    let (code, status) = patch(&bench, &typo, "&fieldValidation=Strict");
    assert_eq!(code, 500, "as a real server has it");
    assert!(status["message"].as_str().unwrap().contains(".spec.replica: field not declared"));
    let elsewhere = DEPLOYMENT.replace("default", "nowhere");
    let (code, status) =
        bench.call("PATCH", &format!("{elsewhere}?fieldManager=a"), &deployment(1, "web:1"));
    assert_eq!((code, &status["message"]), (404, &json!("namespaces \"nowhere\" not found")));
    let mut other = deployment(1, "web:1");
    other["spec"]["template"]["metadata"]["labels"]["app"] = json!("api");
    assert_eq!(patch(&bench, &other, "").0, 422);
    bench.apply(DEPLOYMENT, &deployment(1, "web:1"));
    other["spec"]["selector"]["matchLabels"]["app"] = json!("api");
    let (_, status) = patch(&bench, &other, "");
    assert_eq!(status["details"]["causes"][0]["field"], "spec.selector");
    assert_eq!(bench.call("PUT", DEPLOYMENT, &deployment(1, "web:1")).0, 200);
    assert_eq!(bench.call("DELETE", "/api/v1/pods", &json!({})).0, 501);
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}});
    let (code, status) = bench.call("POST", jobs, &job);
    assert_eq!(code, 501);
    assert!(status["message"].as_str().unwrap().contains("Job.batch"));
}

#[test]
fn a_delete_holds_to_its_preconditions() {
    let bench = Bench::new();
    let live = bench.apply(DEPLOYMENT, &deployment(1, "web:1"));
    let wrong = json!({"preconditions": {"uid": "abc"}});
    assert_eq!(bench.call("DELETE", DEPLOYMENT, &wrong).0, 409);
    let right = json!({"preconditions": {"uid": live["metadata"]["uid"]}});
    assert_eq!(bench.call("DELETE", DEPLOYMENT, &right).0, 200);
    assert_eq!(bench.call("DELETE", DEPLOYMENT, &right).0, 404);
    bench.pass(2);
    assert!(bench.items(PODS).is_empty(), "owned objects are collected");
    assert!(bench.items("/apis/apps/v1/replicasets").is_empty());
}
