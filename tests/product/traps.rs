//! What went wrong elsewhere, played against us from outside: a plan, a cluster
//! and somebody who edits. `docs/traps.md` has the whole table; what other tests
//! show already is not shown here again.

use crate::pair::lowest;
use crate::plans::{APPLICATION, ROLLOUT, broken_web, slow_web, web};
use crate::stage::{RECORD, Stage};
use crate::traffic::{
    ROUTE, at_rest, hold_after, live, route, serving, told, traffic_is_served, upgrade, way,
    with_steps,
};
use crate::world::{World, pods};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const OLD: &str = "/apis/apps/v1/namespaces/default/deployments/web-v1";
const OTHER: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: b}\n";

/// `web-v2` by these steps.
fn by(stage: &Stage, steps: &str, more: &[&str]) {
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &with_steps("web-v2", steps, more)),
    ]);
}

/// Every pod that ever ran this version, by its uid.
fn ever(stage: &Stage, tag: &str) -> BTreeSet<String> {
    stage.history().iter().flat_map(|world| running(world, tag)).collect()
}

fn running(world: &World, tag: &str) -> BTreeSet<String> {
    let runs = |pod: &Value| {
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
        image.rsplit(':').next() == Some(tag)
    };
    let pods = world.of_kind("Pod").filter(|(_, pod)| runs(pod));
    pods.map(|(_, pod)| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
}

/// Flagger, where there is a route and neither `stepWeight`, `stepWeights` nor
/// `iterations`: the next weight is 0, for ever, and nobody is told. And its
/// weights overshoot `maxWeight`.
#[test]
fn a_step_that_would_never_advance_is_refused_by_lint() {
    let (application, routes) = (web("6.7.0", 4, &[]), route(&[]));
    let refused = |rollout: &str, why: &str| {
        let stage =
            Stage::with(&[(APPLICATION, &application), (ROLLOUT, rollout), (ROUTE, &routes)]);
        stage.run(&["lint"]).ends(65).says(why);
        stage.apply().ends(65).says(why);
        assert!(stage.repository().find_reference(RECORD).is_err(), "nothing was begun");
    };
    let steps = |steps: &str| with_steps("web-v1", steps, &[]);
    refused(&steps(""), "steps");
    refused(&steps("").replace("      steps: []\n", ""), "steps");
    refused(&steps("{weight: 25}, {pause: {}}"), "moves no traffic");
    refused(&steps("{weight: 25}, {}"), "moves no traffic");
    refused(&steps("{weight: 25}, {weight: 120}"), "120");
    refused(&steps("{weight: \"25\"}"), "weight");
    refused(&steps("{weight: 25, pause: {duration: -5}}"), "duration");
    refused(&steps("{weight: 25, pause: {durations: 5}}"), "durations");
}

/// Argo Rollouts ignores the seconds without a word.
#[test]
fn a_promotion_by_time_and_by_hand_at_once_is_refused() {
    let lines = ["autoPromotionEnabled: false", "autoPromotionSeconds: 30"];
    let rollout = crate::switch::with_lines("web-v1", &lines, &[]);
    let stage = Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &rollout)]);
    stage.run(&["lint"]).ends(65).says("autoPromotionSeconds stands beside an approval");
    stage.apply().ends(65);
}

/// Flagger sends all the rest at once where `stepWeights` no longer has the
/// current weight.
#[test]
fn a_step_list_edited_in_mid_rollout_never_jumps_to_all() {
    let stage = serving();
    let (before, from) = (live(&stage), stage.history().len() - 1);
    hold_after(&stage, "0");
    let here = "v1 75, v2 25";
    for (gone, why) in [
        ("{weight: 50}, {weight: 75}", "has done batches up to 1 pods"),
        ("{weight: 75}", "has done batches up to 1 pods"),
        ("{weight: 10}, {weight: 75}", "other weights in steps that are done"),
    ] {
        by(&stage, gone, &[]);
        let edited = stage.apply_wait().ends(65).says(why);
        assert_eq!(told(&live(&stage)), here, "{gone}: {edited}");
    }
    by(&stage, "", &[]);
    stage.apply_wait().ends(65);
    assert_eq!(told(&live(&stage)), here);
    // One that has it goes on from there, by its next weight and its gate.
    by(&stage, "{weight: 25, replicas: 1}, {weight: 50, pause: {}}", &[]);
    stage.apply_wait().ends(3).says("batch 3 waits for approval");
    assert_eq!(told(&live(&stage)), "v1 50, v2 50");
    stage.run(&["approve", "web"]).ends(0);
    stage.apply_wait().ends(0);
    traffic_is_served(&stage, from);
    at_rest(&stage, &before);
}

