//! The push, which is the lock. Owns what became of one; it must never learn
//! that from anything but the remote's own refs.

use super::child::Ended;
use super::diagnose::{diagnose, is_denied, unreachable};
use super::remote::GitRemote;
use crate::port::{CommitId, Objects as _, PushOutcome, Remote as _, RemoteError};
use std::time::Duration;
use tokio::time::Instant;

/// Pauses before the same commit is pushed again where the branch has not
/// moved. That alone does not say that the push was refused: whoever wins a
/// race holds the server's lock on the ref for a moment before it moves.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(600)];

pub(super) async fn push(
    remote: &GitRemote,
    branch: &str,
    expected: Option<&CommitId>,
    new: &CommitId,
) -> Result<PushOutcome, RemoteError> {
    check(remote, expected, new)?;
    let lease = expected.map_or("", |id| id.0.as_str());
    let lease = format!("--force-with-lease=refs/heads/{branch}:{lease}");
    let refspec = format!("{new}:refs/heads/{branch}");
    let arguments = [
        "push",
        "--porcelain",
        "--no-verify",
        "--no-follow-tags",
        "--recurse-submodules=no",
        &lease,
        "--",
        remote.url.as_str(),
        &refspec,
    ];
    let begun = Instant::now();
    let mut pauses = PAUSES.iter();
    let (answer, verdict) = loop {
        let answer = remote.git(&arguments, remote.deadlines.push).await;
        let tip = match remote.look(branch).await {
            Ok(tip) => tip,
            // One more look: a push whose outcome is unknown costs a whole run.
            Err(_) => remote.look(branch).await?,
        };
        let verdict = judge(tip.as_ref(), expected, new);
        let again = verdict == Verdict::Unmoved
            && begun.elapsed() < remote.deadlines.push
            // Who may not push now may not a moment later either, and an
            // account is soon locked.
            && !answer.as_ref().is_ok_and(is_denied);
        match pauses.next() {
            Some(pause) if again => tokio::time::sleep(*pause).await,
            _ => break (answer, verdict),
        }
    };
    match verdict {
        Verdict::Won => {
            remote.remember(branch, Some(new));
            Ok(PushOutcome::Won)
        }
        Verdict::Unmoved => unmoved(remote, branch, answer),
        Verdict::Gone => Ok(PushOutcome::Lost),
        Verdict::Moved => {
            // Somebody may have built on our commit before we looked.
            let tip = remote.fetch_record(branch).await?;
            let ours = match tip {
                Some(tip) => remote.store.contains(&tip, new)?,
                None => false,
            };
            Ok(if ours { PushOutcome::Won } else { PushOutcome::Lost })
        }
    }
}

/// What a branch that has not moved means: the remote has said no to it, in
/// the status that git reports for each ref, or nobody knows.
fn unmoved(
    remote: &GitRemote,
    branch: &str,
    answer: Result<Ended, RemoteError>,
) -> Result<PushOutcome, RemoteError> {
    let ended = answer?;
    if ended.success {
        let cause = format!("accepted a push to {branch} that its refs do not show");
        return Err(unreachable(&remote.url, cause));
    }
    // git's own word for a remote that has broken off, not the server's.
    let told = String::from_utf8_lossy(&ended.stdout);
    let mut failed = told.lines().filter(|line| line.starts_with("!\t"));
    if failed.any(|line| !line.contains("\t[remote failure]")) {
        return Ok(PushOutcome::Refused(ended.said));
    }
    Err(diagnose(&remote.url, &ended))
}

/// A lease alone would let git overwrite history (it implies force), so the
/// fast-forward is checked here.
fn check(
    remote: &GitRemote,
    expected: Option<&CommitId>,
    new: &CommitId,
) -> Result<(), RemoteError> {
    let new_id = remote.store.commit_object(new)?.id().to_string();
    let whole = new_id == new.0 && expected.is_none_or(|id| id.0.len() == new_id.len());
    let forward = match expected {
        Some(expected) => remote.store.contains(new, expected)? && expected != new,
        None => true,
    };
    if whole && forward {
        return Ok(());
    }
    let from = expected.map_or("nothing", |id| id.0.as_str());
    Err(RemoteError::Store {
        doing: format!("push {new}"),
        cause: format!("it is no fast-forward of {from}"),
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Won,
    Unmoved,
    Gone,
    Moved,
}

fn judge(tip: Option<&CommitId>, expected: Option<&CommitId>, new: &CommitId) -> Verdict {
    if tip == Some(new) {
        Verdict::Won
    } else if tip == expected {
        Verdict::Unmoved
    } else if tip.is_none() {
        Verdict::Gone
    } else {
        Verdict::Moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tip_alone_decides() {
        let id = |text: &str| CommitId(text.to_owned());
        let (old, new, other) = (id("a"), id("b"), id("c"));
        assert_eq!(judge(Some(&new), Some(&old), &new), Verdict::Won);
        assert_eq!(judge(Some(&old), Some(&old), &new), Verdict::Unmoved);
        assert_eq!(judge(None, None, &new), Verdict::Unmoved);
        assert_eq!(judge(None, Some(&old), &new), Verdict::Gone);
        assert_eq!(judge(Some(&other), Some(&old), &new), Verdict::Moved);
        assert_eq!(judge(Some(&old), None, &new), Verdict::Moved);
    }
}
