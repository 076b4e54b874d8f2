//! A run in which nothing is due.

use crate::pair::serving;
use crate::plans::{APPLICATION, ROLLOUT, rollout, web};
use crate::stage::Stage;

/// Everything an idle run must leave alone.
#[derive(Debug, PartialEq)]
struct Left {
    tip: String,
    pushes: usize,
    journal: Vec<u8>,
}

fn left(stage: &Stage) -> Left {
    let pushes = std::fs::read_to_string(stage.path().join("pushes")).unwrap_or_default();
    Left {
        tip: stage.tip(),
        pushes: pushes.lines().count(),
        journal: std::fs::read(stage.journal()).unwrap(),
    }
}

fn count_pushes(stage: &Stage) {
    let file = stage.path().join("pushes");
    stage.hook("pre-receive", &format!("cat >> '{}'", file.display()));
}

#[test]
fn an_idle_run_commits_pushes_and_writes_nothing() {
    let stage = serving();
    count_pushes(&stage);
    let before = left(&stage);
    for _ in 0..3 {
        stage.apply().ends(0);
        stage.apply_wait().ends(0);
    }
    assert_eq!(left(&stage), before);
    // The counter counts: the next rollout pushes.
    stage.commit(&[
        (APPLICATION, &web("6.7.1", 4, &[])),
        (ROLLOUT, &rollout("web-v2", &["batchPartition: 0"])),
    ]);
    stage.apply_wait().ends(3);
    let stopped = left(&stage);
    assert_eq!(stopped.pushes, 3, "publish, intent and result");
    for _ in 0..3 {
        stage.apply().ends(3);
        stage.apply_wait().ends(3);
    }
    assert_eq!(left(&stage), stopped, "at a closed gate nothing is due either");
}

#[test]
fn reading_commands_commit_push_and_write_nothing() {
    let stage = serving();
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &rollout("web-v2", &[]))]);
    count_pushes(&stage);
    let before = left(&stage);
    for command in ["plan", "status", "log", "lint", "render"] {
        stage.run(&[command]).ends(0);
    }
    stage.run(&["plan", "--detailed-exitcode"]).ends(2);
    assert_eq!(left(&stage), before);
}

#[test]
fn a_plan_commit_that_changes_no_rendering_is_idle() {
    let stage = serving();
    count_pushes(&stage);
    let before = left(&stage);
    stage.commit(&[("README.md", "# The shop\n")]);
    stage.apply_wait().ends(0);
    assert_eq!(left(&stage), before);
}
