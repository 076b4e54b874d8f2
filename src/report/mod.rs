//! Pages that are made from the code. Owns their text; it must never read or
//! write a file.

mod state_machine;

pub use state_machine::state_machine;
