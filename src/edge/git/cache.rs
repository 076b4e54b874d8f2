//! The bare repository that fetches go into. Owns its creation, and its
//! replacement when it is damaged; it must never hand out a half-made one, nor
//! remove one that a live process uses.

#![expect(clippy::disallowed_methods, reason = "the cache directory is this module's own")]

use super::run::sweep;
use crate::port::RemoteError;
use git2::{Repository, RepositoryInitOptions};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Held, shared, by everybody who uses the cache.
const PRESENCE: &str = "tranche-presence.lock";
/// Its presence says that the cache is to be made anew.
const DAMAGED: &str = "tranche-damaged";
/// A lock of git's that is older than this, with no live process of ours to
/// own it, was left by a dead one: git holds such locks for moments.
const STALE_LOCK: Duration = Duration::from_secs(10);
/// The same for packs that were being written: a fetch may outlive the
/// process that began it for a while.
const STALE_PACK: Duration = Duration::from_secs(3600);

/// The sign that a process uses the cache, for as long as it is held.
#[derive(Debug)]
pub(super) struct Presence {
    _file: File,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Makes sure that there is a bare repository at `dir`, readable by its owner
/// alone. Several processes may do so at once: each makes its own beside it
/// and one rename wins.
///
/// # Errors
/// Fails when the directory cannot be made, or is something else.
pub(super) fn prepare(dir: &Path) -> Result<(PathBuf, Presence), RemoteError> {
    let failed = |cause: String| RemoteError::Store {
        doing: format!("prepare the git cache {}", dir.display()),
        cause,
    };
    let dir = std::path::absolute(dir).map_err(|error| failed(error.to_string()))?;
    if dir.join(DAMAGED).exists() {
        set_aside(&dir).map_err(|error| failed(error.to_string()))?;
    }
    if !is_repository(&dir) {
        create(&dir).map_err(failed)?;
    }
    if !is_repository(&dir) {
        return Err(failed("the directory is there and is no git repository".to_owned()));
    }
    private(&dir).map_err(|error| failed(error.to_string()))?;
    sweep(&dir);
    sweep_asides(&dir);
    let presence = present(&dir).map_err(|error| failed(error.to_string()))?;
    Ok((dir, presence))
}

/// Lets the next one who opens the cache make it anew.
pub(super) fn mark_damaged(git_dir: &Path) {
    let _ = std::fs::write(git_dir.join(DAMAGED), "");
}

/// Says that we are here. Who is alone here first clears what the dead have
/// left.
fn present(dir: &Path) -> std::io::Result<Presence> {
    let file = open_lock(dir)?;
    if file.try_lock().is_ok() {
        sweep_locks(dir);
        file.unlock()?;
    }
    // Whoever holds it alone does so for the moment of a sweep.
    file.lock_shared()?;
    Ok(Presence { _file: file })
}

fn open_lock(dir: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(PRESENCE))
}

