//! What is made for readers: the forms of a plan's review, and pages that are
//! made from the code. Owns their text; it must never read or write a file,
//! and shows nothing that has not passed a veil.

mod danger;
mod html;
mod json;
mod markdown;
mod review;
mod saved;
mod state_machine;
mod text;

#[cfg(test)]
mod tests;

pub use danger::{Danger, dangers};
pub use html::html;
pub use json::{json, json_schema};
pub use markdown::{Forge, FullDiff, MarkdownForm};
pub use review::{Counts, DiffReport, EntityReport, Resting, Review, StepReport};
pub use saved::saved_schema;
pub use state_machine::state_machine;
pub use text::TextForm;
