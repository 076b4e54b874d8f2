//! One write or delete: look, compare, apply by precondition. Owns the
//! precondition of every write; it must never apply without a uid and a
//! resourceVersion, nor in doubt twice.

use super::anchor::{exactly, exactly_or_taking};
use super::check::{deletable, emptied, still_empty};
use super::intent::Lock;
use super::outcome::Halt;
use super::work::out_of_time;
use super::{Class, Engine, RunError};
use crate::core::decide::Act;
use crate::core::object::{Live, ObjectRef, at};
use crate::core::strategy::workload::{Shape, WorkloadKind};
use crate::core::strategy::{
    Driven, Effect, EntityKey, OnNodes, Side, Stamp, Verb, beside_others, desired, epoch_of,
    mark_of, revision_of, says,
};
use crate::core::traffic::{idle, is_made};
use crate::port::{Clock, Cluster, ClusterProblem, Ports, Progress, WriteMode};
use serde_json::Value;
use std::cell::Cell;

/// How often a write goes back to its GET.
const MAX_TRIES: u32 = 5;

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The object is as it should be.
    Done,
    /// An object was created as it should be, which this intent does not name.
    Whole(String),
    /// The same, and it has to be written once more.
    Created(String),
    /// An object that this intent does not name is to be written: a tip that
    /// is fetched now must show the intent still open.
    Unnamed(String),
    /// The lease is over, and no write is in doubt.
    OutOfTime,
}

