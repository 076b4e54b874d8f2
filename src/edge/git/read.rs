//! Trees and blobs, read as they lie in the object store. Owns which entries
//! count as files; it must never follow a symlink or enter a submodule.

use super::directory::{Directory, Entry};
use super::path::check_component;
use super::store::{GitStore, broken};
use crate::core::model::PlanFile;
use crate::port::{CommitId, RemoteError};
use git2::{ObjectType, Oid, Tree};
use std::rc::Rc;

const REGULAR: i32 = 0o100_644;
const EXECUTABLE: i32 = 0o100_755;
const DIRECTORY: i32 = 0o040_000;

/// Bounds against trees that are small as objects and endless as a listing.
const MOST_ENTRIES: usize = 1_000_000;
const DEEPEST: usize = 200;

pub(super) fn files(
    store: &GitStore,
    commit: &CommitId,
    wanted: &mut dyn FnMut(&str, usize) -> bool,
) -> Result<Vec<PlanFile>, RemoteError> {
    let tree = root_tree(store, commit)?;
    let mut walk = Walk { store, commit, wanted, seen: 0, files: Vec::new() };
    walk.tree(&tree, "", 0)?;
    Ok(walk.files)
}

pub(super) fn file(
    store: &GitStore,
    commit: &CommitId,
    path: &str,
) -> Result<Option<Vec<u8>>, RemoteError> {
    let Some(entry) = entry(store, commit, path)? else { return Ok(None) };
    if !is_file(entry.mode) {
        return Ok(None);
    }
    read_blob(store, entry.id, path).map(Some)
}

pub(super) fn id(
    store: &GitStore,
    commit: &CommitId,
    path: &str,
) -> Result<Option<String>, RemoteError> {
    Ok(entry(store, commit, path)?.map(|entry| entry.id.to_string()))
}

pub(super) fn names(
    store: &GitStore,
    commit: &CommitId,
    directory: &str,
) -> Result<Vec<String>, RemoteError> {
    let found = if directory.is_empty() {
        root(store, commit)?
    } else {
        match entry(store, commit, directory)? {
            Some(entry) if entry.mode == DIRECTORY => inside(store, entry.id, directory)?,
            _ => return Ok(Vec::new()),
        }
    };
    let text = |name: &[u8]| std::str::from_utf8(name).ok().map(str::to_owned);
    Ok(found.keys().filter_map(|name| text(name)).collect())
}

fn entry(store: &GitStore, commit: &CommitId, path: &str) -> Result<Option<Entry>, RemoteError> {
    let mut directory = root(store, commit)?;
    let mut walked = 0;
    for name in path.split('/') {
        let Some(found) = directory.get(name.as_bytes()).copied() else { return Ok(None) };
        walked += name.len() + 1;
        if walked > path.len() {
            return Ok(Some(found));
        }
        if found.mode != DIRECTORY {
            return Ok(None);
        }
        directory = inside(store, found.id, path.get(..walked - 1).unwrap_or(path))?;
    }
    Ok(None)
}

/// The root directory of a commit.
fn root(store: &GitStore, commit: &CommitId) -> Result<Rc<Directory>, RemoteError> {
    let tree = store.trees.borrow().get(commit).copied();
    match tree.and_then(|tree| store.directories.get(tree)) {
        Some(known) => Ok(known),
        None => Ok(store.directories.keep(&root_tree(store, commit)?)),
    }
}

/// The directory that is the tree `id`.
fn inside(store: &GitStore, id: Oid, path: &str) -> Result<Rc<Directory>, RemoteError> {
    match store.directories.get(id) {
        Some(known) => Ok(known),
        None => Ok(store.directories.keep(&subtree(store, id, path)?)),
    }
}

fn root_tree<'a>(store: &'a GitStore, commit: &CommitId) -> Result<Tree<'a>, RemoteError> {
    let known = store.trees.borrow().get(commit).copied();
    let id = match known {
        Some(id) => id,
        None => store.commit_object(commit)?.tree_id(),
    };
    let tree = store.repository.find_tree(id).map_err(|error| {
        store.unreadable(&format!("read the tree of the commit {commit}"), &error)
    })?;
    store.trees.borrow_mut().insert(commit.clone(), id);
    Ok(tree)
}

fn subtree<'a>(store: &'a GitStore, id: Oid, path: &str) -> Result<Tree<'a>, RemoteError> {
    store
        .repository
        .find_tree(id)
        .map_err(|error| store.unreadable(&format!("read the directory {path} ({id})"), &error))
}

fn read_blob(store: &GitStore, id: Oid, path: &str) -> Result<Vec<u8>, RemoteError> {
    let blob = store
        .repository
        .find_blob(id)
        .map_err(|error| store.unreadable(&format!("read the file {path} ({id})"), &error))?;
    // What `benches/status` counts.
    tracing::debug!("read the file {path} ({id})");
    Ok(blob.content().to_vec())
}

fn is_file(mode: i32) -> bool {
    mode == REGULAR || mode == EXECUTABLE
}

struct Walk<'a, 'w> {
    store: &'a GitStore,
    commit: &'a CommitId,
    wanted: &'w mut dyn FnMut(&str, usize) -> bool,
    seen: usize,
    files: Vec<PlanFile>,
}

impl Walk<'_, '_> {
    /// Goes through a tree in git's own order, which for whole paths is the
    /// order of their bytes.
    fn tree(&mut self, tree: &Tree<'_>, prefix: &str, depth: usize) -> Result<(), RemoteError> {
        for entry in tree {
            self.seen += 1;
            if self.seen > MOST_ENTRIES || depth > DEEPEST {
                return Err(self.refuse(&format!(
                    "more than {MOST_ENTRIES} entries or {DEEPEST} levels under \"{prefix}\""
                )));
            }
            let name = entry.name_bytes();
            check_component(name)
                .map_err(|cause| self.refuse(&format!("under \"{prefix}\": {cause}")))?;
            let path = format!("{prefix}{}", String::from_utf8_lossy(name));
            match entry.filemode_raw() {
                DIRECTORY => {
                    let inner = subtree(self.store, entry.id(), &path)?;
                    self.tree(&inner, &format!("{path}/"), depth + 1)?;
                }
                mode if is_file(mode) => {
                    self.file(entry.id(), path, std::str::from_utf8(name).is_ok())?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, id: Oid, path: String, is_text: bool) -> Result<(), RemoteError> {
        let doing = || format!("read the file {path} ({id})");
        let odb = self.store.repository.odb().map_err(|error| broken(&doing(), &error))?;
        let (size, kind) =
            odb.read_header(id).map_err(|error| self.store.unreadable(&doing(), &error))?;
        if kind != ObjectType::Blob {
            return Err(self.refuse(&format!("{path} says it is a file and is a {kind}")));
        }
        if !(self.wanted)(&path, size) {
            return Ok(());
        }
        if !is_text {
            return Err(self.refuse(&format!("the name of {path} is not UTF-8")));
        }
        let bytes = read_blob(self.store, id, &path)?;
        self.files.push(PlanFile { path, bytes });
        Ok(())
    }

    fn refuse(&self, cause: &str) -> RemoteError {
        RemoteError::Store {
            doing: format!("read the tree of the commit {}", self.commit),
            cause: cause.to_owned(),
        }
    }
}
