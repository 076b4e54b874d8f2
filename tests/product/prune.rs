//! What the plan leaves out: shown, deleted only where inventory, label, owner
//! and uid agree, and never most of it just so.

use crate::stage::Stage;
use serde_json::{Value, json};

fn config(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: b}}\n")
}

/// Four ConfigMaps, applied.
fn four() -> Stage {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(config);
    let stage = Stage::with(&[("a.yaml", &a), ("b.yaml", &b), ("c.yaml", &c), ("d.yaml", &d)]);
    stage.apply_wait().ends(0);
    stage
}

fn names(stage: &Stage) -> Vec<String> {
    let world = stage.world();
    world.of_kind("ConfigMap").map(|(name, _)| name.to_owned()).collect()
}

fn path(name: &str) -> String {
    format!("/api/v1/namespaces/default/configmaps/{name}")
}

#[test]
fn what_a_commit_removes_is_shown_deleted_once_and_recorded() {
    let stage = four();
    stage.remove("b.yaml");
    let plan = stage.run(&["plan", "--detailed-exitcode"]).ends(2);
    plan.says("delete ConfigMap/default/b").says("delete what the plan leaves out");
    assert_eq!(names(&stage), ["a", "b", "c", "d"], "a plan writes nothing");
    let ran = stage.apply_wait().ends(0);
    assert!(
        ran.out.contains("_objects: prune begins, an object that the plan leaves out"),
        "{ran}"
    );
    assert_eq!(names(&stage), ["a", "c", "d"]);
    let tip = stage.tip();
    let inventory = stage.record_file("inventory/default/_objects.yaml");
    assert!(!inventory.contains("name: b\n"), "{inventory}");
    stage.run(&["plan", "--detailed-exitcode"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "nothing is left to do");
}

#[test]
fn deletions_come_after_what_the_plan_has_stands() {
    let stage = four();
    stage.remove("b.yaml");
    stage.commit(&[("c.yaml", &config("c").replace("a: b", "a: c"))]);
    let plan = stage.run(&["plan"]).ends(0);
    plan.says("update ConfigMap/default/c").says("delete ConfigMap/default/b");
    stage.apply_wait().ends(0);
    let history: Vec<_> = stage.history();
    let gone = history.iter().position(|world| {
        world.get("ConfigMap", "d").is_some() && world.get("ConfigMap", "b").is_none()
    });
    let changed = history
        .iter()
        .position(|world| world.get("ConfigMap", "c").is_some_and(|c| c["data"]["a"] == "c"));
    assert!(changed.unwrap() < gone.unwrap(), "{changed:?} {gone:?}");
}

#[test]
fn more_than_half_goes_only_by_a_word_of_its_own() {
    let stage = four();
    for file in ["a.yaml", "b.yaml", "c.yaml"] {
        stage.remove(file);
    }
    let tip = stage.tip();
    for command in [&["plan"][..], &["apply", "--wait", "1m"]] {
        let ran = stage.run(command).ends(77);
        ran.says("leaves out 3 of the 4 objects").says("--allow-prune");
    }
    assert_eq!((names(&stage).len(), stage.tip()), (4, tip));
    stage.run(&["plan", "--allow-prune"]).ends(0).says("delete ConfigMap/default/c");
    stage.run(&["apply", "--allow-prune", "--wait", "1m"]).ends(0);
    assert_eq!(names(&stage), ["d"]);
}

#[test]
fn what_a_saved_plan_deletes_was_reviewed_with_it() {
    let stage = four();
    for file in ["a.yaml", "b.yaml", "c.yaml"] {
        stage.remove(file);
    }
    let plan = stage.path().join("plan.json");
    let plan = plan.to_str().unwrap();
    stage.run(&["plan", "--out", plan]).ends(77);
    assert!(!std::path::Path::new(plan).exists(), "what is refused is not saved");
    stage.run(&["plan", "--allow-prune", "--out", plan]).ends(0);
    // Something else has gone from the plan since: that was not reviewed.
    stage.remove("d.yaml");
    stage.run(&["apply", "--plan", plan, "--wait", "1m"]).ends(6);
    assert_eq!(names(&stage).len(), 4);
    stage.commit(&[("d.yaml", &config("d"))]);
    stage.run(&["apply", "--plan", plan, "--wait", "1m"]).ends(0);
    assert_eq!(names(&stage), ["d"]);
}

#[test]
fn a_plan_that_renders_nothing_any_more_deletes_nothing_just_so() {
    let stage = four();
    for file in ["a.yaml", "b.yaml", "c.yaml", "d.yaml"] {
        stage.remove(file);
    }
    stage.run(&["plan"]).ends(77).says("note: tranche.yaml:1: the plan is empty");
    let ran = stage.apply_wait().ends(77);
    ran.says("renders none of the 4 objects").says("--allow-prune");
    assert_eq!(names(&stage).len(), 4);
    stage.run(&["apply", "--allow-prune", "--wait", "1m"]).ends(0);
    assert!(names(&stage).is_empty());
    stage.apply_wait().ends(0).says("the plan is empty");
    stage.commit(&[("a.yaml", &config("a"))]);
    stage.apply_wait().ends(0);
    assert_eq!(names(&stage), ["a"], "it comes back with the document");
}

#[test]
fn what_is_not_ours_any_more_stays() {
    let stage = four();
    // `a` was created anew by somebody, `b` is to be kept, `c` lost its label.
    stage.destroy(&path("a"));
    let by_hand = |name: &str, metadata: Value| {
        stage.meddle(
            &path(name),
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}),
        );
    };
    by_hand("a", json!({"name": "a", "labels": {"app.kubernetes.io/managed-by": "tranche"}}));
    by_hand("b", json!({"name": "b", "annotations": {"tranche.dev/prune": "never"}}));
    by_hand("c", json!({"name": "c", "labels": {"app.kubernetes.io/managed-by": "somebody"}}));
    for file in ["a.yaml", "b.yaml", "c.yaml"] {
        stage.remove(file);
    }
    stage.commit(&[("e.yaml", &config("e"))]);
    stage.apply_wait().ends(0);
    assert_eq!(names(&stage), ["a", "b", "c", "d", "e"]);
}

