//! Where a remote is. Owns which remotes are spoken to at all; it must never
//! reach one.

use super::text::mask;
use crate::port::RemoteError;
use std::fmt;
use std::path::{Path, PathBuf};

/// A remote that has been checked: an absolute path or a `file://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUrl(String);

impl RemoteUrl {
    /// Reads a path or a URL; a relative path counts from the current
    /// directory.
    ///
    /// # Errors
    /// Refuses what git could take for an option or a helper (`ext::`),
    /// control characters, and, for now, remotes on a network.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        Self::parse_from(Path::new("."), text)
    }

    /// Reads a path or a URL; a relative path counts from `base`, as in a
    /// checkout's configuration.
    ///
    /// # Errors
    /// As [`RemoteUrl::parse`].
    pub fn parse_from(base: &Path, text: &str) -> Result<Self, RemoteError> {
        if text.is_empty() {
            return Err(refused(text, "the remote's URL is empty"));
        }
        if text.starts_with('-') {
            return Err(refused(text, "a remote's URL must not begin with a dash"));
        }
        if text.chars().any(char::is_control) {
            return Err(refused(text, "a remote's URL must not hold control characters"));
        }
        if let Some(rest) = text.strip_prefix("file://") {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if !path.starts_with('/') {
                return Err(refused(text, "a file URL needs an absolute path: file:///path"));
            }
            return Ok(Self(format!("file://{path}")));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let cause = match scheme {
                "http" | "https" | "ssh" | "git" => NO_NETWORK.to_owned(),
                _ => format!("remotes of the scheme \"{}\" are refused", scheme.escape_debug()),
            };
            return Err(refused(text, &cause));
        }
        // `host:path` is ssh to git, and `name::rest` a helper program. Only
        // a colon behind a slash belongs to a path for certain.
        let first = text.split('/').next().unwrap_or(text);
        if first.contains("::") {
            return Err(refused(text, "remote helpers (\"name::\") are refused"));
        }
        if first.contains(':') {
            return Err(refused(text, NO_NETWORK));
        }
        Self::of_path(&base.join(text))
    }

    /// The remote at a path on this machine.
    ///
    /// # Errors
    /// Fails when the path is not valid UTF-8 or cannot be made absolute.
    pub fn of_path(path: &Path) -> Result<Self, RemoteError> {
        let shown = path.display().to_string();
        let absolute =
            std::path::absolute(path).map_err(|error| refused(&shown, &error.to_string()))?;
        match absolute.to_str() {
            Some(text) if !text.chars().any(char::is_control) => Ok(Self(text.to_owned())),
            _ => Err(refused(&shown, "the path is not plain UTF-8")),
        }
    }

    /// The text that git is given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path on this machine.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(self.0.strip_prefix("file://").unwrap_or(&self.0))
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

const NO_NETWORK: &str =
    "network remotes are not supported yet: give a path or a file:// URL of a repository";

fn refused(text: &str, cause: &str) -> RemoteError {
    RemoteError::Unreachable {
        remote: mask(text).escape_debug().to_string(),
        cause: cause.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_urls_are_taken() {
        assert_eq!(RemoteUrl::parse("/srv/plan.git").unwrap().as_str(), "/srv/plan.git");
        assert_eq!(RemoteUrl::parse("file:///srv/p.git").unwrap().as_str(), "file:///srv/p.git");
        let relative = RemoteUrl::parse_from(Path::new("/home/me/work"), "a:b/../x");
        assert!(relative.is_err(), "host:path is ssh");
        let relative = RemoteUrl::parse_from(Path::new("/home/me/work"), "./a:b").unwrap();
        assert_eq!(relative.as_str(), "/home/me/work/a:b");
    }

    #[test]
    fn options_helpers_and_control_characters_are_refused() {
        for bad in
            ["", "--upload-pack=x", "ext::sh -c id", "fd::3", "a\nb", "ftp://x/y", "file://host/p"]
        {
            assert!(RemoteUrl::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn network_remotes_say_what_is_missing_and_hide_credentials() {
        for url in ["https://u:secret@host.test/r.git", "ssh://git@host.test/r", "git@host:r.git"] {
            let said = RemoteUrl::parse(url).unwrap_err().to_string();
            assert!(said.contains("not supported yet"), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
