//! What a preview shows of lanes before their time. Owns which state of a lane
//! that is; it dry-runs as any preview, and must never write.

use super::preview::{Difference, PreviewEntity, empty};
use super::sweep::Sweep;
use super::{Engine, Reading, RunError};
use crate::core::approval::SavedObject;
use crate::core::decide::Decision;
use crate::core::object::ObjectRef;
use crate::core::strategy::{Effect, EntityKind};
use crate::port::Ports;
use std::collections::BTreeSet;

impl<P: Ports> Engine<'_, P> {
    /// What lanes at which nothing is due, but for leftovers that are removed,
    /// become once the rollouts that are to begin are in them: a reviewer sees it
    /// with the steps that bring it about.
    pub(super) async fn foresee_lanes(
        &self,
        reading: &Reading,
        sweep: &Sweep,
        entities: &mut [PreviewEntity],
    ) -> Result<(), RunError> {
        let loaded = reading.loaded()?;
        for at in 0..entities.len() {
            let Some(entity) = entities.get(at).filter(|e| e.key.kind == EntityKind::Lane) else {
                continue;
            };
            let key = entity.key.clone();
            // None where it rests.
            let removals = entity.steps.clone();
            let rests = entity.rest.is_some() || !removals.is_empty();
            if !rests || !removals.iter().all(|step| step.kind.only_deletes()) {
                continue;
            }
            let snapshot = self.snapshot(reading);
            let coming = self.coming(loaded, &snapshot, &key, entities)?;
            if coming.is_empty() {
                continue;
            }
            let mut members = self.members(loaded, &snapshot, &key)?;
            members.extend(coming.iter().cloned());
            members.sort();
            let Some(content) = self.lane_content(loaded, &key, &members, &|_| true) else {
                continue;
            };
            let Decision::Act(mut act) = self.foreseen(reading, &snapshot, &key, &content).await?
            else {
                continue;
            };
            if let Some((first, more)) = removals.split_first() {
                let opened = std::mem::replace(&mut act.step, first.clone());
                act.upcoming = more.iter().cloned().chain([opened]).collect();
            }
            let mut found = self.differences((reading, &key), &act, sweep).await?;
            let mut patches: Vec<SavedObject> =
                found.iter_mut().filter_map(|found| found.patch.take()).collect();
            self.name_sources(reading, &key, &act, &mut patches)?;
            // What is removed first is in nobody's way.
            let gone: BTreeSet<&ObjectRef> =
                removals.iter().flat_map(|step| &step.effects).map(Effect::object).collect();
            let meets = |found: &&mut Difference| {
                found.shown.as_ref().is_none_or(|shown| !gone.contains(&shown.object))
            };
            let refusals = found.iter_mut().filter(meets);
            let refusals = refusals.filter_map(|found| found.refusal.take());
            let refusals = refusals.chain(entity.refusals.clone()).collect();
            let objects = found.into_iter().filter_map(|found| found.shown).collect();
            let names: Vec<&str> = coming.iter().map(|member| member.rollout.as_str()).collect();
            let warning = format!("once the first step of {} is done", names.join(", "));
            let steps = std::iter::once(act.step).chain(act.upcoming).collect();
            let warnings = entity.warnings.iter().cloned().chain([warning]).collect();
            let (record, rest) = (Some(act.record), None);
            if let Some(entity) = entities.get_mut(at) {
                let foreseen = PreviewEntity { record, steps, rest, warnings, ..empty(&key) };
                *entity = PreviewEntity { objects, refusals, patches, ..foreseen };
            }
        }
        Ok(())
    }
}
