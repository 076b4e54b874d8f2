//! What is due for each entity, and whether it may be done. Owns the look
//! before the lock; it must never write anything, dry-runs aside.

use super::course::{Course, Want};
use super::outcome::{Class, Halt, Rest};
use super::sweep::Sweep;
use super::{Engine, ReadSet, Reading, RunError};
use crate::core::decide::{Act, Decision, Entry, Idle};
use crate::core::object::{Live, ObjectRef};
use crate::core::record::{EntityRecord, OpenStep, Phase};
use crate::core::strategy::{Effect, EntityKey};
use crate::port::{Objects, Ports, Remote};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is due for one entity.
pub(super) enum Due {
    /// Nothing now.
    Nothing(Rest),
    /// Nothing as long as another entity's step is open over its objects.
    Held(EntityKey, Rest),
    /// A commit about it, won by a push, before anything else.
    Decision(Box<Link>),
    /// An open step is looked at, without the lock.
    Look(Box<Act>),
}

/// A decision that becomes a commit of the round's chain.
pub(super) struct Link {
    pub(super) key: EntityKey,
    pub(super) content: LinkContent,
    /// The entity's record as it is.
    pub(super) before: Option<Rc<EntityRecord>>,
    /// What the decision rests on.
    pub(super) reads: ReadSet,
}

/// What a decision is.
pub(super) enum LinkContent {
    /// An intent for a step, from an effect on.
    Intent { act: Box<Act>, cursor: usize, live: Live },
    /// A change of the record outside any step, and its subject.
    Amend(Box<EntityRecord>, String),
}

/// The objects of all open steps, by who works on them.
pub(super) struct Held(BTreeMap<ObjectRef, Rc<(EntityKey, OpenStep)>>);

impl Held {
    /// Who else has an open step over any object that a link would write.
    pub(super) fn by_other(&self, link: &Link) -> Option<&(EntityKey, OpenStep)> {
        let LinkContent::Intent { act, .. } = &link.content else { return None };
        act.step
            .effects
            .iter()
            .filter_map(|effect| self.0.get(effect.claimed()?))
            .map(Rc::as_ref)
            .find(|(holder, _)| *holder != link.key)
    }
}

