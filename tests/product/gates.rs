//! Pauses between the steps of a canary: holds, approvals, and who opens them.

use crate::plans::{APPLICATION, ROLLOUT, web};
use crate::stage::{RECORD, Ran, Stage};
use crate::traffic::{serving, with_steps};
use crate::world::pods;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// Until a person lets it go on, after each step.
pub const APPROVED: [&str; 2] = ["{}", "{}"];

/// Three steps, with these pauses after the first two; an empty one is none.
fn steps(pauses: [&str; 2]) -> String {
    let [first, second] = pauses.map(|pause| match pause {
        "" => String::new(),
        pause => format!(", pause: {pause}"),
    });
    format!("{{weight: 25{first}}}, {{weight: 75{second}}}, {{weight: 100}}")
}

/// The rollout to a revision with these pauses; `more` are lines of its spec.
pub fn canary(revision: &str, pauses: [&str; 2], more: &[&str]) -> String {
    with_steps(revision, &steps(pauses), more)
}

/// `web-v2` is the target, with these pauses on its way.
pub fn upgrading(pauses: [&str; 2]) -> Stage {
    let stage = serving();
    stage
        .commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &canary("web-v2", pauses, &[]))]);
    stage
}

pub fn edit(stage: &Stage, pauses: [&str; 2]) {
    stage.commit(&[(ROLLOUT, &canary("web-v2", pauses, &[]))]);
}

/// Runs as cron starts them, until one says this.
#[track_caller]
fn run_until(stage: &Stage, text: &str) -> Ran {
    for _ in 0..20 {
        let ran = stage.apply().ends(3);
        if ran.out.contains(text) {
            return ran;
        }
    }
    panic!("no run says {text:?}");
}

/// Nothing moves: the next run says this, and neither writes nor records.
#[track_caller]
pub fn stands(stage: &Stage, text: &str) -> Ran {
    let before = (stage.tip(), stage.history().len());
    let ran = stage.apply().ends(3).says(text);
    assert_eq!((stage.tip(), stage.history().len()), before, "{ran}");
    ran
}

/// Pods of the new revision.
fn moved(stage: &Stage) -> usize {
    stage.world().ready_pods().get("6.7.1").copied().unwrap_or(0)
}

