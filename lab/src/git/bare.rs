//! A bare repository behind a server: its hooks, and what they counted.

use super::failed;
use crate::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A bare repository.
#[derive(Clone, Debug)]
pub struct Bare {
    path: PathBuf,
}

impl Bare {
    /// Makes an empty one whose plan branch is `main`. Its `post-receive` hook
    /// counts pushes.
    ///
    /// # Errors
    /// Fails when git or the disk does.
    pub fn create(root: &Path, name: &str) -> Result<Self, Error> {
        let bare = Self { path: root.join(name) };
        let doing = || format!("make the repository {name}");
        let made = Command::new("git")
            .args(["init", "--quiet", "--bare", "--initial-branch=main", "--template="])
            .arg(&bare.path)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .map_err(|e| failed(doing(), e))?;
        if !made.status.success() {
            return Err(failed(doing(), String::from_utf8_lossy(&made.stderr)));
        }
        let mut config =
            fs::read_to_string(bare.path.join("config")).map_err(|e| failed(doing(), e))?;
        config.push_str("[http]\n\treceivepack = true\n");
        // What a server does to itself after a push is two programs more.
        config.push_str("[receive]\n\tautogc = false\n");
        fs::write(bare.path.join("config"), config).map_err(|e| failed(doing(), e))?;
        bare.hook("post-receive", "cat >>pushed")?;
        Ok(bare)
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Installs a hook: the body of a shell script that runs in the
    /// repository.
    ///
    /// # Errors
    /// Fails when it cannot be written.
    pub fn hook(&self, name: &str, body: &str) -> Result<(), Error> {
        let path = self.path.join("hooks").join(name);
        let write = || {
            fs::create_dir_all(self.path.join("hooks"))?;
            // Under another name first: a hook that another push is about to
            // run must never be half-written.
            let fresh = path.with_extension("new");
            fs::write(&fresh, format!("#!/bin/sh\n{body}\n"))?;
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
            }
            fs::rename(&fresh, &path)
        };
        write().map_err(|e: std::io::Error| failed(format!("write a hook {name}"), e))
    }

    /// How many updates of refs were accepted, one line each.
    #[must_use]
    pub fn pushes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path.join("pushed")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
