//! The handle of one server process: starting it, telling it which faults to
//! show, asking what it saw, and its end.

use super::build::program;
use super::keys::Keys;
use super::{failed, missing};
use crate::error::Error;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

const SSHD: [&str; 3] = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd"];

/// Who may use the HTTP side.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// The user of basic authentication.
    pub user: String,
    /// The password; empty together with `header`: open to all.
    pub password: String,
    /// A whole `Authorization` value that is taken too.
    pub header: String,
}

/// What a request meets instead of an answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A status: 403, 404, 500, 502 or 503.
    Status(u16),
    /// No answer at all.
    Hang,
    /// A redirect to the same path below another origin.
    Redirect(String),
    /// A page that asks to log in, with status 200.
    Html,
    /// The connection is closed at once.
    Close,
    /// The true answer's first half, then the end of the connection.
    Cut,
    /// Everything is done as asked, and then the connection is closed.
    LostAck,
}

/// Which requests a fault meets.
#[derive(Clone, Copy, Debug)]
pub enum Where {
    /// The listing of refs.
    Info,
    /// The pack of a fetch.
    Upload,
    /// The pack of a push.
    Receive,
    /// Connections to the SSH port (`Hang` or `Close`).
    Ssh,
    /// All of HTTP, and SSH.
    Any,
}

/// What the server saw since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// HTTP requests.
    pub requests: u64,
    /// Those of them with an `Authorization` header.
    pub authorized: u64,
    /// Those answered with 401.
    pub refused: u64,
    /// Connections to the SSH port.
    pub ssh: u64,
}

/// A running server. It ends when this is dropped, and, since its standard
/// input closes, when the process that holds this dies.
#[derive(Debug)]
pub struct GitServer {
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    root: PathBuf,
    http: u16,
    https: u16,
    ssh: u16,
    certificate: PathBuf,
    keys: Keys,
}

