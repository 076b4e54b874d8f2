//! The program is killed again and again, and the next run goes on.

use crate::dice::{Dice, seeded};
use crate::pair::{lowest, serving};
use crate::plans::{APPLICATION, ROLLOUT, rollout, web};
use crate::stage::{Ran, Stage};
use crate::world::pods;
use serde_json::{Value, json};
use std::time::Duration;

/// How many runs are killed, or come to their end before.
const ROUNDS: usize = 25;
/// No run lives longer than this many milliseconds.
const LONGEST: u64 = 700;

/// Starts a run and kills it, unless it ends by itself before.
fn run_and_kill(stage: &Stage, dice: &mut Dice) -> Option<Ran> {
    let mut run = stage.start(&["apply", "--wait", "10m"]);
    std::thread::sleep(Duration::from_millis(dice.roll(LONGEST)));
    let ended = run.try_wait().unwrap().is_some();
    if !ended {
        run.kill().unwrap();
    }
    let output = run.wait_with_output().unwrap();
    ended.then(|| Ran::of(&output))
}

/// A rollout is over: its record is complete and its pods are right.
#[track_caller]
fn finished(stage: &Stage, number: usize, tag: &str, sizes: usize) {
    stage.record_is_whole();
    let revision = format!("web-v{number}");
    let batches: Vec<String> =
        stage.batches().into_iter().filter(|batch| batch.ends_with(&revision)).collect();
    let expected: Vec<String> =
        [1, 2, 4].iter().map(|count| format!("{count} of 4 pods on {revision}")).collect();
    assert_eq!(batches, expected);
    assert_eq!(stage.subjects("publish").len(), number);
    assert_eq!(stage.state("web"), "rolloutSucceed");
    let (old, new) = (format!("web-v{}", number - 1), revision);
    let pairs = [(4, 0), (4, 1), (3, 1), (3, 2), (2, 2), (2, 4), (0, 4)];
    let mut expected: Vec<Value> = pairs.iter().map(|(a, b)| json!({&old: a, &new: b})).collect();
    expected.push(json!({&new: 4}));
    assert_eq!(stage.deployment_sizes()[sizes..], expected, "no effect twice, none left out");
    assert_eq!(stage.world().all_pods(), pods(&[(tag, 4)]));
}

#[test]
fn a_killed_run_is_finished_by_the_next() {
    let mut dice = seeded();
    let stage = serving();
    // Room for a kill in the middle of a push.
    stage.hook("pre-receive", "sleep 0.02; cat > /dev/null");
    let from = stage.history().len() - 1;
    let (mut number, mut killed) = (1, 0);
    let mut tag = String::new();
    let (mut over, mut sizes) = (true, 0);
    for _ in 0..ROUNDS {
        if over {
            sizes = stage.deployment_sizes().len();
            number += 1;
            tag = format!("6.7.{number}");
            stage.commit(&[
                (APPLICATION, &web(&tag, 4, &[])),
                (ROLLOUT, &rollout(&format!("web-v{number}"), &[])),
            ]);
        }
        over = match run_and_kill(&stage, &mut dice) {
            // A push of the run before may outlive it, and win.
            Some(ran) if ran.code == 5 => false,
            Some(ran) => {
                ran.ends(0);
                finished(&stage, number, &tag, sizes);
                true
            }
            None => {
                killed += 1;
                false
            }
        };
    }
    if stage.apply_wait().code == 5 {
        stage.apply_wait().ends(0);
    }
    finished(&stage, number, &tag, sizes);
    assert!(lowest(&stage, from) >= 4, "never fewer ready pods than before");
    assert!(killed > 0, "no run was killed: the delays are too long for this machine");
}
