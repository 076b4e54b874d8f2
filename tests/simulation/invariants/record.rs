//! Invariants of commits that reached the record branch.

use super::{Audit, Intent};
use crate::schedule::Sim;
use std::collections::BTreeMap;
use std::rc::Rc;
use tranche::core::decide::RollingState;
use tranche::core::record::{
    self, CommitPhase, Decisions, Ended, EntityRecord, OpenStep, Phase, Trailers, decisions_path,
};
use tranche::core::strategy::{EntityKey, Movement, StepKind};
use tranche::port::CommitId;

/// One commit of a push.
pub(super) struct Pushed<'a> {
    pub(super) run: &'a str,
    commit: &'a CommitId,
    pub(super) parent: Option<&'a CommitId>,
    pub(super) trailers: &'a Trailers,
}

impl Audit {
    /// A push was accepted.
    pub fn pushed(&mut self, sim: &Sim, run: &str, before: Option<&CommitId>, new: &CommitId) {
        let mut chain = Vec::new();
        let mut at = Some(new.clone());
        while at.as_ref() != before {
            let Some(commit) = at else {
                self.broken("S12 linear record", || format!("{run} pushes {new}, no fast-forward"));
                return;
            };
            at = sim.store.borrow().parent(&commit);
            chain.push(commit);
        }
        chain.reverse();
        if run != "people" {
            self.commits += chain.len() as u64;
            self.untampered(run, "a push");
        }
        if chain.len() > 1 {
            sim.hit("push: several commits");
        }
        let mut parent = before.cloned();
        for commit in chain {
            self.commit(sim, run, parent.as_ref(), &commit);
            parent = Some(commit);
        }
    }

    fn commit(&mut self, sim: &Sim, run: &str, parent: Option<&CommitId>, commit: &CommitId) {
        let trailers = |id: &CommitId| Trailers::parse(&sim.store.borrow().message(id)?);
        let Some(now) = trailers(commit) else {
            self.broken("S12 linear record", || format!("{run} pushes {commit}: no record commit"));
            return;
        };
        let before = parent.and_then(trailers).map_or(0, |trailers| trailers.seq);
        let known = parent.and_then(|parent| sim.store.borrow().parent(parent));
        let known = known.as_ref().and_then(trailers).map_or(0, |trailers| trailers.seq);
        if run != "people" && before > known + 1 {
            self.broken("S8 nothing is recorded on a commit that cannot be true", || {
                format!("{run} pushes {commit} onto Seq {before}, which follows {known}")
            });
        }
        if now.seq != before + 1 {
            self.broken("S12 linear record", || format!("{run}: Seq {} after {before}", now.seq));
        }
        let pushed = Pushed { run, commit, parent, trailers: &now };
        let changed = sim.store.borrow().changed(parent, commit);
        for path in changed {
            if path.starts_with("decisions/") {
                if now.phase != CommitPhase::Decision {
                    self.broken("S6 decisions are never lost", || {
                        format!("{run} changes {path} by a commit of phase {}", now.phase)
                    });
                }
            } else if is_of_entity(&path) {
                self.entity(sim, &pushed, &path);
            }
        }
    }

    fn entity(&mut self, sim: &Sim, pushed: &Pushed<'_>, path: &str) {
        let Some(bytes) = sim.store.borrow().file(pushed.commit, path) else {
            self.broken("S12 no record is removed", || format!("{} removes {path}", pushed.run));
            return;
        };
        let blob = sim.store.borrow().blob(pushed.commit, path);
        let (id, name) = blob.unwrap_or_default();
        let known = sim.memo.entity(&name);
        // What its writer remembers of a file is what the file says: seen to now
        // and then, since reading is dear.
        let next = match known.clone().filter(|_| id % 8 > 0) {
            Some(known) => known,
            None => match record::read::<EntityRecord>(path, &bytes) {
                Ok(next) => Rc::new(next),
                Err(error) => {
                    self.broken("S12 linear record", || error.to_string());
                    return;
                }
            },
        };
        if known.is_some_and(|known| known != next) {
            self.broken("S12 a file reads back as it was written", || path.to_owned());
        }
        self.told.insert(next.entity.clone(), Rc::clone(&next));
        let before = self.entities.insert(next.entity.clone(), Rc::clone(&next));
        let before = before.as_deref();
        let was = before.and_then(|record| record.open.as_ref());
        match pushed.trailers.phase {
            CommitPhase::Intent => self.intent(sim, pushed, before, &next),
            CommitPhase::Waiting => {
                self.answered(sim, pushed.run, was);
                self.acts(was.filter(|was| was.holder.run == pushed.run).map_or(0, |w| w.epoch));
                // Who only looks may say that it waits for something further on.
                let same = was.zip(next.open.as_ref()).is_some_and(|(was, now)| {
                    let ours = was.holder.run == pushed.run;
                    let looks = was.phase == Phase::Waiting && was.cursor < now.cursor;
                    was.id == now.id && was.epoch == now.epoch && (ours || looks)
                });
                if !same && !self.rewritten {
                    self.broken("S5 waiting is said by the one who holds the step", || {
                        format!(
                            "{}: {} after {}",
                            pushed.run,
                            words(next.open.as_ref()),
                            words(was)
                        )
                    });
                }
            }
            CommitPhase::Result => self.result(sim, pushed, before, &next),
            CommitPhase::Decision if unlocks(before, &next) => {
                sim.hit("people: unlocked a step");
            }
            CommitPhase::Publish | CommitPhase::Decision | CommitPhase::Rebuild => {
                self.broken("S12 linear record", || {
                    format!("{} changes {path} in phase {}", pushed.run, pushed.trailers.phase)
                });
            }
        }
    }

