//! The routes of generated rollouts, as their files have them. Owns nothing but
//! text; each route is called `web`, since what is left of them is counted by name.

pub use crate::trap::plans::GATEWAY;

pub const INGRESS: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
    - http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
";

pub const RULES: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: web}}]}]
";

pub const SUBSETS: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
    - route:
        - {destination: {host: web, subset: stable}, weight: 100}
        - {destination: {host: web, subset: canary}, weight: 0}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  subsets:
    - {name: stable, labels: {app.oam.dev/component: web}}
    - {name: canary, labels: {app.oam.dev/component: web}}
";

pub const WEIGHTED: &str = "\
apiVersion: traefik.io/v1alpha1
kind: TraefikService
metadata: {name: web}
spec: {weighted: {services: [{name: web, port: 80, weight: 100}]}}
";

pub const TEMPLATE: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: RouteType
metadata: {name: traefik}
spec:
  appliesTo: [TraefikService.traefik.io]
  patch: |
    spec:
      weighted:
        services:
          - {name: {{ traffic.stable.service }}, port: 80, weight: {{ traffic.stable.weight }}}
          - {name: {{ traffic.canary.service }}, port: 80, weight: {{ traffic.canary.weight }}}
";

pub const LANE: &str = "\
apiVersion: rollouts.kruise.io/v1alpha1
kind: TrafficRouting
metadata: {name: testers}
spec:
  objectRef: [{service: web, gracePeriodSeconds: 2, ingress: {name: web}}]
  strategy: {matches: [{headers: [{name: x-user, value: tester}]}]}
";
