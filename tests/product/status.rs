//! What `status` and `plan` say of everything that rests.

use crate::pair::{serving, upgrade};
use crate::plans::{APPLICATION, ROLLOUT, broken_web, rollout, web};
use crate::stage::{Ran, Stage};
use serde_json::Value;

fn status(stage: &Stage) -> Value {
    let said = stage.run(&["status", "-o", "json"]).ends(0);
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn what_is_applied_directly_says_what_it_waits_for_and_why_it_failed() {
    let direct = broken_web("6.7.0").replace("    app.oam.dev/rollout-template: \"true\"\n", "");
    let direct = direct.replace("  annotations:\nspec", "spec");
    let stage = Stage::with(&[(APPLICATION, &direct)]);
    stage.apply().ends(3);
    stage.run(&["status"]).ends(0).says("  waiting: Deployment/default/web: 0 of 4 pods ready");
    assert_ne!(status(&stage)["applications"][0]["waiting"], Value::Null);
    stage.apply_wait().ends(4);
    stage.run(&["status"]).ends(0).says("  because: Deployment/default/web: 0 of 4");
}

#[test]
fn what_has_left_the_plan_half_way_is_shown_frozen() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    stage.run(&["status"]).ends(0).says("  waiting: batchPartition is 0");
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(77);
    stage
        .run(&["status"])
        .ends(0)
        .says("  frozen: no longer in the plan")
        .says("tranche abort web");
    assert_ne!(status(&stage)["rollouts"][0]["frozen"], Value::Null);
    let planned = stage.run(&["plan"]).ends(77);
    assert!(!planned.out.contains("nothing to do"), "{planned}");
    stage.run(&["abort", "web"]).ends(0);
    let said = stage.run(&["status"]).ends(0).says("`tranche apply` to go back");
    assert!(!said.out.contains("frozen"), "{said}");
}

#[test]
fn a_plan_that_does_not_render_still_says_its_gates() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    stage.commit(&[(
        APPLICATION,
        &web("6.8.0", 4, &[]).replace("type: webservice", "type: webserver"),
    )]);
    stage.run(&["lint"]).ends(65);
    stage.run(&["status"]).ends(0).says("  waiting: batchPartition is 0");
}

#[test]
fn what_has_left_the_plan_and_still_runs_is_not_forgotten() {
    let stage = serving();
    stage.remove(ROLLOUT);
    let left = "no longer in the plan; its 2 objects stay: inventory/default/web.rollout.yaml";
    stage.run(&["status"]).ends(0).says(left);
    stage.run(&["plan", "--detailed-exitcode"]).ends(2).says("record web: gone from the plan");
    stage.apply_wait().ends(0).says("what it applied stays (inventory/default/web.rollout.yaml)");
    stage.run(&["plan", "--detailed-exitcode"]).ends(0).says("nothing to do");
    stage
        .run(&["status"])
        .ends(0)
        .says("default/web on sandbox: web-v1, rolloutSucceed")
        .says(left);
    let told = status(&stage);
    assert_eq!(told["rollouts"], Value::Array(Vec::new()));
    assert_eq!(told["left"][0]["objects"], 2);
}

#[test]
fn a_plan_that_is_in_error_or_waits_is_not_nothing_to_do() {
    let stage = serving();
    stage.commit(&[(ROLLOUT, &rollout("web-v3", &[]))]);
    let planned = stage.run(&["plan"]).ends(65).says("web-v3");
    assert!(!planned.out.contains("nothing to do"), "{planned}");
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &rollout("web-v2", &["batchPartition: 0"])),
    ]);
    stage.apply_wait().ends(3);
    let planned = stage.run(&["plan"]).ends(0).says("batchPartition is 0");
    assert!(!planned.out.contains("nothing to do"), "{planned}");
}

#[test]
fn status_of_one_rollout_shows_it_alone() {
    let stage = serving();
    for name in ["web", "default/web"] {
        stage.run(&["status", name]).ends(0).says("default/web on sandbox");
    }
    stage.run(&["status", "wbe"]).ends(64).says("nothing of the name \"wbe\"");
    stage.run(&["status", "other/web"]).ends(64);
}

#[test]
fn the_way_back_is_in_no_batch_and_a_retry_is_shown_before_it_begins() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    stage.run(&["abort", "web"]).ends(0);
    stage.apply_wait().ends(4);
    let said = stage.run(&["status"]).ends(0).says("because: aborted");
    assert!(!said.out.contains("batch 1"), "{said}");
    stage.run(&["retry", "web"]).ends(0);
    stage
        .run(&["status"])
        .ends(0)
        .says("waiting: `tranche apply` to begin again: retried by Operator");
}

#[test]
fn a_checkout_that_is_ahead_of_what_is_read_is_noted() {
    let stage = serving();
    let work = stage.path().join("work");
    git2::Repository::clone(stage.plan().to_str().unwrap(), &work).unwrap();
    let run = |arguments: &[&str]| Ran::of(&stage.command_at(&work, arguments).output().unwrap());
    let said = run(&["lint"]).ends(0);
    assert!(!said.err.contains("note:"), "{said}");
    std::fs::write(work.join(ROLLOUT), rollout("web-v9", &[])).unwrap();
    for command in [&["lint"][..], &["plan"], &["apply"], &["render"]] {
        let said = run(command);
        let noted = "the checkout has changes of plan files that are not committed";
        assert!(said.err.contains(noted), "{said}");
    }
    let said = run(&["lint", "--worktree"]).ends(0);
    assert!(!said.err.contains("note:"), "{said}");
}

#[test]
fn a_plan_that_has_not_changed_is_not_read_again() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 0"]);
    stage.apply_wait().ends(3);
    let read = || {
        let output = stage
            .command(&["status"])
            .env("TRANCHE_LOG", "tranche::edge::git=debug")
            .output()
            .unwrap();
        let ran = Ran::of(&output).ends(0);
        let files = ran.err.lines().filter_map(|line| line.split_once("read the file "));
        let names: Vec<String> =
            files.map(|(_, rest)| rest.split(' ').next().unwrap_or(rest).to_owned()).collect();
        (ran, names)
    };
    let plan_files =
        |names: &[String]| [APPLICATION, ROLLOUT].map(|file| names.iter().any(|name| name == file));
    let (first, names) = read();
    first.says("  waiting: batchPartition is 0");
    assert_eq!(plan_files(&names), [true, true]);
    let (second, names) = read();
    second.says("  waiting: batchPartition is 0");
    assert_eq!(plan_files(&names), [false, false]);
    stage.commit(&[(ROLLOUT, &rollout("web-v2", &["batchPartition: 0", "paused: true"]))]);
    let (third, names) = read();
    third.says("  waiting: paused by the plan");
    assert_eq!(plan_files(&names), [true, true]);
}
