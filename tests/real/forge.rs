//! Git servers with plan repositories, and sites that roll out from them over
//! the network.

use crate::site::Site;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tranche_lab::ControlPlane;
use tranche_lab::git::{Bare, GitServer, Login};

const USER: &str = "deploy";
const PASSWORD: &str = "correct-horse";

/// How a plan repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP with basic authentication.
    Http,
    Ssh,
}

/// One git server.
pub struct Forge {
    // Before the directory that it serves: it ends first.
    server: GitServer,
    dir: TempDir,
    made: AtomicU32,
}

impl Forge {
    pub fn new() -> Self {
        let dir = tranche_lab::scratch().unwrap();
        let (user, password) = (USER.to_owned(), PASSWORD.to_owned());
        std::fs::create_dir(dir.path().join("root")).unwrap();
        let login = Login { user, password, header: String::new() };
        let server = GitServer::start(&dir.path().join("root"), dir.path(), &login).unwrap();
        Self { server, dir, made: AtomicU32::new(0) }
    }

    /// A new repository, and a namespace of the shared cluster that it rolls
    /// out to.
    pub fn site(&self, prefix: &str, transport: Transport) -> (Site<'static>, Bare) {
        let plane = ControlPlane::shared().unwrap();
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{number}.git");
        let bare = Bare::create(&self.dir.path().join("root"), &name).unwrap();
        let (url, opened_by) = match transport {
            Transport::Http => {
                let login = [("TRANCHE_GIT_USERNAME", USER), ("TRANCHE_GIT_PASSWORD", PASSWORD)];
                let login = login.map(|(name, value)| (name, value.to_owned()));
                (self.server.http(&name), login.to_vec())
            }
            Transport::Ssh => {
                let command = self.server.keys().command("client", "known_hosts");
                (self.server.ssh(&name), vec![("GIT_SSH_COMMAND", command)])
            }
        };
        (Site::at(plane, prefix, bare.path(), url, opened_by), bare)
    }
}
