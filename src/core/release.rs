//! What of this program decides how revisions look and rollouts go, each by its
//! version. Owns which versions there are; it must never change one that was
//! released: what stands on a cluster was made by it.
//!
//! A revision is rendered by the built-in types that it was published with, and
//! an attempt goes on by the compiler that it began with. So a newer program
//! starts no rollout by being newer, and finishes those that are under way.

use super::render::{BUILTIN, Builtins};
use super::strategy::{COMPILER, Compiler, FIRST};

/// The versions that a program has, of each the newest first.
#[derive(Clone, Debug)]
pub struct Release {
    /// The built-in component types and traits.
    pub builtins: Vec<Builtins>,
    /// The compilers from plan to steps.
    pub compilers: Vec<Compiler>,
}

impl Default for Release {
    fn default() -> Self {
        Self { builtins: vec![BUILTIN], compilers: vec![COMPILER] }
    }
}

impl Release {
    /// The built-in types that new revisions are rendered by.
    #[must_use]
    pub fn newest(&self) -> &Builtins {
        self.builtins.first().unwrap_or(&BUILTIN)
    }

    /// The built-in types of a version, if this program has them.
    #[must_use]
    pub fn builtins(&self, version: &str) -> Option<&Builtins> {
        self.builtins.iter().find(|known| known.version == version)
    }

    /// The compiler that new attempts begin with.
    #[must_use]
    pub fn compiler(&self) -> Compiler {
        self.compilers.first().cloned().unwrap_or(COMPILER)
    }

    /// The compiler of an attempt; `recorded` is what its record says.
    #[must_use]
    pub fn compiler_of(&self, recorded: Option<&str>) -> Option<Compiler> {
        let version = recorded.unwrap_or(FIRST);
        self.compilers.iter().find(|known| known.version == version).cloned()
    }
}
