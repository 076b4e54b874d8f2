//! Nothing that the laboratory starts outlives whoever asked for it, and a
//! cluster can be emptied. Linux only: it looks at `/proc`.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts processes of its own"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tranche_lab::ControlPlane;

/// Programs that were started with the directory in their arguments.
fn processes(directory: &Path) -> Vec<String> {
    let directory = directory.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        if arguments.contains(directory) {
            let program = arguments.split('\0').next().unwrap_or_default();
            found.push(program.rsplit('/').next().unwrap_or_default().to_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn no_part_outlives_a_process_that_is_killed() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tranche-lab"))
        .args(["run", "sh", "-c", "echo $KUBECONFIG; cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut kubeconfig = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut kubeconfig).unwrap();
    let directory = Path::new(kubeconfig.trim()).parent().unwrap().to_path_buf();
    assert_eq!(
        processes(&directory),
        [
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kwok",
            "supervisor"
        ]
    );
    // SIGKILL: nothing in it can run any more.
    child.kill().unwrap();
    child.wait().unwrap();
    let mut left = processes(&directory);
    for _ in 0..300 {
        if left.is_empty() && !directory.exists() {
            break;
        }
        sleep(Duration::from_millis(100));
        left = processes(&directory);
    }
    assert!(left.is_empty(), "{left:?} are still running");
    assert!(!directory.exists(), "{} is still there", directory.display());
}

/// Programs in a network, by the link in `/proc` that tells it from others.
fn processes_in(network: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if std::fs::read_link(entry.path().join("ns/net")).is_ok_and(|its| its == network) {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push(name.trim().to_owned());
        }
    }
    found.sort();
    found
}

/// Two pods, the network they are in, and a command that waits.
const PODS: &str = "
set -e
kubectl create deployment web --image=web:1 --replicas=2 >&2
kubectl rollout status deployment web >&2
dirname $KUBECONFIG
readlink /proc/self/ns/net
exec cat";

#[test]
fn no_pod_outlives_a_process_that_is_killed() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tranche-lab"))
        .args(["traffic", "sh", "-c", PODS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let (directory, network) = (lines.next().unwrap(), lines.next().unwrap());
    let (directory, network) = (Path::new(&directory), Path::new(&network));
    let mut running = processes_in(network);
    // The command, before or after it became `cat`.
    running.retain(|name| name != "cat" && name != "sh");
    assert_eq!(
        running,
        [
            "etcd",
            "kube-apiserver",
            "kube-controller",
            "kube-scheduler",
            "process-kubelet",
            "process-kubelet",
            "process-kubelet",
            "supervisor",
            "traefik",
            "unshare",
        ]
    );
    // SIGKILL: nothing in it can run any more.
    child.kill().unwrap();
    child.wait().unwrap();
    let mut left = processes_in(network);
    for _ in 0..300 {
        if left.is_empty() && !directory.exists() {
            break;
        }
        sleep(Duration::from_millis(100));
        left = processes_in(network);
    }
    assert!(left.is_empty(), "{left:?} are still running");
    assert!(!directory.exists(), "{} is still there", directory.display());
}

#[test]
fn a_wiped_cluster_is_another_one_at_the_same_address() {
    let plane = ControlPlane::fresh().unwrap();
    let uid = || {
        let uid = "jsonpath={.metadata.uid}";
        plane.kubectl(&["get", "namespace", "kube-system", "-o", uid]).unwrap()
    };
    let namespace = plane.namespace("wiped").unwrap();
    let (server, before) = (plane.server(), uid());
    plane.wipe().unwrap();
    assert_eq!(plane.server(), server);
    assert_ne!(uid(), before);
    let gone = plane.kubectl(&["get", "namespace", namespace.name()]).unwrap_err();
    assert!(gone.to_string().contains("NotFound"), "{gone}");
    let directory = plane.directory().to_path_buf();
    drop(plane);
    assert!(!directory.exists());
    assert!(processes(&directory).is_empty());
}
