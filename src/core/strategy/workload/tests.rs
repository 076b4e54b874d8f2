//! Descriptors: what they say, what is wrong with them, and that a plan's own
//! drives what a built-in one does.

use super::*;
use crate::core::dialect;
use crate::core::digest::Digest;
use crate::core::model::{Batches, Limits, Naming, Plan, PlanFile};
use crate::core::render::{Library, content_digest, render, rendered_digest};
use crate::core::strategy::{
    Bodies, Compiled, EntityKey, EntityKind, Movement, RevisionBodies, RolloutInput, Sizes,
    StepContext, compile,
};

const CLONESET: &str = include_str!("cloneset.yaml");

/// A kind that keeps everything elsewhere.
const FLEET: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: WorkloadType
metadata: {name: fleet}
spec:
  description: Ships.
  workload: {apiVersion: sea.example/v1, kind: Fleet}
  shape: inPlace
  replicas: spec.ships.count
  partition: spec.ships.held
  template: spec.ship
  status:
    observedGeneration: status.seen
    replicas: status.ships.all
    ready: status.ships.afloat
    updated: status.ships.fresh
";

fn described(text: &str) -> Result<WorkloadKind, Fault> {
    let documents = yaml::parse("t.yaml", text.as_bytes(), &Limits::default()).unwrap();
    read(documents[0].root.get("spec").unwrap())
}

fn live(status: &Value) -> Value {
    json!({"metadata": {"generation": 2}, "spec": {"replicas": 5}, "status": status})
}

#[test]
fn every_built_in_descriptor_reads() {
    let names: Vec<String> = built_in().iter().map(|kind| kind.of.to_string()).collect();
    assert_eq!(
        names,
        [
            "Deployment (apps/v1)",
            "CloneSet (apps.kruise.io/v1alpha1)",
            "StatefulSet (apps/v1)",
            "DaemonSet (apps/v1)",
        ]
    );
    assert_eq!(built_in().len(), BUILT_IN.len() + 1, "nodes are in no descriptor");
}

#[test]
fn ready_pods_of_the_old_revision_are_not_counted_as_new() {
    let kind = of(&KindRef::new("apps/v1", "StatefulSet")).unwrap();
    let pods = |all: u32, updated: u32, ready: u32| {
        kind.read(&live(&json!({"observedGeneration": 2, "replicas": all,
                               "readyReplicas": ready, "updatedReplicas": updated})))
    };
    assert_eq!(pods(5, 0, 5).updated_ready, 0);
    assert_eq!(pods(5, 1, 4).updated_ready, 0);
    assert_eq!(pods(5, 1, 5).updated_ready, 1);
    assert!(!pods(5, 4, 5).settled);
    assert!(pods(5, 5, 5).settled);
    assert_eq!(pods(7, 2, 6).updated_ready, 1, "one of seven is not ready, and may be new");
}

#[test]
fn a_status_that_tells_of_updated_and_ready_pods_is_believed_and_so_is_available() {
    let kind = of(&KindRef::new("apps.kruise.io/v1alpha1", "CloneSet")).unwrap();
    let status = json!({"observedGeneration": 2, "replicas": 5, "readyReplicas": 4,
                        "updatedReplicas": 3, "updatedReadyReplicas": 3});
    assert_eq!(kind.read(&live(&status)).updated_ready, 3);
    let kind = of(&KindRef::new("apps/v1", "Deployment")).unwrap();
    let settled = |available: u32| {
        let status = json!({"observedGeneration": 2, "replicas": 5, "readyReplicas": 5,
                            "updatedReplicas": 5, "availableReplicas": available});
        kind.read(&live(&status)).settled
    };
    assert!(settled(5) && !settled(4));
}

