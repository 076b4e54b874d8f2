//! What a checkout has that the plan branch has not. Owns that one look, for a
//! note to people; it asks no server, must never write to the checkout, and
//! nothing is decided from it.

use super::store::GitStore;
use crate::port::{CommitId, Objects as _};
use git2::{DiffOptions, Repository};
use std::path::Path;

/// How a checkout is ahead of the plan commit that is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Files of the plan differ from the checkout's commit.
    pub uncommitted: bool,
    /// The checkout's commit, if the plan branch does not have it.
    pub unpushed: Option<CommitId>,
}

/// Compares the checkout at `root` with the plan commit `tip`; `wanted` says
/// which paths are of the plan. What cannot be told is not said.
pub fn ahead(
    root: &Path,
    store: &GitStore,
    tip: &CommitId,
    wanted: &dyn Fn(&str) -> bool,
) -> Ahead {
    let Ok(opened) = Repository::open(root) else { return Ahead::default() };
    let Some(head) = opened.head().ok().and_then(|head| head.peel_to_commit().ok()) else {
        return Ahead::default();
    };
    let mut options = DiffOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).ignore_submodules(true);
    let tree = head.tree().ok();
    let diff = opened.diff_tree_to_workdir_with_index(tree.as_ref(), Some(&mut options)).ok();
    let uncommitted = diff.is_some_and(|diff| {
        let paths = diff.deltas().flat_map(|delta| {
            [delta.old_file().path(), delta.new_file().path()].map(|path| path.map(Path::to_owned))
        });
        paths.flatten().any(|path| path.to_str().is_some_and(wanted))
    });
    let commit = CommitId(head.id().to_string());
    let unpushed = matches!(store.contains(tip, &commit), Ok(false)).then_some(commit);
    Ahead { uncommitted, unpushed }
}
