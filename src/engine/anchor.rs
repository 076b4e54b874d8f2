//! The anchor: the one Lease that ties cluster and record together.

use super::outcome::Class;
use super::{Engine, Reading, RunError};
use crate::core::object::{KindRef, ObjectRef};
use crate::port::{Cluster, ClusterProblem, Ports, WriteMode};
use serde_json::{Value, json};

const PROJECT: &str = "tranche.dev/project";
const CLUSTER: &str = "tranche.dev/cluster";
const RECORD: &str = "tranche.dev/record";
const SEQ: &str = "tranche.dev/seq";
/// How often a raise is repeated against concurrent ones.
const MAX_TRIES: u32 = 5;

impl<P: Ports> Engine<'_, P> {
    fn anchor(&self) -> ObjectRef {
        let kind = KindRef::new("coordination.k8s.io/v1", "Lease");
        let name = format!("tranche-{}", self.target.name);
        ObjectRef::new(&kind, Some(&self.target.namespace), &name)
    }

    /// The anchor's sequence number before anything else is read; none if
    /// there is no anchor.
    pub(super) async fn anchor_seq(&self) -> Result<Option<u64>, RunError> {
        let anchor = self.ports.cluster().get(&self.anchor()).await?;
        Ok(anchor.as_ref().and_then(seq_of))
    }

    /// Refuses a record that is behind the anchor: it was rewound. A tip that
    /// is behind is fetched once more, because somebody may have pushed and
    /// raised the anchor in between.
    pub(super) async fn not_rewound(
        &self,
        anchor: Option<u64>,
        reading: &mut Reading,
    ) -> Result<(), RunError> {
        let Some(anchor) = anchor else { return Ok(()) };
        if anchor > seq(reading) {
            *reading = self.read().await?;
        }
        if anchor <= seq(reading) {
            return Ok(());
        }
        Err(RunError::new(
            Class::Refused,
            format!(
                "record branch {} stands at {}, but {} says {anchor}: the branch was rewound or \
                 replaced",
                self.target.record_branch,
                seq(reading),
                self.anchor()
            ),
            "push the branch back to where it was; any clone that fetched it has it",
        ))
    }

    /// Sees that the anchor exists and is ours, before an intent is pushed.
    pub(super) async fn anchored(&self, reading: &Reading) -> Result<(), RunError> {
        let object = self.anchor();
        if let Some(live) = self.ports.cluster().get(&object).await? {
            return self.is_ours(reading, &live).await;
        }
        if !self.snapshot(reading).entities()?.is_empty() {
            return Err(RunError::new(
                Class::Refused,
                format!(
                    "{object} is missing, but record branch {} holds steps: this is not the \
                     cluster that they were done on, or it was rebuilt",
                    self.target.record_branch
                ),
                "check the target; taking over a rebuilt cluster is not supported by this \
                 version: restore the Lease, or begin with a new record branch",
            ));
        }
        let body = self.anchor_body(reading, 0).await?;
        let mode = WriteMode::CreateOnly;
        match self.ports.cluster().apply(&object, &body, &mode, false).await {
            Ok(_) => Ok(()),
            Err(error) => match error.problem {
                // Another run was first.
                ClusterProblem::Stale(_) => Ok(()),
                ClusterProblem::Missing(_) => Err(RunError::new(
                    Class::Failed,
                    format!("{error}: the target's namespace must exist"),
                    format!("`kubectl create namespace {}`", self.target.namespace),
                )),
                _ => Err(error.into()),
            },
        }
    }

    /// Raises the anchor to an intent that is on the remote.
    pub(super) async fn raise_anchor(&self, reading: &Reading, to: u64) -> Result<(), RunError> {
        let object = self.anchor();
        for _ in 0..MAX_TRIES {
            let live = self.ports.cluster().get(&object).await?;
            let Some((live, at)) = live.as_ref().and_then(|l| Some((l, seq_of(l)?))) else {
                break;
            };
            if at >= to {
                return Ok(());
            }
            let mode = exactly(live);
            let body = self.anchor_body(reading, to).await?;
            match self.ports.cluster().apply(&object, &body, &mode, false).await {
                Ok(_) => return Ok(()),
                Err(error) if matches!(error.problem, ClusterProblem::Stale(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RunError::new(
            Class::Failed,
            format!("{object} could not be raised to {to}"),
            "run it again; the step's intent is recorded and is taken over",
        ))
    }

    async fn is_ours(&self, reading: &Reading, live: &Value) -> Result<(), RunError> {
        let wanted = [(PROJECT, reading.project.clone()), (CLUSTER, self.cluster_uid().await?)];
        for (key, value) in wanted {
            let found = annotation(live, key).unwrap_or_default();
            if found != value {
                return Err(RunError::new(
                    Class::Refused,
                    format!(
                        "{} says {key} is {found}, but this is {value}: another project rolls \
                         out to this target's namespace, or this is another cluster",
                        self.anchor()
                    ),
                    "give the target another name or namespace, or point it at its own cluster",
                ));
            }
        }
        Ok(())
    }

    async fn anchor_body(&self, reading: &Reading, seq: u64) -> Result<Value, RunError> {
        let object = self.anchor();
        let branch = &self.target.record_branch;
        Ok(json!({
            "apiVersion": object.api_version,
            "kind": object.kind,
            "metadata": {
                "name": object.name,
                "namespace": object.namespace,
                "annotations": {
                    PROJECT: reading.project,
                    CLUSTER: self.cluster_uid().await?,
                    RECORD: branch,
                    SEQ: seq.to_string(),
                },
            },
            "spec": {"holderIdentity": format!("tranche/{}", self.target.name)},
        }))
    }

    async fn cluster_uid(&self) -> Result<String, RunError> {
        let namespace = ObjectRef::new(&KindRef::new("v1", "Namespace"), None, "kube-system");
        let live = self.ports.cluster().get(&namespace).await?;
        let uid = live.as_ref().and_then(|l| l.pointer("/metadata/uid")).and_then(Value::as_str);
        uid.map(str::to_owned).ok_or_else(|| {
            RunError::new(
                Class::Failed,
                "Namespace/kube-system has no uid: the cluster cannot be told from others",
                "let this identity read the namespace kube-system",
            )
        })
    }
}

fn seq(reading: &Reading) -> u64 {
    reading.tip.as_ref().map_or(0, |tip| tip.trailers.seq)
}

fn annotation<'a>(live: &'a Value, key: &str) -> Option<&'a str> {
    live.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

fn seq_of(live: &Value) -> Option<u64> {
    annotation(live, SEQ)?.parse().ok()
}

/// The precondition that an object is the one that was read.
pub(super) fn exactly(live: &Value) -> WriteMode {
    let text = |pointer: &str| {
        live.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    WriteMode::Exactly {
        uid: text("/metadata/uid"),
        resource_version: text("/metadata/resourceVersion"),
    }
}