/// As OpenKruise's and Argo's own kinds say it.
#[test]
fn kinds_of_others_are_read_by_a_descriptor() {
    let advanced = CLONESET
        .replace(
            "apps.kruise.io/v1alpha1, kind: CloneSet",
            "apps.kruise.io/v1beta1, kind: StatefulSet",
        )
        .replace("spec.updateStrategy.partition", "spec.updateStrategy.rollingUpdate.partition");
    let advanced = described(&advanced).unwrap();
    let set = json!({
        "metadata": {"generation": 7},
        "spec": {"replicas": 4, "updateStrategy": {"rollingUpdate": {"partition": 3}}},
        "status": {"observedGeneration": 7, "replicas": 4, "readyReplicas": 4, "updatedReplicas": 1,
                   "updatedReadyReplicas": 1, "availableReplicas": 4},
    });
    let pods = advanced.read(&set);
    assert_eq!((pods.updated_ready, advanced.held(&set), pods.settled), (1, 3, false));
    let argo = include_str!("deployment.yaml")
        .replace("apps/v1, kind: Deployment", "argoproj.io/v1alpha1, kind: Rollout");
    let argo = described(&argo).unwrap();
    let seen = |generation: &str| {
        let rollout = json!({
            "metadata": {"generation": 3}, "spec": {"replicas": 2},
            "status": {"observedGeneration": generation, "replicas": 2, "readyReplicas": 2,
                       "updatedReplicas": 2, "availableReplicas": 2},
        });
        argo.read(&rollout).settled
    };
    assert!(seen("3") && !seen("2"), "it writes the generation as a text");
}