impl<P: Ports> Engine<'_, P> {
    /// Does one effect that writes.
    pub(super) async fn write(
        &self,
        key: &EntityKey,
        act: &Act,
        index: usize,
        lock: &Lock,
        absent: bool,
    ) -> Result<Written, Halt> {
        let Some(effect) = act.step.effects.get(index) else { return Ok(Written::Done) };
        self.ports.audience().hear(&Progress::Effect(effect.to_string()));
        let unsure = Cell::new(false);
        let absent = Cell::new(absent);
        let done = match effect {
            Effect::Write { verb, object, side, driven } => {
                let what = (*verb, object, *side, driven);
                self.apply_state(key, act, index, lock, what, (&unsure, &absent)).await
            }
            Effect::Delete { object, .. } => {
                let emptied = emptied(act, index, object);
                self.remove(act, effect, emptied, lock, &unsure).await
            }
            // A call is made where nothing else is under way.
            Effect::Await { .. } | Effect::Evict { .. } | Effect::Call { .. } => Ok(Written::Done),
        };
        match done {
            // A write without a definite answer may still land: the intent
            // stays open, and a takeover settles it.
            Err(Halt::Error(error)) if unsure.get() => {
                Err(Halt::Error(RunError { class: Class::NotRecorded, ..error }))
            }
            done => done,
        }
    }

    async fn apply_state(
        &self,
        key: &EntityKey,
        act: &Act,
        index: usize,
        lock: &Lock,
        (verb, object, side, driven): (Verb, &ObjectRef, Side, &Driven),
        (unsure, absent): (&Cell<bool>, &Cell<bool>),
    ) -> Result<Written, Halt> {
        let kind = act.table.kind(side, object);
        let Some((body, revision)) = act.table.get(side, object) else {
            return Err(RunError::new(
                Class::Failed,
                format!("{key}: effect {index} writes {object}, which no revision renders"),
                "this is a fault of tranche: please report it with the plan",
            )
            .into());
        };
        let step = act.step.id();
        let stamp = Stamp { step, effect: index, epoch: lock.epoch, entity: key, revision };
        for _ in 0..MAX_TRIES {
            if self.late(object, lock, unsure).await? {
                return Ok(Written::OutOfTime);
            }
            // A creation finds out by itself whether there is something by now.
            let live = match absent.take() {
                true => None,
                false => self.ports.cluster().get(object).await?,
            };
            let past = |live: &Value| verb == Verb::Point && act.is_past(index, object, live);
            if live.as_deref().is_some_and(past) {
                return Ok(Written::Done);
            }
            let says = |live: &Value| verb == Verb::Relabel && says(live, body);
            if live.as_deref().is_some_and(says) {
                return Ok(Written::Done);
            }
            let mut whole = false;
            let (state, mode) = match &live {
                Some(live) => {
                    fenced(object, live, lock.epoch)?;
                    // Only if the object carries the step's revision has this
                    // step written it: a leftover of another one has not.
                    let ours = revision_of(live) == Some(revision.short());
                    match mark_of(live).filter(|(mark, _)| ours && mark == step) {
                        Some((_, done)) if done > index => return Ok(Written::Done),
                        // A write of this very effect got no answer, and may
                        // still land. The effect may have been done before it, so
                        // what stands says nothing of that one: the same again
                        // outdates it.
                        Some(_) if unsure.get() => {}
                        Some((_, done))
                            if done == index
                                && !self
                                    .would_change((object, kind), live, body, driven)
                                    .await? =>
                        {
                            return Ok(Written::Done);
                        }
                        _ => {}
                    }
                    if let Some(uid) = unnamed(live, lock) {
                        return Ok(Written::Unnamed(uid));
                    }
                    let state = desired(kind, body, driven, &stamp);
                    let beside = beside_others((object, kind), live, state, driven, act.step.kind);
                    (beside.state, exactly_or_taking(live, beside.takes))
                }
                None => {
                    let leaves = leaves(act, index, object);
                    let over = leaves && self.has_deleted(act, index, object).await?;
                    let inert = inert(verb, driven, body, leaves).filter(|_| !over);
                    let Some(inert) = inert else {
                        if self.is_gone(object, lock).await? {
                            return Ok(Written::Done);
                        }
                        continue;
                    };
                    let inert = without_pods(kind, inert);
                    let idle = idle(body).filter(|_| driven.split.is_none());
                    whole = inert == *driven && idle.is_none();
                    let body = idle.as_ref().unwrap_or(body);
                    (desired(kind, body, &inert, &stamp), WriteMode::CreateOnly)
                }
            };
            match self.ports.cluster().apply(object, &state, &mode, false).await {
                Ok(stored) if whole => return Ok(Written::Whole(uid_of(&stored))),
                Ok(stored) if mode == WriteMode::CreateOnly => {
                    return Ok(Written::Created(uid_of(&stored)));
                }
                Ok(_) => return Ok(Written::Done),
                Err(error) => match error.problem {
                    ClusterProblem::Stale(_) => {}
                    // The next GET tells whether it was applied; if not, the
                    // next conditional write settles it.
                    ClusterProblem::Unknown(_) => unsure.set(true),
                    _ => return Err(error.into()),
                },
            }
        }
        Err(unsettled(object))
    }

    /// Each try of a write is within the lease, however slow the one before.
    async fn late(
        &self,
        object: &ObjectRef,
        lock: &Lock,
        unsure: &Cell<bool>,
    ) -> Result<bool, Halt> {
        let late = out_of_time(lock, self.ports.clock().now().await?);
        if !(late && unsure.get()) {
            return Ok(late);
        }
        Err(RunError::new(
            Class::NotRecorded,
            format!("the write lease ended before {object} was written"),
            "`tranche apply` again takes the step over",
        )
        .into())
    }

    async fn remove(
        &self,
        act: &Act,
        effect: &Effect,
        emptied: bool,
        lock: &Lock,
        unsure: &Cell<bool>,
    ) -> Result<Written, Halt> {
        let object = effect.object();
        for _ in 0..MAX_TRIES {
            if self.late(object, lock, unsure).await? {
                return Ok(Written::OutOfTime);
            }
            let Some(live) = self.ports.cluster().get(object).await? else {
                if self.is_gone(object, lock).await? {
                    return Ok(Written::Done);
                }
                continue;
            };
            let Effect::Delete { uid: wanted, .. } = effect else { break };
            if wanted.as_ref().is_some_and(|wanted| *wanted != uid_of(&live)) {
                return Ok(Written::Done);
            }
            fenced(object, &live, lock.epoch)?;
            if at(&live, "/metadata/deletionTimestamp").is_some() {
                return Ok(Written::Done);
            }
            if let Some(uid) = unnamed(&live, lock) {
                return Ok(Written::Unnamed(uid));
            }
            let found = Live::from_iter([(object.clone(), live.clone())]);
            deletable(effect, act, &found)?;
            if emptied {
                still_empty(act, object, &live)?;
            }
            let WriteMode::Exactly { uid, resource_version } = exactly(&live) else { break };
            match self.ports.cluster().delete(object, &uid, &resource_version).await {
                Ok(()) => return Ok(Written::Done),
                Err(error) => match error.problem {
                    ClusterProblem::Missing(_) => return Ok(Written::Done),
                    ClusterProblem::Stale(_) => {}
                    ClusterProblem::Unknown(_) => unsure.set(true),
                    _ => return Err(error.into()),
                },
            }
        }
        Err(unsettled(object))
    }
}

