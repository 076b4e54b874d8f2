//! The decision about objects that are applied directly: an application
//! without a rollout, or the plain objects of a namespace.

use super::content::{DirectContent, Object};
use super::leaving::{is_leaving, leaving};
use super::open::not_compiled;
use super::{Act, BatchState, Decision, Entry, Idle, RollingState, State};
use super::{orphan, prune};
use crate::core::object::{Live, ObjectRef};
use crate::core::record::{EntityRecord, Holder, OpenStep, Phase};
use crate::core::strategy::{
    BodyTable, COMPILER, Driven, EntityKey, Step, StepContext, StepKind, compile_direct, entity_of,
    settled,
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything that a decision about directly applied objects may look at.
#[derive(Clone, Debug)]
pub struct DirectView<'a> {
    /// The entity.
    pub key: &'a EntityKey,
    /// The project's id.
    pub project: &'a str,
    /// The target's name.
    pub target: &'a str,
    /// The newest plan commit.
    pub plan_commit: &'a str,
    /// What the newest plan says.
    pub content: &'a DirectContent,
    /// What the plan said that the open step was compiled from.
    pub step_content: Option<&'a DirectContent>,
    /// The record.
    pub record: Option<&'a EntityRecord>,
    /// Live objects.
    pub live: &'a Live,
    /// Objects of which a dry-run has shown that a settling write would
    /// change nothing.
    pub unchanged: &'a BTreeSet<ObjectRef>,
    /// Rollouts that are over and that the plan has no more: what carries the mark
    /// of one is written again, so that it carries this entity's.
    pub gone: &'a BTreeSet<EntityKey>,
    /// The target's time.
    pub now: Timestamp,
    /// The holder of the open step is provably dead.
    pub holder_dead: bool,
}

/// Decides about directly applied objects.
#[must_use]
pub fn decide_direct(view: &DirectView<'_>) -> Decision {
    let open = view.record.and_then(|record| Some((record, record.open.as_ref()?)));
    if let Some(decision) = open.and_then(|(record, open)| go_on(view, record, open)) {
        return decision;
    }
    let attempt = view.record.map_or(0, |r| r.attempt) + 1;
    let (objects, leaving) = due(view, open.map(|(_, open)| open));
    // A step that waits for what the plan no longer says gives way even where
    // nothing differs: as long as it is open it keeps its objects, of which the
    // plan may have given some to another owner.
    if open.is_none() && objects.is_empty() {
        return Decision::Idle(match standing(view) {
            Idle::Done if !leaving.is_empty() => Idle::Waiting { reason: leaving.join("; ") },
            idle => idle,
        });
    }
    let (step, table) = compiled(view, &view.content.part(objects), attempt);
    let record = begun(view, attempt);
    Decision::Act(Box::new(Act {
        entry: Entry::Fresh,
        step,
        cursor: 0,
        record,
        table,
        upcoming: Vec::new(),
        pauses: Vec::new(),
        floor: None,
        step_plan: view.plan_commit.to_owned(),
        warnings: leaving,
        hurries: false,
        handed: Vec::new(),
    }))
}

/// Decides about directly applied objects that the plan has no more. What
/// stands stays; only a step that is open is brought to its end, because an
/// open step keeps its objects from every other owner.
#[must_use]
pub fn decide_gone(
    (project, target): (&str, &str),
    record: Option<&EntityRecord>,
    now: Timestamp,
    holder_dead: bool,
) -> Decision {
    let Some((record, open)) = record.and_then(|record| Some((record, record.open.as_ref()?)))
    else {
        return Decision::Idle(Idle::Done);
    };
    match open.phase {
        Phase::Intent if !holder_dead && now < open.lease_until => Decision::Idle(Idle::Busy {
            step: open.id.clone(),
            holder: open.holder.clone(),
            until: open.lease_until,
        }),
        _ if open.kind.only_deletes() => {
            let entry = match open.phase {
                Phase::Intent => Entry::Takeover,
                Phase::Waiting => Entry::Resume,
            };
            removal_reopened((project, target), &record.entity, record, open, entry)
        }
        // Its late writes are fenced off, and nothing of it is done again.
        Phase::Intent => {
            let step = Step::named(open.id.clone(), open.kind);
            let step_plan = open.step_plan.clone();
            Decision::Act(Box::new(Act::bare(Entry::Takeover, step, record.clone(), step_plan)))
        }
        Phase::Waiting => {
            let mut buried = record.clone();
            buried.open = None;
            buried.removed = true;
            let subject = format!(
                "{}: the plan applies it directly no more, its open step is closed",
                record.entity.name
            );
            Decision::Amend(Box::new(buried), subject)
        }
    }
}

