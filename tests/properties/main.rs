//! Properties of the core: what every compiled list of steps keeps to, what
//! the state machine can never do, and what is decided when.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod beside;
mod decide;
mod gates;
mod generated;
mod hooks;
mod istio;
mod kubevela;
mod machine;
mod member;
mod model;
mod nodes;
mod plan;
mod replay;
mod secrecy;
mod spread;
mod steps;
mod switch;
mod traffic;
mod traps;
