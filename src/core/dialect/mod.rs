//! Translations of plan documents into one model. Owns every accepted YAML
//! kind; it must never decide anything about a rollout.
//!
//! A kind is a table of fields (`shape`): the check, the error messages and
//! the committed JSON Schemas all come from it. What the table does not name,
//! or names as not supported yet, is an error; nothing is silently ignored.

mod application;
mod approllout;
mod blue_green;
mod canary;
mod check;
mod claimed;
mod component_rollout;
mod components;
mod document;
mod duplicates;
mod duration;
mod health;
mod hook;
mod kruise;
mod kruise_fields;
mod kruise_rollout;
mod kruise_route;
mod kruise_strategy;
mod load;
mod metadata;
mod nearest;
mod networks;
mod overlay;
mod pause;
mod plain;
mod project;
mod ratio;
mod requests;
mod rollout_plan;
mod rollout_trait;
mod route;
mod schema;
mod select;
mod shape;

pub use duration::seconds;
pub use load::{Parse, load, load_parsing, load_project};
pub use nearest::nearest;
pub use route::{mute, to_acknowledge};
pub use schema::schemas;
pub use select::{PROJECT_FILE, selects};

#[cfg(test)]
mod tests;
