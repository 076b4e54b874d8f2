//! When a control plane is of use. Owns the waiting; must never wait without
//! an end, nor for a part that has died.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{ControlPlane, User};
use crate::error::Error;

/// Seconds are enough; a loaded machine is given more.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

impl ControlPlane {
    pub(super) fn until_the_server_answers(&self) -> Result<(), Error> {
        self.until("kube-apiserver", || {
            self.kubectl_as(User::Admin, &["get", "--raw", "/readyz"], "")
                .map(|said| said.trim() == "ok")
        })
    }

    /// A node is ready (what runs the pods) and a service account was made (the controllers).
    pub(super) fn until_pods_can_run(&self) -> Result<(), Error> {
        let ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        self.until("node-0", || {
            self.kubectl_as(User::Admin, &["get", "node", "node-0", "-o", ready], "")
                .map(|said| said == "True")
        })?;
        self.until("the controllers", || {
            let asked = ["get", "serviceaccount", "default", "-n", "default", "-o", "name"];
            self.kubectl_as(User::Admin, &asked, "").map(|said| !said.is_empty())
        })
    }

    /// Asks until the answer is yes. A part that died is told with the end of
    /// its log.
    pub(crate) fn until(
        &self,
        what: &str,
        ask: impl Fn() -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        let mut said = String::from("no");
        while begun.elapsed() < PATIENCE {
            match ask() {
                Ok(true) => return Ok(()),
                Ok(false) => "no".clone_into(&mut said),
                Err(error) => said = error.to_string(),
            }
            self.all_are_running()?;
            sleep(PAUSE);
        }
        Err(Error::NotReady { what: what.into(), seconds: PATIENCE.as_secs(), said })
    }

    fn all_are_running(&self) -> Result<(), Error> {
        let names: Vec<String> = self.processes().iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            if !self.supervisor().running(&name)? {
                let log = std::fs::read_to_string(self.log(&name)).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let end = lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().join("\n");
                return Err(Error::process(format!("{name} has ended"), end));
            }
        }
        Ok(())
    }
}
