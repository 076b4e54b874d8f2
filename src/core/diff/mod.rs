//! What an apply would change, as text. Owns the comparison of live and
//! desired; it must never talk to a cluster, and no secret value passes it.

mod clean;
mod halfway;
mod note;
mod order;
mod unified;

pub use clean::cleaned;
pub use halfway::Halfway;
pub use note::{Note, Outcome};
pub use unified::{Change, ObjectDiff, diff};
