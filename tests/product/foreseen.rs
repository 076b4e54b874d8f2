//! What a plan shows of objects that are there only during a rollout, and of
//! what is written on the way: it is all there before an apply writes it.

use crate::plans::APPLICATION;
use crate::stage::Stage;
use crate::traffic;
use crate::tree::{tried, tried_beside};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The objects of a plan, by kind and name.
fn planned(stage: &Stage) -> BTreeMap<String, Value> {
    let said = stage.run(&["plan", "-o", "json"]).ends(0);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    let entities = plan["targets"][0]["entities"].as_array().unwrap().iter();
    let objects = entities.flat_map(|entity| entity["objects"].as_array().unwrap().clone());
    let named = objects.map(|object| {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["name"].as_str().unwrap());
        (format!("{kind}/{name}"), object.clone())
    });
    named.collect()
}

fn lines(diff: &Value) -> Vec<String> {
    diff.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// What each step adds to an object that has these words, on the way.
fn added(object: &Value, words: &str) -> Vec<String> {
    let way = object["onTheWay"].as_array().unwrap().iter();
    way.flat_map(|halfway| {
        let step = halfway["step"].as_str().unwrap().to_owned();
        let lines = lines(&halfway["diff"]).into_iter();
        let lines = lines.filter(|line| line.starts_with('+') && line.contains(words));
        lines.map(move |line| format!("{step}: {}", line[1..].trim()))
    })
    .collect()
}

#[test]
fn a_trial_its_services_and_its_ingress_are_in_the_plan_before_they_are_on_the_cluster() {
    let stage = tried_beside();
    stage.commit(&[(APPLICATION, &tried("6.7.1"))]);
    let planned = planned(&stage);
    let during = json!({"from": "batch 1", "to": "batch 3"});
    let temporary: Vec<&String> =
        planned.iter().filter(|(_, o)| o["change"] == "temporary").map(|(name, _)| name).collect();
    assert_eq!(
        temporary,
        [
            "Deployment/demo-v2-canary",
            "Ingress/demo-canary",
            "Service/demo-v1-traffic",
            "Service/demo-v2-traffic"
        ]
    );
    assert!(temporary.iter().all(|name| planned[*name]["during"] == during));
    let trial = lines(&planned["Deployment/demo-v2-canary"]["diff"]).join("\n");
    assert!(trial.contains("+      - image: stefanprodan/podinfo:6.7.1"), "{trial}");
    assert!(trial.contains("+  replicas: 0"), "it is created without pods: {trial}");
    let twin = lines(&planned["Service/demo-v2-traffic"]["diff"]).join("\n");
    assert!(twin.contains("+    tranche.dev/template: "), "{twin}");
    let second = &planned["Ingress/demo-canary"];
    let weight = "nginx.ingress.kubernetes.io/canary-weight";
    let weights = [("1", 20), ("2", 90), ("3", 100)];
    let weights = weights.map(|(batch, share)| format!("batch {batch}: {weight}: \"{share}\""));
    assert_eq!(added(second, "canary-weight"), weights);
    assert!(second["dangers"].as_array().unwrap().contains(&json!("weight")), "{second}");
    stage.run(&["plan"]).ends(0).says("4 only during the rollout").says(
        "temporary Deployment/default/demo-v2-canary  only during the rollout (batch 1 to batch 3)",
    );
    stage.apply_wait().ends(3);
    let world = stage.world();
    for name in temporary {
        let (kind, name) = name.split_once('/').unwrap();
        assert!(world.get(kind, name).is_some(), "{kind}/{name}");
    }
    // From now on they are there, and the rest of the steps takes them away.
    stage.run(&["approve", "demo"]).ends(0);
    stage.apply_wait().ends(3);
    stage.run(&["approve", "demo"]).ends(0);
    let left = self::planned(&stage);
    assert_eq!(left["Deployment/demo-v2-canary"]["change"], "delete");
    assert!(left.values().all(|object| object["change"] != "temporary"), "{left:?}");
}

#[test]
fn every_weight_of_a_route_is_in_the_plan_before_it_moves() {
    let stage = traffic::serving();
    traffic::upgrade(&stage, &[]);
    let planned = planned(&stage);
    let route = &planned["HTTPRoute/web"];
    assert_eq!(route["change"], "none", "in the end it is as rendered");
    let foreseen = added(route, "weight:");
    let steps = [
        "batch 1: weight: 100",
        "batch 1: weight: 0",
        "batch 1: weight: 75",
        "batch 1: weight: 25",
        "batch 2: weight: 25",
        "batch 2: weight: 75",
        "batch 3: weight: 0",
        "batch 3: weight: 100",
        "batch 3: weight: 1",
    ];
    assert_eq!(foreseen, steps);
    let text = stage.run(&["plan"]).ends(0);
    let text = text.says("leave HTTPRoute/default/web  [weight]\n  in batch 1:\n    @@");
    assert!(text.out.contains("+      name: web-v2-traffic"), "{text}");
    stage.apply_wait().ends(0);
    assert!(stage.run(&["plan"]).ends(0).out.contains("nothing to do"));
}

#[test]
fn a_value_that_is_secret_is_not_shown_of_what_is_temporary_either() {
    let stage = tried_beside();
    let secret = "planted-value-of-a-trial";
    let more = format!(
        "        - type: env\n          properties: {{env: {{API_TOKEN: {secret}}}}}\n        - type: kruise"
    );
    stage.commit(&[(APPLICATION, &tried("6.7.1").replace("        - type: kruise", &more))]);
    for form in ["text", "json", "markdown", "html"] {
        let said = stage.run(&["plan", "-o", form]).ends(0);
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{form}: {said}");
        assert!(said.out.contains("demo-v2-canary") && said.out.contains("API_TOKEN"), "{form}");
    }
    let out = stage.path().join("plan.json");
    stage.run(&["plan", "--out", out.to_str().unwrap()]).ends(0);
    assert!(!std::fs::read_to_string(&out).unwrap().contains(secret));
}
