//! A Kubernetes control plane of this process's own. Owns its start, its
//! readiness and its end; must never touch a cluster that it did not start.

mod identity;
mod kubectl;
mod launch;
mod ready;

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use self::identity::{USERS, kubeconfig, tokens};
use self::launch::{AUTHORITY, KUBELET_TOKEN, OWN, Ports, kubeconfig_path};
use self::launch::{kwok, processes, servers, workers};
use crate::build::{Parts, built, built_for_traffic};
use crate::enclosure::{Enclosure, Walls};
use crate::error::Error;
use crate::supervisor::{Process, Supervisor};

pub use self::identity::User;

const AUDIT_POLICY: &str = include_str!("control_plane/audit-policy.yaml");
const BASE: &str = include_str!("control_plane/base.yaml");
const NODE: &str = include_str!("control_plane/node.yaml");

/// What becomes of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pods {
    /// Nothing: neither controllers nor a scheduler run.
    Stay,
    /// kwok says that they are ready.
    Played,
    /// They are processes that answer, in a network of the cluster's own.
    Real,
}

/// etcd, API server, controller manager, scheduler and what runs the pods, on
/// loopback. They end with this process, however it ends.
#[derive(Debug)]
pub struct ControlPlane {
    directory: PathBuf,
    ports: Ports,
    parts: Parts,
    supervisor: Mutex<Supervisor>,
    processes: Mutex<Vec<(String, Process)>>,
    pods: Pods,
    enclosure: Option<Enclosure>,
}

impl ControlPlane {
    /// The one cluster of this process: built if need be, started by whoever
    /// asks first. Tests share it, each in a namespace of its own.
    ///
    /// # Errors
    ///
    /// The first caller's failure to build or start it, for all of them.
    pub fn shared() -> Result<&'static Self, &'static Error> {
        static SHARED: OnceLock<Result<ControlPlane, Error>> = OnceLock::new();
        SHARED.get_or_init(Self::fresh).as_ref()
    }

    /// A cluster for one test alone, which may `wipe` it. It ends when it is
    /// dropped.
    ///
    /// # Errors
    ///
    /// A part that cannot be built or started.
    pub fn fresh() -> Result<Self, Error> {
        Self::made(Pods::Played)
    }

    /// An API server and its store alone: nothing moves by itself, so an object
    /// is only what requests made of it.
    ///
    /// # Errors
    ///
    /// A part that cannot be built or started.
    pub fn still() -> Result<Self, Error> {
        Self::made(Pods::Stay)
    }

    /// A cluster whose pods are processes, in a network of its own. What is to
    /// reach it is run by `command`.
    pub(crate) fn enclosed() -> Result<Self, Error> {
        Self::made(Pods::Real)
    }

    fn made(pods: Pods) -> Result<Self, Error> {
        let real = pods == Pods::Real;
        let walls = real.then(Walls::tried).transpose()?;
        let parts = if real { built_for_traffic()? } else { built()? };
        let temporary = tempfile::Builder::new()
            .prefix("tranche-lab-")
            .tempdir()
            .map_err(|cause| Error::process("a temporary directory", cause.to_string()))?;
        let program = parts.path("supervisor", "supervisor");
        let supervisor = Supervisor::hold(&program, temporary.path(), walls)?;
        let enclosure = walls.map(|walls| walls.held_by(supervisor.id()));
        // From here on it is the supervisor that removes it.
        let directory = temporary.keep();
        let plane = Self {
            directory,
            ports: if real { OWN } else { free_ports()? },
            parts,
            supervisor: Mutex::new(supervisor),
            processes: Mutex::new(Vec::new()),
            pods,
            enclosure,
        };
        plane.write_files()?;
        if real {
            plane.give_pods_addresses()?;
        }
        plane.begin()?;
        Ok(plane)
    }

    /// Empties the store: every object is gone, and the cluster is another one
    /// at the same address, with the same identities.
    ///
    /// # Errors
    ///
    /// A part that does not stop or start again.
    pub fn wipe(&self) -> Result<(), Error> {
        self.stop()?;
        let data = self.directory.join("etcd");
        fs::remove_dir_all(&data).map_err(|cause| Error::file(&data, cause))?;
        self.begin()
    }

    /// Stops every part, and returns when all are gone. The data stay.
    ///
    /// # Errors
    ///
    /// A supervisor that does not answer.
    pub fn stop(&self) -> Result<(), Error> {
        for (name, _) in self.processes().drain(..).rev() {
            self.supervisor().stop(&name)?;
        }
        Ok(())
    }

