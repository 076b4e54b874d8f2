//! The dry-run of one write, and what its answer says to a reviewer. Owns how
//! each refusal is shown; it must never write.

use super::anchor::exactly_or_taking;
use super::{Class, Engine, Reading, RunError};
use crate::core::diff::{Note, Outcome, cleaned};
use crate::core::object::{Applier, ObjectRef, apply, encoding, refilled};
use crate::core::ownership::{Contested, Write, Yielded, applied_before, clash};
use crate::core::strategy::workload::WorkloadKind;
use crate::core::strategy::{
    Driven, EntityKey, FIELD_MANAGER, StepKind, beside_others, epoch_of, unmarked,
};
use crate::port::{
    Access, Cluster, ClusterError, ClusterProblem, CommitId, FieldConflict, Ports, WriteMode,
};
use serde_json::Value;
use std::sync::Arc;

/// What came of the dry-run of one write.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// The state that was sent.
    state: Value,
    /// The fields that others own with another value.
    contested: Vec<Contested>,
    /// What the server would store, or why it would not.
    pub(super) answer: Result<Arc<Value>, ClusterError>,
    /// No dry-run of this object is possible for this identity, now or later.
    barred: bool,
    /// What the plan said of the object when it was applied last, if that is
    /// known and the merge is done here.
    before: Option<Arc<Value>>,
}

/// A trial as a reviewer sees it.
#[derive(Debug)]
pub(super) struct Shown {
    /// The object after the write, as far as can be told.
    pub(super) after: Arc<Value>,
    /// What to know of it.
    pub(super) notes: Vec<Note>,
    /// Why an apply would stop before it, if it would.
    pub(super) refusal: Option<RunError>,
}

