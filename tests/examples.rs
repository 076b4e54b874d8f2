//! Every directory of `examples/` is a whole plan repository that works: it is
//! linted, planned and rolled out to its end.

#![expect(clippy::disallowed_methods, reason = "the test runs the product and git")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A bare plan repository, made from commits that each add or change files.
struct Lab {
    dir: TempDir,
}

impl Lab {
    fn new() -> Self {
        let lab = Self { dir: tranche_lab::scratch().unwrap() };
        lab.git(lab.dir.path(), &["init", "-q", "--bare", "-b", "main", "plan.git"]);
        lab.git(lab.dir.path(), &["clone", "-q", "plan.git", "work"]);
        lab.git(&lab.work(), &["checkout", "-q", "-B", "main"]);
        lab
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["GIT_", "XDG_", "TRANCHE_"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command
            .env_remove("CI")
            .env("HOME", self.dir.path())
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .env("XDG_CACHE_HOME", self.dir.path().join("cache"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null());
        command
    }

    fn git(&self, dir: &Path, arguments: &[&str]) {
        let output = self
            .command("git")
            .args(["-c", "user.name=dev", "-c", "user.email=dev@shop.example"])
            .args(["-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", said(&output));
    }

    /// Commits a file or a whole directory onto the plan branch.
    fn commit(&self, from: &Path, to: &str) {
        let to = self.work().join(to);
        if from.is_dir() {
            copy(from, &to);
        } else {
            std::fs::copy(from, &to).unwrap();
        }
        self.git(&self.work(), &["add", "."]);
        self.git(&self.work(), &["commit", "-q", "-m", "plan"]);
        self.git(&self.work(), &["push", "-q", "origin", "main"]);
    }

    /// Runs the product, and expects an exit code.
    fn tranche(&self, arguments: &[&str], code: i32) -> String {
        let output = self
            .command(env!("CARGO_BIN_EXE_tranche"))
            .args(arguments)
            .arg("--repo")
            .arg(self.dir.path().join("plan.git"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Applies up to the end or a gate, and says which: its exit code.
    fn apply_waits(&self) -> i32 {
        let mut command = self.command(env!("CARGO_BIN_EXE_tranche"));
        let repository = self.dir.path().join("plan.git");
        let output =
            command.args(["apply", "--wait", "20m", "--repo"]).arg(repository).output().unwrap();
        output.status.code().unwrap()
    }

    /// Of one rollout, in detail.
    fn status_of(&self, name: &str) -> Value {
        let told: Value =
            serde_json::from_str(&self.tranche(&["status", name, "-o", "json"], 0)).unwrap();
        told["rollouts"][0]["detail"].clone()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.tranche(&["status", "-o", "json"], 0)).unwrap()
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(ROOT).join("examples").join(name)
}

/// Lints, plans and rolls out what is committed, and leaves nothing to do.
fn rolls_out(lab: &Lab) {
    lab.tranche(&["lint"], 0);
    lab.tranche(&["plan", "--detailed-exitcode"], 2);
    lab.tranche(&["apply", "--wait", "10m"], 0);
    lab.tranche(&["plan", "--detailed-exitcode"], 0);
    let before = lab.tranche(&["log"], 0);
    lab.tranche(&["apply"], 0);
    assert_eq!(lab.tranche(&["log"], 0), before, "an idle run commits nothing");
}

/// The one rollout of the record, at its end on a revision.
fn assert_done(lab: &Lab, name: &str, revision: &str, pods: u64) {
    let status = lab.status();
    let rollouts = status["rollouts"].as_array().unwrap();
    assert_eq!(rollouts.len(), 1, "{status}");
    let rollout = &rollouts[0];
    assert_eq!(rollout["name"], name);
    assert_eq!(rollout["waiting"], Value::Null);
    assert_eq!(rollout["step"], Value::Null);
    let status = &rollout["status"];
    assert_eq!(status["rollingState"], "rolloutSucceed");
    assert_eq!(status["lastTargetAppRevision"], revision);
    assert_eq!(status["rolloutTargetSize"], pods);
    assert_eq!(status["upgradedReplicas"], pods);
    assert_eq!(status["upgradedReadyReplicas"], pods);
}

#[test]
fn every_example_says_what_it_is_and_is_tested_here() {
    let mut names: Vec<String> = std::fs::read_dir(Path::new(ROOT).join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "blue-green",
            "canary-gateway",
            "canary-istio",
            "canary-kept-name",
            "canary-pods",
            "canary-requests",
            "canary-template",
            "instances",
            "kubevela-approllout",
            "lanes",
            "own-type",
            "replica-ratio",
            "together",
            "webservice"
        ]
    );
    for name in names {
        for file in ["README.md", "tranche.yaml"] {
            assert!(example(&name).join(file).is_file(), "examples/{name} has no {file}");
        }
    }
}

/// What the next version of most of them changes.
const NEXT: [(&str, &str, &str); 2] =
    [("application.yaml", "6.7.0", "6.7.1"), ("approllout.yaml", "web-v1", "web-v2")];

#[test]
fn webservice_rolls_a_deployment_pair_out() {
    let lab = Lab::new();
    lab.commit(&example("webservice"), "");
    rolls_out(&lab);
    assert_done(&lab, "web", "web-v1", 4);
    releases(&lab, "webservice", "web", &NEXT);
    assert_done(&lab, "web", "web-v2", 4);
}

#[test]
fn the_canary_moves_its_traffic_to_the_next_revision() {
    let lab = Lab::new();
    lab.commit(&example("canary-gateway"), "");
    rolls_out(&lab);
    assert_done(&lab, "web", "web-v1", 5);
    releases(&lab, "canary-gateway", "web", &NEXT);
    assert_done(&lab, "web", "web-v2", 5);
}

#[test]
fn the_canary_by_request_takes_its_testers_and_then_a_share_of_all() {
    let lab = Lab::new();
    lab.commit(&example("canary-requests"), "");
    rolls_out(&lab);
    assert_done(&lab, "web", "web-v1", 5);
    releases(&lab, "canary-requests", "web", &NEXT);
    assert_done(&lab, "web", "web-v2", 5);
}

/// Releases the next version, approves whatever asks for it, and holds the
/// example's README to what the plan and the log say.
fn releases(lab: &Lab, name: &str, rollout: &str, edits: &[(&str, &str, &str)]) {
    for (file, from, to) in edits {
        let changed = lab.dir.path().join(file);
        let text = std::fs::read_to_string(example(name).join(file)).unwrap();
        std::fs::write(&changed, text.replace(from, to)).unwrap();
        lab.commit(&changed, file);
    }
    planned(lab, name, "  rollout");
    for _ in 0..2 {
        if lab.apply_waits() == 0 {
            break;
        }
        lab.tranche(&["approve", rollout], 0);
    }
    assert_eq!(lab.apply_waits(), 0);
    told(lab, name, |phase, _| ["publish", "result", "decision"].contains(&phase));
}

/// Holds the README to the steps of a plan from such a line on.
fn planned(lab: &Lab, name: &str, from: &str) {
    let plan = lab.tranche(&["plan"], 0);
    let steps = plan.lines().skip_while(|line| !line.starts_with(from));
    let steps = steps.take_while(|line| !line.is_empty()).map(|line| {
        // A step's id is of the repository that it is in.
        let (said, id) = line.rsplit_once("  ").unwrap_or((line, ""));
        let hex = id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
        if hex { said[2..].to_owned() } else { line[2..].to_owned() }
    });
    reads(name, &steps.collect::<Vec<_>>().join("\n"));
}

/// Holds the README to what of the log is of this phase with this subject.
fn told(lab: &Lab, name: &str, of: fn(&str, &str) -> bool) {
    let log = lab.tranche(&["log", "-o", "json"], 0);
    let log: Value = serde_json::from_str(&log).unwrap();
    let commits = log["commits"].as_array().unwrap().iter().rev();
    let told = commits.filter_map(|commit| {
        let [phase, subject] = ["phase", "subject"].map(|field| commit[field].as_str().unwrap());
        of(phase, subject).then(|| format!("{phase:<8}  {subject}"))
    });
    reads(name, &told.collect::<Vec<_>>().join("\n"));
}

/// The README of an example shows this.
#[track_caller]
fn reads(name: &str, text: &str) {
    let readme = std::fs::read_to_string(example(name).join("README.md")).unwrap();
    let block = format!("```text\n{text}\n```\n");
    assert!(readme.contains(&block), "examples/{name}/README.md does not show:\n{block}");
}

#[test]
fn the_canary_without_a_route_shares_traffic_by_its_pods() {
    let lab = Lab::new();
    lab.commit(&example("canary-pods"), "");
    rolls_out(&lab);
    assert_done(&lab, "web", "web-v1", 5);
    releases(&lab, "canary-pods", "web", &NEXT);
    assert_done(&lab, "web", "web-v2", 5);
}

#[test]
fn the_canary_by_istio_moves_weight_between_its_subsets() {
    let lab = Lab::new();
    lab.commit(&example("canary-istio"), "");
    rolls_out(&lab);
    assert_done(&lab, "web", "web-v1", 5);
    releases(&lab, "canary-istio", "web", &NEXT);
    assert_done(&lab, "web", "web-v2", 5);
}

#[test]
fn the_canary_by_a_template_moves_weight_as_that_says() {
    let lab = Lab::new();
    lab.commit(&example("canary-template"), "");
    rolls_out(&lab);
    assert_done(&lab, "web", "web-v1", 5);
    releases(&lab, "canary-template", "web", &NEXT);
    assert_done(&lab, "web", "web-v2", 5);
}

#[test]
fn blue_green_switches_its_service_once_somebody_has_approved() {
    let lab = Lab::new();
    lab.commit(&example("blue-green"), "");
    rolls_out(&lab);
    assert_done(&lab, "web", "web-v1", 3);
    releases(&lab, "blue-green", "web", &NEXT);
    assert_done(&lab, "web", "web-v2", 3);
}

#[test]
fn the_canary_beside_a_deployment_that_keeps_its_name_is_approved_twice() {
    let lab = Lab::new();
    lab.commit(&example("canary-kept-name"), "");
    rolls_out(&lab);
    assert_done(&lab, "demo", "demo-v1", 5);
    releases(&lab, "canary-kept-name", "demo", &[("application.yaml", "6.7.0", "6.7.1")]);
    assert_done(&lab, "demo", "demo-v2", 5);
}

#[test]
fn what_runs_is_taken_over_and_followed_by_the_next_version() {
    let lab = Lab::new();
    lab.commit(&example("replica-ratio"), "");
    rolls_out(&lab);
    lab.git(&lab.work(), &["rm", "-q", "running.yaml"]);
    lab.commit(&example("replica-ratio").join("next/approllout.yaml"), "approllout.yaml");
    releases(&lab, "replica-ratio", "my-demo-app", &[]);
    assert_done(&lab, "my-demo-app", "my-demo-app-v2", 3);
}

#[test]
fn a_client_is_led_to_the_next_instance_and_the_old_one_retires() {
    let lab = Lab::new();
    lab.commit(&example("instances"), "");
    assert!(lab.tranche(&["lint"], 0).contains("3 applications, 0 rollouts, 1 route, 0 plain"));
    rolls_out(&lab);
    // In the checkout, as a person does it.
    let changes = |arguments: &[&str], code: i32| {
        let mut command = lab.command(env!("CARGO_BIN_EXE_tranche"));
        let output = command.args(arguments).current_dir(lab.work()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        let text = if code == 0 { output.stdout } else { output.stderr };
        String::from_utf8(text).unwrap()
    };
    let commit = || {
        lab.git(&lab.work(), &["commit", "-q", "-a", "-m", "plan"]);
        lab.git(&lab.work(), &["push", "-q", "origin", "main"]);
    };
    let quarter =
        ["route", "-d", "catalog", "-t", "catalog-v2", "-p", "25", "--enable-session-awareness"];
    reads("instances", changes(&quarter, 0).trim_end());
    commit();
    planned(&lab, "instances", "  route");
    rolls_out(&lab);
    reads("instances", changes(&["retire", "catalog"], 77).trim_end());
    changes(&["route", "-d", "catalog", "-t", "catalog-v2"], 0);
    commit();
    rolls_out(&lab);
    changes(&["retire", "catalog"], 0);
    commit();
    lab.tranche(&["apply", "--wait", "10m", "--allow-prune"], 0);
    // What the applications did at first has no order among them.
    told(&lab, "instances", |phase, subject| {
        phase == "result" && (subject.contains("Route ") || subject.contains("prune"))
    });
}

#[test]
fn three_components_of_three_kinds_go_through_their_batches_together() {
    let lab = Lab::new();
    lab.commit(&example("together"), "");
    rolls_out(&lab);
    assert_done(&lab, "shop", "shop-v1", 14);
    let edits = [("application.yaml", "6.7.0", "6.7.1"), ("approllout.yaml", "shop-v1", "shop-v2")];
    releases(&lab, "together", "shop", &edits);
    assert_done(&lab, "shop", "shop-v2", 14);
    let told = lab.tranche(&["status", "shop", "--tree"], 0);
    let services = "    web (webservice), healthy\n      traits: scaler\n    store (statefulset), \
                    healthy\n      traits: scaler\n    agent (daemon), healthy\n";
    // Whose pods they are is told by the tree.
    assert!(told.contains(services), "{told}");
    let told = lab.status_of("shop");
    for service in told["services"].as_array().unwrap() {
        assert_eq!(service["rolled"], true, "{service}");
        assert_eq!(service["message"], "14 of 14 pods of 3 components ready");
    }
}

#[test]
fn a_lane_is_opened_for_what_is_tried_and_closed_before_that_goes() {
    let lab = Lab::new();
    lab.commit(&example("lanes"), "");
    rolls_out(&lab);
    releases(&lab, "lanes", "front", &[("front.yaml", "6.7.0", "6.7.1")]);
    let status = lab.status();
    let rollouts = status["rollouts"].as_array().unwrap();
    let front = rollouts.iter().find(|rollout| rollout["name"] == "front").unwrap();
    assert_eq!(front["status"]["lastTargetAppRevision"], "front-v2");
    assert_eq!(front["status"]["rollingState"], "rolloutSucceed");
    assert_eq!(front["status"]["upgradedReadyReplicas"], 3);
}

#[test]
fn a_type_of_ones_own_is_rolled_out_like_a_built_in_one() {
    let lab = Lab::new();
    lab.commit(&example("own-type"), "");
    let rendered = lab.tranche(&["render"], 0);
    assert!(rendered.contains("kind: ConfigMap"), "{rendered}");
    rolls_out(&lab);
    assert_done(&lab, "thumbnails", "thumbnails-v1", 3);
}

/// The seed's inputs, which KubeVela's documentation shows.
fn seed(file: &str) -> PathBuf {
    Path::new(ROOT).join("testdata/seeds/kubevela-approllout").join(file)
}

#[test]
fn the_kubevela_example_is_the_seed_and_goes_on_as_the_seed_does() {
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    let shown = example("kubevela-approllout");
    assert_eq!(read(shown.join("application.yaml")), read(seed("1-application.yaml")));
    assert_eq!(read(shown.join("approllout.yaml")), read(seed("2-approllout.yaml")));

    let lab = Lab::new();
    lab.commit(&shown, "");
    rolls_out(&lab);
    assert_done(&lab, "rolling-example", "test-rolling-v1", 5);
    lab.commit(&seed("3-application.yaml"), "application.yaml");
    lab.tranche(&["apply", "--wait", "10m"], 0);
    assert_done(&lab, "rolling-example", "test-rolling-v1", 5);
    lab.commit(&seed("4-approllout.yaml"), "approllout.yaml");
    releases(&lab, "kubevela-approllout", "rolling-example", &[]);
    assert_done(&lab, "rolling-example", "test-rolling-v2", 5);
}