/// A newer run has written the object: ours is over.
pub(super) fn fenced(object: &ObjectRef, live: &Value, epoch: u64) -> Result<(), Halt> {
    match epoch_of(live) {
        Some(newer) if newer > epoch => Err(Halt::Superseded(format!(
            "{object} carries epoch {newer}, newer than ours ({epoch}): another run has taken over"
        ))),
        _ => Ok(()),
    }
}

/// The uid of an object that the lock does not name.
pub(super) fn unnamed(live: &Value, lock: &Lock) -> Option<String> {
    let uid = uid_of(live);
    (!lock.named.contains(&uid)).then_some(uid)
}

fn uid_of(live: &Value) -> String {
    at(live, "/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// How a missing object is created: without pods, to be scaled by a later
/// write; what is there only while traffic is shared, without any. A scale to
/// nothing of a missing object is done, and so is any scale of one that this
/// very step goes on to delete: it may have done so before its run was killed,
/// and then its pods would come again.
fn inert(verb: Verb, driven: &Driven, body: &Value, leaves: bool) -> Option<Driven> {
    let mut inert = driven.clone();
    match (verb, driven.replicas) {
        (Verb::Scale, Some(replicas)) if replicas == 0 || leaves => return None,
        (Verb::Scale, None) if driven.nodes == Some(OnNodes::Nowhere) => return None,
        (_, Some(0) | None) => {}
        (_, Some(_)) => inert.replicas = Some(0),
    }
    inert.split = inert.split.map(|split| if is_made(body) { split.nothing() } else { split });
    Some(inert)
}

/// Whether the step goes on to delete an object.
fn leaves(act: &Act, index: usize, object: &ObjectRef) -> bool {
    let after = act.step.effects.iter().skip(index);
    after.into_iter().any(|e| matches!(e, Effect::Delete { object: gone, .. } if gone == object))
}

/// Also what drives no size is created without pods: no stamp can fence off the
/// late creation of what is not there. The same effect then writes its size.
fn without_pods(kind: Option<&WorkloadKind>, driven: Driven) -> Driven {
    match kind.map(|kind| kind.shape) {
        Some(Shape::Nodes) => Driven { nodes: Some(OnNodes::Nowhere), ..driven },
        Some(_) => Driven { replicas: Some(0), ..driven },
        None => driven,
    }
}

fn unsettled(object: &ObjectRef) -> Halt {
    RunError::new(
        Class::NotRecorded,
        format!("{object} changed under every one of {MAX_TRIES} writes"),
        "`tranche apply` again; find out who else writes it (`kubectl get -o yaml \
         --show-managed-fields`)",
    )
    .into()
}
