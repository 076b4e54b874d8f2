//! Real requests through a real proxy to pods that are processes, each of them
//! accounted for. Owns the laboratory's start and the gateway in it; must never
//! carry a request of anybody but its own `load`.
//!
//! What a test needs to know:
//!
//! - **One for a process.** `TrafficLab::shared()` starts in some ten seconds
//!   and ends with the process. Figures are true only as long as one load runs:
//!   scenarios take their turns.
//! - **Getting in.** The laboratory has a network of its own. `command(program)`
//!   runs a program in it, such as the product with `KUBECONFIG` set to
//!   `plane().kubeconfig_for(…)`; files and process ids are everybody's. A
//!   client inside of the test process reaches nothing.
//! - **Pods.** One answers on its `containerPort`s with its image's tag: 200,
//!   or 500 if the tag begins with `bad`; with `never` it does not get ready.
//!   Of hooks there is `lifecycle.preStop.sleep`. Without it a pod that is
//!   deleted fails requests: the proxy hears of it later than the pod. More
//!   about pods: `testdata/process-kubelet/main.go`.
//! - **Routes.** An HTTPRoute of any namespace with `GATEWAY` as its parent and
//!   a hostname of its own; Traefik sets its status, as a gateway does.
//! - **Requests.** `load(&Requests::to(host))` sends 500 a second until
//!   `finish()`, which returns the `Report`. `stage(name)` marks where
//!   shares are to be counted from, `answered(n)` waits for so many more.

mod load;
mod report;

use std::ffi::OsStr;
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use crate::control_plane::{ControlPlane, User};
use crate::error::Error;

pub use self::load::{Load, Requests};
pub use self::report::{Answers, Report, Second, Stage};

/// The one Gateway, as a route names it in `parentRefs`.
pub const GATEWAY: &str = "{name: edge, namespace: edge}";
/// Where the Gateway listens, in the laboratory's network.
pub const ADDRESS: &str = "127.0.0.1:18000";

/// The listener's port has to be the one of Traefik's entry point.
const GATEWAY_OBJECTS: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: traefik}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: v1
kind: Namespace
metadata: {name: edge}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: edge}
spec:
  gatewayClassName: traefik
  listeners:
    - {name: web, protocol: HTTP, port: 18000, allowedRoutes: {namespaces: {from: All}}}
";

/// Traefik waits for more changes before it follows one, at most this long.
const TRAEFIK: &str = "\
global: {checkNewVersion: false, sendAnonymousUsage: false}
entryPoints: {web: {address: \"127.0.0.1:18000\"}}
providers: {providersThrottleDuration: 100ms, kubernetesGateway: {}}
log: {level: INFO}
";

/// A control plane whose pods are processes, with a proxy in front of them.
#[derive(Debug)]
pub struct TrafficLab {
    plane: ControlPlane,
}

impl TrafficLab {
    /// The one laboratory of this process, started by whoever asks first.
    ///
    /// # Errors
    ///
    /// The first caller's failure to build or start it, for all of them.
    pub fn shared() -> Result<&'static Self, &'static Error> {
        static SHARED: OnceLock<Result<TrafficLab, Error>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A laboratory of one's own. It ends when it is dropped, and with this
    /// process.
    ///
    /// # Errors
    ///
    /// A machine that allows no network of one's own, or a part that cannot be
    /// built or started.
    pub fn start() -> Result<Self, Error> {
        let plane = ControlPlane::enclosed()?;
        plane.install(&plane.gateway_api())?;
        let config = plane.directory().join("traefik.yaml");
        fs::write(&config, TRAEFIK).map_err(|cause| Error::file(&config, cause))?;
        let argv = [
            plane.parts().path("traffic-proxy", "traefik").display().to_string(),
            format!("--configFile={}", config.display()),
        ];
        let env = [
            format!("KUBECONFIG={}", plane.kubeconfig_for(User::Part("traefik")).display()),
            // Where tests run in a pod, Traefik would look for that cluster.
            "KUBERNETES_SERVICE_HOST=".to_owned(),
        ];
        plane.start("traefik", &argv, &env)?;
        plane.bring(GATEWAY_OBJECTS)?;
        let programmed = "jsonpath={.status.conditions[?(@.type=='Programmed')].status}";
        plane.until("the gateway", || {
            let asked = ["get", "gateway", "edge", "-n", "edge", "-o", programmed];
            plane.kubectl(&asked).map(|said| said == "True")
        })?;
        Ok(Self { plane })
    }

    /// Its control plane, for namespaces, kubectl and what was asked of the
    /// API server.
    #[must_use]
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// What kubectl prints, as the admin.
    ///
    /// # Errors
    ///
    /// kubectl's own words, where it fails.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        self.plane.kubectl(arguments)
    }

    /// A command that runs the program in the laboratory's network. It is the
    /// program's own process: killing it kills the program.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.plane.command(program)
    }

    /// Begins to send requests.
    ///
    /// # Errors
    ///
    /// A program that does not start.
    pub fn load(&self, requests: &Requests) -> Result<Load, Error> {
        let program = self.plane.parts().path("process-kubelet", "process-kubelet");
        let mut command = self.command(program);
        command.arg("load").args(requests.flags());
        Load::begin(command)
    }
}
