//! Before an intent: may this run do the step, and would the server take it?
//! Owns what is refused before a lock is taken; it asks and dry-runs, and must
//! never write.

use super::anchor::exactly_or_taking;
use super::concurrently::concurrently;
use super::outcome::Halt;
use super::sweep::Sweep;
use super::trial::explained;
use super::{Class, Engine, RunError};
use crate::core::decide::{Act, inert};
use crate::core::object::{KindRef, Live, ObjectRef, defines};
use crate::core::strategy::{
    Effect, EntityKey, Movement, Side, Stamp, StepKind, beside_others, desired, epoch_of,
    holds_pods, holds_revisions,
};
use crate::port::{Access, Cluster, ClusterProblem, Ports, WriteMode};
use serde_json::Value;
use std::collections::BTreeSet;

/// What an eviction asks of the server: a verb, a kind, and a part of it.
type Needed = (&'static str, fn() -> KindRef, Option<&'static str>);
const NEEDED_TO_EVICT: [Needed; 3] = [
    ("list", holds_pods, None),
    ("list", holds_revisions, None),
    ("create", holds_pods, Some("eviction")),
];

impl<P: Ports> Engine<'_, P> {
    /// Asks for the rights that a step needs from an effect on, and dry-runs
    /// the first write of each of its objects.
    pub(super) async fn checked(
        &self,
        key: &EntityKey,
        act: &Act,
        cursor: usize,
        live: &Live,
        sweep: &Sweep,
    ) -> Result<(), Halt> {
        self.allowed(key, act, cursor, live).await?;
        let mut seen = BTreeSet::new();
        let mut trials = Vec::new();
        for (index, effect) in act.step.effects.iter().enumerate().skip(cursor) {
            deletable(effect, act, live)?;
            if let (Effect::Delete { object, .. }, Some(live)) = (effect, live.get(effect.object()))
                && emptied(act, cursor, object)
            {
                still_empty(act, object, live)?;
            }
            let Effect::Write { object, .. } = effect else { continue };
            // What a sweep has shown was asked about in the same breath.
            let known = sweep.entities.contains(key) && sweep.agreed(object);
            if known || !seen.insert(object) {
                continue;
            }
            trials.extend(first_write(key, act, index, live.get(object)));
        }
        let trials = trials
            .iter()
            .map(|(object, state, mode)| self.trial(act, object, live.get(object), state, mode));
        concurrently(trials).await.into_iter().collect()
    }

    async fn trial(
        &self,
        act: &Act,
        object: &ObjectRef,
        live: Option<&Value>,
        state: &Value,
        mode: &WriteMode,
    ) -> Result<(), Halt> {
        let Err(error) = self.ports.cluster().apply(object, state, mode, true).await else {
            return Ok(());
        };
        match &error.problem {
            // What it needs comes by the same step, and it is asked about once that
            // is there.
            ClusterProblem::Missing(_) | ClusterProblem::NoKind(_) if is_brought(act, object) => {
                Ok(())
            }
            problem if self.is_coming(&object.kind_ref(), problem) => {
                Err(yet_to_come(object).into())
            }
            // Only the write itself shows what the webhook says.
            ClusterProblem::NoDryRun(_) => Ok(()),
            // Changed since it was observed: look again.
            ClusterProblem::Stale(_) => Err(Halt::Again),
            _ => Err(explained(object, live, state, &error).into()),
        }
    }

    /// Whether an attempt begins with the size that is stored. It was taken from
    /// one GET, which may have answered an older state: pods that a way back has
    /// brought a moment ago would be lost for good.
    pub(super) async fn has_its_size(&self, act: &Act) -> Result<bool, Halt> {
        let side = match act.record.movement {
            Some(Movement::Upgrade) => Side::Source,
            Some(Movement::Scale) => Side::Target,
            Some(Movement::Deploy) | None => return Ok(true),
        };
        // Several components have their sizes in one sum on the record.
        let (mut pods, mut any) = (0_u32, false);
        for object in act.table.objects() {
            let rolled = act.table.rolls(object) && !act.table.tries(object);
            let sized = rolled && act.table.get(side, object).is_some();
            let Some(kind) = act.table.kind(side, object).filter(|_| sized) else { continue };
            let Some(live) = self.ports.cluster().get(object).await? else { return Ok(false) };
            (pods, any) = (pods.saturating_add(kind.read(&live).wanted), true);
            if !self.is_newest(object, &live).await? {
                return Ok(false);
            }
        }
        Ok(!any || pods == act.record.status.rollout_original_size)
    }

    async fn allowed(
        &self,
        key: &EntityKey,
        act: &Act,
        cursor: usize,
        live: &Live,
    ) -> Result<(), Halt> {
        // Each once, the first that is missing is told.
        let (mut known, mut asked) = (BTreeSet::new(), Vec::new());
        let mut ask = |access: Access, what: &dyn ToString| {
            if known.insert(access.clone()) {
                asked.push((access, what.to_string()));
            }
        };
        for effect in act.step.effects.iter().skip(cursor) {
            let object = effect.object();
            // Nobody has a right to what is not known yet; the write has the word.
            if !live.contains(object) && brings_kind(act, object) {
                continue;
            }
            if let Effect::Await { condition, .. } = effect
                && let Some((kind, _)) = condition.beside(object)
            {
                let what = format!("{kind} of {object}");
                let namespace = object.namespace.clone();
                ask(Access { verb: "list", kind, part: None, namespace }, &what);
            }
            if matches!(effect, Effect::Evict { .. }) {
                for (verb, kind, part) in NEEDED_TO_EVICT {
                    let (kind, namespace) = (kind(), object.namespace.clone());
                    let of = part.map_or_else(String::new, |part| format!("{part} of "));
                    let what = format!("{of}{kind} of {object}");
                    ask(Access { verb, kind, part, namespace }, &what);
                }
            }
            let verbs: &[&'static str] = match effect {
                Effect::Call { .. } => &[],
                Effect::Await { .. } | Effect::Evict { .. } => &["get"],
                Effect::Delete { .. } => &["get", "delete"],
                Effect::Write { .. } if live.contains(object) => &["get", "patch"],
                Effect::Write { .. } => &["get", "patch", "create"],
            };
            for verb in verbs.iter().copied() {
                let (kind, namespace) = (object.kind_ref(), object.namespace.clone());
                ask(Access { verb, kind, part: None, namespace }, object);
            }
        }
        let answers = asked.into_iter().map(|(access, what)| self.granted(key, access, what));
        concurrently(answers).await.into_iter().collect()
    }

    /// Whether this identity has a right; asked once a run.
    pub(super) async fn may(&self, access: Access) -> Result<bool, RunError> {
        if let Some(known) = self.rights.borrow().get(&access).copied() {
            return Ok(known);
        }
        let may = self.ports.cluster().may(&access).await?;
        self.rights.borrow_mut().insert(access, may);
        Ok(may)
    }

    async fn granted(&self, key: &EntityKey, access: Access, what: String) -> Result<(), Halt> {
        let verb = access.verb;
        if self.may(access).await? {
            return Ok(());
        }
        Err(RunError::new(
            Class::Refused,
            format!("{key}: this identity may not {verb} {what}"),
            "grant the verb by a Role (`kubectl auth can-i --list` shows what it may), and \
                     `tranche apply` again; nothing was written",
        )
        .into())
    }
}

