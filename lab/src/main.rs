//! `tranche-lab`: the tests' cluster, by a developer's own hands. Owns words
//! and exit codes; must never know how a part is started.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers"
)]

use std::path::Path;
use std::process::{Command, ExitCode};

use tranche_lab::traffic::{ADDRESS, TrafficLab};
use tranche_lab::{Cluster, ControlPlane, Error, built_for_traffic, down, running, up};

const USAGE: &str =
    "usage: tranche-lab build | run COMMAND… | traffic COMMAND… | up | down | status |
       kubeconfig | kubectl ARGS…

build       build all parts into the cache, unless they are there
run         run a command with KUBECONFIG set to a cluster that ends with it
traffic     the same with pods that are processes and a gateway before them, in a
            network of its own; kubectl and process-kubelet are on its PATH
up          start a cluster that stays until `down`; prints its kubeconfig
down        end it
status      say what runs
kubeconfig  print the path of its kubeconfig
kubectl     kubectl on it";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tranche-lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode, Error> {
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("build", [])) => {
            for directory in built_for_traffic()?.directories() {
                println!("{}", directory.display());
            }
        }
        Some(("run", [program, rest @ ..])) => {
            let plane = ControlPlane::fresh()?;
            let mut command = Command::new(program);
            command.args(rest).env("KUBECONFIG", plane.kubeconfig());
            return finish(command);
        }
        Some(("traffic", [program, rest @ ..])) => return traffic(program, rest),
        Some(("up", [])) => println!("{}", up()?.kubeconfig.display()),
        Some(("down", [])) => {
            let ended = down()?;
            println!("{}", if ended { "ended" } else { "no cluster was up" });
        }
        Some(("status", [])) => match running()? {
            Some(cluster) => status(&cluster),
            None => {
                println!("no cluster is up");
                return Ok(ExitCode::FAILURE);
            }
        },
        Some(("kubeconfig", [])) => println!("{}", cluster()?.kubeconfig.display()),
        Some(("kubectl", rest)) => return kubectl(&cluster()?, rest),
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(64));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn traffic(program: &str, arguments: &[String]) -> Result<ExitCode, Error> {
    let lab = TrafficLab::start()?;
    let mut path: Vec<_> = lab.plane().parts().directories().map(Path::to_path_buf).collect();
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let path = std::env::join_paths(path)
        .map_err(|cause| Error::Missing(format!("no PATH for {program}: {cause}")))?;
    let mut command = lab.command(program);
    command.args(arguments).env("PATH", path).env("KUBECONFIG", lab.plane().kubeconfig());
    eprintln!("tranche-lab: the gateway edge/edge listens on {ADDRESS}");
    finish(command)
}

fn status(cluster: &Cluster) {
    println!("server      {}", cluster.server);
    println!("kubeconfig  {}", cluster.kubeconfig.display());
    println!("logs        {}", cluster.directory.display());
    for (name, pid) in cluster.processes() {
        println!("{pid:<11} {name}");
    }
}

fn cluster() -> Result<Cluster, Error> {
    running()?.ok_or_else(|| Error::Missing("no cluster is up: `tranche-lab up` starts one".into()))
}

fn kubectl(cluster: &Cluster, arguments: &[String]) -> Result<ExitCode, Error> {
    let mut command = Command::new(&cluster.kubectl);
    command.args(arguments).env("KUBECONFIG", &cluster.kubeconfig);
    finish(command)
}

/// The command's end is ours.
fn finish(mut command: Command) -> Result<ExitCode, Error> {
    let status = command.status().map_err(|cause| Error::Process {
        what: command.get_program().to_string_lossy().into_owned(),
        said: cause.to_string(),
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
