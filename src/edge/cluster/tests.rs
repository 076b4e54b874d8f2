//! The cluster edge against a service that answers by script, and against
//! real sockets where the transport matters.

use super::*;
use crate::core::model::ClusterRef;
use crate::core::object::{KindRef, ObjectRef, at};
use crate::core::secrecy::Veil;
use crate::port::{Access, Clock as _, Cluster as _, ClusterProblem, FieldConflict, WriteMode};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::{Body, ClientBuilder};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::BoxError;

/// What the script does with a request.
enum Say {
    Json(u16, Value),
    Text(u16, &'static str),
    With(u16, &'static [(&'static str, &'static str)], Value),
    Break,
    Hang,
}

#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Say>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Script {
    /// Discovery of `apps/v1` and `v1` is answered by itself and not counted.
    fn new(answers: impl IntoIterator<Item = Say>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self { answers, asked: Arc::default() }
    }

    fn client(&self, observer: &Observer) -> kube::Client {
        let script = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let script = script.clone();
            async move { script.answer(request).await }
        });
        ClientBuilder::new(service, "default").with_layer(&observer.layer()).build()
    }

    fn cluster(&self) -> KubeCluster {
        let patience = Patience {
            deadline: Duration::from_millis(200),
            attempts: 3,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(5),
        };
        KubeCluster::patient(self.client(&Observer::default()), patience)
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let line = format!("{} {}", request.method(), request.uri());
        let body = request.into_body().collect().await?.to_bytes();
        let discovery = match line.as_str() {
            "GET /apis/apps/v1" => Some(json!({"resources": [
                {"name": "deployments", "kind": "Deployment", "namespaced": true},
                {"name": "deployments/scale", "kind": "Scale", "namespaced": true},
            ]})),
            "GET /api/v1" => Some(json!({"resources": [
                {"name": "secrets", "kind": "Secret", "namespaced": true},
                {"name": "nodes", "kind": "Node", "namespaced": false},
                {"name": "pods", "kind": "Pod", "namespaced": true},
                {"name": "pods/eviction", "kind": "Eviction", "namespaced": true},
            ]})),
            _ => None,
        };
        let say = match discovery {
            Some(resources) => Say::Json(200, resources),
            None => {
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                self.asked.lock().unwrap().push((line, body));
                self.answers.lock().unwrap().pop_front().expect("the script has an answer")
            }
        };
        let (code, headers, text): (u16, &[(&str, &str)], String) = match say {
            Say::Json(code, value) => (code, &[], value.to_string()),
            Say::Text(code, text) => (code, &[], text.to_owned()),
            Say::With(code, headers, value) => (code, headers, value.to_string()),
            Say::Break => return Err("connection reset by peer".into()),
            Say::Hang => std::future::pending().await,
        };
        let mut response = Response::builder().status(code);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Ok(response.body(Body::from(text.into_bytes()))?)
    }

    fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(line, _)| line.clone()).collect()
    }

    fn done(&self) -> bool {
        self.answers.lock().unwrap().is_empty()
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn status(code: u16, reason: &str, message: &str, details: Value) -> Say {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    status["details"] = details;
    Say::Json(code, status)
}

fn deployment() -> ObjectRef {
    ObjectRef::new(&KindRef::new("apps/v1", "Deployment"), Some("web"), "front")
}

fn secret() -> ObjectRef {
    ObjectRef::new(&KindRef::new("v1", "Secret"), Some("web"), "key")
}

fn read_before() -> WriteMode {
    WriteMode::Exactly { uid: "u1".into(), resource_version: "42".into() }
}

/// What a real write of the deployment comes to under these answers.
fn write(answers: impl IntoIterator<Item = Say>) -> (ClusterProblem, usize) {
    let script = Script::new(answers);
    let problem = run(async {
        let cluster = script.cluster();
        cluster.apply(&deployment(), &json!({}), &read_before(), false).await.unwrap_err()
    });
    assert_eq!(problem.subject, "Deployment/web/front");
    (problem.problem, script.lines().len())
}

#[test]
fn an_apply_is_one_strict_unforced_patch_with_its_precondition() {
    let script = Script::new([
        Say::Json(200, json!({"kind": "Deployment", "metadata": {"resourceVersion": "43"}})),
        Say::Json(201, json!({})),
    ]);
    let body = json!({"spec": {"replicas": 2}, "metadata": {"managedFields": []}});
    let stored = run(async {
        let cluster = script.cluster();
        let stored = cluster.apply(&deployment(), &body, &read_before(), false).await.unwrap();
        cluster.apply(&deployment(), &body, &WriteMode::Any, true).await.unwrap();
        stored
    });
    assert_eq!(stored["metadata"]["resourceVersion"], "43");
    let path = "PATCH /apis/apps/v1/namespaces/web/deployments/front\
                ?fieldManager=tranche&force=false&fieldValidation=Strict";
    assert_eq!(script.lines(), [path.to_owned(), format!("{path}&dryRun=All")]);
    let sent = script.asked.lock().unwrap()[0].1.clone();
    let wanted = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 2},
        "metadata": {"name": "front", "namespace": "web", "uid": "u1", "resourceVersion": "42"}
    });
    assert_eq!(sent, wanted);
}

