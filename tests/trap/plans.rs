//! The plans that runs are killed in.

pub const WEB_V1: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: web
  annotations:
    app.oam.dev/rollout-template: \"true\"
spec:
  components:
    - name: web
      type: webservice
      properties: {image: 'podinfo:1', ports: [{port: 80, expose: true}]}
      traits:
        - type: scaler
          properties: {replicas: 4}
";
pub const WEB_V2: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: web
  annotations:
    app.oam.dev/rollout-template: \"true\"
spec:
  components:
    - name: web
      type: webservice
      properties: {image: 'podinfo:2', ports: [{port: 80, expose: true}]}
      traits:
        - type: scaler
          properties: {replicas: 4}
";
pub const ROLL_V1: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata:
  name: web
spec:
  targetAppRevisionName: web-v1
  rolloutPlan:
    rolloutStrategy: IncreaseFirst
    rolloutBatches:
      - replicas: 100%
";
pub const ROLL_V2: &str = "\
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata:
  name: web
spec:
  sourceAppRevisionName: web-v1
  targetAppRevisionName: web-v2
  rolloutPlan:
    rolloutStrategy: IncreaseFirst
    rolloutBatches:
      - replicas: 25%
      - replicas: 25%
      - replicas: 50%
";

pub const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: sandbox
  listeners: [{name: http, protocol: HTTP, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
";
/// In one step: nobody is killed in it.
pub const CANARY_V1: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {name: web}
spec:
  targetAppRevisionName: web-v1
  strategy:
    canary:
      traffic: {httpRoute: {name: web}, drainSeconds: 2}
      steps: [{weight: 100}]
";
pub const CANARY_V2: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {name: web}
spec:
  targetAppRevisionName: web-v2
  strategy:
    canary:
      traffic: {httpRoute: {name: web}, drainSeconds: 2}
      steps: [{weight: 25}, {weight: 50}, {weight: 100}]
";
