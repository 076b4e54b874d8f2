//! Kubernetes objects as plain JSON values: how they are named, what of them
//! a field manager owns, how an apply merges. Owns everything that is true of
//! any object; it must never know of rollouts.

mod at;
mod base64;
mod compare;
mod definition;
pub mod encoding;
mod extract;
pub mod fields;
mod learned;
mod leaves;
mod live;
mod managed;
mod merge;
mod proof;
mod quantity;
mod reference;
mod refill;
pub mod schema;
mod twins;

pub use at::at;
pub use compare::{Change, compare, unchanged, unchanged_except};
pub use definition::{defines, is_namespaced};
pub use extract::{extract, holds};
pub use fields::{FieldSet, Step, fields_beside, fields_of, path_text};
pub use leaves::{allotted, leaves};
pub use live::Live;
pub use managed::{
    ManagedEntry, Operation, managed_of, owned_by, same_managed, same_owners, write_managed,
};
pub use merge::{Applied, Applier, Conflict, apply, apply_to, update, update_of, without};
pub use proof::proven;
pub use quantity::billionths;
pub use reference::{KindRef, ObjectRef};
pub use refill::refilled;
pub use twins::{Twins, twins};
