//! Discovery and lists.

use super::*;
use kube::{Client, Discovery};

#[test]
fn the_real_client_discovers_the_kinds_either_way() {
    let bench = Bench::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::new(bench.sandbox.service(), "default");
        assert_eq!(client.apiserver_version().await.unwrap().minor, "36");
        let old = Discovery::new(client.clone()).run().await.unwrap();
        let new = Discovery::new(client).run_aggregated().await.unwrap();
        for discovery in [old, new] {
            for (group, version, kind) in [
                ("", "v1", "Service"),
                ("apps", "v1", "Deployment"),
                ("apps.kruise.io", "v1alpha1", "CloneSet"),
            ] {
                let gvk = kube::core::GroupVersionKind::gvk(group, version, kind);
                assert!(discovery.resolve_gvk(&gvk).is_some(), "{kind}");
            }
        }
    });
}

#[test]
fn lists_are_paged_and_selected() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"app": name}}, "data": {"x": "1"},
        });
        bench.apply(&format!("/api/v1/namespaces/default/configmaps/{name}"), &body);
    }
    let page = bench.get("/api/v1/configmaps?limit=2");
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let token = page["metadata"]["continue"].as_str().unwrap().replace('\u{1}', "%01");
    let rest = bench.items(&format!("/api/v1/configmaps?limit=2&continue={token}"));
    assert_eq!(rest[0]["metadata"]["name"], "c");
    let chosen = bench.items("/api/v1/configmaps?labelSelector=app%20in%20(a,c)");
    assert_eq!(chosen.len(), 2);
    assert_eq!(bench.items("/api/v1/configmaps?fieldSelector=metadata.name%3Db").len(), 1);
    assert_eq!(bench.call("GET", "/api/v1/configmaps?watch=true", &Value::Null).0, 501);
    assert_eq!(bench.call("GET", "/apis/x.y/v1/things", &Value::Null).0, 404);
}

#[test]
fn defaults_namespaces_and_rights_are_as_on_a_real_cluster() {
    let bench = Bench::new();
    assert!(
        !bench.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]
            .as_str()
            .unwrap()
            .is_empty()
    );
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    let made = bench.apply("/api/v1/namespaces/default/services/web", &service);
    assert_eq!(made["spec"]["clusterIP"], "10.96.0.1");
    assert_eq!(made["spec"]["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
    let made = bench.apply(DEPLOYMENT, &deployment(1, "web"));
    assert_eq!(made["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
    assert_eq!(made["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "Always");
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {}});
    let (_, review) =
        bench.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review);
    assert_eq!(review["status"]["allowed"], true);
    let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    assert_eq!(bench.call("POST", "/api/v1/namespaces", &shop).0, 201);
    assert_eq!(bench.call("POST", "/api/v1/namespaces", &shop).0, 409);
    bench.apply(&DEPLOYMENT.replace("default", "shop"), &deployment(1, "web"));
    assert_eq!(bench.call("DELETE", "/api/v1/namespaces/shop", &Value::Null).0, 200);
    assert!(bench.items("/api/v1/namespaces/shop/pods").is_empty());
}
