//! Plans of these tests: an application whose pods drain, behind an HTTPRoute.

use tranche_lab::traffic::GATEWAY;

/// The pods of every version.
pub const PODS: u32 = 5;

/// A hook that every pod has: without one, no order of steps saves the requests
/// that the proxy sends to a pod before it hears of its end.
pub const DRAIN: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: TraitType
metadata: {name: drain}
spec:
  description: Pods serve on for a while after they are to end.
  appliesTo: [Deployment]
  parameters: {type: object, required: [seconds], properties: {seconds: {type: integer}}}
  patch: |
    spec:
      template:
        spec:
          containers:
            - name: {{ context.name | to_json }}
              lifecycle: {preStop: {sleep: {seconds: {{ parameter.seconds }}}}}
";

/// The application in a version, which is its image's tag.
pub fn application(tag: &str) -> String {
    format!(
        "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: web
  annotations: {{app.oam.dev/rollout-template: \"true\"}}
spec:
  components:
    - name: web
      type: webservice
      properties:
        image: shop/web:{tag}
        ports: [{{port: 8080, expose: true}}]
      traits:
        - {{type: scaler, properties: {{replicas: {PODS}}}}}
        - {{type: drain, properties: {{seconds: 2}}}}
"
    )
}

/// A canary by these weights, as far as a step: `batchPartition`.
pub fn canary(revision: &str, weights: &[u32], until: Option<u32>) -> String {
    let steps: Vec<String> = weights.iter().map(|one| format!("{{weight: {one}}}")).collect();
    let plan = until
        .map_or_else(String::new, |until| format!("  rolloutPlan: {{batchPartition: {until}}}\n"));
    format!(
        "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {{name: web}}
spec:
  targetAppRevisionName: {revision}
  strategy:
    canary:
      traffic: {{httpRoute: {{name: web}}, drainSeconds: 1}}
      steps: [{}]
{plan}",
        steps.join(", ")
    )
}

/// A route of a hostname to the Service `web`.
pub fn route(host: &str) -> String {
    format!(
        "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web}}
spec:
  parentRefs: [{GATEWAY}]
  hostnames: [{host}]
  rules:
    - backendRefs: [{{name: web, port: 8080}}]
"
    )
}
