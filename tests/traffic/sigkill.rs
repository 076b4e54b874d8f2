//! The program is killed after every change that it makes to the cluster, and
//! another run goes on: requests notice none of it.

use crate::changes::changes;
use crate::dice::seeded;
use crate::plans::PODS;
use crate::scene::Scene;
use crate::site::Ran;
use crate::verdict::{ENOUGH, nothing_lost, shares};
use serde_json::json;
use std::collections::BTreeMap;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;
use tranche_lab::User;

/// More runs than changes, as each that is killed has come as far as one.
const ROUNDS: usize = 40;
/// What the canary changes: it makes a Deployment and two Services, scales the
/// new pods twice and the old ones twice, writes weights four times, and
/// deletes both Services and the old Deployment.
const CHANGES: usize = 14;

/// What the program has changed so far, and how often.
fn made(scene: &Scene) -> BTreeMap<String, u32> {
    let asked = scene.lab.plane().requests(User::Tranche).unwrap();
    changes(&asked, scene.site.namespace.name())
}

/// Waits until the run has changed something, or has ended.
fn until_it_moves(scene: &Scene, run: &mut Child, before: usize) {
    while run.try_wait().unwrap().is_none() && made(scene).len() == before {
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_canary_whose_runs_are_killed_at_each_change_loses_no_request() {
    let mut dice = seeded();
    let scene = Scene::serving("killed");
    let deployed = made(&scene).len();
    let mut load = scene.load();
    scene.plan("v2", &[40, 100], None);
    let mut killed = 0;
    let ended = (0..ROUNDS).find_map(|round| {
        let before = made(&scene).len();
        let mut run = scene.site.start(&["apply", "--wait", "1m"]);
        until_it_moves(&scene, &mut run, before);
        if round % 2 == 1 {
            // Into the wait that comes after it.
            sleep(Duration::from_millis(dice.roll(800)));
        }
        let over = run.try_wait().unwrap().is_some();
        if !over {
            run.kill().unwrap();
            killed += 1;
        }
        let output = run.wait_with_output().unwrap();
        over.then(|| Ran::of(&output))
    });
    let Some(ended) = ended else { panic!("{ROUNDS} runs, and no end: {:#?}", made(&scene)) };
    ended.ends(0);
    load.stage("100%").unwrap();
    load.answered(ENOUGH).unwrap();
    let report = load.finish().unwrap();
    assert_eq!(nothing_lost(&report, 10_000), Ok(()));
    assert_eq!(shares(&report, "100%", &[("v2", 100.0)]), Ok(()));
    scene.is_at_rest(&json!({"web-v2": PODS}));
    let made = made(&scene);
    assert!(made.values().all(|count| *count == 1), "a change came twice: {made:#?}");
    assert_eq!(made.len() - deployed, CHANGES, "{made:#?}");
    assert!(killed >= 7, "only {killed} runs were killed");
}
