//! `tranche plan`: the steps to come and what they change. Reads and dry-runs
//! only. Owns how they are printed.

use super::args::{Common, Plan};
use super::connect::{open, targets, wire};
use super::exit::{CHANGES, Failure, exit_code};
use super::render::files_of;
use super::terminal::{Paint, err, escaped, out};
use super::unread;
use crate::core::diff::{Change, ObjectDiff};
use crate::core::strategy::{Movement, StepKind};
use crate::engine::{Class, Engine, Options, Preview, PreviewEntity, load_worktree};

/// Shows what an apply would do.
pub(super) async fn run(common: &Common, options: &Plan) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let mut project = repository.project.clone();
    let files = match options.worktree {
        true => Some(files_of(&common.repo)?),
        false => {
            unread::note(&repository);
            None
        }
    };
    if let Some((_, declared)) = &files {
        project = declared.clone();
    }
    let (mut worst, mut changes) = (Class::Done, false);
    for target in targets(common, &project)? {
        let ports = wire(common, &repository, &target).await?;
        let loaded = match &files {
            Some((files, _)) => Some(load_worktree(files.clone(), &target)?),
            None => None,
        };
        let run = Options { wait: None, accept_rewind: options.accept_rewind };
        let preview = Engine::new(&ports, &target, run).preview(loaded).await?;
        show(&target.name, &preview);
        changes |= preview.changes();
        let refused = preview.entities.iter().filter_map(|e| e.rest.as_ref()).map(|r| r.class);
        worst = refused.filter(|class| *class < Class::Failed).fold(worst, Class::min);
    }
    if worst < Class::Failed {
        return Ok(exit_code(worst));
    }
    Ok(if changes && options.detailed_exitcode { CHANGES } else { 0 })
}

fn show(target: &str, preview: &Preview) {
    let paint = Paint::stdout();
    let short = preview.plan_commit.get(..10).unwrap_or(&preview.plan_commit);
    out(&paint.bold(&format!("target {}, plan {short}", escaped(target))));
    for revision in &preview.publications {
        out(&format!("  publish revision {}", paint.green(&escaped(revision))));
    }
    for entity in &preview.entities {
        show_entity(paint, entity);
    }
    let rests = |entity: &PreviewEntity| entity.rest.as_ref().map(|rest| rest.class);
    let done = preview.entities.iter().all(|entity| rests(entity) == Some(Class::Done));
    if !preview.changes() && done {
        out("  nothing to do");
    }
    for entity in &preview.entities {
        for object in &entity.objects {
            show_diff(paint, object);
        }
    }
}

fn show_entity(paint: Paint, entity: &PreviewEntity) {
    for warning in &entity.warnings {
        err(&format!("note: {}: {}", entity.key, escaped(warning)));
    }
    if let Some(rest) = &entity.rest {
        match rest.class {
            Class::Done if entity.amends => out(&format!("  record {}", escaped(&rest.message))),
            Class::Done => {}
            Class::Waiting | Class::Busy => {
                let text = format!("{}: {}", entity.key, rest.message);
                out(&format!("  {}", paint.yellow(&escaped(&text))));
            }
            _ => {
                let key = entity.key.to_string();
                let named = rest.message.contains(&key);
                let text = if named { String::new() } else { format!("{key}: ") } + &rest.message;
                err(&format!("error: {}", escaped(&text)));
            }
        }
        return;
    }
    out(&format!("  {}", paint.bold(&escaped(&headline(entity)))));
    if let Some(floor) = entity.floor {
        out(&format!("    at least {floor} pods stay ready throughout"));
    }
    for (i, step) in entity.steps.iter().enumerate() {
        let name = match step.kind {
            StepKind::Batch(index) => format!("batch {}", index + 1),
            StepKind::Abort => "back to stable".to_owned(),
            StepKind::Settle => "apply".to_owned(),
            StepKind::Orphans => "remove leftovers".to_owned(),
            StepKind::Replay(0) => "bring back stable".to_owned(),
            StepKind::Replay(done) => format!("bring back batch {done}"),
        };
        let next = if i == 0 { " (next)" } else { "" };
        out(&format!("    {name}{next}  {}", paint.dim(&step.id().to_string())));
        for effect in &step.effects {
            out(&format!("      {}", escaped(&effect.to_string())));
        }
    }
}

fn headline(entity: &PreviewEntity) -> String {
    let Some(record) = &entity.record else { return entity.key.to_string() };
    let name = |r: &Option<crate::core::record::RevisionRef>| {
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

fn show_diff(paint: Paint, object: &ObjectDiff) {
    let verb = match object.change {
        Change::Create => paint.green("create"),
        Change::Update => paint.yellow("update"),
        Change::Delete => paint.red("delete"),
        Change::None => return,
    };
    out(&format!("\n{verb} {}", paint.bold(&escaped(&object.object.to_string()))));
    for line in &object.lines {
        let text = escaped(line);
        let text = match line.chars().next() {
            Some('+') => paint.green(&text),
            Some('-') => paint.red(&text),
            Some('@') => paint.dim(&text),
            _ => text,
        };
        out(&format!("  {text}"));
    }
}