#[test]
fn failures_are_told_apart_by_code_reason_and_causes() {
    use ClusterProblem as P;
    let none = || json!({});
    for (answer, wanted) in [
        (status(401, "Unauthorized", "who?", none()), P::Forbidden("who?".into())),
        (status(403, "Forbidden", "no", none()), P::Forbidden("no".into())),
        (
            status(404, "NotFound", "namespaces \"web\"", none()),
            P::Missing("namespaces \"web\"".into()),
        ),
        (status(409, "Conflict", "moved", none()), P::Stale("moved".into())),
        (status(409, "AlreadyExists", "there", none()), P::Stale("there".into())),
        (status(400, "BadRequest", "bad", none()), P::Invalid("bad".into())),
        (status(422, "Invalid", "bad", none()), P::Invalid("bad".into())),
        (
            status(422, "Invalid", "uid", json!({"causes": [{"field": "metadata.uid"}]})),
            P::Stale("uid".into()),
        ),
        (
            status(
                422,
                "Invalid",
                "two",
                json!({"causes": [
                {"field": "metadata.uid"}, {"field": "spec.replicas"}]}),
            ),
            P::Invalid("two".into()),
        ),
        (status(501, "", "not modelled", none()), P::NotImplemented("not modelled".into())),
        (status(500, "InternalError", "etcd", none()), P::Unknown("etcd".into())),
        (
            status(500, "", "failed to create typed patch object (web/front): x", none()),
            P::Invalid("failed to create typed patch object (web/front): x".into()),
        ),
        (Say::Text(504, "gateway"), P::Unknown("no reason given (code 504)".into())),
    ] {
        assert_eq!(write([answer]), (wanted, 1));
    }
}

#[test]
fn field_conflicts_name_field_and_manager() {
    let causes = json!({"causes": [
        {"reason": "FieldManagerConflict", "field": ".spec.replicas",
         "message": "conflict with \"hpa\" with subresource \"scale\" using apps/v1"},
        {"reason": "FieldManagerConflict", "field": ".spec.paused",
         "message": "conflict with \"kubectl\" using apps/v1"},
    ]});
    let conflict = |field: &str, manager: &str| FieldConflict {
        field: field.to_owned(),
        manager: manager.to_owned(),
    };
    let wanted = vec![conflict(".spec.replicas", "hpa"), conflict(".spec.paused", "kubectl")];
    let (problem, _) = write([status(409, "Conflict", "Apply failed", causes)]);
    assert_eq!(problem, ClusterProblem::Conflict(wanted));
}

