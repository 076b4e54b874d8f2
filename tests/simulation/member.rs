//! OpenKruise's documents: a Deployment as it stands, the Rollout that tries its
//! revisions, and the lane that it joins. Owns how they are written.

use crate::plan::{App, Kind, Model, ON_DELETE, Ready, Roll};
use crate::routes::Via;
use std::fmt::Write as _;

/// The name of the one lane.
pub const LANE: &str = "testers";

impl Model {
    /// The lane of its members, if it has any.
    pub fn lane(&self) -> Option<String> {
        let members = || self.apps.iter().filter(|app| app.kind == Kind::Member);
        members().next()?;
        let mut text = format!(
            "apiVersion: rollouts.kruise.io/v1alpha1\nkind: TrafficRouting\nmetadata: {{name: \
             {LANE}}}\nspec:\n  objectRef:\n"
        );
        for app in members() {
            let route = match app.via {
                Via::HttpRoute => format!("gateway: {{httpRouteName: {}}}", app.name),
                Via::Ingress => format!("ingress: {{name: {}}}", app.name),
                _ => continue,
            };
            let (name, drain) = (app.name, app.drain());
            let _ =
                writeln!(text, "    - {{service: {name}, gracePeriodSeconds: {drain}, {route}}}");
        }
        let weight = if members().any(|app| app.matched) { ", weight: 20" } else { "" };
        let _ = writeln!(
            text,
            "  strategy: {{matches: [{{headers: [{{name: x-tester, value: \"yes\"}}]}}]{weight}}}"
        );
        Some(text)
    }
}

impl App {
    /// A Deployment and its Service.
    pub fn workload(&self) -> String {
        let content = self.contents[self.now];
        let ready = match content.ready {
            Ready::After(seconds) => format!("ready-after: {seconds}s"),
            Ready::Never => "ready: never".to_owned(),
        };
        let (name, replicas) = (self.name, self.replicas);
        let labels = format!("{{app.oam.dev/component: {name}}}");
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: \
             {replicas}\n  selector: {{matchLabels: {labels}}}\n  template:\n    metadata: {{labels: \
             {labels}, annotations: {{sandbox.tranche.dev/{ready}}}}}\n    spec: {{containers: \
             [{{name: {name}, image: \"{name}:{}\"}}]}}\n---\n{}",
            content.image,
            self.service(name)
        )
    }

    /// A Service of its pods, which may be followed late.
    pub fn service(&self, name: &str) -> String {
        let (own, late) = (self.name, self.accept);
        let late = if late > 1 {
            format!(", annotations: {{sandbox.tranche.dev/endpoints-after: {late}s}}")
        } else {
            String::new()
        };
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}{late}}}\nspec: {{selector: \
             {{app.oam.dev/component: {own}}}, ports: [{{port: 80}}]}}\n"
        )
    }

    /// The rollout that joins the lane.
    pub fn joining(&self, roll: &Roll) -> String {
        let name = self.name;
        let mut text = format!(
            "apiVersion: rollouts.kruise.io/v1beta1\nkind: Rollout\nmetadata:\n  name: {name}\n  \
             annotations:\n    tranche.dev/progress-deadline: {}s\n    tranche.dev/on-delete: \
             {}\nspec:\n  workloadRef: {{apiVersion: apps/v1, kind: Deployment, name: {name}}}\n  \
             strategy:\n    canary:\n      trafficRoutingRef: {LANE}\n      steps:\n",
            roll.deadline, ON_DELETE[roll.on_delete]
        );
        for (place, (weight, pods)) in self.steps().iter().enumerate() {
            let pods = pods.map_or_else(|| format!("{weight}%"), str::to_owned);
            let wait = self.wait(place).of_kruise();
            let _ = writeln!(text, "        - {{replicas: {pods}{wait}}}");
        }
        text
    }
}
