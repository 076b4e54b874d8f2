//! What a rollout must never do to what is live, and to a record that is not
//! what it was.

use crate::plans::{APPLICATION, ROLLOUT, rollout, web};
use crate::stage::{Ran, Stage};
use crate::world::pods;
use serde_json::json;
use std::process::Command;

/// A StatefulSet of five, and an embedded rollout plan.
fn database(tag: &str, more: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: db}}
spec:
  components:
    - name: db
      type: statefulset
      properties: {{image: \"db:{tag}\", ports: [{{port: 5432}}]}}
      traits:
        - {{type: scaler, properties: {{replicas: 5}}}}
{more}"
    )
}

const PLAN: &str = "  rolloutPlan:
    rolloutBatches: [{replicas: 1}, {replicas: 40%}, {replicas: 2}]
";

#[test]
fn a_statefulset_goes_batch_by_batch_from_an_embedded_plan() {
    let stage = Stage::with(&[(APPLICATION, &database("1", PLAN))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &database("2", &format!("{PLAN}    batchPartition: 1\n")))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 2), ("2", 3)]));
    stage.commit(&[(APPLICATION, &database("2", PLAN))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("2", 5)]));
    assert_eq!(stage.state("db"), "rolloutSucceed");
    stage.record_is_whole();
}

#[test]
fn a_first_rollout_does_not_take_a_live_workload_down() {
    let stage = Stage::with(&[(APPLICATION, &database("1", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    stage.commit(&[(APPLICATION, &database("2", PLAN))]);
    stage.apply_wait().ends(77).says("is live with 5 pods").says("sourceAppRevisionName");
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    // It was created without pods, and got them by the next write.
    let mut sizes = Vec::new();
    for world in stage.history() {
        sizes.extend(world.sizes("StatefulSet").into_values());
    }
    let served = sizes.iter().skip_while(|size| **size == 0);
    assert!(served.clone().count() > 0 && served.clone().all(|size| *size == 5), "{sizes:?}");
}

#[test]
fn old_pods_that_somebody_brings_back_before_a_batch_without_pods_stay() {
    let stage =
        Stage::with(&[(APPLICATION, &web("6.7.0", 2, &[])), (ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    // Two pods: percentages round up, and batch 3 moves none.
    let upgrade = |more: &[&str]| {
        stage.commit(&[(APPLICATION, &web("6.7.1", 2, &[])), (ROLLOUT, &rollout("web-v2", more))]);
    };
    upgrade(&["batchPartition: 1"]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 2)]));
    let scale = |size: u32| {
        let body = json!({"apiVersion": "apps/v1", "kind": "Deployment",
                          "metadata": {"name": "web-v1"}, "spec": {"replicas": size}});
        stage.meddle("/apis/apps/v1/namespaces/default/deployments/web-v1", &body);
        stage.pass(30);
    };
    scale(3);
    upgrade(&[]);
    stage.apply_wait().ends(77).says("web-v1").says("kubectl scale");
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 3), ("6.7.1", 2)]));
    let tip = stage.tip();
    stage.apply_wait().ends(77);
    assert_eq!(stage.tip(), tip, "a refusal begins no step");
    scale(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v2".to_owned(), 2)].into());
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.1", 2)]));
    stage.record_is_whole();
}

#[test]
fn a_rewound_record_is_refused_before_anything_is_written_on_it() {
    let stage =
        Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    let whole = stage.tip();
    let repository = stage.repository();
    let mut reference = repository.find_reference("refs/heads/tranche/sandbox").unwrap();
    let mut back = reference.peel_to_commit().unwrap();
    for _ in 0..2 {
        back = back.parent(0).unwrap();
    }
    reference.set_target(back.id(), "rewound").unwrap();
    stage.commit(&[(APPLICATION, &web("6.7.1", 4, &[]))]);
    let journal = std::fs::read(stage.journal()).unwrap();
    stage.apply_wait().ends(77).says("rewound");
    // What such a record tells of live objects would be wrong.
    stage.run(&["plan"]).ends(77).says("rewound");
    assert_eq!(stage.tip(), back.id().to_string(), "nothing is pushed onto a rewound record");
    assert_eq!(std::fs::read(stage.journal()).unwrap(), journal);
    // Nor onto one that was deleted.
    repository.find_reference("refs/heads/tranche/sandbox").unwrap().delete().unwrap();
    stage.apply_wait().ends(77).says("rewound");
    stage.run(&["plan"]).ends(77).says("rewound");
    assert!(repository.find_reference("refs/heads/tranche/sandbox").is_err());
    // Put back, it goes on.
    let id = git2::Oid::from_str(&whole).unwrap();
    repository.reference("refs/heads/tranche/sandbox", id, true, "put back").unwrap();
    stage.apply_wait().ends(0);
    stage.record_is_whole();
}

#[test]
fn a_finished_rollout_that_leaves_the_plan_leaves_its_pods_as_they_are() {
    let stage = Stage::with(&[
        (APPLICATION, &web("6.7.0", 4, &[]).replace("\"true\"", "\"false\"")),
        (ROLLOUT, &rollout("web-v1", &["targetSize: 6"])),
    ]);
    stage.apply_wait().ends(0);
    let before = stage.world().sizes("Deployment");
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().sizes("Deployment"), before);
    assert_eq!(stage.world().ready_pods(), pods(&[("6.7.0", 6)]));
}

#[test]
fn a_plan_is_checked_before_it_is_ever_committed() {
    let dir = tranche_lab::scratch().unwrap();
    let tranche = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_tranche"));
        Ran::of(&program.args(arguments).current_dir(dir.path()).output().unwrap())
    };
    tranche(&["init"]).ends(0);
    tranche(&["lint", "--worktree"]).ends(0).says("1 application, 1 rollout, 0 plain objects");
    tranche(&["render", "--worktree"]).ends(0).says("kind: Deployment");
    let file = dir.path().join(ROLLOUT);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("rolloutBatches", "rolloutBatchs")).unwrap();
    tranche(&["lint", "--worktree"]).ends(65).says("did you mean `rolloutBatches`?");
}
