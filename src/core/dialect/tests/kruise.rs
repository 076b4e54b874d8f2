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
        ("      disableGenerateCanaryService: true\n", "`disableGenerateCanaryService` in"),
        (
            "      failureThreshold: 1\n      trafficRoutings: [{service: a, ingress: {name: a}}]\n",
            "canary.failureThreshold stands beside what moves requests",
        ),
        (
            "      failureThreshold: 5%\n      trafficRoutingRef: gray\n",
            "canary.failureThreshold stands beside what moves requests",
        ),
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
    says(&green, "Rollout.spec.strategy.blueGreen stands beside a canary");
    let daemon = beta(one).replace("kind: Deployment", "kind: DaemonSet");
    says(&daemon, "apps/v1 DaemonSet is of a kind that is not updated step by step");
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

/// A Rollout of v1beta1 in blue-green; its fields are indented by six.
fn green(fields: &str) -> String {
    beta(fields).replace("    canary:\n", "    blueGreen:\n")
}

#[test]
fn blue_green_is_a_trial_of_all_pods_whose_share_may_be_none() {
    let text = green(
        "      trafficRoutings: [{service: echo, ingress: {name: echo}}]
      steps:
      - {replicas: 50%, traffic: 0%}
      - {replicas: 100%, traffic: 0%, pause: {duration: 60}}
      - {replicas: 100%, traffic: 50%}
      - {replicas: 100%, traffic: 100%}
",
    );
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: echo}\nspec: \
                   {}\n---\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: echo}\nspec: {selector: {app: \
                   echo}}\n---\n";
    let plan = plan(&format!("{service}{ingress}{text}"));
    let rollout = &plan.rollouts[0];
    let canary = rollout.canary.as_ref().unwrap();
    assert_eq!(rollout.naming, Naming::Kept);
    assert_eq!(canary.pods(5).unwrap(), [3, 5, 5, 5, 5], "the last one updates the workload");
    let weights: Vec<Weight> = canary.steps.iter().map(|step| step.weight).collect();
    assert_eq!(weights, [0, 0, 50, 100, 100].map(|share| Weight::new(share).unwrap()));
    let by_hand = Some(Pause::UntilApproved { approved_for: None });
    let held = Some(Pause::held(60));
    assert_eq!(rollout.pauses, [by_hand.clone(), held, by_hand.clone(), by_hand]);
    assert!(plan.hints.is_empty(), "{:?}", plan.hints);
}

#[test]
fn what_blue_green_cannot_do_is_refused_by_name() {
    let says = |text: &str, words: &str| {
        let found = errors(text);
        assert!(found.contains(words), "{words}\n{found}");
    };
    let routed = |steps: &str| {
        let routing = "      trafficRoutings: [{service: echo, ingress: {name: echo}}]\n";
        green(&format!("{routing}      steps: [{steps}]\n"))
    };
    says(
        &routed("{replicas: 100%, traffic: 50%}, {replicas: 100%, traffic: 0%}"),
        "blueGreen.steps[1].traffic is 0, less than the 50 before it",
    );
    says(&routed("{replicas: 100%, traffic: 101%}"), "a percentage from `0%` to `100%`");
    says(&routed("{traffic: 50%}"), "blueGreen.steps[0] says of no pods");
    let none = routed("{replicas: 1, traffic: 0%}").replace("blueGreen:", "canary:");
    says(&none, "a percentage from `1%` to `100%`");
    let one = green("      steps: [{replicas: 1}]\n");
    let clone = one.replace("apps/v1, kind: Deployment", "apps.kruise.io/v1alpha1, kind: CloneSet");
    says(&clone, "a second workload is made of an apps/v1 Deployment only");
    says(&clone, "write a `canary`");
    let partition = one.replace(
        "metadata: {name: echo}\nspec:\n  workloadRef",
        "metadata: {name: echo, annotations: {rollouts.kruise.io/rolling-style: partition}}\nspec:\n  workloadRef",
    );
    says(&partition, "beside what only pods of a second workload have");
    let patched =
        "      patchPodTemplateMetadata: {labels: {a: b}}\n      steps: [{replicas: 1}]\n";
    says(&green(patched), "unknown field `patchPodTemplateMetadata`");
    says(&one.replace("v1beta1", "v1alpha1"), "unknown field `blueGreen`");
    let neither =
        one.replace("    blueGreen:\n      steps: [{replicas: 1}]\n", "    paused: true\n");
    says(&neither, "Rollout.spec.strategy names no strategy");
}

#[test]
fn pods_that_may_fail_are_an_amount_where_nothing_is_routed() {
    let steps = "      failureThreshold: 20%\n      steps: [{replicas: 10%}, {replicas: 60%}]\n";
    let extra = "      enableExtraWorkloadForCanary: true\n";
    for text in [beta(&format!("{extra}{steps}")), green(steps)] {
        let plan = plan(&text);
        let canary = plan.rollouts[0].canary.as_ref().unwrap();
        assert_eq!(canary.failures, Amount::Percent(20));
    }
    // None is what is meant without it, and stands beside a route too.
    let none =
        "      failureThreshold: 0\n      trafficRoutingRef: gray\n      steps: [{replicas: 1}]\n";
    assert_eq!(plan(&beta(none)).rollouts[0].canary.as_ref().unwrap().failures, Amount::default());
}
