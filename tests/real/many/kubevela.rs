//! Plan files in KubeVela's words, and in ours where they are an AppRollout's.

use super::app::{App, BESIDE, Sort};
use super::plan::Hooks;
use serde_json::{Value, json};

impl App {
    /// A Deployment with a Service.
    pub(super) fn webservice(&self, name: &str, release: u32, traits: &[Value]) -> Value {
        json!({
            "name": name, "type": "webservice",
            "properties": {"image": Self::image(release), "ports": [{"port": 80, "expose": true}]},
            "traits": traits,
        })
    }

    pub(super) fn scaler(&self) -> Value {
        json!({"type": "scaler", "properties": {"replicas": self.size}})
    }

    pub(super) fn application(&self, published: bool, components: &Value) -> Value {
        let mut application = json!({
            "apiVersion": "core.oam.dev/v1beta1", "kind": "Application",
            "metadata": self.metadata(&self.name), "spec": {"components": components},
        });
        if published {
            application["metadata"]["annotations"] =
                json!({"app.oam.dev/rollout-template": "true"});
        }
        application
    }

    fn in_batches(&self, held: bool) -> Value {
        let share = |percent: u32| json!({"replicas": format!("{percent}%")});
        let count = |pods: &u32| json!({"replicas": pods});
        let mut batches: Vec<Value> = match (self.sort, self.quick) {
            (Sort::Several, true) => vec![share(50), share(50)],
            (Sort::Several, false) => vec![share(25), share(50), share(25)],
            _ => self.batches().iter().map(count).collect(),
        };
        // Nodes are counted when it begins.
        if let (Sort::Nodes, Some(last)) = (self.sort, batches.last_mut()) {
            *last = json!({});
        }
        let mut plan = json!({"rolloutBatches": batches});
        if held {
            plan["batchPartition"] = json!(0);
        }
        plan
    }

