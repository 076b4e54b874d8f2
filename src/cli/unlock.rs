//! `tranche unlock`: a person says that the holder of an open step is gone, or
//! gives the step up. Owns finding the step by its id; what then happens is
//! `engine`'s.

use super::args::{Common, Unlock};
use super::connect::{Repository, open, targets, wire};
use super::exit::Failure;
use super::settings;
use super::terminal::{hidden, out, say};
use crate::core::model::Target;
use crate::core::strategy::{EntityKey, EntityKind, StepId};
use crate::engine::{Class, Engine, Options, RunError, Snapshot, Unlocked, Word, open_step};
use crate::port::Remote;

/// The fewest digits that name a step.
const FEWEST: usize = 6;

/// Ends the lease of an open step, or closes the step.
pub(super) async fn run(common: &Common, options: &Unlock) -> Result<u8, Failure> {
    let wanted = options.step.to_ascii_lowercase();
    if wanted.len() < FEWEST || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::usage(
            format!("\"{}\" is no step's id: it has at least {FEWEST} hex digits", options.step),
            "`tranche status -o json` shows the ids of open steps",
        ));
    }
    let repository = open(common).await?;
    let mut found = Vec::new();
    for target in targets(common, &repository.project)? {
        for (key, id) in steps(&repository, &target, &wanted).await? {
            found.push((target.clone(), key, id));
        }
    }
    let (target, key, id) = match found.as_slice() {
        [] => return Err(unknown(common, &repository, &wanted).await?),
        [one] => one,
        several => return Err(ambiguous(several, &wanted)),
    };
    let ports = wire(common, &repository, target).await?;
    let engine = Engine::new(&ports, target, Options::default());
    let word = Word { by: settings::person(), reason: options.reason.as_deref().map(hidden) };
    let done = if options.abandon {
        engine.abandon(key, id, &word).await?
    } else {
        engine.unlock(key, id, &word).await?
    };
    out(say(match done {
        Unlocked::Free(key) => {
            format!("{key}: step {id} is unlocked; `tranche apply` takes it over")
        }
        Unlocked::Abandoned(key) => format!(
            "{key}: step {id} is abandoned, its objects stand where it left them; `tranche {}` \
             says what comes next",
            if key.kind == EntityKind::Rollout { "status" } else { "plan" }
        ),
    }));
    Ok(0)
}

async fn steps(
    repository: &Repository,
    target: &Target,
    prefix: &str,
) -> Result<Vec<(EntityKey, StepId)>, Failure> {
    let remote = &repository.remote;
    let tip = remote.fetch_record(&target.record_branch).await?;
    Ok(open_step(&Snapshot::new(remote.objects(), tip), prefix)?)
}

/// Nothing is open under that id: it may be over.
async fn unknown(
    common: &Common,
    repository: &Repository,
    prefix: &str,
) -> Result<Failure, Failure> {
    for target in targets(common, &repository.project)? {
        let remote = &repository.remote;
        let tip = remote.fetch_record(&target.record_branch).await?;
        for (record, _) in Snapshot::new(remote.objects(), tip).rows()? {
            let over = record.last.as_ref().filter(|last| last.step.0.starts_with(prefix));
            if let Some(last) = over {
                return Ok(RunError::new(
                    Class::Refused,
                    format!(
                        "{}: step {} is over ({}): there is nothing to unlock",
                        record.entity, last.step, last.verdict
                    ),
                    "`tranche status` shows where it stands; nothing was recorded",
                )
                .into());
            }
        }
    }
    Ok(Failure::usage(
        format!("no step {prefix} is open"),
        "`tranche status -o json` shows the ids of open steps, `tranche log -o json` those of all",
    ))
}

fn ambiguous(several: &[(Target, EntityKey, StepId)], prefix: &str) -> Failure {
    let names: Vec<String> = several
        .iter()
        .map(|(target, key, id)| format!("{id} ({key} on {})", target.name))
        .collect();
    Failure::usage(
        format!("\"{prefix}\" is ambiguous: {}", names.join(", ")),
        "name more digits of it, or the target with `--target`",
    )
}