#[test]
fn fields_are_written_where_the_descriptor_says() {
    let kind = described(FLEET).unwrap();
    let mut body = json!({"spec": {"ship": {"metadata": {"labels": {"app": "web"}}}}});
    assert_eq!(kind.size(&body), 1);
    let driven = Driven { replicas: Some(4), partition: Some(3), ..Driven::default() };
    drive(&mut body, Some(&kind), &driven);
    assert_eq!(body["spec"]["ships"], json!({"count": 4, "held": 3}));
    assert_eq!(body["spec"].get("replicas"), None);
    assert_eq!((kind.size(&body), kind.held(&body)), (4, 3));
    assert_eq!(kind.pod_labels(&body), Some(&json!({"app": "web"})));
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_the_nearest_name() {
    let wrong = |from: &str, to: &str, line: u32, says: &str| {
        assert!(FLEET.contains(from), "{from}");
        let fault = described(&FLEET.replace(from, to)).unwrap_err();
        assert!(fault.message.contains(says), "{}", fault.message);
        assert_eq!(fault.line, line, "{}", fault.message);
    };
    wrong("  partition:", "  partiton:", 9, "has no `partiton`: did you mean `partition`?");
    wrong("    ready:", "    raedy:", 14, "spec.status has no `raedy`: did you mean `ready`?");
    wrong("spec.ships.held", "/spec/ships/held", 9, "is a JSON pointer: write it with dots");
    wrong("spec.ships.held", "spec.ships[0].held", 9, "is no path");
    wrong("spec.ships.held", "held", 9, "does not begin with `spec.`, such as `spec.held`");
    wrong("spec.ships.held", "spec.ships", 9, "and spec.replicas lead through each other");
    wrong("status.ships.fresh", "spec.fresh", 15, "does not begin with `status.`");
    wrong("    updated: status.ships.fresh\n", "", 12, "spec.status.updated is missing");
    wrong("inPlace", "inplace", 7, "did you mean `inPlace`?");
    wrong("inPlace", "pair", 9, "spec.partition is for `shape: inPlace`");
    wrong("  partition: spec.ships.held\n", "", 5, "spec.partition is missing");
    wrong("kind: Fleet}", "knid: Fleet}", 6, "did you mean `kind`?");
    let pair = FLEET.replace("inPlace", "pair").replace("  partition: spec.ships.held\n", "");
    assert!(described(&pair).unwrap_err().message.contains("spec.selector is missing"));
}

#[test]
fn two_descriptors_of_one_kind_are_refused_and_one_of_a_built_in_kind_is_told() {
    let source = |path: &str, text: &str| crate::core::model::TemplateSource {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let twice = [
        source("templates/a.yaml", FLEET),
        source("templates/b.yaml", &FLEET.replace("name: fleet", "name: other")),
    ];
    let text = Library::new(&twice).unwrap_err().to_string();
    assert!(
        text.contains("templates/b.yaml:1: workload type `other` describes Fleet")
            && text.contains("as templates/a.yaml:1 does"),
        "{text}"
    );
    let text = Library::new(&[source(
        "templates/a.yaml",
        &format!("# why\n{}", FLEET.replace("  shape:", "  shap:")),
    )])
    .unwrap_err()
    .to_string();
    assert!(text.starts_with("templates/a.yaml:8: spec has no `shap`"), "{text}");
    let own = Library::new(&[source("templates/a.yaml", CLONESET)]).unwrap();
    assert!(own.notices()[0].message.contains("in place of the built-in"), "{:?}", own.notices());
}

/// A plan of a CloneSet of four pods in three batches, and templates beside it.
fn plan(image: &str, templates: &[&str]) -> Plan {
    let application = format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: web, annotations: {{app.oam.dev/rollout-template: \"true\"}}}}
spec:
  components:
    - name: web
      type: clonesetservice
      properties: {{image: {image}}}
      traits: [{{type: scaler, properties: {{replicas: 4}}}}]
---
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata: {{name: web}}
spec:
  targetAppRevisionName: web-v2
  rolloutPlan: {{rolloutBatches: [{{replicas: 1}}, {{replicas: 1}}, {{replicas: 2}}]}}
"
    );
    let file = |path: String, text: &str| PlanFile { path, bytes: text.as_bytes().to_vec() };
    let mut files = vec![file("web.yaml".to_owned(), &application)];
    files.extend(
        templates.iter().enumerate().map(|(i, text)| file(format!("templates/{i}.yaml"), text)),
    );
    dialect::load(files).unwrap()
}

fn revision(plan: &Plan, number: u64) -> Arc<RevisionBodies> {
    let library = Library::new(&plan.templates).unwrap();
    let rendered = render(&plan.applications[0], &library, "default", &Limits::default()).unwrap();
    let digest = rendered_digest(&rendered);
    let name = format!("web-v{number}");
    Arc::new(
        RevisionBodies::of(&rendered, (None, Naming::Revision), &name, number, &digest).unwrap(),
    )
}

fn upgraded(templates: &[&str]) -> Compiled {
    let (old, new) = (plan("podinfo:1", templates), plan("podinfo:2", templates));
    let bodies = Bodies { source: Some(revision(&old, 1)), target: revision(&new, 2) };
    assert_eq!(bodies.target.workloads.is_empty(), templates.is_empty(), "it is used");
    let rollout = &new.rollouts[0];
    assert!(matches!(&rollout.plan.batches, Batches::Listed(batches) if batches.len() == 3));
    let context = Arc::new(StepContext {
        project: "project".to_owned(),
        target: "sandbox".to_owned(),
        entity: EntityKey {
            kind: EntityKind::Rollout,
            namespace: "default".to_owned(),
            name: "web".to_owned(),
        },
        source: Some(bodies.source.as_ref().unwrap().digest.clone()),
        revision: bodies.target.digest.clone(),
        attempt: 1,
        round: 0,
        compiler: crate::core::strategy::COMPILER,
    });
    let sizes = Sizes { original: 4, target: 4 };
    let movement = Movement::Upgrade;
    compile(&RolloutInput {
        rollout,
        context: &context,
        movement,
        sizes,
        bodies: &bodies,
        beside: &[],
    })
    .unwrap()
}

#[test]
fn a_described_cloneset_compiles_to_the_very_steps_of_the_built_in_one() {
    let built_in = upgraded(&[]);
    assert_eq!(built_in.steps.len(), 3);
    assert_eq!(upgraded(&[CLONESET]), built_in, "effects, ids and all");
    let elsewhere = CLONESET.replace("spec.updateStrategy.partition", "spec.held");
    let elsewhere = upgraded(&[&elsewhere]);
    assert_eq!(elsewhere.steps, built_in.steps, "a step says what is driven, its kind says where");
}

/// A descriptor is among what numbers revisions, but only of those who use it.
#[test]
fn a_descriptor_numbers_the_revisions_of_its_kind_and_no_others() {
    let number = |templates: &[&str]| -> Digest {
        let plan = plan("podinfo:1", templates);
        let library = Library::new(&plan.templates).unwrap();
        let application = &plan.applications[0];
        let rendered = render(application, &library, "default", &Limits::default()).unwrap();
        content_digest(
            application,
            &library,
            &rendered.workloads,
            &std::collections::BTreeMap::new(),
        )
    };
    let edited = CLONESET.replace("spec.updateStrategy.partition", "spec.held");
    let plain = number(&[]);
    assert_ne!(number(&[CLONESET]), plain);
    assert_ne!(number(&[CLONESET]), number(&[&edited]));
    assert_eq!(number(&[FLEET]), plain, "nothing of that kind is rendered");
}
