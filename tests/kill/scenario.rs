//! The rollouts that runs are killed in, and how each must end.

use crate::audit::Audit;
use crate::trap::log;
use crate::trap::plans::{CANARY_V1, CANARY_V2, GATEWAY, ROLL_V1, ROLL_V2, WEB_V1, WEB_V2};
use crate::world::World;
use serde_json::Value;
use tranche::core::decide::RollingState;
use tranche::core::object::KindRef;
use tranche::core::strategy::workload;
use tranche::port::{Cluster as _, Remote as _};

type Files = &'static [(&'static str, &'static str)];

/// A rollout of three batches.
pub struct Scenario {
    pub name: &'static str,
    /// What others have put on the cluster before it.
    pub running: &'static [&'static str],
    /// Commits before it, each brought to its end.
    pub before: &'static [Files],
    /// Commits that it is about.
    pub change: &'static [Files],
    /// The rollout's name.
    pub rollout: &'static str,
    /// The revision that it reaches.
    pub revision: &'static str,
    /// Effects that change something.
    pub changes: usize,
    /// Fewest ready pods on the way.
    pub floor: u32,
    /// The only workloads at the end, their pods and their image.
    pub ends: &'static [(&'static str, u32, &'static str)],
}

macro_rules! seed {
    ($file:literal) => {
        include_str!(concat!("../../testdata/seeds/kubevela-approllout/", $file))
    };
}

/// From nothing to a CloneSet, with the seeds' first two files.
pub static DEPLOY: Scenario = Scenario {
    name: "a first deploy",
    running: &[],
    before: &[],
    change: &[
        &[("application.yaml", seed!("1-application.yaml"))],
        &[("approllout.yaml", seed!("2-approllout.yaml"))],
    ],
    rollout: "rolling-example",
    revision: "test-rolling-v1",
    changes: 5,
    floor: 0,
    ends: &[("metrics-provider", 5, "stefanprodan/podinfo:4.0.6")],
};

/// The seeds' upgrade of a CloneSet.
pub static CLONESET: Scenario = Scenario {
    name: "a CloneSet upgrade",
    running: &[],
    before: &[&[
        ("application.yaml", seed!("1-application.yaml")),
        ("approllout.yaml", seed!("2-approllout.yaml")),
    ]],
    change: &[
        &[("application.yaml", seed!("3-application.yaml"))],
        &[("approllout.yaml", seed!("4-approllout.yaml"))],
    ],
    rollout: "rolling-example",
    revision: "test-rolling-v2",
    changes: 4,
    floor: 3,
    ends: &[("metrics-provider", 5, "stefanprodan/podinfo:5.0.2")],
};

/// An upgrade over a pair of Deployments, published and rolled by one commit.
pub static PAIR: Scenario = Scenario {
    name: "a pair upgrade",
    running: &[],
    before: &[&[("application.yaml", WEB_V1), ("approllout.yaml", ROLL_V1)]],
    change: &[&[("application.yaml", WEB_V2), ("approllout.yaml", ROLL_V2)]],
    rollout: "web",
    revision: "web-v2",
    changes: 8,
    floor: 4,
    ends: &[("web-v2", 4, "podinfo:2")],
};

macro_rules! shop {
    ($tag:literal) => {
        concat!(
            "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: shop\n  ",
            "annotations: {app.oam.dev/rollout-template: \"true\"}\nspec:\n  components:\n",
            "  - {name: web, type: webservice, properties: {image: 'podinfo:",
            $tag,
            "', ports: [{port: 80, expose: true}]}, traits: [{type: scaler, properties: {replicas: ",
            "4}}]}\n  - {name: db, type: statefulset, properties: {image: 'podinfo:",
            $tag,
            "'}, traits: [{type: scaler, properties: {replicas: 3}}]}\n",
        )
    };
}

macro_rules! roll_shop {
    ($revision:literal) => {
        concat!(
            "apiVersion: core.oam.dev/v1beta1\nkind: AppRollout\nmetadata: {name: shop}\nspec:\n  ",
            "targetAppRevisionName: ",
            $revision,
            "\n  componentList: [web, db]\n  rolloutPlan: {numBatches: 3}\n",
        )
    };
}

/// A pair of Deployments and a StatefulSet, batch by batch together.
pub static TOGETHER: Scenario = Scenario {
    name: "two components together",
    before: &[&[("application.yaml", shop!("1")), ("approllout.yaml", roll_shop!("shop-v1"))]],
    running: &[],
    change: &[&[("application.yaml", shop!("2")), ("approllout.yaml", roll_shop!("shop-v2"))]],
    rollout: "shop",
    revision: "shop-v2",
    changes: 12,
    floor: 6,
    ends: &[("web-v2", 4, "podinfo:2"), ("db", 3, "podinfo:2")],
};