    /// S5: one open step an entity, whose lock is its intent.
    fn intent(
        &mut self,
        sim: &Sim,
        pushed: &Pushed<'_>,
        before: Option<&EntityRecord>,
        next: &EntityRecord,
    ) {
        const NAME: &str = "S5 one open step per entity";
        let (run, seq) = (pushed.run, pushed.trailers.seq);
        let Some(open) = next.open.as_ref().filter(|open| open.phase == Phase::Intent) else {
            self.broken(NAME, || format!("{run} pushes an intent that opens nothing"));
            return;
        };
        if open.epoch != seq || open.holder.run != run {
            self.broken(NAME, || {
                format!("{run}: epoch {} of {} in commit {seq}", open.epoch, open.holder.run)
            });
        }
        self.not_forged(run, &next.entity, &open.id, open.kind);
        let was = before.and_then(|record| record.open.as_ref());
        let mut fresh = true;
        if let Some(was) = was {
            fresh = was.id != open.id;
            if was.phase == Phase::Intent {
                sim.hit("intent: takeover");
                self.takeover(sim, pushed, was, open);
            } else if fresh {
                sim.hit("intent: replaces a waiting step");
            } else {
                sim.hit("intent: goes on with a waiting step");
                if was.step_plan != open.step_plan {
                    self.broken("S5 Step-Plan never changes while a step is open", || {
                        format!("{run}: {} to {}", was.step_plan, open.step_plan)
                    });
                }
                self.frozen(sim, pushed, next, open);
                if open.cursor < was.cursor {
                    sim.hit("intent: sets a step back");
                    // Set back: what it did may be done again.
                    let step = format!("{}/", open.id);
                    self.changes.retain(|(effect, _), _| !effect.starts_with(&step));
                }
            }
        }
        sim.hit(match open.kind {
            StepKind::Batch(_) => "intent: a batch",
            StepKind::Abort => "intent: the way back",
            StepKind::Settle => "intent: a settling",
            StepKind::Orphans => "intent: leftovers",
            StepKind::Prune => "intent: pruning",
            StepKind::Replay(_) => "intent: bringing back what stood",
        });
        if before.is_none_or(|before| before.attempt != next.attempt) {
            self.sized(sim, run, next, open);
        }
        if fresh {
            self.come(sim, run, before, next);
            self.alone(run, next, open);
            self.gate(sim, pushed, next, open);
        }
        self.holding.insert(run.to_owned(), seq);
        let objects = open.objects.iter().map(|named| named.object.clone()).collect();
        let intent = Intent {
            run: run.to_owned(),
            entity: next.entity.clone(),
            open: open.clone(),
            objects,
            target: next.target.as_ref().map(|target| target.name.clone()),
            resizes: next.movement == Some(Movement::Scale),
            takes_over: was.is_some_and(|was| was.phase == Phase::Intent),
            at: sim.now.get(),
            turn: self.looks.turn(),
        };
        self.displaced.extend(self.intents.insert((seq, run.to_owned()), intent));
    }

    /// S5: a takeover comes after the lease, and forgets nothing of the intent
    /// that it supersedes.
    fn takeover(&mut self, sim: &Sim, pushed: &Pushed<'_>, was: &OpenStep, open: &OpenStep) {
        const NAME: &str = "S5 a takeover keeps step, plan and objects";
        let run = pushed.run;
        let now = self.before_clock.map_or(sim.target_time(), |at| at.max(sim.target_time()));
        let over = now >= was.lease_until;
        if !over && sim.is_alive(&was.holder.run) {
            self.broken("S5 no takeover within the lease", || {
                format!("{run} takes {} from {} before {}", was.id, was.holder.run, was.lease_until)
            });
        }
        if was.id != open.id || was.step_plan != open.step_plan {
            self.broken(NAME, || {
                format!("{run}: {} after {}", words(Some(open)), words(Some(was)))
            });
        }
        for named in &was.objects {
            if !open.objects.iter().any(|other| other.object == named.object) {
                self.broken(NAME, || format!("{run} forgets {}", named.object));
            }
        }
    }

