//! Builds the parts, once for each state of their build lists. Owns the calls
//! of `go`; must never leave a half-built place in the cache.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::cache;
use crate::error::Error;
use crate::recipe::{CONTROL_PLANE, Copy, Recipe, TRAFFIC};

/// The oldest Go that Kubernetes' own modules accept.
const GO: (u32, u32) = (1, 26);

/// What the directory of a build under way is called.
const UNFINISHED: &str = "building-";

/// Where each part is.
#[derive(Debug, Clone)]
pub struct Parts {
    places: Vec<(&'static str, PathBuf)>,
}

impl Parts {
    /// The path of a program or file that the module made.
    #[must_use]
    pub fn path(&self, module: &str, file: &str) -> PathBuf {
        let place = self.places.iter().find(|(name, _)| *name == module);
        place.map_or_else(|| PathBuf::from(file), |(_, place)| place.join(file))
    }

    /// The directories with the programs, for a `PATH`.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.places.iter().map(|(_, place)| place.as_path())
    }
}

/// The parts of a control plane, built first where the cache lacks them.
///
/// # Errors
///
/// A missing Go toolchain, a failed build, or a file that cannot be written.
pub fn built() -> Result<Parts, Error> {
    made(CONTROL_PLANE.iter())
}

/// The same with the proxy and the pods that carry real requests. The proxy
/// takes some minutes, so that only those wait for it who need it.
///
/// # Errors
///
/// As `built`.
pub fn built_for_traffic() -> Result<Parts, Error> {
    made(CONTROL_PLANE.iter().chain(TRAFFIC))
}

fn made<'r>(recipes: impl Iterator<Item = &'r Recipe>) -> Result<Parts, Error> {
    let cache = cache::directory()?;
    let mut places = Vec::new();
    for recipe in recipes {
        let source = sources().join(recipe.source);
        let place = cache.join(format!("{}-{}", recipe.name, key(recipe, &source)?));
        if !place.is_dir() {
            let _lock = cache::lock(&cache, "build.lock")?;
            // Another process may have built it while this one waited.
            if !place.is_dir() {
                build(recipe, &source, &cache, &place)?;
            }
        }
        places.push((recipe.name, place));
    }
    Ok(Parts { places })
}

/// The build lists are in this checkout, where the laboratory was compiled.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// Everything that the result depends on, but for the version of Go.
fn key(recipe: &Recipe, source: &Path) -> Result<String, Error> {
    let listed = fs::read_dir(source).map_err(|cause| Error::file(source, cause))?;
    let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut texts = vec![format!("{:?}", recipe.programs).into_bytes(), recipe.ldflags.into()];
    for copy in recipe.copies {
        texts.push(format!("{} {:?} {}", copy.module, copy.from, copy.to).into_bytes());
    }
    for file in files {
        texts.push(file.file_name().unwrap_or_default().as_encoded_bytes().to_vec());
        texts.push(fs::read(&file).map_err(|cause| Error::file(&file, cause))?);
    }
    Ok(cache::key(texts.iter().map(Vec::as_slice)))
}

/// Builds beside the place and renames: whoever sees the place sees all of it.
fn build(recipe: &Recipe, source: &Path, cache: &Path, place: &Path) -> Result<(), Error> {
    let go = go()?;
    let begun = Instant::now();
    say(&format!("building {} (once; kept in {})", recipe.name, cache.display()));
    remove_unfinished(cache)?;
    let scratch = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(cache)
        .map_err(|cause| Error::file(cache, cause))?;
    for (package, program) in recipe.programs {
        say(&format!("go build {program}"));
        let out = scratch.path().join(program);
        let arguments = ["build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags"];
        let mut command = go_in(&go, source);
        command.args(arguments).arg(recipe.ldflags).arg("-o").arg(&out).arg(package);
        run(&mut command, &format!("go build {package}"))?;
    }
    for copy in recipe.copies {
        join(copy, &module_directory(&go, source, copy.module)?, scratch.path())?;
    }
    let scratch = scratch.keep();
    fs::rename(&scratch, place).map_err(|cause| Error::file(place, cause))?;
    say(&format!("built {} in {} s", recipe.name, begun.elapsed().as_secs()));
    Ok(())
}

