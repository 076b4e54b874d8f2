//! Git objects in memory: blobs, trees and commits by content, and how they are
//! read. Owns the store, which only grows, so any number of runs may share it;
//! it must never know of refs or of who asks.

use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tranche::core::model::PlanFile;
use tranche::port::{Change, CommitId, CommitInfo, RemoteError};

type Id = u128;

/// What errors call it.
const NOWHERE: &str = "the remote in memory";

/// A commit's files by path.
type Tree = BTreeMap<Rc<str>, Id>;

/// What lies at the paths of trees.
type Entries = BTreeMap<(Id, Rc<str>), Option<String>>;

#[derive(Clone, Debug)]
struct Commit {
    tree: Rc<Tree>,
    tree_id: Id,
    parent: Option<Id>,
    message: Rc<str>,
    author: String,
    time: Timestamp,
    depth: u64,
}

/// A repository without a disk.
#[derive(Debug, Default)]
pub struct Store {
    blobs: BTreeMap<Id, Rc<[u8]>>,
    /// What lies at a path of a tree, once somebody has asked.
    entries: RefCell<Entries>,
    commits: BTreeMap<Id, Commit>,
}

/// A hash over content: two lanes of folded multiplication, the same on every
/// machine. Nobody attacks it here.
fn hash(label: u64, bytes: &[u8]) -> Id {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xd1b5_4a32_d192_ed03;
    fn fold(a: u64, b: u64) -> u64 {
        let wide = u128::from(a) * u128::from(b);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let (low, high) = (wide as u64, (wide >> 64) as u64);
        low ^ high
    }
    let (mut x, mut y) = (label ^ A, bytes.len() as u64 ^ B);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        x = fold(x ^ word, A | 1).wrapping_add(B);
        y = fold(y.rotate_left(23) ^ word, B | 1).wrapping_add(x);
    }
    u128::from(fold(x ^ B, y | 1)) << 64 | u128::from(fold(y ^ A, x | 1))
}

fn hash_entries<'a>(entries: impl Iterator<Item = (&'a str, &'a Id)>) -> Id {
    let mut bytes = Vec::with_capacity(1024);
    for (path, id) in entries {
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    hash(2, &bytes)
}

