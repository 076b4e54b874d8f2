//! StatefulSets through their life.

use super::*;
use crate::core::object::at;
use crate::sandbox::fields::{int, label, text};

const SET: &str = "/apis/apps/v1/namespaces/default/statefulsets/web";

fn stateful(replicas: u32, image: &str, more: &Value) -> Value {
    let mut out = deployment(replicas, image);
    out["kind"] = json!("StatefulSet");
    for (name, value) in more.as_object().into_iter().flatten() {
        out["spec"][name] = value.clone();
    }
    out
}

fn partition(at: u32) -> Value {
    json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": at}}})
}

fn annotated(mut body: Value, name: &str, value: &str) -> Value {
    let name = format!("sandbox.tranche.dev/{name}");
    body["spec"]["template"]["metadata"]["annotations"] = json!({name: value});
    body
}

/// `0:1+` is pod 0 of image 1, ready; `-` is one not ready, `x` one that ends.
fn pods(bench: &Bench) -> String {
    let pod = |pod: &Value| {
        let name = text(pod, "/metadata/name").trim_start_matches("web-").to_owned();
        let image = text(pod, "/spec/containers/0/image").trim_start_matches("web:").to_owned();
        let ready = at(pod, "/status/containerStatuses/0/ready") == Some(&json!(true));
        let state = match (text(pod, "/metadata/deletionTimestamp"), ready) {
            ("", true) => "+",
            ("", false) => "-",
            _ => "x",
        };
        format!("{name}:{image}{state}")
    };
    bench.items(PODS).iter().map(pod).collect::<Vec<_>>().join(" ")
}

/// All that is seen, second by second, each once.
fn film(bench: &Bench, seconds: u32) -> Vec<String> {
    let mut out = vec![pods(bench)];
    for _ in 0..seconds {
        bench.pass(1);
        out.push(pods(bench));
    }
    out.dedup();
    out
}

/// replicas, ready, current and updated, and whether the revisions are one.
fn counts(bench: &Bench) -> ([i64; 4], bool) {
    let live = bench.get(SET);
    let fields = ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas"];
    let same = live["status"]["currentRevision"] == live["status"]["updateRevision"];
    assert_eq!(live["status"]["observedGeneration"], live["metadata"]["generation"]);
    assert_eq!(live["status"].get("collisionCount"), None);
    (fields.map(|field| int(&live, &format!("/status/{field}"), 0)), same)
}

#[test]
fn pods_come_upwards_and_go_downwards_one_at_a_time() {
    let bench = Bench::new();
    bench.apply(SET, &stateful(3, "web:1", &json!({"serviceName": "peers"})));
    let up = ["0:1-", "0:1+ 1:1-", "0:1+ 1:1+ 2:1-", "0:1+ 1:1+ 2:1+"];
    assert_eq!(film(&bench, 8), up);
    assert_eq!(counts(&bench), ([3, 3, 3, 3], true));
    let pod = &bench.items(PODS)[1];
    assert_eq!(
        (&pod["spec"]["hostname"], &pod["spec"]["subdomain"]),
        (&json!("web-1"), &json!("peers"))
    );
    assert_eq!(label(pod, "apps.kubernetes.io/pod-index"), Some("1"));
    assert_eq!(label(pod, "statefulset.kubernetes.io/pod-name"), Some("web-1"));
    let revision = bench.get(SET)["status"]["updateRevision"].clone();
    assert_eq!(label(pod, "controller-revision-hash"), revision.as_str());
    bench.apply(SET, &stateful(1, "web:1", &json!({"serviceName": "peers"})));
    let down = ["0:1+ 1:1+ 2:1x", "0:1+ 1:1x", "0:1+"];
    assert_eq!(film(&bench, 5), down);
    assert_eq!(counts(&bench), ([1, 1, 1, 1], true));
    assert_eq!(bench.call("DELETE", SET, &Value::Null).0, 200);
    bench.pass(2);
    assert_eq!(pods(&bench), "");
    assert!(bench.items("/apis/apps/v1/controllerrevisions").is_empty());
}

