//! A bare plan repository, a state directory, and the program run on them.

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Repository, Signature};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The branch that the sandbox's record is on.
pub const RECORD: &str = "refs/heads/tranche/sandbox";
const PLAN: &str = "refs/heads/main";

/// One plan repository and all that belongs to it.
pub struct Stage {
    dir: TempDir,
}

/// How one run of the program ended.
#[derive(Debug)]
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

impl Stage {
    /// An empty repository.
    pub fn new() -> Self {
        let dir = tranche_lab::scratch().unwrap();
        let mut options = git2::RepositoryInitOptions::new();
        options.bare(true).mkdir(true).initial_head("main").external_template(false);
        let made = Repository::init_opts(dir.path().join("plan.git"), &options).unwrap();
        // What a server does to itself after a push is two programs more.
        made.config().unwrap().set_bool("receive.autogc", false).unwrap();
        Self { dir }
    }

    /// A repository with a first commit.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let stage = Self::new();
        stage.commit(files);
        stage
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn plan(&self) -> PathBuf {
        self.dir.path().join("plan.git")
    }

    pub fn repository(&self) -> Repository {
        Repository::open_bare(self.plan()).unwrap()
    }

    /// Commits files to the plan branch.
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(*text))).collect();
        self.change(&files)
    }

    /// Takes a file out of the plan.
    pub fn remove(&self, path: &str) -> String {
        self.change(&[(path, None)])
    }

    fn change(&self, files: &[(&str, Option<&str>)]) -> String {
        let repository = self.repository();
        let parent = repository.find_reference(PLAN).ok().map(|r| r.peel_to_commit().unwrap());
        let empty = repository.treebuilder(None).unwrap().write().unwrap();
        let base = match &parent {
            Some(parent) => parent.tree().unwrap(),
            None => repository.find_tree(empty).unwrap(),
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, text) in files {
            match text {
                Some(text) => {
                    let blob = repository.blob(text.as_bytes()).unwrap();
                    update.upsert(*path, blob, FileMode::Blob);
                }
                None => {
                    update.remove(*path);
                }
            }
        }
        let tree = update.create_updated(&repository, &base).unwrap();
        let tree = repository.find_tree(tree).unwrap();
        let dev = Signature::now("dev", "dev@users.noreply.invalid").unwrap();
        let parents: Vec<_> = parent.iter().collect();
        let id = repository.commit(Some(PLAN), &dev, &dev, "plan", &tree, &parents).unwrap();
        id.to_string()
    }

    /// The program with this stage's directories and nothing else of the
    /// environment that it would listen to.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_at(&self.plan(), arguments)
    }

    /// The same, pointed at a checkout.
    pub fn command_at(&self, repository: &Path, arguments: &[&str]) -> Command {
        self.command_to("sandbox", repository, arguments)
    }

    /// The same for one of several targets.
    fn command_to(&self, target: &str, repository: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tranche"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name == "CI" || name.starts_with("GIT_") || name.starts_with("TRANCHE_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .arg("--repo")
            .arg(repository)
            .args(["--target", target])
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("GIT_AUTHOR_NAME", "Operator")
            .env("GIT_AUTHOR_EMAIL", "operator@users.noreply.invalid")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    /// The same for one of several targets.
    pub fn run_to(&self, target: &str, arguments: &[&str]) -> Ran {
        Ran::of(&self.command_to(target, &self.plan(), arguments).output().unwrap())
    }

    /// Starts the program; what it says is kept for `Child::wait_with_output`.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until no process of this stage is left: what a killed program had
    /// started goes on without it. Each has the stage's path among its
    /// arguments, until it is another program those of the one before.
    pub fn rests(&self) {
        let path = self.path().as_os_str().as_encoded_bytes();
        let is_here = |entry: std::io::Result<std::fs::DirEntry>| {
            let arguments = std::fs::read(entry.unwrap().path().join("cmdline"));
            arguments.is_ok_and(|all| all.windows(path.len()).any(|part| part == path))
        };
        for _ in 0..3000 {
            if !std::fs::read_dir("/proc").unwrap().any(is_here) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("processes of {} do not end", self.path().display());
    }

    /// One round, as cron runs it.
    pub fn apply(&self) -> Ran {
        self.run(&["apply"])
    }

    /// To the end or a gate, as CI runs it.
    pub fn apply_wait(&self) -> Ran {
        self.run(&["apply", "--wait", "10m"])
    }

    /// Installs a hook of the bare repository.
    pub fn hook(&self, name: &str, body: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.plan().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The journal of the embedded cluster.
    pub fn journal(&self) -> PathBuf {
        self.journal_of("sandbox")
    }

    /// The journal of the embedded cluster of a target.
    pub fn journal_of(&self, target: &str) -> PathBuf {
        let projects = self.path().join("state/tranche/sandbox");
        let mut found: Vec<PathBuf> =
            std::fs::read_dir(projects).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(found.len(), 1, "one sandbox a stage: {found:?}");
        found.remove(0).join(target).join("journal.jsonl")
    }
}
