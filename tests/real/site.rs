//! A plan repository, a namespace on the real control plane, and the program
//! run on both.

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Repository, Signature};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;
use tranche_lab::{ControlPlane, Namespace, User};

/// The branch that the record is on.
pub const RECORD: &str = "refs/heads/tranche/lab";
const PLAN: &str = "refs/heads/main";

/// One plan repository, one namespace, and who runs the program.
pub struct Site<'p> {
    dir: TempDir,
    /// The bare repository, past any server.
    plan: PathBuf,
    /// Where the program finds it.
    pub url: String,
    /// What opens it, as the operator's environment says it.
    pub opened_by: Vec<(&'static str, String)>,
    pub plane: &'p ControlPlane,
    pub namespace: Namespace,
    pub user: User,
}

/// How one run of the program ended.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        Self {
            // A process that a signal ended has no code.
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The run ended as it should; else everything it said is shown.
    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// It said this, on either stream.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text) || self.err.contains(text), "no \"{text}\" in: {self}");
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n-- stdout\n{}-- stderr\n{}", self.code, self.out, self.err)
    }
}

impl Site<'static> {
    /// A site on the cluster that all tests share.
    pub fn new(prefix: &str) -> Self {
        Self::on(ControlPlane::shared().unwrap(), prefix)
    }
}

impl<'p> Site<'p> {
    /// A new namespace, and a plan repository that rolls out to it.
    pub fn on(plane: &'p ControlPlane, prefix: &str) -> Self {
        let dir = tranche_lab::scratch().unwrap();
        let plan = dir.path().join("plan.git");
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).mkdir(true).initial_head("main").external_template(false);
        let made = Repository::init_opts(&plan, &options).unwrap();
        // What a server does to itself after a push is two programs more.
        made.config().unwrap().set_bool("receive.autogc", false).unwrap();
        let url = plan.to_str().unwrap().to_owned();
        Self::with(plane, prefix, dir, plan, url, Vec::new())
    }

    /// The same for a plan repository that a server has.
    pub fn at(
        plane: &'p ControlPlane,
        prefix: &str,
        plan: &Path,
        url: String,
        opened_by: Vec<(&'static str, String)>,
    ) -> Self {
        let dir = tranche_lab::scratch().unwrap();
        Self::with(plane, prefix, dir, plan.to_owned(), url, opened_by)
    }

    fn with(
        plane: &'p ControlPlane,
        prefix: &str,
        dir: TempDir,
        plan: PathBuf,
        url: String,
        opened_by: Vec<(&'static str, String)>,
    ) -> Self {
        let namespace = plane.namespace(prefix).unwrap();
        let user = User::Tranche;
        let site = Self { dir, plan, url, opened_by, plane, namespace, user };
        site.commit(&[("tranche.yaml", &site.project())]);
        site
    }

    /// The project file: one target, the laboratory's context.
    pub fn project(&self) -> String {
        format!(
            "apiVersion: tranche.dev/v1alpha1
kind: Project
spec:
  targets:
    - name: lab
      cluster: {{context: lab}}
      namespace: {}
",
            self.namespace
        )
    }

    /// A path of this site's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn repository(&self) -> Repository {
        Repository::open_bare(&self.plan).unwrap()
    }

    /// Commits files to the plan branch.
    pub fn commit(&self, files: &[(&str, &str)]) {
        let repository = self.repository();
        let parent = repository.find_reference(PLAN).ok().map(|r| r.peel_to_commit().unwrap());
        let empty = repository.treebuilder(None).unwrap().write().unwrap();
        let base = match &parent {
            Some(parent) => parent.tree().unwrap(),
            None => repository.find_tree(empty).unwrap(),
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, text) in files {
            let blob = repository.blob(text.as_bytes()).unwrap();
            update.upsert(*path, blob, FileMode::Blob);
        }
        let tree = update.create_updated(&repository, &base).unwrap();
        let tree = repository.find_tree(tree).unwrap();
        let dev = Signature::now("dev", "dev@users.noreply.invalid").unwrap();
        let parents: Vec<_> = parent.iter().collect();
        repository.commit(Some(PLAN), &dev, &dev, "plan", &tree, &parents).unwrap();
    }

    /// The program with this site's directories and nothing else of the
    /// environment that it would listen to.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.plane.command(env!("CARGO_BIN_EXE_tranche"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name == "CI" || name.starts_with("GIT_") || name.starts_with("TRANCHE_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .arg("--repo")
            .arg(&self.url)
            .current_dir(self.dir.path())
            .env("KUBECONFIG", self.plane.kubeconfig_for(self.user))
            .env("HOME", self.dir.path())
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .env("XDG_CACHE_HOME", self.dir.path().join("cache"))
            .envs(self.opened_by.iter().map(|(name, value)| (*name, value)))
            .env("GIT_AUTHOR_NAME", "Operator")
            .env("GIT_AUTHOR_EMAIL", "operator@users.noreply.invalid")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    /// Starts the program; what it says is kept for `Child::wait_with_output`.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// To the end or a gate, as CI runs it.
    pub fn apply_wait(&self) -> Ran {
        self.run(&["apply", "--wait", "5m"])
    }

    /// One rollout as `status -o json` shows it.
    pub fn rollout(&self, name: &str) -> Value {
        let ran = self.run(&["status", "-o", "json"]).ends(0);
        let status: Value = serde_json::from_str(&ran.out).unwrap();
        let rollouts = status["rollouts"].as_array().unwrap();
        let found = rollouts.iter().find(|rollout| rollout["name"] == name);
        found.unwrap_or_else(|| panic!("no rollout {name} in {}", ran.out)).clone()
    }

    /// Objects of this namespace, by `kubectl get`.
    pub fn get(&self, what: &[&str]) -> Value {
        self.plane.get(&[&["-n", self.namespace.name()], what].concat()).unwrap()
    }
}
