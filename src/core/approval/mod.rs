//! A plan that was reviewed, and whether what would be done now is still that
//! plan. Owns the saved plan's types, its digests and the rule by which it is
//! stale; it must never hold a secret value or a digest of one, and knows
//! nothing of files and clusters.
//!
//! # The rule
//!
//! A saved plan is a permission. It names steps by their ids and patches by
//! their values, so what runs is a part of what was reviewed, or nothing:
//!
//! - **Nothing is begun**: the entity's steps and patches have to be exactly the
//!   reviewed ones. A value that somebody has set since is another patch, even
//!   where the result is the same.
//! - **Something is begun**: a run that was killed, or that came to a gate, has
//!   left fewer steps. They have to be the *last* of the reviewed ones, which
//!   proves that the ones before were done: an id covers attempt, revisions,
//!   sizes and effects, and the record gives out a later batch only after the
//!   earlier ones succeeded. What is left of the patches has to lead to the
//!   reviewed values, and to come from the reviewed old value, or from one that
//!   a reviewed write brings about on the way (`through`, by the server's own
//!   dry-runs at the time of the review). Anything else was set by somebody else.
//!   Of an object that the reviewed steps make and delete again only what they
//!   write counts: what others, such as its controller, have added since goes
//!   with it.
//! - **Nothing is left to do**, or it waits: there is nothing to permit.
//! - **The way back** after a failure or a person's abort is always open: it
//!   leads to what was there before.
//!
//! Where the server could not be asked, because an object's namespace comes with
//! the same plan, it may by now fill in what was reviewed; what was reviewed
//! must still be so.
//!
//! A value that is not shown is not compared, neither in the clear nor by a
//! digest. In its place stand the ids of the git blobs that it comes from: a
//! value cannot change without them, though they may change without it.

mod compare;
mod patch;
mod saved;
mod seal;

#[cfg(test)]
mod tests;

pub use compare::{Stale, compare};
pub use patch::States;
pub use saved::{
    Field, Operation, SAVED_FORMAT, SavedEntity, SavedObject, SavedPlan, SavedStep, SavedTarget,
    Sizes, Source, Standing,
};
pub use seal::FileFault;

use crate::core::record::Ending;
use crate::core::strategy::StepKind;

/// Whether a step is the way back that needs no review: after a failure or a
/// person's abort. One that a change of the plan asks for is a change like any
/// other.
#[must_use]
pub fn leads_back(kind: StepKind, ending: Option<Ending>) -> bool {
    kind == StepKind::Abort && matches!(ending, Some(Ending::Aborted | Ending::DeadlineExceeded))
}
