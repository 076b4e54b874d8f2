//! Plan files in OpenKruise's and in Codefresh's words, over workloads that are
//! there as they stand.

use super::app::{App, Sort};
use serde_json::{Value, json};

impl App {
    /// OpenKruise's Rollout, and the workload that it is about.
    pub(super) fn of_kruise(&self, release: u32, held: bool) -> Vec<Value> {
        let name = &self.name;
        // Steps say how many there are of the new ones by then.
        let so_far = match self.sort {
            Sort::KruisePlace => [json!(self.batches()[0]), json!(self.size - 1)],
            Sort::KruiseGreen => [json!("50%"), json!("100%")],
            _ => [json!(1), json!(2)],
        };
        let step = |(at, replicas): (usize, Value)| json!({"replicas": replicas, "pause": Self::pause(held && at == 0)});
        let mut steps: Vec<Value> = so_far.into_iter().enumerate().map(step).collect();
        if self.quick {
            steps.pop();
        }
        let (kind, strategy) = match self.sort {
            Sort::KruisePlace => ("StatefulSet", json!({"canary": {"steps": steps}})),
            Sort::KruiseGreen => ("Deployment", json!({"blueGreen": {"steps": steps}})),
            _ => (
                "Deployment",
                json!({"canary": {"enableExtraWorkloadForCanary": true, "steps": steps}}),
            ),
        };
        let rollout = json!({
            "apiVersion": "rollouts.kruise.io/v1beta1", "kind": "Rollout",
            "metadata": self.metadata(name),
            "spec": {"workloadRef": {"apiVersion": "apps/v1", "kind": kind, "name": name},
                     "strategy": strategy},
        });
        let mut workload = self.deployment(name, release, json!({}));
        if kind == "Deployment" {
            return vec![rollout, workload, self.service("", "app")];
        }
        workload["kind"] = json!(kind);
        workload["spec"]["serviceName"] = json!(name);
        vec![rollout, workload]
    }

    pub(super) fn ratio(&self, release: u32, held: bool) -> Value {
        let mut rollout = json!({
            "apiVersion": "tranche.dev/v1alpha1", "kind": "AppRollout",
            "metadata": self.metadata(&self.name),
            "spec": {"strategy": {"replicaRatio": {
                "service": self.name, "deployment": self.name,
                "newVersion": format!("v{release}"), "increment": 50, "hold": "1s",
            }}},
        });
        if self.quick {
            let ratio = &mut rollout["spec"]["strategy"]["replicaRatio"];
            ratio["increment"] = json!(100);
            ratio.as_object_mut().unwrap().remove("hold");
        }
        if held {
            rollout["spec"]["rolloutPlan"] = json!({"batchPartition": 0});
        }
        rollout
    }
}
