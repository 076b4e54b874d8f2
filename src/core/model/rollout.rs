//! Rollouts: the way from one revision to another.

use super::{Amount, Around, BlueGreen, Canary, Owners, Pause, Place, ReplicaRatio};
use crate::core::health::Rules;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The deadline of a batch unless the plan says otherwise: the
/// `progressDeadlineSeconds` that a Deployment has by default.
pub const DEFAULT_DEADLINE_SECONDS: u32 = 600;

/// A rollout of one component of one application.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// The namespace if the document names one; else the target's.
    pub namespace: Option<String>,
    /// The name, unique in its namespace on a target.
    pub name: String,
    /// The revision to reach.
    pub target: TargetRevision,
    /// The revision to come from, if the plan names it.
    pub source: Option<String>,
    /// The component that is driven, if the plan names it.
    pub component: Option<String>,
    /// The application whose component it is that is driven, where that is
    /// driven by revisions of its own, `<component>-vN`; none where revisions
    /// are those of the application.
    pub component_of: Option<String>,
    /// Further components that go through the same batches with it; none but
    /// where one is named.
    pub with: Vec<String>,
    /// The batches and how to go through them.
    pub plan: RolloutPlan,
    /// What its workload is called.
    pub naming: Naming,
    /// The traffic that moves with them; its steps then take the place of the
    /// batches wherever one revision follows another.
    pub canary: Option<Canary>,
    /// Changes are applied without any steps. Said while it is under way, it
    /// is as if the rollout had vanished from the plan.
    pub disabled: bool,
    /// The Service that is switched from one revision to the other at once; in
    /// the place of a canary.
    pub blue_green: Option<BlueGreen>,
    /// A Deployment that runs on the cluster, and the version that is to follow it;
    /// in the place of both. What it reads there makes revisions of their own, and
    /// only then source and target are known by name.
    pub ratio: Option<ReplicaRatio>,
    /// By batch, what is waited for once it is done and before the next one
    /// begins; it counts only where one revision follows another. A list that
    /// ends early waits for nothing more.
    pub pauses: Vec<Option<Pause>>,
    /// What happens when the rollout vanishes from the plan while it is open.
    pub on_delete: OnDelete,
    /// How long a batch may wait for readiness, in seconds.
    pub deadline_seconds: u32,
    /// Who has each object of its plan; nobody before the plan is whole.
    pub owners: Arc<Owners>,
    /// The plan's rules of health; none before the plan is whole.
    pub health: Rules,
    /// Where it stands in the plan.
    pub place: Place,
}

impl Rollout {
    /// Whether the share of traffic is the share of pods: a canary that nothing
    /// else moves requests for.
    #[must_use]
    pub fn spreads(&self) -> bool {
        let routed = self.canary.as_ref().is_none_or(Canary::is_routed);
        !routed && self.naming == Naming::Revision
    }
}

/// What the workload of a rollout is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Naming {
    /// `<component>-vN`: each revision has one of its own.
    #[default]
    Revision,
    /// As it is rendered, by every revision: a new one is tried in a workload
    /// beside it, and then the one that keeps its name is updated natively.
    Kept,
    /// As it was captured from the cluster, after its version.
    Captured,
}

/// Which revision a rollout is to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetRevision {
    /// A revision by its name, `<app>-vN`.
    Named(String),
    /// The newest revision of an application (an embedded `rolloutPlan`).
    Latest {
        /// The application's name.
        application: String,
    },
}

/// KubeVela's RolloutPlan.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutPlan {
    /// Which side of a pair moves first.
    pub strategy: RolloutStrategy,
    /// The size to reach, if the plan names one.
    pub target_size: Option<u32>,
    /// The batches.
    pub batches: Batches,
    /// The last batch, counted from 0, that may run; none runs all.
    pub batch_partition: Option<u32>,
    /// Hold before the next batch begins.
    pub paused: bool,
    /// What happens around the batches.
    pub around: Around,
}

/// Which side of a pair moves first inside a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutStrategy {
    /// Scale the new side up, wait, scale the old side down.
    IncreaseFirst,
    /// Scale the old side down, wait, scale the new side up.
    DecreaseFirst,
}

/// The batches of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Batches {
    /// `rolloutBatches`, at least one.
    Listed(Vec<Batch>),
    /// `numBatches` alone: as even as pods allow, the rest in the later ones.
    Even(u32),
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batch {
    /// How many pods are in it; none where the plan leaves it out, which in
    /// the last batch means the rest.
    pub replicas: Option<Amount>,
    /// How many of them may be unready when it is verified.
    pub max_unavailable: Amount,
}

/// What happens when an open rollout vanishes from the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnDelete {
    /// Nothing moves, and every run says so.
    #[default]
    Freeze,
    /// Back to the stable revision.
    Abort,
    /// On to the target revision.
    Promote,
}
