//! One plan repository and one embedded cluster in a directory that can be
//! copied, so that every case begins where the last one did.

use crate::Kill;
use crate::audit::Audit;
use crate::scenario::Scenario;
use crate::trap::{
    Aim, Graveyard, NamedProcess, Nobody, Sort, Trap, Trapped, TrappedClock, TrappedCluster,
    TrappedRemote, Witness,
};
use git2::{Oid, Repository, RepositoryInitOptions};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tempfile::TempDir;
use tranche::core::model::{Project, Target};
use tranche::core::record::{EntityRecord, Phase};
use tranche::core::release::Release;
use tranche::core::strategy::{EntityKey, EntityKind};
use tranche::edge::cluster::KubeCluster;
use tranche::edge::git::{GitRemote, GitStore, RemoteUrl};
use tranche::engine::{Class, Engine, Options, Report, Snapshot};
use tranche::port::{Change, CommitId, Objects as _, Remote as _};
use tranche::sandbox::{Sandbox, SandboxClock};

/// A wall clock that stands still: time passes only where somebody lets it.
fn wall() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

pub struct World {
    dir: TempDir,
    buried: Graveyard,
    /// The version of the program that runs here.
    pub release: Release,
}

/// How a run ended: without a report if it was killed.
pub struct Ended {
    pub report: Option<Report>,
    pub effects: Vec<(Sort, String)>,
}

impl World {
    pub fn new() -> Self {
        let dir = tranche_lab::scratch().unwrap();
        let world = Self { dir, buried: Rc::default(), release: Release::default() };
        let options = &mut RepositoryInitOptions::new();
        let options = options.bare(true).mkdir(true).initial_head("main").external_template(false);
        let made = Repository::init_opts(world.dir.path().join("plan.git"), options).unwrap();
        // What a server does to itself after a push is two programs more.
        made.config().unwrap().set_bool("receive.autogc", false).unwrap();
        world
    }

    pub fn copy(&self) -> Self {
        let dir = tranche_lab::scratch().unwrap();
        for part in ["plan.git", "sandbox"] {
            let from = self.dir.path().join(part);
            if from.exists() {
                copy_all(&from, &dir.path().join(part));
            }
        }
        Self { dir, buried: Rc::default(), release: self.release.clone() }
    }

    /// Commits files onto the plan branch.
    pub fn commit(&self, files: &[(&str, &str)]) {
        let bare = self.dir.path().join("plan.git");
        let repository = Repository::open_bare(&bare).unwrap();
        let parent = repository.refname_to_id("refs/heads/main").ok();
        let parent = parent.map(|id| CommitId(id.to_string()));
        let change = |(path, text): &(&str, &str)| Change {
            path: (*path).to_owned(),
            bytes: Some(text.as_bytes().to_vec()),
        };
        let changes: Vec<Change> = files.iter().map(change).collect();
        let store = GitStore::open(&bare).unwrap();
        let commit = store.commit(parent.as_ref(), &changes, "a plan\n", wall()).unwrap();
        let id = Oid::from_str(&commit.0).unwrap();
        repository.reference("refs/heads/main", id, true, "a plan").unwrap();
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::open(&self.dir.path().join("sandbox"), wall).unwrap()
    }

    pub fn cluster(&self) -> KubeCluster {
        KubeCluster::new(kube::Client::new(self.sandbox().service(), "default"))
    }

    /// Puts objects on the cluster as a person with kubectl would, and lets their
    /// pods get ready.
    pub async fn put(&self, documents: &[&str]) {
        let client = kube::Client::new(self.sandbox().service(), "default");
        for document in documents {
            let body: serde_json::Value = serde_yaml::from_str(document).unwrap();
            let kind = body["kind"].as_str().unwrap().to_lowercase();
            let group = match body["apiVersion"].as_str().unwrap() {
                "v1" => "api/v1".to_owned(),
                group => format!("apis/{group}"),
            };
            let name = body["metadata"]["name"].as_str().unwrap();
            let path = format!("/{group}/namespaces/default/{kind}s/{name}?fieldManager=kubectl");
            let request = http::Request::builder()
                .method("PATCH")
                .uri(&path)
                .header("content-type", "application/apply-patch+yaml")
                .body(body.to_string().into_bytes())
                .unwrap();
            client.request::<serde_json::Value>(request).await.unwrap();
        }
        if !documents.is_empty() {
            self.advance(60);
        }
    }

