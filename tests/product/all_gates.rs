//! `approve --all-gates`: whatever waits for people is over for one attempt, and
//! whatever waits for pods is not.

use crate::gates::{APPROVED, canary, commit, done, edit, stands, upgrading};
use crate::plans::{APPLICATION, ROLLOUT, slow_web, web};
use crate::switch;
use crate::traffic::{serving, traffic_is_served};
use crate::world::pods;
use serde_json::json;

const ALL: [&str; 5] = ["approve", "web", "--all-gates", "--reason", "the fix for tonight"];

#[test]
fn all_gates_of_an_attempt_open_and_pods_are_waited_for_all_the_same() {
    let stage = upgrading(["{}", "{duration: 24h}"]);
    let from = stage.history().len() - 1;
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    stage.run(&ALL).ends(0).says("web: approve all gates, in rollingInBatches / batchReady");
    let again = stage.run(&ALL).ends(0).says("every gate of this attempt is approved already");
    assert!(again.out.contains("nothing was recorded"), "{again}");
    stage.run(&["approve", "web"]).ends(0).says("it is approved already");
    let planned = stage.run(&["plan"]).ends(0).out;
    assert!(!planned.contains("wait for approval") && !planned.contains("hold for"), "{planned}");
    let held = commit(&stage, "batch 1/3 ready").0;
    done(&stage);
    traffic_is_served(&stage, from);
    assert!(commit(&stage, "batch 3/3 begins").0.duration_since(held).as_secs() < 600);
    for batch in ["batch 2/3 begins", "batch 3/3 begins"] {
        let (_, intent) = commit(&stage, batch);
        assert!(intent.contains("\nApproved-By: Operator"), "{intent}");
    }
    let (_, decision) = commit(&stage, "approve all gates");
    assert!(decision.contains("the fix for tonight"), "{decision}");
    stage.run(&ALL).ends(77).says("the rollout is over");
    // The next revision waits again.
    stage.commit(&[
        (APPLICATION, &web("6.7.2", 4, &[])),
        (ROLLOUT, &canary("web-v3", APPROVED, &[])),
    ]);
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 3), ("6.7.2", 1)]));
}

#[test]
fn all_gates_open_while_a_batch_is_under_way_but_no_hold_and_no_partition() {
    let stage = serving();
    let partition = ["rolloutPlan: {batchPartition: 1}"];
    stage.commit(&[
        (APPLICATION, &slow_web("6.7.1")),
        (ROLLOUT, &canary("web-v2", APPROVED, &partition)),
    ]);
    stage.apply().ends(3);
    stage.run(&["approve", "web"]).ends(77).says("batch 1 is under way");
    stage.run(&["pause", "web"]).ends(0);
    stage.run(&ALL).ends(0).says("batchPartition");
    stage.apply_wait().ends(3).says("paused by Operator");
    stage.run(&["resume", "web"]).ends(0);
    stage.apply_wait().ends(3).says("batchPartition is 1");
    assert_eq!(stage.world().ready_pods().get("6.7.1"), Some(&3));
    edit(&stage, APPROVED);
    // What is put before a batch later is open too.
    edit(&stage, ["{}", "{duration: 1h}"]);
    done(&stage);
}

#[test]
fn all_gates_are_those_of_one_attempt() {
    let stage = upgrading(APPROVED);
    stage.apply_wait().ends(3);
    stage.run(&ALL).ends(0);
    stage.run(&["abort", "web"]).ends(0);
    stage.run(&ALL).ends(77).says("it is aborted");
    stage.apply_wait().ends(4);
    stage.run(&["retry", "web"]).ends(0);
    stage.run(&ALL).ends(77);
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    stands(&stage, "`tranche approve web`");
    stage.run(&ALL).ends(0);
    done(&stage);
}

#[test]
fn where_no_gate_is_left_there_is_nothing_to_approve() {
    let stage = serving();
    stage.run(&ALL).ends(77).says("the rollout is over");
    let partition = ["rolloutPlan: {batchPartition: 1}"];
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &canary("web-v2", ["{}", ""], &partition)),
    ]);
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    stage.run(&["approve", "web"]).ends(0);
    stage.apply_wait().ends(3).says("batchPartition is 1");
    stage.run(&ALL).ends(77).says("the plan has no gate left to approve");
}

/// The delay after a switch is no gate of people: requests that began before it
/// are still answered by the old pods.
#[test]
fn all_gates_of_a_switch_leave_the_old_pods_their_delay() {
    let stage = switch::serving(&switch::LINES);
    switch::upgrade(&stage, &switch::LINES);
    stage.apply_wait().ends(3).says("waits for approval");
    stage.run(&ALL).ends(0);
    stage.run(&["apply", "--wait", "20s"]).ends(3).says("hold for 30s after batch 2");
    assert_eq!(switch::sizes(&stage), json!({"web-v1": 4, "web-v2": 4}));
    assert_eq!(switch::reached(&stage.world(), "web"), pods(&[("6.7.1", 4)]));
    stage.apply_wait().ends(0);
    assert_eq!(switch::sizes(&stage), json!({"web-v2": 4}));
    stage.record_is_whole();
}
