//! From a preview to what reviewers are shown of it. Owns the words for steps
//! and movements; how they are laid out is `report`'s.

use crate::core::model::Pause;
use crate::core::record::RevisionRef;
use crate::core::strategy::{Movement, Step, StepKind};
use crate::engine::{Class, Preview, PreviewEntity};
use crate::report::{DiffReport, EntityReport, Resting, StepReport};

/// What an apply would do to a target, for reviewers.
pub(super) fn review(target: &str, preview: Preview) -> DiffReport {
    DiffReport {
        target: target.to_owned(),
        plan: preview.plan_commit,
        publications: preview.publications,
        entities: preview.entities.into_iter().map(entity).collect(),
    }
}

fn entity(entity: PreviewEntity) -> EntityReport {
    let mut steps: Vec<StepReport> = entity.steps.iter().map(step).collect();
    // What is before the first of them is open.
    for (report, step) in steps.iter_mut().zip(&entity.steps).skip(1) {
        report.gate = gate(&entity, step);
    }
    EntityReport {
        headline: if steps.is_empty() { String::new() } else { headline(&entity) },
        rest: resting(&entity),
        entity: entity.key.to_string(),
        floor: entity.floor,
        steps,
        warnings: entity.warnings,
        objects: entity.objects,
    }
}

fn resting(entity: &PreviewEntity) -> Resting {
    let Some(rest) = &entity.rest else { return Resting::No };
    match rest.class {
        Class::Done if entity.amends => Resting::Records(rest.message.clone()),
        Class::Done => Resting::No,
        Class::Waiting | Class::Busy => Resting::Waits(rest.message.clone()),
        _ => {
            let key = entity.key.to_string();
            let named = rest.message.contains(&key);
            let prefix = if named { String::new() } else { format!("{key}: ") };
            Resting::Refused(prefix + &rest.message)
        }
    }
}

/// One step in words.
pub(super) fn step(step: &Step) -> StepReport {
    let name = match step.kind {
        StepKind::Batch(index) => format!("batch {}", index + 1),
        StepKind::Abort => "back to stable".to_owned(),
        StepKind::Settle => "apply".to_owned(),
        StepKind::Orphans => "remove leftovers".to_owned(),
        StepKind::Prune => "delete what the plan leaves out".to_owned(),
        StepKind::Replay(0) => "bring back stable".to_owned(),
        StepKind::Replay(done) => format!("bring back batch {done}"),
    };
    let effects = step.effects.iter().map(ToString::to_string).collect();
    StepReport { name, gate: None, id: step.id().to_string(), effects }
}

/// What is waited for before a step.
fn gate(entity: &PreviewEntity, step: &Step) -> Option<String> {
    let StepKind::Batch(index) = step.kind else { return None };
    let pause = Pause::after(&entity.pauses, index.checked_sub(1)?)?;
    let target = entity.record.as_ref().and_then(|record| record.target.as_ref());
    Some(pause.told(target.map_or("", |target| target.name.as_str())))
}

fn headline(entity: &PreviewEntity) -> String {
    let Some(record) = &entity.record else { return entity.key.to_string() };
    let name = |r: &Option<RevisionRef>| {
        r.as_ref().map_or_else(|| "nothing".to_owned(), |r| r.name.clone())
    };
    if record.movement.is_none() {
        return format!("{}: {}", entity.key, name(&record.target));
    }
    let (from, to) = (record.status.rollout_original_size, record.status.rollout_target_size);
    let target = name(&record.target);
    match record.movement {
        Some(Movement::Scale) => format!("{}: {target} from {from} to {to} pods", entity.key),
        Some(Movement::Deploy) => format!("{}: first rollout of {target}, {to} pods", entity.key),
        _ => format!("{}: {} to {target}, {to} pods", entity.key, name(&record.source)),
    }
}
