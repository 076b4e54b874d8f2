//! The one YAML module: text to spanned nodes and values, values to text. Owns
//! the YAML profile, which is Kubernetes' own; no other module may name a YAML
//! crate.
//!
//! The profile: YAML 1.1 booleans, legacy octal, merge keys; duplicate keys,
//! keys that are no strings, custom tags and numbers that are not finite are
//! errors. The tree is built from the parser's events rather than through
//! `serde_saphyr::Spanned`, which tells neither plain from quoted scalars nor
//! the places of keys, and resolves booleans in more spellings than Kubernetes.

mod ambiguous;
mod build;
mod edit;
mod merge;
mod node;
mod read;
mod scalar;
mod source;
mod write;

pub use ambiguous::ambiguous;
pub use edit::{Draft, Seg};
pub use node::{Document, Entry, Key, Kind, Node, Scalar};
pub use read::parse;
pub use source::Source;
pub use write::{to_yaml, to_yaml_sorted};

#[cfg(test)]
mod tests;
