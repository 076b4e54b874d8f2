//! Cron and CI reach the same end by the same steps.

use crate::plans::{APPLICATION, ROLLOUT, rollout, slow_web};
use crate::stage::Stage;
use crate::world::pods;

/// More rounds than any of these rollouts takes.
const MOST_ROUNDS: usize = 60;

/// Rounds without `--wait` until one has nothing left to do.
fn cron(stage: &Stage) -> usize {
    for round in 1..=MOST_ROUNDS {
        let ran = stage.apply();
        if ran.code == 0 {
            return round;
        }
        ran.ends(3);
    }
    panic!("{MOST_ROUNDS} rounds were not enough: {:#?}", stage.log());
}

#[test]
fn cron_and_ci_record_the_same_results() {
    let first = [(APPLICATION, &*slow_web("6.7.0")), (ROLLOUT, &*rollout("web-v1", &[]))];
    let second = [(APPLICATION, &*slow_web("6.7.1")), (ROLLOUT, &*rollout("web-v2", &[]))];
    let (by_cron, by_ci) = (Stage::with(&first), Stage::with(&first));
    assert!(cron(&by_cron) > 3, "slow pods take a round or more a batch");
    by_ci.apply_wait().ends(0);
    by_cron.commit(&second);
    by_ci.commit(&second);
    assert!(cron(&by_cron) > 3);
    by_ci.apply_wait().ends(0);
    assert_eq!(by_cron.subjects("result"), by_ci.subjects("result"));
    assert_eq!(by_cron.batches().len(), 6);
    assert!(!by_cron.subjects("waiting").is_empty());
    for stage in [&by_cron, &by_ci] {
        assert_eq!(stage.state("web"), "rolloutSucceed");
        assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
        stage.record_is_whole();
    }
    let sizes = |stage: &Stage| stage.deployment_sizes();
    assert_eq!(sizes(&by_cron), sizes(&by_ci), "no effect twice");
}

#[test]
fn ends_that_a_pipeline_accepts_are_success() {
    let stage =
        Stage::with(&[(APPLICATION, &slow_web("6.7.0")), (ROLLOUT, &rollout("web-v1", &[]))]);
    let summary = stage.path().join("summary.json");
    let arguments = ["apply", "--ok-exit", "waiting,busy", "--summary", summary.to_str().unwrap()];
    stage.run(&arguments).ends(0);
    let told: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&summary).unwrap()).unwrap();
    assert_eq!(told["exit"], 3);
}
