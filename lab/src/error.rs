//! What can go wrong in the laboratory. Owns the words that tell a person what
//! to install or where to look; must never hide a part's own words.

use std::path::Path;

/// Why a real part could not be built, started or asked.
#[derive(thiserror::Error, Clone)]
pub enum Error {
    /// Something that the machine lacks, and how to get it.
    #[error("{0}")]
    Missing(String),
    /// A file of the laboratory.
    #[error("{path}: {cause}")]
    File {
        /// The path of the file or directory.
        path: String,
        /// What the system said.
        cause: String,
    },
    /// A process that failed, with its words.
    #[error("{what}: {said}")]
    Process {
        /// What was run.
        what: String,
        /// What it said on stderr, or the end of its log.
        said: String,
    },
    /// A part that did not become useful in time.
    #[error("{what} is not ready after {seconds} s: {said}")]
    NotReady {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// The last answer.
        said: String,
    },
}

/// A test that unwraps shows the words, not the fields.
impl std::fmt::Debug for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{self}")
    }
}

impl Error {
    pub(crate) fn file(path: &Path, cause: impl std::fmt::Display) -> Self {
        Self::File { path: path.display().to_string(), cause: cause.to_string() }
    }

    pub(crate) fn process(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self::Process { what: what.into(), said: said.into() }
    }
}
