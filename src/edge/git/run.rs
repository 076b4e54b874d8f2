//! The refs that one run fetches into. Owns their names and their removal; it
//! must never remove a ref of a process that may be alive.

#![expect(clippy::disallowed_methods, reason = "reads the process table for its own refs")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// After so long a run's refs are stale even where its process cannot be
/// looked up (another PID namespace, another machine).
const STALE_AFTER: Duration = Duration::from_secs(24 * 3600);

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A namespace of refs, `refs/run/<name>/`, removed when dropped. The refs
/// only name what was fetched; losing them loses no object, since the cache
/// is never packed away behind our back (`gc.auto=0`).
#[derive(Debug)]
pub(super) struct RunRefs {
    name: String,
    directory: PathBuf,
}

impl RunRefs {
    /// A namespace that no other process and no other value of this one has.
    pub(super) fn new(git_dir: &Path) -> Self {
        let pid = std::process::id();
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let born = start_time(pid).unwrap_or(0);
        let name = format!("{}-{pid}-{born}-{n}", namespace());
        let directory = runs(git_dir).join(&name);
        Self { name, directory }
    }

    /// The full ref of what this run fetched as `what`.
    pub(super) fn reference(&self, what: &str) -> String {
        format!("refs/run/{}/{what}", self.name)
    }
}

impl Drop for RunRefs {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Removes the refs of runs whose process is dead. Best effort: a ref that
/// stays costs nothing but its file.
pub(super) fn sweep(git_dir: &Path) {
    let Ok(entries) = std::fs::read_dir(runs(git_dir)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let age = entry.metadata().ok().and_then(|m| m.modified().ok()?.elapsed().ok());
        let stale = age.is_some_and(|age| age > STALE_AFTER);
        if name.to_str().is_none_or(|name| is_dead(name, stale)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_dead(name: &str, stale: bool) -> bool {
    let mut parts = name.split('-');
    let (space, pid, born) = (parts.next(), parts.next(), parts.next());
    let here = namespace();
    let (Some(space), Some(Ok(pid)), Some(Ok(born))) =
        (space, pid.map(str::parse::<u32>), born.map(str::parse::<u64>))
    else {
        return stale;
    };
    if space != here || here == "0" {
        return stale;
    }
    start_time(pid) != Some(born)
}

fn runs(git_dir: &Path) -> PathBuf {
    git_dir.join("refs").join("run")
}

/// The PID namespace as a number, 0 where the system does not tell.
fn namespace() -> String {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits: String = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() { "0".to_owned() } else { digits }
}

/// When a process of this PID namespace was started, in ticks since boot;
/// none if there is no such process.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold
    // anything; fields are counted behind its end.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_refs_of_dead_runs_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let alive = RunRefs::new(dir.path());
        let dead = format!("{}-{}-1-0", namespace(), std::process::id());
        let elsewhere = "1-1-1-0".to_owned();
        for name in [&alive.name, &dead, &elsewhere] {
            std::fs::create_dir_all(runs(dir.path()).join(name)).unwrap();
        }
        sweep(dir.path());
        assert!(alive.directory.exists(), "ours, alive");
        assert!(!runs(dir.path()).join(&dead).exists(), "same pid, other start");
        assert!(runs(dir.path()).join(&elsewhere).exists(), "cannot be looked up, young");
        assert!(is_dead(&elsewhere, true));
        let gone = alive.directory.clone();
        drop(alive);
        assert!(!gone.exists());
    }
}