/// The open step, unless it waits for something that the plan has replaced.
fn go_on(view: &DirectView<'_>, record: &EntityRecord, open: &OpenStep) -> Option<Decision> {
    let entry = match open.phase {
        Phase::Intent if !view.holder_dead && view.now < open.lease_until => {
            let holder: Holder = open.holder.clone();
            let step = open.id.clone();
            return Some(Decision::Idle(Idle::Busy { step, holder, until: open.lease_until }));
        }
        Phase::Intent => Entry::Takeover,
        Phase::Waiting if open.kind.only_deletes() => Entry::Resume,
        Phase::Waiting => {
            // Digests tell nothing of the values of Secrets.
            let same = |step: &DirectContent| view.content.has_all_of(step);
            let replaced =
                record.target.as_ref().is_none_or(|t| t.digest != *view.content.digest())
                    || !view.step_content.is_none_or(same);
            if replaced {
                return None;
            }
            Entry::Resume
        }
    };
    if open.kind.only_deletes() {
        let of = (view.project, view.target);
        return Some(removal_reopened(of, view.key, record, open, entry));
    }
    // Where the plan that it began with does not load any more, what the newest
    // one says of its objects may be the same.
    let named = |object: &&Object| open.objects.iter().any(|named| named.object == object.0);
    let newest = || view.content.part(view.content.objects.iter().filter(named).cloned().collect());
    let content = view.step_content.cloned().unwrap_or_else(newest);
    let (step, table) = compiled(view, &content, record.attempt);
    if *step.id() != open.id {
        return Some(Decision::Refuse(not_compiled(view.key, open)));
    }
    let cursor = open.cursor.min(step.effects.len().saturating_sub(1));
    let step_plan = open.step_plan.clone();
    let record = record.clone();
    let warnings = Vec::new();
    Some(Decision::Act(Box::new(Act {
        entry,
        step,
        cursor,
        record,
        table,
        upcoming: Vec::new(),
        pauses: Vec::new(),
        floor: None,
        step_plan,
        warnings,
        hurries: false,
        handed: Vec::new(),
    })))
}

/// An open step that only deletes, and whose run is gone.
fn removal_reopened(
    of: (&str, &str),
    key: &EntityKey,
    record: &EntityRecord,
    open: &OpenStep,
    entry: Entry,
) -> Decision {
    match open.kind {
        StepKind::Orphans => {
            orphan::reopened(of, key, record, open, entry).unwrap_or_else(Decision::Refuse)
        }
        _ => prune::reopened(of, key, record, open, entry),
    }
}

fn standing(view: &DirectView<'_>) -> Idle {
    let Some(record) = view.record else { return Idle::Done };
    let same = || record.target.as_ref().is_some_and(|t| t.digest == *view.content.digest());
    if record.status.rolling_state == RollingState::RolloutFailed && same() {
        let message = record.last.as_ref().map_or("it failed", |last| last.message.as_str());
        return Idle::Failed { reason: format!("{message}; a change of the plan tries again") };
    }
    Idle::Done
}

