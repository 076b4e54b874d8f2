//! What people do when something was lost: `unlock`, `adopt --rebuilt`.

use crate::pair::{serving, upgrade};
use crate::plans::{APPLICATION, ROLLOUT, rollout, web};
use crate::stage::{RECORD, Stage};
use crate::world::pods;
use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Signature};
use serde_json::{Value, json};
use std::path::Path;

const WEB: &str = "rollouts/default/web.yaml";

impl Stage {
    /// The message of the newest record commit, with its number one higher.
    pub fn next_message(&self, subject: &str) -> String {
        let repository = self.repository();
        let tip = repository.find_reference(RECORD).unwrap().peel_to_commit().unwrap();
        let message = tip.message().unwrap();
        let block = message.trim_end().rsplit("\n\n").next().unwrap();
        let next = |line: &str| match line.strip_prefix("Seq: ") {
            Some(seq) => format!("Seq: {}", seq.parse::<u64>().unwrap() + 1),
            None => line.to_owned(),
        };
        let trailers: Vec<String> = block.lines().map(next).collect();
        format!("{subject}\n\n{}\n", trailers.join("\n"))
    }

    /// Edits a file of the record by hand, with a message of one's own.
    pub fn forge(&self, path: &str, message: &str, edit: impl Fn(&str) -> String) -> String {
        let repository = self.repository();
        let tip = repository.find_reference(RECORD).unwrap().peel_to_commit().unwrap();
        let tree = tip.tree().unwrap();
        let entry = tree.get_path(Path::new(path)).unwrap();
        let blob = repository.find_blob(entry.id()).unwrap();
        let text = edit(std::str::from_utf8(blob.content()).unwrap());
        let blob = repository.blob(text.as_bytes()).unwrap();
        let mut update = TreeUpdateBuilder::new();
        update.upsert(path, blob, FileMode::Blob);
        let tree = update.create_updated(&repository, &tree).unwrap();
        let tree = repository.find_tree(tree).unwrap();
        let intruder = Signature::now("Intruder", "intruder@users.noreply.invalid").unwrap();
        let id = repository.commit(Some(RECORD), &intruder, &intruder, message, &tree, &[&tip]);
        id.unwrap().to_string()
    }

    /// A file of the record.
    pub fn record_file(&self, path: &str) -> String {
        let repository = self.repository();
        let tree = repository.find_reference(RECORD).unwrap().peel_to_tree().unwrap();
        let entry = tree.get_path(Path::new(path)).unwrap();
        let blob = repository.find_blob(entry.id()).unwrap();
        String::from_utf8(blob.content().to_vec()).unwrap()
    }

    /// Whether a text was ever in a file of the record.
    pub fn has_been_in(&self, path: &str, text: &str) -> bool {
        let repository = self.repository();
        let mut commits = repository.revwalk().unwrap();
        commits.push_ref(RECORD).unwrap();
        commits.any(|id| {
            let tree = repository.find_commit(id.unwrap()).unwrap().tree().unwrap();
            let Ok(entry) = tree.get_path(Path::new(path)) else { return false };
            let blob = repository.find_blob(entry.id()).unwrap();
            String::from_utf8_lossy(blob.content()).contains(text)
        })
    }

    /// Takes the cluster away: the next run meets an empty one.
    pub fn wipe(&self) {
        std::fs::remove_dir_all(self.journal().parent().unwrap()).unwrap();
    }

    fn step(&self) -> String {
        self.rollout("web")["step"]["id"].as_str().unwrap().to_owned()
    }
}

/// Batch 1 of the way to `web-v2` is written, and nobody could say so: its
/// intent is open, and held by a run on another machine.
fn held() -> Stage {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 0"]);
    let only = "while read old new ref; do git log -1 --format=%B $new | \
                grep -Eq '^Phase: (intent|publish)' || exit 1; done";
    stage.hook("pre-receive", only);
    stage.apply().ends(7);
    stage.hook("pre-receive", "cat > /dev/null");
    let message = stage.next_message("web: a run elsewhere");
    stage.forge(WEB, &message, |text| {
        let boot = text.lines().find(|line| line.contains("boot: ")).unwrap();
        text.replace(boot, "    boot: elsewhere")
    });
    stage.apply().ends(5).says("is writing, at most until").says("tranche unlock");
    stage
}

#[test]
fn unlock_lets_the_next_run_take_over_at_once() {
    let stage = held();
    let step = stage.step();
    stage.run(&["unlock", &step[..6], "--reason", "the runner is gone"]).ends(0).says("unlocked");
    assert!(stage.record_file(WEB).contains("reason: the runner is gone"));
    assert_eq!(stage.subjects("decision").len(), 1);
    stage.apply_wait().ends(3).says("batch 1/3 is taken over");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 1)]));
    stage.record_is_whole();
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
}

#[test]
fn unlock_refuses_what_nobody_holds() {
    let stage = held();
    let step = stage.step();
    stage.run(&["unlock", "12345"]).ends(64).says("at least 6 hex digits");
    stage.run(&["unlock", "zzzzzz"]).ends(64);
    stage.run(&["unlock", "000000"]).ends(64).says("no step 000000 is open");
    stage.run(&["unlock", "--abandon", &step]).ends(5).says(&format!("tranche unlock {step}"));
    stage.run(&["unlock", &step]).ends(0);
    stage.run(&["unlock", &step]).ends(77).says("nothing to unlock").says("tranche apply");
    stage.apply_wait().ends(3);
    stage.run(&["unlock", &step]).ends(77).says("is over (succeeded)").says("tranche status");
    stage.record_is_whole();
}

