//! Many rollouts in one repository: a few pushes a round, however many they
//! are, and none that waits holds up another.

use crate::stage::Stage;
use serde_json::Value;

/// Rollouts in one repository.
const MANY: usize = 200;
const BATCHES: u64 = 3;

fn application(name: &str, tag: &str, ready: bool) -> String {
    let never = "        - type: annotations\n          properties:\n            \
                 sandbox.tranche.dev/ready: never\n";
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: {name}\n  \
         annotations:\n    app.oam.dev/rollout-template: \"true\"\nspec:\n  components:\n    \
         - name: {name}\n      type: webservice\n      properties:\n        image: {name}:{tag}\n      \
         traits:\n        - type: scaler\n          properties:\n            replicas: 5\n{}",
        if ready { "" } else { never }
    )
}

fn rollout(name: &str, revision: usize) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata:\n  name: {name}\nspec:\n  \
         targetAppRevisionName: {name}-v{revision}\n  componentList: [{name}]\n  rolloutPlan:\n    \
         rolloutBatches:\n      - replicas: 1\n      - replicas: 2\n      - replicas: 2\n"
    )
}

fn plan(stage: &Stage, tag: &str, revision: usize) {
    let mut files = Vec::new();
    for i in 0..MANY {
        let name = format!("app{i:03}");
        files.push((format!("{name}/app.yaml"), application(&name, tag, true)));
        files.push((format!("{name}/rollout.yaml"), rollout(&name, revision)));
    }
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    stage.commit(&files);
}

/// A run to the end, and the rounds that it says it took.
fn rounds(stage: &Stage) -> Vec<Value> {
    let path = stage.path().join("summary.json");
    stage.run(&["apply", "--wait", "10m", "--summary", path.to_str().unwrap()]).ends(0);
    let summary: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    summary["targets"][0]["rounds"].as_array().unwrap().clone()
}

#[test]
fn many_rollouts_take_a_few_pushes_a_round() {
    let stage = Stage::new();
    let counter = stage.path().join("pushes");
    stage.hook("pre-receive", &format!("cat >> '{}'", counter.display()));
    plan(&stage, "1", 1);
    let rounds = rounds(&stage);
    let pushes = std::fs::read_to_string(&counter).unwrap().lines().count();
    let told: u64 = rounds.iter().map(|round| round["pushes"].as_u64().unwrap()).sum();
    assert_eq!(usize::try_from(told).unwrap(), pushes, "{rounds:?}");
    assert!(pushes <= 3 * rounds.len(), "{pushes} pushes: {rounds:?}");
    // A machine that is slow makes more rounds of it, never more results.
    let results: u64 = rounds.iter().map(|round| round["results"].as_u64().unwrap()).sum();
    assert_eq!(results, BATCHES * MANY as u64, "{rounds:?}");
    let sizes = stage.world().sizes("Deployment");
    assert_eq!(sizes.len(), MANY);
    assert!(sizes.values().all(|replicas| *replicas == 5), "{sizes:?}");
}

#[test]
fn one_that_never_gets_ready_holds_up_no_other() {
    let stage = Stage::with(&[
        ("good.yaml", &application("good", "1", true)),
        ("good-rollout.yaml", &rollout("good", 1)),
        ("bad.yaml", &application("bad", "1", false)),
        ("bad-rollout.yaml", &rollout("bad", 1)),
    ]);
    let ran = stage.run(&["apply"]).ends(3).says("bad: waiting");
    assert!(!ran.out.contains("good: waiting"), "{ran}");
    let sizes = stage.world().sizes("Deployment");
    assert_eq!((sizes["good-v1"], sizes["bad-v1"]), (5, 1), "{sizes:?}");
}
