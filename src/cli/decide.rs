//! `pause`, `resume`, `abort`, `retry`: a person's decision, as a commit on the
//! record branch.

use super::args::{Common, Decision};
use super::connect::{Repository, open, targets};
use super::exit::{Failure, show};
use super::settings;
use super::terminal::{escaped, out};
use crate::core::decide::{Answer, Command, State};
use crate::core::model::Target;
use crate::core::record::{
    self, CommitPhase, Decisions, Trailers, Verdict, dashboard, decisions_path,
};
use crate::core::strategy::{EntityKey, EntityKind};
use crate::engine::{Class, RunError, Snapshot};
use crate::port::{Change, CommitId, Objects, PushOutcome, Remote};

pub use crate::core::decide::Command as Wanted;

/// How often a decision is put on a newer tip.
const MAX_TRIES: u32 = 20;

/// Records a decision.
pub async fn run(common: &Common, wanted: Wanted, options: &Decision) -> Result<u8, Failure> {
    let repository = open(common).await?;
    let mut found = 0;
    let mut worst: Option<Failure> = None;
    for target in targets(common, &repository.project)? {
        // One target's refusal must not keep a decision from the others.
        match on(&repository, &target, wanted, options).await {
            Ok(Some(subject)) => {
                found += 1;
                out(&escaped(&subject));
            }
            Ok(None) => {}
            Err(failure) => {
                if let Some(before) = worst.replace(failure) {
                    show(&before.message, &before.next);
                }
            }
        }
    }
    if let Some(failure) = worst {
        return Err(failure);
    }
    if found == 0 {
        return Err(Failure::usage(
            format!("there is no rollout \"{}\" on the record", options.rollout),
            "`tranche status` lists them; a rollout is there once its first step has begun",
        ));
    }
    Ok(0)
}

/// Decides on one target: what was recorded, or none if it has no such
/// rollout.
async fn on(
    repository: &Repository,
    target: &Target,
    wanted: Wanted,
    options: &Decision,
) -> Result<Option<String>, Failure> {
    for _ in 0..MAX_TRIES {
        match decide(repository, target, wanted, options).await? {
            Outcome::Recorded(subject) | Outcome::Already(subject) => return Ok(Some(subject)),
            Outcome::Unknown => return Ok(None),
            Outcome::Lost => {}
        }
    }
    Err(RunError::new(
        Class::Busy,
        format!("{MAX_TRIES} pushes to branch {} were lost to other runs", target.record_branch),
        "run it again; nothing was recorded there",
    )
    .into())
}

enum Outcome {
    Recorded(String),
    Already(String),
    Unknown,
    Lost,
}

