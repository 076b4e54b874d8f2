//! Calls of a rollout to the outside, and which hosts may be called. Owns what
//! a hook's address may look like; it must never show more of one than its
//! host, since paths and queries may hold tokens.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
// Addresses alone: what of `std` can connect is not in it.
use ::core::net::{IpAddr, Ipv6Addr};

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookType {
    /// Before the first batch.
    InitializeRollout,
    /// Before a batch.
    PreBatchRollout,
    /// After a batch.
    PostBatchRollout,
    /// After the last batch, and at the end of the way back.
    FinalizeRollout,
}

impl HookType {
    /// The type as a plan has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InitializeRollout => "initialize-rollout",
            Self::PreBatchRollout => "pre-batch-rollout",
            Self::PostBatchRollout => "post-batch-rollout",
            Self::FinalizeRollout => "finalize-rollout",
        }
    }

    /// The type of a name in a plan.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let all = [
            Self::InitializeRollout,
            Self::PreBatchRollout,
            Self::PostBatchRollout,
            Self::FinalizeRollout,
        ];
        all.into_iter().find(|one| one.name() == name)
    }
}

/// A request that a rollout makes at some point of its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// When.
    #[serde(rename = "type")]
    pub kind: HookType,
    /// Its name, for people.
    pub name: String,
    /// Where to.
    pub url: String,
    /// The request's method.
    pub method: String,
    /// The answers that count as success; any 2xx if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<u16>,
    /// What is sent along.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Hook {
    /// Whether an answer's status is a success.
    #[must_use]
    pub fn expects(&self, status: u16) -> bool {
        match self.expected.as_slice() {
            [] => (200..300).contains(&status),
            named => named.contains(&status),
        }
    }

    /// The answers that count as success, in words.
    #[must_use]
    pub fn expectation(&self) -> String {
        let named: Vec<String> = self.expected.iter().map(u16::to_string).collect();
        if named.is_empty() { "2xx".to_owned() } else { named.join(" or ") }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, method, .. } = self;
        let host = Address::of(&self.url).map_or_else(|_| String::new(), |at| at.to_string());
        write!(f, "{} {name:?}: {method} {host}", kind.name())
    }
}

/// The parts of a hook's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether it is https.
    pub secure: bool,
    /// The host, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query.
    pub path: String,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// Says what is wrong, without the URL.
    pub fn of(url: &str) -> Result<Self, &'static str> {
        let (secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("is no https:// URL"),
        };
        if !url.bytes().all(|b| b.is_ascii_graphic()) || url.contains(['#', '\\', '"', '<', '>']) {
            return Err("holds a `#`, a space, or a character that a URL has only encoded");
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("has a user or a password in it");
        }
        let (host, port) = host_and_port(authority)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let usual = if secure { 443 } else { 80 };
        Ok(Self { secure, host, port: port.unwrap_or(usual), path })
    }

    /// Whether it is this very machine that is named.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

impl fmt::Display for Address {
    /// Scheme, host and port: nothing that could be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual) = if self.secure { ("https", 443) } else { ("http", 80) };
        let bracketed = self.host.contains(':');
        let host = if bracketed { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{scheme}://{host}")?;
        if self.port == usual { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// A host that hooks may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    /// Its name, or `*.` and the end of its name.
    pub host: String,
    /// The port; the scheme's usual one if none.
    pub port: Option<u16>,
    /// Whether it may be called without TLS.
    pub insecure: bool,
}

impl AllowedHost {
    /// Reads `host` or `host:port`.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn of(text: &str, insecure: bool) -> Result<Self, &'static str> {
        let (wild, rest) = match text.strip_prefix("*.") {
            Some(rest) => ("*.", rest),
            None => ("", text),
        };
        let (host, port) = host_and_port(rest)?;
        if !wild.is_empty() && (!host.contains('.') || host.parse::<IpAddr>().is_ok()) {
            return Err("stands for a whole domain such as `*.com`, or for addresses");
        }
        Ok(Self { host: format!("{wild}{host}"), port, insecure })
    }

    /// Whether a hook may call an address.
    #[must_use]
    pub fn admits(&self, at: &Address) -> bool {
        let usual = if at.secure { 443 } else { 80 };
        let host = match self.host.strip_prefix('*') {
            Some(end) => at.host.len() > end.len() && at.host.ends_with(end),
            None => at.host == self.host,
        };
        host && at.port == self.port.unwrap_or(usual)
            && (at.secure || self.insecure || at.is_loopback())
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), &'static str> {
    const BROKEN: &str = "has no host, or one that is no name and no address";
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(BROKEN)?;
            host.parse::<Ipv6Addr>().map_err(|_| BROKEN)?;
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let named = !host.is_empty() && host.bytes().all(plain) && !host.starts_with(['-', '.']);
    // A name that ends in a number is an address to whoever resolves it.
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if !authority.starts_with('[')
        && (!named || host.ends_with('.') || (number && host.parse::<IpAddr>().is_err()))
    {
        return Err(BROKEN);
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(port) => {
            Some(port.parse().ok().filter(|p| *p > 0).ok_or("has no port from 1 to 65535")?)
        }
        None => return Err(BROKEN),
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_by_its_host_alone() {
        let at = Address::of("https://Hooks.example.com/services/T0?token=abc").unwrap();
        assert_eq!((at.host.as_str(), at.port, at.secure), ("hooks.example.com", 443, true));
        assert_eq!(at.path, "/services/T0?token=abc");
        assert_eq!(at.to_string(), "https://hooks.example.com");
        let at = Address::of("http://[::1]:8080?x").unwrap();
        assert_eq!((at.to_string().as_str(), at.path.as_str()), ("http://[::1]:8080", "/?x"));
        for wrong in [
            "ftp://a/",
            "https://",
            "https://user:pw@a/",
            "https://a:0/",
            "https://a:b/",
            "https://a/#b",
            "https://a b/",
            "https://a/\n",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://a.",
            "https://[a]/",
            "https://[::1]x/",
            "hooks.example.com",
        ] {
            assert!(Address::of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_host_is_admitted_by_name_port_and_scheme() {
        let admits = |entry: &str, insecure: bool, url: &str| {
            AllowedHost::of(entry, insecure).unwrap().admits(&Address::of(url).unwrap())
        };
        assert!(admits("hooks.example.com", false, "https://hooks.example.com/a"));
        assert!(!admits("hooks.example.com", false, "https://hooks.example.com:8443/a"));
        assert!(admits("hooks.example.com:8443", false, "https://hooks.example.com:8443/a"));
        assert!(!admits("example.com", false, "https://hooks.example.com/"));
        assert!(admits("*.example.com", false, "https://hooks.example.com/"));
        assert!(!admits("*.example.com", false, "https://example.com/"));
        assert!(!admits("*.example.com", false, "https://badexample.com/"));
        assert!(!admits("a.example", false, "http://a.example/"));
        assert!(admits("a.example", true, "http://a.example/"));
        assert!(admits("127.0.0.1:81", false, "http://127.0.0.1:81/"));
        for wrong in ["*", "*.com", "*.1.2.3.4", "https://a", "a/b", ""] {
            assert!(AllowedHost::of(wrong, false).is_err(), "{wrong}");
        }
    }
}
