//! A network of its own for a cluster whose pods have addresses. Owns how it is
//! made and how others get in; must never change the machine's own network.
//!
//! util-linux makes it: Rust cannot enter a namespace without `unsafe`. The
//! processes in it have a PID namespace of their own too, so that pods cannot
//! outlive the one who holds them.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Error;

const UNSHARE: [&str; 5] = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// What this machine lets us put around a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walls {
    /// Not as root: a user namespace of its own gives the right to the others.
    own_user: bool,
}

/// A network that a process holds: it is there as long as that one.
#[derive(Debug)]
pub(crate) struct Enclosure {
    walls: Walls,
    holder: u32,
}

impl Walls {
    /// Tries it out, since what a container or a kernel allows is nowhere to
    /// be read.
    pub(crate) fn tried() -> Result<Self, Error> {
        let mut said = Vec::new();
        for own_user in [false, true] {
            let walls = Self { own_user };
            let mut command = walls.around(Path::new("nsenter"));
            let ran = command.arg("--version").stdin(Stdio::null()).output();
            match ran {
                Ok(output) if output.status.success() => return Ok(walls),
                Ok(output) => said.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                Err(cause) => said.push(format!("unshare: {cause}")),
            }
        }
        Err(Error::Missing(format!(
            "the tests with real traffic run in a network of their own, and none can be made: \
             {}. They need Linux, `unshare` and `nsenter` (Debian: `apt-get install util-linux`), \
             and root or user namespaces: try `unshare {} true` and \
             `unshare --map-root-user {} true`",
            said.join("; "),
            UNSHARE.join(" "),
            UNSHARE.join(" "),
        )))
    }

    /// A command that runs the program behind these walls.
    pub(crate) fn around(self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        if self.own_user {
            command.arg("--map-root-user");
        }
        command.args(UNSHARE).arg("--").arg(program);
        command
    }

    /// The way in to what a process holds that was started by `around`.
    pub(crate) fn held_by(self, holder: u32) -> Enclosure {
        Enclosure { walls: self, holder }
    }
}

impl Enclosure {
    /// A command that runs the program in this network, and in no other
    /// namespace of it: a signal reaches the program itself, and its files and
    /// process ids are those of everybody.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let namespace = |kind: &str| format!("/proc/{}/ns/{kind}", self.holder);
        let mut command = Command::new("nsenter");
        if self.walls.own_user {
            command.arg(format!("--user={}", namespace("user"))).arg("--preserve-credentials");
        }
        command.arg(format!("--net={}", namespace("net"))).arg("--").arg(program);
        command
    }
}
