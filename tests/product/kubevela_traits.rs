//! KubeVela's trait `rollout`: a component that is rolled by itself, by
//! revisions of its own.

use crate::plans::APPLICATION;
use crate::stage::Stage;
use crate::world::{World, pods};
use std::collections::BTreeMap;

/// The trait with these parameters.
fn rolled(parameters: &str) -> String {
    format!("    traits:\n    - {{type: rollout, properties: {{{parameters}}}}}\n")
}

/// `shop`: a component `web` with a Service, and what follows it.
fn shop(cpu: &str, traits: &str, beside: &str) -> String {
    format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {{name: shop}}\nspec:\n  \
         components:\n  - name: web\n    type: webservice\n    properties: {{image: \"web:{cpu}\", \
         cpu: \"{cpu}\", ports: [{{port: 80, expose: true}}]}}\n{traits}{beside}"
    )
}

const MAIL: &str = "  - {name: mail, type: worker, properties: {image: \"mail:1\"}}\n";

fn sizes(world: &World) -> BTreeMap<String, u64> {
    world.sizes("Deployment")
}

fn size(named: &[(&str, u64)]) -> BTreeMap<String, u64> {
    named.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect()
}

fn revisions(stage: &Stage, name: &str) -> Vec<String> {
    let all = stage.recorded(&format!("revisions/default/{name}"));
    all.iter().map(|file| file.rsplit('/').next().unwrap().replace(".yaml", "")).collect()
}

/// T1's end: v3 of the component with two pods.
fn third() -> Stage {
    let two = rolled("targetSize: 2");
    let stage = Stage::with(&[(APPLICATION, &*shop("1", &two, ""))]);
    stage.apply_wait().ends(0);
    for cpu in ["2", "3"] {
        stage.commit(&[(APPLICATION, &shop(cpu, &two, ""))]);
        stage.apply_wait().ends(0);
    }
    stage
}

#[test]
fn t1_each_change_is_a_revision_of_the_component_and_the_one_before_goes() {
    let two = rolled("targetSize: 2");
    let stage = Stage::with(&[(APPLICATION, &*shop("1", &two, ""))]);
    stage.run(&["plan"]).ends(0).says("Deployment/default/web-v1");
    for (n, cpu) in ["1", "2", "3"].into_iter().enumerate() {
        stage.commit(&[(APPLICATION, &shop(cpu, &two, ""))]);
        stage.apply_wait().ends(0);
        let name = format!("web-v{}", n + 1);
        assert_eq!(sizes(&stage.world()), size(&[(&name, 2)]));
        assert_eq!(stage.world().ready_pods(), pods(&[(cpu, 2)]));
        assert!(stage.world().get("Service", "web").is_some());
    }
    assert_eq!(revisions(&stage, "web"), ["web-v1", "web-v2", "web-v3"]);
    assert_eq!(stage.state("web"), "rolloutSucceed");
    let deployment = stage.world().get("Deployment", "web-v3").unwrap().clone();
    assert_eq!(deployment["metadata"]["labels"]["app.oam.dev/name"], "shop");
    stage.record_is_whole();
    let tip = stage.tip();
    stage.run(&["plan", "--detailed-exitcode"]).ends(0);
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);
}

#[test]
fn t2_an_earlier_revision_comes_back_in_batches() {
    let stage = third();
    let back = "targetRevision: web-v2, targetSize: 2, rolloutBatches: [{replicas: 1}, {replicas: \
                1}]";
    stage.commit(&[(APPLICATION, &shop("3", &rolled(back), ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("web-v2", 2)]));
    assert_eq!(stage.world().ready_pods(), pods(&[("2", 2)]));
    let batches = stage.batches();
    assert_eq!(batches[batches.len() - 2..], ["1 of 2 pods on web-v2", "2 of 2 pods on web-v2"]);
    assert_eq!(revisions(&stage, "web").len(), 3, "what drives it is no part of a revision");
}

#[test]
fn t3_another_size_is_scaled_to_in_batches() {
    let stage = third();
    let four = "targetSize: 4, rolloutBatches: [{replicas: 1}, {replicas: 1}]";
    stage.commit(&[(APPLICATION, &shop("3", &rolled(four), ""))]);
    let from = stage.history().len() - 1;
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("web-v3", 4)]));
    let mut seen: Vec<_> = stage.history().split_off(from).iter().map(sizes).collect();
    seen.dedup();
    assert_eq!(seen, [2, 3, 4].map(|pods| size(&[("web-v3", pods)])));
}

