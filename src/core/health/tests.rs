//! Every kind's rule, from live objects and the verdicts they are to get.

use super::*;
use crate::core::object::KindRef;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    case: String,
    live: Value,
    #[serde(default)]
    now: Option<Timestamp>,
    #[serde(default)]
    partition: Option<u32>,
    #[serde(default)]
    beside: Vec<Value>,
    health: String,
    words: String,
    #[serde(default, rename = "final")]
    is_final: bool,
    #[serde(default)]
    unruled: bool,
    #[serde(default)]
    remarked: bool,
}

const FILES: &[(&str, &str)] = &[
    ("apiservice", include_str!("../../../testdata/health/apiservice.yaml")),
    ("claim", include_str!("../../../testdata/health/claim.yaml")),
    ("cloneset", include_str!("../../../testdata/health/cloneset.yaml")),
    ("crd", include_str!("../../../testdata/health/crd.yaml")),
    ("daemonset", include_str!("../../../testdata/health/daemonset.yaml")),
    ("deployment", include_str!("../../../testdata/health/deployment.yaml")),
    ("existing", include_str!("../../../testdata/health/existing.yaml")),
    ("gateway", include_str!("../../../testdata/health/gateway.yaml")),
    ("job", include_str!("../../../testdata/health/job.yaml")),
    ("other", include_str!("../../../testdata/health/other.yaml")),
    ("pod", include_str!("../../../testdata/health/pod.yaml")),
    ("replicaset", include_str!("../../../testdata/health/replicaset.yaml")),
    ("statefulset", include_str!("../../../testdata/health/statefulset.yaml")),
];

fn object(live: &Value) -> ObjectRef {
    let text = |key: &str| live[key].as_str().unwrap();
    ObjectRef::new(&KindRef::new(text("apiVersion"), text("kind")), Some("default"), "web")
}

