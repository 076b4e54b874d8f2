//! One call of git that reaches a remote. Owns what such a call is given:
//! protocols, credentials, the ssh command; it must never judge its outcome.

use super::access::secrets;
use super::child::{Around, Ended, Unended, git};
use super::diagnose::is_no_git_server;
use super::url::{RemoteUrl, Transport};
use crate::port::RemoteError;
use std::path::Path;
use std::time::Duration;

/// What ssh is told besides what the user's own command and configuration
/// say. BatchMode: never ask, so an unknown host key is a refusal. No master
/// connection is left behind; one that is there is used.
const SSH_OPTIONS: &str = "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 \
                           -o ServerAliveCountMax=4 -o ControlMaster=no -o ForwardAgent=no \
                           -o ClearAllForwardings=yes -o PermitLocalCommand=no";

const CONFIG_DEADLINE: Duration = Duration::from_secs(10);

/// Runs git with what the remote needs.
///
/// # Errors
/// Says that git did not start, or not end in time; a git that ended with an
/// error is no error here.
pub(super) async fn call(
    git_dir: &Path,
    url: &RemoteUrl,
    arguments: &[&str],
    deadline: Duration,
) -> Result<Ended, RemoteError> {
    let settings = url.settings();
    let around = Around {
        protocols: url.protocols(),
        settings: settings.iter().map(|s| (s.key.clone(), s.value().to_owned())).collect(),
        ssh: ssh_command(git_dir, url).await,
        secrets: secrets(settings),
        // Not by the URL's form: the user's `insteadOf` may make another of it.
        traced: url.transport() != Transport::Local,
    };
    let ended = git(git_dir, arguments, deadline, &around).await;
    let mut ended = ended.map_err(|unended| match unended {
        Unended::Late(seconds) => RemoteError::Timeout { remote: url.to_string(), seconds },
        Unended::Broken(cause) => RemoteError::Unreachable { remote: url.to_string(), cause },
    })?;
    // git takes any page for the listing of a server that has only files, and
    // one without refs for an empty repository: a login page would read as
    // "there is no record".
    if ended.success && is_no_git_server(&ended) {
        ended.success = false;
        ended.said = "the answer is no listing of a git repository".to_owned();
    }
    Ok(ended)
}

/// The operator's ssh command, or the user's, or plain ssh; with our options
/// where it is OpenSSH's, for another program would not know them.
async fn ssh_command(git_dir: &Path, url: &RemoteUrl) -> Option<String> {
    if url.transport() == Transport::Local {
        return None;
    }
    let base = match url.ssh() {
        Some(command) => command.to_owned(),
        None => configured_command(git_dir).await.unwrap_or_else(|| "ssh".to_owned()),
    };
    Some(if is_openssh(&base) { format!("{base} {SSH_OPTIONS}") } else { base })
}

async fn configured_command(git_dir: &Path) -> Option<String> {
    // The cache has no configuration of its own for it: this is the user's.
    let arguments = ["config", "--get", "core.sshCommand"];
    let ended = git(git_dir, &arguments, CONFIG_DEADLINE, &Around::default()).await.ok()?;
    let text = String::from_utf8(ended.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| ended.success && !text.is_empty())
}

fn is_openssh(command: &str) -> bool {
    let program = command.split_whitespace().next().unwrap_or_default();
    let program = program.trim_matches(['"', '\'']);
    matches!(program.rsplit(['/', '\\']).next(), Some("ssh" | "ssh.exe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_openssh_is_given_options() {
        for yes in ["ssh", "/usr/bin/ssh -i key", "'ssh' -v", "ssh -F none"] {
            assert!(is_openssh(yes), "{yes}");
        }
        for no in ["plink", "/opt/my-ssh -x", "tsh ssh", ""] {
            assert!(!is_openssh(no), "{no}");
        }
    }
}
