//! stdout, stderr, and what of a run is shown while it goes on. Owns the one
//! way out of the program and the veil before it: nothing is printed that has
//! not passed the veil and been escaped.

#![expect(clippy::disallowed_methods, reason = "the terminal's settings come from the environment")]

use crate::core::escape::{Escaped, Paint, Terminal};
use crate::core::record::CommitPhase;
use crate::core::secrecy::{RedactedJson, Veil};
use crate::port::{Audience, Progress};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::LazyLock;

/// What may be printed.
pub type Line = Escaped<Terminal>;

static VEIL: LazyLock<Veil> = LazyLock::new(Veil::new);

/// What this process knows to be secret.
pub fn veil() -> &'static Veil {
    &VEIL
}

/// Any text, made fit to be printed.
pub fn say(text: impl AsRef<str>) -> Line {
    Line::of(&VEIL.text(text.as_ref()))
}

/// Any JSON, made fit to be printed or written to a file.
pub fn say_json(value: &Value) -> Line {
    Line::json(&hidden_json(value))
}

fn hidden_json(value: &Value) -> RedactedJson {
    VEIL.json(value)
}

/// A text without secrets, for where it is kept and not printed.
pub fn hidden(text: &str) -> String {
    VEIL.text(text).to_string()
}

/// Writes a line of data to stdout. A closed pipe ends quietly: whoever read
/// has seen enough.
pub fn out(line: impl Into<Line>) {
    let _ = writeln!(std::io::stdout(), "{}", line.into().as_str());
}

/// Writes a line of talk to stderr.
pub fn err(line: impl Into<Line>) {
    let _ = writeln!(std::io::stderr(), "{}", line.into().as_str());
}

/// Writes a whole document to stdout, in whatever form.
pub fn print<S>(text: &Escaped<S>) {
    let _ = std::io::stdout().write_all(text.as_str().as_bytes());
}

/// Colours for stdout: on a terminal, unless NO_COLOR says otherwise.
pub fn paint() -> Paint {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let able = !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    Paint::new(able && std::io::stdout().is_terminal())
}

/// Logs of the libraries below, for those who ask by TRANCHE_LOG.
pub fn log_to_stderr() {
    if let Ok(filter) = std::env::var("TRANCHE_LOG") {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
            .with_ansi(false)
            .with_writer(|| Log)
            .finish();
        // Only fails where a subscriber is set already.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }
}

/// The logs' way to stderr: each event comes in one piece.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        std::io::stderr().write_all(say(&*text).as_str().as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Lets a fault of the program itself be told like any other error: the text
/// of a panic may hold what was being worked on.
pub fn tell_faults() {
    std::panic::set_hook(Box::new(|fault| {
        let place = fault.location().map_or_else(String::new, |at| format!(" at {at}"));
        let payload = fault.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let cause = VEIL.last_text(text.unwrap_or("no cause given"));
        let cause = cause.map_or_else(Line::empty, |cause| ": " + Line::of(&cause));
        let place = VEIL.last_text(&place).map_or_else(Line::empty, |place| Line::of(&place));
        err("error: a fault in tranche itself" + place + cause);
        err(
            "  next: report it with the command and this line; the next run finds out what was done",
        );
    }));
}

/// Shows a run: what is recorded as data, effects and looks as progress on a
/// terminal only.
#[derive(Debug)]
pub struct Screen {
    paint: Paint,
    progress: bool,
    /// What a person was told already: each turn of a run looks at the same plan.
    told: RefCell<BTreeSet<String>>,
}

impl Screen {
    /// For this process's streams.
    pub fn new() -> Self {
        Self { paint: paint(), progress: std::io::stderr().is_terminal(), told: RefCell::default() }
    }
}

impl Audience for Screen {
    fn hear(&self, progress: &Progress) {
        match progress {
            Progress::Recorded { phase, subject } => {
                let label = say(format!("{:<8}", phase.to_string()));
                let label = match phase {
                    CommitPhase::Result | CommitPhase::Publish => self.paint.green(&label),
                    CommitPhase::Waiting => self.paint.yellow(&label),
                    CommitPhase::Intent | CommitPhase::Decision | CommitPhase::Rebuild => {
                        self.paint.dim(&label)
                    }
                };
                out(label + " " + say(subject));
            }
            Progress::Notice(text) if !self.told.borrow_mut().insert(text.clone()) => {}
            Progress::Notice(text) => err("note: " + say(text)),
            Progress::Effect(text) if self.progress => {
                err(self.paint.dim(&("         " + say(text))));
            }
            Progress::Looking(text) if self.progress => {
                err(self.paint.dim(&("         … " + say(text))));
            }
            Progress::Effect(_) | Progress::Looking(_) => {}
        }
    }
}
