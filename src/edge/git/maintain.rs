//! Upkeep of the cache: what many small fetches leave is packed together, and
//! damage is found. Owns the lock under which that is done; it must never
//! remove an object that a run of these days may need.

#![expect(clippy::disallowed_methods, reason = "reads the cache's own directories")]

use super::child::{Around, git};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

/// More packs than this are put together, by size, so that what is packed
/// again is as much as what has been added.
const MOST_PACKS: usize = 20;
/// One of 256 directories of loose objects; so many there stand for 256 times
/// as many.
const MOST_LOOSE: usize = 8;
/// A cache that has grown to twice what it was is cleaned of what nothing
/// reaches any more; below this size never.
const LEAST_BYTES: u64 = 64 << 20;
const DEADLINE: Duration = Duration::from_secs(300);
const LOCK: &str = "tranche-maintenance.lock";
const SIZE: &str = "tranche-size";

/// Packs the cache where it is due. Best effort: a cache that is not packed
/// is slower and larger, and nothing else.
pub(super) async fn maintain(git_dir: &Path) {
    let (packs, bytes) = packs(git_dir);
    let before = std::fs::read_to_string(git_dir.join(SIZE)).ok();
    let before = before.and_then(|text| text.trim().parse().ok()).unwrap_or(0_u64);
    let whole = bytes > LEAST_BYTES.max(before.saturating_mul(2));
    if !whole && packs <= MOST_PACKS && loose(git_dir) <= MOST_LOOSE {
        return;
    }
    // One process at a time, and nobody waits for it.
    let Some(_lock) = lock(git_dir) else { return };
    let arguments: &[&str] = if whole {
        &["repack", "-A", "-d", "-q", "--unpack-unreachable=2.weeks.ago"]
    } else {
        &["repack", "-d", "-q", "--geometric=2"]
    };
    let ended = git(git_dir, arguments, DEADLINE, &Around::default()).await;
    if whole && ended.is_ok_and(|ended| ended.success) {
        let (_, bytes) = self::packs(git_dir);
        let _ = std::fs::write(git_dir.join(SIZE), bytes.to_string());
    }
}

fn lock(git_dir: &Path) -> Option<File> {
    let path = git_dir.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()?;
    file.try_lock().ok().map(|()| file)
}

/// How many packs there are, and their size.
fn packs(git_dir: &Path) -> (usize, u64) {
    let entries = std::fs::read_dir(git_dir.join("objects/pack"));
    let found = entries.into_iter().flatten().flatten();
    let packs = found.filter(|e| e.path().extension().is_some_and(|name| name == "pack"));
    packs.fold((0, 0), |(n, bytes), entry| {
        (n + 1, bytes + entry.metadata().map_or(0, |meta| meta.len()))
    })
}

fn loose(git_dir: &Path) -> usize {
    std::fs::read_dir(git_dir.join("objects/17")).map_or(0, Iterator::count)
}

/// What is wrong with the cache's own objects, if anything is.
pub(super) async fn damage(git_dir: &Path) -> Option<String> {
    let arguments = ["fsck", "--connectivity-only", "--no-dangling", "--no-progress"];
    let ended = git(git_dir, &arguments, DEADLINE, &Around::default()).await.ok()?;
    (!ended.success).then_some(ended.said)
}
