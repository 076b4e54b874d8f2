//! The intent: winning its push is the lock.

use super::outcome::Halt;
use super::{Engine, Reading, WRITE_LEASE};
use crate::core::decide::{Act, Entry, Intended, intended};
use crate::core::object::ObjectRef;
use crate::core::record::{CommitPhase, EntityRecord, NamedObject, effects_body, intent_subject};
use crate::core::strategy::EntityKey;
use crate::port::{Clock, Ports};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A won lock.
#[derive(Clone, Debug)]
pub(super) struct Lock {
    /// The fencing token.
    pub(super) epoch: u64,
    /// Until when this run may write.
    pub(super) until: Timestamp,
    /// The uids that the intent names; a created object is added once the tip
    /// has shown the intent still open.
    pub(super) named: BTreeSet<String>,
}

impl<P: Ports> Engine<'_, P> {
    /// Takes the lock for a step, from `cursor` on.
    pub(super) async fn lock(
        &self,
        reading: &mut Reading,
        key: &EntityKey,
        act: &Act,
        record: &EntityRecord,
        cursor: usize,
    ) -> Result<(Lock, EntityRecord), Halt> {
        let live = self.live_of(act).await?;
        let epoch = reading.tip.as_ref().map_or(0, |tip| tip.trailers.seq) + 1;
        // A takeover is not asked about: what its holder left half done has
        // to be brought to a boundary first.
        if act.entry != Entry::Takeover {
            self.checked(key, act, cursor, epoch, &live).await?;
        }
        self.anchored(reading).await?;
        let now = self.ports.clock().now().await?;
        let lease = jiff::SignedDuration::try_from(WRITE_LEASE).unwrap_or_default();
        let until = now.checked_add(lease).unwrap_or(now);
        let objects = named(act, &live, record);
        let uids = objects.iter().filter_map(|named| named.uid.clone()).collect();
        let next = intended(
            record,
            &act.step,
            Intended {
                cursor,
                step_plan: &act.step_plan,
                epoch,
                holder: self.ports.process().holder(),
                lease_until: until,
                objects,
            },
        );
        let subject = intent_subject(&next, &act.step, act.entry == Entry::Takeover);
        let body = effects_body(&act.step);
        self.step_commit(reading, &next, &act.step, CommitPhase::Intent, &subject, &body).await?;
        self.won.set(true);
        Ok((Lock { epoch, until, named: uids }, next))
    }

    /// Every object of a step that exists.
    pub(super) async fn live_of(&self, act: &Act) -> Result<BTreeMap<ObjectRef, Value>, Halt> {
        let mut live = BTreeMap::new();
        for effect in &act.step.effects {
            self.look_at(effect.object(), &mut live).await?;
        }
        Ok(live)
    }
}

/// Every object of a step, with uid and generation where it exists, and every
/// object of the intent before it: the list only grows while a step is open.
pub(super) fn named(
    act: &Act,
    live: &BTreeMap<ObjectRef, Value>,
    record: &EntityRecord,
) -> Vec<NamedObject> {
    let mut all: BTreeMap<ObjectRef, NamedObject> = BTreeMap::new();
    let before = record.open.iter().flat_map(|open| &open.objects);
    for named in before {
        all.insert(named.object.clone(), named.clone());
    }
    for effect in &act.step.effects {
        let object = effect.object();
        let found = live.get(object);
        let text = |p: &str| found.and_then(|l| l.pointer(p)).and_then(Value::as_str);
        let named = NamedObject {
            object: object.clone(),
            uid: text("/metadata/uid").map(str::to_owned),
            generation: found
                .and_then(|l| l.pointer("/metadata/generation"))
                .and_then(Value::as_u64),
        };
        all.insert(object.clone(), named);
    }
    all.into_values().collect()
}
