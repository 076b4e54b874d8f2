//! Colours of a terminal. Owns the only escape sequences that are printed.

use super::{Escaped, Terminal};

/// Colours of a stream that may have them.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

type Line = Escaped<Terminal>;

impl Paint {
    /// With colours or without.
    #[must_use]
    pub fn new(coloured: bool) -> Self {
        Self(coloured)
    }

    fn with(self, code: &str, text: &Line) -> Line {
        if !self.0 || text.is_empty() {
            return text.clone();
        }
        Line::passed(format!("\u{1b}[{code}m{}\u{1b}[0m", text.as_str()))
    }

    /// For what stands out.
    #[must_use]
    pub fn bold(self, text: &Line) -> Line {
        self.with("1", text)
    }

    /// For what is added or good.
    #[must_use]
    pub fn green(self, text: &Line) -> Line {
        self.with("32", text)
    }

    /// For what is removed or bad.
    #[must_use]
    pub fn red(self, text: &Line) -> Line {
        self.with("31", text)
    }

    /// For what needs a person.
    #[must_use]
    pub fn yellow(self, text: &Line) -> Line {
        self.with("33", text)
    }

    /// For places and the like.
    #[must_use]
    pub fn dim(self, text: &Line) -> Line {
        self.with("2", text)
    }
}
