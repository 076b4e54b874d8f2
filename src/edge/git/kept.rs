//! Small files beside the cache's objects that save work and can be made again
//! at any time. Owns how they are replaced; it must never fail a command: what
//! cannot be read is not there, what cannot be written is made again next time.

#![expect(clippy::disallowed_methods, reason = "files in the cache directory")]

use super::remote::GitRemote;
use std::path::PathBuf;

impl GitRemote {
    fn kept_at(&self, name: &str) -> PathBuf {
        self.git_dir.join(format!("tranche-{name}"))
    }

    /// What was kept under a name.
    #[must_use]
    pub fn kept(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.kept_at(name)).ok()
    }

    /// Keeps something under a name, in place of what was there. Processes may
    /// race: one of them wins whole.
    pub fn keep(&self, name: &str, bytes: &[u8]) {
        let path = self.kept_at(name);
        let part = path.with_extension(format!("part-{}", std::process::id()));
        let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
    }
}
