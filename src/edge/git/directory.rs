//! Directories that were read, by tree id. Owns the memory of them: libgit2
//! keeps no tree of more than 4 KiB, and to look up one file of a thousand in it
//! reads and hashes all of it again. It must never hold more than a bounded
//! number of entries.

use git2::{Oid, Tree};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a name of a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The blob or tree.
    pub(super) id: Oid,
    /// Its mode as it is stored.
    pub(super) mode: i32,
}

/// The entries of one tree by name.
pub(super) type Directory = BTreeMap<Box<[u8]>, Entry>;

/// Some ten megabytes; beyond it all are forgotten, and read again.
const MOST_ENTRIES: usize = 100_000;

/// The directories that were looked into.
#[derive(Default)]
pub(super) struct Directories {
    known: RefCell<BTreeMap<Oid, Rc<Directory>>>,
}

impl Directories {
    pub(super) fn get(&self, tree: Oid) -> Option<Rc<Directory>> {
        self.known.borrow().get(&tree).cloned()
    }

    pub(super) fn keep(&self, tree: &Tree<'_>) -> Rc<Directory> {
        let entries = tree.iter().map(|entry| {
            let found = Entry { id: entry.id(), mode: entry.filemode_raw() };
            (Box::from(entry.name_bytes()), found)
        });
        let directory: Rc<Directory> = Rc::new(entries.collect());
        let mut known = self.known.borrow_mut();
        let held: usize = known.values().map(|directory| directory.len()).sum();
        if held + directory.len() > MOST_ENTRIES {
            known.clear();
        }
        known.insert(tree.id(), Rc::clone(&directory));
        directory
    }
}

#[cfg(test)]
mod tests {
    use super::super::GitStore;
    use crate::port::{Change, Objects};
    use git2::Repository;
    use jiff::Timestamp;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test removes objects of its own store")]
    fn a_directory_of_many_files_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        Repository::init_bare(dir.path()).unwrap();
        let store = GitStore::open(dir.path()).unwrap();
        // Above what libgit2 keeps of a tree by itself.
        let path = |n: u32| format!("rollouts/default/app{n:04}.yaml");
        let bytes = Some(b"x".to_vec());
        let changes: Vec<Change> =
            (0..300).map(|n| Change { path: path(n), bytes: bytes.clone() }).collect();
        let commit = store.commit(None, &changes, "one", Timestamp::UNIX_EPOCH).unwrap();
        let first = store.entry(&commit, &path(0)).unwrap();
        assert!(first.is_some());
        let tree = store.entry(&commit, "rollouts/default").unwrap().unwrap();
        let (fan, rest) = tree.split_at(2);
        std::fs::remove_file(dir.path().join("objects").join(fan).join(rest)).unwrap();
        assert_eq!(store.entry(&commit, &path(299)).unwrap(), first);
        assert_eq!(store.names(&commit, "rollouts/default").unwrap().len(), 300);
        assert_eq!(store.entry(&commit, &path(300)).unwrap(), None);
        assert_eq!(store.entry(&commit, &format!("{}/deeper", path(1))).unwrap(), None);
        let anew = GitStore::open(dir.path()).unwrap();
        assert!(anew.entry(&commit, &path(299)).is_err(), "nothing else keeps it");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(dir.path()).unwrap();
        let blob = repository.blob(b"x").unwrap();
        let known = super::Directories::default();
        let mut held = Vec::new();
        for tree in 0..3 {
            let mut builder = repository.treebuilder(None).unwrap();
            for n in 0..super::MOST_ENTRIES / 5 * 2 {
                builder.insert(format!("{tree}-{n}"), blob, 0o100_644).unwrap();
            }
            let id = builder.write().unwrap();
            known.keep(&repository.find_tree(id).unwrap());
            held.push(known.get(id).is_some());
            if tree == 2 {
                assert_eq!(known.known.borrow().len(), 1, "the first two are forgotten");
            }
        }
        assert_eq!(held, [true, true, true]);
    }
}
