//! KubeVela's Rollout of `standard.oam.dev`: one component, from one of its
//! revisions to another.

use crate::plans::APPLICATION;
use crate::stage::Stage;
use crate::world::pods;

const ROLLOUT: &str = "rollout.yaml";

/// An application whose revisions are only published: a CloneSet of five.
fn shop(tag: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: shop\n  \
         annotations: {{app.oam.dev/rollout-template: \"true\"}}\nspec:\n  components:\n  - name: \
         web\n    type: clonesetservice\n    properties: {{image: \"web:{tag}\"}}\n"
    )
}

/// A Rollout of `web` to a revision in batches of 3 and 2 of 5.
fn rollout(target: &str, more: &str) -> String {
    format!(
        "apiVersion: standard.oam.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: web-rollout}}\n\
         spec:\n  componentName: web\n  targetRevisionName: {target}\n  rolloutPlan:\n    \
         targetSize: 5\n    rolloutBatches: [{{replicas: 3}}, {{replicas: 2}}]\n{more}"
    )
}

const FIRST: &str = "    batchPartition: 0\n";

/// Two revisions that were there before the Rollout, and `web-v1` rolled out.
fn serving() -> Stage {
    let stage = Stage::with(&[(APPLICATION, &*shop("1"))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &shop("2"))]);
    stage.apply_wait().ends(0);
    assert!(stage.recorded("revisions/default/web").is_empty());
    stage.commit(&[(ROLLOUT, &rollout("web-v1", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.recorded("revisions/default/web").len(), 2, "counted from the beginning");
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    stage
}

#[test]
fn r1_a_component_goes_forward_in_two_batches_and_back() {
    let stage = serving();
    stage.commit(&[(ROLLOUT, &rollout("web-v2", FIRST))]);
    stage.run(&["plan"]).ends(0).says("web-v2");
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 2), ("2", 3)]));
    let clone = stage.world().get("CloneSet", "web").unwrap().clone();
    let owner = &clone["metadata"]["annotations"]["tranche.dev/entity"];
    assert!(owner.as_str().unwrap().contains("web-rollout"), "{clone}");
    let status = &stage.rollout("web-rollout")["status"];
    assert_eq!(status["lastTargetAppRevision"], "web-v2");
    assert_eq!(status["upgradedReplicas"], 3);
    stage.commit(&[(ROLLOUT, &rollout("web-v2", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("2", 5)]));
    stage.commit(&[(ROLLOUT, &rollout("web-v1", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    assert_eq!(stage.recorded("revisions/default/web").len(), 2);
    stage.record_is_whole();
}

#[test]
fn r2_a_target_that_is_taken_back_half_way_and_named_again() {
    let stage = serving();
    stage.commit(&[(ROLLOUT, &rollout("web-v2", FIRST))]);
    stage.apply_wait().ends(3);
    let swapped = rollout("web-v1", "")
        .replace("  rolloutPlan", "  sourceRevisionName: web-v2\n  rolloutPlan");
    stage.commit(&[(ROLLOUT, &swapped)]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5)]));
    stage.commit(&[(ROLLOUT, &rollout("web-v2", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("2", 5)]));
    stage.record_is_whole();
}

#[test]
fn revisions_have_the_same_numbers_in_a_record_that_is_made_again() {
    let stage = serving();
    // A content that came while no rollout of its own drove the component.
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &shop("3"))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &shop("2"))]);
    stage.commit(&[(ROLLOUT, &rollout("web-v2", ""))]);
    stage.apply_wait().ends(0);
    let named = |stage: &Stage, n: u32| {
        let file = stage.record_file(&format!("revisions/default/web/web-v{n}.yaml"));
        file.lines()
            .filter(|line| line.starts_with("digest"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let before: Vec<_> = [1, 2, 3].map(|n| named(&stage, n)).into();
    stage.delete_record();
    stage.run(&["record", "rebuild", "--write"]).ends(0).says("5 pods on web-v2");
    assert_eq!(stage.recorded("revisions/default/web").len(), 3);
    let after: Vec<_> = [1, 2, 3].map(|n| named(&stage, n)).into();
    assert_eq!(before, after);
    stage.apply().ends(0);
}

#[test]
fn the_rest_of_the_application_is_applied_as_it_stands() {
    let both = |tag: &str, mail: &str| {
        let beside =
            format!("  - {{name: mail, type: worker, properties: {{image: \"mail:{mail}\"}}}}\n");
        shop(tag).replace("  annotations: {app.oam.dev/rollout-template: \"true\"}\n", "") + &beside
    };
    let stage = Stage::with(&[(APPLICATION, &*both("1", "1")), (ROLLOUT, &*rollout("web-v1", ""))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &both("2", "1"))]);
    stage.commit(&[(ROLLOUT, &rollout("web-v2", FIRST))]);
    stage.apply_wait().ends(3);
    stage.commit(&[(APPLICATION, &both("2", "9"))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 2), ("2", 3), ("9", 1)]));
    assert_eq!(stage.recorded("revisions/default/web").len(), 2, "mail has no part in it");
    stage.commit(&[(ROLLOUT, &rollout("web-v1", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 5), ("9", 1)]), "nor in the way back");
}

