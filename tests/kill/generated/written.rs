//! How a generated plan is written as files. Owns the text of applications and
//! rollouts; what a row is made of is next door.

use std::fmt::Write as _;

/// What holds a rollout back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// No batch after this one, counted from 0.
    Partition(u32),
    Paused,
}

/// What one commit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The number of its image, which is that of its revision as long as nothing
    /// else makes one.
    pub number: u32,
    /// The size that it was begun with.
    pub pods: u32,
    /// The size that it names besides, if it does.
    pub size: Option<u32>,
    /// Where its batches end, in per cent.
    pub shares: Vec<u32>,
    pub gate: Gate,
    /// The pods of its second revision never get ready.
    pub never: bool,
    /// Nothing stands before it.
    pub first: bool,
}

pub type Files = Vec<(&'static str, String)>;

/// One component of an application.
pub struct Component {
    pub name: &'static str,
    /// Its type.
    pub kind: &'static str,
    pub pods: u32,
    /// More traits.
    pub traits: String,
}

impl Plan {
    /// The pods that it asks for.
    pub fn wanted(&self) -> u32 {
        self.size.unwrap_or(self.pods)
    }

    /// How its pods get ready.
    pub fn ready(&self) -> &'static str {
        if self.never && self.number == 2 { "ready: never" } else { "ready-after: 3s" }
    }

    /// The pods of each batch, at a size; batches without pods are left out.
    pub fn amounts(&self, pods: u32) -> Vec<u32> {
        let (mut all, mut before, mut moved) = (Vec::new(), 0, 0);
        for (i, share) in self.shares.iter().enumerate() {
            let left = pods - moved;
            let last = i + 1 == self.shares.len();
            let batch = if last { left } else { (pods * (share - before)).div_ceil(100).min(left) };
            (before, moved) = (*share, moved + batch);
            if batch > 0 {
                all.push(batch);
            }
        }
        all
    }

    /// The fields of a `rolloutPlan` beside its batches, each in a line.
    fn fields(&self) -> String {
        let mut text = String::new();
        match self.gate {
            Gate::Open => {}
            Gate::Partition(last) => {
                let _ = writeln!(text, "    batchPartition: {last}");
            }
            Gate::Paused => text.push_str("    paused: true\n"),
        }
        if let Some(size) = self.size {
            let _ = writeln!(text, "    targetSize: {size}");
        }
        text
    }
}

/// An application, whose revisions are only published if `template` says so.
pub fn application(plan: &Plan, name: &str, template: bool, components: &[Component]) -> String {
    let mut text = format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: {name}\n  \
         annotations:\n    {}\nspec:\n  components:\n",
        match template {
            true => "app.oam.dev/rollout-template: \"true\"",
            false => "tranche.dev/progress-deadline: 5m",
        }
    );
    for component in components {
        let Component { name, kind, pods, traits } = component;
        let ports = if *kind == "webservice" { ", ports: [{port: 80, expose: true}]" } else { "" };
        let replicas = match *kind {
            "clonesetservice" => format!(", replicas: {pods}"),
            _ => String::new(),
        };
        let image = plan.number;
        let _ = write!(
            text,
            "    - name: {name}\n      type: {kind}\n      properties: {{image: \
             'podinfo:{image}'{ports}{replicas}}}\n      traits:\n"
        );
        if !["clonesetservice", "daemon"].contains(kind) {
            let _ = writeln!(
                text,
                "        - type: scaler\n          properties: {{replicas: {pods}}}"
            );
        }
        let ready = plan.ready();
        let _ = writeln!(
            text,
            "        - type: annotations\n          properties: {{sandbox.tranche.dev/{ready}}}"
        );
        text.push_str(traits);
    }
    text
}

/// The beginning of a rollout document.
fn rollout(api: &str, kind: &str) -> String {
    format!(
        "apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: web\n  annotations: \
         {{tranche.dev/progress-deadline: 5m}}\nspec:\n"
    )
}

/// The batches of a plan: shares, of which the last one takes the rest.
fn listed(plan: &Plan, each: &dyn Fn(usize) -> String) -> String {
    let mut text = String::from("    rolloutBatches:\n");
    for (i, share) in plan.shares.iter().enumerate() {
        let before = i.checked_sub(1).map_or(0, |i| plan.shares[i]);
        let mut fields = Vec::new();
        if i + 1 < plan.shares.len() {
            fields.push(format!("replicas: {}%", share - before));
        }
        let more = each(i);
        fields.extend((!more.is_empty()).then_some(more));
        let _ = writeln!(text, "      - {{{}}}", fields.join(", "));
    }
    text
}

