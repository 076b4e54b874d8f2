//! Rules against the vectors of testdata/traffic, subsets, and statuses.

use super::*;
use crate::core::model::Limits;
use crate::core::object::at;
use crate::core::traffic::{
    Acceptance, Apart, HeaderChange, Label, Match, Split, Weight, acceptance, backends, confirms,
    lay,
};
use crate::core::yaml;
use serde::de::DeserializeOwned;
use serde_json::json;

const VECTORS: &str = include_str!("../../../../testdata/traffic/istio.yaml");

fn of<T: DeserializeOwned + Default>(case: &Value, field: &str) -> T {
    case.get(field).cloned().map(serde_json::from_value).transpose().unwrap().unwrap_or_default()
}

fn share(case: &Value) -> Split {
    Split {
        service: Label::new("web").unwrap(),
        source: 1,
        target: 2,
        weight: Weight::new(of(case, "weight")),
        matches: of::<Vec<Match>>(case, "matches"),
        headers: of::<HeaderChange>(case, "headers"),
        mixed: of(case, "mixed"),
        alike: false,
        apart: false,
    }
}

fn rendered(case: &Value) -> Value {
    let mut spec = json!({"hosts": ["shop.example"], "gateways": ["edge"]});
    for section in ["http", "tls", "tcp"] {
        if let Some(rules) = case.get(section) {
            spec[section] = rules.clone();
        }
    }
    json!({
        "apiVersion": VERSIONS[0], "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": spec,
    })
}

fn subsets() -> Subsets {
    Subsets { stable: "stable".to_owned(), canary: "canary".to_owned() }
}

#[test]
fn every_vector_gives_what_it_says() {
    let documents = yaml::parse("", VECTORS.as_bytes(), &Limits::default()).unwrap();
    let cases = documents[0].root.to_value();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() > 20, "{}", cases.len());
    for case in cases {
        let about = case["about"].as_str().unwrap();
        let (body, split) = (rendered(case), share(case));
        let subsets = Some(subsets()).filter(|_| of(case, "subsets"));
        let rules = Rules { names: of(case, "rules"), subsets };
        let found = shared(&body, &split, &rules);
        if let Some(words) = case.get("refused") {
            let why = found.expect_err(about);
            assert!(why.contains(words.as_str().unwrap()), "{about}: {why}");
            continue;
        }
        let fields = found.unwrap_or_else(|why| panic!("{about}: {why}"));
        assert_eq!(fields["spec"], case["gives"], "{about}");
        let mut live = body.clone();
        lay(&mut live, &fields);
        assert_eq!(live["spec"]["gateways"], body["spec"]["gateways"], "{about}");
        assert_eq!(confirms(&live, &split, Some(&body), Some(&fields)), Ok(()), "{about}");
        let rest = Split { weight: None, ..split };
        assert!(confirms(&live, &rest, Some(&body), None).is_err(), "{about}");
        assert_eq!(confirms(&body, &rest, Some(&body), None), Ok(()), "{about}");
    }
}

#[test]
fn services_are_found_by_every_form_of_their_host() {
    let case = json!({
        "http": [{"route": [{"destination": {"host": "web.shop.svc"}}]}, {"redirect": {}}],
        "tls": [{"route": [{"destination": {"host": "api"}}, {"destination": {"host": "x.far"}}]}],
        "tcp": [{"route": [{"destination": {"host": "db.shop.svc.cluster.local"}}]}],
    });
    assert_eq!(backends(&rendered(&case)), ["api", "db", "web"]);
    let rule = json!({
        "apiVersion": VERSIONS[2], "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"host": "web.shop.svc"},
    });
    assert_eq!(backends(&rule), ["web"]);
}

fn destination_rule() -> Value {
    json!({
        "apiVersion": VERSIONS[1], "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "host": "web",
            "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
            "subsets": [
                {"name": "other", "labels": {"a": "b"}},
                {"name": "canary", "labels": {"app": "web"}, "trafficPolicy": {"x": 1}},
                {"name": "stable"},
            ],
        },
    })
}

fn apart() -> Apart {
    Apart { key: "rev", left: "web-v1".to_owned(), reached: "web-v2".to_owned() }
}

#[test]
fn subsets_are_narrowed_and_nothing_else_is_touched() {
    let pods = json!({"app": "web", "tier": "front"});
    let fields = pinned(&destination_rule(), &subsets(), &apart(), Some(&pods)).unwrap();
    assert_eq!(
        fields,
        json!({"spec": {"subsets": [
            {"name": "other", "labels": {"a": "b"}},
            {"name": "canary", "labels": {"app": "web", "rev": "web-v2"},
             "trafficPolicy": {"x": 1}},
            {"name": "stable", "labels": {"rev": "web-v1"}},
        ]}})
    );
}

#[test]
fn subsets_that_would_reach_nobody_are_refused() {
    let refused = |rule: &Value| pinned(rule, &subsets(), &apart(), Some(&json!({"app": "web"})));
    let mut rule = destination_rule();
    rule["spec"]["subsets"][1]["labels"]["version"] = json!("canary");
    assert!(refused(&rule).unwrap_err().contains("pods with version=canary"));
    rule["spec"]["subsets"] = json!([{"name": "stable"}]);
    assert_eq!(refused(&rule).unwrap_err(), "has no subset canary; it has stable");
    rule["spec"].as_object_mut().unwrap().remove("subsets");
    assert_eq!(refused(&rule).unwrap_err(), "has no subset stable; it has none");
}

#[test]
fn a_status_counts_where_it_is_of_the_newest_generation() {
    let object = |status: Value| {
        let mut object = rendered(&json!({}));
        object["metadata"]["generation"] = json!(3);
        object["status"] = status;
        acceptance(&object)
    };
    let said = |status: &str, seen: Value| {
        let reconciled = json!({"type": "Reconciled", "status": status, "message": "1/2 proxies"});
        object(json!({"observedGeneration": seen, "conditions": [reconciled]}))
    };
    assert_eq!(object(Value::Null), Acceptance::Accepted);
    assert_eq!(said("True", json!(3)), Acceptance::Accepted);
    assert_eq!(said("False", json!("2")), Acceptance::Accepted, "it was never written again");
    for seen in [json!(3), json!("3")] {
        assert!(matches!(said("False", seen), Acceptance::Missing(why) if why.contains("1/2")));
    }
    assert_eq!(at(&rendered(&json!({})), "/status"), None);
}
