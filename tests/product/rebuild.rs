//! A record that was lost, rewound or edited: what is refused, and what
//! `record rebuild` finds.

use crate::pair::{serving, upgrade};
use crate::plans::{APPLICATION, ROLLOUT, rollout, slow_web};
use crate::stage::{RECORD, Ran, Stage};
use crate::world::pods;
use serde_json::json;
use std::process::Command;

/// More seconds than the new pods take to get ready, and the old ones to go.
const READY_AFTER: i64 = 60;
const WEB: &str = "rollouts/default/web.yaml";

impl Stage {
    /// Sets the record branch back by some commits.
    fn rewind(&self, by: usize) {
        let repository = self.repository();
        let mut reference = repository.find_reference(RECORD).unwrap();
        let mut at = reference.peel_to_commit().unwrap();
        for _ in 0..by {
            at = at.parent(0).unwrap();
        }
        reference.set_target(at.id(), "rewound").unwrap();
    }

    /// Runs the commands that a refusal names, in a clone that knows nothing of
    /// the record branch.
    fn follow(&self, refusal: &Ran) {
        let (_, next) = refusal.err.split_once("next: ").unwrap();
        let commands = next.split('`').nth(1).unwrap();
        let clone = tranche_lab::scratch().unwrap();
        let path = self.plan().display().to_string();
        let script = format!("git clone -q --single-branch '{path}' . && {commands}");
        let done = Command::new("sh").args(["-ec", &script]).current_dir(&clone).output().unwrap();
        assert!(done.status.success(), "{script}\n{}", Ran::of(&done));
    }

    /// What every Ingress was that there ever was, our marks aside.
    fn ingresses(&self) -> Vec<serde_json::Value> {
        let mut seen: Vec<serde_json::Value> = Vec::new();
        for world in self.history() {
            let all = world.of_kind("Ingress").map(|(name, ingress)| {
                let mut metadata = ingress["metadata"]["annotations"].clone();
                if let Some(annotations) = metadata.as_object_mut() {
                    annotations.retain(|key, _| !key.starts_with("tranche.dev/"));
                }
                json!([name, ingress["spec"], metadata])
            });
            let all: serde_json::Value = all.collect();
            if seen.last() != Some(&all) {
                seen.push(all);
            }
        }
        seen
    }

    pub fn delete_record(&self) {
        self.repository().find_reference(RECORD).unwrap().delete().unwrap();
    }

    /// No object that a rollout drives has changed since.
    #[track_caller]
    fn unchanged_since(&self, sizes: &[serde_json::Value]) {
        assert_eq!(self.deployment_sizes(), sizes, "nothing but marks was written");
    }
}

/// Two batches of three on the way to `web-v2` are done.
fn after_two_batches() -> Stage {
    let stage = serving();
    upgrade(&stage, &["batchPartition: 1"]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 2), ("6.7.1", 2)]));
    stage
}

#[track_caller]
fn goes_on_to_the_end(stage: &Stage) {
    upgrade(stage, &[]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    assert_eq!(stage.world().sizes("Deployment"), [("web-v2".to_owned(), 4)].into());
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "idle");
}

#[test]
fn a_whole_record_is_not_rebuilt() {
    let stage = after_two_batches();
    stage.run(&["record", "rebuild"]).ends(77).says("nothing to rebuild");
    stage.run(&["record", "rebuild", "--write"]).ends(77).says("tranche apply");
    let empty = Stage::with(&[("a.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}")]);
    empty.run(&["record", "rebuild", "--write"]).ends(77).says("nothing to rebuild from");
}

#[test]
fn a_rewound_record_is_rebuilt_on_its_tip() {
    let stage = after_two_batches();
    let (sizes, seq) = (stage.deployment_sizes(), stage.log().len());
    stage.rewind(4);
    let tip = stage.tip();
    stage.apply().ends(77).says("tranche record rebuild");
    stage
        .run(&["record", "rebuild"])
        .ends(0)
        .says("in batch 2/3 to web-v2, attempt 2")
        .says("nothing was written");
    assert_eq!(stage.tip(), tip);
    stage.run(&["record", "rebuild", "--write", "--reason", "lost"]).ends(0).says("written as");
    let rebuilt = stage.log().pop().unwrap();
    assert_eq!(rebuilt.phase, "rebuild");
    assert!(rebuilt.seq >= u64::try_from(seq).unwrap(), "{rebuilt:?} after {seq}");
    assert_eq!(
        stage.repository().graph_descendant_of(
            git2::Oid::from_str(&stage.tip()).unwrap(),
            git2::Oid::from_str(&tip).unwrap(),
        ),
        Ok(true),
        "never forced"
    );
    stage.apply_wait().ends(3).says("batch 2/3 ready");
    stage.unchanged_since(&sizes);
    goes_on_to_the_end(&stage);
}