/// Without a drain a whole batch is one round: until its result nothing but its
/// intent is on the record.
const UNDRAINED: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {name: web}
spec:
  targetAppRevisionName: web-v2
  strategy:
    canary:
      traffic: {httpRoute: {name: web}, drainSeconds: 0}
      steps: [{weight: 25}, {weight: 50}, {weight: 100}]
";

/// The canary below, as quick as it can be.
pub static QUICK_CANARY: Scenario = Scenario {
    name: "a quick canary",
    change: &[&[("application.yaml", WEB_V2), ("approllout.yaml", UNDRAINED)]],
    ..CANARY
};

/// The same with traffic that follows by weight.
pub const CANARY: Scenario = Scenario {
    name: "a canary",
    running: &[],
    before: &[&[
        ("application.yaml", WEB_V1),
        ("approllout.yaml", CANARY_V1),
        ("route.yaml", GATEWAY),
    ]],
    change: &[&[("application.yaml", WEB_V2), ("approllout.yaml", CANARY_V2)]],
    rollout: "web",
    revision: "web-v2",
    changes: 17,
    floor: 4,
    ends: &[("web-v2", 4, "podinfo:2")],
};

/// Shared by the numbers of pods, one more of them at a time.
const SPREAD_V2: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {name: web}
spec:
  targetAppRevisionName: web-v2
  strategy:
    canary:
      maxSurge: 1
      maxUnavailable: 0
      steps: [{weight: 25}, {weight: 50}]
";

/// The same without a route: several passes a step, and old pods go to fewer
/// more than once before their workload is deleted.
pub static SPREAD: Scenario = Scenario {
    name: "a canary without a route",
    running: &[],
    before: &[&[("application.yaml", WEB_V1), ("approllout.yaml", ROLL_V1)]],
    change: &[&[("application.yaml", WEB_V2), ("approllout.yaml", SPREAD_V2)]],
    rollout: "web",
    revision: "web-v2",
    changes: 10,
    floor: 4,
    ends: &[("web-v2", 4, "podinfo:2")],
};

/// A Deployment as it stands, its Service and the Ingress that leads to it.
macro_rules! lone {
    ($image:literal) => {
        concat!(
            "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: '",
            $image,
            "'}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"
        )
    };
}

const LANE_OF_ONE: &str = "\
apiVersion: rollouts.kruise.io/v1alpha1
kind: TrafficRouting
metadata: {name: testers}
spec:
  objectRef: [{service: web, gracePeriodSeconds: 0, ingress: {name: web}}]
  strategy: {matches: [{headers: [{name: x-user, value: tester}]}]}
---
apiVersion: rollouts.kruise.io/v1beta1
kind: Rollout
metadata: {name: web}
spec:
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  strategy:
    canary:
      trafficRoutingRef: testers
      steps: [{replicas: 1, pause: {duration: 0}}]
";

/// A rollout and its lane, two entities that look at each other's doings.
pub static LANE: Scenario = Scenario {
    name: "a lane",
    running: &[],
    before: &[&[("web.yaml", lone!("podinfo:1")), ("lane.yaml", LANE_OF_ONE)]],
    change: &[&[("web.yaml", lone!("podinfo:2"))]],
    rollout: "web",
    revision: "web-v2",
    changes: 12,
    floor: 3,
    ends: &[("web", 4, "podinfo:2")],
};

/// By a Service's selector: three steps, the last of which begins at once.
const SWITCH_V2: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {name: web}
spec:
  targetAppRevisionName: web-v2
  strategy:
    blueGreen: {activeService: web, previewReplicaCount: 1, scaleDownDelaySeconds: 0}
";

/// A Service that is switched: it is written three times, held, switched, and as
/// rendered.
pub static SWITCH: Scenario = Scenario {
    name: "blue-green",
    running: &[],
    before: &[&[("application.yaml", WEB_V1), ("approllout.yaml", ROLL_V1)]],
    change: &[&[("application.yaml", WEB_V2), ("approllout.yaml", SWITCH_V2)]],
    rollout: "web",
    revision: "web-v2",
    changes: 8,
    floor: 4,
    ends: &[("web-v2", 4, "podinfo:2")],
};

