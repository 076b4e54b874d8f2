//! People on the branches: they push, rewind, drop and forge. Owns what each
//! such deed does, and how it is mended.

use crate::invariants::Forged;
use crate::people::Deed;
use crate::run::target;
use crate::schedule::{Event, Sim};
use tranche::core::object::{KindRef, ObjectRef};
use tranche::core::record::{
    self, CommitPhase, Decisions, EntityRecord, Trailers, Verdict, decisions_path, entity_path,
};
use tranche::core::strategy::{EntityKey, EntityKind, StepKind};
use tranche::port::{Change, CommitId};

impl Sim {
    /// A commit on the record that is about nothing of ours.
    pub fn someone_pushes(&self) {
        let tip = self.refs.borrow().record.clone();
        let Some(tip) = tip else { return };
        let Some(message) = self.store.borrow().message(&tip) else { return };
        let Some(before) = Trailers::parse(&message) else { return };
        let trailers = Trailers::after(Some(&before), CommitPhase::Decision, &before.plan_commit);
        let message = trailers.message("a note about something else", "");
        let changes: Vec<Change> = self.a_decision(&tip).into_iter().collect();
        let time = self.time();
        let done = self.store.borrow_mut().commit(Some(&tip), &changes, &message, "people", time);
        if let Ok(new) = done {
            self.land_push("people", Some(&tip), &new);
        }
    }

    /// Often what somebody pushes is a pause or an abort of what a run is just
    /// deciding on.
    fn a_decision(&self, tip: &CommitId) -> Option<Change> {
        if self.below(3) > 0 || self.armed.stopped() {
            return None;
        }
        let key = {
            let plans = self.plans.borrow();
            let name = self.random.borrow_mut().pick(&plans.model.apps).name.to_owned();
            let namespace = "default".to_owned();
            EntityKey { kind: EntityKind::Rollout, namespace, name }
        };
        let path = decisions_path(&key);
        let bytes = self.store.borrow().file(tip, &path);
        let before = bytes.and_then(|bytes| record::read::<Decisions>(&path, &bytes).ok());
        let mut decisions = before.unwrap_or_default();
        let (by, at) = ("somebody".to_owned(), self.time());
        let audit = self.audit.borrow();
        let record = audit.entities().get(&key).filter(|record| !record.removed);
        // Nobody can decide about what the record does not know.
        record?;
        let under_way = record.filter(|record| !record.status.rolling_state.terminal());
        match under_way {
            Some(record) if self.below(2) == 0 => {
                let attempt = record.attempt;
                decisions.abort = Some(Verdict { attempt, by, at, reason: None });
                self.say("people", || format!("{key} is aborted just before"));
            }
            _ => {
                decisions.paused = Some(Verdict { attempt: 0, by, at, reason: None });
                self.say("people", || format!("{key} is paused just before"));
            }
        }
        drop(audit);
        let bytes = record::write(&path, &decisions.stamped()).ok();
        bytes.map(|bytes| Change { path, bytes: Some(bytes) })
    }

    /// Whether the anchor tells that the record was rewound to a commit.
    fn shows(&self, to: Option<&CommitId>) -> bool {
        let lease = KindRef::new("coordination.k8s.io/v1", "Lease");
        let anchor = ObjectRef::new(&lease, Some("default"), &format!("tranche-{}", target().name));
        let live = self.sandbox.cluster().read(&anchor).ok().flatten();
        let seq = live.as_ref().and_then(|live| {
            live.pointer("/metadata/annotations/tranche.dev~1seq")?.as_str()?.parse::<u64>().ok()
        });
        let message = to.and_then(|to| self.store.borrow().message(to));
        let tip = message.and_then(|m| Trailers::parse(&m)).map_or(0, |trailers| trailers.seq);
        seq.is_some_and(|seq| seq > tip)
    }

    /// The message of a commit whose number skips some.
    fn gap(&self, tip: &CommitId) -> String {
        let message = self.store.borrow().message(tip).unwrap_or_default();
        let Some(before) = Trailers::parse(&message) else { return "forged\n".to_owned() };
        let mut trailers =
            Trailers::after(Some(&before), CommitPhase::Decision, &before.plan_commit);
        trailers.seq += self.between(1, 3);
        trailers.message("a commit with a number of its own", "")
    }

    /// A commit on the record by hand: it looks like a note of somebody.
    fn edit_record(&self, path: &str, bytes: Vec<u8>) {
        let Some(tip) = self.refs.borrow().record.clone() else { return };
        let Some(message) = self.store.borrow().message(&tip) else { return };
        let Some(before) = Trailers::parse(&message) else { return };
        let trailers = Trailers::after(Some(&before), CommitPhase::Decision, &before.plan_commit);
        let message = trailers.message("edited by hand", "");
        let change = Change { path: path.to_owned(), bytes: Some(bytes) };
        let time = self.time();
        let done =
            self.store.borrow_mut().commit(Some(&tip), &[change], &message, "intruder", time);
        if let Ok(new) = done {
            self.refs.borrow_mut().record = Some(new);
        }
    }

