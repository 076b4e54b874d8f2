//! Plans that were saved at their review and are applied later: what runs is
//! what was reviewed, or nothing.

use crate::pair::{serving, upgrade};
use crate::plans::{APPLICATION, ROLLOUT, broken_web, rollout, slow_web, web};
use crate::stage::{RECORD, Ran, Stage};
use crate::world::pods;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

const CONFIG: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue, size: small}
";

const SECRET: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: first-horse}
";

const SETTINGS: &str = "/api/v1/namespaces/default/configmaps/settings";
const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web-v1";

fn save(stage: &Stage) -> Value {
    stage.run(&["plan", "--out", "plan.json"]).ends(0);
    saved(stage)
}

fn saved(stage: &Stage) -> Value {
    let text = std::fs::read_to_string(stage.path().join("plan.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn use_saved(stage: &Stage) -> Ran {
    stage.run(&["apply", "--plan", "plan.json", "--wait", "10m"])
}

/// The ids of all steps in a saved plan.
fn steps(plan: &Value) -> BTreeSet<String> {
    let entities = plan["targets"][0]["entities"].as_array().unwrap();
    let steps = entities.iter().flat_map(|e| e["steps"].as_array().into_iter().flatten());
    steps.map(|step| step["id"].as_str().unwrap().to_owned()).collect()
}

/// The steps of all intents that the record has.
fn begun(stage: &Stage) -> BTreeSet<String> {
    let log = stage.log();
    let intents = log.into_iter().filter(|commit| commit.phase == "intent");
    intents.filter_map(|commit| commit.step).collect()
}

/// The record's tip, if there is a record.
fn tip(stage: &Stage) -> Option<String> {
    stage.repository().refname_to_id(RECORD).ok().map(|id| id.to_string())
}

/// What is on the cluster and on the record, byte by byte.
fn all(stage: &Stage) -> (String, Option<String>) {
    let told = stage.world();
    let kinds = ["Deployment", "ConfigMap", "Secret", "Service", "Lease", "Pod"];
    let objects: Vec<(&str, &Value)> = kinds.iter().flat_map(|kind| told.of_kind(kind)).collect();
    (serde_json::to_string(&objects).unwrap(), tip(stage))
}

/// Applying the saved plan is refused as stale, and does nothing at all.
#[track_caller]
fn is_stale(stage: &Stage) -> Ran {
    let before = all(stage);
    let ran = use_saved(stage).ends(6);
    assert_eq!(all(stage), before, "{ran}");
    ran.says("is stale")
}

fn edit(stage: &Stage, path: &str, kind: &str, name: &str, spec: (&str, Value)) {
    let api = if kind == "Deployment" { "apps/v1" } else { "v1" };
    let mut body = json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}});
    body[spec.0] = spec.1;
    stage.meddle(path, &body);
}

#[test]
fn what_was_reviewed_runs_and_nothing_else_and_only_once() {
    let stage = serving();
    upgrade(&stage, &[]);
    let before = begun(&stage);
    let plan = save(&stage);
    assert_eq!(steps(&plan).len(), 3);
    let comment = stage.run(&["plan", "--out", "plan.json", "-o", "markdown"]).ends(0);
    let digest = plan["digest"].as_str().unwrap().trim_start_matches("sha256:");
    comment.says(&format!("Plan digest: SHA-256 <code>{digest}</code>"));
    use_saved(&stage).ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 4)]));
    let ran: BTreeSet<String> = begun(&stage).difference(&before).cloned().collect();
    assert_eq!(ran, steps(&plan));
    stage.record_is_whole();
    let done = all(&stage);
    use_saved(&stage).ends(0).says("everything is as the plan says");
    assert_eq!(all(&stage), done);
}

#[test]
fn a_first_rollout_and_plain_objects_run_as_reviewed() {
    let stage = Stage::with(&[
        (APPLICATION, &web("6.7.0", 4, &[])),
        (ROLLOUT, &rollout("web-v1", &[])),
        ("config.yaml", CONFIG),
        ("secret.yaml", SECRET),
    ]);
    let plan = save(&stage);
    use_saved(&stage).ends(0);
    assert_eq!(begun(&stage), steps(&plan));
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
}