#[test]
fn a_write_whose_answer_is_lost_is_unknown_and_sent_once() {
    for lost in [Say::Break, Say::Hang, Say::Text(200, "{\"kind\": \"Depl")] {
        let (problem, requests) = write([lost]);
        assert!(matches!(problem, ClusterProblem::Unknown(_)), "{problem}");
        assert_eq!(requests, 1);
    }
}

#[test]
fn a_write_that_was_turned_away_unseen_is_sent_again() {
    let busy = || Say::With(429, &[("retry-after", "3600")], json!({}));
    let script = Script::new([busy(), Say::Json(200, json!({"ok": true}))]);
    run(async {
        let cluster = script.cluster();
        cluster.apply(&deployment(), &json!({}), &WriteMode::CreateOnly, false).await.unwrap();
    });
    assert!(script.done());
    let (problem, requests) = write([busy(), busy(), busy()]);
    assert!(matches!(problem, ClusterProblem::Unreachable(_)), "certainly not sent: {problem}");
    assert_eq!(requests, 3);
}

#[test]
fn reads_and_dry_runs_are_repeated_within_bounds() {
    let flaky = || [Say::Break, status(503, "ServiceUnavailable", "wait", json!({}))];
    let ok = Say::Json(200, json!({"kind": "Deployment"}));
    let script = Script::new(flaky().into_iter().chain([ok]));
    assert!(run(async { script.cluster().get(&deployment()).await }).unwrap().is_some());
    assert!(script.done());

    let script = Script::new([Say::Hang, Say::Json(200, json!({}))]);
    run(async {
        let cluster = script.cluster();
        cluster.apply(&deployment(), &json!({}), &WriteMode::Any, true).await.unwrap();
    });
    assert!(script.done());

    let script = Script::new(flaky().into_iter().chain([Say::Break]));
    let error = run(async { script.cluster().get(&deployment()).await }).unwrap_err();
    assert!(matches!(error.problem, ClusterProblem::Unreachable(_)), "{error}");
    assert!(script.done(), "three attempts");
}

#[test]
fn a_body_that_is_not_of_its_type_is_told_at_once() {
    let words = "failed to create typed patch object (web/front; apps/v1, Kind=Deployment): \
                 .spec.replica: field not declared in schema";
    let script = Script::new([status(500, "", words, Value::Null)]);
    let error = run(async {
        script.cluster().apply(&deployment(), &json!({}), &WriteMode::Any, true).await
    });
    assert_eq!(error.unwrap_err().problem, ClusterProblem::Invalid(words.to_owned()));
    assert!(script.done());
}

#[test]
fn a_missing_object_is_none_only_if_its_kind_is_served() {
    let missing = status(404, "NotFound", "gone", json!({"name": "front"}));
    let script = Script::new([missing]);
    assert_eq!(run(async { script.cluster().get(&deployment()).await }).unwrap(), None);

    let gadget = ObjectRef::new(&KindRef::new("x.test/v1", "Gadget"), None, "g");
    let served = json!({"resources": [{"name": "gadgets", "kind": "Gadget", "namespaced": false}]});
    // Discovered, then its definition goes: the path itself is unknown.
    let script = Script::new([
        Say::Json(200, served.clone()),
        Say::Text(404, "404 page not found"),
        Say::Text(404, "404 page not found"),
    ]);
    let error = run(async { script.cluster().get(&gadget).await }).unwrap_err();
    assert!(matches!(error.problem, ClusterProblem::NoKind(_)), "{error}");

    // Unknown at first, served later in the same run.
    let script = Script::new([Say::Text(404, "no"), Say::Json(200, served)]);
    run(async {
        let cluster = script.cluster();
        let kind = gadget.kind_ref();
        let error = cluster.namespaced(&kind).await.unwrap_err();
        assert_eq!(error.problem, ClusterProblem::NoKind("Gadget (x.test/v1)".into()));
        assert!(!cluster.namespaced(&kind).await.unwrap());
        assert!(!cluster.namespaced(&kind).await.unwrap(), "remembered");
        let scale = KindRef::new("apps/v1", "Scale");
        assert!(cluster.namespaced(&scale).await.is_err(), "subresources are no kinds");
    });
}

