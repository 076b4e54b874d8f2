//! Fields that somebody else has set since: shown with their owner, and
//! refused, kept or taken as the plan says.

use crate::stage::Stage;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/namespaces/default/configmaps/settings";

fn config(policy: Option<&str>) -> String {
    let annotations = policy.map_or_else(String::new, |policy| {
        format!(", annotations: {{tranche.dev/conflicts: {policy}}}")
    });
    format!(
        "\
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings{annotations}}}
data: {{colour: blue, size: small}}
"
    )
}

const OTHER: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
data: {a: b}
";

/// Applied, and one value changed by hand.
fn edited(policy: Option<&str>) -> Stage {
    let stage = Stage::with(&[("config.yaml", &config(policy))]);
    stage.apply_wait().ends(0);
    stage.meddle(
        PATH,
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
                "data": {"colour": "red"}}),
    );
    stage
}

fn colour(stage: &Stage) -> Value {
    stage.world().get("ConfigMap", "settings").unwrap()["data"]["colour"].clone()
}

/// What `plan -o json` says of the objects of all entities.
fn objects(stage: &Stage, code: i32) -> Vec<Value> {
    let ran = stage.run(&["plan", "-o", "json"]).ends(code);
    let review: Value = serde_json::from_str(&ran.out).unwrap();
    let entities = review["targets"][0]["entities"].as_array().unwrap().clone();
    entities.iter().flat_map(|entity| entity["objects"].as_array().unwrap().clone()).collect()
}

#[test]
fn an_edit_by_hand_is_shown_with_its_owner_and_refused_by_default() {
    let stage = edited(None);
    stage.commit(&[("other.yaml", OTHER)]);
    let tip = stage.tip();
    let found = objects(&stage, 77);
    let names: Vec<&Value> = found.iter().map(|object| &object["name"]).collect();
    assert_eq!(names, ["other", "settings"], "one refusal hides no other object");
    let note = &found[1]["notes"][0];
    assert_eq!(note["kind"], "conflict");
    assert_eq!((&note["managers"][0], &note["outcome"]), (&json!("kubectl"), &json!("refused")));
    assert_eq!(note["fields"][0], ".data.colour");
    let diff = found[1]["diff"].as_array().unwrap();
    assert!(diff.contains(&json!("-  colour: red")) && diff.contains(&json!("+  colour: blue")));
    stage.apply_wait().ends(77).says("tranche.dev/conflicts: take");
    assert_eq!(colour(&stage), "red");
    assert!(stage.world().get("ConfigMap", "other").is_none(), "nothing was written");
    assert_eq!(stage.tip(), tip);
}

#[test]
fn what_is_kept_stays_and_is_nothing_to_do() {
    let stage = edited(Some("keep"));
    stage.apply_wait().ends(0);
    assert_eq!(colour(&stage), "red");
    assert!(objects(&stage, 0).is_empty());
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "and stays so");
    stage.commit(&[("config.yaml", &config(Some("keep")).replace("small", "large"))]);
    let found = objects(&stage, 0);
    let note = &found[0]["notes"][0];
    assert_eq!((&note["kind"], &note["outcome"]), (&json!("conflict"), &json!("kept")));
    stage.apply_wait().ends(0);
    let data = stage.world().get("ConfigMap", "settings").unwrap()["data"].clone();
    assert_eq!(data, json!({"colour": "red", "size": "large"}));
}

#[test]
fn what_is_taken_is_the_plans_again() {
    let stage = edited(None);
    stage.commit(&[("config.yaml", &config(Some("take")))]);
    let found = objects(&stage, 0);
    assert_eq!(found[0]["notes"][0]["outcome"], "taken");
    stage.apply_wait().ends(0);
    assert_eq!(colour(&stage), "blue");
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
}

#[test]
fn a_policy_that_is_none_is_an_error_of_the_plan() {
    let stage = Stage::with(&[("config.yaml", &config(Some("tak")))]);
    stage.run(&["lint"]).ends(65).says("tranche.dev/conflicts").says("did you mean `take`?");
}