#[test]
fn every_kind_has_the_verdicts_of_its_table() {
    let mut faults = Vec::new();
    for (file, text) in FILES {
        let cases: Vec<Case> = serde_yaml::from_str(text).unwrap();
        assert!(cases.len() > 1, "{file}");
        for case in cases {
            let beside: Vec<_> = case.beside.into_iter().map(Arc::new).collect();
            let around = Around {
                now: case.now,
                partition: case.partition,
                beside: &beside,
                ..Around::default()
            };
            let found = health_of(&object(&case.live), &case.live, &around);
            let wanted = (case.health, case.words, case.is_final, case.unruled, case.remarked);
            let remarked = found.remark.is_some();
            let found =
                (found.health.to_string(), found.words, found.is_final, found.unruled, remarked);
            if found != wanted {
                faults.push(format!("{file}: {}\n found {found:?}\nwanted {wanted:?}", case.case));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_kind_with_a_rule_has_a_table_and_waits_for_its_deletion() {
    for (group, kind, _) in KINDS {
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let live = json!({
            "apiVersion": version, "kind": kind,
            "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        let verdict = health_of(&object(&live), &live, &Around::default());
        assert_eq!(verdict.health, Health::Terminating, "{kind}");
        let told = FILES.iter().any(|(_, text)| text.contains(&format!("kind: {kind}")));
        assert!(told, "testdata/health has no {kind}");
    }
}

fn expression(source: &str) -> Expression {
    Expression::parse(source).unwrap()
}

fn rule(in_progress: Option<&str>, failed: Option<&str>, current: &str) -> Rule {
    Rule {
        kind: KindRef::new("example.com/v1", "Widget"),
        in_progress: in_progress.map(expression),
        failed: failed.map(expression),
        current: expression(current),
    }
}

fn judged(rule: &Rule, live: &Value) -> (Health, String) {
    let around = Around { rules: std::slice::from_ref(rule), ..Around::default() };
    let verdict = health_of(&object(live), live, &around);
    assert!(!verdict.unruled, "a rule is about it");
    assert_eq!(verdict.is_final, verdict.health == Health::Failed);
    (verdict.health, verdict.words)
}

fn widget(status: &Value) -> Value {
    json!({"apiVersion": "example.com/v1beta1", "kind": "Widget",
           "metadata": {"name": "web", "generation": 3}, "spec": {"size": 3}, "status": status})
}

#[test]
fn a_rule_is_asked_in_the_order_of_flux() {
    let rule = rule(
        Some("status.phase == 'Rolling'"),
        Some("has(status.error)"),
        "status.ready == spec.size && status.conditions.exists(c, c.type == 'Up' && c.status == 'True')",
    );
    let up = json!([{"type": "Up", "status": "True"}]);
    let health = |status: Value| judged(&rule, &widget(&status)).0;
    assert_eq!(
        health(json!({"phase": "Rolling", "error": "x", "ready": 3, "conditions": up})),
        Health::InProgress
    );
    assert_eq!(
        health(json!({"phase": "Up", "error": "x", "ready": 3, "conditions": up})),
        Health::Failed
    );
    assert_eq!(health(json!({"phase": "Up", "ready": 3, "conditions": up})), Health::Current);
    assert_eq!(health(json!({"phase": "Up", "ready": 2, "conditions": up})), Health::InProgress);
    let stale = json!({"phase": "Up", "ready": 3, "conditions": up, "observedGeneration": 2});
    assert_eq!(health(stale), Health::InProgress, "it is about an older generation");
}

#[test]
fn what_cannot_be_evaluated_is_unknown_and_says_no_value() {
    let secret = json!({"token": "c2VjcmV0", "n": 1});
    let words = |current: &str, status: &Value| judged(&rule(None, None, current), &widget(status));
    let (health, said) = words("status.ready", &json!({}));
    assert_eq!(health, Health::Unknown);
    assert_eq!(said, "its rule's `current` cannot be evaluated: there is no `ready`");
    let mut none = widget(&json!({}));
    none.as_object_mut().unwrap().remove("status");
    let (_, said) = judged(&rule(None, None, "status.ready"), &none);
    assert_eq!(said, "its rule's `current` cannot be evaluated: there is no `status`");
    for source in [
        "status.token > 3",
        "status[status.token]",
        "status.token + 1 == 2",
        "int(status.token) == 1",
        "status.token",
        "-status.token == 1",
    ] {
        let (health, said) = words(source, &secret);
        assert_eq!(health, Health::Unknown, "{source}");
        assert!(!said.contains("c2Vj"), "{said}");
    }
    // The first that cannot be evaluated ends it, as in Flux.
    let failing = rule(Some("status.phase == 'x'"), Some("true"), "true");
    assert_eq!(judged(&failing, &widget(&json!({}))).0, Health::Unknown);
}

#[test]
fn the_expressions_that_people_have_for_flux_are_read() {
    let ready = "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')";
    let live = |status: &str| {
        widget(
            &json!({"conditions": [{"type": "Ready", "status": status}], "observedGeneration": 3}),
        )
    };
    for source in [
        ready,
        "has(status.conditions) && status.conditions.exists_one(e, e.type == 'Ready' && e.status == 'True')",
        "size(status.conditions.filter(e, e.status == 'True').map(e, e.type)) == 1",
        "status.?missing.orValue(true) && status.conditions[0].status == 'True'",
        "'True' in status.conditions.map(e, e.status) && metadata.generation == status.observedGeneration",
        "status.conditions[0].status.startsWith('T') ? true : false",
        "kind == 'Widget' && apiVersion.endsWith('beta1') && status.conditions[0].status != \"False\"",
    ] {
        assert_eq!(judged(&rule(None, None, source), &live("True")).0, Health::Current, "{source}");
        assert_eq!(
            judged(&rule(None, None, source), &live("False")).0,
            Health::InProgress,
            "{source}"
        );
    }
}

#[test]
fn what_is_no_expression_is_refused_with_its_cause() {
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let dense = "![{".repeat(40);
    let nested = "a.all(x, b.all(y, c.all(z, x + y + z > 0)))";
    let long = format!("a == '{}'", "x".repeat(3_000));
    let parts = vec!["a"; 400].join("+");
    for (source, cause) in [
        ("status.ready ==", "not a CEL expression: "),
        ("", "not a CEL expression: "),
        ("a.matches('b')", "`matches` is no function here"),
        ("now() > a", "`now` is no function here"),
        ("Some{a: 1}", "messages are not built here"),
        (deep.as_str(), "not a CEL expression: "),
        (dense.as_str(), "not a CEL expression: "),
        (nested, "3 macros over lists or maps stand in each other"),
        (long.as_str(), "the expression has 3007 bytes"),
        (parts.as_str(), "the expression has 799 parts"),
    ] {
        let error = Expression::parse(source).unwrap_err();
        assert!(error.why.starts_with(cause), "{source}: {}", error.why);
        assert!(!error.why.contains('\n'), "{}", error.why);
    }
}

#[test]
fn an_expression_at_its_limits_ends() {
    let wide = vec!["a.b"; 160].join("||");
    let deep = format!("{}true{}", "(".repeat(30), ")".repeat(30));
    let chain = format!("1{} == 240", "+1".repeat(239));
    for source in [wide, deep, chain] {
        let rule = rule(None, None, &source);
        assert_ne!(judged(&rule, &widget(&json!({}))).0, Health::Failed);
    }
    let list: Vec<u32> = (0..20_000).collect();
    let live = widget(&json!({"all": list}));
    let squared = rule(None, None, "status.all.all(x, status.all.all(y, x + y >= 0))");
    let (health, words) = judged(&squared, &live);
    assert_eq!(
        (health, words.as_str()),
        (Health::Unknown, "its rule's `current` is too much work for so large an object")
    );
    let once = rule(None, None, "status.all.all(x, x >= 0)");
    assert_eq!(judged(&once, &live).0, Health::Current);
}

#[test]
fn a_job_removes_itself_no_earlier_than_it_says() {
    let job = |ttl: Value| json!({"spec": {"ttlSecondsAfterFinished": ttl}});
    let after = jiff::SignedDuration::from_secs;
    assert!(removed_itself(&job(json!(60)), after(60)));
    assert!(!removed_itself(&job(json!(60)), after(59)));
    assert!(!removed_itself(&job(Value::Null), after(9_999)));
}

#[test]
fn remarks_name_what_was_not_seen_healthy() {
    let mut live = crate::core::object::Live::default();
    let mut objects = Vec::new();
    for number in 0..7 {
        let kind = KindRef::new("example.com/v1", "Widget");
        let name = ObjectRef::new(&kind, Some("default"), &format!("w{number}"));
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        live.insert(name.clone(), if number == 0 { ready } else { json!({}) });
        objects.push(name);
    }
    let said = remarks(objects.iter(), &live, &Around::default()).unwrap();
    assert!(said.starts_with("Widget/default/w1: health unknown, it has no conditions"), "{said}");
    assert!(said.ends_with("; and 1 more"), "{said}");
    assert_eq!(remarks(objects.iter().take(1), &live, &Around::default()), None);
}

/// Pieces that make expressions, or nearly.
const PIECES: &[&str] = &[
    "status",
    ".all",
    "spec",
    ".map(x, ",
    ".exists(c, ",
    ".filter(y, ",
    "has(",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "!",
    "-",
    "?",
    ":",
    ".?",
    "[?",
    "==",
    "&&",
    "||",
    "+",
    "%",
    "in",
    "1",
    "0",
    "'a'",
    "\"",
    "x",
    "c.type",
    ",",
    "size(",
    "int(",
    "true",
    "null",
    " ",
    "\\",
    "u",
    "9223372036854775807",
];

/// Expressions of any form, whatever their types.
fn expressions() -> impl Strategy<Value = String> {
    let leaves = [
        "status",
        "status.all",
        "spec.size",
        "x",
        "y",
        "1",
        "-9223372036854775808",
        "0.5",
        "2u",
        "'a'",
        "b'a'",
        "true",
        "null",
        "[]",
        "{}",
        "missing",
    ];
    let leaf = prop::sample::select(leaves.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, |inner| {
        let operator = prop::sample::select(vec![
            "==", "!=", "<", ">=", "+", "-", "*", "/", "%", "&&", "||", " in ",
        ]);
        let call = prop::sample::select(vec![
            "size",
            "int",
            "uint",
            "double",
            "string",
            "bool",
            "bytes",
            "type",
            "dyn",
            "-",
            "!",
            "optional.of",
            "optional.ofNonZeroValue",
        ]);
        let macros = prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter"]);
        let method = prop::sample::select(vec!["contains", "startsWith", "orValue", "or"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a}{o}{b})")),
            (call, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            (inner.clone(), macros, inner.clone()).prop_map(|(a, m, b)| format!("{a}.{m}(x, {b})")),
            (inner.clone(), method, inner.clone()).prop_map(|(a, m, b)| format!("{a}.{m}({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, ?{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("has({a}.all)")),
            inner.prop_map(|a| format!("{a}.?all.value()")),
        ]
    })
}

fn is_judged(source: &str) -> bool {
    let Ok(current) = Expression::parse(source) else { return false };
    let all = json!([{"type": "a"}, 1, -1, i64::MIN, u64::MAX, "a", null, {"a": [1.5, true]}]);
    let kind = KindRef::new("example.com/v1", "Widget");
    let rule = Rule { kind, in_progress: None, failed: None, current };
    let (health, words) = judged(&rule, &widget(&json!({"all": all})));
    assert!(matches!(health, Health::Current | Health::InProgress | Health::Unknown), "{words}");
    true
}

proptest! {
    /// Nothing that people can write makes the parser panic, or run on and on.
    #[test]
    fn no_text_breaks_the_parser(picked in prop::collection::vec(0..PIECES.len(), 0..60)) {
        is_judged(&picked.iter().map(|piece| PIECES[*piece]).collect::<String>());
    }

    /// What is read can be evaluated, whatever the types that meet.
    #[test]
    fn no_expression_breaks_the_interpreter(source in expressions()) {
        is_judged(&source);
    }
}

#[test]
fn numbers_at_their_ends_are_errors_and_no_panics() {
    for source in [
        "(status.low / -1) == 1",
        "(status.low % -1) == 1",
        "-status.low == 1",
        "status.low - 1 < 0",
        "status.low * 2 < 0",
        "1 / 0 == 1",
        "1 % 0 == 1",
        "0u - 1u == 1u",
        "status.high + 1 > 0",
        "int(1e300) == 1",
        "uint(-1.0) == 1u",
        "[1][-1] == 1",
        "[1][status.low] == 1",
    ] {
        let live = widget(&json!({"low": i64::MIN, "high": u64::MAX}));
        let (health, _) = judged(&rule(None, None, source), &live);
        assert_eq!(health, Health::Unknown, "{source}");
    }
}

#[test]
fn the_expressions_that_are_made_up_are_mostly_read() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let made =
        (0..200).filter(|_| is_judged(&expressions().new_tree(&mut runner).unwrap().current()));
    assert!(made.count() > 100);
}
