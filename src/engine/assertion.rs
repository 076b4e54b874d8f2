//! One commit that puts what a person says onto the record. Owns how such a
//! commit is made and pushed; whether it may be said is the caller's.

use super::chain::Pushed;
use super::{Engine, Reading, RunError, Tip};
use crate::core::record::{self, CommitPhase, EntityRecord, Trailers, dashboard, entity_path};
use crate::port::{Change, Clock, Objects, Ports, Progress, PushOutcome, Remote};
use std::rc::Rc;

/// Who says it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Who.
    pub by: String,
    /// Why, if they say so.
    pub reason: Option<String>,
}

/// What is said.
#[derive(Default)]
pub(super) struct Assertion {
    pub(super) subject: String,
    pub(super) body: String,
    /// The entities' records after it.
    pub(super) records: Vec<EntityRecord>,
    /// Other files that change.
    pub(super) changes: Vec<Change>,
    /// The entity it is about, if it is about one.
    pub(super) about: Option<String>,
    pub(super) step: Option<String>,
    pub(super) cluster: Option<String>,
    /// Set for a record that is put together again: where from, and the
    /// number that the commit has.
    pub(super) rebuilt: Option<(String, u64)>,
}

impl<P: Ports> Engine<'_, P> {
    /// Pushes one commit on the tip of a reading, by lease on it.
    pub(super) async fn assert(
        &self,
        reading: &mut Reading,
        word: &Word,
        assertion: Assertion,
    ) -> Result<Pushed, RunError> {
        let remote = self.ports.remote();
        let now = self.ports.clock().now().await?;
        let trailers = trailers(reading, word, &assertion);
        let mut rows = self.snapshot(reading).rows()?;
        let mut changes = assertion.changes;
        for record in assertion.records {
            let path = entity_path(&record.entity);
            changes.push(Change { bytes: Some(record::write(&path, &record)?), path });
            match rows.iter_mut().find(|row| row.0.entity == record.entity) {
                Some(row) => row.0 = Rc::new(record),
                None => rows.push((Rc::new(record), Rc::default())),
            }
        }
        let rows: Vec<_> =
            rows.iter().map(|(record, decisions)| (&**record, &**decisions)).collect();
        let page = dashboard(&self.target.name, &rows).into_bytes();
        changes.push(Change { path: "README.md".to_owned(), bytes: Some(page) });
        let body = match (&word.reason, assertion.body.is_empty()) {
            (Some(reason), true) => reason.clone(),
            (Some(reason), false) => format!("{reason}\n\n{}", assertion.body),
            (None, _) => assertion.body,
        };
        let message = trailers.message(&assertion.subject, &body);
        let parent = reading.tip.as_ref().map(|tip| tip.commit.clone());
        let commit = remote.objects().commit(parent.as_ref(), &changes, &message, now)?;
        match remote.push(&self.target.record_branch, parent.as_ref(), &commit).await? {
            PushOutcome::Won => {}
            PushOutcome::Lost => return Ok(Pushed::Lost),
            PushOutcome::Refused(text) => return Err(self.push_refused(&text)),
        }
        let (phase, subject) = (trailers.phase, assertion.subject);
        reading.tip = Some(Tip { commit, trailers });
        self.ports.audience().hear(&Progress::Recorded { phase, subject });
        Ok(Pushed::Won)
    }
}

fn trailers(reading: &Reading, word: &Word, assertion: &Assertion) -> Trailers {
    let before = reading.tip.as_ref().map(|tip| &tip.trailers);
    let phase = match assertion.rebuilt {
        Some(_) => CommitPhase::Rebuild,
        None => CommitPhase::Decision,
    };
    let mut trailers = Trailers::after(before, phase, &reading.plan_commit.0);
    trailers.rollout.clone_from(&assertion.about);
    trailers.step.clone_from(&assertion.step);
    trailers.cluster.clone_from(&assertion.cluster);
    trailers.approved_by = Some(word.by.clone());
    if let Some((from, seq)) = &assertion.rebuilt {
        trailers.rebuilt_from = Some(from.clone());
        trailers.seq = *seq;
    }
    trailers
}