    /// Starts every part again after `stop`.
    ///
    /// # Errors
    ///
    /// A part that does not start.
    pub fn begin(&self) -> Result<(), Error> {
        for (name, argv) in servers(&self.parts, &self.directory, self.ports) {
            self.start(name, &argv, &[])?;
        }
        self.until_the_server_answers()?;
        self.bring(BASE)?;
        let (parts, dir) = (&self.parts, &self.directory);
        let runs_pods = match self.pods {
            Pods::Stay => return self.bring(NODE),
            Pods::Played => {
                self.bring(NODE)?;
                kwok(parts, dir)
            }
            // It registers the node itself.
            Pods::Real => processes(parts, dir, &self.server()),
        };
        for (name, argv) in workers(parts, dir).into_iter().chain([runs_pods]) {
            self.start(name, &argv, &[])?;
        }
        self.until_pods_can_run()
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.apiserver)
    }

    /// The admin's kubeconfig. Its one context, `lab`, is the current one.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_for(User::Admin)
    }

    /// The kubeconfig of an identity.
    #[must_use]
    pub fn kubeconfig_for(&self, user: User) -> PathBuf {
        PathBuf::from(kubeconfig_path(&self.directory, user))
    }

    /// Where the API server keeps its objects: etcd's gateway for HTTP.
    #[must_use]
    pub fn etcd(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.etcd)
    }

    /// The admin's bearer token.
    #[must_use]
    pub fn token(&self) -> String {
        User::Admin.token()
    }

    /// The certificate that signs the server's, in PEM.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.directory.join(AUTHORITY)
    }

    /// The API server's audit log, one JSON object a line.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.directory.join("audit.log")
    }

    /// The custom resources of the Gateway API's standard channel.
    #[must_use]
    pub fn gateway_api(&self) -> PathBuf {
        self.parts.path("gateway-api", "crds.yaml")
    }

    /// Where logs and kubeconfigs are. It goes with the cluster.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The programs it was started from.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// A command that reaches this cluster at `server()`: one as any other,
    /// unless the cluster has a network of its own. Then it is run in that,
    /// and in nothing else of it: it is a process of this machine, on its
    /// files, which ends when it is killed.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match &self.enclosure {
            Some(enclosure) => enclosure.command(program),
            None => Command::new(program),
        }
    }

    /// Lets the cluster outlive this process; returns the supervisor and the
    /// parts, to be ended by their ids.
    pub(crate) fn keep(self) -> Result<Vec<(String, Process)>, Error> {
        let held = self.supervisor().keep()?;
        let mut all = vec![("supervisor".to_owned(), held)];
        all.append(&mut self.processes());
        // Its `drop` would wait for a supervisor that stays.
        std::mem::forget(self);
        Ok(all)
    }

    /// Starts a part, with `NAME=value` beside this process's environment.
    pub(crate) fn start(&self, name: &str, argv: &[String], env: &[String]) -> Result<(), Error> {
        let process = self.supervisor().start(name, argv, env, &self.log(name))?;
        self.processes().push((name.to_owned(), process));
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    fn write_files(&self) -> Result<(), Error> {
        let write = |path: PathBuf, text: String| {
            fs::write(&path, text).map_err(|cause| Error::file(&path, cause))
        };
        write(self.directory.join("tokens.csv"), tokens())?;
        write(self.directory.join("audit-policy.yaml"), AUDIT_POLICY.to_owned())?;
        write(self.directory.join(KUBELET_TOKEN), User::Part("process-kubelet").token())?;
        for user in USERS {
            let text = kubeconfig(*user, &self.server(), &self.authority());
            write(self.kubeconfig_for(*user), text)?;
        }
        self.supervisor().key(&self.directory.join("service-accounts.pem"))
    }

    /// Applies manifests as the admin.
    pub(crate) fn bring(&self, manifests: &str) -> Result<(), Error> {
        self.kubectl_as(User::Admin, &["apply", "-f", "-"], manifests).map(drop)
    }

    /// In a new network even loopback is down.
    fn give_pods_addresses(&self) -> Result<(), Error> {
        let program = self.parts.path("process-kubelet", "process-kubelet");
        let ran = self.command(&program).arg("network").output();
        let output = ran.map_err(|cause| Error::file(&program, cause))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::process("process-kubelet network", String::from_utf8_lossy(&output.stderr)))
    }

    fn supervisor(&self) -> std::sync::MutexGuard<'_, Supervisor> {
        self.supervisor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn processes(&self) -> std::sync::MutexGuard<'_, Vec<(String, Process)>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.supervisor().end();
    }
}

/// Ports that nobody listens on. All are held until each is chosen, so that
/// they differ.
fn free_ports() -> Result<Ports, Error> {
    let listen = || {
        TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| Ok((listener.local_addr()?.port(), listener)))
            .map_err(|cause| Error::process("a free port on loopback", cause.to_string()))
    };
    let held = [listen()?, listen()?, listen()?];
    let [etcd, etcd_peer, apiserver] = held.each_ref().map(|(port, _)| *port);
    Ok(Ports { etcd, etcd_peer, apiserver })
}