impl<P: Ports> Engine<'_, P> {
    /// The objects that open steps name, at a reading.
    pub(super) fn held(&self, reading: &Reading) -> Result<Held, RunError> {
        let mut held = BTreeMap::new();
        let rows = self.rows_at(reading.tip.as_ref().map(|tip| &tip.commit))?;
        for (record, _) in rows.iter() {
            let Some(open) = &record.open else { continue };
            let holder = Rc::new((record.entity.clone(), open.clone()));
            for named in &open.objects {
                held.insert(named.object.clone(), Rc::clone(&holder));
            }
        }
        Ok(Held(held))
    }

    /// Observes an entity, decides, and asks whether the next step may be
    /// done.
    pub(super) async fn survey(
        &self,
        reading: &Reading,
        held: &Held,
        course: &Course,
        sweep: &Sweep,
    ) -> Result<Due, Halt> {
        let key = &course.key;
        let snapshot = self.snapshot(reading);
        self.has_believable_epoch(reading, &snapshot, key)?;
        let decision = self.decide(reading, &snapshot, key, sweep).await?;
        let (act, cursor) = match decision {
            Decision::Idle(idle) => return Ok(Due::Nothing(rest(key, idle))),
            Decision::Refuse(refusal) => return Err(self.refused(reading, key, refusal).into()),
            Decision::Amend(record, subject) => {
                let content = LinkContent::Amend(record, subject);
                let before = snapshot.entity(key)?;
                let reads = snapshot.read_set();
                let link = Link { key: key.clone(), content, before, reads };
                return Ok(Due::Decision(Box::new(link)));
            }
            Decision::Act(act) => {
                self.was_reviewed(reading, key, &act)?;
                if let Some(route) = self.leads_there(reading, &snapshot, key, &act).await? {
                    let message = format!(
                        "{key}: waiting, {route} is not yet as the plan has it, and may still lead \
                         requests to what is to be deleted"
                    );
                    return Ok(Due::Nothing(Rest::awaiting(message)));
                }
                let cursor = match act.entry {
                    Entry::Fresh | Entry::Takeover => Some(act.cursor),
                    Entry::Resume => wanted(course.wants.as_ref(), &act),
                };
                (act, cursor)
            }
        };
        let Some(cursor) = cursor else { return Ok(Due::Look(act)) };
        let live = match sweep.entities.contains(key) {
            true => {
                let mut live = sweep.live_of(&act);
                // What is to be deleted is none of the plan's.
                let more = act.step.effects.iter().filter_map(|effect| match effect {
                    Effect::Delete { object, .. } => Some(object),
                    effect => Some(effect.object()).filter(|o| sweep.unchanged.contains(o)),
                });
                self.look_at(more, &mut live).await?;
                live
            }
            false => self.live_of(&act).await?,
        };
        let entry = act.entry;
        let content = LinkContent::Intent { act, cursor, live };
        let before = snapshot.entity(key)?;
        let link = Link { key: key.clone(), content, before, reads: snapshot.read_set() };
        if let Some((holder, open)) = held.by_other(&link) {
            return Ok(Due::Held(holder.clone(), held_by(key, holder, open)));
        }
        // A takeover is not asked about: what its holder left half done has
        // to be brought to a boundary first.
        if let LinkContent::Intent { act, live, .. } = &link.content
            && entry != Entry::Takeover
        {
            let begins = link.before.as_ref().is_none_or(|b| b.attempt != act.record.attempt);
            if entry == Entry::Fresh && begins && !self.has_its_size(act).await? {
                return Err(Halt::Again);
            }
            self.checked(key, act, cursor, live, sweep).await?;
        }
        Ok(Due::Decision(Box::new(link)))
    }

    /// A refusal counts only if nobody has written to the record since it was
    /// read: what it finds on the cluster may be another run's doing, which an
    /// older record knows nothing of. Else the entity is decided anew.
    pub(super) async fn doubt_refusals(
        &self,
        reading: &Reading,
        surveyed: &mut [Result<Due, Halt>],
    ) -> Result<(), RunError> {
        if !surveyed.iter().any(|due| matches!(due, Err(Halt::Error(_)))) {
            return Ok(());
        }
        // What was refused stays so where the record cannot be read again.
        let Ok(Some(newest)) = self.newest_record().await else { return Ok(()) };
        let known = match &reading.tip {
            Some(tip) => self.ports.remote().objects().contains(&tip.commit, &newest)?,
            None => false,
        };
        if known {
            return Ok(());
        }
        for due in surveyed {
            if let Err(Halt::Error(error)) = due {
                *due = Err(Halt::Outdated(error.clone()));
            }
        }
        Ok(())
    }
}

/// The effect to take a lock from, if the last round found that the open step
/// needs one. What another run has made of the step since has to be looked at.
fn wanted(want: Option<&Want>, act: &Act) -> Option<usize> {
    let epoch = act.record.open.as_ref().map_or(0, |open| open.epoch);
    let found = |want: &&Want| want.step == *act.step.id() && want.epoch == epoch;
    want.filter(found).map(|want| want.cursor)
}

fn held_by(key: &EntityKey, holder: &EntityKey, open: &OpenStep) -> Rest {
    let class = match open.phase {
        Phase::Intent => Class::Busy,
        Phase::Waiting => Class::Waiting,
    };
    Rest::of(
        class,
        format!(
            "{key}: step {} of {holder} is open over the same objects; `tranche apply` goes on once it \
         is over",
            open.id
        ),
    )
}

fn rest(key: &EntityKey, idle: Idle) -> Rest {
    match idle {
        Idle::Done => Rest::of(Class::Done, ""),
        Idle::Waiting { reason } => Rest::of(Class::Waiting, format!("{key}: {reason}")),
        Idle::Held { reason, until } => Rest::held(format!("{key}: {reason}"), until),
        Idle::Failed { reason } => Rest::of(Class::RolledBack, format!("{key}: {reason}")),
        Idle::Busy { step, holder, until } => RunError::new(
            Class::Busy,
            format!("{key}: run {} is writing, at most until {until}", holder.run),
            format!(
                "`tranche apply` goes on after that; if that run is gone for certain, `tranche \
                 unlock {step}` lets the next one take over at once"
            ),
        )
        .into(),
    }
}