#[test]
fn a_deleted_record_is_rebuilt_from_nothing() {
    let stage = after_two_batches();
    let sizes = stage.deployment_sizes();
    stage.delete_record();
    stage.apply().ends(77).says("is not there").says("tranche record rebuild");
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("revision web-v1");
    assert_eq!(stage.log().len(), 1);
    assert_eq!(stage.recorded("revisions/default/web").len(), 2);
    stage.apply_wait().ends(3).says("batchPartition is 1");
    stage.unchanged_since(&sizes);
    goes_on_to_the_end(&stage);
}

#[test]
fn a_finished_rollout_is_recognised() {
    let stage = serving();
    let sizes = stage.deployment_sizes();
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("finished, 4 pods on web-v1");
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "idle");
    stage.unchanged_since(&sizes);
    goes_on_to_the_end(&stage);
}

#[test]
fn a_batch_in_the_middle_and_a_way_back_are_recognised() {
    let stage = serving();
    stage.commit(&[(APPLICATION, &slow_web("6.7.1")), (ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply().ends(3);
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("in batch 1/3 to web-v2");
    stage.apply().ends(3);
    stage.run(&["abort", "web"]).ends(0);
    stage.hook(
        "pre-receive",
        "while read old new ref; do git log -1 --format=%B $new | grep -q '^Phase: intent' || \
         exit 1; done",
    );
    stage.apply().ends(7);
    stage.hook("pre-receive", "cat > /dev/null");
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("the way back from web-v2");
    stage.apply_wait().ends(4);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    assert_eq!(stage.world().sizes("Deployment"), [("web-v1".to_owned(), 4)].into());
}

#[test]
fn an_in_place_upgrade_is_recognised() {
    let seed = |number: &str| {
        let dir = env!("CARGO_MANIFEST_DIR");
        let path = format!("{dir}/testdata/seeds/kubevela-approllout/{number}.yaml");
        std::fs::read_to_string(path).unwrap()
    };
    let stage =
        Stage::with(&[(APPLICATION, &seed("1-application")), (ROLLOUT, &seed("2-approllout"))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &seed("3-application")), (ROLLOUT, &seed("overview"))]);
    stage.apply_wait().ends(3);
    let before = stage.world().ready_pods();
    assert_eq!(before, pods(&[("4.0.6", 1), ("5.0.2", 4)]));
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("in batch 2/3 to test-rolling-v2");
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().all_pods(), before);
    // And a rebuilt cluster: the same pods come back, old and new.
    stage.wipe();
    stage.apply().ends(77);
    stage.run(&["adopt", "--rebuilt"]).ends(0);
    stage.apply_wait().ends(3).says("bringing back batch 2/3 done");
    assert_eq!(stage.world().ready_pods(), before);
    stage.commit(&[(ROLLOUT, &seed("overview").replace("batchPartition: 1", "batchPartition: 2"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("5.0.2", 5)]));
}

#[test]
fn what_cannot_be_proven_is_frozen_until_a_person_mends_it() {
    let stage = after_two_batches();
    for name in ["web-v1", "web-v2"] {
        let path = format!("/apis/apps/v1/namespaces/default/deployments/{name}");
        let annotations = json!({"tranche.dev/step": "000000000000/1"});
        stage.meddle(
            &path,
            &json!({"apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": {"name": name, "annotations": annotations}}),
        );
    }
    stage.delete_record();
    let sizes = stage.deployment_sizes();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("frozen").says("fit no step");
    stage.apply_wait().ends(77).says("is frozen").says("tranche record rebuild --write");
    stage.unchanged_since(&sizes);
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("frozen");
    // A person brings it to one revision with all its pods.
    stage.destroy("/apis/apps/v1/namespaces/default/deployments/web-v1");
    stage.meddle(
        "/apis/apps/v1/namespaces/default/deployments/web-v2",
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web-v2"},
                "spec": {"replicas": 4}}),
    );
    stage.apply().ends(77);
    stage.pass(READY_AFTER);
    stage.apply().ends(77);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 4)]));
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("finished, 4 pods on web-v2");
}

