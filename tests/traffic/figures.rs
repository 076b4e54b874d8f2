//! That the laboratory's figures are true: shares are what the route says, what
//! is lost is counted, and a verdict on a careless rollout is a refusal.

use crate::by_hand::{Versions, follow, settle};
use crate::scene::turn;
use crate::verdict::{ENOUGH, nothing_lost, only_failures_of, shares};
use tranche_lab::traffic::Requests;

/// The order in which the product does it, by hand: first the weight, then the
/// old pods.
#[test]
fn shares_are_what_the_route_says_and_the_right_order_loses_nothing() {
    let (lab, _turn) = turn();
    let versions = Versions::ready(lab, "weights", (80, 20));
    let mut load = versions.load();
    load.stage("80/20").unwrap();
    load.answered(ENOUGH).unwrap();
    load.stage("moving").unwrap();
    versions.weigh((0, 100));
    follow();
    versions.scale("v1", 0);
    settle();
    load.stage("0/100").unwrap();
    load.answered(ENOUGH).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(nothing_lost(&report, 2 * ENOUGH), Ok(()));
    assert_eq!(shares(&report, "80/20", &[("v1", 80.0), ("v2", 20.0)]), Ok(()));
    assert!((report.stage("80/20").unwrap().share("v2") - 20.0).abs() < 1.0);
    assert_eq!(shares(&report, "0/100", &[("v2", 100.0)]), Ok(()));
    // And the verdict is not content with any other.
    assert!(shares(&report, "80/20", &[("v1", 75.0), ("v2", 25.0)]).is_err());
    assert!(shares(&report, "80/20", &[("v1", 80.0)]).is_err());
    assert!(shares(&report, "", &[("v1", 80.0), ("v2", 20.0)]).is_err(), "hardly any request");
    assert!(nothing_lost(&report, report.requests + 1).is_err());
    // 500 a second were really sent.
    let (sent, due) = (report.requests, report.end_ms / 2);
    assert!(sent.abs_diff(due) <= 1, "{sent} requests instead of {due}");
}

/// The other order, the one that a rollout must never take. Whoever holds a
/// rollout against `nothing_lost` would see it.
#[test]
fn pods_that_go_before_their_weight_are_a_loss() {
    let (lab, _turn) = turn();
    let versions = Versions::ready(lab, "careless", (100, 0));
    let mut load = versions.load();
    load.stage("served").unwrap();
    load.answered(500).unwrap();
    load.stage("moving").unwrap();
    versions.scale("v1", 0);
    settle();
    load.stage("nobody").unwrap();
    load.answered(ENOUGH).unwrap();
    load.stage("moving").unwrap();
    versions.weigh((0, 100));
    follow();
    load.stage("after").unwrap();
    load.answered(ENOUGH).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(report.stage("served").unwrap().failed(), 0);
    let nobody = report.stage("nobody").unwrap();
    assert_eq!((nobody.failed(), nobody.share("v1")), (nobody.requests, 0.0));
    assert_eq!(shares(&report, "after", &[("v2", 100.0)]), Ok(()));
    assert!(nothing_lost(&report, ENOUGH).is_err());
    assert!(only_failures_of(&report, "v1").is_err(), "no pod gave these answers");
}

#[test]
fn requests_carry_headers_and_pods_tell_them() {
    let (lab, _turn) = turn();
    let versions = Versions::ready(lab, "headers", (100, 0));
    let mut requests = Requests::to(&versions.host());
    requests.headers = vec![("x-mse-tag".into(), "blue".into()), ("x-other".into(), "1".into())];
    requests.echo = "x-mse-tag".into();
    let mut load = lab.load(&requests).unwrap();
    load.answered(100).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(nothing_lost(&report, 100), Ok(()));
    assert!(report.stages.iter().flat_map(|stage| &stage.answers).all(|one| one.echo == "blue"));
}

/// A pod that is running and not ready, without a proxy before it: it answers
/// whoever knows its address, and nobody once it is gone.
#[test]
fn what_gets_no_answer_is_a_failure_and_leaves_no_gap() {
    let (lab, _turn) = turn();
    let namespace = lab.plane().namespace("alone").unwrap();
    let kubectl =
        |arguments: &[&str]| lab.kubectl(&[&["-n", namespace.name()], arguments].concat());
    kubectl(&["run", "web", "--image=shop/web:never1", "--port=8080"]).unwrap();
    kubectl(&["wait", "--for=jsonpath={.status.phase}=Running", "--timeout=60s", "pod/web"])
        .unwrap();
    let ready = kubectl(&["wait", "--for=condition=Ready", "--timeout=1s", "pod/web"]);
    assert!(ready.unwrap_err().to_string().contains("timed out"));
    let address = kubectl(&["get", "pod", "web", "-o", "jsonpath={.status.podIP}:8080"]).unwrap();
    let requests = Requests { address, ..Requests::to("web.example") };
    let mut load = lab.load(&requests).unwrap();
    load.stage("there").unwrap();
    load.answered(500).unwrap();
    load.stage("going").unwrap();
    kubectl(&["delete", "pod", "web", "--grace-period=0", "--force"]).unwrap();
    follow();
    load.stage("gone").unwrap();
    load.answered(500).unwrap();
    let report = load.finish().unwrap();
    let (there, gone) = (report.stage("there").unwrap(), report.stage("gone").unwrap());
    assert_eq!((there.failed(), there.share("never1")), (0, 100.0));
    assert_eq!(gone.failed(), gone.requests);
    assert!(gone.failures.iter().all(|one| one.status == 0), "{gone:?}");
    assert!(report.requests.abs_diff(report.end_ms / 2) <= 1, "{} requests", report.requests);
}