/// An AppRollout in batches; `more` are further fields of its plan, `each` those
/// of a batch, and `components` those that it names.
pub fn batches(
    plan: &Plan,
    components: &str,
    more: &str,
    each: &dyn Fn(usize) -> String,
) -> String {
    let mut text = rollout("core.oam.dev/v1beta1", "AppRollout");
    let _ = writeln!(text, "  targetAppRevisionName: web-v{}", plan.number);
    if !components.is_empty() {
        let _ = writeln!(text, "  componentList: [{components}]");
    }
    let _ = write!(text, "  rolloutPlan:\n{more}{}{}", plan.fields(), listed(plan, each));
    text
}

pub fn nothing_more(_: usize) -> String {
    String::new()
}

/// An AppRollout whose batches name the pods of a StatefulSet of this size, the
/// highest ordinals first.
pub fn named(plan: &Plan) -> String {
    let mut text = rollout("core.oam.dev/v1beta1", "AppRollout");
    let _ = write!(
        text,
        "  targetAppRevisionName: web-v{}\n  rolloutPlan:\n{}    rolloutBatches:\n",
        plan.number,
        plan.fields()
    );
    let mut left = plan.pods;
    for amount in plan.amounts(plan.pods) {
        let names = (left - amount..left).rev().map(|ordinal| format!("web-{ordinal}"));
        let names: Vec<String> = names.collect();
        let _ = writeln!(text, "      - podList: [{}]", names.join(", "));
        left -= amount;
    }
    text
}

/// An AppRollout in batches by numbers of pods, the last one open.
pub fn counted(plan: &Plan) -> String {
    let mut text = rollout("core.oam.dev/v1beta1", "AppRollout");
    let _ = write!(
        text,
        "  targetAppRevisionName: web-v{}\n  rolloutPlan:\n{}    rolloutBatches:\n",
        plan.number,
        plan.fields()
    );
    let amounts = plan.amounts(plan.pods);
    for (i, amount) in amounts.iter().enumerate() {
        if i + 1 < amounts.len() {
            let _ = writeln!(text, "      - {{replicas: {amount}}}");
        } else {
            text.push_str("      - {}\n");
        }
    }
    text
}

/// KubeVela's Rollout of one component.
pub fn of_one(plan: &Plan) -> String {
    let mut text = rollout("standard.oam.dev/v1alpha1", "Rollout");
    let _ = write!(
        text,
        "  componentName: web\n  targetRevisionName: web-v{}\n  rolloutPlan:\n{}{}",
        plan.number,
        plan.fields(),
        listed(plan, &nothing_more)
    );
    text
}

/// The `rolloutPlan` of an Application, at its `spec`.
pub fn embedded(plan: &Plan, application: &str) -> String {
    let fields = format!("{}{}", plan.fields(), listed(plan, &nothing_more));
    application.replacen("spec:\n", &format!("spec:\n  rolloutPlan:\n{fields}"), 1)
}

/// KubeVela's trait of the same, whose batches are numbers.
pub fn rolled(plan: &Plan) -> String {
    let amounts = plan.amounts(plan.wanted());
    let amounts: Vec<String> =
        amounts.iter().map(|amount| format!("{{replicas: {amount}}}")).collect();
    let held = match plan.gate {
        Gate::Partition(last) => format!(", batchPartition: {last}"),
        // It has no words for more.
        Gate::Open | Gate::Paused => String::new(),
    };
    format!(
        "        - type: rollout\n          properties: {{targetSize: {}, rolloutBatches: \
         [{}]{held}}}\n",
        plan.wanted(),
        amounts.join(", ")
    )
}

/// What is beside a strategy: the gates and the size.
fn beside(plan: &Plan) -> String {
    let fields = plan.fields();
    match fields.is_empty() {
        true => fields,
        false => format!("  rolloutPlan:\n{fields}"),
    }
}

