//! The originals' own inputs, verbatim and damaged.

use super::{batches, file, place, plan};
use crate::core::dialect::load;
use crate::core::model::{
    Amount, Application, Around, Batches, Component, DEFAULT_DEADLINE_SECONDS, Naming, OnDelete,
    Plan, Project, Rollout, RolloutPlan, RolloutStrategy, TargetRevision,
};
use serde_json::json;
use std::collections::BTreeMap;

fn seed_application(image: &str, file: &str) -> Application {
    let annotations = BTreeMap::from([
        ("app.oam.dev/rolling-components".to_owned(), "metrics-provider".to_owned()),
        ("app.oam.dev/rollout-template".to_owned(), "true".to_owned()),
    ]);
    Application {
        namespace: None,
        name: "test-rolling".to_owned(),
        labels: BTreeMap::new(),
        annotations,
        components: vec![Component {
            name: "metrics-provider".to_owned(),
            kind: "clonesetservice".to_owned(),
            properties: json!({
                "cmd": ["./podinfo", "stress-cpu=1"], "image": image, "port": 8080,
                "updateStrategyType": "InPlaceIfPossible", "replicas": 5
            }),
            traits: Vec::new(),
            place: place(file, 10),
        }],
        template_only: true,
        publish_version: None,
        rolling_components: vec!["metrics-provider".to_owned()],
        released: false,
        place: place(file, 1),
    }
}

fn seed_rollout(source: Option<&str>, target: &str, listed: Batches, file: &str) -> Rollout {
    Rollout {
        namespace: None,
        name: "rolling-example".to_owned(),
        target: TargetRevision::Named(target.to_owned()),
        source: source.map(str::to_owned),
        component: Some("metrics-provider".to_owned()),
        component_of: None,
        with: Vec::new(),
        plan: RolloutPlan {
            strategy: RolloutStrategy::IncreaseFirst,
            target_size: None,
            batches: listed,
            batch_partition: None,
            paused: false,
            around: Around::default(),
        },
        naming: Naming::Revision,
        canary: None,
        disabled: false,
        blue_green: None,
        ratio: None,
        pauses: Vec::new(),
        on_delete: OnDelete::Freeze,
        deadline_seconds: DEFAULT_DEADLINE_SECONDS,
        owners: std::sync::Arc::default(),
        health: crate::core::health::Rules::default(),
        place: place(file, 1),
    }
}

macro_rules! seed {
    ($name:literal) => {
        include_str!(concat!("../../../../testdata/seeds/kubevela-approllout/", $name))
    };
}

#[test]
fn the_seeds_load_verbatim_to_exactly_what_they_mean() {
    let count = Amount::Count;
    let percent = Amount::Percent;
    let first = load(vec![
        file("application.yaml", seed!("1-application.yaml")),
        file("approllout.yaml", seed!("2-approllout.yaml")),
    ])
    .unwrap();
    assert_eq!(
        first,
        Plan {
            project: Project::default(),
            applications: vec![seed_application("stefanprodan/podinfo:4.0.6", "application.yaml")],
            rollouts: vec![seed_rollout(
                None,
                "test-rolling-v1",
                batches(&[percent(10), percent(40), percent(50)]),
                "approllout.yaml"
            )],
            lanes: Vec::new(),
            routes: Vec::new(),
            objects: Vec::new(),
            templates: Vec::new(),
            notices: Vec::new(),
            hints: Vec::new(),
        }
    );
    let second = load(vec![
        file("approllout.yaml", seed!("4-approllout.yaml")),
        file("application.yaml", seed!("3-application.yaml")),
    ])
    .unwrap();
    assert_eq!(
        second.applications,
        [seed_application("stefanprodan/podinfo:5.0.2", "application.yaml")]
    );
    let listed = batches(&[count(1), count(2), count(2)]);
    let expected =
        seed_rollout(Some("test-rolling-v1"), "test-rolling-v2", listed, "approllout.yaml");
    assert_eq!(second.rollouts, [expected]);
    let mut expected = seed_rollout(
        Some("test-rolling-v1"),
        "test-rolling-v2",
        batches(&[count(1), percent(50), percent(50)]),
        "a.yaml",
    );
    expected.plan.batch_partition = Some(1);
    assert_eq!(plan(seed!("overview.yaml")).rollouts, [expected]);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_damaged_plan_makes_the_reader_panic(
        seed in 0_usize..3,
        at in 0_usize..400,
        length in 0_usize..60,
        junk in "[ -~\\n]{0,12}",
    ) {
        let text = [seed!("1-application.yaml"), seed!("2-approllout.yaml"), seed!("overview.yaml")][seed];
        let at = at.min(text.len());
        let end = (at + length).min(text.len());
        let damaged = format!("{}{junk}{}", &text[..at], &text[end..]);
        let path = if length % 2 == 0 { "a.yaml" } else { "tranche.yaml" };
        if let Err(errors) = load(vec![file(path, &damaged)]) {
            proptest::prop_assert!(!errors.to_string().is_empty());
        }
    }
}
