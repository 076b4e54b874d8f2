//! Commits and how they hang together. Owns the walk along first parents; it
//! must never take the end of an incomplete history for a root.

use super::store::{GitStore, broken, id_of};
use crate::port::{CommitId, CommitInfo, RemoteError};
use git2::Commit;
use jiff::Timestamp;

pub(super) fn info(store: &GitStore, commit: &CommitId) -> Result<CommitInfo, RemoteError> {
    let object = store.commit_object(commit)?;
    let author = object.author();
    let time = Timestamp::from_second(author.when().seconds()).map_err(|error| {
        RemoteError::Store { doing: format!("read the commit {commit}"), cause: error.to_string() }
    })?;
    Ok(CommitInfo {
        id: id_of(object.id()),
        parent: object.parent_id(0).ok().map(id_of),
        message: String::from_utf8_lossy(object.message_raw_bytes()).into_owned(),
        author: String::from_utf8_lossy(author.name_bytes()).into_owned(),
        time,
    })
}

pub(super) fn first_parents(
    store: &GitStore,
    tip: &CommitId,
    until: Option<&CommitId>,
) -> Result<Vec<CommitId>, RemoteError> {
    let until_oid = until.map(|id| store.oid(id)).transpose()?;
    let mut walked = Vec::new();
    let mut at = Some(store.commit_object(tip)?);
    while let Some(commit) = at {
        if Some(commit.id()) == until_oid {
            walked.reverse();
            return Ok(walked);
        }
        walked.push(id_of(commit.id()));
        at = first_parent(store, &commit)?;
    }
    if let Some(until) = until {
        return Err(RemoteError::Store {
            doing: format!("walk the history of {tip} back to {until}"),
            cause: format!("{until} is not among the first parents of {tip}"),
        });
    }
    walked.reverse();
    Ok(walked)
}

pub(super) fn root(store: &GitStore, tip: &CommitId) -> Result<CommitId, RemoteError> {
    let mut commit = store.commit_object(tip)?;
    while let Some(parent) = first_parent(store, &commit)? {
        commit = parent;
    }
    Ok(id_of(commit.id()))
}

/// A commit that is not there is no ancestor of one whose history is whole,
/// and ours is always fetched whole.
pub(super) fn contains(
    store: &GitStore,
    commit: &CommitId,
    ancestor: &CommitId,
) -> Result<bool, RemoteError> {
    let newer = store.commit_object(commit)?.id();
    let older = store.oid(ancestor)?;
    if newer == older {
        return Ok(true);
    }
    match store.commit_object(ancestor) {
        Err(RemoteError::Missing { .. }) if !store.repository.is_shallow() => return Ok(false),
        other => other.map(|_| ())?,
    }
    store
        .repository
        .graph_descendant_of(newer, older)
        .map_err(|error| broken(&format!("look for {ancestor} in the history of {commit}"), &error))
}

fn first_parent<'a>(
    store: &'a GitStore,
    commit: &Commit<'a>,
) -> Result<Option<Commit<'a>>, RemoteError> {
    let Some(parent) = named_parent(commit) else { return Ok(None) };
    match store.commit_object(&CommitId(parent.clone())) {
        Ok(found) if commit.parent_count() > 0 => Ok(Some(found)),
        Ok(_) | Err(RemoteError::Missing { .. }) => Err(RemoteError::Missing {
            what: format!("the commit {parent}, parent of {} (a shallow clone?),", commit.id()),
            remote: store.name.clone(),
        }),
        Err(error) => Err(error),
    }
}

/// The first parent as the commit's own header names it, since a library may
/// hide the parents at the edge of a shallow clone.
fn named_parent(commit: &Commit<'_>) -> Option<String> {
    let header = String::from_utf8_lossy(commit.raw_header_bytes()).into_owned();
    header.lines().find_map(|line| line.strip_prefix("parent ").map(str::to_owned))
}
