//! The note that a checkout has what is not read. Owns its words; it must never
//! keep a command from going on.

use super::connect::Repository;
use super::terminal::{err, say};
use crate::core::dialect;
use crate::edge::git::{Ahead, ahead};
use crate::port::Remote;

/// Says what of the checkout is not read, if there is anything.
pub fn note(repository: &Repository) {
    let Some(root) = &repository.location.worktree else { return };
    let wanted = |path: &str| dialect::selects(&repository.project, path);
    let found = ahead(root, repository.remote.objects(), &repository.tip, &wanted);
    if let Some(words) = words(&found) {
        let branch = &repository.location.plan_branch;
        err(say(format!(
            "note: what is read is branch {branch} of {} at {}; the checkout {words}",
            repository.location.url,
            repository.tip.short()
        )));
    }
}

fn words(found: &Ahead) -> Option<String> {
    let unpushed = found.unpushed.as_ref();
    let unpushed = unpushed.map(|commit| format!("is at {}, which is not on it", commit.short()));
    let uncommitted = "has changes of plan files that are not committed";
    match (found.uncommitted, unpushed) {
        (true, Some(unpushed)) => Some(format!("{unpushed}, and {uncommitted}: commit and push")),
        (true, None) => Some(format!("{uncommitted}: commit and push")),
        (false, Some(unpushed)) => Some(format!("{unpushed}: push it")),
        (false, None) => None,
    }
}
