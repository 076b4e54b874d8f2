//! The first fetch into a new cache, saved by a checkout that has most of it
//! already. Owns the loan and its return; a cache must never depend on a
//! checkout for longer, since people remove checkouts.

#![expect(clippy::disallowed_methods, reason = "writes the cache's own list of alternates")]

use super::child::{Around, git};
use git2::Repository;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(300);

/// Lets a cache that nothing was fetched into yet read the checkout's
/// objects. Says whether it does.
pub(super) fn borrow(git_dir: &Path, checkout: &Path) -> bool {
    if git_dir.join("refs/cache").exists() || git_dir.join("packed-refs").exists() {
        return false;
    }
    let Some(objects) = whole_store(checkout) else { return false };
    // The file has a path for each line.
    let line = objects.to_str().filter(|path| !path.contains(['\n', '"']));
    line.is_some_and(|path| std::fs::write(alternates(git_dir), format!("{path}\n")).is_ok())
}

/// Copies what was borrowed and is needed. Where that fails the loan goes on:
/// a cache that is damaged by its end is fetched anew.
pub(super) async fn give_back(git_dir: &Path) {
    let ended = git(git_dir, &["repack", "-a", "-d", "-q"], DEADLINE, &Around::default()).await;
    if ended.is_ok_and(|ended| ended.success) {
        let _ = std::fs::remove_file(alternates(git_dir));
    }
}

fn alternates(git_dir: &Path) -> PathBuf {
    git_dir.join("objects/info/alternates")
}

/// The object store of a checkout that has all of its history: negotiating
/// from another would leave holes in ours.
fn whole_store(checkout: &Path) -> Option<PathBuf> {
    let opened = Repository::open(checkout).ok()?;
    let objects = opened.commondir().join("objects");
    let packs = std::fs::read_dir(objects.join("pack")).ok()?;
    let partial = packs
        .flatten()
        .any(|entry| entry.path().extension().is_some_and(|name| name == "promisor"));
    let lent = objects.join("info/alternates").exists();
    (!opened.is_shallow() && !partial && !lent && objects.is_absolute()).then_some(objects)
}