    /// The open step of a rollout becomes one that its plan does not compile
    /// to.
    pub fn forge_file(&self, key: &EntityKey) {
        let path = entity_path(key);
        let Some(tip) = self.refs.borrow().record.clone() else { return };
        let Some(bytes) = self.store.borrow().file(&tip, &path) else { return };
        let Ok(mut forged) = record::read::<EntityRecord>(&path, &bytes) else { return };
        if self.audit.borrow().tampered_with() {
            return;
        }
        let Some(open) = &mut forged.open else { return };
        let was = open.id.clone();
        let how = match self.below(4) {
            0 => {
                open.id.0 = open.id.0.chars().rev().collect();
                "another id"
            }
            1 => {
                open.kind = match open.kind {
                    StepKind::Batch(0) => StepKind::Batch(1),
                    StepKind::Batch(_) => StepKind::Batch(0),
                    _ => StepKind::Batch(0),
                };
                "another kind"
            }
            2 => {
                open.epoch += 1_000;
                "an epoch to come"
            }
            // This one can be believed: whatever it skips is looked at again.
            _ => {
                open.cursor += usize::try_from(self.between(1, 3)).unwrap_or(1);
                "another cursor"
            }
        };
        let id = if how == "another cursor" { None } else { Some((open.id.clone(), open.kind)) };
        self.say("people", || format!("{key}: the open step {was} gets {how}"));
        self.hit(&format!("forged: {how}"));
        let Ok(text) = record::write(&path, &forged) else { return };
        self.edit_record(&path, text.clone());
        let mut audit = self.audit.borrow_mut();
        audit.forged(self, key, Forged { since: self.now.get(), id, before: bytes, forged: text });
    }

    /// The file is put back, if it is still the forged one.
    pub fn mend_file(&self, key: &EntityKey) {
        let path = entity_path(key);
        let Some(forged) = self.audit.borrow_mut().unforged(key) else { return };
        let tip = self.refs.borrow().record.clone();
        let now = tip.and_then(|tip| self.store.borrow().file(&tip, &path));
        let open = |bytes: &[u8]| {
            let record = record::read::<EntityRecord>(&path, bytes).ok();
            record.and_then(|record| record.open).map(|open| (open.id, open.kind, open.epoch))
        };
        // Somebody may have unlocked it meanwhile; it is a forgery still.
        let still = forged.id.is_some()
            && now.as_ref().is_some_and(|now| open(now) == open(&forged.forged));
        if still || now.is_some_and(|now| *now == *forged.forged) {
            self.edit_record(&path, forged.before.to_vec());
        }
        self.audit.borrow_mut().mended(self);
    }

    pub fn rewrite(&self, deed: &Deed) {
        let refs = self.refs.borrow().clone();
        if let Deed::Mend(plan, record) = deed {
            let mut now = self.refs.borrow_mut();
            // What was pushed onto a rewound branch is lost with it.
            if plan.is_some() {
                now.plan.clone_from(plan);
                self.plans.borrow_mut().rewound = false;
            }
            if record.is_some() {
                now.record.clone_from(record);
            }
            drop(now);
            self.audit.borrow_mut().mended(self);
            return;
        }
        // One lie at a time, so that what is mended is what was.
        if self.audit.borrow().tampered_with() || self.plans.borrow().rewound {
            return;
        }
        let back = |from: &Option<CommitId>, steps: u64| {
            let store = self.store.borrow();
            let mut at = from.clone()?;
            for _ in 0..steps {
                at = store.parent(&at)?;
            }
            Some(at)
        };
        let later = self.now.get() + self.between(30_000, 240_000);
        if *deed == Deed::RewindPlan {
            let Some(to) = back(&refs.plan, 1) else { return };
            self.refs.borrow_mut().plan = Some(to);
            self.plans.borrow_mut().rewound = true;
            self.at(later, Event::Deed(Deed::Mend(refs.plan, None)));
            return;
        }
        let Some(tip) = refs.record.clone() else { return };
        let to = match deed {
            Deed::DropRecord => None,
            Deed::RewindRecord => match back(&refs.record, 1 + self.below(4)) {
                Some(to) => Some(to),
                None => return,
            },
            _ => {
                let message =
                    if *deed == Deed::ForgeSeq { self.gap(&tip) } else { "forged\n".to_owned() };
                let done = self.store.borrow_mut().commit(
                    Some(&tip),
                    &[],
                    &message,
                    "intruder",
                    self.time(),
                );
                done.ok()
            }
        };
        // A rewind that nothing shows is nobody's fault here.
        if !matches!(deed, Deed::ForgeRecord | Deed::ForgeSeq) && !self.shows(to.as_ref()) {
            return;
        }
        self.refs.borrow_mut().record = to;
        self.audit.borrow_mut().tampered(self);
        self.at(later, Event::Deed(Deed::Mend(None, Some(tip))));
    }
}
