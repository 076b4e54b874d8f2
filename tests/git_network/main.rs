//! Git over HTTP and SSH, against servers of our own with all that goes wrong
//! between here and a forge: who is let in, what becomes of a push, what
//! people are told, and that no credential is left anywhere.
//!
//! Needs git with its http-backend, OpenSSH's client and server, and Go.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and runs programs"
)]

mod access;
mod faults;
mod place;
mod product;
mod race;
mod upkeep;
