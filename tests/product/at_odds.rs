//! What is at odds with a rollout: autoscalers of what it sizes, as `lint` tells of
//! them, and pods that only people replace. That a rollout does not begin under an
//! autoscaler is shown on the real control plane, which has the kind.

use crate::plans::{APPLICATION, ROLLOUT, rollout};
use crate::stage::Stage;

fn application(kind: &str, traits: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata: {{name: web}}\nspec:\n  \
         components:\n    - name: web\n      type: {kind}\n      properties: {{image: \
         \"web:1\"}}\n"
    );
    for (index, part) in traits.iter().enumerate() {
        let head = if index == 0 { "      traits:\n" } else { "" };
        text.push_str(&format!("{head}        - {part}\n"));
    }
    text
}

const HPA: &str = "{type: hpa, properties: {max: 4}}";
const PAIR: &str = "HorizontalPodAutoscaler/default/web scales Deployment web, but a rollout has \
                    one Deployment for each revision, web-v1 here, and sets its size";

#[test]
fn an_autoscaler_of_what_a_rollout_sizes_is_told_of() {
    let told = |kind: &str, part: &str| {
        let files =
            [(APPLICATION, &*application(kind, &[part])), (ROLLOUT, &*rollout("web-v1", &[]))];
        Stage::with(&files).run(&["lint"]).ends(0).says("approllout.yaml:1: ")
    };
    told("webservice", HPA).says(PAIR).says("take the autoscaler out of the plan");
    told("webservice", "{type: cpuscaler}").says(PAIR);
    told("statefulset", HPA).says(
        "HorizontalPodAutoscaler/default/web scales StatefulSet web, but the rollout sets its size",
    );
}

#[test]
fn an_autoscaler_that_is_a_document_is_told_of() {
    let document = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: own}\n\
                    spec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n  \
                    maxReplicas: 4\n";
    let application = application("webservice", &[]);
    let rollout = rollout("web-v1", &[]);
    let with = |document: &str| {
        let files = [
            (APPLICATION, application.as_str()),
            (ROLLOUT, rollout.as_str()),
            ("own.yaml", document),
        ];
        Stage::with(&files).run(&["lint"]).ends(0)
    };
    with(document).says("HorizontalPodAutoscaler/own scales Deployment web, but a rollout has one");
    let other = with(&document.replace("name: web}", "name: other}"));
    assert!(!other.out.contains("scales"), "{other}");
}

#[test]
fn an_autoscaler_of_what_no_rollout_sizes_is_nobodys_business() {
    let trial = "{type: kruise-rollout, properties: {canary: {steps: [{weight: 50}]}}}";
    for traits in [&[HPA, trial][..], &[HPA]] {
        let stage = Stage::with(&[(APPLICATION, &application("webservice", traits))]);
        let told = stage.run(&["lint"]).ends(0);
        assert!(!told.out.contains("scales"), "{told}");
    }
}

#[test]
fn what_the_sandbox_does_not_model_is_refused_by_name() {
    let stage = Stage::with(&[(APPLICATION, &application("task", &[]))]);
    let told = stage.apply_wait();
    assert_ne!(told.code, 0, "{told}");
    told.says("Job/default/web");
}

#[test]
fn pods_that_only_people_replace_are_not_rolled() {
    let by_hand = "{type: k8s-update-strategy, properties: {strategy: {type: OnDelete}}}";
    let plan = |part: &str| application("statefulset", &[part]);
    let stage = Stage::with(&[
        (APPLICATION, &plan(by_hand)),
        (ROLLOUT, &rollout("web-v1", &["targetSize: 4"])),
    ]);
    let why = "StatefulSet/default/web has the update strategy OnDelete";
    stage.run(&["plan"]).ends(65).says("approllout.yaml:1: ").says(why).says("RollingUpdate");
    stage.apply_wait().ends(65).says(why);
    assert_eq!(stage.world().get("StatefulSet", "web"), None);
    let rolling = plan(&by_hand.replace("OnDelete", "RollingUpdate"));
    let next = rollout("web-v2", &["targetSize: 4"]);
    stage.commit(&[(APPLICATION, &rolling), (ROLLOUT, &next)]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().get("StatefulSet", "web").unwrap()["status"]["readyReplicas"], 4);
}
