//! One cluster that stays until it is told to end, for a developer's own
//! hands. Owns its state file; must never end a process that is not the one
//! the file names.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cache;
use crate::control_plane::ControlPlane;
use crate::error::Error;
use crate::supervisor::{Process, end};

/// A cluster that `up` has started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    /// The API server's URL.
    pub server: String,
    /// The admin's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Its logs and kubeconfigs.
    pub directory: PathBuf,
    /// The kubectl that was built with it.
    pub kubectl: PathBuf,
    supervisor: PathBuf,
    processes: Vec<(String, Process)>,
}

impl Cluster {
    /// Names and ids of its processes.
    pub fn processes(&self) -> impl Iterator<Item = (&str, u32)> {
        self.processes.iter().map(|(name, process)| (name.as_str(), process.pid))
    }
}

/// The cluster by hand; starts it unless it is there.
///
/// # Errors
///
/// A part that cannot be built or started.
pub fn up() -> Result<Cluster, Error> {
    let cache = cache::directory()?;
    let _lock = cache::lock(&cache, "by-hand.lock")?;
    if let Some(cluster) = read(&cache)? {
        return Ok(cluster);
    }
    let plane = ControlPlane::fresh()?;
    let mut cluster = Cluster {
        server: plane.server(),
        kubeconfig: plane.kubeconfig(),
        directory: plane.directory().to_path_buf(),
        kubectl: plane.parts().path("kubernetes", "kubectl"),
        supervisor: plane.parts().path("supervisor", "supervisor"),
        processes: Vec::new(),
    };
    cluster.processes = plane.keep()?;
    let path = state(&cache);
    let text = serde_json::to_string_pretty(&cluster).map_err(|cause| Error::file(&path, cause))?;
    if let Err(cause) = fs::write(&path, text) {
        // Nothing may run that no file knows of.
        end(&cluster.supervisor, &ids(&cluster))?;
        return Err(Error::file(&path, cause));
    }
    Ok(cluster)
}

/// Ends the cluster by hand, each process by its id. Says whether there was
/// one.
///
/// # Errors
///
/// A process that does not end.
pub fn down() -> Result<bool, Error> {
    let cache = cache::directory()?;
    let _lock = cache::lock(&cache, "by-hand.lock")?;
    let path = state(&cache);
    let Some(cluster) = stored(&path)? else { return Ok(false) };
    // The supervisor comes first, and takes the others with it.
    end(&cluster.supervisor, &ids(&cluster))?;
    if cluster.directory.join(".tranche-lab").exists() {
        // It was killed: nobody else removes its directory.
        fs::remove_dir_all(&cluster.directory)
            .map_err(|cause| Error::file(&cluster.directory, cause))?;
    }
    fs::remove_file(&path).map_err(|cause| Error::file(&path, cause))?;
    Ok(true)
}

/// The cluster by hand, if it is running.
///
/// # Errors
///
/// A state file that cannot be read.
pub fn running() -> Result<Option<Cluster>, Error> {
    let cache = cache::directory()?;
    let _lock = cache::lock(&cache, "by-hand.lock")?;
    read(&cache)
}

/// The cluster of the state file, if its directory is still there: the
/// supervisor removes that when it ends.
fn read(cache: &Path) -> Result<Option<Cluster>, Error> {
    let found = stored(&state(cache))?;
    Ok(found.filter(|cluster| cluster.kubeconfig.exists()))
}

fn stored(path: &Path) -> Result<Option<Cluster>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|cause| Error::file(path, cause)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::file(path, cause)),
    }
}

fn ids(cluster: &Cluster) -> Vec<Process> {
    cluster.processes.iter().map(|(_, process)| process.clone()).collect()
}

fn state(cache: &Path) -> PathBuf {
    cache.join("by-hand.json")
}
