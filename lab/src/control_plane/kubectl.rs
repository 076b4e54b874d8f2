//! Questions and orders to the cluster as people give them: through kubectl.
//! Owns its calls; must never read a kubeconfig of the user's.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{ControlPlane, User};
use crate::error::Error;

impl ControlPlane {
    /// What kubectl prints, as the admin.
    ///
    /// # Errors
    ///
    /// kubectl's own words, where it fails.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        self.kubectl_as(User::Admin, arguments, "")
    }

    /// What kubectl prints, as somebody, with a text on stdin.
    ///
    /// # Errors
    ///
    /// kubectl's own words, where it fails.
    pub fn kubectl_as(&self, user: User, arguments: &[&str], stdin: &str) -> Result<String, Error> {
        let what = || format!("kubectl {}", arguments.join(" "));
        let failed = |cause: std::io::Error| Error::process(what(), cause.to_string());
        let mut child = self
            .kubectl_command(user)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            // A kubectl that does not read closes the pipe, and says why.
            let _ = pipe.write_all(stdin.as_bytes());
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(Error::process(what(), String::from_utf8_lossy(&output.stderr).trim()))
        }
    }

    /// An object or list as JSON, by `kubectl get`.
    ///
    /// # Errors
    ///
    /// kubectl's own words, where it fails.
    pub fn get(&self, arguments: &[&str]) -> Result<serde_json::Value, Error> {
        let said = self.kubectl(&[&["get", "-o", "json"], arguments].concat())?;
        serde_json::from_str(&said)
            .map_err(|cause| Error::process("kubectl get", cause.to_string()))
    }

    /// Installs custom resources from a file or directory, such as
    /// `gateway_api()`, and waits until they are served.
    ///
    /// # Errors
    ///
    /// kubectl's own words, where it fails.
    pub fn install(&self, crds: &Path) -> Result<(), Error> {
        let path = crds.display().to_string();
        self.kubectl(&["apply", "--server-side", "-f", &path])?;
        let until = ["wait", "--for=condition=Established", "--timeout=60s", "-f", &path];
        self.kubectl(&until).map(drop)
    }

    /// A `kubectl` that knows this cluster alone, for a test that reads along.
    #[must_use]
    pub fn kubectl_command(&self, user: User) -> Command {
        let mut command = self.command(self.parts.path("kubernetes", "kubectl"));
        command.env("KUBECONFIG", self.kubeconfig_for(user));
        // Discovery is cached by address, and addresses are used again.
        command.env("KUBECACHEDIR", self.directory.join("kubectl-cache"));
        command
    }
}
