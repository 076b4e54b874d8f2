//! An object belongs to whom the newest plan gives it to, and content is what
//! it is, seen or not.

use crate::plans::{APPLICATION, ROLLOUT, rollout, web};
use crate::stage::Stage;
use crate::world::pods;
use serde_json::Value;

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app.oam.dev/component: web}
  ports: [{name: port-9898, port: 9898, protocol: TCP, targetPort: 9898}]
";

/// A type that renders a Secret beside its workload.
const VAULT: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: ComponentType
metadata: {name: vault}
spec:
  workload: Deployment
  parameters:
    type: object
    required: [image, token]
    properties:
      image: {type: string}
      token: {type: string, writeOnly: true}
  template: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: {{ context.name | to_json }}}
    spec:
      replicas: 4
      selector: {matchLabels: {app.oam.dev/component: {{ context.name | to_json }}}}
      template:
        metadata: {labels: {app.oam.dev/component: {{ context.name | to_json }}}}
        spec:
          containers:
            - {name: main, image: {{ parameter.image | to_json }}}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: {{ context.name | to_json }}}
    data: {token: {{ parameter.token | b64encode | to_json }}}
";

fn vault(token: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: web
  annotations:
    app.oam.dev/rollout-template: \"true\"
spec:
  components:
    - name: web
      type: vault
      properties: {{image: 'stefanprodan/podinfo:6.7.0', token: {token}}}
"
    )
}

fn database(tag: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: web}}
spec:
  components:
    - name: web
      type: statefulset
      properties: {{image: 'stefanprodan/podinfo:{tag}'}}
      traits:
        - type: scaler
          properties: {{replicas: 4}}
        - type: annotations
          properties: {{sandbox.tranche.dev/ready: never}}
"
    )
}

/// The first revision, which has a Service.
fn served() -> Stage {
    let stage =
        Stage::with(&[(APPLICATION, &web("6.7.0", 4, &[])), (ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    stage
}

/// The second one, which has none.
fn bare() -> String {
    let ports = "        ports:\n          - port: 9898\n            expose: true\n";
    web("6.7.1", 4, &[]).replace(ports, "")
}

fn uid(stage: &Stage, kind: &str) -> String {
    stage.world().get(kind, "web").unwrap()["metadata"]["uid"].to_string()
}

#[test]
fn what_becomes_a_document_of_its_own_outlives_the_revision_that_had_it() {
    let stage = served();
    let before = uid(&stage, "Service");
    stage.commit(&[
        (APPLICATION, &bare()),
        (ROLLOUT, &rollout("web-v2", &[])),
        ("service.yaml", SERVICE),
    ]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    assert_eq!(uid(&stage, "Service"), before);
    stage.apply().ends(0).says("nothing");
    stage.record_is_whole();
}

#[test]
fn what_nobody_else_has_goes_with_the_revision_that_had_it() {
    let stage = served();
    stage.commit(&[(APPLICATION, &bare()), (ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply_wait().ends(0);
    assert!(stage.world().get("Service", "web").is_none());
}

#[test]
fn a_new_value_of_a_secret_alone_is_rolled_out() {
    let stage = Stage::with(&[
        ("templates/vault.yaml", VAULT),
        (APPLICATION, &vault("one")),
        (ROLLOUT, &rollout("web-v1", &[])),
    ]);
    stage.apply_wait().ends(0);
    let token =
        |stage: &Stage| stage.world().get("Secret", "web").unwrap()["data"]["token"].clone();
    assert_eq!(token(&stage), "b25l");
    stage.commit(&[(APPLICATION, &vault("two")), (ROLLOUT, &rollout("web-v2", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(token(&stage), "dHdv");
    assert_eq!(stage.world().sizes("Deployment"), [("web-v2".to_owned(), 4)].into());
    stage.commit(&[(ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(token(&stage), "b25l");
    stage.record_is_whole();
}

#[test]
fn what_a_rollout_is_given_is_not_applied_at_once_any_more() {
    let stage = Stage::with(&[(APPLICATION, &database("6.7.0"))]);
    stage.apply().ends(3).says("waiting");
    let paused = rollout("web-v2", &["paused: true"])
        .replace("spec:\n", "spec:\n  sourceAppRevisionName: web-v1\n");
    stage.commit(&[(APPLICATION, &database("6.7.1")), (ROLLOUT, &paused)]);
    stage.apply().ends(3).says("paused by the plan");
    let containers = |stage: &Stage| {
        let world = stage.world();
        let live = world.get("StatefulSet", "web").unwrap();
        live["spec"]["template"]["spec"]["containers"].to_string()
    };
    assert!(containers(&stage).contains("podinfo:6.7.0"), "{}", containers(&stage));
    stage.record_is_whole();
}

#[test]
fn what_a_rollout_that_is_gone_has_left_is_the_plans_and_is_pruned_with_it() {
    let stage = crate::traffic::serving();
    let entity = |stage: &Stage| {
        let world = stage.world();
        let route = world.get("HTTPRoute", "web")?;
        Some(route["metadata"]["annotations"]["tranche.dev/entity"].as_str()?.to_owned())
    };
    let spec = |stage: &Stage| stage.world().get("HTTPRoute", "web").unwrap()["spec"].clone();
    let before: Value = spec(&stage);
    assert_eq!(entity(&stage).unwrap(), "rollout/default/web");
    stage.remove(ROLLOUT);
    stage.apply_wait().ends(0);
    assert_eq!(entity(&stage).unwrap(), "objects/default/_objects");
    assert_eq!(spec(&stage), before);
    let tip = stage.tip();
    stage.apply_wait().ends(0);
    assert_eq!(stage.tip(), tip, "once");
    let route = crate::traffic::route(&[]);
    let (gateway, _) = route.split_once("---").unwrap();
    stage.commit(&[("route.yaml", gateway)]);
    stage.apply_wait().ends(0);
    assert_eq!(entity(&stage), None, "it is known, and goes");
    stage.record_is_whole();
}
