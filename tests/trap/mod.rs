//! Runs that die where a test says, and the record that they leave. Shared by
//! the tests that kill runs: each says by an [`Aim`] where, and by a
//! [`Witness`] what it wants to see.

pub mod log;
pub mod plans;
mod ports;
mod process;

pub use ports::{
    Aim, Moment, Sort, Trap, Trapped, TrappedClock, TrappedCluster, TrappedRemote, Witness,
};
pub use process::{Graveyard, NamedProcess, Nobody};