#[test]
fn t4_a_partition_stops_half_way_and_the_next_one_ends_it() {
    let stage = third();
    stage.commit(&[(APPLICATION, &shop("3", &rolled("targetSize: 4"), ""))]);
    stage.apply_wait().ends(0);
    let halves = |partition: u32| {
        let batches = "rolloutBatches: [{replicas: 2}, {replicas: 2}]";
        rolled(&format!("targetSize: 4, {batches}, batchPartition: {partition}"))
    };
    stage.commit(&[(APPLICATION, &shop("5", &halves(0), ""))]);
    stage.apply_wait().ends(3);
    assert_eq!(sizes(&stage.world()), size(&[("web-v3", 2), ("web-v4", 2)]));
    assert_eq!(stage.world().ready_pods(), pods(&[("3", 2), ("5", 2)]));
    stage.commit(&[(APPLICATION, &shop("5", &halves(1), ""))]);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("web-v4", 4)]));
    stage.record_is_whole();
}

#[test]
fn t5_a_size_alone_is_reached_in_one_batch_up_and_down() {
    let stage = third();
    for pods in [4, 2] {
        let traits = rolled(&format!("targetSize: {pods}"));
        stage.commit(&[(APPLICATION, &shop("3", &traits, ""))]);
        stage.apply_wait().ends(0);
        assert_eq!(sizes(&stage.world()), size(&[("web-v3", pods)]));
        assert_eq!(stage.batches().last().unwrap(), &format!("{pods} pods on web-v3"));
    }
    assert_eq!(revisions(&stage, "web").len(), 3);
}

/// The original deletes without being asked twice; here what was applied goes
/// only by a word of its own, since a plan that renders nothing is more often a
/// mistake.
#[test]
fn differs_t6_a_component_or_an_application_that_left_is_deleted_when_that_is_said() {
    let beside = |traits: &str| shop("1", traits, MAIL);
    let stage = Stage::with(&[(APPLICATION, &*beside(&rolled("targetSize: 2")))]);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("mail", 1), ("web-v1", 2)]));
    let only_mail = beside("").replace(beside("").split("  - name: web").nth(1).unwrap(), "");
    let only_mail = only_mail.replace("  - name: web", MAIL.trim_end()) + "\n";
    stage.commit(&[(APPLICATION, &only_mail)]);
    stage.run(&["plan"]).ends(77).says("--allow-prune");
    stage
        .apply_wait()
        .ends(77)
        .says("renders none of the 2 objects")
        .says("Deployment/default/web-v1");
    assert_eq!(sizes(&stage.world()), size(&[("mail", 1), ("web-v1", 2)]));
    stage.run(&["plan", "--allow-prune"]).ends(0).says("delete Deployment/default/web-v1");
    stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("mail", 1)]));
    assert!(stage.world().get("Service", "web").is_none());
    stage.record_is_whole();
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip);

    let stage = third();
    stage.commit(&[("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")]);
    stage.remove(APPLICATION);
    stage.apply_wait().ends(77).says("renders none of the 2 objects");
    stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
    assert_eq!(sizes(&stage.world()), size(&[]));
    stage.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn a_deletion_whose_run_is_gone_is_closed_by_the_next_whatever_the_plan_has_by_then() {
    for back in [false, true] {
        let stage = third();
        let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
        stage.commit(&[("other.yaml", other)]);
        stage.remove(APPLICATION);
        // Everything of the run is recorded but its end.
        let refuses = "while read old new ref; do git log -1 --format=%s $new | grep -q 'prune \
                       done' && exit 1; done; exit 0";
        stage.hook("pre-receive", refuses);
        stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(7);
        assert_eq!(sizes(&stage.world()), size(&[]));
        stage.hook("pre-receive", "exit 0");
        if back {
            stage.commit(&[(APPLICATION, &shop("3", &rolled("targetSize: 2"), ""))]);
        }
        stage.run(&["apply", "--allow-prune", "--wait", "10m"]).ends(0);
        let record = stage.record_file("rollouts/default/web.yaml");
        assert!(!record.contains("\nopen:"), "{record}");
        let left = if back { size(&[("web-v3", 2)]) } else { size(&[]) };
        assert_eq!(sizes(&stage.world()), left);
        stage.record_is_whole();
        stage.run(&["plan", "--detailed-exitcode"]).ends(0);
    }
}