/// An object that is to be deleted must be one that we wrote, and one that is
/// removed as an orphan must have no pods.
pub(super) fn deletable(effect: &Effect, act: &Act, live: &Live) -> Result<(), RunError> {
    let Effect::Delete { object, uid } = effect else { return Ok(()) };
    let is_removal = act.step.kind == StepKind::Orphans && uid.is_some();
    match live.get(object) {
        Some(live) if is_removal && !inert(act.table.kind(Side::Target, object), live) => {
            Err(RunError::new(
                Class::Refused,
                format!("{object} was to be removed as an orphan, but it has pods by now"),
                "see what serves from it; scale it to 0, or take the annotation \
             `tranche.dev/entity` off it to keep it",
            ))
        }
        Some(live) if epoch_of(live).is_none() => Err(RunError::new(
            Class::Refused,
            format!("{object} was to be deleted, but tranche never wrote it"),
            "somebody replaced it: `kubectl get -o yaml` shows what it is; delete or rename it by \
             hand, and `tranche apply` again",
        )),
        _ => Ok(()),
    }
}

/// Whether an object has no pods any more once a step has come to an effect: a
/// rollout empties the workload that it deletes, and nothing from there on does.
/// An earlier batch may have done it: percentages round up, and the last one
/// then moves no pods, and looks at none.
pub(super) fn emptied(act: &Act, from: usize, object: &ObjectRef) -> bool {
    let mut to_come = act.step.effects.iter().skip(from);
    let empties = to_come.any(|effect| {
        matches!(effect, Effect::Write { object: of, driven, .. }
            if of == object && driven.replicas == Some(0))
    });
    act.table.rolls(object) && !empties
}