/// A checkout of a stage's plan, from which every command of a test is run: the
/// embedded cluster is one for each way to name a repository.
struct Checkout<'s> {
    stage: &'s Stage,
    path: PathBuf,
}

impl<'s> Checkout<'s> {
    fn of(stage: &'s Stage) -> Self {
        let path = stage.path().join("checkout");
        git2::Repository::clone(stage.plan().to_str().unwrap(), &path).unwrap();
        Self { stage, path }
    }

    fn write(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            std::fs::write(self.path.join(path), text).unwrap();
        }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.stage.command_at(&self.path, arguments).output().unwrap())
    }

    fn use_saved(&self) -> Ran {
        self.run(&["apply", "--plan", "plan.json", "--wait", "10m"])
    }
}

/// `web-v1` serves, and nothing that the checkout brings is committed.
fn first() -> Stage {
    Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &rollout("web-v1", &[]))])
}

#[test]
fn a_plan_of_the_checkout_holds_for_the_commit_that_is_merged() {
    let stage = first();
    let checkout = Checkout::of(&stage);
    checkout.run(&["apply", "--wait", "10m"]).ends(0);
    let (application, target) = (web("6.7.1", 4, &[]), rollout("web-v2", &[]));
    let files = [
        (APPLICATION, application.as_str()),
        (ROLLOUT, target.as_str()),
        ("secret.yaml", SECRET),
        ("config.yaml", CONFIG),
    ];
    checkout.write(&files);
    checkout.run(&["plan", "--worktree", "--out", "plan.json"]).ends(0);
    let reviewed = saved(&stage);
    assert_eq!(reviewed["targets"][0]["plan"], "worktree");
    stage.commit(&files);
    checkout.run(&["plan", "--out", "merged.json"]).ends(0);
    let merged = std::fs::read(stage.path().join("merged.json")).unwrap();
    let merged: Value = serde_json::from_slice(&merged).unwrap();
    assert_eq!(merged["digest"], reviewed["digest"]);
    assert_ne!(merged["targets"][0]["plan"], reviewed["targets"][0]["plan"]);
    checkout.use_saved().ends(0);
    assert!(stage.world().get("Secret", "db").is_some());
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 4)]));
}

#[test]
fn a_value_that_was_set_by_hand_since_is_shown_and_nothing_is_written() {
    let take = CONFIG.replace(
        "{name: settings}",
        "{name: settings, annotations: {tranche.dev/conflicts: take}}",
    );
    let stage = Stage::with(&[("config.yaml", &take)]);
    stage.apply_wait().ends(0);
    stage.commit(&[("config.yaml", &take.replace("blue", "green"))]);
    save(&stage);
    edit(&stage, SETTINGS, "ConfigMap", "settings", ("data", json!({"colour": "red"})));
    is_stale(&stage).says(
        "ConfigMap/default/settings .data.colour: reviewed \"blue\" to \"green\"; now \"red\" to \
         \"green\"",
    );
    // What nobody reviewed is another patch, too.
    edit(
        &stage,
        SETTINGS,
        "ConfigMap",
        "settings",
        ("data", json!({"colour": "blue", "size": "x"})),
    );
    is_stale(&stage).says(".data.size: not reviewed; now \"x\" to \"small\"");
}