async fn decide(
    repository: &Repository,
    target: &Target,
    wanted: Wanted,
    options: &Decision,
) -> Result<Outcome, Failure> {
    let remote = &repository.remote;
    let objects = remote.objects();
    let Some(tip) = remote.fetch_record(&target.record_branch).await? else {
        return Ok(Outcome::Unknown);
    };
    let snapshot = Snapshot::new(objects, Some(tip.clone()));
    let Some(key) = find(&snapshot.entities()?, &options.rollout, target)? else {
        return Ok(Outcome::Unknown);
    };
    let Some(entity) = snapshot.entity(&key)?.filter(|entity| !entity.removed) else {
        return Ok(Outcome::Unknown);
    };
    let decisions = snapshot.decisions(&key)?;
    let name = format!("{}/{}", key.namespace, key.name);
    // What was decided but not done yet counts as done.
    if wanted == Command::Abort && decisions.aborts(entity.attempt) {
        return Ok(Outcome::Already(format!("{name}: it is being aborted already")));
    }
    if wanted == Command::Retry && decisions.retries(entity.attempt) {
        return Ok(Outcome::Already(format!("{name}: it is being tried again already")));
    }
    match wanted.answer(entity.state(), decisions.paused.is_some()) {
        Answer::Accepted => {}
        Answer::Already(why) => return Ok(Outcome::Already(format!("{name}: {why}"))),
        Answer::Refused(why) => {
            return Err(RunError::new(
                Class::Refused,
                format!("{wanted} of {name}: {why} (state {})", entity.state()),
                "`tranche status` shows where it stands; nothing was recorded",
            )
            .into());
        }
    }
    let by = settings::person();
    // The sandbox's clock runs ahead of this one: the log must not run back.
    let previous = objects.info(&tip)?;
    let at = now().max(previous.time);
    let verdict =
        Verdict { attempt: entity.attempt, by: by.clone(), at, reason: options.reason.clone() };
    let next = decided(decisions, wanted, verdict);
    let state: State = entity.state();
    let subject = format!("{}: {wanted}, in {state}", key.name);
    let mut rows = snapshot.rows()?;
    for row in &mut rows {
        if row.0.entity == key {
            row.1 = next.clone();
        }
    }
    let rows: Vec<_> = rows.iter().map(|(record, decisions)| (record, decisions)).collect();
    let path = decisions_path(&key);
    let changes = [
        Change { bytes: Some(record::write(&path, &next)?), path },
        Change {
            path: "README.md".to_owned(),
            bytes: Some(dashboard(&target.name, &rows).into_bytes()),
        },
    ];
    let message = message(&previous.message, &key, &subject, &by, options);
    let commit = objects.commit(Some(&tip), &changes, &message, at)?;
    push(repository, target, &tip, &commit, subject).await
}

async fn push(
    repository: &Repository,
    target: &Target,
    tip: &CommitId,
    commit: &CommitId,
    subject: String,
) -> Result<Outcome, Failure> {
    match repository.remote.push(&target.record_branch, Some(tip), commit).await? {
        PushOutcome::Won => Ok(Outcome::Recorded(subject)),
        PushOutcome::Lost => Ok(Outcome::Lost),
        PushOutcome::Refused(text) => Err(RunError::new(
            Class::Failed,
            format!(
                "the remote refused a push to branch {}: {}",
                target.record_branch,
                text.trim()
            ),
            "let this identity push to the branch; nothing was recorded",
        )
        .into()),
    }
}

fn message(previous: &str, key: &EntityKey, subject: &str, by: &str, options: &Decision) -> String {
    let before = Trailers::parse(previous);
    let plan = before.as_ref().map_or_else(String::new, |t| t.plan_commit.clone());
    let mut trailers = Trailers::after(before.as_ref(), CommitPhase::Decision, &plan);
    trailers.rollout = Some(key.to_string());
    trailers.approved_by = Some(by.to_owned());
    trailers.message(subject, options.reason.as_deref().unwrap_or_default())
}

fn decided(mut decisions: Decisions, wanted: Wanted, verdict: Verdict) -> Decisions {
    let verdict = Some(verdict);
    match wanted {
        Command::Pause => decisions.paused = verdict,
        Command::Resume => decisions.paused = None,
        Command::Abort => decisions.abort = verdict,
        Command::Retry => decisions.retry = verdict,
    }
    decisions.stamped()
}

/// The rollout that a name means.
fn find(keys: &[EntityKey], wanted: &str, target: &Target) -> Result<Option<EntityKey>, Failure> {
    let rollouts = keys.iter().filter(|key| key.kind == EntityKind::Rollout);
    let matching: Vec<&EntityKey> = match wanted.split_once('/') {
        Some((namespace, name)) => {
            rollouts.filter(|key| key.namespace == namespace && key.name == name).collect()
        }
        None => rollouts.filter(|key| key.name == wanted).collect(),
    };
    match matching.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).clone())),
        several => {
            let names: Vec<String> =
                several.iter().map(|k| format!("{}/{}", k.namespace, k.name)).collect();
            Err(Failure::usage(
                format!(
                    "\"{wanted}\" is ambiguous on target {}: {}",
                    target.name,
                    names.join(", ")
                ),
                "name it as NAMESPACE/NAME",
            ))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a decision's instant is for people only")]
fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}