#[test]
fn what_cannot_be_found_or_has_another_rollout_is_refused() {
    let refused = |files: &[(&str, &str)], code: i32, says: &str| {
        Stage::with(files).apply_wait().ends(code).says(says);
    };
    let v1 = rollout("web-v1", "");
    refused(&[(ROLLOUT, &v1)], 65, "no application of this plan has a component `web`");
    let other = shop("1").replace("name: shop", "name: stock");
    let both = [(APPLICATION, &*shop("1")), ("b.yaml", &*other), (ROLLOUT, &*v1)];
    refused(&both, 65, "two applications have a component `web`: shop");
    let second = v1.replace("web-rollout", "web-again");
    let twice = [(APPLICATION, &*shop("1")), ("b.yaml", &*second), (ROLLOUT, &*v1)];
    refused(&twice, 65, "component `web` has two rollouts");
    let unknown = rollout("web-v7", "");
    let says = "names targetRevisionName \"web-v7\", which does not exist; published are web-v1";
    refused(&[(APPLICATION, &*shop("1")), (ROLLOUT, &unknown)], 65, says);
    let whole = "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {name: shop}\nspec:\n  \
                 targetAppRevisionName: shop-v1\n  rolloutPlan: {numBatches: 1}\n";
    let files = [(APPLICATION, &*shop("1")), ("b.yaml", whole), (ROLLOUT, &*v1)];
    refused(&files, 65, "nothing is left for this one");
}

/// By itself a component's siblings are others: what they read does not travel with
/// its revision, and an abort does not take it from them.
#[test]
fn configuration_that_a_sibling_reads_keeps_its_name_and_survives_an_abort() {
    let with_settings = |colour: &str| {
        let storage = format!(
            "    traits:\n    - type: storage\n      properties:\n        configMap:\n        - \
             {{name: settings, mountPath: /settings, data: {{colour: {colour}}}}}\n"
        );
        let peer = "  - name: peer\n    type: worker\n    properties:\n      image: \"peer:1\"\n      \
                    env:\n      - name: COLOUR\n        valueFrom: {configMapKeyRef: {name: \
                    settings, key: colour}}\n";
        shop(colour) + &storage + peer
    };
    let colour = |stage: &Stage| {
        let world = stage.world();
        world.get("ConfigMap", "settings").map(|map| map["data"]["colour"].clone())
    };
    let stage = Stage::with(&[(APPLICATION, &*with_settings("red"))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(ROLLOUT, &rollout("web-v1", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(colour(&stage).unwrap(), "red");
    stage.commit(&[(APPLICATION, &with_settings("blue")), (ROLLOUT, &rollout("web-v2", FIRST))]);
    stage.apply_wait().ends(3);
    assert_eq!(colour(&stage).unwrap(), "blue");
    stage.run(&["abort", "web-rollout"]).ends(0);
    stage.apply_wait().ends(4);
    assert_eq!(colour(&stage).unwrap(), "red", "it is there, and as it was");
    assert_eq!(stage.world().ready_pods().get("red"), Some(&5));
}