#[test]
fn what_does_not_change_the_patch_is_no_difference() {
    let stage = Stage::with(&[("config.yaml", CONFIG)]);
    stage.apply_wait().ends(0);
    stage.commit(&[("config.yaml", &CONFIG.replace("blue", "green"))]);
    let digest = save(&stage)["digest"].clone();
    let version = || stage.world().get("ConfigMap", "settings").unwrap()["metadata"].clone();
    let before = version();
    edit(&stage, SETTINGS, "ConfigMap", "settings", ("data", json!({"other": "x"})));
    assert_ne!(version()["resourceVersion"], before["resourceVersion"]);
    stage.commit(&[("config.yaml", &format!("# A comment.\n{}", CONFIG.replace("blue", "green")))]);
    stage.run(&["plan", "--out", "again.json"]).ends(0);
    let again = std::fs::read(stage.path().join("again.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&again).unwrap()["digest"], digest);
    use_saved(&stage).ends(0);
    let data = stage.world().get("ConfigMap", "settings").unwrap()["data"].clone();
    assert_eq!(data, json!({"colour": "green", "size": "small", "other": "x"}));
}

#[test]
fn a_revision_that_nobody_reviewed_is_not_published() {
    let stage = serving();
    upgrade(&stage, &[]);
    save(&stage);
    stage.commit(&[(APPLICATION, &web("6.7.2", 4, &[])), (ROLLOUT, &rollout("web-v2", &[]))]);
    is_stale(&stage).says("revision web-v3 would be published, which was not reviewed");
}

#[test]
fn another_image_than_the_checkouts_is_shown_beside_it() {
    let stage = first();
    let checkout = Checkout::of(&stage);
    checkout.run(&["apply", "--wait", "10m"]).ends(0);
    let target = rollout("web-v2", &[]);
    checkout.write(&[(APPLICATION, &web("6.7.1", 4, &[])), (ROLLOUT, &target)]);
    checkout.run(&["plan", "--worktree", "--out", "plan.json"]).ends(0);
    stage.commit(&[(APPLICATION, &web("6.7.2", 4, &[])), (ROLLOUT, &target)]);
    let before = all(&stage);
    let ran = checkout.use_saved().ends(6).says("steps reviewed: batch 1 (");
    let ran = ran.says("reviewed nothing to \"stefanprodan/podinfo:6.7.1\"");
    ran.says("now nothing to \"stefanprodan/podinfo:6.7.2\"");
    assert_eq!(all(&stage), before);
}

#[test]
fn another_value_of_a_secret_is_stale_and_shown_nowhere() {
    let stage = Stage::with(&[("secret.yaml", SECRET)]);
    stage.apply_wait().ends(0);
    stage.commit(&[("secret.yaml", &SECRET.replace("first", "second"))]);
    save(&stage);
    stage.commit(&[("secret.yaml", &SECRET.replace("first", "third"))]);
    let ran = is_stale(&stage).says("values that are not shown, and secret.yaml has changed");
    let text = std::fs::read_to_string(stage.path().join("plan.json")).unwrap();
    for value in ["first-horse", "second-horse", "third-horse", "c2Vjb25kLWhvcnNl"] {
        assert!(!ran.to_string().contains(value) && !text.contains(value), "{value}: {text}");
    }
    stage.commit(&[("secret.yaml", &SECRET.replace("first", "second"))]);
    use_saved(&stage).ends(0);
}

#[test]
fn a_workload_that_was_scaled_by_hand_is_another_plan() {
    let stage = serving();
    upgrade(&stage, &[]);
    save(&stage);
    edit(&stage, WEB, "Deployment", "web-v1", ("spec", json!({"replicas": 5})));
    stage.pass(60);
    is_stale(&stage).says("sizes reviewed: 4 to 4 pods; now: 5 to 5 pods");
}

#[test]
fn a_plan_expires() {
    let stage = Stage::with(&[("config.yaml", CONFIG)]);
    stage.run(&["plan", "--out", "plan.json", "--expires", "2h"]).ends(0);
    stage.pass(2 * 3600 - 60);
    stage.run(&["plan", "--out", "other.json"]).ends(0);
    stage.pass(61);
    let before = all(&stage);
    use_saved(&stage).ends(6).says("plan.json: it has expired");
    assert_eq!(all(&stage), before);
    stage.run(&["apply", "--plan", "other.json"]).ends(0);
    stage.run(&["plan", "--expires", "2h"]).ends(64);
}

#[test]
fn another_cluster_is_refused() {
    let stage = Stage::with(&[("config.yaml", CONFIG)]);
    save(&stage);
    std::fs::remove_dir_all(stage.path().join("state")).unwrap();
    use_saved(&stage).ends(77).says("is another cluster than the one that was reviewed");
    assert!(stage.world().get("ConfigMap", "settings").is_none());
    assert_eq!(tip(&stage), None);
}

#[test]
fn a_file_that_is_no_saved_plan_permits_nothing() {
    let stage = Stage::with(&[("config.yaml", CONFIG)]);
    let path = stage.path().join("plan.json");
    use_saved(&stage).ends(64).says("plan.json: ").says("No such file");
    let text = save(&stage).to_string();
    for (broken, cause) in [
        ("}".to_owned(), "it is no saved plan"),
        (text.replace("\"format\":1", "\"format\":9"), "it has format 9"),
        (text.replace("\"blue\"", "\"pink\""), "it was changed after it was written"),
        (text.replace("\"steps\":[", "\"more\":1,\"steps\":["), "unknown field"),
    ] {
        assert_ne!(broken, text);
        std::fs::write(&path, broken).unwrap();
        use_saved(&stage).ends(65).says("plan.json: ").says(cause).says("nothing was done");
    }
    assert!(stage.world().get("ConfigMap", "settings").is_none());
    assert_eq!(tip(&stage), None);
}

#[test]
fn what_would_be_refused_is_not_saved() {
    let stage = Stage::with(&[("config.yaml", CONFIG)]);
    stage.apply_wait().ends(0);
    edit(&stage, SETTINGS, "ConfigMap", "settings", ("data", json!({"colour": "red"})));
    let ran = stage.run(&["plan", "--out", "plan.json"]).ends(77);
    ran.says("plan.json was not written");
    assert!(!stage.path().join("plan.json").exists());
}

/// A run under the saved plan that is killed while a batch is open, at the
/// earliest once so many batches are done.
fn kill_after(stage: &Stage, done: usize) {
    let mut run = stage.start(&["apply", "--plan", "plan.json"]);
    for _ in 0..600 {
        if stage.batches().iter().filter(|b| b.ends_with("web-v2")).count() >= done {
            break;
        }
        if run.try_wait().unwrap().is_some() {
            run = stage.start(&["apply", "--plan", "plan.json"]);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    run.kill().unwrap();
    run.wait_with_output().unwrap();
    // A push of its outlives it, and moves the record on behind our back.
    stage.rests();
}

/// `web-v1` serves, the way to `web-v2` is saved, and a run under it was
/// killed after its first batch.
fn killed() -> Stage {
    let stage = serving();
    stage.commit(&[(APPLICATION, &slow_web("6.7.1")), (ROLLOUT, &rollout("web-v2", &[]))]);
    save(&stage);
    kill_after(&stage, 1);
    assert_ne!(stage.state("web"), "rolloutSucceed");
    stage
}

#[test]
fn a_run_that_was_killed_goes_on_under_the_same_file() {
    let stage = killed();
    let ran = use_saved(&stage);
    let ran = if ran.code == 5 { use_saved(&stage) } else { ran };
    ran.ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 4)]));
    assert_eq!(stage.world().sizes("Deployment"), [("web-v2".to_owned(), 4)].into());
    stage.record_is_whole();
}

