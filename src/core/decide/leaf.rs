//! One object of an entity as it stands on the cluster. Owns which revision it
//! is of and whether that is the one that is wanted, by the marks that our own
//! writes leave; it must never ask a cluster.

use crate::core::health::{Around, Health, health_of};
use crate::core::object::{ObjectRef, at};
use crate::core::record::{EntityRecord, RevisionRef};
use crate::core::strategy::workload::Pods;
use crate::core::strategy::{EntityKind, entity_of, mark_of, revision_of};
use serde_json::Value;
use std::fmt;

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The object.
    pub object: ObjectRef,
    /// How it stands to what is wanted.
    pub standing: Stands,
    /// The revision that it is of, where that can be told.
    pub revision: Option<String>,
    /// A workload's pods.
    pub pods: Option<Pods>,
    /// Why it is not healthy, or could not be read.
    pub words: Option<String>,
    /// It is there only while the rollout is under way.
    pub passing: bool,
}

/// How an object stands to what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It is as the revision that is reached has it.
    Updated,
    /// It is of another revision, or its write is due.
    Outdated,
    /// It is not there.
    Missing,
    /// It is being deleted.
    Terminating,
    /// It is there, and of somebody else.
    Foreign,
    /// It could not be read.
    Unread,
}

impl fmt::Display for Stands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Updated => "updated",
            Self::Outdated => "outdated",
            Self::Missing => "missing",
            Self::Terminating => "terminating",
            Self::Foreign => "not ours",
            Self::Unread => "unread",
        })
    }
}

impl Leaf {
    /// An object that could not be read.
    #[must_use]
    pub fn unread(object: &ObjectRef, why: String) -> Self {
        Self { words: Some(why), ..Self::bare(object, Stands::Unread) }
    }

    fn bare(object: &ObjectRef, standing: Stands) -> Self {
        let object = object.clone();
        Self { object, standing, revision: None, pods: None, words: None, passing: false }
    }

    /// An object of an entity, as it was read; `around` are the plan's rules of
    /// health and its kinds of workload.
    #[must_use]
    pub fn of(
        record: &EntityRecord,
        object: &ObjectRef,
        live: Option<&Value>,
        around: &Around<'_>,
    ) -> Self {
        let Some(live) = live else { return Self::bare(object, Stands::Missing) };
        let mut leaf = Self::bare(object, Stands::Foreign);
        leaf.pods = around.kind(object).map(|kind| kind.read(live));
        if entity_of(live).as_ref() != Some(&record.entity) {
            return leaf;
        }
        leaf.revision = revision(record, live);
        leaf.standing = if at(live, "/metadata/deletionTimestamp").is_some() {
            Stands::Terminating
        } else if is_wanted(record, object, live) {
            Stands::Updated
        } else {
            Stands::Outdated
        };
        let verdict = health_of(object, live, around);
        let well = verdict.health == Health::Current || verdict.unruled;
        leaf.words = (!well).then_some(verdict.words);
        leaf
    }
}

/// The revision that an object's mark names.
fn revision(record: &EntityRecord, live: &Value) -> Option<String> {
    if record.entity.kind != EntityKind::Rollout {
        // What does not differ is not written again, and keeps an earlier mark.
        return record.target.as_ref().map(|target| target.name.clone());
    }
    let mark = revision_of(live)?;
    let known = [&record.target, &record.source, &record.stable].into_iter().flatten();
    let named = known.into_iter().find(|known| is(known, mark));
    Some(named.map_or_else(|| format!("revision {mark}"), |known| known.name.clone()))
}

fn is(revision: &RevisionRef, mark: &str) -> bool {
    revision.digest.short() == mark
}

/// Whether an object is as it is to be. Of what is applied as it stands only
/// the open step has anything to write.
fn is_wanted(record: &EntityRecord, object: &ObjectRef, live: &Value) -> bool {
    if record.entity.kind == EntityKind::Rollout {
        let mark = revision_of(live);
        let going_back = record.status.rolling_state.going_back();
        let is_over = record.status.rolling_state.terminal();
        let wanted = if going_back || is_over { &record.stable } else { &record.target };
        let wanted = wanted.as_ref().or(record.target.as_ref());
        return wanted.zip(mark).is_some_and(|(wanted, mark)| is(wanted, mark));
    }
    let Some(open) = &record.open else { return true };
    let named = open.objects.iter().any(|named| named.object == *object);
    !named || mark_of(live).is_some_and(|(step, _)| step == open.id)
}