/// What a build that was killed has left. Nobody else builds: the lock is ours.
fn remove_unfinished(cache: &Path) -> Result<(), Error> {
    let listed = fs::read_dir(cache).map_err(|cause| Error::file(cache, cause))?;
    for entry in listed.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(|cause| Error::file(&path, cause))?;
        }
    }
    Ok(())
}

fn join(copy: &Copy, module: &Path, scratch: &Path) -> Result<(), Error> {
    let mut joined = String::new();
    for from in copy.from {
        let path = module.join(from);
        let mut files = vec![path.clone()];
        if path.is_dir() {
            let listed = fs::read_dir(&path).map_err(|cause| Error::file(&path, cause))?;
            files = listed.flatten().map(|entry| entry.path()).collect();
            files.retain(|file| file.extension() == Some(OsStr::new("yaml")));
            files.sort();
        }
        for file in files {
            let text = fs::read_to_string(&file).map_err(|cause| Error::file(&file, cause))?;
            joined.push_str("---\n");
            joined.push_str(&text);
            joined.push('\n');
        }
    }
    let path = scratch.join(copy.to);
    fs::write(&path, joined).map_err(|cause| Error::file(&path, cause))
}

fn module_directory(go: &Path, source: &Path, module: &str) -> Result<PathBuf, Error> {
    run(go_in(go, source).args(["mod", "download", module]), &format!("go mod download {module}"))?;
    let listed = run(
        go_in(go, source).args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]),
        &format!("go list -m {module}"),
    )?;
    Ok(PathBuf::from(listed.trim()))
}

/// A `go` that reads the module alone: no workspace, no flags of the user's,
/// and no C compiler.
fn go_in(go: &Path, source: &Path) -> Command {
    let mut command = Command::new(go);
    command.current_dir(source);
    command.env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOFLAGS", "");
    command
}

fn run(command: &mut Command, what: &str) -> Result<String, Error> {
    let output = command.output().map_err(|cause| Error::process(what, cause.to_string()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::process(what, String::from_utf8_lossy(&output.stderr)))
    }
}

/// The first `go` that is new enough, on the `PATH` or where its own
/// installer puts it.
fn go() -> Result<PathBuf, Error> {
    let mut seen = String::from("no go was found");
    for candidate in ["go", "/usr/local/go/bin/go"] {
        let Ok(output) = Command::new(candidate).arg("version").output() else { continue };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if version(&said).is_some_and(|found| found >= GO) {
            return Ok(PathBuf::from(candidate));
        }
        seen = format!("found only {}", said.trim());
    }
    Err(Error::Missing(format!(
        "the tests on a real control plane build it with Go {}.{} or newer, and {seen}: \
         install Go from https://go.dev/dl/ and have `go` on the PATH",
        GO.0, GO.1
    )))
}

/// From `go version go1.26.8 linux/amd64`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.split_whitespace().nth(2)?.strip_prefix("go")?.split('.');
    let digits = |text: &str| {
        let end = text.find(|found: char| !found.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    };
    Some((digits(numbers.next()?)?, digits(numbers.next()?)?))
}

/// Tells a person what takes so long. A closed stderr is no reason to fail.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "lab: {text}");
}

#[cfg(test)]
mod tests {
    use super::{key, sources, version};
    use crate::recipe::{CONTROL_PLANE, TRAFFIC};

    #[test]
    fn versions_of_go_are_told_apart() {
        assert_eq!(version("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(version("go version go1.27rc1 linux/amd64"), Some((1, 27)));
        assert_eq!(version("go version devel"), None);
    }

    #[test]
    fn each_module_has_a_build_list_and_a_key_of_its_own() {
        let recipes = || CONTROL_PLANE.iter().chain(TRAFFIC);
        let mut keys: Vec<String> =
            recipes().map(|recipe| key(recipe, &sources().join(recipe.source)).unwrap()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), recipes().count());
    }
}