#[test]
fn an_edit_between_two_batches_is_stale() {
    let stage = killed();
    let path = WEB.replace("web-v1", "web-v2");
    let containers = json!([{"name": "web", "image": "stefanprodan/podinfo:hacked"}]);
    edit(
        &stage,
        &path,
        "Deployment",
        "web-v2",
        ("spec", json!({"template": {"spec": {"containers": containers}}})),
    );
    let before = all(&stage).1;
    let ran = use_saved(&stage).ends(6);
    ran.says(
        "reviewed nothing to \"stefanprodan/podinfo:6.7.1\"; now \"stefanprodan/podinfo:hacked\"",
    );
    assert_eq!(tip(&stage), before);
}

#[test]
fn a_gate_that_opens_is_no_other_plan() {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 0"]);
    save(&stage);
    use_saved(&stage).ends(3);
    stage.commit(&[(ROLLOUT, &rollout("web-v2", &["batchPartition: 1"]))]);
    use_saved(&stage).ends(3);
    stage.commit(&[(ROLLOUT, &rollout("web-v2", &[]))]);
    use_saved(&stage).ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 4)]));
}

#[test]
fn a_trial_that_stands_at_its_gate_is_no_other_plan() {
    use crate::beside::{ROUTED, serving, upgrade};
    for canary in [ROUTED, "{steps: [{replicas: 1}, {replicas: 3}]}"] {
        let stage = serving(canary);
        upgrade(&stage, canary);
        save(&stage);
        use_saved(&stage).ends(3);
        // A controller marks what it works on, and so does a person.
        let trial = stage.world().get("Deployment", "demo-v2-canary").unwrap().clone();
        let revision = &trial["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
        assert_eq!(revision, "1");
        let note = json!({"name": "demo-v2-canary", "annotations": {"note": "looked at"}});
        let path = WEB.replace("web-v1", "demo-v2-canary");
        edit(&stage, &path, "Deployment", "demo-v2-canary", ("metadata", note));
        stage.run(&["approve", "demo"]).ends(0);
        use_saved(&stage).ends(3);
        stage.run(&["approve", "demo"]).ends(0);
        use_saved(&stage).ends(0);
        assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 5)]));
        assert_eq!(stage.world().sizes("Deployment"), [("demo".to_owned(), 5)].into());
    }
}