#[test]
fn lists_go_through_all_pages_and_start_over_when_a_page_expires() {
    let page = |names: &[&str], next: &str| {
        let items: Vec<Value> =
            names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        Say::Json(200, json!({"items": items, "metadata": {"continue": next}}))
    };
    let expired = || status(410, "Expired", "too old", json!({}));
    let script =
        Script::new([page(&["old"], "t/1"), expired(), page(&["a", "b"], "t/2"), page(&["c"], "")]);
    let labels = [("app".to_owned(), "web".to_owned()), ("x/y".to_owned(), "z".to_owned())];
    let kind = KindRef::new("apps/v1", "Deployment");
    let found = run(async { script.cluster().list(&kind, Some("web"), &labels).await }).unwrap();
    let names: Vec<&str> =
        found.iter().filter_map(|item| at(item, "/metadata/name")?.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"], "nothing of the first go");
    assert_eq!(
        (&found[0]["apiVersion"], &found[0]["kind"]),
        (&json!("apps/v1"), &json!("Deployment"))
    );
    let first = "GET /apis/apps/v1/namespaces/web/deployments\
                 ?limit=500&labelSelector=app%3Dweb%2Cx%2Fy%3Dz";
    let lines = script.lines();
    assert_eq!(lines[0], first);
    assert_eq!(lines[3], format!("{first}&continue=t%2F2"));

    let script = Script::new([expired(), expired(), expired(), expired()]);
    let error = run(async { script.cluster().list(&kind, None, &[]).await }).unwrap_err();
    assert!(matches!(error.problem, ClusterProblem::Unreachable(_)), "{error}");

    let script = Script::new([page(&["a"], "t"), status(403, "Forbidden", "no", json!({}))]);
    let error = run(async { script.cluster().list(&kind, None, &[]).await }).unwrap_err();
    assert_eq!(error.problem, ClusterProblem::Forbidden("no".into()), "no part of a list");
}

#[test]
fn what_the_server_says_about_a_secret_is_not_passed_on() {
    let echo = || status(422, "Invalid", "data.key: \"hunter2\" is not base64", json!({}));
    let script = Script::new([echo(), echo(), echo()]);
    run(async {
        let cluster = script.cluster();
        let body = json!({"data": {"key": "hunter2"}});
        let kind = secret().kind_ref();
        for error in [
            cluster.apply(&secret(), &body, &WriteMode::CreateOnly, false).await.unwrap_err(),
            cluster.get(&secret()).await.unwrap_err(),
            cluster.list(&kind, Some("web"), &[]).await.unwrap_err(),
        ] {
            assert!(error.to_string().ends_with("Invalid (code 422)"), "{error}");
        }
    });
}

#[test]
fn deletes_carry_uid_and_version() {
    let gone = || status(404, "NotFound", "gone", json!({"name": "front"}));
    let moved = status(409, "Conflict", "the UID in the precondition", json!({}));
    let script = Script::new([Say::Json(200, json!({})), gone(), moved, Say::Break]);
    let problems: Vec<Option<ClusterProblem>> = run(async {
        let cluster = script.cluster();
        let mut problems = Vec::new();
        for _ in 0..4 {
            let deleted = cluster.delete(&deployment(), "u1", "42").await;
            problems.push(deleted.err().map(|error| error.problem));
        }
        problems
    });
    assert_eq!(problems[0], None);
    assert!(matches!(problems[1], Some(ClusterProblem::Missing(_))), "{problems:?}");
    assert!(matches!(problems[2], Some(ClusterProblem::Stale(_))), "{problems:?}");
    assert!(matches!(problems[3], Some(ClusterProblem::Unknown(_))), "{problems:?}");
    let (line, body) = script.asked.lock().unwrap()[0].clone();
    assert_eq!(line, "DELETE /apis/apps/v1/namespaces/web/deployments/front");
    assert_eq!(body["preconditions"], json!({"uid": "u1", "resourceVersion": "42"}));
}

#[test]
fn rights_are_asked_for_by_resource() {
    let verdict = |allowed: bool| Say::Json(201, json!({"status": {"allowed": allowed}}));
    let script = Script::new([verdict(true), verdict(false), Say::Json(201, json!({}))]);
    let kind = KindRef::new("apps/v1", "Deployment");
    let access = Access { verb: "patch", kind, part: None, namespace: Some("web".into()) };
    run(async {
        let cluster = script.cluster();
        assert!(cluster.may(&access).await.unwrap());
        assert!(!cluster.may(&access).await.unwrap());
        assert!(cluster.may(&access).await.is_err(), "no verdict is no yes");
    });
    let attributes = script.asked.lock().unwrap()[0].1["spec"]["resourceAttributes"].clone();
    let wanted = json!({"verb": "patch", "group": "apps", "version": "v1",
                        "resource": "deployments", "namespace": "web"});
    assert_eq!(attributes, wanted);
}

#[test]
fn evictions_carry_the_uid_and_a_budgets_word_comes_back_at_once() {
    let held = || {
        let cause = json!({"reason": "DisruptionBudget", "message": "needs 5 and has 5"});
        status(429, "TooManyRequests", "Cannot evict pod", json!({"causes": [cause]}))
    };
    let gone = status(404, "NotFound", "gone", json!({"name": "a"}));
    let moved = status(409, "Conflict", "the UID in the precondition", json!({}));
    let busy = status(429, "TooManyRequests", "slow down", json!({}));
    let done = || Say::Json(201, json!({}));
    let script = Script::new([done(), held(), gone, moved, Say::Break, busy, done(), held()]);
    let pod = ObjectRef::new(&KindRef::new("v1", "Pod"), Some("web"), "a");
    let problems: Vec<Option<ClusterProblem>> = run(async {
        let cluster = script.cluster();
        let mut problems = Vec::new();
        for dry_run in [false, false, false, false, false, false, true] {
            let evicted = cluster.evict(&pod, "u1", dry_run).await;
            problems.push(evicted.err().map(|error| error.problem));
        }
        problems
    });
    assert_eq!(problems[0], None);
    assert_eq!(problems[1], Some(ClusterProblem::Budget("needs 5 and has 5".into())));
    assert!(matches!(problems[2], Some(ClusterProblem::Missing(_))), "{problems:?}");
    assert!(matches!(problems[3], Some(ClusterProblem::Stale(_))), "{problems:?}");
    assert!(matches!(problems[4], Some(ClusterProblem::Unknown(_))), "{problems:?}");
    assert_eq!(problems[5], None, "too many requests are asked again");
    assert!(matches!(problems[6], Some(ClusterProblem::Budget(_))), "{problems:?}");
    let asked = script.asked.lock().unwrap();
    assert_eq!(asked.len(), 8, "a budget is not asked a second time");
    let (line, body) = &asked[0];
    assert_eq!(line, "POST /api/v1/namespaces/web/pods/a/eviction");
    assert_eq!(body["deleteOptions"], json!({"preconditions": {"uid": "u1"}}));
    assert_eq!(asked[7].1["deleteOptions"]["dryRun"], json!(["All"]));
}

/// The server's words, and the pod's own name before them.
#[test]
fn an_eviction_that_is_not_allowed_names_verb_resource_and_pod() {
    let words = "pods \"a\" is forbidden: User \"u\" cannot create resource \"pods/eviction\" in \
                 API group \"\" in the namespace \"web\"";
    let script = Script::new([status(403, "Forbidden", words, json!({"name": "a"}))]);
    let pod = ObjectRef::new(&KindRef::new("v1", "Pod"), Some("web"), "a");
    let error = run(async { script.cluster().evict(&pod, "u1", false).await.unwrap_err() });
    assert_eq!(error.problem, ClusterProblem::Forbidden(words.into()));
    assert!(error.to_string().contains("Pod/web/a"), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(script.asked.lock().unwrap().len(), 1, "it is not asked a second time");
}

#[test]
fn a_right_to_a_part_of_a_kind_is_asked_for_by_its_name() {
    let script = Script::new([Say::Json(201, json!({"status": {"allowed": true}}))]);
    let kind = KindRef::new("v1", "Pod");
    let part = Some("eviction");
    let access = Access { verb: "create", kind, part, namespace: Some("web".into()) };
    assert!(run(async { script.cluster().may(&access).await.unwrap() }));
    let attributes = script.asked.lock().unwrap()[0].1["spec"]["resourceAttributes"].clone();
    assert_eq!(attributes["subresource"], "eviction");
    assert_eq!(attributes["resource"], "pods");
}

#[test]
fn requests_that_cannot_be_meant_are_never_sent() {
    let script = Script::new([]);
    run(async {
        let cluster = script.cluster();
        let node = ObjectRef::new(&KindRef::new("v1", "Node"), Some("web"), "n");
        assert!(cluster.get(&node).await.is_err(), "a node has no namespace");
        let write = cluster.apply(&deployment(), &json!({}), &WriteMode::Any, false).await;
        assert!(matches!(write.unwrap_err().problem, ClusterProblem::Invalid(_)));
    });
    assert!(script.lines().is_empty());
}

#[test]
fn the_clock_is_the_servers_and_asks_only_when_it_has_heard_nothing() {
    const DATE: &[(&str, &str)] =
        &[("date", "Sat, 21 Nov 2026 10:00:00 GMT"), ("warning", "299 - \"old kind\"")];
    const EARLIER: &[(&str, &str)] = &[("date", "Sat, 21 Nov 2026 09:59:00 GMT")];
    let observer = Observer::default();
    let script = Script::new([
        Say::With(403, DATE, json!({})),
        Say::With(200, EARLIER, json!({"kind": "Deployment"})),
    ]);
    run(async {
        let client = script.client(&observer);
        let clock = ApiServerClock::new(client.clone(), observer.clone());
        let start: jiff::Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let first = clock.now().await.unwrap();
        assert!((0..3).contains(&(first.as_second() - start.as_second())), "{first}");
        KubeCluster::new(client).get(&deployment()).await.unwrap();
        let later = clock.wait(Duration::from_millis(1100), false).await.unwrap();
        let passed = later.as_second() - start.as_second();
        assert!((1..4).contains(&passed), "one second of sleep, never back: {later}");
    });
    assert_eq!(script.lines()[0], "GET /version");
    assert_eq!(script.lines().len(), 2, "a fresh Date is not asked for again");
    assert_eq!(observer.take_warnings(), ["old kind"]);

    let script = Script::new([Say::Json(200, json!({}))]);
    let silent = run(async {
        let observer = Observer::default();
        ApiServerClock::new(script.client(&observer), observer.clone()).now().await
    });
    assert!(silent.unwrap_err().to_string().contains("no Date header"));
}

/// A kubeconfig file with one context `here`.
fn kubeconfig(dir: &tempfile::TempDir, cluster: &str) -> std::path::PathBuf {
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{{cluster}}}\n\
         contexts:\n- name: here\n  context: {{cluster: c}}\n"
    );
    let path = dir.path().join("config");
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(&path, text).unwrap();
    path
}