fn sweep_locks(dir: &Path) {
    let places = [dir.to_owned(), dir.join("refs"), dir.join("objects/pack")];
    let mut places = Vec::from(places);
    while let Some(place) = places.pop() {
        let Ok(entries) = std::fs::read_dir(&place) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if place != dir && path.is_dir() {
                places.push(path);
                continue;
            }
            let limit = if name.starts_with("tmp_") {
                STALE_PACK
            } else if name.ends_with(".lock") && !name.starts_with("tranche-") {
                STALE_LOCK
            } else {
                continue;
            };
            let age = entry.metadata().ok().and_then(|meta| meta.modified().ok()?.elapsed().ok());
            if age.is_some_and(|age| age > limit) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// Moves a damaged cache out of the way, so that a new one takes its place.
fn set_aside(dir: &Path) -> std::io::Result<()> {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let aside = dir.with_file_name(format!("{}{}-{n}", aside_prefix(dir), std::process::id()));
    match std::fs::rename(dir, aside) {
        // Another process was first.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn aside_prefix(dir: &Path) -> String {
    format!(".{}.damaged-", dir.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes caches that were set aside, once nobody uses them any more.
fn sweep_asides(dir: &Path) {
    let prefix = aside_prefix(dir);
    let entries = dir.parent().and_then(|parent| std::fs::read_dir(parent).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with(&prefix)
            && open_lock(&path).is_ok_and(|lock| lock.try_lock().is_ok())
        {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

fn is_repository(dir: &Path) -> bool {
    dir.join("HEAD").is_file() && Repository::open_bare(dir).is_ok()
}

fn create(dir: &Path) -> Result<(), String> {
    let (parent, name) = match (dir.parent(), dir.file_name()) {
        (Some(parent), Some(name)) => (parent, name.to_string_lossy().into_owned()),
        _ => return Err("the path has no parent directory".to_owned()),
    };
    private_builder(true).create(parent).map_err(|error| error.to_string())?;
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let fresh = parent.join(format!(".{name}.new-{}-{n}", std::process::id()));
    let made = fill(&fresh);
    // Renaming a directory over a filled one fails: then another process was
    // first, and its repository is as good as ours.
    if made.is_err() || std::fs::rename(&fresh, dir).is_err() {
        let _ = std::fs::remove_dir_all(&fresh);
    }
    made
}

fn fill(fresh: &Path) -> Result<(), String> {
    let _ = std::fs::remove_dir_all(fresh);
    private_builder(false).create(fresh).map_err(|error| error.to_string())?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).no_reinit(true).external_template(false);
    Repository::init_opts(fresh, &options).map_err(|error| error.message().to_owned())?;
    std::fs::create_dir_all(fresh.join("refs").join("run")).map_err(|error| error.to_string())
}

fn private_builder(recursive: bool) -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(recursive);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn private(dir: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(dir)?.permissions().mode();
        if mode & 0o077 != 0 {
            std::fs::set_permissions(dir, Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn many_at_once_make_one_private_repository() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("deep").join("cache.git");
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| prepare(&cache).unwrap())).collect();
            for one in all {
                assert_eq!(one.join().unwrap().0, cache);
            }
        });
        assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
        let left: Vec<_> = std::fs::read_dir(cache.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing half-made is left: {left:?}");
    }

    #[test]
    fn a_directory_with_other_things_in_it_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine"), "x").unwrap();
        let said = prepare(dir.path()).unwrap_err().to_string();
        assert!(said.contains("no git repository"), "{said}");
        assert!(dir.path().join("mine").exists());
    }

    #[test]
    fn locks_of_the_dead_go_once_nobody_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache.git");
        let (_, mine) = prepare(&cache).unwrap();
        let old = ["packed-refs.lock", "refs/cache/main.lock", "objects/pack/tmp_pack_x"];
        std::fs::create_dir_all(cache.join("refs/cache")).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for name in old {
            let file = File::create(cache.join(name)).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        std::fs::write(cache.join("HEAD.lock"), "").unwrap();
        let (_, second) = prepare(&cache).unwrap();
        assert!(old.iter().all(|name| cache.join(name).exists()), "somebody may own them");
        drop((mine, second));
        let _again = prepare(&cache).unwrap();
        assert!(old.iter().all(|name| !cache.join(name).exists()));
        assert!(cache.join("HEAD.lock").exists(), "too young to be stale");
    }

    #[test]
    fn a_damaged_cache_is_made_anew_and_the_old_one_goes_with_its_last_user() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache.git");
        let user = prepare(&cache).unwrap();
        std::fs::write(cache.join("old"), "").unwrap();
        mark_damaged(&cache);
        let count = || std::fs::read_dir(dir.path()).unwrap().count();
        let next = prepare(&cache).unwrap();
        assert!(!cache.join("old").exists() && cache.join("HEAD").exists());
        assert_eq!(count(), 2, "a live process still has the old one");
        drop((user, next));
        let _last = prepare(&cache).unwrap();
        assert_eq!(count(), 1);
    }
}
