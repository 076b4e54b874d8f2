//! The newest plan's outline, read from its documents once and then kept in
//! the cache: `status` asks for it every time, and a plan may have thousands of
//! files. What is kept counts for one tree and one version of the program.

use crate::core::model::Outline;
use crate::edge::git::GitRemote;
use crate::engine::load_documents;
use crate::port::{CommitId, Objects, Remote};
use serde::{Deserialize, Serialize};

/// Its name in the cache.
const NAME: &str = "outline.json";

/// What is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    program: String,
    tree: String,
    outline: Outline,
}

/// The outline of a plan commit; none if the plan cannot be read.
pub(super) fn outline(remote: &GitRemote, plan: &CommitId) -> Option<Outline> {
    let objects = remote.objects();
    let tree = objects.tree_id(plan).ok()?;
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let known: Option<Kept> =
        remote.kept(NAME).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(kept) = known.filter(|kept| kept.program == program && kept.tree == tree) {
        return Some(kept.outline);
    }
    let outline = load_documents(objects, plan).ok()?.outline();
    let kept = Kept { program, tree, outline };
    if let Ok(bytes) = serde_json::to_vec(&kept) {
        remote.keep(NAME, &bytes);
    }
    Some(kept.outline)
}
