//! The pure core: what a plan means, what a rollout's steps are, what to do
//! next. It owns every decision.
//!
//! It must never be async, read a clock, the environment, files or the
//! network, log, or draw random numbers: time, ids and bytes come in as
//! values. It may call nothing outside `core`.

pub mod amend;
pub mod approval;
pub mod captured;
pub mod decide;
pub mod dialect;
pub mod diff;
pub mod digest;
pub mod escape;
pub mod health;
pub mod model;
pub mod object;
pub mod ownership;
pub mod record;
pub mod release;
pub mod render;
pub mod secrecy;
pub mod strategy;
pub mod traffic;
pub mod yaml;
