//! A lane under load: those whom it is for and everybody else, side by side,
//! from the moment that it opens to long after it has closed.

use crate::by_hand::follow;
use crate::scene::Scene;
use crate::verdict::{nothing_lost, only_failures_of};
use serde_json::json;
use tranche_lab::traffic::{Load, Report, Requests};

const PODS: u32 = 3;

/// A Deployment and its Service as they stand.
fn workload(tag: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {PODS}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
        - name: web
          image: shop/web:{tag}
          ports: [{{containerPort: 8080}}]
          lifecycle: {{preStop: {{sleep: {{seconds: 2}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{name: http, port: 8080, targetPort: 8080}}]
"
    )
}

const ROLLOUT: &str = "\
apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata: {name: web}
spec:
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  strategy:
    canary:
      trafficRoutingRef: gray
      steps: [{replicas: 1}]
---
apiVersion: rollouts.kruise.io/v1alpha1
kind: TrafficRouting
metadata: {name: gray}
spec:
  objectRef:
    - {service: web, gracePeriodSeconds: 1, gateway: {httpRouteName: web}}
  strategy:
    matches:
      - headers: [{type: Exact, name: User-Agent, value: foo}]
    requestHeaderModifier:
      set: [{name: x-mse-tag, value: gray}]
";

/// Those whom the lane is for, and everybody else.
struct Loads {
    testers: Load,
    others: Load,
}

impl Loads {
    fn on(scene: &Scene) -> Self {
        let mut others = Requests::to(&scene.host);
        (others.rate, others.echo) = (400, "x-mse-tag".to_owned());
        let mut testers = others.clone();
        (testers.rate, testers.headers) = (100, vec![("User-Agent".to_owned(), "foo".to_owned())]);
        Self {
            testers: scene.lab.load(&testers).unwrap(),
            others: scene.lab.load(&others).unwrap(),
        }
    }

    fn stage(&mut self, name: &str) {
        self.testers.stage(name).unwrap();
        self.others.stage(name).unwrap();
    }

    fn answered(&mut self) {
        self.testers.answered(500).unwrap();
        self.others.answered(2_000).unwrap();
    }
}

/// Every request of a stage was answered by this version, which was told this.
#[track_caller]
fn all_by(report: &Report, stage: &str, tag: &str, echo: &str) {
    let found = report.stage(stage).unwrap();
    let others: Vec<_> =
        found.answers.iter().filter(|one| one.tag != tag || one.echo != echo).collect();
    assert!(others.is_empty(), "{stage}: {others:?}");
}

fn serving(prefix: &str) -> Scene {
    let plan = [("web.yaml", workload("v1")), ("rollout.yaml", ROLLOUT.to_owned())];
    let scene = Scene::of(prefix, &plan);
    assert_eq!(scene.sizes(), json!({"web": PODS}));
    scene
}

#[test]
fn only_the_lanes_own_requests_reach_what_is_tried() {
    let scene = serving("lane");
    let mut loads = Loads::on(&scene);
    loads.stage("before");
    loads.answered();
    scene.site.commit(&[("web.yaml", &workload("v2"))]);
    loads.stage("opening");
    scene.site.apply_wait().ends(3);
    // Nobody waits for a lane to be open: the proxy follows a moment after.
    follow();
    loads.stage("open");
    loads.answered();
    scene.site.run(&["approve", "web"]).ends(0);
    loads.stage("promoting");
    scene.site.apply_wait().ends(0);
    loads.stage("after");
    loads.answered();
    let (testers, others) = (loads.testers.finish().unwrap(), loads.others.finish().unwrap());
    assert_eq!((nothing_lost(&testers, 1_500), nothing_lost(&others, 6_000)), (Ok(()), Ok(())));
    all_by(&testers, "before", "v1", "");
    all_by(&testers, "open", "v2", "gray");
    all_by(&testers, "after", "v2", "");
    // While it opens nobody else is let in, not for one request.
    for stage in ["before", "opening", "open"] {
        all_by(&others, stage, "v1", "");
    }
    all_by(&others, "after", "v2", "");
    scene.is_at_rest(&json!({"web": PODS}));
}

#[test]
fn a_failing_version_is_met_by_the_lane_alone_and_left_at_once() {
    let scene = serving("lane");
    let mut loads = Loads::on(&scene);
    scene.site.commit(&[("web.yaml", &workload("bad2"))]);
    scene.site.apply_wait().ends(3);
    loads.stage("open");
    loads.answered();
    scene.site.run(&["abort", "web"]).ends(0);
    loads.stage("back");
    scene.site.apply_wait().ends(4);
    loads.stage("after");
    loads.answered();
    let (testers, others) = (loads.testers.finish().unwrap(), loads.others.finish().unwrap());
    assert_eq!(only_failures_of(&testers, "bad2"), Ok(()));
    assert!(testers.stage("open").unwrap().failed() > 0, "it does fail");
    assert_eq!(testers.stage("after").unwrap().failed(), 0);
    assert_eq!(nothing_lost(&others, 4_000), Ok(()));
    for stage in ["open", "back", "after"] {
        all_by(&others, stage, "v1", "");
    }
    scene.is_at_rest(&json!({"web": PODS}));
}
