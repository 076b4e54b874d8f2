//! Publishing revisions: numbering along the plan branch. Owns which contents
//! get a number and the push that says so; it must never touch the cluster.

use super::apart::Counted;
use super::outcome::Halt;
use super::planned::Loaded;
use super::{Engine, Reading, RunError, Tip};
use crate::core::record::{
    self, Captured, CommitPhase, FORMAT, RevisionRecord, Trailers, dashboard, revision_path,
};
use crate::core::render::{ApplicationKey, Known, Publication, WalkedCommit, walk};
use crate::core::secrecy::redacted;
use crate::port::{Change, Clock, CommitId, Objects, Ports, Progress, PushOutcome, Remote};
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

impl<P: Ports> Engine<'_, P> {
    /// Publishes what is new: what the plan branch has brought, and what is taken
    /// over from the cluster.
    pub(super) async fn publish(&self, reading: &mut Reading) -> Result<(), Halt> {
        self.publish_plan(reading).await?;
        self.take_over(reading).await
    }

    /// Publishes what the plan branch has brought since the last record
    /// commit: one commit a revision, one push for all.
    async fn publish_plan(&self, reading: &mut Reading) -> Result<(), Halt> {
        let publications = self.unpublished(reading, &Counted::new())?;
        if publications.is_empty() {
            return Ok(());
        }
        if !self.follows_now(reading).await? {
            return Err(Halt::Lost);
        }
        let published = publications.iter().map(|publication| {
            let record = self.revision_record(publication)?;
            Ok(Published { record, commit: publication.commit.clone() })
        });
        let published = published.collect::<Result<Vec<_>, RunError>>()?;
        self.push_published(reading, published).await
    }

    /// The same of revisions that no plan commit renders.
    pub(super) async fn push_revisions(
        &self,
        reading: &mut Reading,
        published: Vec<Published>,
    ) -> Result<(), Halt> {
        if published.is_empty() {
            return Ok(());
        }
        if !self.follows_now(reading).await? {
            return Err(Halt::Lost);
        }
        self.push_published(reading, published).await
    }

    async fn push_published(
        &self,
        reading: &mut Reading,
        published: Vec<Published>,
    ) -> Result<(), Halt> {
        let remote = self.ports.remote();
        let now = self.ports.clock().now().await?;
        let mut tip = reading.tip.clone();
        let mut told = Vec::new();
        for Published { record, commit } in published {
            let path = revision_path(&record.namespace, &record.application, &record.revision);
            let bytes = Some(record::write(&path, &record)?);
            let mut changes = vec![Change { bytes, path: path.clone() }];
            if tip.is_none() {
                let page = dashboard(&self.target.name, &[]).into_bytes();
                changes.push(Change { path: "README.md".to_owned(), bytes: Some(page) });
            }
            let mut trailers = Trailers::after(
                tip.as_ref().map(|t| &t.trailers),
                CommitPhase::Publish,
                &reading.plan_commit.0,
            );
            trailers.target_revision = Some(record.revision.clone());
            trailers.note_builtins(&record.builtins);
            trailers.step_plan = Some(commit);
            trailers.run = Some(self.ports.process().holder().run.clone());
            let subject = subject(&record);
            let parent = tip.as_ref().map(|t| &t.commit);
            let message = trailers.message(&subject, "");
            let commit = remote.objects().commit(parent, &changes, &message, now)?;
            // What was just written need not be read to be known.
            if let Some(blob) = remote.objects().entry(&commit, &path)? {
                self.memo.keep_file(&blob, &Rc::new(record));
            }
            told.push(subject);
            tip = Some(Tip { commit, trailers });
        }
        let Some(new) = tip else { return Ok(()) };
        self.tally.push();
        let expected = reading.tip.as_ref().map(|t| t.commit.clone());
        match remote.push(&self.target.record_branch, expected.as_ref(), &new.commit).await? {
            PushOutcome::Won => {}
            PushOutcome::Lost => return Err(Halt::Lost),
            PushOutcome::Refused(text) => return Err(self.push_refused(&text).into()),
        }
        reading.tip = Some(new);
        for subject in told {
            let phase = CommitPhase::Publish;
            self.tally.commit(phase);
            self.ports.audience().hear(&Progress::Recorded { phase, subject });
        }
        Ok(())
    }

    /// The revisions that are missing in the record, in order; those of the
    /// components of `coming` too, which are to be counted by themselves.
    pub(super) fn unpublished(
        &self,
        reading: &Reading,
        coming: &Counted,
    ) -> Result<Vec<Publication>, RunError> {
        let recorded = reading.tip.as_ref().map(|t| CommitId(t.trailers.plan_commit.clone()));
        if recorded.as_ref() == Some(&reading.plan_commit) && coming.is_empty() {
            return Ok(Vec::new());
        }
        let objects = self.ports.remote().objects();
        // A history that was rewritten, and accepted, is walked from its root:
        // what is published already is recognised by its content.
        let until = match recorded {
            Some(recorded) if objects.contains(&reading.plan_commit, &recorded)? => Some(recorded),
            _ => None,
        };
        let history = match objects.first_parents(&reading.plan_commit, until.as_ref()) {
            Ok(history) => history,
            // The recorded commit came in by a merge, beside the first parents.
            Err(_) if until.is_some() => objects.first_parents(&reading.plan_commit, None)?,
            Err(error) => return Err(error.into()),
        };
        let counted = self.counted(reading)?;
        let mut fresh = coming.clone();
        let mut walked = Vec::with_capacity(history.len());
        for commit in history {
            let loaded = self.loaded(&commit)?;
            let applications = loaded.as_ref().as_ref().ok().map(|loaded| {
                let all = loaded.applications.iter();
                all.map(|(key, application)| {
                    if let Some(of) = application.component_of.clone().filter(|of| *of != key.name)
                    {
                        let of = ApplicationKey { namespace: key.namespace.clone(), name: of };
                        fresh.entry(key.clone()).or_insert(of);
                    }
                    (key.clone(), application.content.clone())
                })
                .collect()
            });
            walked.push(WalkedCommit { id: commit.0, applications });
        }
        fresh.retain(|key, _| !counted.contains_key(key));
        if !fresh.is_empty() || !counted.is_empty() {
            self.parted(reading, &mut walked, &fresh, &counted)?;
        }
        Ok(walk(&walked, &self.published(reading)?).publications)
    }

    /// The published revisions of every application.
    pub(super) fn published(
        &self,
        reading: &Reading,
    ) -> Result<BTreeMap<ApplicationKey, Vec<Known>>, RunError> {
        let snapshot = self.snapshot(reading);
        let mut published = BTreeMap::new();
        for (namespace, name) in snapshot.applications()? {
            let known = snapshot.revisions(&namespace, &name)?.into_iter().map(|revision| Known {
                name: revision.revision.clone(),
                number: revision.number,
                digest: revision.digest.clone(),
            });
            published.insert(ApplicationKey { namespace, name }, known.collect());
        }
        Ok(published)
    }

    pub(super) fn revision_record(
        &self,
        publication: &Publication,
    ) -> Result<RevisionRecord, RunError> {
        let loaded = self.loaded(&CommitId(publication.commit.clone()))?;
        let key = &publication.application;
        let content = Some(&publication.revision.digest);
        let found = loaded.as_ref().as_ref().ok().and_then(|l: &Loaded| l.made(key, content));
        let Some(application) = found else {
            return Err(RunError::new(
                super::Class::Failed,
                format!("application {} is not in plan commit {}", key.name, publication.commit),
                "`tranche apply` again",
            ));
        };
        let objects = application
            .rendered
            .components
            .iter()
            .flat_map(|c| std::iter::once(&c.workload).chain(&c.extras))
            .map(|body| shown(body))
            .collect();
        Ok(RevisionRecord {
            format: FORMAT,
            application: key.name.clone(),
            component_of: application.component_of.clone(),
            namespace: key.namespace.clone(),
            revision: publication.revision.name.clone(),
            number: publication.revision.number,
            digest: publication.revision.digest.clone(),
            rendered: application.digest,
            builtins: application.version.to_owned(),
            plan_commit: publication.commit.clone(),
            objects,
            captured: None,
        })
    }

    /// A push that the remote refused though the branch had not moved.
    pub(super) fn push_refused(&self, text: &str) -> RunError {
        RunError::new(
            super::Class::Failed,
            format!(
                "the remote refused a push to branch {}: {}",
                self.target.record_branch,
                text.trim()
            ),
            "let this identity push to the branch (a hook or a protection refuses it), \
             and `tranche apply` again; nothing was written to the cluster under this commit",
        )
    }
}

/// A revision that is to be published, and the plan commit that brings it.
pub(super) struct Published {
    pub(super) record: RevisionRecord,
    pub(super) commit: String,
}

fn subject(record: &RevisionRecord) -> String {
    let published = format!("{}: revision {} published", record.application, record.revision);
    match &record.captured {
        None => published,
        Some(Captured { version, after: None, .. }) => {
            format!("{published}, {version} as it runs on the cluster")
        }
        Some(Captured { version, after: Some(after), .. }) => {
            format!("{published}, {version} made of {after}")
        }
    }
}

/// A rendered object as it may be recorded.
fn shown(body: &Value) -> Value {
    redacted(body.get("kind").and_then(Value::as_str).unwrap_or_default(), body)
}
