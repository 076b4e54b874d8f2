//! Steps that only delete: leftovers, and what the plan leaves out. Owns how they
//! are compiled and closed; it must never choose what is deleted.

use super::open::not_compiled;
use super::{Act, Decision, Entry, Refusal};
use crate::core::object::ObjectRef;
use crate::core::record::{EntityRecord, OpenStep};
use crate::core::strategy::{COMPILER, Effect, EntityKey, Step, StepContext, StepKind};
use std::sync::Arc;

/// What such a step is for.
#[derive(Clone, Copy)]
pub(super) struct Removal<'a> {
    pub(super) project: &'a str,
    pub(super) target: &'a str,
    pub(super) key: &'a EntityKey,
    pub(super) record: &'a EntityRecord,
    pub(super) kind: StepKind,
    /// What tells it from the same step of another time.
    pub(super) round: u32,
}

impl Removal<'_> {
    /// The step that deletes objects by their uids, in this order; none without
    /// objects.
    pub(super) fn step(&self, gone: Vec<(ObjectRef, String)>) -> Option<Step> {
        let revision = self.record.target.as_ref()?.digest.clone();
        if gone.is_empty() {
            return None;
        }
        let effects = gone.into_iter();
        let effects = effects.map(|(object, uid)| Effect::Delete { object, uid: Some(uid) });
        let context = Arc::new(StepContext {
            project: self.project.to_owned(),
            target: self.target.to_owned(),
            entity: self.key.clone(),
            source: None,
            revision,
            attempt: self.record.attempt,
            round: self.round,
            compiler: COMPILER,
        });
        Some(context.step(self.kind, effects.collect(), 0))
    }

    /// An open one that nobody is at any more: nothing of it is done again. It is
    /// closed once its objects are fenced, and what is left is found anew. What it
    /// deletes stands in its intent, so it is compiled again from that, in the
    /// order that `sort` makes.
    pub(super) fn reopened(
        &self,
        open: &OpenStep,
        entry: Entry,
        sort: fn(&mut [(ObjectRef, String)]),
    ) -> Result<Decision, Refusal> {
        let named = open.objects.iter();
        let named = named.filter_map(|named| Some((named.object.clone(), named.uid.clone()?)));
        let mut gone: Vec<_> = named.collect();
        sort(&mut gone);
        if self.step(gone).is_none_or(|begun| *begun.id() != open.id) {
            return Err(not_compiled(self.key, open));
        }
        let step = Step::named(open.id.clone(), self.kind);
        let act = Act::bare(entry, step, self.record.clone(), open.step_plan.clone());
        Ok(Decision::Act(Box::new(act)))
    }
}