#[test]
fn an_edit_of_what_was_reviewed_of_a_trial_is_stale() {
    use crate::beside::{ROUTED, serving, upgrade};
    let stage = serving(ROUTED);
    upgrade(&stage, ROUTED);
    save(&stage);
    use_saved(&stage).ends(3);
    let containers = json!([{"name": "demo", "image": "stefanprodan/podinfo:hacked"}]);
    let spec = json!({"template": {"spec": {"containers": containers}}});
    let path = WEB.replace("web-v1", "demo-v2-canary");
    edit(&stage, &path, "Deployment", "demo-v2-canary", ("spec", spec));
    stage.run(&["approve", "demo"]).ends(0);
    let before = tip(&stage);
    use_saved(&stage).ends(6).says("is stale").says("podinfo:hacked");
    assert_eq!(tip(&stage), before);
}

#[test]
fn the_way_back_is_never_barred() {
    let stage = serving();
    stage.commit(&[(APPLICATION, &broken_web("6.7.1")), (ROLLOUT, &rollout("web-v2", &[]))]);
    save(&stage);
    stage.run(&["apply", "--plan", "plan.json"]).ends(3);
    stage.run(&["abort", "web"]).ends(0);
    use_saved(&stage).ends(4);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    // Another attempt is another review.
    stage.run(&["retry", "web"]).ends(0);
    is_stale(&stage).says("steps reviewed: batch 1 (");
}

/// Lets the plan move on to a newer commit with the first push of the next run.
fn moves_on(stage: &Stage, newer: &str) {
    let repository = stage.repository();
    let older = repository.find_commit(newer.parse().unwrap()).unwrap().parent_id(0).unwrap();
    repository.reference("refs/heads/main", older, true, "back").unwrap();
    let moves = format!("git update-ref refs/heads/main {newer} {older} 2>/dev/null");
    stage.hook("post-receive", &format!("{moves}; cat > /dev/null"));
}

#[test]
fn what_nobody_reviewed_is_not_begun_in_the_middle_of_a_run() {
    let stage = serving();
    stage.commit(&[(APPLICATION, &slow_web("6.7.1")), (ROLLOUT, &rollout("web-v2", &[]))]);
    let plan = save(&stage);
    let before = begun(&stage);
    // Another target is wanted, so the way back is a change of the plan.
    moves_on(&stage, &stage.commit(&[(ROLLOUT, &rollout("web-v1", &[]))]));
    let ran = use_saved(&stage).ends(6).says("is not in the plan that was reviewed");
    let ran_steps: BTreeSet<String> = begun(&stage).difference(&before).cloned().collect();
    assert!(!ran_steps.is_empty() && ran_steps.is_subset(&steps(&plan)), "{ran}");
}

