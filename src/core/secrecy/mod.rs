//! What must not be seen: which values of objects are secret, and a text with
//! none of them in it. Owns what is taken for a secret and what stands in its
//! place; it must never decide where a text goes.
//!
//! Two layers. [`redacted`] hides values by where they stand in an object.
//! [`Veil`] hides values by what they are, wherever they turn up in a text:
//! a server echoes what it was sent.

mod apart;
mod learn;
mod name;
mod object;
mod shape;
mod text;
mod veil;

pub use apart::redacted_apart;
pub use object::redacted;
pub use text::{Redacted, RedactedJson};
pub use veil::Veil;

/// What stands in place of a secret value.
pub const REDACTED: &str = "<redacted>";

/// What stands in place of a secret value that is to be another one.
pub const CHANGED: &str = "<redacted, changed>";
