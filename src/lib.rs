//! Tranche: progressive delivery on Kubernetes from git, with nothing to
//! install in the cluster.
//!
//! The library is cut by one rule, and arrows point one way:
//!
//! ```text
//! main -> cli -> everything
//! engine -> { port, core }
//! edge, sandbox -> { port, core }
//! report -> core
//! core -> core
//! ```
//!
//! [`core`] decides, [`engine`] acts, [`edge`] talks. `tests/architecture.rs`
//! reads every `use` line and holds the arrows; `clippy.toml` keeps clocks,
//! files, processes and the environment out of everything but the rims.

pub mod cli;
pub mod core;
pub mod edge;
pub mod engine;
pub mod port;
pub mod report;
pub mod sandbox;
