//! Rollouts over a pair of Deployments: sizes, floors, scaling, deadlines.

use crate::plans::{APPLICATION, ROLLOUT, annotated, broken_web, rollout, web};
use crate::stage::Stage;
use crate::world::pods;
use serde_json::{Value, json};

const EXAMPLE: [(&str, &str); 3] = [
    (APPLICATION, include_str!("../../examples/webservice/application.yaml")),
    (ROLLOUT, include_str!("../../examples/webservice/approllout.yaml")),
    ("tranche.yaml", include_str!("../../examples/webservice/tranche.yaml")),
];

/// `web-v1` serves with four pods.
pub fn serving() -> Stage {
    let stage =
        Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    stage
}

/// Commits the way to `web-v2` with more lines of the plan.
pub fn upgrade(stage: &Stage, more: &[&str]) {
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &rollout("web-v2", more))]);
}

/// The fewest ready pods since the cluster's `from`th instant.
pub fn lowest(stage: &Stage, from: usize) -> usize {
    stage.history()[from..].iter().map(crate::world::World::ready).min().unwrap()
}

fn generation(stage: &Stage, kind: &str, name: &str) -> Value {
    let world = stage.world();
    let metadata = &world.get(kind, name).unwrap()["metadata"];
    json!([metadata["uid"], metadata["generation"], metadata["resourceVersion"]])
}

#[test]
fn the_example_deploys_first_batch_by_batch() {
    let stage = Stage::with(&EXAMPLE);
    stage.apply_wait().ends(0);
    assert_eq!(
        stage.deployment_sizes(),
        [
            json!({}),
            json!({"web-v1": 0}),
            json!({"web-v1": 1}),
            json!({"web-v1": 2}),
            json!({"web-v1": 4})
        ]
    );
    assert_eq!(
        stage.batches(),
        ["1 of 4 pods on web-v1", "2 of 4 pods on web-v1", "4 of 4 pods on web-v1"]
    );
    assert!(stage.world().get("Service", "web").is_some());
    stage.record_is_whole();
}

#[test]
fn increase_first_never_has_fewer_pods_than_before() {
    let stage = serving();
    let service = generation(&stage, "Service", "web");
    let (sizes, from) = (stage.deployment_sizes().len(), stage.history().len() - 1);
    upgrade(&stage, &["rolloutStrategy: IncreaseFirst"]);
    stage.apply_wait().ends(0);
    assert_eq!(
        stage.deployment_sizes()[sizes..],
        [
            json!({"web-v1": 4, "web-v2": 0}),
            json!({"web-v1": 4, "web-v2": 1}),
            json!({"web-v1": 3, "web-v2": 1}),
            json!({"web-v1": 3, "web-v2": 2}),
            json!({"web-v1": 2, "web-v2": 2}),
            json!({"web-v1": 2, "web-v2": 4}),
            json!({"web-v1": 0, "web-v2": 4}),
            json!({"web-v2": 4})
        ]
    );
    assert_eq!(lowest(&stage, from), 4);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    let after = generation(&stage, "Service", "web");
    assert_eq!((&after[0], &after[1]), (&service[0], &service[1]), "the Service is untouched");
    let service = &stage.world().get("Service", "web").unwrap()["spec"]["selector"].clone();
    assert_eq!(*service, json!({"app.oam.dev/component": "web"}));
    assert_eq!(stage.state("web"), "rolloutSucceed");
    stage.record_is_whole();
}

#[test]
fn decrease_first_dips_by_its_largest_batch_at_most_and_says_so() {
    let stage = serving();
    let (sizes, from) = (stage.deployment_sizes().len(), stage.history().len() - 1);
    upgrade(&stage, &["rolloutStrategy: DecreaseFirst"]);
    stage.run(&["plan"]).ends(0).says("2");
    stage.apply_wait().ends(0);
    assert_eq!(
        stage.deployment_sizes()[sizes..],
        [
            json!({"web-v1": 4, "web-v2": 0}),
            json!({"web-v1": 3, "web-v2": 0}),
            json!({"web-v1": 3, "web-v2": 1}),
            json!({"web-v1": 2, "web-v2": 1}),
            json!({"web-v1": 2, "web-v2": 2}),
            json!({"web-v1": 0, "web-v2": 2}),
            json!({"web-v1": 0, "web-v2": 4}),
            json!({"web-v2": 4})
        ]
    );
    assert_eq!(lowest(&stage, from), 2);
    stage.record_is_whole();
}

#[test]
fn the_target_size_scales_up_and_down() {
    let stage = serving();
    let sizes = stage.deployment_sizes().len();
    stage.commit(&[(ROLLOUT, &rollout("web-v1", &["targetSize: 6"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(
        stage.deployment_sizes()[sizes..],
        [json!({"web-v1": 5}), json!({"web-v1": 6})],
        "two pods in batches of 25%, 25% and 50%"
    );
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 6)]));
    stage.commit(&[(ROLLOUT, &rollout("web-v1", &["targetSize: 2"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(
        stage.deployment_sizes()[sizes + 2..],
        [json!({"web-v1": 5}), json!({"web-v1": 4}), json!({"web-v1": 2})]
    );
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 2)]));
    assert_eq!(stage.rollout("web")["status"]["rolloutTargetSize"], 2);
    stage.record_is_whole();
}

#[test]
fn an_upgrade_grows_to_a_larger_target_size() {
    let stage = serving();
    let from = stage.history().len() - 1;
    upgrade(&stage, &["targetSize: 6"]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 6)]));
    assert!(lowest(&stage, from) >= 4);
}

#[test]
fn pods_that_never_get_ready_bring_the_stable_revision_back_after_the_deadline() {
    let stage = serving();
    let from = stage.history().len() - 1;
    let deadline = [("tranche.dev/progress-deadline", "30s")];
    stage.commit(&[
        (APPLICATION, &broken_web("6.7.1")),
        (ROLLOUT, &annotated("web-v2", &deadline, &[])),
    ]);
    stage.apply_wait().ends(4).says("web-v2");
    assert_eq!(stage.state("web"), "rolloutFailed");
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(lowest(&stage, from), 4);
    assert_eq!(
        stage.subjects("result")[3..],
        ["web: batch 1/3 failed, not ready in time", "web: back to web-v1 done, rolloutFailed"]
    );
    let tip = stage.tip();
    stage.apply_wait().ends(4);
    assert_eq!(stage.tip(), tip, "a failed rollout is left alone");
    stage.record_is_whole();
}

#[test]
fn a_workload_that_vanished_is_put_back() {
    let stage = serving();
    stage.destroy("/apis/apps/v1/namespaces/default/deployments/web-v1");
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    stage.record_is_whole();
}
