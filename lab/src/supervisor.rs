//! The process that holds the parts. Owns the talk with it; must never hold a
//! part itself, as nothing then ends it when this process is killed.
//!
//! It is a Go program, built with the other parts: a test of another package
//! has no way to find a program of this one (`CARGO_BIN_EXE_…` is for a
//! package's own tests), and Go can ask the kernel to end a child with its
//! parent, which Rust cannot without `unsafe`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::enclosure::Walls;
use crate::error::Error;

/// A process, told from a later one with the same id by when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start: String,
}

/// The talk with one supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

#[derive(Serialize, Default)]
struct Order<'a> {
    op: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    argv: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a Path>,
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    start: String,
    #[serde(default)]
    running: bool,
}

impl Supervisor {
    /// A supervisor for the parts in `directory`, which it removes at the end.
    /// Behind walls, it and its parts are.
    pub(crate) fn hold(
        program: &Path,
        directory: &Path,
        walls: Option<Walls>,
    ) -> Result<Self, Error> {
        let marker = directory.join(".tranche-lab");
        std::fs::write(&marker, "").map_err(|cause| Error::file(&marker, cause))?;
        // In a process group of its own: whoever kills the test's group must
        // not kill the one who cleans up after it.
        let mut child = walls
            .map_or_else(|| Command::new(program), |walls| walls.around(program))
            .arg("hold")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|cause| Error::file(program, cause))?;
        match (child.stdin.take(), child.stdout.take()) {
            (orders @ Some(_), Some(answers)) => {
                Ok(Self { child, orders, answers: BufReader::new(answers) })
            }
            _ => Err(Error::process("the supervisor", "has no pipes")),
        }
    }

    /// The id of the process that was started here: the supervisor itself, or
    /// what stands around it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts a part, with `NAME=value` beside this process's environment; its
    /// words go to the log.
    pub(crate) fn start(
        &mut self,
        name: &str,
        argv: &[String],
        env: &[String],
        log: &Path,
    ) -> Result<Process, Error> {
        let order = Order { op: "start", name, argv, env, log: Some(log), path: None };
        let answer = self.ask(&order)?;
        Ok(Process { pid: answer.pid, start: answer.start })
    }

    /// Stops a part, and returns when it is gone.
    pub(crate) fn stop(&mut self, name: &str) -> Result<(), Error> {
        self.ask(&Order { op: "stop", name, ..Order::default() }).map(drop)
    }

    /// Whether a part is running.
    pub(crate) fn running(&mut self, name: &str) -> Result<bool, Error> {
        self.ask(&Order { op: "running", name, ..Order::default() }).map(|answer| answer.running)
    }

    /// Writes a new private key.
    pub(crate) fn key(&mut self, path: &Path) -> Result<(), Error> {
        self.ask(&Order { op: "key", path: Some(path), ..Order::default() }).map(drop)
    }

    /// Has the supervisor and its parts outlive this process.
    pub(crate) fn keep(&mut self) -> Result<Process, Error> {
        let answer = self.ask(&Order { op: "keep", ..Order::default() })?;
        Ok(Process { pid: answer.pid, start: answer.start })
    }

    /// Ends all parts and returns when they and their directory are gone.
    pub(crate) fn end(&mut self) {
        self.orders = None;
        let _ = self.child.wait();
    }

    fn ask(&mut self, order: &Order<'_>) -> Result<Answer, Error> {
        let failed = |cause: String| Error::process(format!("supervisor: {}", order.op), cause);
        let mut line = serde_json::to_string(order).map_err(|cause| failed(cause.to_string()))?;
        line.push('\n');
        let orders = self.orders.as_mut().ok_or_else(|| failed("it was ended".into()))?;
        orders.write_all(line.as_bytes()).map_err(|cause| failed(cause.to_string()))?;
        let mut said = String::new();
        self.answers.read_line(&mut said).map_err(|cause| failed(cause.to_string()))?;
        let answer: Answer =
            serde_json::from_str(&said).map_err(|cause| failed(format!("{cause}: {said:?}")))?;
        if answer.ok { Ok(answer) } else { Err(failed(answer.error)) }
    }
}

/// Ends processes that another process has left running.
pub(crate) fn end(program: &Path, processes: &[Process]) -> Result<(), Error> {
    let mut command = Command::new(program);
    command.arg("end");
    for process in processes {
        command.arg(process.pid.to_string()).arg(&process.start);
    }
    let output = command.output().map_err(|cause| Error::file(program, cause))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Error::process("supervisor end", String::from_utf8_lossy(&output.stderr)))
    }
}
