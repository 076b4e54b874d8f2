//! Invariants of a single write that reached the cluster.

use super::{Audit, Intent, of_epoch, replicas, same_state};
use crate::cluster::{Flying, Write};
use crate::schedule::Sim;
use serde_json::Value;
use tranche::core::object::{ObjectRef, at};
use tranche::core::record::{OpenStep, Phase};
use tranche::core::strategy::{StepId, StepKind, epoch_of, mark_of};
use tranche::port::{CommitId, WriteMode};

/// What a write of ours has come to.
#[derive(Clone, Copy, Debug)]
struct Landed {
    epoch: u64,
    changed: bool,
    /// It has created something without pods.
    inert: bool,
    /// The step that it belongs to is the one that is open.
    same_step: bool,
}

impl Audit {
    /// A write of ours was applied.
    pub fn written(
        &mut self,
        sim: &Sim,
        run: &str,
        write: &Write,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        let object = write.object();
        self.precondition(write);
        if object.kind == "Lease" {
            self.anchor(sim, object, before, after);
            return;
        }
        self.untampered(run, &format!("a write of {object}"));
        let changed = !same_state(before, after);
        let inert = before.is_none() && after.and_then(replicas).unwrap_or(0) == 0;
        let (epoch, mark) = match write {
            Write::Apply { body, .. } => (epoch_of(body), mark_of(body)),
            Write::Delete { .. } => (self.names(run, object), None),
        };
        if changed {
            self.writes += 1;
            sim.hit(match (write, inert) {
                (Write::Delete { .. }, _) => "write: delete",
                (_, true) => "write: created inert",
                _ => "write: changed",
            });
        } else {
            sim.hit("write: changed nothing but marks");
        }
        // A stamp changes nothing, and keeps the mark of the step that wrote
        // the object.
        let kept = !changed && before.and_then(mark_of) == mark;
        let step = mark.as_ref().map(|(step, _)| step).filter(|_| !kept);
        if before.is_none() {
            self.born.insert(object.clone(), sim.now.get());
        }
        let Some(intent) = self.intended(run, object, epoch, step) else { return };
        let takes = matches!(write, Write::Apply { mode: WriteMode::Taking { .. }, .. });
        if takes && intent.open.kind != StepKind::Abort {
            self.broken("S10 nothing is taken over", || format!("{run} takes {object} over"));
        }
        let epoch = epoch.unwrap_or(0);
        let open = self.entities.get(&intent.entity).and_then(|record| record.open.as_ref());
        if before.is_none()
            && open.is_none_or(|open| open.epoch != epoch)
            && self.deleted.get(object).is_some_and(|newest| *newest >= epoch)
        {
            sim.hit("write: a late create where people have deleted");
            self.deleted.remove(object);
            self.fences.remove(object);
            self.acted.remove(object);
            return;
        }
        let same_step = open.is_some_and(|open| open.id == intent.open.id);
        let landed = Landed { epoch, changed, inert, same_step };
        self.fenced(run, object, before, landed);
        if !kept {
            self.acts(epoch);
            self.stamped(sim, run, &intent, epoch);
            self.agreed_before(sim, run, &intent, &object.to_string());
        }
        if let Write::Delete { .. } = write {
            self.ours_to_delete(object, before, &intent);
            self.left_out(sim, object, &intent);
        }
        if before.is_none() && after.is_some() {
            // What is there again may be deleted again.
            self.changes.retain(|(effect, of), _| of != object || !effect.ends_with("/delete"));
        }
        // A scale of a missing object creates it without pods first, under the
        // same effect.
        if !changed || inert {
            return;
        }
        self.standing(run, object, &intent, epoch);
        let effect = mark.map_or_else(
            || format!("{}/delete", intent.open.id),
            |(step, effect)| format!("{step}/{effect}"),
        );
        self.once(object, &effect);
        self.shifted(sim, run, object, &intent, before, after);
        self.pointed(sim, run, object, &intent, (before, after));
        if !matches!(write, Write::Delete { .. }) || before.is_some() {
            self.carried(sim, run, object, &intent, before, after);
        }
    }

    /// The newest intent of a run that names an object: a delete carries no
    /// epoch of its own.
    pub(super) fn names(&self, run: &str, object: &ObjectRef) -> Option<u64> {
        let mut newest = self.intents.iter().rev();
        let found = newest.find(|(_, i)| i.run == run && i.objects.contains(object));
        found.map(|((epoch, _), _)| *epoch)
    }

