//! Directories and names that come from the environment. Owns every variable
//! that is read; it must never be asked by anything but the command line.

#![expect(clippy::disallowed_methods, reason = "this is where the environment is read")]

use super::args::duration;
use super::exit::Failure;
use super::terminal::veil;
use crate::core::digest::Digest;
use crate::edge::git::Access;
use std::path::PathBuf;

/// A directory by its XDG variable, or under HOME.
fn base(variable: &str, under_home: &str) -> Result<PathBuf, Failure> {
    let absolute =
        |value: std::ffi::OsString| Some(PathBuf::from(value)).filter(|p| p.is_absolute());
    if let Some(path) = std::env::var_os(variable).and_then(absolute) {
        return Ok(path.join("tranche"));
    }
    match std::env::var_os("HOME").and_then(absolute) {
        Some(home) => Ok(home.join(under_home).join("tranche")),
        None => Err(Failure::usage(
            format!("neither {variable} nor HOME names a directory"),
            format!("set {variable} to an absolute path that may be written"),
        )),
    }
}

fn key(text: &str) -> String {
    Digest::of_bytes(text.as_bytes()).short().to_owned()
}

/// The bare cache of a remote.
pub(super) fn cache_dir(url: &str) -> Result<PathBuf, Failure> {
    Ok(base("XDG_CACHE_HOME", ".cache")?.join("git").join(format!("{}.git", key(url))))
}

/// Credentials and times for remotes on a network.
pub(super) fn access() -> Result<Access, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let deadline = variable("TRANCHE_GIT_TIMEOUT").map(|text| duration(&text)).transpose();
    let deadline = deadline.map_err(|cause| {
        Failure::usage(format!("TRANCHE_GIT_TIMEOUT: {cause}"), "set it to a time such as `5m`")
    })?;
    let password = variable("TRANCHE_GIT_PASSWORD");
    veil().learn(password.as_deref().unwrap_or_default());
    let login = Access::new(variable("TRANCHE_GIT_USERNAME"), password);
    Ok(login.with_deadline(deadline).with_ssh(variable("GIT_SSH_COMMAND")))
}

/// The state of a sandbox: one for each target of each plan repository. The
/// project's id is part of it, so that a repository made anew at the same
/// place begins with an empty cluster.
pub(super) fn sandbox_dir(url: &str, project: &str, target: &str) -> Result<PathBuf, Failure> {
    let state = base("XDG_STATE_HOME", ".local/state")?;
    Ok(state.join("sandbox").join(key(&format!("{url}\n{project}"))).join(target))
}

/// Whether this is a CI job.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Who decides: the name and address that git would use, else the login name.
pub fn person() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let config = git2::Config::open_default().ok();
    let configured = |name: &str| config.as_ref().and_then(|c| c.get_string(name).ok());
    let name = variable("GIT_AUTHOR_NAME").or_else(|| configured("user.name"));
    let email = variable("GIT_AUTHOR_EMAIL").or_else(|| configured("user.email"));
    match (name, email) {
        (Some(name), Some(email)) => format!("{name} <{email}>"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => variable("USER").unwrap_or_else(|| "unknown".to_owned()),
    }
}