pub fn done(stage: &Stage) {
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

fn waiting(stage: &Stage) -> Value {
    stage.rollout("web")["waiting"].clone()
}

fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// The whole messages of the record's commits, oldest first, with their times.
fn commits(stage: &Stage) -> Vec<(Timestamp, String)> {
    let repository = stage.repository();
    let mut all = Vec::new();
    let mut next = Some(repository.find_reference(RECORD).unwrap().peel_to_commit().unwrap());
    while let Some(commit) = next.take() {
        let time = Timestamp::from_second(commit.time().seconds()).unwrap();
        all.push((time, commit.message().unwrap().to_owned()));
        next = commit.parents().next();
    }
    all.reverse();
    all
}

/// The newest commit whose subject has this.
#[track_caller]
pub fn commit(stage: &Stage, subject: &str) -> (Timestamp, String) {
    let mut all = commits(stage).into_iter().rev();
    let found = all.find(|(_, text)| text.lines().next().unwrap().contains(subject));
    found.unwrap_or_else(|| panic!("no commit {subject:?}"))
}

#[test]
fn a_hold_keeps_runs_back_until_its_instant_and_no_longer() {
    let stage = upgrading(["{duration: 5m}", ""]);
    run_until(&stage, "hold for 5m after batch 1 (approllout.yaml:1), until ");
    let told = waiting(&stage);
    let (since, until) = (instant(&told["since"]), instant(&told["until"]));
    assert_eq!(until.duration_since(since).as_secs(), 300);
    assert_eq!(since, commit(&stage, "batch 1/3 ready").0, "it counts from the result");
    assert!(told["reason"].as_str().unwrap().contains(&until.to_string()), "{told}");
    let said = stands(&stage, &until.to_string());
    assert!(said.out.contains("`tranche approve web` lets batch 2 run at once"), "{said}");
    stage.run(&["plan", "--detailed-exitcode"]).ends(0).says(&until.to_string());
    stage.pass(240);
    stands(&stage, &until.to_string());
    // A longer one counts from the same instant, and so does a shorter one.
    edit(&stage, ["{duration: 10m}", ""]);
    stage.pass(60);
    stands(&stage, "hold for 10m after batch 1");
    assert_eq!(instant(&waiting(&stage)["since"]), since);
    assert_eq!(moved(&stage), 1);
    edit(&stage, ["{duration: 5m}", ""]);
    stage.apply().ends(3);
    assert!(stage.log().iter().any(|entry| entry.subject.contains("batch 2/3 begins")));
    done(&stage);
}

#[test]
fn a_kill_right_after_the_result_neither_shortens_nor_lengthens_a_hold() {
    let stage = upgrading(["{duration: 5m}", ""]);
    let (reached, open) = (stage.path().join("reached"), stage.path().join("open"));
    let body = format!(
        "while read -r old new ref; do\n\
         if git log -1 --format=%s \"$new\" | grep -q 'batch 1/3 ready'; then\n\
         touch '{}'; while [ ! -e '{}' ]; do sleep 0.02; done; fi; done",
        reached.display(),
        open.display()
    );
    stage.hook("post-receive", &body);
    let mut run = stage.start(&["apply", "--wait", "10m"]);
    while !reached.exists() {
        assert!(run.try_wait().unwrap().is_none(), "the run ended before the result");
        std::thread::sleep(Duration::from_millis(10));
    }
    run.kill().unwrap();
    std::fs::write(&open, "").unwrap();
    run.wait().unwrap();
    let result = commit(&stage, "batch 1/3 ready").0;
    let ran = stands(&stage, "hold for 5m after batch 1");
    assert_eq!(instant(&waiting(&stage)["since"]), result, "{ran}");
    done(&stage);
    let began = commit(&stage, "batch 2/3 begins").0;
    assert!(began.duration_since(result).as_secs() >= 300, "{result} to {began}");
}

#[test]
fn a_run_that_may_wait_sleeps_through_a_hold_and_no_longer() {
    let stage = upgrading(["{duration: 5m}", "{duration: 0}"]);
    // It would not be over by then, and nobody waits for nothing.
    stage.run(&["apply", "--wait", "2m"]).ends(3).says("hold for 5m after batch 1");
    let result = commit(&stage, "batch 1/3 ready").0;
    let last = stage.history().len();
    stage.run(&["apply", "--wait", "2m"]).ends(3).says("hold for 5m after batch 1");
    assert_eq!(stage.history().len(), last);
    done(&stage);
    let began = commit(&stage, "batch 2/3 begins").0.duration_since(result).as_secs();
    assert!((300..310).contains(&began), "batch 2 begins {began} s after batch 1");
    let second = commit(&stage, "batch 2/3 ready").0;
    let third = commit(&stage, "batch 3/3 begins").0.duration_since(second).as_secs();
    assert!(third < 10, "`duration: 0` goes on at once, not after {third} s");
}

#[test]
fn an_approval_opens_the_gate_that_it_is_for_and_no_other() {
    let stage = upgrading(APPROVED);
    let said = stage.apply_wait().ends(3).says("batch 2 waits for approval (approllout.yaml:1)");
    assert!(said.out.contains("`approvedFor: web-v2` in the plan, lets it run"), "{said}");
    stands(&stage, "`tranche approve web`");
    stage.run(&["status"]).ends(0).says("  waiting: batch 2 waits for approval");
    let told = waiting(&stage);
    assert_eq!(told["until"], Value::Null);
    assert_eq!(instant(&told["since"]), commit(&stage, "batch 1/3 ready").0);
    assert!(dashboard(&stage).contains("batch 2 waits for approval; "), "{}", dashboard(&stage));
    let approve = ["approve", "web", "--reason", "the numbers look good"];
    stage.run(&approve).ends(0).says("web: approve batch 2, in rollingInBatches / batchReady");
    stage.run(&approve).ends(0).says("it is approved already").says("nothing was recorded");
    assert_eq!(waiting(&stage), Value::Null);
    assert!(!dashboard(&stage).contains("waits for approval"), "{}", dashboard(&stage));
    stage.apply_wait().ends(3).says("batch 3 waits for approval");
    assert_eq!(moved(&stage), 3);
    let (_, intent) = commit(&stage, "batch 2/3 begins");
    assert!(intent.contains("\nApproved-By: Operator"), "{intent}");
    let (_, first) = commit(&stage, "batch 1/3 begins");
    assert!(!first.contains("Approved-By"), "{first}");
    stage.run(&["approve", "web"]).ends(0).says("approve batch 3");
    done(&stage);
    stage.run(&["approve", "web"]).ends(77).says("the rollout is over");
    assert_eq!(stage.subjects("decision").len(), 2);
    let log = stage.run(&["log"]).ends(0);
    assert!(log.out.contains("batch 2/3 begins") && log.out.contains("by Operator"), "{log}");
}

fn dashboard(stage: &Stage) -> String {
    let repository = stage.repository();
    let tree = repository.find_reference(RECORD).unwrap().peel_to_tree().unwrap();
    let blob = tree.get_name("README.md").unwrap().to_object(&repository).unwrap();
    String::from_utf8(blob.as_blob().unwrap().content().to_vec()).unwrap()
}

#[test]
fn a_hold_can_be_approved_early() {
    let stage = upgrading(["{duration: 24h}", ""]);
    run_until(&stage, "hold for 24h after batch 1");
    let held = commit(&stage, "batch 1/3 ready").0;
    stage.run(&["approve", "web"]).ends(0).says("approve batch 2");
    done(&stage);
    assert!(commit(&stage, "batch 2/3 begins").0.duration_since(held).as_secs() < 600);
}

#[test]
fn an_approval_is_refused_where_none_is_waited_for() {
    let stage = serving();
    stage.run(&["approve", "web"]).ends(77).says("the rollout is over");
    stage.run(&["approve", "wbe"]).ends(64);
    let partition = ["rolloutPlan: {batchPartition: 0}"];
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[("sandbox.tranche.dev/ready-after", "25s")])),
        (ROLLOUT, &canary("web-v2", ["", "{}"], &partition)),
    ]);
    stage.apply().ends(3);
    stage.run(&["approve", "web"]).ends(77).says("batch 1 is under way");
    stage.apply_wait().ends(3).says("batchPartition is 0");
    stage
        .run(&["approve", "web"])
        .ends(77)
        .says("batchPartition is 0 (approllout.yaml:1): a plan with 1 or more lets batch 2 run");
    stage.run(&["pause", "web"]).ends(0);
    stage.run(&["approve", "web"]).ends(77).says("`tranche resume web` goes on");
    stage.run(&["resume", "web"]).ends(0);
    stage.commit(&[(ROLLOUT, &canary("web-v2", ["", "{}"], &[]))]);
    stage.run(&["approve", "web"]).ends(77).says("nothing holds batch 2");
    stage.apply_wait().ends(3).says("batch 3 waits for approval");
    stage.commit(&[(ROLLOUT, &canary("web-v1", ["", "{}"], &[]))]);
    stage.run(&["approve", "web"]).ends(77).says("the plan names web-v1 now");
    stage.remove(ROLLOUT);
    stage.run(&["approve", "web"]).ends(77).says("it is no longer in the plan");
    assert_eq!(stage.subjects("decision").len(), 2, "the pause and its end");
}