#[test]
fn unlock_refuses_a_step_that_waits() {
    let stage = serving();
    stage.commit(&[
        (APPLICATION, &crate::plans::slow_web("6.7.1")),
        (ROLLOUT, &rollout("web-v2", &[])),
    ]);
    stage.apply().ends(3);
    let step = stage.step();
    let tip = stage.tip();
    stage.run(&["unlock", &step]).ends(77).says("waits, and nobody holds it");
    assert_eq!(stage.tip(), tip);
}

#[test]
fn a_step_is_abandoned_where_it_stands() {
    let stage = held();
    let step = stage.step();
    stage.run(&["unlock", &step]).ends(0);
    let sizes = stage.deployment_sizes();
    stage
        .run(&["unlock", "--abandon", &step, "--reason", "lost its plan"])
        .ends(0)
        .says("is abandoned");
    assert_eq!(stage.deployment_sizes(), sizes, "not another effect");
    assert_eq!(stage.state("web"), "rolloutFailed");
    stage.record_is_whole();
    stage.apply().ends(4).says("lost its plan").says("names web-v1 as the target");
    // As it says: stable to its size, the other one away, then again.
    stage.commit(&[(ROLLOUT, &rollout("web-v1", &["targetSize: 4"]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment")["web-v1"], 4);
    stage.destroy("/apis/apps/v1/namespaces/default/deployments/web-v2");
    stage.commit(&[(ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

/// Two batches of three on the way to `web-v2` are done.
fn after_two_batches() -> Stage {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 1"]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 2), ("6.7.1", 2)]));
    stage
}

#[test]
fn a_rebuilt_cluster_gets_stable_plus_the_recorded_batch() {
    let stage = after_two_batches();
    stage.run(&["adopt", "--rebuilt"]).ends(77).says("nothing to adopt");
    let tip = stage.tip();
    stage.wipe();
    stage.apply_wait().ends(77).says("tranche adopt --rebuilt --target sandbox");
    assert_eq!(stage.tip(), tip, "nothing is recorded before the command");
    assert_eq!(stage.world().sizes("Deployment"), [].into(), "and nothing is written");
    stage.run(&["adopt", "--rebuilt", "--reason", "moved"]).ends(0).says("rollout default/web");
    assert_eq!(stage.world().sizes("Deployment"), [].into());
    stage.run(&["adopt", "--rebuilt"]).ends(77).says("nothing to adopt");
    let decision = stage.log().pop().unwrap();
    assert_eq!(decision.phase, "decision");
    assert!(decision.subject.contains("adopted"), "{decision:?}");

    stage.apply_wait().ends(3).says("bringing back batch 2/3 done, 2 of 4 pods on web-v2");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 2), ("6.7.1", 2)]));
    assert!(stage.world().get("Service", "web").is_some());
    let tip = stage.tip();
    stage.apply_wait().ends(3);
    assert_eq!(stage.tip(), tip, "it is brought back once");
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    assert_eq!(stage.world().sizes("Deployment"), [("web-v2".to_owned(), 4)].into());
    stage.record_is_whole();
}

#[test]
fn a_finished_rollout_comes_back_as_it_was_and_then_goes_on() {
    let stage = serving();
    stage.wipe();
    upgrade(&stage, &[]);
    stage.apply().ends(77);
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply_wait().ends(0).says("bringing back batch 3/3 done, 4 of 4 pods on web-v1");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

#[test]
fn an_aborting_rollout_ends_its_abort_on_a_rebuilt_cluster() {
    let stage = after_two_batches();
    stage.run(&["abort", "web"]).ends(0);
    stage.wipe();
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply_wait().ends(4).says("back to web-v1 done, rolloutFailed");
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
    let tip = stage.tip();
    stage.apply_wait().ends(4);
    assert_eq!(stage.tip(), tip);
    stage.record_is_whole();
}

#[test]
fn an_open_step_is_dropped_back_to_the_boundary_before_it() {
    let stage = held();
    stage.wipe();
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    let record = stage.rollout("web");
    assert_eq!(record["step"], Value::Null);
    stage.apply_wait().ends(3).says("bringing back web-v1 done").says("batch 1/3 ready");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 1)]));
    stage.record_is_whole();
}

#[test]
fn a_first_deploy_that_had_done_nothing_begins_again() {
    let stage = Stage::with(&[
        (APPLICATION, &crate::plans::slow_web("6.7.0")),
        (ROLLOUT, &rollout("web-v1", &[])),
    ]);
    stage.apply().ends(3);
    stage.wipe();
    stage.apply().ends(77);
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(stage.batches().len(), 3);
    stage.record_is_whole();
}

#[test]
fn a_lost_anchor_alone_changes_nothing_but_the_anchor() {
    let stage = after_two_batches();
    stage.destroy("/apis/coordination.k8s.io/v1/namespaces/default/leases/tranche-sandbox");
    stage.apply().ends(77).says("is missing");
    let generation = |name: &str| {
        let world = stage.world();
        let metadata = &world.get("Deployment", name).unwrap()["metadata"];
        json!([metadata["uid"], metadata["generation"]])
    };
    let before = [generation("web-v1"), generation("web-v2")];
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply_wait().ends(3).says("batchPartition is 1");
    assert_eq!([generation("web-v1"), generation("web-v2")], before);
    upgrade(&stage, &[]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    stage.record_is_whole();
}

#[test]
fn a_direct_application_is_applied_again() {
    let plain = web("6.7.0", 2, &[]).replace("    app.oam.dev/rollout-template: \"true\"\n", "");
    let plain = plain.replace("  annotations:\n", "");
    let stage = Stage::with(&[(APPLICATION, &plain)]);
    stage.apply_wait().ends(0);
    stage.wipe();
    stage.apply_wait().ends(77);
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 2)]));
    stage.record_is_whole();
}