    fn result(
        &mut self,
        sim: &Sim,
        pushed: &Pushed<'_>,
        before: Option<&EntityRecord>,
        next: &EntityRecord,
    ) {
        let run = pushed.run;
        let was = before.and_then(|record| record.open.as_ref());
        self.answered(sim, run, was);
        if let Some(was) = was {
            self.not_forged(run, &next.entity, &was.id, was.kind);
            if was.holder.run == run {
                self.acts(was.epoch);
            }
            if was.phase == Phase::Intent && was.holder.run != run && !self.rewritten {
                self.broken("S5 a result is said by the one who holds the step", || {
                    format!("{run} closes {}", words(Some(was)))
                });
            }
            self.results.insert(was.id.to_string());
            if let Some(last) = &next.last {
                if let (StepKind::Batch(index), Ended::Succeeded) = (was.kind, last.verdict) {
                    self.done.insert((next.entity.clone(), next.attempt, index), last.at);
                }
                if last.verdict == Ended::Succeeded {
                    self.all_moved(sim, run, next, was);
                    let step = (&was.id, was.step_plan.as_str(), was.kind);
                    self.agreed_after(sim, run, &next.entity, step);
                    if ends(was.kind, next) {
                        self.told_of_the_end(sim, run, &next.entity, (&was.id, &was.step_plan));
                    }
                }
                let recovered = if last.recovered { ", recovered" } else { "" };
                sim.hit(&format!("result: {}{recovered}", last.verdict));
            }
        }
        let ended = |record: &EntityRecord| record.status.rolling_state.terminal();
        if ended(next) && before.is_some_and(|before| !ended(before)) {
            sim.hit(&format!("rollout: {:?}", next.status.rolling_state));
        }
        let succeeds = next.status.rolling_state == RollingState::RolloutSucceed
            && before.is_some_and(|before| !ended(before) && before.ending.is_none());
        if succeeds && let Some(parent) = pushed.parent {
            let aborted = decisions_at(sim, parent, &next.entity).aborts(next.attempt);
            if aborted {
                self.broken("S6 decisions are never lost", || {
                    format!("{run} records success of attempt {}, which is aborted", next.attempt)
                });
            }
        }
    }

    /// Reads the whole record anew, after somebody has moved the branch.
    pub(super) fn resync(&mut self, sim: &Sim) {
        self.entities.clear();
        let tip = sim.refs.borrow().record.clone();
        let Some(tip) = tip else { return };
        let paths = sim.store.borrow().paths(&tip);
        for (path, _) in paths {
            if is_of_entity(&path) {
                let bytes = sim.store.borrow().file(&tip, &path).unwrap_or_default();
                if let Ok(found) = record::read::<EntityRecord>(&path, &bytes) {
                    self.entities.insert(found.entity.clone(), Rc::new(found));
                }
            }
        }
    }

    /// The rollouts and applications on the record, as it stands.
    pub fn entities(&self) -> &BTreeMap<EntityKey, Rc<EntityRecord>> {
        &self.entities
    }
}

/// Whether a path is that of an entity's own file.
fn is_of_entity(path: &str) -> bool {
    ["rollouts/", "applications/", "lanes/"].iter().any(|start| path.starts_with(start))
}

/// Whether all that a commit says is that the lease of the open step is over.
fn unlocks(before: Option<&EntityRecord>, next: &EntityRecord) -> bool {
    let Some(mut before) = before.cloned() else { return false };
    let (Some(was), Some(open)) = (&mut before.open, &next.open) else { return false };
    let earlier = open.lease_until <= was.lease_until && open.unlocked.is_some();
    was.lease_until = open.lease_until;
    was.unlocked.clone_from(&open.unlocked);
    earlier && before == *next
}

pub(super) fn decisions_at(sim: &Sim, commit: &CommitId, key: &EntityKey) -> Decisions {
    let path = decisions_path(key);
    let bytes = sim.store.borrow().file(commit, &path);
    bytes.and_then(|bytes| record::read(&path, &bytes).ok()).unwrap_or_default()
}

/// Whether a rollout is over with a step of its own, on the way forward or back.
fn ends(kind: StepKind, record: &EntityRecord) -> bool {
    let over = record.status.rolling_state.terminal();
    over && matches!(kind, StepKind::Batch(_) | StepKind::Abort)
}

fn words(open: Option<&OpenStep>) -> String {
    match open {
        Some(open) => format!(
            "{:?} {} ({:?}) epoch {} of {}",
            open.phase, open.id, open.kind, open.epoch, open.holder.run
        ),
        None => "no open step".to_owned(),
    }
}
