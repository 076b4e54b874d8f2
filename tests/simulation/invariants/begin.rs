//! What an intent may begin, or go on with.

use super::record::{Pushed, decisions_at};
use super::{Audit, replicas};
use crate::schedule::Sim;
use crate::waits::Wait;
use jiff::SignedDuration;
use tranche::core::model::OnDelete;
use tranche::core::record::{EntityRecord, OpenStep};
use tranche::core::strategy::{Movement, StepKind, workload};
use tranche::engine::WRITE_LEASE;

impl Audit {
    /// S1: an attempt begins with the size that stands, unless people have scaled
    /// it since its run began.
    pub(super) fn sized(&mut self, sim: &Sim, run: &str, next: &EntityRecord, open: &OpenStep) {
        let Some(source) =
            next.source.as_ref().filter(|_| next.movement == Some(Movement::Upgrade))
        else {
            return;
        };
        let named = open.objects.iter().map(|named| &named.object).find(|object| {
            let names = [&source.name, &next.entity.name];
            workload::of(&object.kind_ref()).is_some() && names.contains(&&object.name)
        });
        let Some(object) = named else { return };
        let began = self.started.get(run).copied().unwrap_or(0);
        let touched = self.meddled.get(object).is_some_and(|at| *at >= began);
        let stands = sim.sandbox.cluster().bare(object).as_deref().and_then(replicas);
        let size = u64::from(next.sizes().original);
        if stands != Some(size) && !touched && !self.rewritten {
            self.broken("S1 an attempt begins with the size that stands", || {
                format!("{run} takes {size} for the size of {object}, which has {stands:?}")
            });
        }
    }

    /// S5: no step begins over an object that another entity's open step names.
    pub(super) fn alone(&mut self, run: &str, next: &EntityRecord, open: &OpenStep) {
        let others = self.entities.values().filter(|record| record.entity != next.entity);
        let names = |other: &&OpenStep| {
            let theirs = || other.objects.iter().map(|named| &named.object);
            open.objects.iter().any(|named| theirs().any(|object| *object == named.object))
        };
        let held = others.filter_map(|record| record.open.as_ref()).find(names);
        if let Some(held) = held.filter(|_| !self.rewritten).map(|open| open.id.clone()) {
            self.broken("S5 one open step per object", || {
                format!("{run} begins {} of {}, which step {held} works on", open.id, next.entity)
            });
        }
    }

    /// S14: no batch begins behind a closed gate, or under an abort.
    pub(super) fn gate(
        &mut self,
        sim: &Sim,
        pushed: &Pushed<'_>,
        next: &EntityRecord,
        open: &OpenStep,
    ) {
        let StepKind::Batch(index) = open.kind else { return };
        let run = pushed.run;
        let decisions = pushed.parent.map(|tip| decisions_at(sim, tip, &next.entity));
        let decisions = decisions.unwrap_or_default();
        if decisions.paused.is_some() {
            self.broken("S14 gate", || format!("{run} begins batch {index} of a paused rollout"));
        }
        if decisions.aborts(next.attempt) {
            self.broken("S6 decisions are never lost", || {
                format!("{run} begins batch {index} of attempt {}, which is aborted", next.attempt)
            });
        }
        let plans = sim.plans.borrow();
        let found = plans.commits.iter().find(|(id, _)| id.0 == open.step_plan);
        let app =
            found.and_then(|(_, model)| model.apps.iter().find(|app| app.name == next.entity.name));
        let app = app.cloned();
        let Some((roll, app)) = app.and_then(|app| Some((app.roll?, app))) else {
            self.broken("S14 gate", || format!("{run}: step plan {} lacks it", open.step_plan));
            return;
        };
        let promotes = next.on_delete == OnDelete::Promote;
        let closed = roll.paused || roll.partition.is_some_and(|last| u64::from(index) > last);
        if closed && !promotes {
            self.broken("S14 gate", || {
                format!("{run} begins batch {index}, the plan says {roll:?}")
            });
        }
        let newest = plans.commits.iter().find(|(id, _)| id.0 == pushed.trailers.plan_commit);
        let gone = newest.is_some_and(|(_, model)| {
            model.apps.iter().all(|app| app.name != next.entity.name || app.roll.is_none())
        });
        drop(plans);
        let follows = next.movement == Some(Movement::Upgrade) && !(promotes && gone);
        let Some(after) = index.checked_sub(1).filter(|_| follows) else { return };
        // By the file alone: what the product makes of it is what is judged.
        let approved = decisions.approve.is_some_and(|approval| {
            (approval.verdict.attempt, approval.after_batch) == (next.attempt, after)
        });
        let wait = app.wait(usize::try_from(after).unwrap_or(usize::MAX));
        self.waited(sim, run, next, open, (after, wait, approved));
    }

    /// S14: a batch begins once what is waited for after the one before it is
    /// over: a while, or somebody's word on that very gate.
    fn waited(
        &mut self,
        sim: &Sim,
        run: &str,
        next: &EntityRecord,
        open: &OpenStep,
        (after, wait, approved): (u32, Wait, bool),
    ) {
        let target = next.target.as_ref().map_or("", |target| target.name.as_str());
        let opened = match wait {
            Wait::Nothing => return,
            _ if approved => "gate: a person approved",
            Wait::ApprovedFor(number) if target.ends_with(&format!("-v{number}")) => {
                "gate: the plan approved"
            }
            Wait::Approval | Wait::ApprovedFor(_) => {
                self.broken("S14 gate", || {
                    format!("{run} begins a batch after batch {after} of {target}: {wait:?}")
                });
                return;
            }
            Wait::Hold(seconds) => {
                let done = self.done.get(&(next.entity.clone(), next.attempt, after)).copied();
                // Its intent was made after it was decided on.
                let lease = SignedDuration::try_from(WRITE_LEASE).unwrap_or_default();
                let now = open.lease_until - lease;
                let now = self.before_clock.map_or(now, |at| at.max(now));
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                let early = done.is_some_and(|done| now.duration_since(done).as_secs() < seconds);
                if early && !self.rewritten {
                    self.broken("S14 gate", || {
                        format!("{run} begins at {now}, {seconds} s are to pass since {done:?}")
                    });
                }
                "gate: a hold was over"
            }
        };
        sim.hit(opened);
    }

    /// S14: a batch that waits does not go on once its rollout has left the plan
    /// and is to freeze.
    pub(super) fn frozen(
        &mut self,
        sim: &Sim,
        pushed: &Pushed<'_>,
        next: &EntityRecord,
        open: &OpenStep,
    ) {
        let batch = matches!(open.kind, StepKind::Batch(_)) && next.ending.is_none();
        if !batch || next.on_delete != OnDelete::Freeze {
            return;
        }
        let plans = sim.plans.borrow();
        let found = plans.commits.iter().find(|(id, _)| id.0 == pushed.trailers.plan_commit);
        let Some((_, model)) = found else { return };
        let app = model.apps.iter().find(|app| app.name == next.entity.name);
        if !model.broken && app.is_some_and(|app| app.roll.is_none()) {
            let run = pushed.run;
            self.broken("S14 gate", || {
                format!("{run} goes on with {} of {}, which is frozen", open.id, next.entity)
            });
        }
    }
}
