//! What people see, from plain values.

mod state_machine;

pub use state_machine::state_machine;