#[test]
fn an_approval_of_a_paused_rollout_is_kept_until_it_goes_on() {
    let stage = upgrading(["{}", ""]);
    stage.apply_wait().ends(3);
    stage.run(&["pause", "web"]).ends(0);
    stage.run(&["approve", "web"]).ends(0);
    stands(&stage, "paused by Operator");
    stage.run(&["resume", "web"]).ends(0);
    done(&stage);
}

#[test]
fn an_approval_in_the_plan_is_for_one_target() {
    let approved = ["{approvedFor: web-v2}", ""];
    let stage = upgrading(["{}", ""]);
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    edit(&stage, ["{approvedFor: web-v1}", ""]);
    stands(&stage, "batch 2 waits for approval");
    edit(&stage, approved);
    stage.run(&["approve", "web"]).ends(77).says("nothing holds batch 2");
    done(&stage);
    let (_, intent) = commit(&stage, "batch 2/3 begins");
    assert!(!intent.contains("Approved-By"), "the plan's commit says who: {intent}");
    // It stays in the file, and the next release waits again.
    stage.commit(&[
        (APPLICATION, &web("6.7.2", 4, &[])),
        (ROLLOUT, &canary("web-v3", approved, &[])),
    ]);
    let planned = stage.run(&["plan"]).ends(0);
    assert!(planned.out.contains("wait for approval; the plan approves web-v2 only"), "{planned}");
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 3), ("6.7.2", 1)]));
}

#[test]
fn a_gate_is_opened_by_taking_the_pause_out_or_by_giving_it_a_duration() {
    let stage = upgrading(APPROVED);
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    edit(&stage, ["", "{}"]);
    stage.apply_wait().ends(3).says("batch 3 waits for approval");
    stage.pass(60);
    edit(&stage, ["", "{duration: 1m}"]);
    let before = commits(&stage).len();
    stage.apply().ends(3);
    assert!(commits(&stage).len() > before, "the minute is over, as counted from batch 2");
    done(&stage);
}

