//! Git servers on loopback: smart HTTP and SSH, with the faults that networks
//! and forges show. Owns one process for each server, which ends with its
//! handle or with the process that started it; it must never listen on
//! anything but 127.0.0.1.

use crate::error::Error;

mod bare;
mod build;
mod keys;
mod server;

pub use bare::Bare;
pub use keys::Keys;
pub use server::{Fault, GitServer, Login, Seen, Where};

#[expect(clippy::needless_pass_by_value, reason = "causes come as values, at each call")]
fn failed(what: impl Into<String>, said: impl ToString) -> Error {
    Error::Process { what: what.into(), said: said.to_string() }
}

fn missing(program: &str, cause: &impl ToString, install: &str) -> Error {
    Error::Missing(format!("{program} is missing ({}): {install}", cause.to_string()))
}
