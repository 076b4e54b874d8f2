//! Calls of hooks, effects like others: under the lock, never while an abort is
//! pending, at least once and always with the same key. Owns when one is made
//! and what its answer is worth; it must never say more of a hook than its name
//! and its host.

use super::outcome::Halt;
use super::watch::Watch;
use super::whence::{first_of, is_wait, nearest_await};
use super::work::{End, Pace, Work};
use super::{Engine, WRITE_LEASE};
use crate::core::decide::RollingState;
use crate::core::model::{Hook, HookType};
use crate::core::strategy::{Effect, StepKind};
use crate::port::{Clock, HookAnswer, HookRequest, Ports, Progress};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// Between two calls of one hook in one round.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// How long a run leaves a hook alone that did not answer as expected, before it
/// takes the lock for it again.
const NEXT_TURN: SignedDuration = SignedDuration::from_secs(30);

impl Work {
    /// When a hook that did not answer as expected is called again.
    pub(super) fn calls_at(&self) -> Option<Timestamp> {
        if !self.calls() {
            return None;
        }
        if self.lock.is_some() {
            return self.answered.as_ref().map(|(at, _)| *at);
        }
        // What the plan wants by now does not wait for it.
        if self.act.hurries {
            return None;
        }
        // Each turn is two commits on the record: with `--wait` they would be many.
        let open = self.record.open.as_ref().filter(|_| self.had_its_turn)?;
        let lease = SignedDuration::try_from(WRITE_LEASE).ok()?;
        open.lease_until.checked_sub(lease).ok()?.checked_add(NEXT_TURN).ok()
    }

    /// Whether the cursor stands at a call.
    pub(super) fn calls(&self) -> bool {
        matches!(self.effect(), Some(Effect::Call { .. }))
    }

    /// Whether it is only to be told that all is done: nothing is won by going
    /// back where nobody hears it.
    pub(super) fn tells_the_end(&self) -> bool {
        self.effect().is_some_and(Effect::tells_the_end)
    }
}

