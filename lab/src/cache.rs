//! Where built parts are kept between runs, outside of `target/`. Owns the
//! directory, its lock and the keys; must never remove what another checkout
//! may be using.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Error;

/// `$TRANCHE_LAB_CACHE`, else `$XDG_CACHE_HOME/tranche-lab`, else
/// `$HOME/.cache/tranche-lab`.
pub(crate) fn directory() -> Result<PathBuf, Error> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let found = set("TRANCHE_LAB_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|base| base.join("tranche-lab")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/tranche-lab")))
        .ok_or_else(|| {
            Error::Missing("no place for the laboratory's cache: set TRANCHE_LAB_CACHE".into())
        })?;
    fs::create_dir_all(&found).map_err(|cause| Error::file(&found, cause))?;
    Ok(found)
}

/// Waits until no other process builds or starts a cluster by hand. Dropping
/// the file gives the lock back.
pub(crate) fn lock(cache: &Path, name: &str) -> Result<File, Error> {
    let path = cache.join(name);
    let file = File::create(&path).map_err(|cause| Error::file(&path, cause))?;
    file.lock().map_err(|cause| Error::file(&path, cause))?;
    Ok(file)
}

/// A short digest over texts, each with its length, so that no two lists of
/// texts run into each other.
pub(crate) fn key<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn a_key_tells_where_one_text_ends() {
        let one: [&[u8]; 2] = [b"ab", b"c"];
        let other: [&[u8]; 2] = [b"a", b"bc"];
        assert_ne!(key(one), key(other));
        assert_eq!(key(one).len(), 16);
    }
}
