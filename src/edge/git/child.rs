//! The `git` program as a child process. Owns its environment, its deadline
//! and its end; it must never interpret what git prints.

#![expect(clippy::disallowed_methods, reason = "the one place that starts a process")]

use super::text::{Secrets, for_people};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::future::poll_fn;
use std::path::Path;
use std::pin::{Pin, pin};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::{Child, Command};

/// What is kept of each output stream; the rest is read and dropped, so that
/// a chatty server can neither block nor fill us.
const OUTPUT_LIMIT: usize = 1 << 20;

/// How long the pipes of a git that has ended are still read: what it left
/// behind (a credential cache, a shared ssh connection) may hold them open.
const LINGER: Duration = Duration::from_secs(2);

/// Settings that hold for every call, whatever the user's configuration says.
const SETTINGS: [&str; 14] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.version=2",
    "credential.interactive=false",
    // git goes on sending a header that is bound to the first host to the
    // host that it was redirected to: so no redirect is followed at all.
    "http.followRedirects=false",
    // For one host, by its URL, the user may still say otherwise.
    "http.sslVerify=true",
    // A second net below our deadline, for a git that outlives us.
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=120",
    "push.followTags=false",
    "push.gpgSign=false",
    "fetch.writeCommitGraph=false",
    "submodule.recurse=false",
];

/// Variables of git that are the operator's to set. All others are removed:
/// those of a hook or a wrapper that we run in speak of another repository.
const KEPT: [&str; 5] = [
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
];

/// What a call needs besides its arguments.
#[derive(Default)]
pub(super) struct Around {
    /// The protocols that are allowed; empty: none at all.
    pub(super) protocols: &'static str,
    /// Configuration that is on no command line.
    pub(super) settings: Vec<(String, String)>,
    /// The ssh program with its options.
    pub(super) ssh: Option<String>,
    /// What must not be shown.
    pub(super) secrets: Secrets,
    /// Lets git write the heads of HTTP answers to its standard error.
    pub(super) traced: bool,
}

/// How a call of git ended.
pub(super) struct Ended {
    /// Whether the exit code was 0.
    pub(super) success: bool,
    /// Standard output.
    pub(super) stdout: Vec<u8>,
    /// Standard error as it came: for no eyes.
    pub(super) stderr: Vec<u8>,
    /// What git and the server said, for people.
    pub(super) said: String,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").field("success", &self.success).finish_non_exhaustive()
    }
}

/// Why a call of git came to no end of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unended {
    /// It could not be started or waited for.
    Broken(String),
    /// Its deadline, in seconds, has passed, and it was stopped.
    Late(u64),
}

impl fmt::Display for Unended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(cause) => f.write_str(cause),
            Self::Late(seconds) => {
                write!(f, "git did not end within {seconds} s and was stopped")
            }
        }
    }
}

/// Runs git on the bare repository `git_dir` and waits for its end, at most
/// `deadline`. The child and what it started die with this future.
///
/// # Errors
/// Says why git could not be started, or that the deadline has passed.
pub(super) async fn git(
    git_dir: &Path,
    arguments: &[&str],
    deadline: Duration,
    around: &Around,
) -> Result<Ended, Unended> {
    let mut child = command(git_dir, arguments, around)
        .spawn()
        .map_err(|error| Unended::Broken(format!("failed to start the git program: {error}")))?;
    // Dropped before the child: its group is ended while its id is still ours.
    let mut group = Group(child.id());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let finished = tokio::time::timeout(deadline, end(&mut child, &mut stdout, &mut stderr)).await;
    let Ok(status) = finished else {
        drop(group);
        let _ = child.start_kill();
        let _ = child.wait().await;
        return Err(Unended::Late(deadline.as_secs()));
    };
    let status =
        status.map_err(|error| Unended::Broken(format!("failed to wait for git: {error}")))?;
    group.0 = None;
    let mut said = for_people(&untraced(&stderr, around.traced), &around.secrets);
    if said.is_empty() && !status.success() {
        said = format!("git ended with {status}");
    }
    Ok(Ended { success: status.success(), stdout, stderr, said })
}

/// Waits for the child's end while its pipes are read.
async fn end(
    child: &mut Child,
    stdout: &mut Vec<u8>,
    stderr: &mut Vec<u8>,
) -> std::io::Result<std::process::ExitStatus> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut reading = pin!(async { tokio::join!(read_all(out, stdout), read_all(err, stderr)) });
    tokio::select! {
        _ = &mut reading => child.wait().await,
        status = child.wait() => {
            let _ = tokio::time::timeout(LINGER, reading).await;
            status
        }
    }
}

