//! What opens a remote over HTTP: credentials as git configuration that is
//! bound to one host and travels by environment. It must never show a secret,
//! nor let one be set for every host.

use super::text::Secrets;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::time::Duration;

/// The user that most forges take for any token.
const TOKEN_USER: &str = "x-access-token";

/// What the operator's environment says about reaching remotes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    username: Option<String>,
    password: Option<String>,
    ssh: Option<String>,
    deadline: Option<Duration>,
}

impl Access {
    /// A user name and a password or token, each if there is one. They are
    /// sent to the remote's own host and to no other.
    #[must_use]
    pub fn new(username: Option<String>, password: Option<String>) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self { username: filled(username), password: filled(password), ssh: None, deadline: None }
    }

    /// Lets one call of git take so long, instead of the built-in times.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Takes an ssh command instead of the one in the user's configuration.
    #[must_use]
    pub fn with_ssh(mut self, command: Option<String>) -> Self {
        self.ssh = command.filter(|text| !text.trim().is_empty());
        self
    }

    pub(super) fn ssh(&self) -> Option<&String> {
        self.ssh.as_ref()
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// As configuration for one host, if there is anything; `named` is the user
    /// that the remote's URL names.
    pub(super) fn settings(&self, origin: &str, named: Option<String>) -> Option<Vec<Setting>> {
        let user = self.username.clone().or(named);
        match (user, &self.password) {
            (None, None) => None,
            (Some(user), None) => {
                self.username.as_ref().map(|_| vec![Setting::user(origin, &user)])
            }
            (user, Some(password)) => {
                Some(vec![basic(origin, user.as_deref().unwrap_or(TOKEN_USER), password)])
            }
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// One entry of git configuration. Its value is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// The key.
    pub(super) key: String,
    value: String,
    secrets: Vec<String>,
}

impl Setting {
    /// The name under which helpers are asked. It may be a token: masked too.
    pub(super) fn user(origin: &str, user: &str) -> Self {
        Self {
            key: format!("credential.{origin}.username"),
            value: user.to_owned(),
            secrets: Vec::new(),
        }
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// Whether this alone opens something.
    pub(super) fn is_secret(&self) -> bool {
        !self.secrets.is_empty()
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=***", self.key)
    }
}

/// A header for basic authentication. Sent with the first request: nothing is
/// asked of a helper, and nothing is on a command line.
pub(super) fn basic(origin: &str, user: &str, password: &str) -> Setting {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    Setting {
        key: format!("http.{origin}/.extraHeader"),
        value: format!("Authorization: Basic {encoded}"),
        secrets: vec![encoded, password.to_owned()],
    }
}

/// A header of a checkout's own configuration, with the URL it is bound to.
pub(super) fn header_setting(url: &str, value: &str) -> Option<Setting> {
    if value.is_empty() || value.chars().any(char::is_control) {
        return None;
    }
    // `Name: scheme secret` or `Name: secret`.
    let secret = value.split([' ', ':']).next_back().unwrap_or(value).to_owned();
    let mut secrets = vec![secret];
    if let Some(decoded) = secrets.first().and_then(|text| STANDARD.decode(text).ok())
        && let Ok(login) = String::from_utf8(decoded)
        && let Some((_, password)) = login.split_once(':')
    {
        secrets.push(password.to_owned());
    }
    Some(Setting { key: format!("http.{url}.extraHeader"), value: value.to_owned(), secrets })
}

/// All that must not be shown of these settings.
pub(super) fn secrets(settings: &[Setting]) -> Secrets {
    let own = settings.iter().flat_map(|setting| setting.secrets.iter().cloned());
    // A user name without a password may be a token, if it is as long as one.
    let users = settings.iter().filter(|setting| !setting.is_secret() && setting.value.len() >= 16);
    Secrets::new(own.chain(users.map(|setting| setting.value.clone())))
}
