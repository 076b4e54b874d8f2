//! The server program, built once from `testdata/git-http` into the cache.

use super::{failed, missing};
use crate::cache;
use crate::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: [&str; 4] = ["go.mod", "main.go", "secure.go", "serve.go"];

/// The program's path; the first who asks for it builds it, others wait.
pub(super) fn program() -> Result<PathBuf, Error> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/git-http");
    let read = |name: &&str| {
        let path = source.join(name);
        fs::read(&path).map_err(|cause| Error::file(&path, cause))
    };
    let texts = SOURCES.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
    let cache = cache::directory()?;
    let key = cache::key(texts.iter().map(Vec::as_slice));
    let path = cache.join(format!("git-http-{key}"));
    if !path.is_file() {
        let _lock = cache::lock(&cache, "git-http.lock")?;
        if !path.is_file() {
            build(&source, &path)?;
        }
    }
    Ok(path)
}

fn build(source: &Path, path: &Path) -> Result<(), Error> {
    // Half a program under the final name would never be built again.
    let fresh = path.with_extension("new");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&fresh)
        .arg(".")
        .current_dir(source)
        .env("GOWORK", "off")
        .env("GOFLAGS", "")
        .env("CGO_ENABLED", "0")
        .output()
        .map_err(|e| missing("go", &e, "install Go 1.21 or newer from https://go.dev/dl/"))?;
    if !built.status.success() {
        return Err(failed("go build testdata/git-http", String::from_utf8_lossy(&built.stderr)));
    }
    fs::rename(&fresh, path).map_err(|cause| Error::file(path, cause))
}