    /// The intent of a run with a number, the one that names an object if there
    /// were two.
    pub(super) fn intent_of(&self, run: &str, epoch: u64, object: &ObjectRef) -> Option<&Intent> {
        let newest = self.intents.get(&(epoch, run.to_owned()))?;
        let mut others = self.displaced.iter();
        let other = others.find(|intent| {
            intent.run == run && intent.open.epoch == epoch && intent.objects.contains(object)
        });
        Some(other.filter(|_| !newest.objects.contains(object)).unwrap_or(newest))
    }

    /// S10: every write has a precondition: uid and resourceVersion, or
    /// create-only.
    fn precondition(&mut self, write: &Write) {
        let fine = match write {
            Write::Apply { mode: WriteMode::CreateOnly, .. } => true,
            Write::Apply { mode: WriteMode::Exactly { uid, resource_version }, .. } => {
                !uid.is_empty() && !resource_version.is_empty()
            }
            // No plan of the simulation asks for it; a way back takes the size of
            // what it brings back.
            Write::Apply { mode: WriteMode::Taking { uid, resource_version }, body, .. } => {
                replicas(body).is_some() && !uid.is_empty() && !resource_version.is_empty()
            }
            Write::Apply { mode: WriteMode::Any, .. } => false,
            Write::Delete { uid, version, .. } => !uid.is_empty() && !version.is_empty(),
        };
        if !fine {
            self.broken("S10 no write without precondition", || format!("{write:?}"));
        }
    }

    /// S12: the anchor never falls, and is never above the record.
    fn anchor(
        &mut self,
        sim: &Sim,
        object: &ObjectRef,
        before: Option<&Value>,
        after: Option<&Value>,
    ) {
        let seq = |live: Option<&Value>| {
            let text = live?.pointer("/metadata/annotations/tranche.dev~1seq")?.as_str()?;
            text.parse::<u64>().ok()
        };
        let (old, new) = (seq(before).unwrap_or(0), seq(after).unwrap_or(0));
        if new < old {
            self.broken("S12 the anchor never falls", || format!("{object}: {old} to {new}"));
        }
        let newest = self.newest_intent();
        if new > newest && !self.rewritten {
            self.broken("S12 the anchor is never above the record", || {
                format!("{object} at {new}, the newest intent is {newest}")
            });
        }
        let _ = sim;
    }

    /// S7: every write names an object of an intent that is on the remote, of
    /// its own epoch, step and run.
    fn intended(
        &mut self,
        run: &str,
        object: &ObjectRef,
        epoch: Option<u64>,
        step: Option<&StepId>,
    ) -> Option<Intent> {
        const NAME: &str = "S7 intent first";
        // On a branch that was rewritten two intents may have one number.
        let own = epoch.and_then(|epoch| self.intent_of(run, epoch, object));
        let any = epoch.and_then(|epoch| of_epoch(&self.intents, epoch).next());
        let Some(intent) = own.or(any).cloned() else {
            self.broken(NAME, || format!("{run} writes {object} with epoch {epoch:?}, no intent"));
            return None;
        };
        if intent.run != run {
            self.broken(NAME, || format!("{run} writes {object} under {}'s intent", intent.run));
        }
        if !intent.objects.contains(object) {
            self.broken(NAME, || format!("{run} writes {object}, which its intent does not name"));
        }
        if step.is_some_and(|step| *step != intent.open.id) {
            self.broken(NAME, || {
                format!("{run} writes {object} as step {step:?}, its intent is for another")
            });
        }
        Some(intent)
    }

    /// S11: after a write or stamp by a newer epoch none by an older one
    /// changes the object, and the fence on it never falls. Creations without
    /// effect are let through, as the protocol does.
    fn fenced(&mut self, run: &str, object: &ObjectRef, before: Option<&Value>, landed: Landed) {
        let Landed { epoch, changed, inert, same_step } = landed;
        let fence = self.fences.entry(object.clone()).or_default();
        let newest = *fence;
        *fence = newest.max(epoch);
        let acted = self.acted.get(object).copied().unwrap_or(0);
        // What a takeover has seen missing may still be created late by the very
        // step that it goes on with: there is nothing that it could have marked.
        let goes_on = before.is_none() && same_step;
        if acted > epoch && acted > newest && changed && !inert && !goes_on && !self.rewritten {
            self.broken("S11 fence", || {
                format!(
                    "{run} with epoch {epoch} changes {object}, which epoch {acted} has seen and \
                     acts on"
                )
            });
        }
        if newest > epoch && changed && !inert {
            self.broken("S11 fence", || {
                format!(
                    "{run} with epoch {epoch} changes {object}, which epoch {newest} has written"
                )
            });
        }
        let carried = before.and_then(epoch_of).unwrap_or(0);
        if carried > epoch {
            self.broken("S11 fence", || {
                format!("{run} lowers the fence on {object} from {carried} to {epoch}")
            });
        }
    }