#[test]
fn a_commit_that_tranche_did_not_write_is_named_with_its_author() {
    let stage = after_two_batches();
    let good = stage.tip();
    let mend = |text: &str| text.replace("currentBatch: 1", "currentBatch: 2");
    // A person edits on the forge.
    let bad = stage.forge(WEB, "Update web.yaml", mend);
    let named = format!("commit {} on branch tranche/sandbox, by Intruder", &bad[..10]);
    let refusal = stage.apply().ends(77).says(&named).says("is not a record commit");
    stage.follow(&refusal);
    assert_eq!(stage.tip(), good);
    // Somebody copies the trailers, and does not count.
    let repository = stage.repository();
    let copied = repository.find_reference(RECORD).unwrap().peel_to_commit().unwrap();
    stage.forge(WEB, copied.message().unwrap(), mend);
    stage.apply().ends(77).says("by Intruder").says("but the commit before it has");
    stage.rewind(1);
    // A record commit on one that is none.
    let message = stage.next_message("web: a fine subject");
    stage.forge(WEB, "Update web.yaml", mend);
    stage.forge(WEB, &message, mend);
    let refusal = stage.apply().ends(77).says("by Intruder").says("stands below one");
    stage.follow(&refusal);
    assert_eq!(stage.tip(), good);
    stage.apply_wait().ends(3).says("batchPartition is 1");
}

#[test]
fn a_file_that_cannot_be_true_is_named_with_its_author() {
    let stage = serving();
    stage.commit(&[(APPLICATION, &slow_web("6.7.1")), (ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply().ends(3);
    let world = stage.world().sizes("Deployment");
    let forge = |edit: &dyn Fn(&str) -> String| {
        let message = stage.next_message("web: a fine subject");
        stage.forge(WEB, &message, edit)
    };
    let bad = forge(&|text| {
        let line = text.lines().find(|line| line.contains("  epoch: ")).unwrap();
        text.replace(line, "  epoch: 9999")
    });
    stage.apply().ends(77).says("epoch 9999").says(&bad[..10]).says("by Intruder");
    stage.rewind(1);
    let bad = forge(&|text| text.replace("rolloutOriginalSize: 4", "rolloutOriginalSize: 3"));
    stage.apply().ends(77).says("cannot be compiled again").says(&bad[..10]).says("by Intruder");
    stage.rewind(1);
    let bad = forge(&|text| text.replace("attempt: 2", "attempt: many"));
    stage.apply().ends(77).says(WEB).says(&bad[..10]).says("by Intruder");
    stage.rewind(1);
    assert_eq!(stage.world().sizes("Deployment"), world);
    stage.apply_wait().ends(0);
    stage.record_is_whole();
}

#[test]
fn a_trial_at_its_gate_is_recognised() {
    use crate::beside::{ROUTED, serving, upgrade};
    for approved in 0..2 {
        let stage = serving(ROUTED);
        upgrade(&stage, ROUTED);
        stage.apply_wait().ends(3);
        for _ in 0..approved {
            stage.run(&["approve", "demo"]).ends(0);
            stage.apply_wait().ends(3);
        }
        let (sizes, ingress) = (stage.deployment_sizes(), stage.ingresses());
        stage.delete_record();
        let batch = format!("in batch {}/3 to demo-v2", approved + 1);
        stage.run(&["record", "rebuild", "--write"]).ends(0).says(&batch);
        stage.apply_wait().ends(3).says("approve demo");
        stage.unchanged_since(&sizes);
        assert_eq!(stage.ingresses(), ingress, "no request goes elsewhere");
        stage.run(&["abort", "demo"]).ends(0);
        stage.apply_wait().ends(4);
        assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 5)]));
        assert_eq!(stage.world().of_kind("Ingress").count(), 1);
    }
}

