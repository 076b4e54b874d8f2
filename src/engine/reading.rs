//! One reading of plan and record. Owns which plan commit is in force; it must
//! never write, nor look at the cluster.

use super::capture::Takeovers;
use super::forged::credible;
use super::outcome::Class;
use super::snapshot::Row;
use super::{Engine, Loaded, RunError, Snapshot};
use crate::core::record::{RevisionRecord, Trailers};
use crate::port::{CommitId, Objects, Ports, Remote};
use std::rc::Rc;

/// The record branch's tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The commit.
    pub commit: CommitId,
    /// Its trailers.
    pub trailers: Trailers,
}

/// One reading of plan and record.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The plan branch's tip.
    pub newest: CommitId,
    /// What is wrong with the newest plan, if it is not the one in force.
    pub problem: Option<String>,
    /// The plan commit in force: the newest one if it loads, else the last
    /// recorded one.
    pub plan_commit: CommitId,
    /// The plan in force; loaded, so its `Result` is never an error.
    pub plan: Rc<Result<Loaded, String>>,
    /// The project's id: the plan branch's root commit.
    pub project: String,
    /// The record's tip; none before the first record commit.
    pub tip: Option<Tip>,
    /// Revisions that would be published first; only a preview has any.
    pub pending: Vec<Rc<RevisionRecord>>,
    /// Where the rollouts stand that take over what runs on the cluster.
    pub(super) takeovers: Takeovers,
}

impl Reading {
    /// The plan in force.
    ///
    /// # Errors
    /// Never in a reading that [`Engine::read`] returned.
    pub fn loaded(&self) -> Result<&Loaded, RunError> {
        self.plan.as_ref().as_ref().map_err(|text| {
            RunError::new(Class::Invalid, text.clone(), "mend the plan; nothing was written")
        })
    }
}

impl<P: Ports> Engine<'_, P> {
    /// Reads plan and record by one fetch.
    ///
    /// # Errors
    /// Fails if the remote cannot be read, if the record is not one, if the
    /// plan was rewound, or if no valid plan commit is known.
    pub async fn read(&self) -> Result<Reading, RunError> {
        let remote = self.ports.remote();
        let tips = remote.fetch(&self.target.record_branch).await?;
        let objects = remote.objects();
        let tip = tips.record.as_ref().map(|commit| self.tip(commit)).transpose()?;
        let recorded = tip.as_ref().map(|tip| CommitId(tip.trailers.plan_commit.clone()));
        if let Some(recorded) = &recorded
            && !self.options.accept_rewind
            && !objects.contains(&tips.plan, recorded)?
        {
            return Err(RunError::new(
                Class::Refused,
                format!(
                    "the plan branch at {} does not contain plan commit {}, which was recorded \
                     last: its history was rewritten",
                    tips.plan.short(),
                    recorded.short()
                ),
                "restore the branch, or accept the new history once with `tranche apply --accept-rewind`",
            ));
        }
        let project = objects.root(&tips.plan)?.0;
        self.pin(tip.as_ref())?;
        let newest = self.loaded(&tips.plan)?;
        let mut reading = Reading {
            newest: tips.plan.clone(),
            problem: None,
            plan_commit: tips.plan,
            plan: Rc::clone(&newest),
            project,
            tip,
            pending: Vec::new(),
            takeovers: Takeovers::default(),
        };
        if let Err(text) = newest.as_ref() {
            let Some(recorded) = recorded else {
                return Err(RunError::new(Class::Invalid, text.clone(), "mend the plan"));
            };
            let before = self.loaded(&recorded)?;
            if before.is_err() {
                return Err(RunError::new(Class::Invalid, text.clone(), "mend the plan"));
            }
            reading.problem = Some(text.clone());
            reading.plan_commit = recorded;
            reading.plan = before;
        }
        Ok(reading)
    }

    /// Record and project alone, for what a person says about the record: the
    /// plan is not looked at, and the plan commit in force stays that of the
    /// tip.
    pub(super) async fn read_record(&self) -> Result<Reading, RunError> {
        let remote = self.ports.remote();
        let tips = remote.fetch(&self.target.record_branch).await?;
        let tip = tips.record.as_ref().map(|commit| self.tip(commit)).transpose()?;
        let recorded = tip.as_ref().map(|tip| CommitId(tip.trailers.plan_commit.clone()));
        Ok(Reading {
            newest: tips.plan.clone(),
            problem: None,
            plan_commit: recorded.unwrap_or_else(|| tips.plan.clone()),
            plan: Rc::new(Err("the plan was not read".to_owned())),
            project: remote.objects().root(&tips.plan)?.0,
            tip,
            pending: Vec::new(),
            takeovers: Takeovers::default(),
        })
    }

    /// The record's tip, by a fetch begun now; none before the first record
    /// commit.
    pub(super) async fn newest_record(&self) -> Result<Option<CommitId>, RunError> {
        Ok(self.ports.remote().fetch_record(&self.target.record_branch).await?)
    }

    /// A record commit and its trailers.
    pub(super) fn tip(&self, commit: &CommitId) -> Result<Tip, RunError> {
        let known = self.memo.file::<Trailers>(&commit.0);
        let trailers = match known {
            Some(known) => known,
            None => {
                let objects = self.ports.remote().objects();
                let trailers = Rc::new(credible(objects, &self.target.record_branch, commit)?);
                self.memo.keep_file(&commit.0, &trailers);
                trailers
            }
        };
        Ok(Tip { commit: commit.clone(), trailers: Trailers::clone(&trailers) })
    }

    /// The record as it stands at a reading.
    pub(super) fn snapshot(
        &self,
        reading: &Reading,
    ) -> Snapshot<'_, <P::Remote as Remote>::Objects> {
        self.snapshot_at(reading.tip.as_ref().map(|tip| tip.commit.clone()))
    }

    /// Every entity's record and decisions at a commit, read once. What a
    /// decision rests on it has to look at itself, in its own snapshot.
    pub(super) fn rows_at(&self, commit: Option<&CommitId>) -> Result<Rc<Vec<Row>>, RunError> {
        let Some(commit) = commit else { return Ok(Rc::default()) };
        if let Some(known) = self.memo.file(&commit.0) {
            return Ok(known);
        }
        let rows = Rc::new(self.snapshot_at(Some(commit.clone())).rows()?);
        self.memo.keep_file(&commit.0, &rows);
        Ok(rows)
    }

    /// The record as it stands at a commit.
    pub(super) fn snapshot_at(
        &self,
        commit: Option<CommitId>,
    ) -> Snapshot<'_, <P::Remote as Remote>::Objects> {
        Snapshot::remembering(self.ports.remote().objects(), commit, Rc::clone(&self.memo))
    }
}

/// The published revisions of an application, by number, and those that a
/// preview would publish.
pub(super) fn known<O: Objects>(
    reading: &Reading,
    snapshot: &Snapshot<'_, O>,
    namespace: &str,
    application: &str,
) -> Result<Vec<Rc<RevisionRecord>>, RunError> {
    let mut known = snapshot.revisions(namespace, application)?;
    let mine = |r: &&Rc<RevisionRecord>| r.namespace == namespace && r.application == application;
    known.extend(reading.pending.iter().filter(mine).cloned());
    Ok(known)
}
