//! From arguments to the ports of a run. Owns which repository, which targets
//! and which cluster are meant; it must never write to any.

use super::args::Common;
use super::exit::{Failure, exit_code};
use super::settings;
use super::terminal::{Screen, err, say, veil};
use crate::core::dialect::{PROJECT_FILE, load_project};
use crate::core::model::{ClusterRef, PlanFile, Project, Target};
use crate::edge::cluster::{ApiServerClock, KubeCluster, connect};
use crate::edge::git::{GitRemote, Location, checkout, locate};
use crate::edge::hook::HttpHooks;
use crate::edge::process::ThisProcess;
use crate::edge::signal::{self, Stop};
use crate::engine::{Class, RunError, project};
use crate::port::{
    Audience, Clock, ClusterError, CommitId, Hooks, Objects, Ports, Process, Remote, RemoteError,
};
use crate::sandbox::{Sandbox, SandboxClock};
use jiff::Timestamp;
use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

/// The plan repository of a command, and what its newest plan declares.
pub struct Repository {
    /// Where it is.
    pub location: Location,
    /// Its remote.
    pub remote: Rc<GitRemote>,
    /// Its project.
    pub project: Project,
    /// The plan branch's tip.
    pub tip: CommitId,
    /// The project's id: the plan branch's root commit.
    pub id: String,
    /// The signal that asked to stop: one for all targets, listened to once
    /// there is something to act through.
    stop: OnceCell<Stop>,
}

/// Everything that a run acts through.
pub struct Wired {
    cluster: KubeCluster,
    remote: Rc<GitRemote>,
    clock: TargetClock,
    process: ThisProcess,
    hooks: HttpHooks,
    screen: Screen,
}

/// The clock of a target.
pub enum TargetClock {
    /// An API server's.
    Server(ApiServerClock),
    /// The sandbox's.
    Sandbox(SandboxClock),
}

/// Opens the plan repository and reads its project.
pub(super) async fn open(common: &Common) -> Result<Repository, Failure> {
    veil().learn_url(&common.repo);
    let remote = remote_name(&common.repo);
    let access = settings::access()?;
    let location = locate(&common.repo, remote.as_deref(), common.reference.as_deref(), &access)
        .await
        .map_err(|error| located(common, error))?;
    let cache = settings::cache_dir(location.url.as_str())?;
    let (remote, tips) = GitRemote::connect(&location, &cache, &access, "tranche/none")
        .await
        .map_err(|error| located(common, error))?;
    let remote = remote.veiled(veil().clone());
    let project = last_valid(remote.objects(), &tips.plan)?;
    let id = remote.objects().root(&tips.plan)?.0;
    Ok(Repository {
        location,
        remote: Rc::new(remote),
        project,
        tip: tips.plan,
        id,
        stop: OnceCell::new(),
    })
}

/// The remote that a checkout's own `tranche.yaml` names, if it can be read.
/// What is wrong with it is said when the plan is loaded.
#[expect(clippy::disallowed_methods, reason = "one file of the checkout, for the remote's name")]
fn remote_name(repo: &str) -> Option<String> {
    let root = checkout(repo).ok().filter(|_| !repo.contains("://"));
    let bytes = root.and_then(|root| std::fs::read(root.join(PROJECT_FILE)).ok());
    let file = bytes.map(|bytes| PlanFile { path: PROJECT_FILE.to_owned(), bytes });
    load_project(file.as_ref()).unwrap_or_default().remote
}

/// A plan repository that cannot be read, and what a person does about it.
fn located(common: &Common, error: RemoteError) -> Failure {
    let next = match &error {
        RemoteError::Missing { .. } => {
            "commit and push the plan first, or name its branch with `--ref BRANCH`"
        }
        RemoteError::Unreachable { remote, .. } if is_local(remote) && common.repo == "." => {
            "run it in a plan repository, or name one: `--repo PATH`; `tranche init DIR` writes \
             a first plan"
        }
        RemoteError::Unreachable { remote, .. } if is_local(remote) => "check `--repo`",
        _ => return error.into(),
    };
    Failure { code: exit_code(Class::Failed), message: error.to_string(), next: next.to_owned() }
}

/// Whether a remote, as errors name it, is a path.
fn is_local(remote: &str) -> bool {
    remote.starts_with("file:") || !remote.split('/').next().unwrap_or(remote).contains(':')
}

/// How far back a `tranche.yaml` that can be read is looked for.
const HISTORY: usize = 100;

/// The newest `tranche.yaml` that is valid: a broken one must not keep people
/// from seeing where things stand, nor rollouts under way from going on. What
/// reads the newest plan itself still fails by it.
fn last_valid<O: Objects>(objects: &O, tip: &CommitId) -> Result<Project, Failure> {
    let first = match project(objects, tip) {
        Ok(project) => return Ok(project),
        Err(error) if error.class == Class::Invalid => error,
        Err(error) => return Err(error.into()),
    };
    let mut at = objects.info(tip)?.parent;
    for _ in 0..HISTORY {
        let Some(commit) = at else { break };
        if let Ok(found) = project(objects, &commit) {
            err("note: tranche.yaml is invalid, that of " + say(commit.short()) + " holds");
            return Ok(found);
        }
        at = objects.info(&commit)?.parent;
    }
    Err(first.into())
}