    fn remote(&self) -> GitRemote {
        let bare = self.dir.path().join("plan.git");
        let url = RemoteUrl::parse(bare.to_str().unwrap()).unwrap();
        GitRemote::open(&url, "main", &self.dir.path().join("cache")).unwrap()
    }

    fn target() -> Target {
        Project::default().targets.remove(0)
    }

    /// Lets the cluster's time pass.
    pub fn advance(&self, seconds: i64) {
        let sandbox = self.sandbox();
        let to = sandbox.now().unwrap() + SignedDuration::from_secs(seconds);
        sandbox.advance(to).unwrap();
    }

    /// Cuts the journal's last line in half, as a writer leaves it that dies
    /// while it is flushed.
    pub fn tear(&self) {
        let path = self.dir.path().join("sandbox").join("journal.jsonl");
        let text = std::fs::read(&path).unwrap();
        let line = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        let half = line + (text.len() - line) / 2;
        std::fs::write(&path, &text[..half]).unwrap();
    }

    /// Lets later runs know that a run's process is no more.
    pub fn bury(&self, number: u32) {
        self.buried.borrow_mut().insert(run_name(number));
    }

    /// One run, killed where `kill` says.
    pub async fn run<W: Witness<KubeCluster>>(
        &self,
        number: u32,
        kill: Option<Kill>,
        witness: &Rc<W>,
    ) -> Ended {
        let (trap, death) = Trap::new(kill.map_or_else(nowhere, Kill::aim));
        let sandbox = self.sandbox();
        let client = kube::Client::new(sandbox.service(), "default");
        let ports = Trapped {
            cluster: TrappedCluster {
                inner: KubeCluster::new(client.clone()),
                trap: Rc::clone(&trap),
                witness: Rc::clone(witness),
            },
            remote: TrappedRemote { inner: self.remote(), trap: Rc::clone(&trap) },
            clock: TrappedClock {
                inner: SandboxClock::new(sandbox),
                cluster: KubeCluster::new(client),
                trap: Rc::clone(&trap),
                witness: Rc::clone(witness),
            },
            process: NamedProcess::new(run_name(number), number, &self.buried),
            hooks: Nobody,
        };
        let target = Self::target();
        let wait = Some(Duration::from_secs(600));
        let options = Options { wait, release: self.release.clone(), ..Options::default() };
        let engine = Engine::new(&ports, &target, options);
        let report = tokio::select! {
            report = engine.apply() => Some(report),
            _ = death => None,
        };
        Ended { report, effects: trap.effects() }
    }

    /// Runs until the plan is reached, undisturbed.
    pub async fn finish(&self, scenario: &Scenario, stage: &str) {
        let audit = Rc::new(Audit::new(0));
        let report = self.run(1, None, &audit).await.report.unwrap();
        assert_eq!(report.class(), Class::Done, "{}, {stage}: {report:?}", scenario.name);
    }

    /// The rollout's record at the remote's tip, and the objects behind it.
    pub async fn record(&self, scenario: &Scenario) -> Option<(EntityRecord, GitRemote, CommitId)> {
        let remote = self.remote();
        let tip = remote.fetch_record(&Self::target().record_branch).await.unwrap()?;
        let key = EntityKey {
            kind: EntityKind::Rollout,
            namespace: "default".to_owned(),
            name: scenario.rollout.to_owned(),
        };
        let record = Snapshot::new(remote.objects(), Some(tip.clone())).entity(&key).unwrap()?;
        Some((EntityRecord::clone(&record), remote, tip))
    }

    /// Whether the remote's tip shows a run that holds the rollout.
    pub async fn open_intent(&self, scenario: &Scenario) -> bool {
        let record = self.record(scenario).await;
        let open = record.and_then(|(record, _, _)| record.open);
        open.is_some_and(|open| open.phase == Phase::Intent)
    }
}

fn nowhere() -> Aim {
    Box::new(|_, _, _| None)
}

fn run_name(number: u32) -> String {
    format!("run-{number}")
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let path = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &path);
        } else {
            std::fs::copy(entry.path(), &path).unwrap();
        }
    }
}
