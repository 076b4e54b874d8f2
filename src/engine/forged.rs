//! Record commits and files that tranche cannot have written. Owns the checks
//! on read and how their author is found; it must never mend anything.

use super::outcome::Class;
use super::{Engine, Reading, RunError, Snapshot};
use crate::core::decide::{Refusal, RefusalKind};
use crate::core::record::{CommitPhase, FileError, Trailers, entity_path};
use crate::core::strategy::EntityKey;
use crate::port::{CommitId, CommitInfo, Objects, Ports, Remote, RemoteError};

/// How far back the writer of a file is looked for.
const MOST_COMMITS: usize = 10_000;

/// The trailers of a record commit that may stand where it stands: its number
/// is its parent's plus one, or it says that it was rebuilt.
pub(super) fn credible<O: Objects>(
    objects: &O,
    branch: &str,
    commit: &CommitId,
) -> Result<Trailers, RunError> {
    let (info, what) = match judged(objects, commit)? {
        Ok(trailers) => return Ok(trailers),
        Err(forged) => forged,
    };
    let next = match true_before(objects, &info)? {
        Some(newest) => format!(
            "take it off the branch: `git fetch origin {branch} && git push \
             --force-with-lease={branch}:FETCH_HEAD origin {newest}:refs/heads/{branch}`"
        ),
        None => format!(
            "move it away: `git push origin {}:refs/heads/saved && git push origin --delete \
             {branch}`",
            info.id
        ),
    };
    let who = format!("commit {} on branch {branch}, by {}", info.id.short(), info.author);
    Err(RunError::new(Class::Refused, format!("{who}, {what}"), next))
}

/// The trailers of a commit, or the one that cannot be true and why.
fn judged<O: Objects>(
    objects: &O,
    commit: &CommitId,
) -> Result<Result<Trailers, (CommitInfo, String)>, RemoteError> {
    let info = objects.info(commit)?;
    let Some(trailers) = Trailers::parse(&info.message) else {
        let what = "is not a record commit: only tranche writes there";
        return Ok(Err((info, what.to_owned())));
    };
    if trailers.phase == CommitPhase::Rebuild && trailers.rebuilt_from.is_some() {
        return Ok(Ok(trailers));
    }
    let before = match &info.parent {
        Some(parent) => {
            let parent = objects.info(parent)?;
            match Trailers::parse(&parent.message) {
                Some(before) => before.seq,
                None => {
                    let what = "is not a record commit, and stands below one";
                    return Ok(Err((parent, what.to_owned())));
                }
            }
        }
        None => 0,
    };
    if before.checked_add(1) == Some(trailers.seq) {
        return Ok(Ok(trailers));
    }
    let what = format!("says Seq {}, but the commit before it has {before}", trailers.seq);
    Ok(Err((info, what)))
}

/// The newest commit below a forged one that may be true: others may be forged
/// too.
fn true_before<O: Objects>(
    objects: &O,
    forged: &CommitInfo,
) -> Result<Option<CommitId>, RemoteError> {
    let mut at = forged.parent.clone();
    for _ in 0..MOST_COMMITS {
        let Some(commit) = at else { return Ok(None) };
        if judged(objects, &commit)?.is_ok() {
            return Ok(Some(commit));
        }
        at = objects.info(&commit)?.parent;
    }
    Ok(None)
}

/// The commit that last wrote a path, as seen from a commit.
fn writer<O: Objects>(objects: &O, from: &CommitId, path: &str) -> Option<CommitInfo> {
    let here = objects.entry(from, path).ok()?;
    let mut at = objects.info(from).ok()?;
    for _ in 0..MOST_COMMITS {
        let Some(parent) = &at.parent else { return Some(at) };
        if objects.entry(parent, path).ok()? != here {
            return Some(at);
        }
        at = objects.info(parent).ok()?;
    }
    None
}

fn by_whom<O: Objects>(objects: &O, from: Option<&CommitId>, path: &str) -> String {
    let found = from.and_then(|from| writer(objects, from, path));
    found.map_or_else(String::new, |info| {
        format!("; {path} was last written by commit {}, by {}", info.id.short(), info.author)
    })
}

/// A record file that cannot be read, and who wrote it.
pub(super) fn broken<O: Objects>(
    objects: &O,
    commit: &CommitId,
    path: &str,
    error: FileError,
) -> RunError {
    let newer = matches!(error, FileError::Newer { .. });
    let mut error = RunError::from(error);
    if !newer {
        error.message.push_str(&by_whom(objects, Some(commit), path));
    }
    error
}

impl<P: Ports> Engine<'_, P> {
    /// Refuses an open step whose fencing token no intent can have: it is the
    /// intent's own number.
    pub(super) fn has_believable_epoch(
        &self,
        reading: &Reading,
        snapshot: &Snapshot<'_, <P::Remote as Remote>::Objects>,
        key: &EntityKey,
    ) -> Result<(), RunError> {
        let tip = reading.tip.as_ref().map_or(0, |tip| tip.trailers.seq);
        let record = snapshot.entity(key)?;
        match record
            .as_ref()
            .and_then(|record| record.open.as_ref())
            .filter(|open| open.epoch > tip)
        {
            Some(open) => Err(self.refused(
                reading,
                key,
                Refusal::record(
                    format!(
                        "{key}: its open step says epoch {}, but the record stands at {tip}: it \
                         was edited by hand",
                        open.epoch
                    ),
                    "`tranche log` shows the commits; take that one off the branch, or restore \
                     the file as it was before",
                ),
            )),
            None => Ok(()),
        }
    }

    /// A refusal as an error; if the record is in doubt, with who wrote it.
    pub(super) fn refused(&self, reading: &Reading, key: &EntityKey, refusal: Refusal) -> RunError {
        let doubt = refusal.kind == RefusalKind::Record;
        let mut error = RunError::from(refusal);
        if doubt {
            let tip = reading.tip.as_ref().map(|tip| &tip.commit);
            let objects = self.ports.remote().objects();
            error.message.push_str(&by_whom(objects, tip, &entity_path(key)));
        }
        error
    }
}
