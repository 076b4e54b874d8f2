//! Waits for pods whose number is not the step's to say. Owns that a Service
//! which is pinned to a workload is waited for to reach as many pods as that
//! wants now: an autoscaler may have scaled it in since the rollout began. It
//! must never ask for more than the step does.

use super::Engine;
use super::outcome::Halt;
use super::work::Work;
use crate::core::strategy::{Condition, Pin, workload};
use crate::port::{Cluster, Ports};

impl<P: Ports> Engine<'_, P> {
    /// What a Service that is pinned to the workload that keeps its name is waited
    /// for to reach, where that wants fewer pods by now; none where all are waited
    /// for.
    pub(super) async fn left_to_reach(
        &self,
        work: &Work,
        condition: &Condition,
    ) -> Result<Option<Condition>, Halt> {
        let Condition::Reaches { of: Pin::Template { .. }, at_least, .. } = condition else {
            return Ok(None);
        };
        let Some(kept) = work.act.table.tried_beside() else { return Ok(None) };
        let Some(kind) = workload::of(&kept.kind_ref()) else { return Ok(None) };
        let Some(live) = self.ports.cluster().get(kept).await? else { return Ok(None) };
        let wanted = (kind.read)(&live).wanted;
        let mut lessened = condition.clone();
        if let Condition::Reaches { at_least, .. } = &mut lessened {
            *at_least = wanted;
        }
        Ok((wanted < *at_least).then_some(lessened))
    }
}
