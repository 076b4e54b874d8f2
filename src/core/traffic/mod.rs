//! Traffic: what a route says while a rollout shares it between two
//! revisions. Owns the providers' own objects (a table of them in
//! `provider`) and the Services of single revisions; it must never decide when
//! weight moves: that is a strategy's.
//!
//! At rest a route points at the user's own Service, which selects the
//! component and so the pods of every revision. While weight moves it points
//! at one Service a revision instead ([`twin`]), so that a weight means pods of
//! one revision and nothing else. A [`Split`] says which two and how much; the
//! rest of the route is what the plan renders, and without a split the route
//! is exactly that. Nothing is read back from the cluster to restore it.
//!
//! Where all requests move at once no route is needed: the user's Service itself
//! is narrowed to the pods of one revision (`pin`).

mod apart;
mod fields;
mod fitting;
mod gateway;
mod ingress;
pub mod istio;
mod label;
mod matched;
mod parents;
mod pin;
mod provider;
mod request;
mod slices;
mod split;
mod sticky;
mod twin;

pub use apart::Apart;
pub use fields::lay;
pub use fitting::fitting_service;
pub use gateway::route;
pub use ingress::{CLASSES, Class, idle, ingress, is_made, second, second_name, takes_nothing};
pub use label::{Label, LabelError};
pub use parents::Acceptance;
pub use pin::{PINNED_FIELDS, following, pin, pinned};
pub use provider::{
    acceptance, backends, confirms, driven_fields, has_status, inexpressible, is_route, share,
};
pub use request::{Comparison, Header, HeaderChange, Match, PathComparison, PathMatch, ValueMatch};
pub use slices::{SERVICE_LABEL, SLICES, ready_addresses};
pub use split::{Split, Weight};
pub use sticky::{bucket, buckets};
pub use twin::{TwinError, selects, twin};