#[test]
fn an_open_lane_is_known_again_and_an_abort_leaves_it() {
    use crate::lanes::{BETA, at_rest, images, lane};
    let stage = at_rest(BETA);
    stage.commit(&[("workloads.yaml", &images("gray", "dark"))]);
    stage.apply_wait().ends(3).says("approve rollout-a");
    let (sizes, ingress) = (stage.deployment_sizes(), stage.ingresses());
    assert!(lane(&stage.world()).is_some());
    stage.delete_record();
    stage
        .run(&["record", "rebuild", "--write"])
        .ends(0)
        .says("in batch 1/3 to spring-cloud-a-v2")
        .says("lane default/mse-traffic: mse-traffic with rollout-a, rollout-b");
    stage.apply_wait().ends(3);
    stage.unchanged_since(&sizes);
    assert_eq!(stage.ingresses(), ingress, "no request goes elsewhere");
    stage.run(&["abort", "rollout-a"]).ends(0);
    stage.apply_wait().ends(4).says("approve rollout-b");
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a", "b is in it yet");
    stage.run(&["abort", "rollout-b"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(lane(&stage.world()), None);
    assert_eq!(stage.world().of_kind("Ingress").count(), 1);
    assert_eq!(stage.world().ready_pods(), pods(&[("base", 6)]));
}

/// Its workload was written last by the batch before the end, which looks at what
/// was tried: that is gone.
#[test]
fn a_rollout_that_has_left_its_lane_is_known_to_be_over() {
    use crate::lanes::{BETA, at_rest, images};
    let stage = at_rest(BETA);
    stage.commit(&[("workloads.yaml", &images("gray", "base"))]);
    stage.apply_wait().ends(3);
    stage.run(&["approve", "rollout-a"]).ends(0);
    stage.apply_wait().ends(0);
    let (sizes, served) = (stage.deployment_sizes(), stage.world().ready_pods());
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("in batch 3/3 to spring-cloud-a-v2");
    stage.apply_wait().ends(0);
    stage.unchanged_since(&sizes);
    assert_eq!(stage.world().ready_pods(), served);
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "idle");
}

#[test]
fn a_closed_lane_is_known_again_and_opens() {
    use crate::lanes::{BETA, at_rest, images, lane};
    let stage = at_rest(BETA);
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("mse-traffic with nobody");
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "idle");
    stage.commit(&[("workloads.yaml", &images("gray", "base"))]);
    stage.apply_wait().ends(3);
    assert_eq!(lane(&stage.world()).unwrap(), "spring-cloud-a-v2-traffic");
    stage.run(&["approve", "rollout-a"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(lane(&stage.world()), None);
}

/// Without its inventory nothing would ever be pruned.
#[test]
fn what_is_applied_as_it_stands_is_known_again_and_pruned_when_it_leaves() {
    let config =
        |name: &str| format!("kind: ConfigMap\napiVersion: v1\nmetadata: {{name: {name}}}");
    let stage = serving();
    stage.commit(&[("a.yaml", &config("a")), ("b.yaml", &config("b")), ("c.yaml", &config("c"))]);
    stage.apply_wait().ends(0);
    let before = stage.recorded("inventory/default");
    stage.delete_record();
    stage
        .run(&["record", "rebuild", "--write"])
        .ends(0)
        .says("objects default/_objects: 3 objects that it has");
    assert_eq!(stage.recorded("inventory/default"), before);
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "idle");
    stage.remove("a.yaml");
    stage.apply_wait().ends(0);
    assert!(stage.world().get("ConfigMap", "a").is_none(), "pruned");
    assert!(stage.world().get("ConfigMap", "b").is_some());
}

/// What cannot be read keeps nothing else from being found.
#[test]
fn an_object_that_no_cluster_here_serves_stops_no_rebuild() {
    let config = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}";
    let stage = serving();
    stage.commit(&[("a.yaml", config)]);
    stage.apply_wait().ends(0);
    let monitor = "kind: ServiceMonitor\napiVersion: monitoring.coreos.com/v1\nmetadata: {name: m}";
    stage.commit(&[("m.yaml", monitor)]);
    stage.delete_record();
    let ran = stage.run(&["record", "rebuild", "--write"]).ends(0);
    ran.says("what it has is not known, and is not pruned").says("web-v1");
    let status = stage.run(&["status"]).ends(0);
    status.says("default/web on sandbox: rolloutSucceed");
}