/// What a new step is about: what may differ, and whatever the step that gives
/// way to it names, which it may have waited for. After a failure all of it: else
/// what failed would be forgotten by mending something else. All of it too where
/// there is nothing else, so that a step is never empty. What is being deleted
/// is left out, and told.
fn due(view: &DirectView<'_>, open: Option<&OpenStep>) -> (Vec<Object>, Vec<String>) {
    let objects = &view.content.objects;
    let mut told = Vec::new();
    let stays = |(object, _): &&Object| match view.live.get(object).filter(|l| is_leaving(l)) {
        Some(live) => {
            told.push(leaving(object, live));
            false
        }
        None => true,
    };
    let staying: Vec<&Object> = objects.iter().filter(stays).collect();
    let named: BTreeSet<&ObjectRef> =
        open.iter().flat_map(|open| &open.objects).map(|named| &named.object).collect();
    let differs = |(object, body): &Object| {
        let live = view.live.get(object);
        live.is_some_and(|live| is_of_any(live, view.gone))
            || !view.unchanged.contains(object)
                && !settled(live, (object, None), body, &Driven::default())
    };
    let due: Vec<Object> = staying
        .iter()
        .filter(|object| named.contains(&object.0) || differs(object))
        .map(|object| (*object).clone())
        .collect();
    let failed = view.record.is_some_and(|r| r.status.rolling_state == RollingState::RolloutFailed);
    let whole = if due.is_empty() { open.is_some() } else { failed };
    let due = match (whole, staying.is_empty()) {
        (false, _) => due,
        (true, false) => staying.into_iter().cloned().collect(),
        (true, true) => objects.clone(),
    };
    (due, told)
}

/// Whether a live object carries the mark of one of these entities.
#[must_use]
pub fn is_of_any(live: &Value, entities: &BTreeSet<EntityKey>) -> bool {
    !entities.is_empty() && entity_of(live).is_some_and(|of| entities.contains(&of))
}

fn compiled(view: &DirectView<'_>, content: &DirectContent, attempt: u32) -> (Step, BodyTable) {
    let context = Arc::new(StepContext {
        project: view.project.to_owned(),
        target: view.target.to_owned(),
        entity: view.key.clone(),
        source: None,
        revision: content.digest().clone(),
        attempt,
        round: 0,
        compiler: COMPILER,
    });
    let names: Vec<ObjectRef> = content.objects.iter().map(|(object, _)| object.clone()).collect();
    let table = BodyTable::direct(&content.objects, content.digest()).knowing(&content.workloads);
    (compile_direct(&context, &names, &content.rules, &content.around), table)
}

