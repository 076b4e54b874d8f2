//! Which repository is the truth. Owns the step from `--repo` to a remote; of
//! a checkout's configuration it reads the remote's URL and the headers for
//! its host, and nothing else.

use super::access::Access;
use super::call::call;
use super::diagnose::diagnose;
use super::url::RemoteUrl;
use crate::port::RemoteError;
use git2::{ConfigLevel, Repository};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The remote that holds plan and record, where none is asked for.
const DEFAULT_REMOTE: &str = "origin";

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

/// Finds the truth for `repo` (a path or a URL). Of a checkout it is the remote
/// that is named `remote`, `origin` unless one is asked for; the checkout itself
/// only if it has no remote at all and none is asked for. The plan branch is
/// `reference` or the one the remote's `HEAD` points to.
///
/// # Errors
/// Fails when there is no repository, or no such remote, or its remote is of
/// an unsupported kind or cannot be read.
pub async fn locate(
    repo: &str,
    remote: Option<&str>,
    reference: Option<&str>,
    access: &Access,
) -> Result<Location, RemoteError> {
    let Found { url, worktree, headers } = find(repo, remote)?;
    let url = url.opened_by(access, &headers);
    let plan_branch = match reference {
        Some(name) => {
            let short = name.strip_prefix("refs/heads/").unwrap_or(name);
            check_branch(short, &url)?;
            short.to_owned()
        }
        None => default_branch(&url, access).await?,
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

/// What a place says of itself.
struct Found {
    url: RemoteUrl,
    worktree: Option<PathBuf>,
    headers: Vec<(String, String)>,
}

fn find(repo: &str, remote: Option<&str>) -> Result<Found, RemoteError> {
    let plain = |url| Found { url, worktree: None, headers: Vec::new() };
    if repo.contains("://") || !Path::new(repo).exists() {
        return RemoteUrl::parse(repo).map(plain);
    }
    let missing = |cause: &str| missing(repo, cause);
    let start = std::path::absolute(repo).map_err(|error| missing(&error.to_string()))?;
    let opened = Repository::discover(&start).map_err(|error| missing(error.message()))?;
    let worktree = opened.workdir().map(Path::to_path_buf);
    let itself = worktree.as_deref().unwrap_or_else(|| opened.commondir());
    if worktree.is_none() {
        return RemoteUrl::of_path(itself).map(plain);
    }
    let name = remote.unwrap_or(DEFAULT_REMOTE);
    let url = match opened.find_remote(name) {
        Ok(found) => {
            let url = found.url().map_err(|error| missing(&error.to_string()))?;
            RemoteUrl::parse_from(itself, url)?
        }
        // A record beside the right one would roll everything out again: what
        // stands for a remote that is not there is never guessed.
        Err(_) => match names(&opened) {
            known if known.is_empty() && remote.is_none() => RemoteUrl::of_path(itself)?,
            known => {
                return Err(RemoteError::NoSuchRemote {
                    checkout: itself.display().to_string(),
                    name: name.to_owned(),
                    known,
                });
            }
        },
    };
    Ok(Found { url, worktree, headers: headers(&opened) })
}

/// The remotes that a checkout has.
fn names(opened: &Repository) -> Vec<String> {
    let Ok(found) = opened.remotes() else { return Vec::new() };
    found.iter().filter_map(|name| name.ok().flatten()).map(str::to_owned).collect()
}

/// `http.<url>.extraheader` of a checkout, as CI systems leave their token
/// there; which of them are for the remote's host is for the URL to say. One
/// without a URL would go to every host, and is not read.
fn headers(opened: &Repository) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let local = opened.config().and_then(|config| config.open_level(ConfigLevel::Local));
    let Ok(local) = local else { return found };
    let Ok(entries) = local.entries(Some("^http\\..*\\.extraheader$")) else { return found };
    // An entry that cannot be read is none; `for_each` fails with the first.
    let _ = entries.for_each(|entry| {
        let url = entry.name().ok().and_then(|name| {
            name.strip_prefix("http.")?.strip_suffix(".extraheader").map(str::to_owned)
        });
        if let (Some(url), Ok(value)) = (url, entry.value()) {
            found.push((url, value.to_owned()));
        }
    });
    found
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
pub async fn default_branch(url: &RemoteUrl, access: &Access) -> Result<String, RemoteError> {
    if let Some(nearby) = url.nearby().await
        && let Ok(head) = nearby.head()
    {
        return checked(head.as_deref(), url);
    }
    // ls-remote needs no repository of its own; any directory does.
    let here = Path::new("/");
    let arguments = ["ls-remote", "--symref", "--", url.as_str(), "HEAD"];
    let ended = call(here, url, &arguments, access.deadline().unwrap_or(DEADLINE)).await?;
    if !ended.success {
        return Err(diagnose(url, &ended));
    }
    let listing = String::from_utf8_lossy(&ended.stdout);
    let branch = listing.lines().find_map(|line| {
        let (target, name) = line.split_once('\t')?;
        if name != "HEAD" {
            return None;
        }
        target.strip_prefix("ref: refs/heads/")
    });
    checked(branch, url)
}

/// The plan branch where `HEAD` points to this one, if it does.
fn checked(head: Option<&str>, url: &RemoteUrl) -> Result<String, RemoteError> {
    let branch = head.unwrap_or("main");
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
