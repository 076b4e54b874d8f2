//! The anchor: the one Lease that ties cluster and record together. Owns what
//! the Lease says, when it is raised, and which record it refuses; nothing is
//! ever decided from it but to stop.

use super::outcome::{Class, Halt};
use super::{Engine, Reading, RunError};
use crate::core::object::{KindRef, ObjectRef, at};
use crate::core::strategy::workload::set;
use crate::port::{Cluster, ClusterError, ClusterProblem, Objects, Ports, Remote, WriteMode};
use serde_json::{Value, json};
use std::sync::Arc;

const PROJECT: &str = "tranche.dev/project";
const CLUSTER: &str = "tranche.dev/cluster";
const RECORD: &str = "tranche.dev/record";
const SEQ: &str = "tranche.dev/seq";
const COMMIT: &str = "tranche.dev/commit";
/// How often a raise is repeated against concurrent ones.
const MAX_TRIES: u32 = 5;

impl<P: Ports> Engine<'_, P> {
    fn anchor(&self) -> ObjectRef {
        let kind = KindRef::new("coordination.k8s.io/v1", "Lease");
        let name = format!("tranche-{}", self.target.name);
        ObjectRef::new(&kind, Some(&self.target.namespace), &name)
    }

    /// The anchor before anything else is read; none if there is none.
    pub(super) async fn anchor_seen(&self) -> Result<Option<Arc<Value>>, ClusterError> {
        self.ports.cluster().get(&self.anchor()).await
    }

    /// Refuses a record that is not the one of this cluster, before anything
    /// is recorded or written. `anchor` was read before the record was.
    pub(super) async fn fits(
        &self,
        anchor: Option<Arc<Value>>,
        reading: &mut Reading,
    ) -> Result<(), RunError> {
        match anchor {
            Some(anchor) => {
                self.is_ours(reading, &anchor).await?;
                self.not_rewound(&anchor, reading).await
            }
            None if self.snapshot(reading).entities()?.is_empty() => Ok(()),
            // Another run may have begun the record in between.
            None => match self.anchor_seen().await? {
                Some(anchor) => self.is_ours(reading, &anchor).await,
                None => Err(self.missing()),
            },
        }
    }

    /// The same for a command that does not read the plan.
    pub(super) async fn belongs(
        &self,
        anchor: Option<Arc<Value>>,
        reading: &Reading,
    ) -> Result<(), RunError> {
        let Some(anchor) = anchor else { return Err(self.missing()) };
        self.is_ours(reading, &anchor).await?;
        self.follows(reading, &anchor)
    }

    /// Refuses a record that does not follow the anchor. A tip that does not is
    /// fetched once more, because somebody may have pushed and raised the
    /// anchor in between.
    async fn not_rewound(&self, anchor: &Value, reading: &mut Reading) -> Result<(), RunError> {
        if self.follows(reading, anchor).is_err() {
            *reading = self.read().await?;
        }
        self.follows(reading, anchor)
    }

    /// Refuses a record that is behind the anchor, or that has grown past it on
    /// another history: a number alone would not tell a branch that was rewound
    /// by one commit and then got another one. Only a rebuilt record may leave
    /// the history that the anchor knows.
    pub(super) fn follows(&self, reading: &Reading, anchor: &Value) -> Result<(), RunError> {
        let Some(knew) = seq_of(anchor) else { return Ok(()) };
        if knew > seq(reading) {
            return Err(self.rewound(reading, knew, commit_of(anchor)));
        }
        let Some(tip) = &reading.tip else { return Ok(()) };
        // An anchor that was never raised knows of no commit yet.
        let commit = commit_of(anchor);
        let objects = self.ports.remote().objects();
        let mut at = tip.clone();
        // Every commit since is looked at: one that cannot be true would else be
        // hidden by the next one on top of it.
        while Some(at.commit.0.as_str()) != commit {
            if at.trailers.seq > knew && at.trailers.rebuilt_from.is_some() {
                return Ok(());
            }
            let parent = objects.info(&at.commit)?.parent;
            let Some(parent) = parent.filter(|_| at.trailers.seq > knew) else {
                return commit.map_or(Ok(()), |commit| Err(self.rewritten(reading, commit)));
            };
            at = self.tip(&parent)?;
        }
        Ok(())
    }

    /// The refusal of a record whose history is not the one that the anchor
    /// knows.
    fn rewritten(&self, reading: &Reading, commit: &str) -> RunError {
        let branch = &self.target.record_branch;
        let stands = reading.tip.as_ref().map_or("nothing", |tip| tip.commit.short());
        let known = commit.get(..10).unwrap_or(commit);
        RunError::new(
            Class::Refused,
            format!(
                "record branch {branch} stands at {stands}, which does not contain {known}, the \
                 commit that {} knows: the branch's history was rewritten",
                self.anchor()
            ),
            format!(
                "push the branch back to where it was (`git push --force origin \
                 {known}:refs/heads/{branch}`; any clone that fetched it has it); if no clone has \
                 it, `tranche record rebuild` shows what plan and cluster tell"
            ),
        )
    }

    /// The refusal of a record that is behind the anchor, which may know the
    /// commit.
    pub(super) fn rewound(&self, reading: &Reading, anchor: u64, at: Option<&str>) -> RunError {
        let branch = &self.target.record_branch;
        let stands = match &reading.tip {
            Some(tip) => format!("stands at {}", tip.trailers.seq),
            None => "is not there".to_owned(),
        };
        RunError::new(
            Class::Refused,
            format!(
                "record branch {branch} {stands}, but {} says {anchor}: the branch was rewound, \
                 deleted or replaced",
                self.anchor()
            ),
            format!(
                "push the branch back to where it was (`git push origin \
                 {}:refs/heads/{branch}`; any clone that fetched it has it); if no clone has it, \
                 `tranche record rebuild` shows what plan and cluster tell",
                at.unwrap_or("COMMIT")
            ),
        )
    }

    pub(super) fn missing(&self) -> RunError {
        RunError::new(
            Class::Refused,
            format!(
                "{} is missing, but record branch {} holds steps: this is not the cluster that \
                 they were done on, or it was rebuilt",
                self.anchor(),
                self.target.record_branch
            ),
            format!(
                "check that target {} is the right cluster; if it was rebuilt, `tranche adopt \
                 --rebuilt{}` takes it",
                self.target.name,
                self.target_option()
            ),
        )
    }

    fn target_option(&self) -> String {
        format!(" --target {}", self.target.name)
    }

    /// Sees that the anchor exists and is ours, before an intent is pushed.
    pub(super) async fn anchored(&self, reading: &Reading) -> Result<(), Halt> {
        if !self.follows_now(reading).await? {
            return Err(Halt::Lost);
        }
        let object = self.anchor();
        if let Some(live) = self.ports.cluster().get(&object).await? {
            return Ok(self.is_ours(reading, &live).await?);
        }
        if !self.snapshot(reading).entities()?.is_empty() {
            return Err(self.missing().into());
        }
        Ok(self.write_anchor(reading, 0, None, false).await?)
    }

    /// Whether the record follows the anchor that is stored now: asked once a
    /// run, before its first push. A GET may show an older state, which would
    /// let a record that was dropped begin anew, and one that was rewound go on;
    /// a dry-run does not. False if anchor and record have to be read again.
    pub(super) async fn follows_now(&self, reading: &Reading) -> Result<bool, RunError> {
        if self.followed.get() {
            return Ok(true);
        }
        let object = self.anchor();
        let follows = match self.ports.cluster().get(&object).await? {
            Some(live) => {
                self.follows(reading, &live).is_ok() && self.is_newest(&object, &live).await?
            }
            // What else is missing is said when the anchor is to be written. No
            // commit is known yet: each is looked at, down to the first.
            None => {
                let body = self.anchor_body(reading, 0).await?;
                self.follows(reading, &body)?;
                self.is_free(&object, &body).await?
            }
        };
        self.followed.set(follows);
        Ok(follows)
    }

    /// Creates the anchor, or replaces that of another cluster. Another run
    /// that was first is as good.
    pub(super) async fn write_anchor(
        &self,
        reading: &Reading,
        seq: u64,
        live: Option<&Value>,
        dry_run: bool,
    ) -> Result<(), RunError> {
        let object = self.anchor();
        let body = self.anchor_body(reading, seq).await?;
        let mode = live.map_or(WriteMode::CreateOnly, exactly);
        match self.ports.cluster().apply(&object, &body, &mode, dry_run).await {
            Ok(_) => Ok(()),
            Err(error) => match error.problem {
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

    /// Whether an anchor was made on this very cluster; another project's is
    /// refused.
    pub(super) async fn is_here(&self, reading: &Reading, live: &Value) -> Result<bool, RunError> {
        self.is_this_project(reading, live)?;
        Ok(annotation(live, CLUSTER) == Some(&self.cluster_uid().await?))
    }

    /// Raises the anchor to an intent that is on the remote.
    pub(super) async fn raise_anchor(&self, reading: &Reading, to: u64) -> Result<(), RunError> {
        let object = self.anchor();
        for _ in 0..MAX_TRIES {
            let live = self.ports.cluster().get(&object).await?;
            let Some((live, at)) = live.as_ref().and_then(|l| Some((l, seq_of(l)?))) else {
                break;
            };
            // Another project may have been first since this run looked.
            self.is_ours(reading, live).await?;
            if at >= to {
                return self.overtaken(reading, live).await;
            }
            // Whoever moved the branch since this run began: nothing is written
            // on a record that has left the history which the cluster knows.
            self.follows(reading, live)?;
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
            "`tranche apply` again; the step's intent is recorded and is taken over",
        ))
    }

    /// Another run has raised the anchor beyond our intent: right only if its
    /// commit came on top of ours. On a branch that was put back to where our
    /// push expected it, ours came on top of nothing that the cluster knows.
    async fn overtaken(&self, reading: &Reading, live: &Value) -> Result<(), RunError> {
        let Some(ours) = &reading.tip else { return Ok(()) };
        let Some(newest) = self.newest_record().await? else { return Ok(()) };
        let now = Reading { tip: Some(self.tip(&newest)?), ..reading.clone() };
        self.follows(&now, live)?;
        if self.ports.remote().objects().contains(&newest, &ours.commit)? {
            return Ok(());
        }
        Err(self.rewritten(&now, &ours.commit.0))
    }

    async fn is_ours(&self, reading: &Reading, live: &Value) -> Result<(), RunError> {
        self.is_this_project(reading, live)?;
        let here = self.cluster_uid().await?;
        let found = annotation(live, CLUSTER).unwrap_or_default();
        if found == here {
            return Ok(());
        }
        Err(RunError::new(
            Class::Refused,
            format!(
                "{} was made on cluster {found}, but this is {here}: it is not the cluster of the \
                 record, or it was rebuilt from a backup",
                self.anchor()
            ),
            format!(
                "point target {} at its own cluster; if this one takes its place, `tranche adopt \
                 --rebuilt{}` says so",
                self.target.name,
                self.target_option()
            ),
        ))
    }

    fn is_this_project(&self, reading: &Reading, live: &Value) -> Result<(), RunError> {
        let found = annotation(live, PROJECT).unwrap_or_default();
        if found == reading.project {
            return Ok(());
        }
        Err(RunError::new(
            Class::Refused,
            format!(
                "{} belongs to project {found}, but this is {}: another project rolls out to this \
                 target's namespace",
                self.anchor(),
                reading.project
            ),
            format!("give target {} another name or namespace in tranche.yaml", self.target.name),
        ))
    }

    async fn anchor_body(&self, reading: &Reading, seq: u64) -> Result<Value, RunError> {
        let object = self.anchor();
        let branch = &self.target.record_branch;
        let mut body = json!({
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
        });
        if let Some(tip) = reading.tip.as_ref().filter(|tip| tip.trailers.seq >= seq && seq > 0) {
            set(&mut body, &["metadata", "annotations", COMMIT], json!(tip.commit.0));
        }
        Ok(body)
    }

    /// Which cluster this is; asked once a run.
    pub(super) async fn cluster_uid(&self) -> Result<String, RunError> {
        let known = self.cluster_uid.borrow().clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let uid = self.ask_cluster_uid().await?;
        *self.cluster_uid.borrow_mut() = Some(uid.clone());
        Ok(uid)
    }

    async fn ask_cluster_uid(&self) -> Result<String, RunError> {
        let namespace = ObjectRef::new(&KindRef::new("v1", "Namespace"), None, "kube-system");
        let live = self.ports.cluster().get(&namespace).await?;
        let uid = live.as_ref().and_then(|l| at(l, "/metadata/uid")).and_then(Value::as_str);
        uid.map(str::to_owned).ok_or_else(|| {
            RunError::new(
                Class::Failed,
                "Namespace/kube-system has no uid: the cluster cannot be told from others",
                "let this identity read the namespace kube-system (`kubectl auth can-i get \
                 namespaces`), and `tranche apply` again",
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

/// The commit that an anchor knows; none before it is raised.
pub(super) fn commit_of(live: &Value) -> Option<&str> {
    annotation(live, COMMIT)
}

/// The sequence number that an anchor holds.
pub(super) fn seq_of(live: &Value) -> Option<u64> {
    annotation(live, SEQ)?.parse().ok()
}

/// The precondition that an object is the one that was read.
pub(super) fn exactly(live: &Value) -> WriteMode {
    let text = |field: &str| {
        let found = live.get("metadata").and_then(|metadata| metadata.get(field));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    WriteMode::Exactly { uid: text("uid"), resource_version: text("resourceVersion") }
}

/// As [`exactly`], taking over fields of others where that is asked for.
pub(super) fn exactly_or_taking(live: &Value, takes: bool) -> WriteMode {
    match exactly(live) {
        WriteMode::Exactly { uid, resource_version } if takes => {
            WriteMode::Taking { uid, resource_version }
        }
        mode => mode,
    }
}
