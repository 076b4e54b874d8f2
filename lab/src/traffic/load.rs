//! One run of the load tool. Owns the talk with it; must never call a load
//! finished whose tool did not account for every request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ADDRESS;
use super::report::{Line, Report, Second};
use crate::error::Error;

/// For the tool's next line; it has one a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent.
#[derive(Debug, Clone)]
pub struct Requests {
    /// Where they go: the Gateway, or a pod past it, as `10.244.0.1:8080`.
    pub address: String,
    /// The hostname by which routes are chosen.
    pub host: String,
    /// How many a second.
    pub rate: u32,
    /// Over how many connections, which are kept.
    pub connections: u32,
    /// Headers of each request.
    pub headers: Vec<(String, String)>,
    /// Names of headers that pods are to tell as they came, with commas
    /// between them: `Answers::echo`.
    pub echo: String,
}

impl Requests {
    /// 500 requests a second to a host behind the Gateway, over 8 connections.
    #[must_use]
    pub fn to(host: &str) -> Self {
        let (address, host) = (ADDRESS.to_owned(), host.to_owned());
        let (headers, echo) = (Vec::new(), String::new());
        Self { address, host, rate: 500, connections: 8, headers, echo }
    }

    pub(super) fn flags(&self) -> Vec<String> {
        let mut flags = vec![
            format!("-url=http://{}/", self.address),
            format!("-host={}", self.host),
            format!("-rate={}", self.rate),
            format!("-connections={}", self.connections),
            format!("-echo={}", self.echo),
        ];
        flags.extend(self.headers.iter().map(|(name, value)| format!("-header={name}: {value}")));
        flags
    }
}

/// Requests that are being sent, until `finish`. They end with this process
/// too, since the tool's stdin closes.
#[derive(Debug)]
pub struct Load {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
    seconds: Vec<Second>,
    /// How many seconds were over when the present stage began.
    before: usize,
}

impl Load {
    pub(super) fn begin(mut command: Command) -> Result<Self, Error> {
        let failed = |cause: String| Error::process("process-kubelet load", cause);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|cause| failed(cause.to_string()))?;
        let orders = child.stdin.take();
        let Some(answers) = child.stdout.take() else { return Err(failed("no pipe".into())) };
        // Read as it comes: a tool that waits for a reader is late with requests.
        let (told, lines) = channel();
        let reader = std::thread::spawn(move || {
            let read = BufReader::new(answers).lines().map_while(Result::ok);
            for line in read {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, orders, lines, reader: Some(reader), seconds: Vec::new(), before: 0 })
    }

    /// Begins a stage: requests that are sent from now on are counted for it.
    ///
    /// # Errors
    ///
    /// A tool that has ended.
    pub fn stage(&mut self, name: &str) -> Result<(), Error> {
        let line = format!("{name}\n");
        let sent = self.orders.as_mut().map(|orders| orders.write_all(line.as_bytes()));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.ended());
        }
        loop {
            match self.next()? {
                Line::Marked => {
                    self.before = self.seconds.len();
                    return Ok(());
                }
                Line::Second(second) => self.seconds.push(second),
                Line::End(_) => return Err(self.ended()),
            }
        }
    }

    /// Waits until this many requests of the present stage are answered.
    ///
    /// # Errors
    ///
    /// A tool that has ended.
    pub fn answered(&mut self, requests: u64) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let of_stage = self.seconds.iter().skip(self.before);
            let answered = of_stage.last().map_or(0, |newest| newest.in_stage);
            if answered >= requests {
                return Ok(());
            }
            match self.next()? {
                Line::Second(second) => self.seconds.push(second),
                Line::Marked => {}
                Line::End(_) => return Err(self.ended()),
            }
            if begun.elapsed() > 10 * PATIENCE {
                let what = format!("{requests} answers");
                let said = format!("{answered} are there");
                return Err(Error::NotReady { what, seconds: begun.elapsed().as_secs(), said });
            }
        }
    }

    /// Stops sending, waits for what is under way, and tells what became of
    /// every request.
    ///
    /// # Errors
    ///
    /// A tool that failed, or that did not account for each.
    pub fn finish(mut self) -> Result<Report, Error> {
        self.orders = None;
        loop {
            match self.next()? {
                Line::Second(second) => self.seconds.push(second),
                Line::Marked => {}
                Line::End(mut report) => {
                    report.seconds = std::mem::take(&mut self.seconds);
                    let status = self.child.wait();
                    if !status.is_ok_and(|status| status.success()) || !report.is_whole() {
                        return Err(self.ended());
                    }
                    return Ok(report);
                }
            }
        }
    }

    fn next(&mut self) -> Result<Line, Error> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Line::read(&line).map_err(|cause| {
                Error::process("process-kubelet load", format!("{cause}: {line:?}"))
            }),
            Err(RecvTimeoutError::Timeout) => Err(Error::NotReady {
                what: "the load".into(),
                seconds: PATIENCE.as_secs(),
                said: "it says nothing".into(),
            }),
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
        }
    }

    /// The tool's own words, where it ended before it was told to.
    fn ended(&mut self) -> Error {
        let _ = self.child.kill();
        let mut said = String::new();
        if let Some(mut words) = self.child.stderr.take() {
            let _ = words.read_to_string(&mut said);
        }
        if said.is_empty() {
            said.push_str("it ended, or does not account for every request");
        }
        Error::process("process-kubelet load", said)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
