//! One server with one plan repository, and remotes to it as the program makes
//! them.

use jiff::Timestamp;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use tranche::edge::git::{Access, GitRemote, GitStore, RemoteUrl};
use tranche::port::{Change, CommitId, Objects as _, PushOutcome, Remote as _, RemoteError};
use tranche_lab::git::{Bare, GitServer, Login};

pub const RECORD: &str = "tranche/sandbox";
pub const USER: &str = "deploy";
pub const PASSWORD: &str = "correct-horse%/battery";
pub const BEARER: &str = "Bearer staple-0815-token";

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub fn login() -> Login {
    Login { user: USER.to_owned(), password: PASSWORD.to_owned(), header: BEARER.to_owned() }
}

pub fn mine() -> Access {
    Access::new(Some(USER.to_owned()), Some(PASSWORD.to_owned()))
}

pub struct Place {
    pub dir: TempDir,
    pub server: Arc<GitServer>,
    pub bare: Bare,
}

impl Place {
    /// A server that asks who is there.
    pub fn closed() -> Self {
        Self::with(&login())
    }

    /// A server that is open to all.
    pub fn open() -> Self {
        Self::with(&Login::default())
    }

    fn with(login: &Login) -> Self {
        let dir = tranche_lab::scratch().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let bare = Bare::create(&root, "plan.git").unwrap();
        let server = GitServer::start(&root, dir.path(), login).unwrap();
        let place = Self { dir, server: Arc::new(server), bare };
        place.plan(&[("web.txt", "replicas: 1\n")]);
        place
    }

    /// Commits files to the plan branch, past the server.
    pub fn plan(&self, files: &[(&str, &str)]) -> CommitId {
        let repository = git2::Repository::open_bare(self.bare.path()).unwrap();
        let parent = repository.refname_to_id("refs/heads/main").ok();
        let parent = parent.map(|id| CommitId(id.to_string()));
        let change = |(path, text): &(&str, &str)| write(path, text);
        let changes: Vec<Change> = files.iter().map(change).collect();
        let store = GitStore::open(self.bare.path()).unwrap();
        let id = store.commit(parent.as_ref(), &changes, "a plan\n", time()).unwrap();
        let oid = git2::Oid::from_str(&id.0).unwrap();
        repository.reference("refs/heads/main", oid, true, "a plan").unwrap();
        id
    }

    pub fn tip(&self, branch: &str) -> Option<CommitId> {
        let repository = git2::Repository::open_bare(self.bare.path()).unwrap();
        let found = repository.refname_to_id(&format!("refs/heads/{branch}")).ok();
        found.map(|id| CommitId(id.to_string()))
    }

    pub fn http(&self) -> String {
        self.server.http("plan.git")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A remote over HTTP that is opened by `access`.
    pub fn remote(&self, cache: &str, access: &Access) -> GitRemote {
        let url = RemoteUrl::parse(&self.http()).unwrap().opened_by(access, &[]);
        GitRemote::open(&url, "main", &self.path(cache)).unwrap().timed(access)
    }

    /// The program, as a person with an empty home runs it.
    pub fn tranche(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tranche"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let ours = ["GIT_", "TRANCHE_", "SSH_", "XDG_"].iter().any(|p| name.starts_with(p));
            if name == "CI" || ours {
                command.env_remove(name);
            }
        }
        let home = self.path("home");
        std::fs::create_dir_all(&home).unwrap();
        command
            .args(arguments)
            .args(["--target", "sandbox"])
            .current_dir(&home)
            .env("HOME", &home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Operator")
            .env("GIT_AUTHOR_EMAIL", "operator@users.noreply.invalid");
        command
    }

    /// The user's global git configuration.
    pub fn configure(&self, text: &str) {
        std::fs::create_dir_all(self.path("home")).unwrap();
        std::fs::write(self.path("home").join(".gitconfig"), text).unwrap();
    }
}

pub fn time() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

pub fn write(path: &str, text: &str) -> Change {
    Change { path: path.to_owned(), bytes: Some(text.as_bytes().to_vec()) }
}

pub fn record(remote: &GitRemote, parent: Option<&CommitId>, text: &str) -> CommitId {
    remote.objects().commit(parent, &[write("rollouts/web.yaml", text)], text, time()).unwrap()
}

pub fn push(
    remote: &GitRemote,
    expected: Option<&CommitId>,
    new: &CommitId,
) -> Result<PushOutcome, RemoteError> {
    run(remote.push(RECORD, expected, new))
}

/// Every file below a directory that holds one of these texts.
pub fn holding(dir: &Path, texts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                dirs.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let text = String::from_utf8_lossy(&bytes);
                if texts.iter().any(|secret| text.contains(secret)) {
                    found.push(path);
                }
            }
        }
    }
    found
}
