//! The bare repository that fetches go into. Owns its creation; it must never
//! hand out a half-made one.

#![expect(clippy::disallowed_methods, reason = "the cache directory is this module's own")]

use super::run::sweep;
use crate::port::RemoteError;
use git2::{Repository, RepositoryInitOptions};
use std::fs::{DirBuilder, Permissions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Makes sure that there is a bare repository at `dir`, readable by its owner
/// alone. Several processes may do so at once: each makes its own beside it
/// and one rename wins.
///
/// # Errors
/// Fails when the directory cannot be made, or is something else.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, RemoteError> {
    let failed = |cause: String| RemoteError::Store {
        doing: format!("prepare the git cache {}", dir.display()),
        cause,
    };
    let dir = std::path::absolute(dir).map_err(|error| failed(error.to_string()))?;
    if !is_repository(&dir) {
        create(&dir).map_err(failed)?;
    }
    if !is_repository(&dir) {
        return Err(failed("the directory is there and is no git repository".to_owned()));
    }
    private(&dir).map_err(|error| failed(error.to_string()))?;
    sweep(&dir);
    Ok(dir)
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
                assert_eq!(one.join().unwrap(), cache);
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
}
