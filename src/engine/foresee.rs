//! What a preview shows of lanes before their time. Owns which state of a lane
//! that is; it dry-runs as any preview, and must never write.

use super::preview::{PreviewEntity, empty};
use super::sweep::Sweep;
use super::{Engine, Reading, RunError};
use crate::core::approval::SavedObject;
use crate::core::decide::Decision;
use crate::core::strategy::EntityKind;
use crate::port::Ports;

impl<P: Ports> Engine<'_, P> {
    /// What lanes at which nothing is due become once the rollouts that are to
    /// begin are in them: a reviewer sees it with the steps that bring it about.
    pub(super) async fn foresee_lanes(
        &self,
        reading: &Reading,
        sweep: &Sweep,
        entities: &mut [PreviewEntity],
    ) -> Result<(), RunError> {
        let loaded = reading.loaded()?;
        for at in 0..entities.len() {
            let Some(key) = entities.get(at).filter(|e| e.rest.is_some()).map(|e| e.key.clone())
            else {
                continue;
            };
            if key.kind != EntityKind::Lane {
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
            let Decision::Act(act) = self.foreseen(reading, &snapshot, &key, &content).await?
            else {
                continue;
            };
            let mut found = self.differences((reading, &key), &act, sweep).await?;
            let mut patches: Vec<SavedObject> =
                found.iter_mut().filter_map(|found| found.patch.take()).collect();
            self.name_sources(reading, &key, &act, &mut patches)?;
            let refusals = found.iter_mut().filter_map(|found| found.refusal.take()).collect();
            let objects = found.into_iter().filter_map(|found| found.shown).collect();
            let names: Vec<&str> = coming.iter().map(|member| member.rollout.as_str()).collect();
            let warning = format!("once the first step of {} is done", names.join(", "));
            let (record, steps) = (Some(act.record), vec![act.step]);
            let (rest, warnings) = (None, vec![warning]);
            if let Some(entity) = entities.get_mut(at) {
                let foreseen = PreviewEntity { record, steps, rest, warnings, ..empty(&key) };
                *entity = PreviewEntity { objects, refusals, patches, ..foreseen };
            }
        }
        Ok(())
    }
}
