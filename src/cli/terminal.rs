//! stdout, stderr, and what of a run is shown while it goes on. Owns colours
//! and the escaping of what others wrote; it must never print that raw.

#![expect(clippy::disallowed_methods, reason = "the terminal's settings come from the environment")]

use crate::core::record::CommitPhase;
use crate::port::{Audience, Progress};
use std::io::{IsTerminal, Write};

/// Writes a line of data to stdout. A closed pipe ends quietly: whoever read
/// has seen enough.
pub fn out(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes a line of talk to stderr.
pub fn err(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Text from outside, safe on a terminal: line breaks and tabs stay, every
/// other control character is shown as an escape.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || c == '\t' || !c.is_control() {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

/// Colours of a stream that may have them.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    /// Colours for stdout: on a terminal, unless NO_COLOR says otherwise.
    pub fn stdout() -> Self {
        Self(std::io::stdout().is_terminal() && wanted())
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// For what stands out.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// For what is added or good.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// For what is removed or bad.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// For what needs a person.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// For places and the like.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
}

fn wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Logs of the libraries below, for those who ask by TRANCHE_LOG.
pub fn log_to_stderr() {
    if let Ok(filter) = std::env::var("TRANCHE_LOG") {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
            .with_writer(std::io::stderr)
            .finish();
        // Only fails where a subscriber is set already.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }
}

/// Shows a run: what is recorded as data, effects and looks as progress on a
/// terminal only.
#[derive(Debug)]
pub struct Screen {
    paint: Paint,
    progress: bool,
}

impl Screen {
    /// A screen for this process.
    pub fn new() -> Self {
        Self { paint: Paint::stdout(), progress: std::io::stderr().is_terminal() }
    }
}

impl Audience for Screen {
    fn hear(&self, progress: &Progress) {
        match progress {
            Progress::Recorded { phase, subject } => {
                let label = format!("{:<8}", phase.to_string());
                let label = match phase {
                    CommitPhase::Result | CommitPhase::Publish => self.paint.green(&label),
                    CommitPhase::Waiting => self.paint.yellow(&label),
                    CommitPhase::Intent | CommitPhase::Decision | CommitPhase::Rebuild => {
                        self.paint.dim(&label)
                    }
                };
                out(&format!("{label} {}", escaped(subject)));
            }
            Progress::Notice(text) => err(&format!("note: {}", escaped(text))),
            Progress::Effect(text) if self.progress => {
                err(&self.paint.dim(&format!("         {}", escaped(text))));
            }
            Progress::Looking(text) if self.progress => {
                err(&self.paint.dim(&format!("         … {}", escaped(text))));
            }
            Progress::Effect(_) | Progress::Looking(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_reach_no_terminal() {
        assert_eq!(escaped("a\u{1b}[2Jb\r\u{9b}c\n\td"), "a\\u{1b}[2Jb\\u{d}\\u{9b}c\n\td");
    }
}