impl<P: Ports> Engine<'_, P> {
    /// Makes the call at the cursor, under a lock that was just seen to hold.
    pub(super) async fn call(&self, watch: &Watch, work: &mut Work) -> Result<Pace, Halt> {
        let now = self.ports.clock().now().await?;
        if let Some((at, seen)) = work.answered.clone().filter(|(at, _)| now < *at) {
            work.answered = Some((at, seen.clone()));
            return Ok(Pace::Blocked(seen));
        }
        if let Some(pace) = self.unfounded(work).await? {
            return Ok(pace);
        }
        // An abort that was decided a moment ago counts.
        self.heed_now(watch, work).await?;
        if work.aborting {
            return Ok(Pace::Going);
        }
        let Some(effect @ Effect::Call { hook, .. }) = work.act.step.effects.get(work.cursor)
        else {
            return Ok(Pace::Going);
        };
        self.ports.audience().hear(&Progress::Effect(effect.to_string()));
        let key = format!("{}/{}", work.act.step.id(), work.cursor);
        let body = json!({
            "name": work.key.name,
            "namespace": work.key.namespace,
            "phase": phase(work.act.step.kind, hook, work.record.status.rolling_state),
            "metadata": hook.metadata,
        });
        let body = body.to_string();
        let (url, method) = (hook.url.as_str(), hook.method.as_str());
        let request = HookRequest { url, method, key: &key, body: &body };
        let answer = self.ports.hooks().call(request).await;
        let missed = match answer {
            HookAnswer::Status(status) if hook.expects(status) => None,
            HookAnswer::Status(status) => {
                Some(format!("{hook} answered {status}, expected {}", hook.expectation()))
            }
            HookAnswer::None(why) => Some(format!("{hook} did not answer: {why}")),
            HookAnswer::Skipped => {
                let text = format!("{}: not called in the sandbox: {hook}", work.key);
                self.ports.audience().hear(&Progress::Notice(text));
                None
            }
        };
        // Whoever was called may have done something by now.
        work.wrote = true;
        let Some(seen) = missed else {
            work.go_to(work.cursor + 1);
            return Ok(Pace::Going);
        };
        self.ports.audience().hear(&Progress::Looking(seen.clone()));
        let now = self.ports.clock().now().await?;
        let over = work.deadline().is_some_and(|deadline| now >= deadline);
        if work.tells_the_end() && (over || work.act.hurries) {
            self.untold(work, &seen);
            return Ok(Pace::Going);
        }
        if over {
            return Ok(Pace::Over(End::Failed(seen)));
        }
        work.answered = Some((now.saturating_add(AGAIN).unwrap_or(now), seen.clone()));
        Ok(Pace::Blocked(seen))
    }

    /// What is to be done needs the lock; a call that was made in vain waits for
    /// its next turn.
    pub(super) async fn without_lock(&self, work: &Work) -> Result<Pace, Halt> {
        let now = self.ports.clock().now().await?;
        let due = work.calls_at().is_none_or(|at| now >= at);
        let reason = work.record.open.as_ref().and_then(|open| open.reason.clone());
        Ok(match reason.filter(|_| !due) {
            Some(reason) => Pace::Blocked(reason),
            None => Pace::Over(End::Unlocked),
        })
    }

    /// Goes on without the last call.
    fn untold(&self, work: &mut Work, seen: &str) {
        let text = format!("{}: nobody has heard of the end: {seen}", work.key);
        self.ports.audience().hear(&Progress::Notice(text));
        work.go_to(work.cursor + 1);
    }

    /// A call says that what the step has waited for is so: if it is not, there
    /// is nothing to say yet. One look, since nothing is taken away by it.
    async fn unfounded(&self, work: &mut Work) -> Result<Option<Pace>, Halt> {
        let now = self.ports.clock().now().await?;
        for wait in standing_waits(&work.act.step.effects, work.cursor) {
            let look = self.look(work, &wait, now).await?;
            if look.set_back {
                return Ok(Some(work.undone(wait.object(), look.seen)));
            }
            if !look.met {
                let over = work.deadline().is_some_and(|deadline| now >= deadline);
                // Something else is wanted by now, which may be what brings it.
                if work.tells_the_end() && work.act.hurries {
                    self.untold(work, &look.seen);
                    return Ok(Some(Pace::Going));
                }
                let over = over && !work.tells_the_end();
                return Ok(Some(match over {
                    true => Pace::Over(End::Failed(look.seen)),
                    false => Pace::Blocked(look.seen),
                }));
            }
        }
        Ok(None)
    }
}

/// The waits of a step that still say something at an effect, without the time
/// for which they held: those right before it, and all for pods, but for objects
/// that were written or deleted since. What an earlier wait has said of a route
/// or a Service need not be so any more.
fn standing_waits(effects: &[Effect], cursor: usize) -> Vec<Effect> {
    let nearest = nearest_await(effects, cursor);
    let first = if is_wait(effects, nearest) { first_of(effects, nearest) } else { cursor };
    let mut standing = Vec::new();
    for (at, effect) in effects.iter().enumerate().take(cursor) {
        let Effect::Await { object, condition, .. } = effect else { continue };
        let since = effects.iter().take(cursor).skip(at + 1);
        let changed = since.filter(|e| e.writes()).any(|later| later.object() == object);
        if !changed && (at >= first || condition.counts_pods()) {
            standing.push(effect.clone().at_once());
        }
    }
    standing
}

/// The state that a hook is told, as KubeVela names it.
fn phase(kind: StepKind, hook: &Hook, state: RollingState) -> String {
    let named = match (kind, hook.kind) {
        (StepKind::Abort, _) => return state_name(state),
        (_, HookType::InitializeRollout) => "initializing",
        (_, HookType::PreBatchRollout) => "batchInitializing",
        (_, HookType::PostBatchRollout) => "batchFinalizing",
        (_, HookType::FinalizeRollout) => "finalising",
    };
    named.to_owned()
}

fn state_name(state: RollingState) -> String {
    let name = serde_json::to_value(state).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}
