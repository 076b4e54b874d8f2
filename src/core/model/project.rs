//! `tranche.yaml`: the project, its targets, its limits and its rules of health.

use super::{AllowedHost, Overlay};
use crate::core::health::Rules;

/// The namespace of an object when neither it nor its target names one.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What `tranche.yaml` says, or what holds without one.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// Globs of the files that are read (`*`, `**`, `?`); without any: every
    /// `*.yaml` and `*.yml` but `templates/` and dot directories.
    pub include: Vec<String>,
    /// Whether the plan declares its targets itself; else they are assumed.
    pub declared: bool,
    /// The targets in their written order; at least one.
    pub targets: Vec<Target>,
    /// The git remote that is the truth for plan and record, if one is named.
    pub remote: Option<String>,
    /// Bounds on inputs and on rendering.
    pub limits: Limits,
    /// How the health of further kinds is told.
    pub health: Rules,
    /// What is changed for single targets, in the written order of targets and
    /// of each one's overlays.
    pub overlays: Vec<Overlay>,
    /// The hosts that hooks may call.
    pub hook_hosts: Vec<AllowedHost>,
}

/// One cluster, or a namespace of it, that the plan is rolled out to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name; part of the record branch's name and of the anchor's.
    pub name: String,
    /// How the cluster is reached.
    pub cluster: ClusterRef,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// The record branch without `refs/heads/`, always under `tranche/`.
    pub record_branch: String,
}

/// How a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterRef {
    /// A context of the operator's kubeconfig.
    Context(String),
    /// The service account of the pod that one runs in.
    InCluster,
    /// The embedded cluster.
    Sandbox,
}

/// Bounds on inputs and on rendering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one plan file.
    pub file_bytes: usize,
    /// Files that a plan may hold.
    pub files: usize,
    /// Documents in one file.
    pub documents: usize,
    /// Template instructions per rendered component or trait.
    pub fuel: u64,
    /// Bytes that one template may write.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 4 << 20,
            files: 20_000,
            documents: 1_024,
            fuel: 500_000,
            output_bytes: 1 << 20,
        }
    }
}

impl Default for Project {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            declared: false,
            targets: vec![Target {
                name: "sandbox".to_owned(),
                cluster: ClusterRef::Sandbox,
                namespace: DEFAULT_NAMESPACE.to_owned(),
                record_branch: "tranche/sandbox".to_owned(),
            }],
            remote: None,
            limits: Limits::default(),
            health: Rules::default(),
            overlays: Vec::new(),
            hook_hosts: Vec::new(),
        }
    }
}