#[test]
fn an_abort_at_a_gate_goes_back_and_its_approval_is_not_for_the_next_attempt() {
    let stage = upgrading(["{}", ""]);
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    stage.run(&["approve", "web"]).ends(0);
    // Raced: whoever comes first, the abort counts.
    stage.run(&["abort", "web"]).ends(0);
    stage.run(&["approve", "web"]).ends(77).says("it is aborted");
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    stage.run(&["retry", "web"]).ends(0);
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    assert_eq!(moved(&stage), 1);
    stage.run(&["abort", "web", "--reason", "changed our minds"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(stage.state("web"), "rolloutFailed");
    stage.record_is_whole();
}

#[test]
fn a_newer_target_leaves_an_approved_gate_behind() {
    let stage = upgrading(["{}", ""]);
    stage.apply_wait().ends(3);
    stage.run(&["approve", "web"]).ends(0);
    stage.commit(&[
        (APPLICATION, &web("6.7.2", 4, &[])),
        (ROLLOUT, &canary("web-v3", ["{}", ""], &[])),
    ]);
    stage.apply_wait().ends(3).says("batch 2 waits for approval");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.2", 1)]));
    stage.run(&["approve", "web"]).ends(0);
    stage.apply_wait().ends(0);
    stage.record_is_whole();
}

#[test]
fn a_first_deploy_and_another_size_wait_for_nothing() {
    let stage = serving();
    stage.commit(&[(ROLLOUT, &canary("web-v1", APPROVED, &["rolloutPlan: {targetSize: 6}"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 6)]));
    let fresh = Stage::with(&[
        (APPLICATION, &web("6.7.0", 4, &[])),
        (ROLLOUT, &canary("web-v1", APPROVED, &[])),
        ("route.yaml", &crate::traffic::route(&[])),
    ]);
    let planned = fresh.run(&["plan"]).ends(0);
    assert!(!planned.out.contains("approval"), "{planned}");
    fresh.apply_wait().ends(0);
    assert_eq!(fresh.world().ready_pods(), pods(&[("6.7.0", 4)]));
}

#[test]
fn gates_are_shown_between_the_steps_of_a_plan_in_every_form() {
    let stage = upgrading(["{duration: 1h30m}", "{}"]);
    let shown = |form: &str| stage.run(&["plan", "-o", form]).ends(0).out;
    let text = shown("text");
    let order =
        ["batch 1 (next)", "\n    hold for 1h30m\n    batch 2  ", "wait for approval", "batch 3"];
    let places: Vec<usize> = order.iter().map(|part| text.find(part).expect(&text)).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(shown("markdown").contains("\n- hold for 1h30m\n"), "{}", shown("markdown"));
    assert!(shown("html").contains("<li class=\"gate\">wait for approval</li>"));
    let json: Value = serde_json::from_str(&shown("json")).unwrap();
    let entities = json["targets"][0]["entities"].as_array().unwrap();
    let steps = entities.iter().find_map(|e| e["steps"].as_array().filter(|s| s.len() == 3));
    let gates: Vec<&Value> = steps.unwrap().iter().map(|step| &step["gate"]).collect();
    assert_eq!(gates, [&Value::Null, &"hold for 1h30m".into(), &"wait for approval".into()]);
}

#[test]
fn a_gate_is_in_no_step_and_in_no_digest_of_a_saved_plan() {
    let stage = upgrading(["", ""]);
    let save = || {
        stage.run(&["plan", "--out", "plan.json"]).ends(0);
        let text = std::fs::read_to_string(stage.path().join("plan.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let plain = save();
    edit(&stage, ["{duration: 1m}", "{}"]);
    let gated = save();
    assert_eq!(gated["digest"], plain["digest"]);
    let steps = |plan: &Value| plan["targets"][0]["entities"].clone();
    assert_eq!(steps(&gated), steps(&plain));
    let apply = || stage.run(&["apply", "--plan", "plan.json", "--wait", "10m"]);
    apply().ends(3).says("batch 3 waits for approval");
    stage.run(&["approve", "web"]).ends(0);
    apply().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
}

#[test]
fn a_run_that_sleeps_hears_an_approval() {
    let stage = upgrading(["{duration: 24h}", ""]);
    run_until(&stage, "hold for 24h after batch 1");
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {a: b}\n";
    stage.commit(&[("other.yaml", other)]);
    // A run whose step stays open: the clock does not jump beside it.
    let (reached, open) = (stage.path().join("reached"), stage.path().join("open"));
    let body = format!(
        "while read -r old new ref; do\n\
         if git log -1 --format=%s \"$new\" | grep -q ': apply done'; then\n\
         touch '{}'; while [ ! -e '{}' ]; do sleep 0.02; done; fi; done",
        reached.display(),
        open.display()
    );
    stage.hook("pre-receive", &body);
    let mut holder = stage.start(&["apply"]);
    while !reached.exists() {
        assert!(holder.try_wait().unwrap().is_none(), "no step was left open");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut run = stage.start(&["apply", "--wait", "168h"]);
    std::thread::sleep(Duration::from_secs(1));
    assert!(run.try_wait().unwrap().is_none(), "it does not sleep");
    stage.run(&["approve", "web"]).ends(0);
    let begun = || commits(&stage).iter().any(|(_, text)| text.contains("batch 2/3 begins"));
    let mut looks = 0;
    while !begun() {
        looks += 1;
        assert!(looks < 600, "nobody has heard it");
        std::thread::sleep(Duration::from_millis(50));
    }
    std::fs::write(&open, "").unwrap();
    holder.wait().unwrap();
    Ran::of(&run.wait_with_output().unwrap()).ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
}
