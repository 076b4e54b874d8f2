//! What keeps a git server from being started.

/// A git server that cannot be built, started or told something.
#[derive(Debug, thiserror::Error)]
pub enum GitLabError {
    /// A program that has to be installed.
    #[error("{program} is missing ({cause}); install it: {install}")]
    Missing {
        /// The program.
        program: String,
        /// What was tried.
        cause: String,
        /// How it is installed.
        install: &'static str,
    },
    /// A program that failed.
    #[error("failed to {doing}: {cause}")]
    Failed {
        /// What was being done.
        doing: String,
        /// Why it failed.
        cause: String,
    },
}

impl GitLabError {
    #[expect(clippy::needless_pass_by_value, reason = "errors come as values, at each call")]
    pub(super) fn failed(doing: impl Into<String>, cause: impl ToString) -> Self {
        Self::Failed { doing: doing.into(), cause: cause.to_string() }
    }
}
