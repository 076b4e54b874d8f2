//! What runs on a cluster, as a revision: a Deployment and its Service, taken as
//! they are, and the version that follows them, made of the same objects. Owns
//! which fields are taken and which are changed; it must never read a cluster,
//! and changes no field by searching a text for a version.

mod clean;
mod error;
mod image;
mod take;
mod version;

#[cfg(test)]
mod tests;

pub use error::CaptureError;
pub use image::exchanged;
pub use take::{Taken, capture, content, followed, label_of, rendered, workload};

/// The label that says which version an object is of.
const VERSION: &str = "version";
