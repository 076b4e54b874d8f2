//! What a decision looked at on the record: paths, and what lay there. Owns
//! the one ground on which a decision may be put on a newer tip; it must never
//! leave out a path that was looked at, found or not.

use super::RunError;
use crate::port::{CommitId, Objects};
use std::collections::BTreeMap;

/// Paths of the record branch with the object id of the file or directory
/// there; none where nothing was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet(BTreeMap<String, Option<String>>);

impl ReadSet {
    pub(super) fn looked_at(&mut self, path: &str, found: Option<&str>) {
        self.0.insert(path.to_owned(), found.map(str::to_owned));
    }

    /// Whether every path reads the same at another commit.
    ///
    /// # Errors
    /// Fails on a missing or broken object.
    pub fn unchanged<O: Objects>(&self, objects: &O, commit: &CommitId) -> Result<bool, RunError> {
        for (path, before) in &self.0 {
            if objects.entry(commit, path)? != *before {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