#[test]
fn a_secret_that_changes_while_it_runs_is_not_written() {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    let secret = SECRET.replace("{name: db}", "{name: db, namespace: shop}");
    let files = [("namespace.yaml", namespace), ("secret.yaml", secret.as_str())];
    let stage = Stage::with(&files);
    save(&stage);
    // The step is the same one: no id is over the value of a Secret.
    moves_on(&stage, &stage.commit(&[("secret.yaml", &secret.replace("first", "other"))]));
    use_saved(&stage).ends(6).says("secret.yaml has changed while this ran");
    assert!(stage.world().get("Namespace", "shop").is_some());
    assert!(stage.world().get("Secret", "db").is_none());
    // The server knows the namespace by now, and fills in what was reviewed.
    stage.commit(&files);
    use_saved(&stage).ends(0);
    assert_eq!(stage.world().get("Secret", "db").unwrap()["type"], "Opaque");
}

/// Rounds without `--wait` under the saved plan, until one has nothing left to
/// do; every one of them plans again in the middle of the way.
#[track_caller]
fn round_by_round(stage: &Stage) {
    let plan = save(stage);
    let before = begun(stage);
    let mut rounds = 0;
    loop {
        let ran = stage.run(&["apply", "--plan", "plan.json"]);
        rounds += 1;
        if ran.code == 0 {
            break;
        }
        ran.ends(3);
        assert!(rounds < 60, "{:#?}", stage.log());
    }
    assert!(rounds > 2, "the way is longer than a round or two");
    let ran: BTreeSet<String> = begun(stage).difference(&before).cloned().collect();
    assert_eq!(ran, steps(&plan));
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 4)]));
    use_saved(stage).ends(0);
}

#[test]
fn a_pair_is_rolled_round_by_round_under_one_file() {
    let stage = serving();
    stage.commit(&[(APPLICATION, &slow_web("6.7.1")), (ROLLOUT, &rollout("web-v2", &[]))]);
    round_by_round(&stage);
}

#[test]
fn a_canary_is_rolled_round_by_round_under_one_file() {
    let stage = crate::traffic::serving();
    crate::traffic::upgrade(&stage, &[]);
    stage.commit(&[(APPLICATION, &slow_web("6.7.1"))]);
    round_by_round(&stage);
}

#[test]
fn an_upgrade_in_place_is_rolled_round_by_round_under_one_file() {
    let ports = "        ports:\n          - port: 9898\n            expose: true\n";
    let kinds = [("clonesetservice", "        port: 9898\n"), ("statefulset", "")];
    for (kind, instead) in kinds {
        let of = |text: String| {
            let text = text.replace("type: webservice", &format!("type: {kind}"));
            text.replace(ports, instead)
        };
        let stage = Stage::with(&[
            (APPLICATION, &of(web("6.7.0", 4, &[]))),
            (ROLLOUT, &rollout("web-v1", &[])),
        ]);
        stage.apply_wait().ends(0);
        stage.commit(&[(APPLICATION, &of(slow_web("6.7.1"))), (ROLLOUT, &rollout("web-v2", &[]))]);
        round_by_round(&stage);
    }
}

#[test]
fn a_route_that_was_edited_between_two_steps_is_stale() {
    let stage = crate::traffic::serving();
    crate::traffic::upgrade(&stage, &["rolloutPlan: {batchPartition: 0}"]);
    save(&stage);
    use_saved(&stage).ends(3);
    let path = "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/web";
    let rules = json!([{"backendRefs": [{"name": "web", "port": 9898, "weight": 7}]}]);
    stage.meddle(
        path,
        &json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": "web"}, "spec": {"rules": rules}}),
    );
    crate::traffic::upgrade(&stage, &[]);
    let before = all(&stage);
    use_saved(&stage).ends(6).says("HTTPRoute/default/web .spec.rules: reviewed");
    assert_eq!(all(&stage), before);
}
