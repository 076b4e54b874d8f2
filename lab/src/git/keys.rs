//! Keys for SSH: the server's, the client's, one that the server does not
//! know, and files of known hosts.

use super::{failed, missing};
use crate::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of keys and the sshd configuration that uses them.
#[derive(Clone, Debug)]
pub struct Keys {
    dir: PathBuf,
}

impl Keys {
    pub(super) fn create(dir: &Path) -> Result<Self, Error> {
        let failed = |e: std::io::Error| failed("write the ssh keys", e);
        fs::create_dir_all(dir).map_err(failed)?;
        let keys = Self { dir: dir.to_owned() };
        for name in ["host", "client", "stranger"] {
            keygen(&keys.path(name))?;
        }
        let client = fs::read_to_string(keys.path("client.pub")).map_err(failed)?;
        let line =
            format!("restrict,command=\"git-shell -c \\\"$SSH_ORIGINAL_COMMAND\\\"\" {client}");
        fs::write(keys.path("authorized_keys"), line).map_err(failed)?;
        let config = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n\
             PermitRootLogin prohibit-password\nPrintMotd no\nMaxStartups 100\n",
            keys.path("host").display(),
            keys.path("authorized_keys").display(),
        );
        fs::write(keys.path("sshd_config"), config).map_err(failed)?;
        Ok(keys)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path("sshd_config")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes the file of known hosts for a server on `port`.
    pub(super) fn know(&self, port: u16) -> Result<(), Error> {
        let failed = |e: std::io::Error| failed("write the known hosts", e);
        let host = fs::read_to_string(self.path("host.pub")).map_err(failed)?;
        let other = fs::read_to_string(self.path("stranger.pub")).map_err(failed)?;
        let line = |key: &str| format!("[127.0.0.1]:{port} {key}");
        fs::write(self.path("known_hosts"), line(&host)).map_err(failed)?;
        fs::write(self.path("changed_hosts"), line(&other)).map_err(failed)?;
        fs::write(self.path("no_hosts"), "").map_err(failed)
    }

    /// An ssh command with the key `client` or `stranger` and the file
    /// `known_hosts`, `changed_hosts` (another key for this server) or
    /// `no_hosts`.
    #[must_use]
    pub fn command(&self, key: &str, hosts: &str) -> String {
        format!(
            "ssh -F none -i {} -o IdentitiesOnly=yes -o IdentityAgent=none \
             -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null",
            self.path(key).display(),
            self.path(hosts).display()
        )
    }

    /// The private key of the client, as it lies in its file.
    #[must_use]
    pub fn private(&self) -> String {
        fs::read_to_string(self.path("client")).unwrap_or_default()
    }
}

fn keygen(path: &Path) -> Result<(), Error> {
    let ended = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .output()
        .map_err(|e| missing("ssh-keygen", &e, "apt-get install openssh-client"))?;
    if ended.status.success() {
        return Ok(());
    }
    Err(failed("make an ssh key", String::from_utf8_lossy(&ended.stderr)))
}