/// The process group of a child that has not been waited for.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok());
        #[cfg(unix)]
        if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

fn command(git_dir: &Path, arguments: &[&str], around: &Around) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_removed(name)) {
        command.env_remove(name);
    }
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        // Empty, not absent: it also rules out core.askPass and SSH_ASKPASS.
        .env("GIT_ASKPASS", "")
        .env("GIT_ALLOW_PROTOCOL", around.protocols)
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("SSH_ASKPASS_REQUIRE", "never")
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE");
    if let Some(ssh) = &around.ssh {
        command.env("GIT_SSH_COMMAND", ssh);
    }
    if around.traced {
        command.env("GIT_TRACE_CURL", "1").env("GIT_TRACE_CURL_NO_DATA", "1");
    }
    command.env("GIT_CONFIG_COUNT", around.settings.len().to_string());
    for (n, (key, value)) in around.settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{n}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{n}"), value);
    }
    let mut git_dir_option = OsString::from("--git-dir=");
    git_dir_option.push(git_dir);
    command.arg(git_dir_option);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command
        .args(arguments)
        .current_dir(git_dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // A Ctrl-C on the terminal is for us: we end at a recorded point, and
    // the push that records it must not be shot down by the same key.
    #[cfg(unix)]
    command.process_group(0);
    command
}

fn is_removed(name: &OsStr) -> bool {
    let ours = [&b"GIT_"[..], b"TRANCHE_GIT_"];
    ours.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix))
        && !KEPT.iter().any(|kept| name == *kept)
}

/// Standard error without the lines of a trace, which begin with a time.
fn untraced(stderr: &[u8], traced: bool) -> Vec<u8> {
    let lines = stderr.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| !traced || !is_trace(line));
    kept.flatten().copied().collect()
}

/// Whether a line begins as git's traces do: `12:34:56.789012 `.
pub(super) fn is_trace(line: &[u8]) -> bool {
    let shape = b"00:00:00.000000 ";
    line.len() > shape.len()
        && line.iter().zip(shape).all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

async fn read_all(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut space = vec![0_u8; 8192];
    loop {
        let mut buffer = ReadBuf::new(&mut space);
        let read = poll_fn(|context| Pin::new(&mut pipe).poll_read(context, &mut buffer)).await;
        let bytes = buffer.filled();
        if read.is_err() || bytes.is_empty() {
            return;
        }
        let room = OUTPUT_LIMIT.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(dir: &Path, arguments: &[&str], deadline: u64) -> Result<Ended, Unended> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let deadline = Duration::from_millis(deadline);
        runtime.block_on(git(dir, arguments, deadline, &Around::default()))
    }

    #[test]
    fn a_call_that_hangs_is_ended_at_its_deadline_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let hang = format!("alias.hang=!echo $$ >{0}/pid; sleep 1000; :", dir.path().display());
        let ended = run(dir.path(), &["-c", &hang, "hang"], 1000);
        assert_eq!(ended.unwrap_err(), Unended::Late(1));
        let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
        // Gone, or ended and waiting for somebody to look at its end. On a busy
        // machine it is not over at the instant at which it is killed.
        let mut stat = String::new();
        for _ in 0..200 {
            match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
                Ok(found) if !found.contains(") Z ") => stat = found,
                _ => return,
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("ten seconds later it is still there: {stat}");
    }

    #[test]
    fn what_a_call_leaves_behind_does_not_hold_it_up() {
        let dir = tempfile::tempdir().unwrap();
        let hang = "alias.hang=!sleep 20 & echo done";
        let ended = run(dir.path(), &["-c", hang, "hang"], 15_000).unwrap();
        assert!(ended.success);
        assert_eq!(ended.stdout, b"done\n");
    }

    #[test]
    fn failures_carry_what_git_said() {
        let dir = tempfile::tempdir().unwrap();
        let ended = run(dir.path(), &["cat-file", "-t", "x"], 20_000).unwrap();
        assert!(!ended.success);
        assert!(ended.said.contains("fatal"), "{}", ended.said);
    }

    #[test]
    fn lines_of_a_trace_are_not_shown() {
        let stderr = b"12:34:56.789012 http.c:1 => Send header: X: secret\nfatal: no\n12:34 noon\n";
        assert_eq!(untraced(stderr, true), b"fatal: no\n12:34 noon\n");
        assert_eq!(untraced(stderr, false), stderr);
    }
}