#[test]
fn parallel_waits_for_none_and_updates_one_at_a_time_all_the_same() {
    let bench = Bench::new();
    let parallel = json!({"podManagementPolicy": "Parallel", "ordinals": {"start": 5}});
    bench.apply(SET, &stateful(3, "web:1", &parallel));
    assert_eq!(film(&bench, 3), ["5:1- 6:1- 7:1-", "5:1+ 6:1+ 7:1+"]);
    bench.apply(SET, &stateful(3, "web:2", &parallel));
    let rolled = film(&bench, 12);
    assert_eq!(
        rolled[..4],
        ["5:1+ 6:1+ 7:1x", "5:1+ 6:1+ 7:2-", "5:1+ 6:1x 7:2+", "5:1+ 6:2- 7:2+"]
    );
    assert_eq!(rolled.last().unwrap(), "5:2+ 6:2+ 7:2+");
    bench.apply(SET, &stateful(0, "web:2", &parallel));
    assert_eq!(film(&bench, 3), ["5:2x 6:2x 7:2x", ""]);
}

#[test]
fn an_update_goes_down_to_its_partition_and_completes_below_it_only() {
    let bench = Bench::new();
    bench.apply(SET, &stateful(3, "web:1", &Value::Null));
    bench.pass(8);
    bench.apply(SET, &stateful(3, "web:2", &partition(1)));
    let rolled =
        ["0:1+ 1:1+ 2:1x", "0:1+ 1:1+ 2:2-", "0:1+ 1:1x 2:2+", "0:1+ 1:2- 2:2+", "0:1+ 1:2+ 2:2+"];
    assert_eq!(film(&bench, 20), rolled);
    assert_eq!(counts(&bench), ([3, 3, 1, 2], false));
    for pod in ["web-0", "web-2"] {
        assert_eq!(bench.call("DELETE", &format!("{PODS}/{pod}"), &Value::Null).0, 200);
        bench.pass(1);
    }
    bench.pass(8);
    assert_eq!(pods(&bench), "0:1+ 1:2+ 2:2+", "each comes back as what it was");
    bench.apply(SET, &stateful(3, "web:2", &partition(0)));
    bench.pass(2);
    assert_eq!(counts(&bench), ([3, 2, 0, 3], false), "not before all are ready");
    bench.pass(2);
    assert_eq!(counts(&bench), ([3, 3, 3, 3], true));
}

#[test]
fn a_pod_that_never_gets_ready_blocks_until_it_is_deleted() {
    let bench = Bench::new();
    bench.apply(SET, &stateful(3, "web:1", &Value::Null));
    bench.pass(8);
    let bad = annotated(stateful(3, "web:2", &Value::Null), "ready", "never");
    bench.apply(SET, &bad);
    bench.pass(60);
    assert_eq!(pods(&bench), "0:1+ 1:1+ 2:2-");
    assert_eq!(counts(&bench), ([3, 2, 2, 1], false));
    bench.apply(SET, &stateful(3, "web:1", &Value::Null));
    bench.pass(60);
    assert_eq!(pods(&bench), "0:1+ 1:1+ 2:2-", "an ordered set does not mend itself");
    assert_eq!(bench.call("DELETE", &format!("{PODS}/web-2"), &Value::Null).0, 200);
    bench.pass(4);
    assert_eq!(pods(&bench), "0:1+ 1:1+ 2:1+");
    assert_eq!(counts(&bench), ([3, 3, 3, 3], true));
    let parallel = json!({"podManagementPolicy": "Parallel"});
    assert_eq!(bench.call("DELETE", SET, &Value::Null).0, 200);
    bench.pass(2);
    bench.apply(SET, &annotated(stateful(2, "web:1", &parallel), "fail-pods", "1"));
    bench.pass(30);
    assert_eq!(pods(&bench), "0:1- 1:1+");
    bench.apply(SET, &stateful(2, "web:2", &parallel));
    bench.pass(30);
    assert_eq!(pods(&bench), "0:2+ 1:2+", "one that does not wait for its pods does");
}

#[test]
fn on_delete_updates_what_is_deleted_and_nothing_else() {
    let bench = Bench::new();
    let strategy = json!({"updateStrategy": {"type": "OnDelete"}});
    bench.apply(SET, &stateful(2, "web:1", &strategy));
    bench.pass(6);
    bench.apply(SET, &stateful(2, "web:2", &strategy));
    bench.pass(30);
    assert_eq!(pods(&bench), "0:1+ 1:1+");
    assert_eq!(bench.call("DELETE", &format!("{PODS}/web-0"), &Value::Null).0, 200);
    assert_eq!(film(&bench, 30), ["0:1x 1:1+", "0:2- 1:1+", "0:2+ 1:1+"]);
    assert_eq!(counts(&bench), ([2, 2, 1, 1], false));
}

