//! Ten runs at once, twenty times, with a server that answers when it likes.

use crate::plans::{APPLICATION, ROLLOUT, rollout, web};
use crate::stage::{Ran, Stage};
use crate::world::pods;
use serde_json::json;
use std::collections::BTreeMap;

const REPETITIONS: usize = 20;
const RUNS: usize = 10;

/// Up to 100 ms before any push is looked at.
const DELAY: &str = "\
n=$(od -An -N1 -tu1 /dev/urandom)
sleep \"$(printf '0.%03d' $((n % 100)))\"
cat > /dev/null";

#[test]
fn one_winner_a_step() {
    let mut ends = BTreeMap::new();
    for _ in 0..REPETITIONS {
        let stage = Stage::with(&[
            (APPLICATION, &web("6.7.0", 4, &[])),
            (ROLLOUT, &rollout("web-v1", &[])),
        ]);
        stage.hook("pre-receive", DELAY);
        let runs: Vec<_> = (0..RUNS).map(|_| stage.start(&["apply"])).collect();
        for run in runs {
            let ran = Ran::of(&run.wait_with_output().unwrap());
            assert!([0, 3, 5].contains(&ran.code), "{ran}");
            *ends.entry(ran.code).or_insert(0) += 1;
        }
        stage.apply_wait().ends(0);
        assert_eq!(stage.subjects("publish"), ["web: revision web-v1 published"]);
        assert_eq!(
            stage.batches(),
            ["1 of 4 pods on web-v1", "2 of 4 pods on web-v1", "4 of 4 pods on web-v1"]
        );
        stage.record_is_whole();
        assert_eq!(
            stage.deployment_sizes(),
            [
                json!({}),
                json!({"web-v1": 0}),
                json!({"web-v1": 1}),
                json!({"web-v1": 2}),
                json!({"web-v1": 4})
            ],
            "no write is lost and none comes twice"
        );
        assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
        assert_eq!(stage.state("web"), "rolloutSucceed");
    }
    assert!(ends.get(&5).is_some_and(|busy| *busy >= 10), "too few races were lost: {ends:?}");
}
