//! The record branch: formats, trailers, paths. Owns what is written to git
//! and how it is read back; it must never run git, and nothing in a record is
//! ever executed.
//!
//! Every file says its `format`. A newer one than [`FORMAT`] is refused; every
//! older one stays readable, with a fixture in `testdata/records/`.

mod boundary;
mod dashboard;
mod decisions;
mod entity;
mod file;
mod inventory;
mod path;
mod revision;
mod subject;
mod trailers;

pub use boundary::Boundary;
pub use dashboard::dashboard;
pub use decisions::{Approval, Decisions, Verdict};
pub use entity::{
    Ended, Ending, EntityRecord, Further, Holder, LastResult, NamedObject, OpenStep, Phase,
    RevisionRef, Status, StepsRef,
};
pub use file::{FORMAT, FileError, read, write};
pub use inventory::{Inventory, Owned, names};
pub use path::{decisions_path, entity_path, inventory_path, revision_path};
pub use revision::{Captured, RevisionRecord};
pub use subject::{
    effects_body, intent_subject, result_subject, unwritten_subject, waiting_subject,
};
pub use trailers::{CommitPhase, Trailers};