fn context(name: &str) -> ClusterRef {
    ClusterRef::Context(name.to_owned())
}

#[test]
fn connections_that_check_nobodys_identity_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (cluster, wanted) in [
        ("server: https://10.0.0.1, insecure-skip-tls-verify: true", "insecure-skip-tls-verify"),
        ("server: http://10.0.0.1:8080", "not https"),
        ("server: http://localhost.evil.test", "not https"),
    ] {
        let path = kubeconfig(&dir, cluster);
        let error =
            run(connect(&context("here"), Some(&path), &Veil::new())).err().unwrap().to_string();
        assert!(error.contains("refused") && error.contains(wanted), "{error}");
    }
    let path = kubeconfig(&dir, "server: http://127.0.0.1:1");
    let error =
        run(connect(&context("there"), Some(&path), &Veil::new())).err().unwrap().to_string();
    assert!(error.contains("\"there\""), "{error}");
    assert!(run(async { connect(&context("here"), Some(&path), &Veil::new()).await.is_ok() }));
}

#[test]
fn credentials_of_a_kubeconfig_are_known_as_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let text = "apiVersion: v1\nkind: Config\nclusters:\n- {name: c, cluster: {server: \
                'https://127.0.0.1:1'}}\ncontexts:\n- {name: here, context: {cluster: c, user: u}}\n\
                users:\n- {name: u, user: {token: a-token-of-an-operator}}\n";
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(&path, text).unwrap();
    let veil = Veil::new();
    assert!(run(async { connect(&context("here"), Some(&path), &veil).await.is_ok() }));
    let said = veil.text("the server said: a-token-of-an-operator is no token");
    assert_eq!(said.as_str(), "the server said: <redacted> is no token");
}