impl GitServer {
    /// Serves the bare repositories in `root`, with keys of its own in
    /// `scratch`.
    ///
    /// # Errors
    /// Says which program has to be installed, or why it did not start.
    pub fn start(root: &Path, scratch: &Path, login: &Login) -> Result<Self, Error> {
        let sshd = SSHD.iter().find(|path| Path::new(path).is_file()).ok_or_else(|| {
            missing("sshd", &"not in /usr/sbin", "apt-get install openssh-server")
        })?;
        privilege_separation()?;
        let keys = Keys::create(&scratch.join("keys"))?;
        let certificate = scratch.join("certificate.pem");
        let log = std::fs::File::create(scratch.join("server.log"))
            .map_err(|e| failed("write the server's log", e))?;
        let mut child = Command::new(program()?)
            .arg("-root")
            .arg(root)
            .arg("-backend")
            .arg(backend()?)
            .args(["-user", &login.user, "-sshd", sshd, "-sshd-config"])
            .arg(keys.config())
            .arg("-cert")
            .arg(&certificate)
            .env("GIT_HTTP_PASSWORD", &login.password)
            .env("GIT_HTTP_HEADER", &login.header)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|e| failed("start the git server", e))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("start the git server", "no pipes"));
        };
        let pipes = Mutex::new((stdin, BufReader::new(stdout)));
        let mut server = Self {
            child,
            pipes,
            root: root.to_owned(),
            http: 0,
            https: 0,
            ssh: 0,
            certificate,
            keys: keys.clone(),
        };
        let ready = server.line()?;
        let ports: Vec<u16> = ready.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [http, https, ssh] = ports.as_slice() else {
            return Err(failed("start the git server", ready));
        };
        (server.http, server.https, server.ssh) = (*http, *https, *ssh);
        keys.know(server.ssh)?;
        Ok(server)
    }

    /// The URL of a repository over HTTP.
    #[must_use]
    pub fn http(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.http)
    }

    /// The URL of a repository over HTTPS.
    #[must_use]
    pub fn https(&self, name: &str) -> String {
        format!("https://127.0.0.1:{}/{name}", self.https)
    }

    /// The certificate of the HTTPS side, which is its own authority.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// The origin of the HTTP side.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// The URL of a repository over SSH.
    #[must_use]
    pub fn ssh(&self, name: &str) -> String {
        format!("ssh://127.0.0.1:{}{}", self.ssh, self.root.join(name).display())
    }

    /// The keys of the SSH side.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Arms a fault for the next `times` requests; none: until it is healed.
    ///
    /// # Errors
    /// Fails when the server is gone.
    pub fn fault(&self, fault: &Fault, place: Where, times: Option<u32>) -> Result<(), Error> {
        let times = times.map_or(-1, i64::from);
        let place = match place {
            Where::Info => "info",
            Where::Upload => "upload",
            Where::Receive => "receive",
            Where::Ssh => "ssh",
            Where::Any => "any",
        };
        let (kind, text) = match fault {
            Fault::Status(code) => ("status", code.to_string()),
            Fault::Hang => ("hang", String::new()),
            Fault::Redirect(origin) => ("redirect", origin.clone()),
            Fault::Html => ("html", String::new()),
            Fault::Close => ("close", String::new()),
            Fault::Cut => ("cut", String::new()),
            Fault::LostAck => ("lost-ack", String::new()),
        };
        match self.ask(&format!("fault {kind} {place} {times} {text}"))?.as_str() {
            "ok" => Ok(()),
            other => Err(failed("arm a fault", other)),
        }
    }

    /// Takes all faults back.
    ///
    /// # Errors
    /// Fails when the server is gone.
    pub fn heal(&self) -> Result<(), Error> {
        self.ask("heal").map(|_| ())
    }

    /// What it saw.
    ///
    /// # Errors
    /// Fails when the server is gone.
    pub fn seen(&self) -> Result<Seen, Error> {
        let told: Value = serde_json::from_str(&self.ask("seen")?)
            .map_err(|e| failed("read what the server saw", e))?;
        let count = |name: &str| told.get(name).and_then(Value::as_u64).unwrap_or_default();
        Ok(Seen {
            requests: count("requests"),
            authorized: count("authorized"),
            refused: count("refused"),
            ssh: count("ssh"),
        })
    }

    fn ask(&self, line: &str) -> Result<String, Error> {
        let gone = |e: std::io::Error| failed("tell the git server", e);
        let mut pipes = self.pipes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        writeln!(pipes.0, "{line}").map_err(gone)?;
        read(&mut pipes.1)
    }

    fn line(&self) -> Result<String, Error> {
        let mut pipes = self.pipes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        read(&mut pipes.1)
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(from: &mut BufReader<ChildStdout>) -> Result<String, Error> {
    let mut line = String::new();
    match from.read_line(&mut line) {
        Ok(0) => Err(failed("hear the git server", "it has ended: see server.log")),
        Ok(_) => Ok(line.trim().to_owned()),
        Err(e) => Err(failed("hear the git server", e)),
    }
}

fn backend() -> Result<PathBuf, Error> {
    let told = Command::new("git")
        .arg("--exec-path")
        .output()
        .map_err(|e| missing("git", &e, "apt-get install git"))?;
    let path = Path::new(String::from_utf8_lossy(&told.stdout).trim()).join("git-http-backend");
    if path.is_file() {
        return Ok(path);
    }
    Err(missing("git-http-backend", &path.display(), "the whole git package, not a minimal one"))
}

/// sshd run by root insists on its empty directory.
fn privilege_separation() -> Result<(), Error> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| is_root(&meta));
    if root && !Path::new("/run/sshd").is_dir() {
        std::fs::create_dir_all("/run/sshd")
            .map_err(|e| failed("make /run/sshd, which sshd needs", e))?;
    }
    Ok(())
}

#[cfg(unix)]
fn is_root(meta: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(meta) == 0
}

#[cfg(not(unix))]
fn is_root(_: &std::fs::Metadata) -> bool {
    false
}