impl<P: Ports> Engine<'_, P> {
    /// Tries out the write of a live object's rendered state, our marks aside.
    ///
    /// # Errors
    /// Fails only if the cluster does not answer: every other answer is one.
    pub(super) async fn tried(
        &self,
        named: (&ObjectRef, Option<&WorkloadKind>),
        live: &Value,
        body: &Value,
        driven: &Driven,
    ) -> Result<Trial, RunError> {
        let (state, step) = (unmarked(live, named.1, body, driven), StepKind::Settle);
        self.trial_of(named, Some(live), state, (driven, step)).await
    }

    /// Tries out a write.
    ///
    /// # Errors
    /// As [`Self::tried`].
    pub(super) async fn trial_of(
        &self,
        (object, kind): (&ObjectRef, Option<&WorkloadKind>),
        live: Option<&Value>,
        state: Value,
        (driven, step): (&Driven, StepKind),
    ) -> Result<Trial, RunError> {
        let beside = match live {
            Some(live) => beside_others((object, kind), live, state, driven, step),
            None => Yielded { state, takes: false, contested: Vec::new() },
        };
        let mode = live.map_or(WriteMode::CreateOnly, |live| exactly_or_taking(live, beside.takes));
        let answer = self.ports.cluster().apply(object, &beside.state, &mode, true).await;
        match answer {
            Err(error) if matches!(error.problem, ClusterProblem::Unreachable(_)) => {
                Err(error.into())
            }
            answer => {
                let barred = match &answer {
                    Err(error) => self.is_barred(object, live, &error.problem).await?,
                    Ok(_) => false,
                };
                Ok(Trial {
                    state: beside.state,
                    contested: beside.contested,
                    answer,
                    barred,
                    before: None,
                })
            }
        }
    }

    /// Whether the server will not judge the write of an object. A 403 is also
    /// what policies say to those who may write.
    async fn is_barred(
        &self,
        object: &ObjectRef,
        live: Option<&Value>,
        problem: &ClusterProblem,
    ) -> Result<bool, RunError> {
        match problem {
            ClusterProblem::NoDryRun(_) | ClusterProblem::Webhook(_) => Ok(true),
            ClusterProblem::Forbidden(_) => {
                let verbs = if live.is_some() { &["patch"][..] } else { &["patch", "create"] };
                for verb in verbs {
                    let (kind, namespace) = (object.kind_ref(), object.namespace.clone());
                    if !self.may(Access { verb, kind, part: None, namespace }).await? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}

impl<P: Ports> Engine<'_, P> {
    /// Gives a trial what the plan said of the object when the one of these
    /// entities that has it was applied last, where the server did not say what
    /// it would store.
    pub(super) async fn remember<'k>(
        &self,
        reading: &Reading,
        keys: impl IntoIterator<Item = &'k EntityKey>,
        object: &ObjectRef,
        trial: &mut Trial,
    ) {
        let immutable = |e: &ClusterError| matches!(e.problem, ClusterProblem::Immutable(_));
        if !trial.barred && !trial.answer.as_ref().err().is_some_and(immutable) {
            return;
        }
        for key in keys {
            if trial.before.is_none() {
                trial.before = self.said_before(reading, key, object).await;
            }
        }
    }

    async fn said_before(
        &self,
        reading: &Reading,
        key: &EntityKey,
        object: &ObjectRef,
    ) -> Option<Arc<Value>> {
        let record = self.snapshot(reading).entity(key).ok()??;
        let then = self.loaded(&CommitId(record.step_plan.clone()?)).ok()?;
        let then = then.as_ref().as_ref().ok()?;
        let content = self.content(then, key, &record.members, &|o| o == object).await.ok()??;
        content.objects.iter().find(|(o, _)| o == object).map(|(_, body)| Arc::clone(body))
    }
}

impl Trial {
    /// Whether the write would change the live object. Where it was refused it
    /// would: the write itself, and the checks before it, have the last word.
    /// Where the server cannot be asked, the merge that is done here decides.
    pub(super) fn changes(&self, object: &ObjectRef, live: &Value) -> bool {
        match &self.answer {
            Ok(stored) => cleaned(live) != cleaned(stored),
            Err(_) if self.barred => cleaned(live) != cleaned(&self.merged(object, Some(live))),
            Err(_) => true,
        }
    }

    /// Whether the object has changed since it was looked at.
    pub(super) fn is_stale(&self) -> bool {
        let stale = |error: &ClusterError| matches!(error.problem, ClusterProblem::Stale(_));
        self.answer.as_ref().err().is_some_and(stale)
    }

    /// The trial for people, with what others have on the object.
    pub(super) fn shown(&self, object: &ObjectRef, live: Option<&Value>) -> Shown {
        let mut shown = self.judged(object, live);
        let Some(live) = live else { return shown };
        let (state, after, contested) = (&self.state, &*shown.after, &self.contested[..]);
        let write = Write { object, live, state, after, manager: FIELD_MANAGER, contested };
        let others = write.notes_of_others();
        shown.notes.extend(others);
        if epoch_of(live).is_none() {
            shown.notes.extend(applied_before(live, FIELD_MANAGER));
        }
        shown
    }

    fn judged(&self, object: &ObjectRef, live: Option<&Value>) -> Shown {
        let mut notes: Vec<Note> = self.contested.iter().map(Contested::note).collect();
        let error = match &self.answer {
            Ok(stored) => {
                return Shown { after: Arc::clone(stored), notes, refusal: None };
            }
            Err(error) => error,
        };
        let explained = explained(object, live, &self.state, error);
        let mut refusal = Some(RunError::from(explained.clone()));
        match &explained.problem {
            ClusterProblem::Conflict(fields) => {
                // Of kinds whose lists are not known here only the server tells.
                let all = fields.iter().map(|found| Note::Conflict {
                    field: found.field.clone(),
                    manager: found.manager.clone(),
                    outcome: Outcome::Refused,
                });
                notes.extend(all);
            }
            ClusterProblem::Immutable(fields) => {
                notes.push(Note::Recreate { fields: fields.clone() });
            }
            ClusterProblem::Missing(_) | ClusterProblem::NoKind(_) | ClusterProblem::Stale(_) => {
                notes.push(Note::Unverified { why: reason(&error.problem) });
                refusal = None;
            }
            problem if self.barred => {
                notes.push(Note::Unverified { why: reason(problem) });
                // An apply would meet the webhook too, or the others.
                refusal = refusal
                    .filter(|_| matches!(problem, ClusterProblem::Webhook(_)))
                    .or_else(|| self.refused(object));
            }
            ClusterProblem::Forbidden(why) => {
                notes.push(Note::Invalid { why: why.clone() });
                let next = "mend the plan, or the policy of the cluster that forbids it";
                refusal = Some(RunError::new(Class::Refused, error.to_string(), next));
            }
            ClusterProblem::Invalid(why) => notes.push(Note::Invalid { why: why.clone() }),
            problem => notes.push(Note::Invalid { why: problem.to_string() }),
        }
        Shown { after: Arc::new(self.merged(object, live)), notes, refusal }
    }

    /// The live object with the desired state merged into it, in the spelling
    /// that the server stores: without defaults for what is new, and whoever owns
    /// what.
    fn merged(&self, object: &ObjectRef, live: Option<&Value>) -> Value {
        let applier = Applier { manager: FIELD_MANAGER, force: true, time: "" };
        let kind = object.kind_ref();
        let mut merged = match apply(&kind, live, &self.state, &applier) {
            Ok(applied) => match (live, &self.before) {
                (Some(live), Some(before)) => {
                    refilled(&kind, live, before, &applied.object, FIELD_MANAGER)
                }
                _ => applied.object,
            },
            Err(_) => self.state.clone(),
        };
        encoding::settle(&kind, &mut merged);
        merged
    }

    /// Why an apply would be refused, whatever the server says: others own
    /// fields, and the plan does not say what becomes of them.
    fn refused(&self, object: &ObjectRef) -> Option<RunError> {
        let refused = self.contested.iter().filter(|field| field.outcome == Outcome::Refused);
        let fields: Vec<FieldConflict> = refused
            .map(|found| FieldConflict {
                field: found.field.clone(),
                manager: found.manager.clone(),
            })
            .collect();
        let (subject, refused) = (object.to_string(), !fields.is_empty());
        let problem = ClusterProblem::Conflict(fields);
        refused.then(|| ClusterError { subject, problem }.into())
    }
}

/// A refusal, with what the server does not say of it.
pub(super) fn explained(
    object: &ObjectRef,
    live: Option<&Value>,
    state: &Value,
    error: &ClusterError,
) -> ClusterError {
    let mut error = error.clone();
    if let (ClusterProblem::Invalid(why), Some(live)) = (&mut error.problem, live)
        && let Some(clash) = clash(object, live, state, FIELD_MANAGER)
    {
        *why = format!("{clash} ({why})");
    }
    error
}

fn reason(problem: &ClusterProblem) -> String {
    match problem {
        ClusterProblem::Forbidden(_) => "this identity may not dry-run its write".to_owned(),
        ClusterProblem::Missing(_) => "its namespace is not there yet".to_owned(),
        ClusterProblem::NoKind(_) => "its kind comes with this plan".to_owned(),
        ClusterProblem::Stale(_) => "it changed while it was looked at".to_owned(),
        problem => problem.to_string(),
    }
}
