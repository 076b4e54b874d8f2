//! The `git` program as a child process. Owns its environment, its deadline
//! and its end; it must never interpret what git prints.

#![expect(clippy::disallowed_methods, reason = "the one place that starts a process")]

use super::text::for_people;
use std::ffi::OsString;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::Command;

/// What is kept of each output stream; the rest is read and dropped, so that
/// a chatty server can neither block nor fill us.
const OUTPUT_LIMIT: usize = 1 << 20;

/// Settings that hold for every call, whatever the user's configuration says.
const SETTINGS: [&str; 11] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.version=2",
    "credential.interactive=false",
    "http.followRedirects=initial",
    "push.followTags=false",
    "push.gpgSign=false",
    "fetch.writeCommitGraph=false",
    "submodule.recurse=false",
];

/// How a call of git ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Whether the exit code was 0.
    pub(super) success: bool,
    /// Standard output.
    pub(super) stdout: Vec<u8>,
    /// What git and the server said, for people.
    pub(super) said: String,
}

/// Runs git on the bare repository `git_dir` and waits for its end, at most
/// `deadline`. The child dies with this future.
///
/// # Errors
/// Says why git could not be started, or that the deadline has passed.
pub(super) async fn git(
    git_dir: &Path,
    arguments: &[&str],
    deadline: Duration,
) -> Result<Ended, String> {
    let mut child = command(git_dir, arguments)
        .spawn()
        .map_err(|error| format!("failed to start the git program: {error}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async { tokio::join!(read_all(stdout), read_all(stderr), child.wait()) };
    let finished = tokio::time::timeout(deadline, work).await;
    let Ok((stdout, stderr, status)) = finished else {
        // A grandchild may hold the pipes open; the child itself is ended
        // and reaped here.
        let _ = child.start_kill();
        let _ = child.wait().await;
        return Err(format!("git did not end within {} s and was stopped", deadline.as_secs()));
    };
    let status = status.map_err(|error| format!("failed to wait for git: {error}"))?;
    let mut said = for_people(&stderr);
    if said.is_empty() && !status.success() {
        said = format!("git ended with {status}");
    }
    Ok(Ended { success: status.success(), stdout, said })
}

fn command(git_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_git_variable(name)) {
        command.env_remove(name);
    }
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", "https:ssh:file")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("SSH_ASKPASS_REQUIRE", "never")
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE");
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

fn is_git_variable(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"GIT_")
}

async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else { return kept };
    let mut space = vec![0_u8; 8192];
    loop {
        let mut buffer = ReadBuf::new(&mut space);
        let read = poll_fn(|context| Pin::new(&mut pipe).poll_read(context, &mut buffer)).await;
        let bytes = buffer.filled();
        if read.is_err() || bytes.is_empty() {
            return kept;
        }
        let room = OUTPUT_LIMIT.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn a_call_that_hangs_is_ended_at_its_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let arguments = ["-c", "alias.hang=!sleep 30", "hang"];
        let ended = run(git(dir.path(), &arguments, Duration::from_millis(300)));
        assert!(ended.unwrap_err().contains("was stopped"));
    }

    #[test]
    fn failures_carry_what_git_said() {
        let dir = tempfile::tempdir().unwrap();
        let ended = run(git(dir.path(), &["cat-file", "-t", "x"], Duration::from_secs(20)));
        let ended = ended.unwrap();
        assert!(!ended.success);
        assert!(ended.said.contains("fatal"), "{}", ended.said);
    }
}