/// Forty digits, as git has them: the number's and its first eight again.
fn hex(id: Id) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes = id.to_be_bytes();
    let mut out = String::with_capacity(40);
    for byte in bytes.iter().chain(&bytes[..4]) {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

fn parse(id: &str) -> Option<Id> {
    Id::from_str_radix(id.get(..32)?, 16).ok()
}

impl Store {
    fn find(&self, id: &CommitId) -> Result<(Id, &Commit), RemoteError> {
        let found = parse(&id.0).and_then(|id| Some((id, self.commits.get(&id)?)));
        found.ok_or_else(|| RemoteError::Missing {
            what: format!("commit {}", id.short()),
            remote: NOWHERE.to_owned(),
        })
    }

    /// Writes a commit; equal content gives the same id.
    pub fn commit(
        &mut self,
        parent: Option<&CommitId>,
        changes: &[Change],
        message: &str,
        author: &str,
        time: Timestamp,
    ) -> Result<CommitId, RemoteError> {
        let (parent, mut tree, depth) = match parent {
            Some(parent) => {
                let (id, found) = self.find(parent)?;
                (Some(id), Tree::clone(&found.tree), found.depth + 1)
            }
            None => (None, Tree::new(), 0),
        };
        for change in changes {
            match &change.bytes {
                Some(bytes) => {
                    let id = hash(1, bytes);
                    self.blobs.entry(id).or_insert_with(|| bytes.as_slice().into());
                    tree.insert(change.path.as_str().into(), id);
                }
                None => {
                    tree.remove(change.path.as_str());
                }
            }
        }
        let tree_id = hash_entries(tree.iter().map(|(path, id)| (&**path, id)));
        let head = format!("{tree_id:x} {parent:x?} {author} {} ", time.as_second());
        let id = hash(3, &[head.as_bytes(), message.as_bytes()].concat());
        let commit = Commit {
            tree: Rc::new(tree),
            tree_id,
            parent,
            message: message.into(),
            author: author.to_owned(),
            time,
            depth,
        };
        self.commits.entry(id).or_insert(commit);
        Ok(CommitId(hex(id)))
    }

    /// The id of a file, as objects give it out.
    pub fn blob(&self, commit: &CommitId, path: &str) -> Option<(u128, String)> {
        let (_, commit) = self.find(commit).ok()?;
        commit.tree.get(path).map(|id| (*id, hex(*id)))
    }

    /// What lies at a path: a file, or a directory by its content.
    fn entry_of(&self, commit: &Commit, path: &str) -> Option<String> {
        if let Some(id) = commit.tree.get(path) {
            return Some(hex(*id));
        }
        let key = (commit.tree_id, Rc::from(path));
        if let Some(known) = self.entries.borrow().get(&key) {
            return known.clone();
        }
        let prefix = format!("{path}/");
        let within = commit.tree.range(Rc::from(prefix.as_str())..);
        let mut within = within.take_while(|(found, _)| found.starts_with(&prefix)).peekable();
        let found = within
            .peek()
            .is_some()
            .then(|| hex(hash_entries(within.map(|(path, id)| (&path[prefix.len()..], id)))));
        self.entries.borrow_mut().insert(key, found.clone());
        found
    }

    pub fn file(&self, commit: &CommitId, path: &str) -> Option<Rc<[u8]>> {
        let (_, commit) = self.find(commit).ok()?;
        self.blobs.get(commit.tree.get(path)?).cloned()
    }

    /// All paths of a commit, with their blobs' ids.
    pub fn paths(&self, commit: &CommitId) -> Vec<(String, Id)> {
        let found = self.find(commit).map(|(_, c)| Rc::clone(&c.tree)).unwrap_or_default();
        found.iter().map(|(path, id)| (path.to_string(), *id)).collect()
    }

    /// The paths at which two commits differ.
    pub fn changed(&self, before: Option<&CommitId>, after: &CommitId) -> Vec<String> {
        let tree = |commit: &CommitId| self.find(commit).map(|(_, c)| Rc::clone(&c.tree)).ok();
        let old = before.and_then(tree).unwrap_or_default();
        let new = tree(after).unwrap_or_default();
        let gone = old.keys().filter(|path| !new.contains_key(*path));
        let other =
            new.iter().filter(|(path, id)| old.get(*path) != Some(id)).map(|(path, _)| path);
        gone.chain(other).map(ToString::to_string).collect()
    }

    pub fn message(&self, commit: &CommitId) -> Option<Rc<str>> {
        self.find(commit).ok().map(|(_, commit)| Rc::clone(&commit.message))
    }

    pub fn parent(&self, commit: &CommitId) -> Option<CommitId> {
        let (_, commit) = self.find(commit).ok()?;
        commit.parent.map(|id| CommitId(hex(id)))
    }

    /// Whether `ancestor` is `commit` or before it.
    pub fn contains(&self, commit: &CommitId, ancestor: &CommitId) -> Result<bool, RemoteError> {
        let (wanted, before) = self.find(ancestor)?;
        let (mut at, mut found) = self.find(commit)?;
        while found.depth > before.depth {
            let Some((id, next)) = found.parent.and_then(|id| Some((id, self.commits.get(&id)?)))
            else {
                return Ok(false);
            };
            (at, found) = (id, next);
        }
        Ok(at == wanted)
    }
}

/// What [`tranche::port::Objects`] asks for.
impl Store {
    /// The files of a commit that are wanted, by path and size.
    pub fn files(
        &self,
        commit: &CommitId,
        wanted: &mut dyn FnMut(&str, usize) -> bool,
    ) -> Result<Vec<PlanFile>, RemoteError> {
        let (_, commit) = self.find(commit)?;
        let mut files = Vec::new();
        for (path, id) in commit.tree.iter() {
            let Some(bytes) = self.blobs.get(id) else { continue };
            if wanted(path, bytes.len()) {
                files.push(PlanFile { path: path.to_string(), bytes: bytes.to_vec() });
            }
        }
        Ok(files)
    }

    /// One file; a commit that is not there is an error.
    pub fn bytes(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        self.find(commit)?;
        Ok(self.file(commit, path).map(|bytes| bytes.to_vec()))
    }

    /// The id of what lies at a path.
    pub fn entry(&self, commit: &CommitId, path: &str) -> Result<Option<String>, RemoteError> {
        let (_, commit) = self.find(commit)?;
        Ok(self.entry_of(commit, path))
    }

    /// The id of a commit's tree.
    pub fn tree_id(&self, commit: &CommitId) -> Result<String, RemoteError> {
        Ok(hex(self.find(commit)?.1.tree_id))
    }

    /// The names directly under a directory.
    pub fn names(&self, commit: &CommitId, directory: &str) -> Result<Vec<String>, RemoteError> {
        let (_, commit) = self.find(commit)?;
        let prefix = format!("{directory}/");
        let mut names: Vec<String> = Vec::new();
        for (path, _) in commit.tree.range(Rc::from(prefix.as_str())..) {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            let name = rest.split('/').next().unwrap_or(rest);
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// A commit without its tree.
    pub fn info(&self, commit: &CommitId) -> Result<CommitInfo, RemoteError> {
        let (_, found) = self.find(commit)?;
        Ok(CommitInfo {
            id: commit.clone(),
            parent: found.parent.map(|id| CommitId(hex(id))),
            message: found.message.to_string(),
            author: found.author.clone(),
            time: found.time,
        })
    }

    /// The history down to a commit, oldest first.
    pub fn first_parents(
        &self,
        tip: &CommitId,
        until: Option<&CommitId>,
    ) -> Result<Vec<CommitId>, RemoteError> {
        let until = until.map(|until| self.find(until).map(|(id, _)| id)).transpose()?;
        let mut at = Some(self.find(tip)?.0);
        let mut found = Vec::new();
        while at != until {
            let Some(id) = at else {
                return Err(RemoteError::Missing {
                    what: "the last commit of the history".to_owned(),
                    remote: NOWHERE.to_owned(),
                });
            };
            found.push(CommitId(hex(id)));
            at = self.commits.get(&id).and_then(|commit| commit.parent);
        }
        found.reverse();
        Ok(found)
    }

    /// The first commit of all.
    pub fn root(&self, tip: &CommitId) -> Result<CommitId, RemoteError> {
        let (mut at, mut commit) = self.find(tip)?;
        while let Some((id, next)) = commit.parent.and_then(|id| Some((id, self.commits.get(&id)?)))
        {
            (at, commit) = (id, next);
        }
        Ok(CommitId(hex(at)))
    }
}
