//! Git servers on loopback: smart HTTP and SSH, with the faults that networks
//! and forges show. Owns one process for each server, which ends with its
//! handle or with the process that started it; it must never listen on
//! anything but 127.0.0.1.

#![expect(clippy::disallowed_methods, reason = "the lab makes files and processes for tests")]

mod bare;
mod build;
mod error;
mod keys;
mod server;

pub use bare::Bare;
pub use error::GitLabError;
pub use keys::Keys;
pub use server::{Fault, GitServer, Login, Seen, Where};
