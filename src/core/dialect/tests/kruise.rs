//! OpenKruise's Rollout and TrafficRouting.

use super::{errors, plan};
use crate::core::model::{Amount, Naming, Pause, RouteProvider, TargetRevision};
use crate::core::traffic::Weight;

const ALPHA: &str =
    include_str!("../../../../testdata/seeds/kruise-end-to-end/rollouts-v1alpha1.yaml");
const BETA: &str =
    include_str!("../../../../testdata/seeds/kruise-end-to-end/rollouts-v1beta1.yaml");
const ROUTING: &str =
    include_str!("../../../../testdata/seeds/kruise-end-to-end/trafficrouting.yaml");
const WORKLOADS: &str = include_str!("../../../../testdata/seeds/kruise-end-to-end/workloads.yaml");

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: echo}\nspec: \
    {template: {metadata: {labels: {app: echo}}}}\n---\n";

/// A Rollout of v1beta1; `canary` is indented by six.
fn beta(canary: &str) -> String {
    format!(
        "{DEPLOYMENT}apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata: {{name: echo}}
spec:
  workloadRef: {{apiVersion: apps/v1, kind: Deployment, name: echo}}
  strategy:
    canary:
{canary}"
    )
}

#[test]
fn both_versions_of_the_seed_mean_the_same_and_the_field_counts() {
    let all = |rollouts: &str| plan(&format!("{rollouts}\n---\n{ROUTING}\n---\n{WORKLOADS}"));
    let (alpha, beta) = (all(ALPHA), all(BETA));
    for plan in [&alpha, &beta] {
        assert_eq!(plan.applications.len(), 2);
        let names = |i: usize| -> Vec<&str> {
            plan.applications[i].components.iter().map(|c| c.name.as_str()).collect()
        };
        assert_eq!(names(0), ["spring-cloud-a", "spring-cloud-a-service"]);
        assert_eq!(names(1), ["spring-cloud-b", "spring-cloud-b-service"]);
        assert_eq!(plan.objects.len(), 1, "the Ingress");
        assert_eq!(plan.lanes.len(), 1);
        let RouteProvider::Ingress(class) = plan.lanes[0].traffic.routes[0].provider else {
            panic!("no Ingress")
        };
        assert_eq!(class.name, "mse");
        assert_eq!(plan.lanes[0].weight, Weight::NONE);
        assert_eq!(plan.lanes[0].headers.set[0].value, "gray");
    }
    for (one, other) in alpha.rollouts.iter().zip(&beta.rollouts) {
        let (canary, same) = (one.canary.as_ref().unwrap(), other.canary.as_ref().unwrap());
        assert_eq!((&canary.lane, &canary.patch), (&same.lane, &same.patch));
        assert_eq!(canary.lane.as_ref().unwrap().lane, "mse-traffic");
        assert_eq!(canary.patch.labels["opensergo.io/canary-gray"], "gray");
        // One pod; the workload itself; and what was tried goes.
        assert_eq!(canary.steps.len(), 3);
        assert_eq!(canary.steps[0].replicas, Some(Amount::Count(1)));
        assert_eq!(one.pauses, [Some(Pause::UntilApproved { approved_for: None })]);
        assert_eq!(one.naming, Naming::Kept);
        let TargetRevision::Latest { application } = &one.target else { panic!("named") };
        assert!(application.starts_with("spring-cloud-"));
    }
    let told = |plan: &crate::core::model::Plan| {
        plan.hints.iter().filter(|n| n.message.contains("enableExtraWorkloadForCanary")).count()
    };
    assert_eq!((told(&alpha), told(&beta)), (0, 2), "which of the original's defaults hold");
}

#[test]
fn a_step_without_a_pause_waits_for_approval_and_pods_follow_the_share() {
    let steps = "      enableExtraWorkloadForCanary: true
      steps:
      - {replicas: 10%}
      - {replicas: 1, pause: {duration: 0}}
      - {replicas: 50%, pause: {duration: 60}}
";
    let rollout = &plan(&beta(steps)).rollouts[0];
    assert_eq!(
        rollout.pauses,
        [
            Some(Pause::UntilApproved { approved_for: None }),
            Some(Pause::held(0)),
            Some(Pause::held(60))
        ]
    );
    let alpha = beta("      steps:\n      - {weight: 30}\n")
        .replace("v1beta1", "v1alpha1")
        .replace("  workloadRef: ", "  objectRef:\n    workloadRef: ");
    let rollout = &plan(&alpha).rollouts[0];
    let step = &rollout.canary.as_ref().unwrap().steps[0];
    assert_eq!((step.weight, step.replicas), (Weight::NONE, Some(Amount::Percent(30))));
}

#[test]
fn what_the_original_would_accept_and_not_do_is_refused() {
    let says = |text: &str, words: &str| {
        let found = errors(text);
        assert!(found.contains(words), "{words}\n{found}");
    };
    let one = "      steps: [{replicas: 1}]\n";
    says(&beta(one), "a Deployment cannot be updated in place step by step");
    let extra = format!("      enableExtraWorkloadForCanary: true\n{one}");
    for (canary, words) in [
        ("      failureThreshold: 1\n", "`failureThreshold` in"),
        ("      trafficRoutings: [{service: echo}]\n", "trafficRoutings[0] names nothing to move"),
        (
            "      trafficRoutings: [{service: a, ingress: {name: a}}, {service: b, ingress: {name: b}}]\n",
            "more than one entry",
        ),
        (
            "      trafficRoutingRef: gray\n      trafficRoutings: [{service: a, ingress: {name: a}}]\n",
            "stands beside a TrafficRouting",
        ),
    ] {
        says(&beta(&format!("{extra}{canary}")), words);
    }
    let steps = |steps: &str| {
        beta(&format!("      enableExtraWorkloadForCanary: true\n      steps: [{steps}]\n"))
    };
    says(&steps("{traffic: 20%}"), "says of no pods");
    says(&steps("{replicas: 1, traffic: 20%}"), "needs something that moves requests");
    let annotated = beta(&extra).replace(
        "metadata: {name: echo}\nspec:\n  workloadRef",
        "metadata: {name: echo, annotations: {rollouts.kruise.io/rollback-in-batch: \"true\"}}\nspec:\n  workloadRef",
    );
    says(&annotated, "`rollouts.kruise.io/rollback-in-batch` is not supported yet");
    let clone = beta(&extra)
        .replace("apps/v1, kind: Deployment", "apps.kruise.io/v1alpha1, kind: CloneSet");
    says(&clone, "a second workload is made of an apps/v1 Deployment only");
    let green = beta(&extra).replace("    canary:\n", "    blueGreen: {}\n    canary:\n");
    says(&green, "`blueGreen` in");
    let routing = ROUTING.replace("    matches:", "    match:");
    says(&routing, "did you mean `matches`?");
}

#[test]
fn steps_of_a_kind_that_is_updated_in_place_are_batches_behind_a_partition() {
    let clone = beta("      steps: [{replicas: 20%}, {replicas: 60%}]\n")
        .replace("apps/v1, kind: Deployment", "apps.kruise.io/v1alpha1, kind: CloneSet")
        .replace("apps/v1\nkind: Deployment", "apps.kruise.io/v1alpha1\nkind: CloneSet");
    let rollout = &plan(&clone).rollouts[0];
    let pods = rollout.canary.as_ref().unwrap().pods(5).unwrap();
    assert_eq!(pods, [1, 3, 5]);
}