impl Repository {
    /// The exit code that a signal has asked for.
    pub fn stopped(&self) -> Option<u8> {
        self.stop.get().and_then(Stop::code)
    }

    fn stop(&self) -> Result<Stop, Failure> {
        if self.stop.get().is_none() {
            let stop = signal::listen().map_err(|error| Failure::plain(&error.to_string()))?;
            return Ok(self.stop.get_or_init(|| stop).clone());
        }
        Ok(self.stop.get().cloned().unwrap_or_default())
    }
}

/// The targets that a command is about.
pub(super) fn targets(common: &Common, project: &Project) -> Result<Vec<Target>, Failure> {
    let Some(name) = &common.target else {
        if !project.declared && settings::in_ci() {
            return Err(Failure::usage(
                "no target is declared, and in CI the sandbox is never assumed",
                "declare `spec.targets` in tranche.yaml, or name it: `--target sandbox`",
            ));
        }
        return Ok(project.targets.clone());
    };
    if let Some(target) = project.targets.iter().find(|target| target.name == *name) {
        return Ok(vec![target.clone()]);
    }
    if name == "sandbox" {
        return Ok(Project::default().targets);
    }
    let known: Vec<&str> = project.targets.iter().map(|t| t.name.as_str()).collect();
    Err(Failure::usage(
        format!("there is no target \"{name}\"; declared are {}", known.join(", ")),
        "name a declared target, or declare it in tranche.yaml",
    ))
}

/// The one target of a command that must not be about several; `which` says
/// in words the one to name.
pub(super) fn only_target(
    common: &Common,
    project: &Project,
    which: &str,
) -> Result<Target, Failure> {
    let targets = targets(common, project)?;
    let [target] = targets.as_slice() else {
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        return Err(Failure::usage(
            format!("there are several targets: {}", names.join(", ")),
            format!("name {which} with `--target`"),
        ));
    };
    Ok(target.clone())
}

/// Connects to a target.
pub(super) async fn wire(
    common: &Common,
    repository: &Repository,
    target: &Target,
) -> Result<Wired, Failure> {
    let stop = repository.stop()?;
    let (cluster, clock) = match target.cluster {
        ClusterRef::Sandbox => {
            err("target " + say(&target.name) + " is the sandbox: nothing real is changed");
            let dir = settings::sandbox_dir(
                repository.location.url.as_str(),
                &repository.id,
                &target.name,
            )?;
            let sandbox = Sandbox::open(&dir, wall_clock);
            let sandbox = sandbox.and_then(|sandbox| sandbox.with_namespace(&target.namespace));
            let sandbox = sandbox.map_err(|error| {
                Failure::plain(&format!(
                    "the sandbox in {} cannot be opened: {error}",
                    dir.display()
                ))
            })?;
            let client = kube::Client::new(sandbox.service(), target.namespace.clone());
            (
                KubeCluster::new(client).veiled(veil().clone()),
                TargetClock::Sandbox(SandboxClock::new(sandbox)),
            )
        }
        ClusterRef::Context(_) | ClusterRef::InCluster => {
            let connected = connect(&target.cluster, common.kubeconfig.as_deref(), veil()).await;
            let connected = connected.map_err(|error| Failure {
                code: exit_code(Class::Failed),
                message: format!("target {}: {error}", target.name),
                next: "check the context's name, and `--kubeconfig` or KUBECONFIG".to_owned(),
            })?;
            (connected.cluster.veiled(veil().clone()), TargetClock::Server(connected.clock))
        }
    };
    let remote = Rc::clone(&repository.remote);
    let process = ThisProcess::new(stop);
    let hooks = match target.cluster {
        ClusterRef::Sandbox => HttpHooks::only_here(),
        ClusterRef::Context(_) | ClusterRef::InCluster => HttpHooks::everywhere(),
    };
    Ok(Wired { cluster, remote, clock, process, hooks, screen: Screen::new() })
}

#[expect(clippy::disallowed_methods, reason = "the sandbox's time follows the wall clock")]
fn wall_clock() -> Timestamp {
    Timestamp::now()
}

impl Ports for Wired {
    type Cluster = KubeCluster;
    type Remote = GitRemote;
    type Clock = TargetClock;

    fn cluster(&self) -> &KubeCluster {
        &self.cluster
    }

    fn remote(&self) -> &GitRemote {
        &self.remote
    }

    fn clock(&self) -> &TargetClock {
        &self.clock
    }

    fn process(&self) -> &dyn Process {
        &self.process
    }

    fn hooks(&self) -> &dyn Hooks {
        &self.hooks
    }

    fn audience(&self) -> &dyn Audience {
        &self.screen
    }
}

impl Clock for TargetClock {
    async fn now(&self) -> Result<Timestamp, ClusterError> {
        match self {
            Self::Server(clock) => clock.now().await,
            Self::Sandbox(clock) => clock.now().await,
        }
    }

    async fn wait(&self, at_most: Duration, may_jump: bool) -> Result<Timestamp, ClusterError> {
        match self {
            Self::Server(clock) => clock.wait(at_most, may_jump).await,
            Self::Sandbox(clock) => clock.wait(at_most, may_jump).await,
        }
    }
}

/// A plan that cannot be read at all.
pub fn invalid(message: &str) -> Failure {
    RunError::new(Class::Invalid, message, "mend the plan; nothing was written").into()
}
