//! The command line: arguments to options, one file per command, exit codes.
//! Owns everything that a person types and reads on a terminal; it must hold
//! no policy of rollouts.
//!
//! Data goes to stdout, talk to stderr.

mod adopt;
mod amend;
mod apply;
mod args;
mod connect;
mod decide;
mod demo;
mod detail;
mod exit;
mod init;
mod lint;
mod log;
mod outlined;
mod plan;
mod rebuild;
mod render;
mod review;
mod saved;
mod schema;
mod settings;
mod standing;
mod status;
mod terminal;
mod tree;
mod unlock;
mod unread;

pub use exit::exit_code;

use crate::edge::process::forbid_core_dumps;
use args::{Arguments, Command, Record};
use clap::Parser;
use exit::Failure;
use std::process::ExitCode;

/// Reads the arguments, does the command, and tells how it ended.
#[must_use]
pub fn main() -> ExitCode {
    terminal::tell_faults();
    forbid_core_dumps();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    terminal::log_to_stderr();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(&Failure::plain(&error.to_string())),
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => exit::failed(&failure),
    }
}

async fn run(arguments: Arguments) -> Result<u8, Failure> {
    let common = arguments.common;
    match arguments.command {
        Command::Init(options) => init::run(&options),
        Command::Lint(options) => lint::run(&common, &options).await,
        Command::Render(options) => render::run(&common, &options).await,
        Command::Plan(options) => plan::run(&common, &options).await,
        Command::Apply(options) => apply::run(&common, &options).await,
        Command::Status(options) => status::run(&common, &options).await,
        Command::Log(options) => log::run(&common, &options).await,
        Command::Demo(options) => demo::run(&options).await,
        Command::Pause(options) => decide::run(&common, decide::Wanted::Pause, &options).await,
        Command::Resume(options) => decide::run(&common, decide::Wanted::Resume, &options).await,
        Command::Approve(options) => {
            decide::run(&common, options.wanted(), &options.decision).await
        }
        Command::Abort(options) => decide::run(&common, decide::Wanted::Abort, &options).await,
        Command::Retry(options) => decide::run(&common, decide::Wanted::Retry, &options).await,
        Command::Unlock(options) => unlock::run(&common, &options).await,
        Command::Adopt(options) => adopt::run(&common, &options).await,
        Command::Record(Record::Rebuild(options)) => rebuild::run(&common, &options).await,
        Command::Patch(options) => amend::patch(&common, &options),
        Command::Route(options) => amend::reroute(&common, &options),
        Command::Retire(options) => amend::retire(&common, &options),
        Command::Schema(options) => schema::run(&options),
    }
}
