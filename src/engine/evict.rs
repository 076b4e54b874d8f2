//! Evictions of one effect: look, choose, evict by uid, look again. Owns what
//! is done where a pod may not go yet; which pods may go is decided in
//! `core/strategy/evicting.rs`, and it must never remember any of them.

use super::outcome::Halt;
use super::watch::Watch;
use super::work::{End, Pace, Work};
use super::write::{fenced, unnamed};
use super::{Class, Engine, RunError};
use crate::core::object::{ObjectRef, at};
use crate::core::strategy::{Effect, Evicting, evicting, holds_pods, holds_revisions};
use crate::port::{Clock, Cluster, ClusterProblem, Ports, Progress};
use serde_json::Value;

/// How often evictions may stay without a definite answer.
const MAX_UNSURE: u32 = 5;

impl<P: Ports> Engine<'_, P> {
    /// Evicts what may go now. Without the lock it finds out whether anything may:
    /// what has to wait for pods or for a budget is not a reason to take it.
    pub(super) async fn evict_some(
        &self,
        watch: &Watch,
        work: &mut Work,
        effect: &Effect,
    ) -> Result<Pace, Halt> {
        let Effect::Evict { object, at_most, at_once, .. } = effect else { return Ok(Pace::Going) };
        let now = self.ports.clock().now().await?;
        work.arrives(now);
        let Some(live) = self.ports.cluster().get(object).await? else {
            return Ok(work.undone(object, format!("{object} is not there")));
        };
        if work.unwritten(object, &live) {
            let seen = format!("{object} was not written by this step yet");
            return Ok(work.undone(object, seen));
        }
        let labels = selected(&live);
        let (cluster, namespace) = (self.ports.cluster(), object.namespace.as_deref());
        let pods = cluster.list(&holds_pods(), namespace, &labels).await?;
        let revisions = cluster.list(&holds_revisions(), namespace, &labels).await?;
        let found = evicting(&live, &pods, &revisions, (*at_most, *at_once));
        if found.done {
            work.go_to(work.cursor + 1);
            return Ok(Pace::Going);
        }
        let seen = format!("{object}: {}", found.seen);
        if found.now.is_empty() {
            return Ok(work.not_yet(seen, now));
        }
        let Some(lock) = work.lock.clone() else {
            // The budget's word, before anybody is kept from the entity for it.
            return Ok(match self.held_by_budget(&found).await? {
                Some(why) => work.not_yet(format!("{seen}; {why}"), now),
                None => Pace::Over(End::Unlocked),
            });
        };
        fenced(object, &live, lock.epoch)?;
        if let Some(uid) = unnamed(&live, &lock) {
            self.heed_now(watch, work).await?;
            work.confirm(vec![uid]);
            return Ok(Pace::Going);
        }
        self.evict_these(watch, work, (object, seen, found)).await
    }

    /// Evicts pods, one after the other, as long as this run may write and none
    /// is refused.
    async fn evict_these(
        &self,
        watch: &Watch,
        work: &mut Work,
        (object, seen, found): (&ObjectRef, String, Evicting),
    ) -> Result<Pace, Halt> {
        for (pod, uid) in found.now {
            if let Some(stop) = self.may_not_write(watch, work).await? {
                return Ok(stop);
            }
            self.ports.audience().hear(&Progress::Effect(format!("evict {pod}")));
            let Err(error) = self.ports.cluster().evict(&pod, &uid, false).await else {
                work.wrote = true;
                continue;
            };
            match error.problem {
                // Gone, or another one of its name by now.
                ClusterProblem::Missing(_) | ClusterProblem::Stale(_) => {}
                ClusterProblem::Budget(why) => {
                    let now = self.ports.clock().now().await?;
                    return Ok(work.not_yet(format!("{seen}; {pod}: {why}"), now));
                }
                // It may go yet. By its uid it goes once, whoever asks again.
                ClusterProblem::Unknown(why) if work.unsure() < MAX_UNSURE => {
                    self.ports.audience().hear(&Progress::Looking(why));
                    break;
                }
                ClusterProblem::Unknown(why) => {
                    return Err(RunError::new(
                        Class::NotRecorded,
                        format!("{object}: the eviction of {pod} has no definite answer: {why}"),
                        "`tranche apply` again looks which pods are left, and goes on from there",
                    )
                    .into());
                }
                _ => return Err(error.into()),
            }
        }
        Ok(Pace::Going)
    }

    /// Why the first pod that is to go may not, if a budget says so.
    async fn held_by_budget(&self, found: &Evicting) -> Result<Option<String>, Halt> {
        let Some((pod, uid)) = found.now.first() else { return Ok(None) };
        match self.ports.cluster().evict(pod, uid, true).await {
            Ok(()) => Ok(None),
            Err(error) => match error.problem {
                ClusterProblem::Budget(why) => Ok(Some(format!("{pod}: {why}"))),
                // Only the eviction itself tells.
                ClusterProblem::Missing(_)
                | ClusterProblem::Stale(_)
                | ClusterProblem::NoDryRun(_) => Ok(None),
                _ => Err(error.into()),
            },
        }
    }
}

/// The labels that an object's own selector asks for; what it asks for besides
/// is told by its uid.
fn selected(live: &Value) -> Vec<(String, String)> {
    let labels = at(live, "/spec/selector/matchLabels").and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    labels.into_iter().flatten().filter_map(pair).collect()
}