#[test]
fn each_pod_serves_for_its_min_ready_seconds_before_the_next() {
    let bench = Bench::new();
    bench.apply(SET, &stateful(2, "web:1", &json!({"minReadySeconds": 10})));
    bench.pass(11);
    assert_eq!(pods(&bench), "0:1+");
    assert_eq!(int(&bench.get(SET), "/status/availableReplicas", -1), 0);
    bench.pass(1);
    assert_eq!(pods(&bench), "0:1+ 1:1-");
    assert_eq!(int(&bench.get(SET), "/status/availableReplicas", -1), 1);
}

#[test]
fn a_set_of_a_deleted_ones_name_waits_for_its_pods_to_go() {
    let bench = Bench::new();
    bench.apply(SET, &stateful(1, "web:1", &Value::Null));
    bench.pass(3);
    assert_eq!(bench.call("DELETE", SET, &Value::Null).0, 200);
    bench.apply(SET, &stateful(1, "web:2", &Value::Null));
    assert_eq!(film(&bench, 5), ["0:1x", "0:2-", "0:2+"]);
}

#[test]
fn old_revisions_are_kept_up_to_the_limit() {
    let bench = Bench::new();
    for image in ["web:1", "web:2", "web:1", "web:3"] {
        bench.apply(SET, &stateful(1, image, &json!({"revisionHistoryLimit": 1})));
        bench.pass(5);
    }
    let image = "/data/spec/template/spec/containers/0/image";
    let mut kept: Vec<(i64, String)> = bench
        .items("/apis/apps/v1/controllerrevisions")
        .iter()
        .map(|kept| (int(kept, "/revision", 0), text(kept, image).to_owned()))
        .collect();
    kept.sort();
    assert_eq!(kept, [(3, "web:1".to_owned()), (4, "web:3".to_owned())]);
}

#[test]
fn a_stateful_set_is_defaulted_and_checked_as_on_a_real_cluster() {
    let bench = Bench::new();
    let made = bench.apply(SET, &stateful(1, "web:1", &Value::Null));
    let spec = &made["spec"];
    assert_eq!(
        spec["updateStrategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    );
    assert_eq!(
        (&spec["podManagementPolicy"], &spec["serviceName"]),
        (&json!("OrderedReady"), &json!(""))
    );
    assert_eq!((&spec["replicas"], &spec["revisionHistoryLimit"]), (&json!(1), &json!(10)));
    let refused = |more: &Value| {
        let body = stateful(1, "web:1", more);
        let (code, status) = bench.call("PATCH", &format!("{SET}?fieldManager=tranche"), &body);
        (code, status["message"].as_str().unwrap_or("").to_owned(), status)
    };
    for more in [
        json!({"serviceName": "peers"}),
        json!({"podManagementPolicy": "Parallel"}),
        json!({"selector": {"matchLabels": {"tier": "x"}}, "template": {
            "metadata": {"labels": {"tier": "x"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        }}),
    ] {
        let (code, message, status) = refused(&more);
        assert_eq!(code, 422, "{message}");
        assert!(message.contains("spec: Forbidden: updates to statefulset spec"), "{message}");
        assert_eq!(status["details"]["causes"][0]["reason"], "FieldValueForbidden");
    }
    for (more, field) in [
        (json!({"selector": {"matchLabels": {"app": "api"}}}), "spec.template.metadata.labels"),
        (json!({"podManagementPolicy": "Eager"}), "spec.podManagementPolicy"),
        (json!({"updateStrategy": {"type": "ReCreate"}}), "spec.updateStrategy"),
        (json!({"updateStrategy": {"type": "OnDelete"}}), "spec.updateStrategy.rollingUpdate"),
        (json!({"replicas": -1}), "spec.replicas"),
    ] {
        let (code, message, status) = refused(&more);
        assert_eq!(
            (code, &status["details"]["causes"][0]["field"]),
            (422, &json!(field)),
            "{message}"
        );
    }
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}});
    let (code, message, _) = refused(&json!({"volumeClaimTemplates": [claim]}));
    assert_eq!(code, 501);
    assert!(message.contains("spec.volumeClaimTemplates of a StatefulSet"), "{message}");
    let several = json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}});
    assert_eq!(refused(&several).0, 501);
    assert_eq!(bench.items("/apis/apps/v1/statefulsets").len(), 1);
}
