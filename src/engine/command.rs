//! A person's decision as a commit on the record branch. Owns what is checked
//! before it and how it is written; who is asked, and how often after a lost
//! push, is the caller's.

use super::approve::{Stand, stand};
use super::forged::credible;
use super::snapshot::Row;
use super::{Class, Memo, RunError, Snapshot};
use crate::core::decide::{Answer, Command, Stance};
use crate::core::model::Target;
use crate::core::record::{
    self, Approval, CommitPhase, Decisions, EntityRecord, Trailers, Verdict, dashboard,
    decisions_path,
};
use crate::core::strategy::EntityKey;
use crate::port::{Change, CommitId, Objects, PushOutcome, Remote};
use jiff::Timestamp;
use std::rc::Rc;

/// What a person wants of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The command.
    pub wanted: Command,
    /// Who gives it.
    pub by: String,
    /// When, by their own clock: for people only.
    pub at: Timestamp,
    /// Why, if they say so.
    pub reason: Option<String>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commanded {
    /// It is on the record now.
    Recorded(String),
    /// It was so already; nothing was recorded.
    Already(String),
    /// The record has no such rollout.
    Unknown,
    /// Somebody pushed first: fetch, and ask again.
    Lost,
}

/// Puts an order about one rollout on the record that was fetched at `tip`.
/// What was read of it before may be in `memo`.
///
/// # Errors
/// Fails if the rollout's state does not allow it, if the record cannot be
/// read, or if the remote refuses the push.
pub async fn command<R: Remote>(
    remote: &R,
    target: &Target,
    key: &EntityKey,
    tip: &CommitId,
    order: &Order,
    memo: &Rc<Memo>,
) -> Result<Commanded, RunError> {
    let objects = remote.objects();
    // A decision on top of a commit that cannot be true would hide it.
    credible(objects, &target.record_branch, tip)?;
    let snapshot = Snapshot::remembering(objects, Some(tip.clone()), Rc::clone(memo));
    let decisions = snapshot.decisions(key)?;
    // A pause outlives the rollout's document, and holds it when it comes back:
    // it can be taken away before and after.
    let held = order.wanted == Command::Resume && decisions.paused.is_some();
    let Some(entity) = snapshot.entity(key)?.filter(|entity| held || !entity.removed) else {
        return Ok(Commanded::Unknown);
    };
    let previous = objects.info(tip)?;
    let stand = match order.wanted {
        wanted @ (Command::Approve | Command::ApproveAll) => {
            Some(stand(remote, target, &previous.message, (&entity, &decisions), wanted).await?)
        }
        _ => None,
    };
    if let Some(why) = already(&entity, &decisions, order.wanted, stand.as_ref())? {
        return Ok(Commanded::Already(why));
    }
    // The target's clock may run ahead of a person's: the log must not run
    // back.
    let at = order.at.max(previous.time);
    let verdict =
        Verdict { attempt: entity.attempt, by: order.by.clone(), at, reason: order.reason.clone() };
    let after = stand.map_or(0, |stand| stand.after);
    let next = decided(Decisions::clone(&decisions), order.wanted, verdict, after);
    let what = match order.wanted {
        Command::Approve => format!("approve batch {}", after + 2),
        Command::ApproveAll => "approve all gates".to_owned(),
        wanted => wanted.to_string(),
    };
    let subject = format!("{}: {what}, in {}", key.name, entity.state());
    let changes = changes(target, &snapshot.rows()?, key, &next)?;
    let message = message(&previous.message, key, &subject, order);
    let commit = objects.commit(Some(tip), &changes, &message, at)?;
    match remote.push(&target.record_branch, Some(tip), &commit).await? {
        PushOutcome::Won => Ok(Commanded::Recorded(subject)),
        PushOutcome::Lost => Ok(Commanded::Lost),
        PushOutcome::Refused(text) => Err(RunError::new(
            Class::Failed,
            format!(
                "the remote refused a push to branch {}: {}",
                target.record_branch,
                text.trim()
            ),
            "let this identity push to the branch; nothing was recorded",
        )),
    }
}

/// Why an order says nothing new; none if it does.
///
/// # Errors
/// Fails if the rollout's state does not allow it.
fn already(
    entity: &EntityRecord,
    decisions: &Decisions,
    wanted: Command,
    stand: Option<&Stand>,
) -> Result<Option<String>, RunError> {
    let name = format!("{}/{}", entity.entity.namespace, entity.entity.name);
    // What was decided but not done yet counts as done; once the attempt is
    // over, its state is what answers.
    let over = entity.status.rolling_state.terminal();
    if wanted == Command::Abort && !over && decisions.aborts(entity.attempt) {
        return Ok(Some(format!("{name}: it is being aborted already")));
    }
    if wanted == Command::Retry && decisions.retries(entity.attempt) {
        return Ok(Some(format!("{name}: it is being tried again already")));
    }
    let gate = stand.map(|stand| stand.gate).unwrap_or_default();
    let stance = Stance { paused: decisions.paused.is_some(), gate };
    match wanted.answer(entity.state(), stance) {
        Answer::Accepted => Ok(None),
        Answer::Already(why) => Ok(Some(format!("{name}: {why}"))),
        Answer::Refused(why) => Err(RunError::new(
            Class::Refused,
            format!(
                "{wanted} of {name}: {} (state {})",
                stand.and_then(|stand| stand.why.as_deref()).unwrap_or(why),
                entity.state()
            ),
            "`tranche status` shows where it stands; nothing was recorded",
        )),
    }
}

/// The files that a decision changes: its own and the dashboard.
fn changes(
    target: &Target,
    rows: &[Row],
    key: &EntityKey,
    next: &Decisions,
) -> Result<[Change; 2], RunError> {
    let path = decisions_path(key);
    let bytes = record::write(&path, next)?;
    let shown = rows.iter().map(|(record, decisions)| {
        let decisions = if record.entity == *key { next } else { &**decisions };
        (&**record, decisions)
    });
    let page = dashboard(&target.name, &shown.collect::<Vec<_>>());
    Ok([
        Change { path, bytes: Some(bytes) },
        Change { path: "README.md".to_owned(), bytes: Some(page.into_bytes()) },
    ])
}

fn message(previous: &str, key: &EntityKey, subject: &str, order: &Order) -> String {
    let before = Trailers::parse(previous);
    let plan = before.as_ref().map_or_else(String::new, |t| t.plan_commit.clone());
    let mut trailers = Trailers::after(before.as_ref(), CommitPhase::Decision, &plan);
    trailers.rollout = Some(key.to_string());
    trailers.approved_by = Some(order.by.clone());
    trailers.message(subject, order.reason.as_deref().unwrap_or_default())
}

fn decided(
    mut decisions: Decisions,
    wanted: Command,
    verdict: Verdict,
    after_batch: u32,
) -> Decisions {
    match wanted {
        Command::Pause => decisions.paused = Some(verdict),
        Command::Resume => decisions.paused = None,
        Command::Approve => decisions.approve = Some(Approval { after_batch, verdict }),
        Command::ApproveAll => decisions.approve_all = Some(verdict),
        Command::Abort => decisions.abort = Some(verdict),
        Command::Retry => decisions.retry = Some(verdict),
    }
    decisions.stamped()
}