#[test]
fn what_has_another_owner_in_the_plan_is_handed_over() {
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports: [{port: 80}]\n";
    let stage = Stage::with(&[("web.yaml", service), ("a.yaml", &config("a"))]);
    stage.apply_wait().ends(0);
    let uid = |stage: &Stage| {
        stage.world().get("Service", "web").map(|web| web["metadata"]["uid"].clone())
    };
    let before = uid(&stage);
    stage.remove("web.yaml");
    stage.commit(&[(
        "app.yaml",
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: web}\nspec:\n  components:\n    - name: web\n      type: webservice\n      properties:\n        image: web:1\n        ports: [{port: 80, expose: true}]\n",
    )]);
    stage.apply_wait().ends(0);
    assert!(before.is_some());
    assert_eq!(uid(&stage), before, "the same Service, never deleted");
}

#[test]
fn an_application_that_leaves_the_plan_goes_with_its_objects() {
    let app = "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {name: web}\nspec:\n  components:\n    - name: web\n      type: webservice\n      properties:\n        image: web:1\n        ports: [{port: 80, expose: true}]\n";
    let stage = Stage::with(&[("app.yaml", app), ("a.yaml", &config("a"))]);
    stage.apply_wait().ends(0);
    stage.remove("app.yaml");
    stage.apply_wait().ends(77).says("renders none of the 2 objects");
    stage.run(&["apply", "--allow-prune", "--wait", "1m"]).ends(0);
    let world = stage.world();
    assert!(world.get("Deployment", "web").is_none() && world.get("Service", "web").is_none());
    stage.run(&["status"]).ends(0);
}

#[test]
fn a_claim_goes_only_where_it_says_so_itself() {
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec:\n  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n";
    let stage = four();
    stage.commit(&[("claim.yaml", claim)]);
    stage.run(&["apply", "--wait", "5s"]);
    assert!(stage.world().get("PersistentVolumeClaim", "data").is_some());
    stage.remove("claim.yaml");
    stage.commit(&[("b.yaml", &config("b").replace("a: b", "a: c"))]);
    let plan = stage.run(&["plan"]).ends(0);
    assert!(!plan.out.contains("delete PersistentVolumeClaim"), "{plan}");
    stage.apply_wait().ends(0);
    assert!(stage.world().get("PersistentVolumeClaim", "data").is_some());
    stage.meddle(
        "/api/v1/namespaces/default/persistentvolumeclaims/data",
        &json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data", "annotations": {"tranche.dev/prune": "allow"}}}),
    );
    stage.apply_wait().ends(0);
    assert!(stage.world().get("PersistentVolumeClaim", "data").is_none());
}