/// A program on every node, of one image or another.
macro_rules! agent {
    ($image:literal) => {
        concat!(
            "\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: agent, annotations: {app.oam.dev/rollout-template: 'true'}}
spec:
  components: [{name: agent, type: agent, properties: {image: '",
            $image,
            "'}}]
"
        )
    };
}

const AGENT: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: ComponentType
metadata: {name: agent}
spec:
  workload: DaemonSet
  parameters: {type: object, required: [image], properties: {image: {type: string}}}
  template: |
    apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: agent}
    spec:
      selector: {matchLabels: {app: agent}}
      template:
        metadata: {labels: {app: agent}}
        spec: {containers: [{name: agent, image: {{ parameter.image | to_json }}}]}
";

macro_rules! over_nodes {
    ($revision:literal) => {
        concat!(
            "\
apiVersion: core.oam.dev/v1beta1
kind: AppRollout
metadata: {name: agent}
spec:
  targetAppRevisionName: ",
            $revision,
            "
  rolloutPlan: {rolloutBatches: [{replicas: 1}, {replicas: 40%}, {}]}
"
        )
    };
}

/// Evictions over five nodes: each pod goes once, and no batch takes more than
/// its own.
pub static NODES: Scenario = Scenario {
    name: "a DaemonSet upgrade",
    before: &[&[
        ("templates/agent.yaml", AGENT),
        ("application.yaml", agent!("agent:1")),
        ("approllout.yaml", over_nodes!("agent-v1")),
    ]],
    running: &[],
    change: &[&[
        ("application.yaml", agent!("agent:2")),
        ("approllout.yaml", over_nodes!("agent-v2")),
    ]],
    rollout: "agent",
    revision: "agent-v2",
    changes: 7,
    floor: 3,
    ends: &[("agent", 5, "agent:2")],
};

macro_rules! running {
    ($file:literal) => {
        include_str!(concat!("../../testdata/seeds/codefresh/", $file))
    };
}

const RATIO_V2: &str = "\
apiVersion: tranche.dev/v1alpha1
kind: AppRollout
metadata: {name: my-demo-app}
spec:
  strategy:
    replicaRatio:
      {service: my-demo-app, deployment: my-demo-app, newVersion: v1.1.0, increment: 50}
";

/// A Deployment that is in no plan is taken over: what there was is known by the
/// record alone once it is half gone.
pub static RATIO: Scenario = Scenario {
    name: "a Deployment that is taken over",
    running: &[running!("service.yaml"), running!("deployment.yaml")],
    before: &[],
    change: &[&[("approllout.yaml", RATIO_V2)]],
    rollout: "my-demo-app",
    revision: "my-demo-app-v2",
    changes: 10,
    floor: 3,
    ends: &[("my-demo-app-v1.1.0", 3, "registry.example/my-demo-app:v1.1.0")],
};

impl Scenario {
    /// The rollout is done, and nothing shows that a run was killed but the
    /// names of the runs.
    pub async fn holds(&self, world: &World, audit: &Audit, case: &str) {
        let (record, remote, tip) = world.record(self).await.unwrap();
        assert_eq!(record.status.rolling_state, RollingState::RolloutSucceed, "{case}");
        assert_eq!(record.open, None, "{case}");
        let log = log::read(remote.objects(), &tip, case);
        assert_eq!(log::results(&log, self.revision, case), 3, "{case}: results of three batches");
        audit.holds(case);
        assert_eq!(audit.changes(), self.changes, "{case}: effects that changed something");
        self.pods(world, case).await;
    }

    async fn pods(&self, world: &World, case: &str) {
        let cluster = world.cluster();
        let mut found = Vec::new();
        for kind in workload::built_in() {
            let name = kind.of.clone();
            for live in cluster.list(&name, Some("default"), &[]).await.unwrap() {
                let text = |pointer: &str| {
                    let text = live.pointer(pointer).and_then(Value::as_str);
                    text.unwrap_or_default().to_owned()
                };
                let image = text("/spec/template/spec/containers/0/image");
                found.push((text("/metadata/name"), kind.read(&live).ready, image));
            }
        }
        let ends = self
            .ends
            .iter()
            .map(|(name, pods, image)| ((*name).to_owned(), *pods, (*image).to_owned()));
        assert_eq!(found, ends.collect::<Vec<_>>(), "{case}");
        let pods = cluster.list(&KindRef::new("v1", "Pod"), Some("default"), &[]).await.unwrap();
        let images = pods.iter().map(|pod| pod.pointer("/spec/containers/0/image"));
        let mut images: Vec<_> = images.filter_map(|image| image.and_then(Value::as_str)).collect();
        images.sort_unstable();
        let wanted = self.ends.iter().flat_map(|(_, pods, image)| vec![*image; *pods as usize]);
        assert_eq!(images, wanted.collect::<Vec<_>>(), "{case}: images of the pods");
    }
}
