//! The server program, built once from `testdata/git-http` into the cache.

use super::error::GitLabError;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const SOURCES: [&str; 3] = ["go.mod", "main.go", "serve.go"];
const GO: &str = "Go 1.21 or newer (apt-get install golang-go, or go.dev/dl)";

static BUILT: OnceLock<PathBuf> = OnceLock::new();

/// The program's path. Tests in parallel may build it at once: each builds its
/// own file and one rename wins.
pub(super) fn program() -> Result<PathBuf, GitLabError> {
    if let Some(path) = BUILT.get() {
        return Ok(path.clone());
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/git-http");
    let mut hasher = DefaultHasher::new();
    for name in SOURCES {
        let read = fs::read(source.join(name));
        read.map_err(|e| GitLabError::failed(format!("read {name}"), e))?.hash(&mut hasher);
    }
    let cache = cache()?;
    let path = cache.join(format!("git-http-{:016x}", hasher.finish()));
    if !path.is_file() {
        fs::create_dir_all(&cache)
            .map_err(|e| GitLabError::failed(format!("make {}", cache.display()), e))?;
        let fresh = cache.join(format!(".git-http-{}-{:?}", std::process::id(), thread()));
        let built = Command::new("go")
            .args(["build", "-trimpath", "-o"])
            .arg(&fresh)
            .arg(".")
            .current_dir(&source)
            .env("GOWORK", "off")
            .env("GOFLAGS", "-mod=mod")
            .env("CGO_ENABLED", "0")
            .output()
            .map_err(|e| missing("go", &e, GO))?;
        if !built.status.success() {
            let said = String::from_utf8_lossy(&built.stderr).into_owned();
            return Err(GitLabError::failed("build testdata/git-http", said));
        }
        fs::rename(&fresh, &path).map_err(|e| GitLabError::failed("keep the git server", e))?;
    }
    Ok(BUILT.get_or_init(|| path).clone())
}

pub(super) fn missing(program: &str, cause: &impl ToString, install: &'static str) -> GitLabError {
    GitLabError::Missing { program: program.to_owned(), cause: cause.to_string(), install }
}

fn thread() -> std::thread::ThreadId {
    std::thread::current().id()
}

/// Where built parts are kept between runs, outside `target/`.
fn cache() -> Result<PathBuf, GitLabError> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("TRANCHE_LAB_CACHE")
        .or_else(|| absolute("XDG_CACHE_HOME").map(|path| path.join("tranche-lab")))
        .or_else(|| absolute("HOME").map(|path| path.join(".cache/tranche-lab")))
        .ok_or_else(|| GitLabError::failed("find the lab's cache", "set TRANCHE_LAB_CACHE or HOME"))
}
