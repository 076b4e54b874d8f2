//! Uncommitted files of a checkout, for `--worktree`. Owns that one walk; it
//! must never follow a symlink, and `apply` must never use it.

#![expect(clippy::disallowed_methods, reason = "reads the user's files for --worktree")]

use super::path::check_component;
use crate::core::model::PlanFile;
use crate::port::RemoteError;
use git2::{ObjectType, Oid};
use std::path::Path;

const DEEPEST: usize = 200;

/// All regular files under `path` for which `wanted(path, size)` holds, by
/// path. Directories whose name begins with a dot and symlinks are passed
/// over.
///
/// # Errors
/// Fails when a directory or a wanted file cannot be read.
pub fn worktree_files(
    path: &Path,
    wanted: &mut dyn FnMut(&str, usize) -> bool,
) -> Result<Vec<PlanFile>, RemoteError> {
    let mut files = Vec::new();
    walk(path, "", 0, wanted, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(
    directory: &Path,
    prefix: &str,
    depth: usize,
    wanted: &mut dyn FnMut(&str, usize) -> bool,
    files: &mut Vec<PlanFile>,
) -> Result<(), RemoteError> {
    let failed = |at: &Path, cause: String| RemoteError::Store {
        doing: format!("read {}", at.display()),
        cause,
    };
    if depth > DEEPEST {
        return Err(failed(directory, format!("more than {DEEPEST} directories deep")));
    }
    let entries =
        std::fs::read_dir(directory).map_err(|error| failed(directory, error.to_string()))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed(directory, error.to_string()))?;
        let at = entry.path();
        let name = entry.file_name();
        let shown = format!("{prefix}{}", name.to_string_lossy());
        // Not `metadata` of the path: that would follow a symlink.
        let meta = entry.metadata().map_err(|error| failed(&at, error.to_string()))?;
        if meta.is_dir() && !name.to_string_lossy().starts_with('.') {
            walk(&at, &format!("{shown}/"), depth + 1, wanted, files)?;
        }
        let size = usize::try_from(meta.len()).unwrap_or(usize::MAX);
        // A submodule or a linked work tree has a plain file named .git.
        let is_file = meta.is_file() && !name.eq_ignore_ascii_case(".git");
        if !is_file || !wanted(&shown, size) {
            continue;
        }
        let text = name.to_str().ok_or_else(|| failed(&at, "the name is not UTF-8".to_owned()))?;
        check_component(text.as_bytes()).map_err(|cause| failed(&at, cause))?;
        let bytes = std::fs::read(&at).map_err(|error| failed(&at, error.to_string()))?;
        files.push(PlanFile { path: shown, bytes });
    }
    Ok(())
}

/// The id of the blob that bytes would be in a repository.
#[must_use]
pub fn blob_id(bytes: &[u8]) -> Option<String> {
    Oid::hash_object(ObjectType::Blob, bytes).ok().map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_dot_directories_and_symlinks_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for sub in [".git", ".cache", "apps/web"] {
            std::fs::create_dir_all(root.join(sub)).unwrap();
            std::fs::write(root.join(sub).join("a.yaml"), sub).unwrap();
        }
        std::fs::write(root.join("big.yaml"), vec![b'x'; 100]).unwrap();
        std::fs::write(root.join("apps.yaml"), "1").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("link.yaml")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("linked")).unwrap();
        let files = worktree_files(root, &mut |_, size| size < 50).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["apps.yaml", "apps/web/a.yaml"]);
    }
}
