//! Where a remote is. Owns which remotes are spoken to at all, and keeps what
//! opens them apart from what may be shown; it must never reach one.

use super::access::{Access, Setting, basic, header_setting};
use super::nearby::{Found, Nearby};
use super::text::mask;
use crate::port::RemoteError;
use std::fmt;
use std::path::{Path, PathBuf};

/// How a remote is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// By its path on this machine.
    Local,
    /// By git's smart HTTP protocol.
    Http,
    /// By the ssh program.
    Ssh,
}

/// A remote that has been checked. Its text holds no secret: credentials that
/// a URL brought along are kept apart, bound to its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUrl {
    text: String,
    transport: Transport,
    /// `scheme://host:port`, for HTTP.
    origin: String,
    settings: Vec<Setting>,
    /// The operator's ssh command.
    ssh: Option<String>,
    found: Found,
}

impl RemoteUrl {
    /// Reads a path or a URL; a relative path counts from the current
    /// directory.
    ///
    /// # Errors
    /// Refuses what git or ssh could take for an option or a helper
    /// (`ext::`), control characters, other protocols, and plain `http` to
    /// other machines.
    pub fn parse(text: &str) -> Result<Self, RemoteError> {
        Self::parse_from(Path::new("."), text)
    }

    /// Reads a path or a URL; a relative path counts from `base`, as in a
    /// checkout's configuration.
    ///
    /// # Errors
    /// As [`RemoteUrl::parse`].
    pub fn parse_from(base: &Path, text: &str) -> Result<Self, RemoteError> {
        check_text(text).map_err(|cause| refused(text, cause))?;
        if let Some(rest) = text.strip_prefix("file://") {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if !path.starts_with('/') {
                return Err(refused(text, "a file URL needs an absolute path: file:///path"));
            }
            return Ok(Self::local(format!("file://{path}")));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme {
                "https" | "http" => http(scheme, rest),
                "ssh" => ssh(rest).map(|()| Self::over_ssh(text)),
                _ => Err("only https, ssh and file remotes are spoken to"),
            }
            .map_err(|cause| refused(text, cause));
        }
        // `host:path` is ssh to git, and `name::rest` a helper program. Only
        // a colon behind a slash belongs to a path for certain.
        let first = text.split('/').next().unwrap_or(text);
        if first.contains("::") {
            return Err(refused(text, "remote helpers (\"name::\") are refused"));
        }
        if let Some((authority, path)) = text.split_once(':').filter(|_| first.contains(':')) {
            return short_ssh(authority, path)
                .map(|()| Self::over_ssh(text))
                .map_err(|cause| refused(text, cause));
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
            Some(text) if !text.chars().any(char::is_control) => Ok(Self::local(text.to_owned())),
            _ => Err(refused(&shown, "the path is not plain UTF-8")),
        }
    }

    fn local(text: String) -> Self {
        let (origin, settings) = (String::new(), Vec::new());
        Self {
            text,
            transport: Transport::Local,
            origin,
            settings,
            ssh: None,
            found: Found::default(),
        }
    }

    fn over_ssh(text: &str) -> Self {
        Self { transport: Transport::Ssh, ..Self::local(text.to_owned()) }
    }

    /// The text that git is given: without credentials.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path on this machine, of a remote that has one.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(self.text.strip_prefix("file://").unwrap_or(&self.text))
    }

    /// Adds what opens the remote: the operator's credentials, and the headers
    /// of a checkout's own configuration that are for this very host. Those of
    /// the URL itself come first, then the operator's, then the checkout's.
    #[must_use]
    pub fn opened_by(mut self, access: &Access, headers: &[(String, String)]) -> Self {
        self.ssh = access.ssh().cloned();
        if self.transport != Transport::Http {
            return self;
        }
        if self.settings.iter().any(Setting::is_secret) {
            return self;
        }
        let user = self.settings.first().map(|setting| setting.value().to_owned());
        if let Some(settings) = access.settings(&self.origin, user) {
            self.settings = settings;
        } else {
            let ours = headers.iter().filter(|(url, _)| same_origin(url, &self.origin));
            self.settings.extend(ours.filter_map(|(url, value)| header_setting(url, value)));
        }
        self
    }

    /// The repository itself, where it can be read without git.
    pub(super) async fn nearby(&self) -> Option<&Nearby> {
        self.found.of(self).await
    }

    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    /// The protocols that git may use for it.
    pub(super) fn protocols(&self) -> &'static str {
        if self.origin.starts_with("http:") { "http:https:ssh:file" } else { "https:ssh:file" }
    }

    pub(super) fn ssh(&self) -> Option<&str> {
        self.ssh.as_deref()
    }

    /// Configuration that travels to git by its environment.
    pub(super) fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            // The user of an ssh URL opens nothing, and tells accounts apart.
            Transport::Ssh => f.write_str(&self.text),
            _ => f.write_str(&mask(&self.text)),
        }
    }
}