    /// S7: a write that changes something lands while its own intent is open,
    /// or while the one that took it over has not reached the object yet.
    fn standing(&mut self, run: &str, object: &ObjectRef, intent: &Intent, epoch: u64) {
        let open = self.entities.get(&intent.entity).and_then(|record| record.open.as_ref());
        let fine = open.is_some_and(|open| {
            open.phase == Phase::Intent && open.id == intent.open.id && open.epoch >= epoch
        });
        if !fine && !self.rewritten {
            let now = open.map(|open| (open.phase, open.id.clone(), open.epoch));
            self.broken("S7 a write lands only while its step is open", || {
                format!("{run} with epoch {epoch} changes {object}; open is {now:?}")
            });
        }
    }

    /// S7: who gives a lock back has an answer to each of its writes. One whose
    /// precondition still holds could land under the next intent.
    pub(super) fn answered(&mut self, sim: &Sim, run: &str, was: Option<&OpenStep>) {
        let ours = |open: &&OpenStep| open.phase == Phase::Intent && open.holder.run == run;
        let Some(open) = was.filter(ours) else { return };
        let could_land = |flying: &Flying| {
            let object = flying.write.object();
            flying.run == run
                && open.objects.iter().any(|named| named.object == *object)
                && sim.could_land(&flying.write)
        };
        if let Some(object) = sim.in_flight(could_land) {
            self.broken("S7 no lock is given back in doubt", || {
                format!("{run} gives {} back while its write of {object} may still land", open.id)
            });
        }
    }

    /// S9: an effect changes its object once, unless others have changed it in
    /// between or the step was set back.
    fn once(&mut self, object: &ObjectRef, effect: &str) {
        let count = self.changes.entry((effect.to_owned(), object.clone())).or_default();
        *count += 1;
        if *count > 1 {
            let count = *count;
            self.broken("S9 exactly once", || {
                format!("effect {effect} has changed {object} {count} times")
            });
        }
    }

    /// S17: what is deleted was written by us, and is the very object that the
    /// intent names, or that its step has written since, or that a superseded
    /// run of the same rollout has created late, without pods.
    /// S18: what the plan has is not pruned, by the commit that ordered it.
    fn left_out(&mut self, sim: &Sim, object: &ObjectRef, intent: &Intent) {
        if intent.open.kind != StepKind::Prune {
            return;
        }
        sim.hit("write: pruned");
        let plans = sim.plans.borrow();
        let commit = CommitId(intent.open.step_plan.clone());
        if plans.commits.get(&commit).is_none_or(|model| model.has_note(&object.name)) {
            self.broken("S18 only what the plan leaves out is pruned", || {
                format!("{object} is in plan {}", commit.short())
            });
        }
    }

    fn ours_to_delete(&mut self, object: &ObjectRef, before: Option<&Value>, intent: &Intent) {
        const NAME: &str = "S17 never delete what is not ours";
        let Some(live) = before else { return };
        let Some(epoch) = epoch_of(live) else {
            self.broken(NAME, || format!("{object} carries no mark of ours"));
            return;
        };
        let uid = at(live, "/metadata/uid").and_then(Value::as_str);
        let named = intent
            .open
            .objects
            .iter()
            .any(|named| named.object == *object && named.uid.as_deref() == uid);
        let written = mark_of(live).is_some_and(|(step, _)| step == intent.open.id);
        let late = epoch < intent.open.epoch
            && replicas(live).unwrap_or(0) == 0
            && of_epoch(&self.intents, epoch).any(|maker| maker.entity == intent.entity);
        if !named && !written && !late {
            self.broken(NAME, || format!("{object} with uid {uid:?} is not what its intent names"));
        }
    }
}