    /// An application whose revisions an AppRollout reaches, or KubeVela's Rollout.
    pub(super) fn app_rollout(&self, release: u32, held: bool, hooks: Hooks) -> Vec<Value> {
        let mut all = vec![
            self.application(true, &self.components(release)),
            self.rollout_of(release, held, hooks),
        ];
        match self.sort {
            // The gateway's controller is played: it takes over what is of any parent.
            Sort::Routed => all.push(json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": self.metadata(&self.name),
                "spec": {"parentRefs": [{"name": "edge"}],
                         "rules": [{"backendRefs": [{"name": self.name, "port": 80}]}]},
            })),
            Sort::Ingressed => all.push(self.ingress()),
            Sort::Green => all.push(self.service("-preview", "app.oam.dev/component")),
            _ => {}
        }
        all
    }

    fn components(&self, release: u32) -> Value {
        let (name, image) = (&self.name, Self::image(release));
        let stateful = |name: &str, size: u32| {
            let scaler = json!({"type": "scaler", "properties": {"replicas": size}});
            json!({"name": name, "type": "statefulset", "properties": {"image": image},
                   "traits": [scaler]})
        };
        match self.sort {
            Sort::Clones => json!([{
                "name": name, "type": "clonesetservice",
                "properties": {"image": image, "replicas": self.size},
            }]),
            Sort::Stateful => json!([stateful(name, self.size)]),
            Sort::Nodes => {
                let mut pod = self.pod(release);
                pod["spec"]["nodeSelector"] = json!({"pool": name});
                pod["spec"]["tolerations"] = json!([{"key": "pool", "operator": "Exists"}]);
                json!([{"name": name, "type": "raw", "properties": {
                    "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name},
                    "spec": {"selector": {"matchLabels": {"app": name}}, "template": pod},
                }}])
            }
            Sort::Several => json!([
                self.webservice(&format!("{name}-web"), release, &[self.scaler()]),
                stateful(&format!("{name}-db"), BESIDE),
            ]),
            Sort::Standard => {
                json!([self.webservice(&format!("{name}-web"), release, &[self.scaler()])])
            }
            Sort::Carried => {
                let map = json!({"name": format!("{name}-settings"), "mountPath": "/settings",
                                 "data": {"release": release.to_string()}});
                let storage = json!({"type": "storage", "properties": {"configMap": [map]}});
                json!([self.webservice(name, release, &[self.scaler(), storage])])
            }
            _ => json!([self.webservice(name, release, &[self.scaler()])]),
        }
    }

    fn rollout_of(&self, release: u32, held: bool, hooks: Hooks) -> Value {
        let mut plan = self.in_batches(held);
        let name = &self.name;
        let tranche = |strategy: Value| {
            json!({
                "apiVersion": "tranche.dev/v1alpha1", "kind": "AppRollout",
                "metadata": self.metadata(name),
                "spec": {"targetAppRevisionName": format!("{name}-v{release}"),
                         "strategy": strategy},
            })
        };
        let first = if self.sort == Sort::Spread { 25 } else { self.share() };
        let mut steps = vec![json!({"weight": first, "pause": Self::pause(held)})];
        if !self.quick {
            steps.push(json!({"weight": 60}));
        }
        let seconds = self.seconds();
        let routed =
            |traffic: Value| tranche(json!({"canary": {"traffic": traffic, "steps": steps}}));
        match self.sort {
            Sort::Spread => {
                return tranche(json!({"canary": {"maxUnavailable": 0, "steps": steps}}));
            }
            Sort::Routed => {
                return routed(json!({"httpRoute": {"name": name}, "drainSeconds": seconds}));
            }
            Sort::Ingressed => {
                return routed(json!({"ingress": {"name": name}, "drainSeconds": seconds}));
            }
            Sort::Green => {
                return tranche(json!({"blueGreen": {
                    "activeService": name, "previewService": format!("{name}-preview"),
                    "previewReplicaCount": 1, "autoPromotionEnabled": !held,
                    "scaleDownDelaySeconds": seconds,
                }}));
            }
            Sort::Standard => {
                return json!({
                    "apiVersion": "standard.oam.dev/v1alpha1", "kind": "Rollout",
                    "metadata": self.metadata(name),
                    "spec": {"componentName": format!("{name}-web"),
                             "targetRevisionName": format!("{name}-web-v{release}"),
                             "rolloutPlan": plan},
                });
            }
            Sort::Down => plan["rolloutStrategy"] = json!("DecreaseFirst"),
            Sort::Hooked => self.hook(&mut plan, hooks),
            _ => {}
        }
        let mut spec = json!({
            "targetAppRevisionName": format!("{name}-v{release}"), "rolloutPlan": plan,
        });
        if self.sort == Sort::Several {
            spec["componentList"] = json!([format!("{name}-web"), format!("{name}-db")]);
        }
        json!({"apiVersion": "core.oam.dev/v1beta1", "kind": "AppRollout",
               "metadata": self.metadata(name), "spec": spec})
    }

    fn hook(&self, plan: &mut Value, Hooks(port): Hooks) {
        let hook = |kind: &str, path: &str| {
            let url = format!("http://127.0.0.1:{port}/{}/{path}", self.name);
            json!({"type": kind, "name": path, "url": url})
        };
        plan["rolloutWebhooks"] =
            json!([hook("initialize-rollout", "begin"), hook("finalize-rollout", "end")]);
        for (at, batch) in plan["rolloutBatches"].as_array_mut().unwrap().iter_mut().enumerate() {
            batch["batchRolloutWebhooks"] = json!([
                hook("pre-batch-rollout", &format!("before-{at}")),
                hook("post-batch-rollout", &format!("after-{at}")),
            ]);
        }
    }

    pub(super) fn embedded(&self, release: u32, held: bool) -> Value {
        let mut application = self.application(false, &self.components(release));
        application["spec"]["rolloutPlan"] = self.in_batches(held);
        application
    }

    pub(super) fn by_trait(&self, release: u32, held: bool) -> Value {
        let mut rolled = self.in_batches(held);
        rolled["targetSize"] = json!(self.size);
        let rolled = json!({"type": "rollout", "properties": rolled});
        let name = format!("{}-web", self.name);
        self.application(false, &json!([self.webservice(&name, release, &[rolled])]))
    }

    pub(super) fn kruise_trait(&self, release: u32, held: bool) -> Value {
        let routes = json!([{"type": "nginx", "gracePeriodSeconds": self.seconds()}]);
        let mut steps = vec![json!({"weight": self.share()})];
        if !self.quick {
            steps.push(json!({"weight": 60}));
        }
        let canary = json!({"steps": steps, "trafficRoutings": routes});
        let properties = json!({"canary": canary, "auto": !held});
        let tried = json!({"type": "kruise-rollout", "properties": properties});
        let web = self.webservice(&self.name, release, &[self.scaler(), tried]);
        self.application(false, &json!([web]))
    }
}