fn check_text(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("the remote's URL is empty")
    } else if text.starts_with('-') {
        Err("a remote's URL must not begin with a dash")
    } else if text.chars().any(char::is_control) {
        Err("a remote's URL must not hold control characters")
    } else {
        Ok(())
    }
}

fn http(scheme: &str, rest: &str) -> Result<RemoteUrl, &'static str> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if rest.contains(['?', '#', '\\']) || rest.chars().any(char::is_whitespace) {
        return Err("a remote's URL has no query, fragment, backslash or space");
    }
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, authority),
    };
    let place = place.to_ascii_lowercase();
    let host = check_host(&place)?;
    if scheme == "http" && !is_loopback(host) {
        return Err("plain http is spoken to this machine only; use https");
    }
    let origin = format!("{scheme}://{place}");
    let mut settings = Vec::new();
    match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
        None | Some(("", "")) => {}
        Some((user, "")) => settings.push(Setting::user(&origin, &decoded(user)?)),
        Some((user, password)) => {
            settings.push(basic(&origin, &decoded(user)?, &decoded(password)?));
        }
    }
    let text = format!("{origin}/{path}");
    let found = Found::default();
    Ok(RemoteUrl { text, transport: Transport::Http, origin, settings, ssh: None, found })
}

fn ssh(rest: &str) -> Result<(), &'static str> {
    let (authority, path) =
        rest.split_once('/').ok_or("an ssh URL needs a path behind its host")?;
    check_authority(authority)?;
    check_ssh_path(path)
}

fn short_ssh(authority: &str, path: &str) -> Result<(), &'static str> {
    // git takes a bracket here for an address or a port; the URL form says it
    // without doubt.
    if authority.contains(['[', ']']) {
        return Err("write it as ssh://host:port/path");
    }
    check_authority(authority)?;
    // `user:password@host:path`, which git would take for a host "user".
    if path.split('/').next().is_some_and(|first| first.contains('@')) {
        return Err("ssh takes no password from a URL: use a key");
    }
    check_ssh_path(path)
}

fn check_ssh_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() || path.starts_with('-') {
        return Err("the path on the ssh host is empty or begins with a dash");
    }
    Ok(())
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let place = match authority.rsplit_once('@') {
        None => authority,
        Some((user, place)) => {
            if user.contains(':') {
                return Err("ssh takes no password from a URL: use a key");
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
            if user.is_empty() || user.starts_with('-') || !user.chars().all(plain) {
                return Err("the user name is empty, begins with a dash, or holds other \
                            characters than letters, digits and . _ - +");
            }
            place
        }
    };
    check_host(place).map(|_| ())
}

/// The host of `host[:port]`, which neither git nor ssh nor curl can take for
/// anything else.
fn check_host(place: &str) -> Result<&str, &'static str> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("the host's bracket is not closed")?;
            if host.is_empty() || !host.chars().all(|c| c.is_ascii_hexdigit() || c == ':') {
                return Err("what is in brackets is no IPv6 address");
            }
            (host, port)
        }
        None => {
            let (host, port) = place.split_at(place.find(':').unwrap_or(place.len()));
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if host.is_empty() || host.starts_with('-') || !host.chars().all(plain) {
                return Err("the host is empty, begins with a dash, or holds other characters \
                            than letters, digits and . _ -");
            }
            (host, port)
        }
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(host),
        Some(number) if number.parse::<u16>().is_ok_and(|n| n > 0) => Ok(host),
        _ => Err("the port is no number from 1 to 65535"),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the URL in a configuration key names this scheme, host and port.
fn same_origin(url: &str, origin: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let place = rest.split('/').next().unwrap_or(rest);
    format!("{scheme}://{place}").eq_ignore_ascii_case(origin)
}

fn decoded(text: &str) -> Result<String, &'static str> {
    const BAD: &str = "the credentials in the URL are not rightly percent-encoded";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).ok_or(BAD);
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).map_err(|_| BAD)?);
    }
    let text = String::from_utf8(bytes).map_err(|_| BAD)?;
    if text.chars().any(char::is_control) { Err(BAD) } else { Ok(text) }
}

fn refused(text: &str, cause: &str) -> RemoteError {
    let shown = match text.rsplit_once('@') {
        Some((_, behind)) if !text.contains("://") => format!("***@{behind}"),
        _ => mask(text),
    };
    RemoteError::Refused { remote: shown.escape_debug().to_string(), cause: cause.to_owned() }
}

#[cfg(test)]
mod tests;