/// Flagger copies the proven template onto `primary` and rolls it out a second
/// time, which may fail after all was well.
#[test]
fn pods_that_were_proven_are_the_pods_that_stay() {
    let stage = serving();
    hold_after(&stage, "0");
    let proven = running(&stage.world(), "6.7.1");
    assert_eq!(proven.len(), 1);
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    let stay = running(&stage.world(), "6.7.1");
    assert!(stay.is_superset(&proven), "{proven:?} of {stay:?}");
    assert_eq!(ever(&stage, "6.7.1"), stay, "no pod of it was ever made twice");
}

/// argo-rollouts#4642: `setCanaryScale` in the middle drops the canary's traffic.
#[test]
fn a_scale_only_step_leaves_the_routes_as_they_are() {
    let stage = serving();
    let from = stage.history().len() - 1;
    let steps = "{weight: 25, replicas: 1}, {weight: 25, replicas: 3}, {weight: 75}";
    by(&stage, steps, &["rolloutPlan: {batchPartition: 0}"]);
    stage.apply_wait().ends(3);
    let (before, scaled) = (live(&stage), stage.history().len() - 1);
    by(&stage, steps, &["rolloutPlan: {batchPartition: 1}"]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods()["6.7.1"], 3);
    for world in &stage.history()[scaled..] {
        let route = world.get("HTTPRoute", "web").unwrap();
        assert_eq!(route["spec"], before["spec"]);
        assert_eq!(route["metadata"]["generation"], before["metadata"]["generation"]);
    }
    by(&stage, steps, &[]);
    stage.apply_wait().ends(0);
    traffic_is_served(&stage, from);
}

/// argo-rollouts#3941: while pods are not ready the weight is that of the plan's
/// step before, which may never have been reached.
#[test]
fn a_weight_is_held_at_what_was_reached_whatever_the_plan_says_since() {
    let stage = serving();
    let from = stage.history().len() - 1;
    let steps = "{weight: 25, replicas: 1}, {weight: 75}, {weight: 100}";
    let slow = with_steps("web-v2", steps, &["rolloutPlan: {batchPartition: 0}"]);
    stage.commit(&[(APPLICATION, &slow_web("6.7.1")), (ROLLOUT, &slow)]);
    stage.apply_wait().ends(3).says("batchPartition");
    let reached = live(&stage)["spec"].clone();
    stage.commit(&[(ROLLOUT, &with_steps("web-v2", steps, &[]))]);
    stage.apply().ends(3);
    assert_eq!(stage.world().sizes("Deployment")["web-v2"], 3, "the next step is under way");
    // The step that is under way is edited, and a run is killed in it.
    let other = "{weight: 25, replicas: 1}, {weight: 50}, {weight: 100}";
    stage.commit(&[(ROLLOUT, &with_steps("web-v2", other, &[]))]);
    let mut run = stage.start(&["apply"]);
    std::thread::sleep(std::time::Duration::from_millis(30));
    run.kill().unwrap();
    run.wait().unwrap();
    stage.rests();
    let waits = |world: &World| world.ready_pods().get("6.7.1").copied().unwrap_or(0) < 3;
    let history = stage.history();
    let routes = history[from..].iter().filter(|world| waits(world));
    for route in routes.filter_map(|world| world.get("HTTPRoute", "web")) {
        assert!(["web 1", "v1 100, v2 0", "v1 75, v2 25"].contains(&told(route).as_str()));
    }
    assert_eq!(live(&stage)["spec"], reached);
    // It ends as it began; that the plan says otherwise now is an error.
    stage.apply_wait().ends(65).says("has done batches up to 1, 3 pods");
    assert_eq!(told(&live(&stage)), "v1 25, v2 75");
    stage.commit(&[(ROLLOUT, &with_steps("web-v2", steps, &[]))]);
    stage.apply_wait().ends(0);
    traffic_is_served(&stage, from);
}

