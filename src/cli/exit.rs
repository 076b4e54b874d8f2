//! Exit codes, and how an error looks. Owns the number of each class; which
//! class an end has is `engine`'s.

use super::terminal::{err, out, say};
use crate::engine::{Class, RunError};
use std::process::ExitCode;

/// Wrong usage.
pub const USAGE: u8 = 64;
/// `plan --detailed-exitcode`: there are changes.
pub const CHANGES: u8 = 2;

/// The exit code of a class.
#[must_use]
pub fn exit_code(class: Class) -> u8 {
    match class {
        Class::Done => 0,
        Class::Failed => 1,
        Class::Waiting => 3,
        Class::RolledBack => 4,
        Class::Busy => 5,
        Class::Stale => 6,
        Class::NotRecorded => 7,
        Class::Invalid => 65,
        Class::Refused => 77,
    }
}

/// An error that ends the program.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty if there is nothing to say.
    pub next: String,
}

impl Failure {
    /// A fault of a command's arguments.
    pub fn usage(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into(), next: next.into() }
    }

    /// A plain failure.
    pub fn plain(message: &str) -> Self {
        let next = "put that right, and run the same command again".to_owned();
        Self { code: 1, message: message.to_owned(), next }
    }
}

impl<E: Into<RunError>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error: RunError = error.into();
        Self { code: exit_code(error.class), message: error.message, next: error.next }
    }
}

/// Prints an error and gives its exit code.
pub fn failed(failure: &Failure) -> ExitCode {
    show(&failure.message, &failure.next);
    ExitCode::from(failure.code)
}

/// Prints an error.
pub fn show(message: &str, next: &str) {
    err("error: " + say(message));
    if !next.is_empty() {
        err("  next: " + say(next));
    }
}

/// clap's own errors: help and version are no errors, the rest is wrong usage.
pub fn usage(error: &clap::Error) -> ExitCode {
    // What was typed, and help that shows the environment, may hold a secret.
    let text = say(error.render().to_string().trim_end());
    if error.use_stderr() {
        err(text);
        return ExitCode::from(USAGE);
    }
    out(text);
    ExitCode::SUCCESS
}
