//! One repository and two targets: what differs between them is in overlays.

use crate::plans::{rollout, web};
use crate::stage::Stage;
use crate::world::pods;

const PROJECT: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: Project
spec:
  targets:
    - name: try
      cluster: {sandbox: {}}
    - name: prod
      cluster: {sandbox: {}}
      overlays:
        - target: {kind: Deployment, name: queue}
          patch:
            - {op: replace, path: /spec/replicas, value: 3}
            - {op: replace, path: /spec/template/spec/containers/0/image, value: \"stefanprodan/podinfo:6.7.1\"}
        - target: {kind: ConfigMap, name: settings}
          path: overlays/settings.yaml
";

const SETTINGS: &str = "- {op: replace, path: /data/colour, value: green}\n";

const PLAN: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: queue}
spec:
  components:
    - name: queue
      type: worker
      properties: {image: \"stefanprodan/podinfo:6.7.0\"}
      traits:
        - type: scaler
          properties: {replicas: 1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
";

fn stage() -> Stage {
    Stage::with(&[
        ("tranche.yaml", PROJECT),
        ("plan.yaml", PLAN),
        ("overlays/settings.yaml", SETTINGS),
    ])
}

#[track_caller]
fn apply(stage: &Stage, target: &str) {
    stage.run_to(target, &["apply", "--wait", "10m"]).ends(0);
}

fn colour(stage: &Stage, target: &str) -> String {
    let world = stage.world_of(target);
    world.get("ConfigMap", "settings").unwrap()["data"]["colour"].as_str().unwrap().to_owned()
}

#[test]
fn each_target_gets_what_its_overlays_say() {
    let stage = stage();
    let shown = stage.run_to("prod", &["render"]).ends(0).out;
    assert!(shown.contains("replicas: 3") && shown.contains("podinfo:6.7.1"), "{shown}");
    assert!(shown.contains("colour: green"), "{shown}");
    let shown = stage.run_to("try", &["render"]).ends(0).out;
    assert!(shown.contains("replicas: 1") && shown.contains("podinfo:6.7.0"), "{shown}");
    assert!(shown.contains("colour: blue"), "{shown}");
    for target in ["try", "prod"] {
        apply(&stage, target);
    }
    assert_eq!(stage.world_of("try").ready_pods(), pods(&[("6.7.0", 1)]));
    assert_eq!(stage.world_of("prod").ready_pods(), pods(&[("6.7.1", 3)]));
    assert_eq!((colour(&stage, "try"), colour(&stage, "prod")), ("blue".into(), "green".into()));

    // An overlay is changed: its target follows, the other has nothing to do.
    let told = |target: &str| std::fs::read(stage.journal_of(target)).unwrap();
    let before = told("try");
    stage.commit(&[("overlays/settings.yaml", &SETTINGS.replace("green", "red"))]);
    for target in ["try", "prod"] {
        apply(&stage, target);
    }
    assert_eq!((colour(&stage, "try"), colour(&stage, "prod")), ("blue".into(), "red".into()));
    assert_eq!(told("try"), before);
}

/// The revisions of application `web` that a target's record has, with the
/// digests of what is rendered.
fn revisions(stage: &Stage, target: &str) -> Vec<(String, String)> {
    let repository = stage.repository();
    let branch = repository.find_reference(&format!("refs/heads/tranche/{target}")).unwrap();
    let tree = branch.peel_to_tree().unwrap();
    let mut found = Vec::new();
    tree.walk(git2::TreeWalkMode::PreOrder, |_, entry| {
        if let Ok(blob) = repository.find_blob(entry.id())
            && let Ok(record) =
                serde_yaml::from_str::<serde_json::Value>(&String::from_utf8_lossy(blob.content()))
            && let (Some(revision), Some(digest)) =
                (record["revision"].as_str(), record["rendered"].as_str())
        {
            found.push((revision.to_owned(), digest.to_owned()));
        }
        git2::TreeWalkResult::Ok
    })
    .unwrap();
    found.sort();
    found
}

#[test]
fn a_changed_overlay_is_another_revision_with_one_number_on_all_targets() {
    let project = |image: &str| {
        PROJECT
            .replace("name: queue", "name: web")
            .replace("podinfo:6.7.1", &format!("podinfo:{image}"))
            .split("        - target: {kind: ConfigMap")
            .next()
            .unwrap()
            .to_owned()
    };
    let stage = Stage::with(&[
        ("tranche.yaml", &project("6.7.1")),
        ("web.yaml", &web("6.7.0", 4, &[])),
        ("rollout.yaml", &rollout("web-v1", &[])),
    ]);
    for target in ["try", "prod"] {
        apply(&stage, target);
    }
    assert_eq!(stage.world_of("try").ready_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(stage.world_of("prod").ready_pods(), pods(&[("6.7.1", 3)]));

    stage.commit(&[("tranche.yaml", &project("6.7.2")), ("rollout.yaml", &rollout("web-v2", &[]))]);
    for target in ["try", "prod"] {
        apply(&stage, target);
    }
    assert_eq!(stage.world_of("try").ready_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(stage.world_of("prod").ready_pods(), pods(&[("6.7.2", 3)]));
    assert_eq!(stage.world_of("prod").sizes("Deployment")["web-v2"], 3);
    let (other, prod) = (revisions(&stage, "try"), revisions(&stage, "prod"));
    let names = |all: &[(String, String)]| all.iter().map(|r| r.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&other), ["web-v1", "web-v2"]);
    assert_eq!(names(&other), names(&prod));
    assert_eq!(other[0].1, other[1].1, "nothing else is rendered there");
    assert_ne!(prod[0].1, prod[1].1);
    assert_ne!(other[0].1, prod[0].1);

    // Back to the first overlay is back to the first revision.
    stage.commit(&[("tranche.yaml", &project("6.7.1"))]);
    apply(&stage, "prod");
    assert_eq!(names(&revisions(&stage, "prod")), ["web-v1", "web-v2"]);
}

#[test]
fn what_was_reviewed_does_not_cover_another_secret_of_an_overlay() {
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: keys}, stringData: {main: a}}\n";
    let value =
        |of: &str| format!("- {{op: replace, path: /stringData/main, value: hunter2-{of}}}\n");
    let overlay = "        - target: {kind: Secret, name: keys}\n          path: keys/prod.yaml\n";
    let stage = stage();
    stage.commit(&[
        ("tranche.yaml", &format!("{PROJECT}{overlay}")),
        ("keys.yaml", secret),
        ("keys/prod.yaml", &value("one")),
    ]);
    let file = stage.path().join("plan.json");
    let file = file.to_str().unwrap();
    stage.run_to("prod", &["plan", "--out", file]).says("Secret/default/keys");
    let saved = std::fs::read_to_string(file).unwrap();
    assert!(saved.contains("\"keys/prod.yaml\"") && saved.contains("\"keys.yaml\""), "{saved}");
    assert!(!saved.contains("hunter2") && !saved.contains("overlays/settings.yaml"), "{saved}");
    stage.commit(&[("keys/prod.yaml", &value("two"))]);
    let apply = ["apply", "--wait", "10m", "--plan", file];
    stage.run_to("prod", &apply).ends(6).says("keys/prod.yaml");
    stage.commit(&[("keys/prod.yaml", &value("one"))]);
    stage.run_to("prod", &apply).ends(0);
}

#[test]
fn an_overlay_that_does_not_apply_is_an_error_on_every_target() {
    let stage = stage();
    let cases = [
        (
            PROJECT.replace("name: settings}", "name: setings}"),
            "tranche.yaml:14: overlay of target prod: nothing renders ConfigMap/setings; there is \
             ConfigMap/settings",
        ),
        (
            PROJECT.replace("/spec/replicas", "/spec/replica"),
            "tranche.yaml:12: overlay of target prod: Deployment/default/queue: `replace \
             /spec/replica`: there is nothing at this path; `op: add` sets it",
        ),
        (PROJECT.replace("settings.yaml", "sets.yaml"), "there is no file overlays/sets.yaml"),
    ];
    for (project, why) in &cases {
        stage.commit(&[("tranche.yaml", project)]);
        for target in ["try", "prod"] {
            stage.run_to(target, &["render"]).ends(65).says(why);
            stage.run_to(target, &["apply"]).ends(65).says(why);
        }
    }
}

#[test]
fn values_of_overlays_are_no_secret_less() {
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: keys}, stringData: {main: a}}\n";
    let overlay = "        - target: {kind: Secret, name: keys}\n          patch:\n            \
                   - {op: add, path: /stringData/main, value: hunter2-of-prod}\n";
    let stage = stage();
    stage.commit(&[("tranche.yaml", &format!("{PROJECT}{overlay}")), ("keys.yaml", secret)]);
    let mut said = String::new();
    for arguments in [&["render"][..], &["plan"], &["apply", "--wait", "10m"], &["log"]] {
        said.push_str(&stage.run_to("prod", arguments).to_string());
    }
    let stored = stage.world_of("prod").get("Secret", "keys").unwrap()["data"]["main"].clone();
    assert_eq!(stored, "aHVudGVyMi1vZi1wcm9k", "it got there");
    let broken = overlay.replace("op: add", "opp: add");
    stage.commit(&[("tranche.yaml", &format!("{PROJECT}{broken}"))]);
    said.push_str(&stage.run_to("prod", &["render"]).ends(65).to_string());
    assert!(!said.contains("hunter2"), "{said}");
}