#[test]
fn a_component_whose_trait_is_taken_out_stays_as_it_is_until_it_is_let_go() {
    let stage = Stage::with(&[(APPLICATION, &*shop("1", &rolled("targetSize: 2"), MAIL))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &shop("2", "", &MAIL.replace("mail:1", "mail:2")))]);
    let told = "application default/shop, component `web` stays as its rollout left it";
    stage.apply_wait().ends(0).says(told);
    assert_eq!(sizes(&stage.world()), size(&[("mail", 1), ("web-v1", 2)]));
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 2), ("2", 1)]), "the rest is applied");
    assert!(stage.world().get("Service", "web").is_some());
    let named = "{name: shop, annotations: {tranche.dev/rollout: none}}";
    let let_go = |tag: &str| {
        let unready = format!(
            "    traits:\n    - {{type: annotations, properties: {{sandbox.tranche.dev/ready: \
             \"{tag}\"}}}}\n"
        );
        shop("2", &unready, MAIL).replace("{name: shop}", named)
    };
    let still = Stage::with(&[(APPLICATION, &*shop("1", &rolled("targetSize: 2"), MAIL))]);
    still.apply_wait().ends(0);
    still.commit(&[(APPLICATION, &let_go("never"))]);
    still.run(&["apply", "--wait", "1m"]).ends(3);
    assert_eq!(still.world().ready_pods(), pods(&[("1", 3)]), "what serves stays until then");
    still.commit(&[(APPLICATION, &let_go("always"))]);
    still.apply_wait().ends(0);
    still.apply_wait().ends(0);
    assert_eq!(sizes(&still.world()), size(&[("mail", 1), ("web", 1)]));
    assert!(still.world().get("Service", "web").is_some());
    still.record_is_whole();
    // Back with its trait it goes on from where it was, as v2.
    stage.commit(&[(APPLICATION, &shop("2", &rolled("targetSize: 2"), MAIL))]);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("mail", 1), ("web-v2", 2)]));
    stage.record_is_whole();
}

#[test]
fn under_way_a_component_whose_trait_is_taken_out_is_frozen_and_the_rest_goes_on() {
    let halves = "targetSize: 4, rolloutBatches: [{replicas: 2}, {replicas: 2}], batchPartition: 0";
    let stage = Stage::with(&[(APPLICATION, &*shop("1", &rolled("targetSize: 4"), MAIL))]);
    stage.apply_wait().ends(0);
    stage.commit(&[(APPLICATION, &shop("2", &rolled(halves), MAIL))]);
    stage.apply_wait().ends(3);
    let half = size(&[("mail", 1), ("web-v1", 2), ("web-v2", 2)]);
    stage.commit(&[(APPLICATION, &shop("2", "", &MAIL.replace("mail:1", "mail:3")))]);
    stage.apply_wait().ends(77).says("no longer in the plan");
    assert_eq!(sizes(&stage.world()), half);
    assert_eq!(stage.world().ready_pods(), pods(&[("1", 2), ("2", 2), ("3", 1)]));
}

#[test]
fn several_components_are_rolled_each_by_itself() {
    let mail = format!(
        "{}{}",
        MAIL.replace("{", "")
            .replace("}", "")
            .replace(", type", "\n    type")
            .replace(", properties: image: \"mail:1\"", "\n    properties: {image: \"mail:1\"}"),
        rolled("targetSize: 1")
    );
    let stage = Stage::with(&[(APPLICATION, &*shop("1", &rolled("targetSize: 2"), &mail))]);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("mail-v1", 1), ("web-v1", 2)]));
    stage.commit(&[(APPLICATION, &shop("2", &rolled("targetSize: 2"), &mail))]);
    stage.apply_wait().ends(0);
    assert_eq!(sizes(&stage.world()), size(&[("mail-v1", 1), ("web-v2", 2)]));
    assert_eq!(stage.recorded("applications"), Vec::<String>::new(), "nothing else is left");
}

#[test]
fn what_two_would_count_or_drive_is_refused_by_name() {
    let two = rolled("targetSize: 2");
    let refused = |text: &str, says: &str| {
        let stage = Stage::with(&[(APPLICATION, text)]);
        stage.apply().ends(65).says(says);
    };
    let plan = shop("1", &two, "  rolloutPlan: {numBatches: 1}\n");
    refused(&plan, "a rollout of its own beside the `rolloutPlan` of its application");
    let named = shop("1", &two, MAIL).replace("name: shop", "name: web");
    refused(&named, "revisions of component `web` would be called as those of application `web`");
    let version = "{name: shop, annotations: {app.oam.dev/publishVersion: a}}";
    let version = shop("1", &two, "").replace("{name: shop}", version);
    refused(&version, "app.oam.dev/publishVersion");
    refused(&shop("1", &rolled(""), ""), "`targetSize` is missing");
    let other = shop("1", &rolled("targetSize: 2, targetRevision: mail-v1"), "");
    refused(&other, "a revision of the component, `web-vN`");
    let percent = shop("1", &rolled("targetSize: 2, rolloutBatches: [{replicas: 50%}]"), "");
    refused(&percent, "a whole number");
}