/// argo-rollouts#3941: an earlier revision within `rollbackWindow` skips every
/// step, and gets all traffic while its pods still start. Here it goes the way of
/// any other revision: steps and gates hold, since nobody knows that it still
/// works with what has changed since. Quick ways are `approve --all-gates`, and an
/// abort as long as the rollout is not over.
#[test]
fn an_earlier_revision_gets_its_pods_first_and_differs_by_keeping_its_steps() {
    let steps = "{weight: 25, pause: {}}, {weight: 100}";
    let stage = Stage::with(&[
        (APPLICATION, &slow_web("6.7.0")),
        (ROLLOUT, &with_steps("web-v1", steps, &[])),
        (ROUTE, &route(&[])),
    ]);
    stage.apply_wait().ends(0);
    let before = live(&stage);
    by(&stage, "{weight: 100}", &[]);
    stage.apply_wait().ends(0);
    let from = stage.history().len() - 1;
    stage
        .commit(&[(APPLICATION, &slow_web("6.7.0")), (ROLLOUT, &with_steps("web-v1", steps, &[]))]);
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 1), ("6.7.1", 3)]));
    stage.run(&["approve", "web"]).ends(0);
    stage.apply_wait().ends(0);
    traffic_is_served(&stage, from);
    at_rest(&stage, &before);
}

/// argo-rollouts#2929 and #3578: after an abort the controller tries again by
/// itself, or the next change of something else does not get through.
#[test]
fn nothing_retries_after_an_abort_and_what_else_changes_gets_through() {
    let stage = serving();
    let before = live(&stage);
    hold_after(&stage, "0");
    let attempt = stage.rollout("web")["attempt"].as_u64().unwrap();
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    let (tip, instants) = (stage.tip(), stage.history().len());
    for _ in 0..3 {
        stage.pass(600);
        stage.apply().ends(4).says("tranche retry web");
    }
    assert_eq!((stage.tip(), stage.rollout("web")["attempt"].as_u64()), (tip, Some(attempt)));
    stage.commit(&[("other.yaml", OTHER)]);
    by(&stage, "{weight: 25, replicas: 1}, {weight: 60, pause: {}}", &[]);
    stage.apply_wait().ends(4);
    assert!(stage.world().get("ConfigMap", "other").is_some());
    assert_eq!(stage.rollout("web")["attempt"].as_u64(), Some(attempt));
    for world in &stage.history()[instants..] {
        assert_eq!(world.sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    }
    at_rest(&stage, &before);
}

/// Somebody else's scale of the old side, such as an autoscaler's.
fn shrunk(stage: &Stage, size: u32) {
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment",
                      "metadata": {"name": "web-v1"}, "spec": {"replicas": size}});
    stage.meddle(OLD, &body);
    stage.pass(30);
}

/// flagger#1600 and #869, argo-rollouts#2857: an autoscaler makes the stable side
/// smaller while the canary has its share, and the next move floods it.
#[test]
fn an_autoscaler_that_shrank_the_stable_side_holds_the_next_weight() {
    let stage = serving();
    hold_after(&stage, "0");
    shrunk(&stage, 1);
    by(&stage, "{weight: 25, replicas: 1}, {weight: 50}, {weight: 75}", &[]);
    let ran = stage.apply_wait().ends(77).says("web-v1").says("kubectl");
    assert_eq!(told(&live(&stage)), "v1 75, v2 25", "{ran}");
    let tip = stage.tip();
    stage.apply_wait().ends(77);
    assert_eq!(stage.tip(), tip, "a refusal begins no step");
}

