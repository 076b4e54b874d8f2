//! KubeVela's `rolloutPlan` inside of an Application: every new revision goes
//! through the same batches.

use crate::plans::APPLICATION;
use crate::stage::Stage;
use crate::world::pods;

/// An application `web` of six pods, by halves.
fn web(tag: &str, plan: &str, beside: &str, annotations: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {{name: shop{annotations}}}\n\
         spec:\n  rolloutPlan:\n    targetSize: 6\n    rolloutBatches: [{{replicas: 50%}}, \
         {{replicas: 50%}}]\n{plan}  components:\n  - name: web\n    type: webservice\n    \
         properties: {{image: \"web:{tag}\"}}\n{beside}"
    )
}

fn by_halves(tag: &str) -> String {
    web(tag, "", "", "")
}

const FIRST: &str = "    batchPartition: 0\n";

fn first() -> Stage {
    let stage = Stage::with(&[(APPLICATION, &*by_halves("1"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 6)]));
    stage
}

#[test]
fn e1_three_contents_are_three_revisions_that_all_succeed() {
    let stage = first();
    for tag in ["2", "3"] {
        stage.commit(&[(APPLICATION, &by_halves(tag))]);
        stage.apply_wait().ends(0);
        assert_eq!(stage.world().all_pods(), pods(&[(tag, 6)]));
        assert_eq!(stage.state("shop"), "rolloutSucceed");
    }
    assert_eq!(stage.recorded("revisions/default/shop").len(), 3);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v3".into(), 6)].into());
}

#[test]
fn e2_a_partition_of_nothing_but_the_first_batch_leaves_three_and_three() {
    let stage = first();
    stage.commit(&[(APPLICATION, &web("2", FIRST, "", ""))]);
    stage.apply_wait().ends(3);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 3), ("2", 3)]));
    let status = stage.rollout("shop")["status"].clone();
    assert_eq!(status["rollingState"], "rollingInBatches");
    assert_eq!(status["lastTargetAppRevision"], "shop-v2");
    assert_eq!(status["LastSourceAppRevision"], "shop-v1");
    assert_eq!(
        (status["upgradedReplicas"].as_u64(), status["upgradedReadyReplicas"].as_u64()),
        (Some(3), Some(3))
    );
}

#[test]
fn e3_the_next_partition_ends_it() {
    let stage = first();
    stage.commit(&[(APPLICATION, &web("2", FIRST, "", ""))]);
    stage.apply_wait().ends(3);
    stage.commit(&[(APPLICATION, &web("2", "    batchPartition: 1\n", "", ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("2", 6)]));
    assert_eq!(stage.state("shop"), "rolloutSucceed");
}

#[test]
fn e4_a_third_content_in_the_middle_takes_the_place_of_the_second() {
    let stage = first();
    stage.commit(&[(APPLICATION, &web("2", FIRST, "", ""))]);
    stage.apply_wait().ends(3);
    stage.commit(&[(APPLICATION, &by_halves("3"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("3", 6)]));
    assert_eq!(stage.world().sizes("Deployment"), [("web-v3".into(), 6)].into());
    let results = stage.subjects("result");
    let back = results.iter().position(|subject| subject.contains("back to shop-v1 done"));
    let third = results.iter().position(|subject| subject.contains("pods on shop-v3"));
    assert!(back.is_some() && back < third, "the second one is given up first: {results:?}");
    assert!(!results.iter().any(|subject| subject.contains("6 of 6 pods on shop-v2")));
    stage.record_is_whole();
}

#[test]
fn e5_pausing_and_going_on_by_the_plan_make_no_revision() {
    let stage = first();
    stage.commit(&[(APPLICATION, &web("2", FIRST, "", ""))]);
    stage.apply_wait().ends(3);
    stage.commit(&[(APPLICATION, &web("2", "    paused: true\n", "", ""))]);
    stage.apply_wait().ends(3).says("paused by the plan");
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 3), ("2", 3)]));
    assert_eq!(stage.recorded("revisions/default/shop").len(), 2);
    stage.commit(&[(APPLICATION, &by_halves("2"))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("2", 6)]));
    assert_eq!(stage.recorded("revisions/default/shop").len(), 2);
}

/// The original rolls the first component and says nothing of it; here the plan
/// says which one it is.
#[test]
fn differs_e6_of_two_components_the_one_that_is_named_is_rolled() {
    let mail = |tag: &str| {
        format!("  - {{name: mail, type: worker, properties: {{image: \"mail:{tag}\"}}}}\n")
    };
    let named = ", annotations: {app.oam.dev/rolling-components: web}";
    let stage = Stage::with(&[(APPLICATION, &*web("1", "", &mail("7"), ""))]);
    stage.apply_wait().ends(65).says("name the one to roll").says("rolling-components");
    // Said afterwards it counts, though nothing of the revision has changed, and what
    // was said before, of a component that cannot be rolled, does not.
    let bare = "  - {name: bare, type: raw, properties: {apiVersion: v1, kind: ConfigMap, \
               metadata: {name: bare}}}\n";
    let other = ", annotations: {app.oam.dev/rolling-components: bare}";
    stage.commit(&[(APPLICATION, &web("1", "", bare, other))]);
    stage.apply_wait().ends(65).says("cannot be rolled");
    stage.commit(&[(APPLICATION, &web("1", "", bare, named))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.recorded("revisions/default/shop").len(), 2);
    assert_eq!(stage.world().sizes("Deployment"), [("web-v2".into(), 6)].into());
    let stage = Stage::with(&[(APPLICATION, &*web("1", "", &mail("7"), ""))]);
    stage.apply_wait().ends(65);
    stage.commit(&[(APPLICATION, &web("1", "", &mail("7"), named))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.recorded("revisions/default/shop").len(), 1);
    let stage = Stage::with(&[(APPLICATION, &*web("1", "", &mail("7"), named))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &web("2", FIRST, &mail("8"), named))]);
    stage.apply_wait().ends(3);
    let world = stage.world();
    assert_eq!(world.ready_pods(), pods(&[("1", 3), ("2", 3), ("8", 1)]));
    assert!(world.get("Deployment", "mail").is_some());
}

/// Nothing else of the plan says why its newest content is not applied.
#[test]
fn a_rollout_plan_that_is_taken_out_is_told_of_until_it_is_let_go() {
    let stage = first();
    let plain = by_halves("2").replace(
        "  rolloutPlan:\n    targetSize: 6\n    rolloutBatches: [{replicas: 50%}, {replicas: 50%}]\n",
        "",
    );
    assert!(!plain.contains("rolloutPlan"));
    stage.commit(&[(APPLICATION, &plain)]);
    let told = "application default/shop stays as its rollout left it";
    for _ in 0..2 {
        stage.run(&["plan"]).ends(0).says(told);
        stage.apply_wait().ends(0).says(told).says("tranche.dev/rollout: none");
        assert_eq!(stage.world().ready_pods(), pods(&[("1", 6)]));
    }
    let named = "{name: shop, annotations: {tranche.dev/rollout: none}}";
    stage.commit(&[(APPLICATION, &plain.replace("{name: shop}", named))]);
    let ran = stage.apply_wait().ends(77).says("renders none of the 1 objects");
    assert!(!format!("{}{}", ran.out, ran.err).contains(told));
    // All that the rollout had goes only with a person's word.
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 6), ("2", 1)]));
    stage.run(&["status"]).ends(0).says("no longer in the plan; its object stays");
    stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    assert_eq!(stage.world().ready_pods(), pods(&[("2", 1)]));
    stage.run(&["status"]).ends(0).says("nothing of it is left");
}