fn begun(view: &DirectView<'_>, attempt: u32) -> EntityRecord {
    let mut record = view.content.named(EntityRecord {
        stable: view.record.and_then(|r| r.stable.clone()),
        step_plan: Some(view.plan_commit.to_owned()),
        owns: view.record.and_then(|r| r.owns.clone()),
        last: view.record.and_then(|r| r.last.clone()),
        ..EntityRecord::fresh(view.key.clone(), attempt)
    });
    record.set_state(State {
        rolling: RollingState::RollingInBatches,
        batch: BatchState::BatchInRolling,
    });
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decide::{Intended, OrphanView, decide_orphans, intended};
    use crate::core::health::Rules;
    use crate::core::record::{Inventory, NamedObject};
    use crate::core::strategy::{Effect, EntityKind};
    use serde_json::json;

    fn decided(live: &[Value]) -> Decision {
        let key = EntityKey {
            kind: EntityKind::Objects,
            namespace: "default".to_owned(),
            name: "_objects".to_owned(),
        };
        let body = |name: &str| {
            json!({"apiVersion": "v1", "kind": "ConfigMap",
                   "metadata": {"name": name, "namespace": "default"}})
        };
        let bodies = [body("held"), body("free")];
        let objects =
            bodies.into_iter().map(|b| (ObjectRef::of(&b).unwrap(), Arc::new(b))).collect();
        let live = live.iter().map(|l| (ObjectRef::of(l).unwrap(), Arc::new(l.clone()))).collect();
        decide_direct(&DirectView {
            key: &key,
            project: "p",
            target: "t",
            plan_commit: "c",
            content: &DirectContent::plain(objects, &Rules::default()),
            step_content: None,
            record: None,
            live: &live,
            unchanged: &live.iter().map(|(o, _)| o.clone()).filter(|o| o.name == "free").collect(),
            gone: &BTreeSet::new(),
            now: Timestamp::UNIX_EPOCH,
            holder_dead: false,
        })
    }

    fn held(finalizers: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held",
            "namespace": "default", "deletionTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": finalizers}})
    }

    #[test]
    fn what_is_being_deleted_holds_up_nothing_else_and_is_not_written() {
        let Decision::Act(act) = decided(&[held(&json!(["example.com/hold"]))]) else {
            panic!("the other object is missing")
        };
        let written: Vec<&str> =
            act.step.effects.iter().map(Effect::object).map(|o| o.name.as_str()).collect();
        assert_eq!(written, ["free"]);
        assert!(act.warnings[0].contains("held by example.com/hold"), "{:?}", act.warnings);
    }

    #[test]
    fn where_only_that_is_left_the_rest_is_waited_for() {
        let free = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "free", "namespace": "default"}});
        let decision = decided(&[held(&json!([])), free.clone()]);
        let Decision::Idle(Idle::Waiting { reason }) = decision else { panic!("{decision:?}") };
        assert!(reason.contains("ConfigMap/default/held is being deleted;"), "{reason}");
        let mut stays = held(&json!(["example.com/hold"]));
        stays["metadata"].as_object_mut().unwrap().remove("deletionTimestamp");
        assert!(matches!(decided(&[stays, free]), Decision::Act(_)), "it differs as any other");
    }

    /// The removal of a lane's second Ingress that has landed late, the record
    /// while it is open, and what is decided once its run is gone.
    fn left_in_lane() -> (Box<Act>, EntityRecord, Decision) {
        let key = EntityKey {
            kind: EntityKind::Lane,
            namespace: "default".to_owned(),
            name: "gray".to_owned(),
        };
        let rules = Rules::default();
        let content = DirectContent::of_lane("gray", Vec::new(), &rules, Vec::new());
        let view = DirectView {
            key: &key,
            project: "p",
            target: "t",
            plan_commit: "c",
            content: &content,
            step_content: None,
            record: None,
            live: &Live::default(),
            unchanged: &BTreeSet::new(),
            gone: &BTreeSet::new(),
            now: Timestamp::UNIX_EPOCH,
            holder_dead: false,
        };
        let record = begun(&view, 1);
        let late = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {
            "name": "web-canary", "namespace": "default", "uid": "u", "annotations": {
                "tranche.dev/ingress-class": "nginx", "tranche.dev/epoch": "3",
                "tranche.dev/entity": "lane/default/gray",
                "nginx.ingress.kubernetes.io/canary-weight": "0"}}});
        let object = ObjectRef::of(&late).unwrap();
        let removal = decide_orphans(&OrphanView {
            workloads: crate::core::strategy::workload::Workloads::BUILT_IN,
            key: &key,
            project: "p",
            target: "t",
            record: &record,
            inventory: &Inventory::default(),
            wanted: &BTreeSet::new(),
            labelled: &[Arc::new(late)],
            plan_commit: "c",
        });
        let Some(Decision::Act(act)) = removal else { panic!("{removal:?}") };
        let holder = Holder {
            run: "r".to_owned(),
            boot: String::new(),
            pid_namespace: String::new(),
            pid: 1,
            started: 0,
        };
        let named = NamedObject { object, uid: Some("u".to_owned()), generation: None };
        let open = intended(
            &record,
            &act.step,
            Intended {
                cursor: 0,
                step_plan: "c",
                epoch: 4,
                holder: &holder,
                lease_until: Timestamp::UNIX_EPOCH,
                objects: vec![named],
            },
        );
        let decision = decide_direct(&DirectView { record: Some(&open), ..view });
        (act, open, decision)
    }

    #[test]
    fn a_lanes_leftover_is_removed_and_a_removal_is_taken_over() {
        let (act, open, decision) = left_in_lane();
        let gone: Vec<String> = act.step.effects.iter().map(ToString::to_string).collect();
        assert_eq!(gone, ["delete Ingress/default/web-canary"]);
        let taken_over = |decision: &Decision| {
            let Decision::Act(act) = decision else { panic!("{decision:?}") };
            assert_eq!((act.entry, act.step.kind), (Entry::Takeover, StepKind::Orphans));
            assert_eq!(*act.step.id(), open.open.as_ref().unwrap().id);
            assert!(act.step.effects.is_empty(), "what is left is found anew");
        };
        taken_over(&decision);
        taken_over(&decide_gone(("p", "t"), Some(&open), Timestamp::UNIX_EPOCH, false));
    }
}
