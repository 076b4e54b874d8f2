//! Which repository is the truth. Owns the step from `--repo` to a remote;
//! of a checkout it reads the remote's URL and nothing else.

use super::child::git;
use super::url::RemoteUrl;
use crate::port::RemoteError;
use git2::Repository;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(30);

/// Where plan and record are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The remote: the truth for both.
    pub url: RemoteUrl,
    /// The plan branch, without `refs/heads/`.
    pub plan_branch: String,
    /// The checkout that was pointed at, if it was one.
    pub worktree: Option<PathBuf>,
}

/// Finds the truth for `repo` (a path or a URL): the remote named `remote` if
/// the repository has it, else the repository itself. The plan branch is
/// `reference` or the one the remote's `HEAD` points to.
///
/// # Errors
/// Fails when there is no repository, or its remote is of an unsupported kind
/// or cannot be read.
pub async fn locate(
    repo: &str,
    remote: &str,
    reference: Option<&str>,
) -> Result<Location, RemoteError> {
    let (url, worktree) = find(repo, remote)?;
    let plan_branch = match reference {
        Some(name) => {
            let short = name.strip_prefix("refs/heads/").unwrap_or(name);
            check_branch(short, &url)?;
            short.to_owned()
        }
        None => default_branch(&url).await?,
    };
    Ok(Location { url, plan_branch, worktree })
}

/// The root of the checkout that `repo` stands in; the directory itself where
/// there is no repository yet. Needs no remote and no commit.
///
/// # Errors
/// Fails when it is no directory, or a repository without files beside it.
pub fn checkout(repo: &str) -> Result<PathBuf, RemoteError> {
    let missing = |cause: &str| missing(repo, cause);
    let start = std::path::absolute(repo).map_err(|error| missing(&error.to_string()))?;
    if !start.is_dir() {
        return Err(missing("is no directory"));
    }
    match Repository::discover(&start) {
        Ok(found) => found
            .workdir()
            .map(Path::to_path_buf)
            .ok_or_else(|| missing("is a bare repository, which has no files beside its commits")),
        Err(_) => Ok(start),
    }
}

fn find(repo: &str, remote: &str) -> Result<(RemoteUrl, Option<PathBuf>), RemoteError> {
    if repo.contains("://") || !Path::new(repo).exists() {
        return Ok((RemoteUrl::parse(repo)?, None));
    }
    let missing = |cause: &str| missing(repo, cause);
    let start = std::path::absolute(repo).map_err(|error| missing(&error.to_string()))?;
    let opened = Repository::discover(&start).map_err(|error| missing(error.message()))?;
    let worktree = opened.workdir().map(Path::to_path_buf);
    let itself = worktree.as_deref().unwrap_or_else(|| opened.commondir());
    if worktree.is_none() {
        return Ok((RemoteUrl::of_path(itself)?, None));
    }
    let url = match opened.find_remote(remote) {
        Ok(found) => {
            let url = found.url().map_err(|error| missing(&error.to_string()))?;
            RemoteUrl::parse_from(itself, url)?
        }
        Err(_) => RemoteUrl::of_path(itself)?,
    };
    Ok((url, worktree))
}

/// A place that is no plan repository.
fn missing(repo: &str, cause: &str) -> RemoteError {
    let remote = repo.escape_debug().to_string();
    RemoteError::Unreachable { remote, cause: cause.to_owned() }
}

/// The branch that the remote's `HEAD` points to, `main` if it does not say.
///
/// # Errors
/// Fails when the remote cannot be read.
pub async fn default_branch(url: &RemoteUrl) -> Result<String, RemoteError> {
    let unreachable = |cause| RemoteError::Unreachable { remote: url.to_string(), cause };
    // ls-remote needs no repository of its own; any directory does.
    let here = Path::new("/");
    let ended = git(here, &["ls-remote", "--symref", "--", url.as_str(), "HEAD"], DEADLINE)
        .await
        .map_err(unreachable)?;
    if !ended.success {
        return Err(unreachable(ended.said));
    }
    let listing = String::from_utf8_lossy(&ended.stdout);
    let branch = listing.lines().find_map(|line| {
        let (target, name) = line.split_once('\t')?;
        if name != "HEAD" {
            return None;
        }
        target.strip_prefix("ref: refs/heads/")
    });
    let branch = branch.unwrap_or("main");
    check_branch(branch, url)?;
    Ok(branch.to_owned())
}

/// Refuses what is no branch name, or what git could take for an option.
pub(super) fn check_branch(branch: &str, url: &RemoteUrl) -> Result<(), RemoteError> {
    let full = format!("refs/heads/{branch}");
    if branch.starts_with('-') || !git2::Reference::is_valid_name(&full) {
        return Err(RemoteError::Unreachable {
            remote: url.to_string(),
            cause: format!("\"{}\" is no branch name", branch.escape_debug()),
        });
    }
    Ok(())
}
