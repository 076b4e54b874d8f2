//! The program is killed again and again, on the real cluster and over HTTP,
//! and the next run goes on at once: its holder is a process of this machine
//! that provably exists no more.

use crate::changes::changes;
use crate::dice::{Dice, seeded};
use crate::forge::{Forge, Transport};
use crate::runs::{Runs, block_on};
use crate::site::{Ran, Site};
use crate::trap::log;
use crate::trap::plans::{ROLL_V1, ROLL_V2, WEB_V1, WEB_V2};
use crate::watched::{Watch, by_namespace, floor_holds, version};
use crate::webservice::{deployments, one, ready_pods};
use std::time::Duration;
use tranche::core::record::CommitPhase;
use tranche_lab::User;

/// How many runs are killed, or come to their end before.
const ROUNDS: usize = 12;
/// No run lives longer than this many milliseconds.
const LONGEST: u64 = 5_000;

/// Starts a run and kills it, unless it ends by itself before.
fn run_and_kill(site: &Site<'_>, dice: &mut Dice) -> Option<Ran> {
    let mut run = site.start(&["apply", "--wait", "10m"]);
    std::thread::sleep(Duration::from_millis(dice.roll(LONGEST)));
    let ended = run.try_wait().unwrap().is_some();
    if !ended {
        run.kill().unwrap();
    }
    let output = run.wait_with_output().unwrap();
    ended.then(|| Ran::of(&output))
}

/// The plan's next revision, from the one before it.
fn next(site: &Site<'_>, number: usize) {
    let application = WEB_V2.replace("podinfo:2", &image(number));
    let (old, new) = (format!("web-v{}", number - 1), format!("web-v{number}"));
    let rollout = ROLL_V2.replace("web-v2", &new).replace("web-v1", &old);
    site.commit(&[("application.yaml", &application), ("approllout.yaml", &rollout)]);
}

fn image(number: usize) -> String {
    format!("podinfo:{number}")
}

/// The newest rollout is over.
fn finished(site: &Site<'_>, number: usize) {
    let image = image(number);
    assert_eq!(deployments(site), one(&format!("web-v{number}"), (4, image.clone())));
    assert_eq!(ready_pods(site), one(&image, 4));
}

#[test]
fn a_killed_program_is_finished_by_the_next() {
    let mut dice = seeded();
    let forge = Forge::new();
    let (site, bare) = forge.site("sigkill", Transport::Http);
    // Room for a kill in the middle of a push.
    bare.hook("pre-receive", "sleep 0.1; cat >/dev/null").unwrap();
    site.commit(&[("application.yaml", WEB_V1), ("approllout.yaml", ROLL_V1)]);
    site.apply_wait().ends(0);
    let dir = tranche_lab::scratch().unwrap();
    let watch = Watch::start(site.plane, dir.path(), "pods");
    let from = version(site.plane);
    let (mut number, mut killed, mut over) = (1, 0, true);
    for _ in 0..ROUNDS {
        if over {
            number += 1;
            next(&site, number);
        }
        over = match run_and_kill(&site, &mut dice) {
            // A push of the run before may outlive it, and win.
            Some(ran) if ran.code == 5 => false,
            Some(ran) => {
                ran.ends(0);
                finished(&site, number);
                true
            }
            None => {
                killed += 1;
                false
            }
        };
    }
    if site.apply_wait().code == 5 {
        site.apply_wait().ends(0);
    }
    finished(&site, number);
    assert!(killed > 0, "no run was killed: the delays are too long for this machine");

    let (_, log) = block_on(Runs::new(&site).record("killed programs"));
    for number in 2..=number {
        let revision = format!("web-v{number}");
        assert_eq!(log::results(&log, &revision, &revision), 3, "three batches to {revision}");
    }
    let phases: Vec<CommitPhase> = log.iter().map(|trailers| trailers.phase).collect();
    let taken = |pair: &&[_]| matches!(pair, [CommitPhase::Intent, CommitPhase::Intent]);
    let taken = phases.windows(2).filter(taken).count();
    assert!(taken > 0, "of {killed} killed runs none held a step");

    let name = site.namespace.name();
    let sights = by_namespace(watch.end(site.plane, name));
    floor_holds(&sights[name], from, 4, "killed programs");
    let changes = changes(&site.plane.requests(User::Tranche).unwrap(), name);
    assert!(changes.values().all(|count| *count == 1), "an effect came twice: {changes:#?}");
    // The first deploy in one batch is three.
    assert_eq!(changes.len(), 3 + 8 * (number - 1), "{changes:#?}");
}