/// The way back is not held by it: it brings the pods back, whoever has taken them,
/// before it moves the weight.
#[test]
fn an_abort_takes_the_size_of_a_stable_side_that_somebody_shrank() {
    let stage = serving();
    let before = live(&stage);
    hold_after(&stage, "0");
    shrunk(&stage, 1);
    stage.run(&["abort", "web"]).ends(0);
    stage.run(&["plan"]).ends(0).says(".spec.replicas").says("taken over");
    let from = stage.history().len();
    stage.apply_wait().ends(4);
    for world in &stage.history()[from..] {
        let route = world.get("HTTPRoute", "web").unwrap();
        let all = told(route) == "v1 100, v2 0";
        assert!(!all || world.ready_pods().get("6.7.0") == Some(&4), "{:?}", world.ready_pods());
    }
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    at_rest(&stage, &before);
}

/// argo-rollouts#3372 and #3020: an abort gives all traffic to a stable side that
/// has too few pods by then.
#[test]
fn an_abort_waits_for_a_stable_side_that_somebody_shrank() {
    let stage = serving();
    hold_after(&stage, "1");
    assert_eq!(told(&live(&stage)), "v1 25, v2 75");
    stage.destroy("/apis/apps/v1/namespaces/default/deployments/web-v1");
    stage.pass(30);
    let from = stage.history().len();
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    let mut all = 0;
    for world in &stage.history()[from..] {
        let Some(route) = world.get("HTTPRoute", "web") else { continue };
        if told(route) == "v1 100, v2 0" {
            all += 1;
            assert_eq!(world.ready_pods().get("6.7.0"), Some(&4));
        }
    }
    assert!(all > 0, "it never went back: {:?}", way(&stage));
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    stage.record_is_whole();
}

/// Argo Rollouts keeps a `setHeaderRoute` until a later step names it without
/// `match`; here each step is complete, so that none depends on what an earlier one
/// left: `matches` end with their step, and with an abort.
#[test]
fn a_rule_for_some_requests_ends_with_its_step_which_differs() {
    let rules = |stage: &Stage| live(stage)["spec"]["rules"].as_array().unwrap().len();
    let steps =
        "{weight: 25, matches: [{headers: [{name: x-canary, value: always}]}]}, {weight: 50}";
    for aborted in [false, true] {
        let stage = serving();
        let before = live(&stage);
        by(&stage, steps, &["rolloutPlan: {batchPartition: 0}"]);
        stage.apply_wait().ends(3);
        assert_eq!(rules(&stage), 2);
        if aborted {
            stage.run(&["abort", "web"]).ends(0);
            stage.apply_wait().ends(4);
        } else {
            by(&stage, steps, &["rolloutPlan: {batchPartition: 1}"]);
            stage.apply_wait().ends(3);
            assert_eq!((rules(&stage), told(&live(&stage)).as_str()), (1, "v1 50, v2 50"));
            by(&stage, steps, &[]);
            stage.apply_wait().ends(0);
        }
        at_rest(&stage, &before);
    }
}

/// flagger#1816 and #1663: pods never got ready, all went back, and nobody was
/// told. Every later run says it too, by its exit code, until somebody decides.
#[test]
fn a_way_back_that_nobody_ordered_is_said_by_every_run() {
    let stage = serving();
    stage.commit(&[
        (APPLICATION, &broken_web("6.7.1")),
        (ROLLOUT, &with_steps("web-v2", "{weight: 25}", &[])),
    ]);
    stage.apply_wait().ends(4).says("web-v2");
    for _ in 0..2 {
        stage.apply().ends(4).says("web-v2").says("tranche retry web");
    }
    let told = stage.run(&["status"]).ends(0);
    assert!(told.out.contains("rolloutFailed"), "{told}");
    assert!(stage.subjects("result").iter().any(|s| s.contains("rolloutFailed")));
}

/// Argo Rollouts: `maxSurge` and `maxUnavailable` that both come to 0 would wait
/// for ever.
#[test]
fn no_leeway_at_all_still_goes_on_one_pod_at_a_time() {
    let rollout = |revision: &str| {
        with_steps(revision, "{weight: 50}", &[]).replace(
            "      traffic: {httpRoute: {name: web}}\n",
            "      maxSurge: 0\n      maxUnavailable: 0\n",
        )
    };
    let stage = Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &rollout("web-v1"))]);
    stage.apply_wait().ends(0);
    let from = stage.history().len() - 1;
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &rollout("web-v2"))]);
    stage.apply_wait().ends(0);
    assert_eq!(lowest(&stage, from), 3);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
}