pub fn canary(plan: &Plan, more: &str) -> String {
    let steps: Vec<String> =
        plan.shares.iter().map(|share| format!("{{weight: {share}}}")).collect();
    format!(
        "{}  targetAppRevisionName: web-v{}\n{}  strategy:\n    canary:\n{more}      steps: \
         [{}]\n",
        rollout("tranche.dev/v1alpha1", "AppRollout"),
        plan.number,
        beside(plan),
        steps.join(", ")
    )
}

/// As many pods are previewed as there are shares.
pub fn switched(plan: &Plan) -> String {
    format!(
        "{}  targetAppRevisionName: web-v{}\n{}  strategy:\n    blueGreen: {{activeService: web, \
         previewReplicaCount: {}, scaleDownDelaySeconds: 2}}\n",
        rollout("tranche.dev/v1alpha1", "AppRollout"),
        plan.number,
        beside(plan),
        plan.shares.len()
    )
}

/// What there is of a running Deployment's next version: its first share is what
/// each turn grows by.
pub fn ratio(plan: &Plan) -> String {
    format!(
        "{}{}  strategy:\n    replicaRatio: {{service: web, deployment: web, newVersion: v{}, \
         image: 'podinfo:{}', increment: {}, hold: 2s}}\n",
        rollout("tranche.dev/v1alpha1", "AppRollout"),
        beside(plan),
        plan.number,
        plan.number,
        plan.shares[0],
    )
}

/// A gate of those that have no other: somebody has to approve each step.
fn pause(plan: &Plan) -> &'static str {
    if plan.gate == Gate::Open { ", duration: 0" } else { "" }
}

/// The trait of a trial.
pub fn tried(plan: &Plan, routings: &str) -> String {
    let pause = pause(plan);
    let steps: Vec<String> =
        plan.shares.iter().map(|share| format!("{{weight: {share}{pause}}}")).collect();
    format!(
        "        - type: kruise-rollout\n          properties: {{canary: {{trafficRoutings: \
         {routings}, steps: [{}]}}}}\n",
        steps.join(", ")
    )
}

/// OpenKruise's Rollout of a workload as it stands, by numbers of pods.
pub fn kruise(plan: &Plan, workload: &str, strategy: &str, more: &str) -> String {
    let steps: Vec<String> = plan
        .shares
        .iter()
        .map(|share| match plan.gate {
            Gate::Open => format!("{{replicas: {share}%, pause: {{duration: 0}}}}"),
            Gate::Partition(_) | Gate::Paused => format!("{{replicas: {share}%}}"),
        })
        .collect();
    format!(
        "{}  workloadRef: {{{workload}, name: web}}\n  strategy: {{{strategy}: {{{more}steps: \
         [{}]}}}}\n",
        rollout("rollouts.kruise.io/v1beta1", "Rollout"),
        steps.join(", ")
    )
}

/// A workload as it stands and its Service, whose pods may say more by labels.
pub fn lone(plan: &Plan, (api, kind): (&str, &str)) -> String {
    let (pods, number, ready) = (plan.wanted(), plan.number, plan.ready());
    format!(
        "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: web}}\nspec:\n  replicas: {pods}\n  \
         selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}, \
         annotations: {{sandbox.tranche.dev/{ready}}}}}\n    spec: {{containers: [{{name: web, image: \
         'podinfo:{number}'}}]}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: \
         {{selector: {{app: web}}, ports: [{{port: 80}}]}}\n"
    )
}

/// What runs before anybody takes it over.
pub fn running(plan: &Plan) -> Vec<String> {
    let (pods, ready) = (plan.pods, plan.ready());
    vec![
        "{apiVersion: v1, kind: Service, metadata: {name: web, labels: {version: v1}}, spec: \
         {selector: {app: web}, ports: [{port: 80}]}}"
            .to_owned(),
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web-v1, labels: {{version: \
             v1}}}}, spec: {{replicas: {pods}, selector: {{matchLabels: {{app: web, version: v1}}}}, \
             template: {{metadata: {{labels: {{app: web, version: v1}}, annotations: \
             {{'sandbox.tranche.dev/{key}': {value}}}}}, spec: {{containers: [{{name: web, image: \
             'podinfo:1'}}]}}}}}}}}",
            key = ready.split(": ").next().unwrap(),
            value = ready.split(": ").nth(1).unwrap(),
        ),
    ]
}
