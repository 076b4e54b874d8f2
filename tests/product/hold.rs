//! Cron runs across a long hold: what they commit is steps and waits, however
//! often they come.

use crate::plans::{APPLICATION, ROLLOUT, rollout, web};
use crate::stage::Stage;
use jiff::SignedDuration;

/// Runs while the pods of the first batch take ten minutes.
const RUNS: usize = 30;
/// Between two runs, besides the ten seconds that a run looks itself.
const BETWEEN: i64 = 10;

fn advance(stage: &Stage, seconds: i64) {
    let dir = stage.journal().parent().unwrap().to_owned();
    let sandbox = tranche::sandbox::Sandbox::open(&dir, jiff::Timestamp::now).unwrap();
    let to = sandbox.now().unwrap() + SignedDuration::from_secs(seconds);
    sandbox.advance(to).unwrap();
}

fn phases(stage: &Stage) -> Vec<String> {
    stage.log().into_iter().map(|entry| entry.phase).collect()
}

#[test]
fn thirty_runs_across_ten_minutes_commit_steps_and_waits_only() {
    let slow = [("sandbox.tranche.dev/ready-after", "595s")];
    let stage = Stage::with(&[
        (APPLICATION, &web("6.7.0", 4, &slow)),
        (ROLLOUT, &rollout("web-v1", &["batchPartition: 0"])),
    ]);
    stage.apply().ends(3);
    let begun = phases(&stage);
    assert_eq!(begun, ["publish", "intent", "waiting"]);
    for run in 1..RUNS {
        advance(&stage, BETWEEN);
        stage.apply().ends(3);
        let phases = phases(&stage);
        let held = phases == begun;
        // The last run, or the one before it, sees the pods ready.
        assert!(held || run + 2 >= RUNS, "run {run}: {phases:?}");
    }
    advance(&stage, BETWEEN);
    stage.apply().ends(3).says("batchPartition is 0");
    let mut done = begun;
    done.push("result".to_owned());
    assert_eq!(phases(&stage), done);
}
