//! Ten runs at once, as processes, on the real cluster and over network
//! remotes, with a server that answers when it likes.

use crate::changes::changes;
use crate::forge::{Forge, Transport};
use crate::runs::{Runs, block_on};
use crate::site::Ran;
use crate::trap::log;
use crate::trap::plans::{ROLL_V2, WEB_V1, WEB_V2};
use crate::webservice::{deployments, one, ready_pods};
use std::collections::BTreeMap;
use tranche::core::record::CommitPhase;
use tranche_lab::User;

const RUNS: usize = 10;

/// Up to 100 ms before any push is looked at.
const DELAY: &str = "n=$(od -An -N1 -tu1 /dev/urandom); sleep \"$(printf '0.%03d' $((n % 100)))\"";

fn one_winner_a_step(transport: Transport) {
    let forge = Forge::new();
    let (site, bare) = forge.site("race", transport);
    bare.hook("pre-receive", DELAY).unwrap();
    let first =
        ROLL_V2.replace("  sourceAppRevisionName: web-v1\n", "").replace("web-v2", "web-v1");
    let mut ends = BTreeMap::new();
    for (application, rollout, revision, image) in
        [(WEB_V1, first.as_str(), "web-v1", "podinfo:1"), (WEB_V2, ROLL_V2, "web-v2", "podinfo:2")]
    {
        site.commit(&[("application.yaml", application), ("approllout.yaml", rollout)]);
        let runs: Vec<_> = (0..RUNS).map(|_| site.start(&["apply"])).collect();
        for run in runs {
            let ran = Ran::of(&run.wait_with_output().unwrap());
            assert!([0, 3, 5].contains(&ran.code), "{transport:?}: {ran}");
            *ends.entry(ran.code).or_insert(0) += 1;
        }
        site.apply_wait().ends(0);
        assert_eq!(deployments(&site), one(revision, (4, image.to_owned())));
        assert_eq!(ready_pods(&site), one(image, 4));
    }
    assert!(ends.get(&5).is_some_and(|busy| *busy > 0), "no race was lost: {ends:?}");

    let (_, log) = block_on(Runs::new(&site).record("a race"));
    let published = log.iter().filter(|trailers| trailers.phase == CommitPhase::Publish).count();
    assert_eq!(published, 2, "each revision once");
    for revision in ["web-v1", "web-v2"] {
        assert_eq!(log::results(&log, revision, "a race"), 3, "three batches to {revision}");
    }
    let held = |pair: &&[_]| matches!(pair, [CommitPhase::Intent, CommitPhase::Intent]);
    let phases: Vec<CommitPhase> = log.iter().map(|trailers| trailers.phase).collect();
    assert_eq!(phases.windows(2).find(held), None, "two runs held the rollout at once");

    // What the server's hook let in is the record, commit by commit.
    let pushes = bare.pushes();
    let words = |push: &String| -> Vec<String> { push.split(' ').map(str::to_owned).collect() };
    let pushed: BTreeMap<String, String> =
        pushes.iter().map(words).map(|push| (push[0].clone(), push[1].clone())).collect();
    assert_eq!(pushed.len(), pushes.len(), "two pushes won on one tip: {pushes:#?}");
    let chain = std::iter::successors(pushed.get(&"0".repeat(40)), |tip| pushed.get(*tip));
    let chain: Vec<&String> = chain.collect();
    assert_eq!(chain.len(), pushes.len(), "one chain of pushes: {pushes:#?}");
    assert_eq!(chain.last().map(|tip| tip.as_str()), Some(site.tip().as_str()));
    assert_eq!(pushes.len(), log.len(), "a push for each commit: {pushes:#?}");

    let changes = changes(&site.plane.requests(User::Tranche).unwrap(), site.namespace.name());
    assert!(changes.values().all(|count| *count == 1), "an effect came twice: {changes:#?}");
    assert_eq!(changes.len(), 5 + 8, "{changes:#?}");
}

#[test]
fn of_ten_runs_at_once_over_http_one_wins_each_step() {
    one_winner_a_step(Transport::Http);
}

#[test]
fn of_ten_runs_at_once_over_ssh_one_wins_each_step() {
    one_winner_a_step(Transport::Ssh);
}