/// Somebody wants pods of what was emptied to be deleted. They are not taken
/// from under them: what this run has seen ready may have been those, if it has
/// looked at all.
pub(super) fn still_empty(act: &Act, object: &ObjectRef, live: &Value) -> Result<(), RunError> {
    let rolls = |side: &Side| act.table.get(*side, object).is_some();
    let side = [Side::Source, Side::Target].into_iter().find(rolls).unwrap_or(Side::Target);
    if inert(act.table.kind(side, object), live) {
        return Ok(());
    }
    Err(RunError::new(
        Class::Refused,
        format!("{object} was scaled to 0 to be deleted, but somebody has scaled it up since"),
        "scale it to 0 (`kubectl scale`) once nothing needs its pods, and `tranche apply` again",
    ))
}

fn yet_to_come(object: &ObjectRef) -> RunError {
    RunError::new(
        Class::Waiting,
        format!("{object}: the definition of its kind is in the plan, and not established yet"),
        "`tranche apply` again once it is (`kubectl get crd` shows it)",
    )
}

/// The write of an effect for an object as it is, or as one that is not there.
pub(super) fn first_write<'a>(
    key: &EntityKey,
    act: &'a Act,
    place: usize,
    live: Option<&Value>,
) -> Option<(&'a ObjectRef, Value, WriteMode)> {
    let Effect::Write { object, side, driven, .. } = act.step.effects.get(place)? else {
        return None;
    };
    let (body, revision) = act.table.get(*side, object)?;
    let stamp =
        Stamp { step: act.step.id(), effect: place, epoch: u64::MAX, entity: key, revision };
    let kind = act.table.kind(*side, object);
    let state = desired(kind, body, driven, &stamp);
    let Some(live) = live else { return Some((object, state, WriteMode::CreateOnly)) };
    let beside = beside_others((object, kind), live, state, driven, act.step.kind);
    Some((object, beside.state, exactly_or_taking(live, beside.takes)))
}

/// Whether a step itself brings what an object needs to be created at all: its
/// namespace or its kind.
pub(super) fn is_brought(act: &Act, object: &ObjectRef) -> bool {
    let namespace = act.step.effects.iter().filter(|effect| effect.writes()).any(|effect| {
        let of = effect.object();
        of.kind == "Namespace" && Some(&of.name) == object.namespace.as_ref()
    });
    namespace || brings_kind(act, object)
}

fn brings_kind(act: &Act, object: &ObjectRef) -> bool {
    let kind = object.kind_ref();
    act.step.effects.iter().any(|effect| match effect {
        Effect::Write { object: of, side, .. } if of.kind == "CustomResourceDefinition" => {
            act.table.get(*side, of).is_some_and(|(body, _)| defines(body, &kind))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_yaml::Value as Yaml;

    /// The rights that the runbook grants for evictions, as verb and resource.
    fn documented() -> BTreeSet<(String, String, String)> {
        let text = include_str!("../../docs/runbook.md");
        let (_, rest) = text.split_once("<!-- yaml: nodes -->\n```yaml\n").unwrap();
        let (role, _) = rest.split_once("```\n").unwrap();
        let role: Yaml = serde_yaml::from_str(role).unwrap();
        let words = |rule: &Yaml, field: &str| -> Vec<String> {
            let list = rule[field].as_sequence().unwrap();
            list.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        let mut rights = BTreeSet::new();
        for rule in role["rules"].as_sequence().unwrap() {
            for group in words(rule, "apiGroups") {
                for resource in words(rule, "resources") {
                    for verb in words(rule, "verbs") {
                        rights.insert((group.clone(), resource.clone(), verb));
                    }
                }
            }
        }
        rights
    }

    #[test]
    fn the_runbook_grants_what_an_eviction_asks_for_and_nothing_else() {
        let asked = NEEDED_TO_EVICT.into_iter().map(|(verb, kind, part)| {
            let kind = kind();
            let part = part.map_or_else(String::new, |part| format!("/{part}"));
            let resource = format!("{}s{part}", kind.kind.to_lowercase());
            (kind.group().to_owned(), resource, verb.to_owned())
        });
        assert_eq!(documented(), asked.collect());
    }
}