#[test]
fn what_a_server_repeats_of_a_secret_is_hidden_before_anybody_reads_it() {
    let causes = json!({"causes": [{"field": "metadata.labels", "message": "value-of-a-secret"}]});
    let script = Script::new([status(422, "Invalid", "label: \"value-of-a-secret\"", causes)]);
    let veil = Veil::new();
    veil.learn("value-of-a-secret");
    let error = run(async {
        script.cluster().veiled(veil).get(&deployment()).await.unwrap_err().to_string()
    });
    assert!(error.contains("<redacted>") && !error.contains("value-of-a-secret"), "{error}");
}

/// Answers discovery on a real socket, then lets `fate` have the listener.
fn server(
    fate: impl FnOnce(TcpListener) + Send + 'static,
) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4096]).unwrap();
        let body = "{\"resources\":[{\"name\":\"deployments\",\"kind\":\"Deployment\",\
                    \"namespaced\":true}]}";
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
             date: Sat, 21 Nov 2026 10:00:00 GMT\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(body.as_bytes()).unwrap();
        drop(socket);
        fate(listener);
    });
    (format!("server: http://{address}"), thread)
}

#[test]
fn on_a_real_socket_a_write_that_never_left_is_told_from_one_that_did() {
    let dir = tempfile::tempdir().unwrap();
    let write = |cluster: &str, thread: std::thread::JoinHandle<()>, wait: bool| {
        let path = kubeconfig(&dir, cluster);
        run(async {
            let connected = connect(&context("here"), Some(&path), &Veil::new()).await.unwrap();
            let kind = KindRef::new("apps/v1", "Deployment");
            assert!(connected.cluster.namespaced(&kind).await.unwrap());
            let now = connected.clock.now().await.unwrap();
            assert_eq!(now.to_string().get(..16), Some("2026-11-21T10:00"));
            if wait {
                thread.join().unwrap();
            }
            let body = json!({});
            let done = connected.cluster.apply(&deployment(), &body, &read_before(), false).await;
            done.unwrap_err().problem
        })
    };
    let (cluster, thread) = server(drop);
    let problem = write(&cluster, thread, true);
    assert!(matches!(problem, ClusterProblem::Unreachable(_)), "refused at connect: {problem}");

    let (cluster, thread) = server(|listener| {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4096]).unwrap();
    });
    let problem = write(&cluster, thread, false);
    assert!(matches!(problem, ClusterProblem::Unknown(_)), "read and never answered: {problem}");
}
