//! Commits, written from a parent's tree and a list of changes, without index
//! or work tree. The same inputs give the same id.

use super::path::check_path;
use super::store::{GitStore, broken, id_of};
use crate::port::{Change, CommitId, RemoteError};
use git2::{Oid, Repository, Signature, Time, Tree};
use jiff::Timestamp;
use std::collections::BTreeMap;

const REGULAR: i32 = 0o100_644;
const DIRECTORY: i32 = 0o040_000;

pub(super) fn commit(
    store: &GitStore,
    parent: Option<&CommitId>,
    changes: &[Change],
    message: &str,
    time: Timestamp,
) -> Result<CommitId, RemoteError> {
    let edits = Edits::of(changes)
        .map_err(|cause| RemoteError::Store { doing: "write a commit".to_owned(), cause })?;
    let parent = parent.map(|id| store.commit_object(id)).transpose()?;
    let write = || -> Result<Oid, git2::Error> {
        let base = parent.as_ref().map(git2::Commit::tree).transpose()?;
        let tree = match edits.write(&store.repository, base.as_ref())? {
            Some(tree) => tree,
            None => store.repository.treebuilder(None)?.write()?,
        };
        let tree = store.repository.find_tree(tree)?;
        let who = &store.identity;
        let when = Time::new(time.as_second(), 0);
        let signature = Signature::new(&who.name, &who.email, &when)?;
        let parents: Vec<_> = parent.iter().collect();
        store.repository.commit(None, &signature, &signature, message, &tree, &parents)
    };
    write().map(id_of).map_err(|error| broken("write a commit", &error))
}

/// Changes as a tree of names.
#[derive(Default)]
struct Edits<'a>(BTreeMap<&'a str, Edit<'a>>);

enum Edit<'a> {
    Write(&'a [u8]),
    Remove,
    Inside(Edits<'a>),
}

impl<'a> Edits<'a> {
    fn of(changes: &'a [Change]) -> Result<Self, String> {
        let mut all = Self::default();
        for change in changes {
            check_path(&change.path)?;
            let edit = change.bytes.as_deref().map_or(Edit::Remove, Edit::Write);
            all.add(&change.path, &change.path, edit)?;
        }
        Ok(all)
    }

    fn add(&mut self, whole: &str, path: &'a str, edit: Edit<'a>) -> Result<(), String> {
        let twice = || Err(format!("{whole} is changed twice, or as a file and a directory"));
        match path.split_once('/') {
            None => match self.0.insert(path, edit) {
                None => Ok(()),
                Some(_) => twice(),
            },
            Some((directory, rest)) => {
                let inside =
                    self.0.entry(directory).or_insert_with(|| Edit::Inside(Self::default()));
                match inside {
                    Edit::Inside(edits) => edits.add(whole, rest, edit),
                    _ => twice(),
                }
            }
        }
    }

    /// The new tree, or none if nothing is left in it.
    fn write(
        &self,
        repository: &Repository,
        base: Option<&Tree<'_>>,
    ) -> Result<Option<Oid>, git2::Error> {
        let mut builder = repository.treebuilder(base)?;
        for (name, edit) in &self.0 {
            let written = match edit {
                Edit::Write(bytes) => Some((repository.blob(bytes)?, REGULAR)),
                Edit::Remove => None,
                Edit::Inside(edits) => {
                    let old = base.and_then(|tree| tree.get_name(name));
                    let old = old.filter(|entry| entry.filemode_raw() == DIRECTORY);
                    // Removals under what is no directory remove nothing.
                    if old.is_none() && edits.only_removes() {
                        continue;
                    }
                    let old = old.map(|entry| repository.find_tree(entry.id())).transpose()?;
                    edits.write(repository, old.as_ref())?.map(|tree| (tree, DIRECTORY))
                }
            };
            match written {
                Some((oid, mode)) => {
                    builder.insert(*name, oid, mode)?;
                }
                None if builder.get(*name)?.is_some() => builder.remove(*name)?,
                None => {}
            }
        }
        if builder.is_empty() { Ok(None) } else { builder.write().map(Some) }
    }

    fn only_removes(&self) -> bool {
        self.0.values().all(|edit| match edit {
            Edit::Write(_) => false,
            Edit::Remove => true,
            Edit::Inside(edits) => edits.only_removes(),
        })
    }
}
