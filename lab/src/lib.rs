//! The laboratory: builds, starts and stops the real parts that the tests run
//! against. Owns processes on loopback, each stopped by its id; it must never
//! be a dependency of the program itself.

#![expect(
    clippy::disallowed_methods,
    reason = "the laboratory is processes, files, and waiting for them"
)]

mod audit;
mod build;
mod by_hand;
mod cache;
mod control_plane;
mod enclosure;
mod error;
pub mod git;
mod namespace;
mod recipe;
mod scratch;
mod supervisor;
pub mod traffic;

pub use audit::Request;
pub use build::{Parts, built, built_for_traffic};
pub use by_hand::{Cluster, down, running, up};
pub use control_plane::{ControlPlane, User};
pub use error::Error;
pub use namespace::Namespace;
pub use scratch::scratch;
