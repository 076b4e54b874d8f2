//! `tranche demo`: KubeVela's AppRollout from a git repository on the embedded
//! cluster. It makes commits and runs the ordinary `apply` after each; there is
//! no other path. Owns what is committed.

#![expect(
    clippy::disallowed_methods,
    reason = "the demo makes its own directory and reads no settings"
)]

use super::args::{Apply, Common, Demo, Log};
use super::connect::{open, targets};
use super::exit::{Failure, exit_code};
use super::terminal::{Line, out, paint, say};
use crate::edge::git::GitStore;
use crate::engine::Class;
use crate::port::{Change, CommitId, Objects};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The seed's inputs, and what each commit says.
const COMMITS: &[(&str, &str, &str)] = &[
    (
        "application.yaml",
        include_str!("../../testdata/seeds/kubevela-approllout/1-application.yaml"),
        "test-rolling: podinfo 4.0.6",
    ),
    (
        "approllout.yaml",
        include_str!("../../testdata/seeds/kubevela-approllout/2-approllout.yaml"),
        "rolling-example: roll test-rolling-v1 out, 10%, 40%, 50%",
    ),
    (
        "application.yaml",
        include_str!("../../testdata/seeds/kubevela-approllout/3-application.yaml"),
        "test-rolling: podinfo 5.0.2",
    ),
    (
        "approllout.yaml",
        include_str!("../../testdata/seeds/kubevela-approllout/4-approllout.yaml"),
        "rolling-example: from v1 to v2, 1, 2 and 2 pods",
    ),
];

/// Runs the demo.
pub(super) async fn run(options: &Demo) -> Result<u8, Failure> {
    let paint = paint();
    let dir = directory(options)?;
    let plan = dir.join("plan.git");
    out("A plan repository: " + say(plan.display().to_string()));
    let repository = git2::Repository::init_opts(
        &plan,
        git2::RepositoryInitOptions::new().bare(true).mkdir(true).initial_head("main"),
    );
    repository
        .map_err(|error| Failure::plain(&format!("{}: {}", plan.display(), error.message())))?;
    let store = GitStore::open(&plan)?;
    let common = Common {
        repo: plan.display().to_string(),
        reference: Some("main".to_owned()),
        target: Some("sandbox".to_owned()),
        kubeconfig: None,
    };
    let apply = Apply {
        wait: Some(Duration::from_secs(600)),
        plan: None,
        accept_rewind: false,
        allow_prune: false,
        ok_exit: Vec::new(),
        summary: None,
    };
    let mut tip = None;
    for (number, (path, text, message)) in COMMITS.iter().enumerate() {
        out("\n" + paint.bold(&say(format!("Commit {}: {message}", number + 1))));
        let commit = commit(&store, &plan, tip.as_ref(), path, text, message)?;
        tip = Some(commit);
        out(paint.dim(&say(format!("$ tranche apply --wait 10m --repo {}", plan.display()))));
        let repository = open(&common).await?;
        for target in targets(&common, &repository.project)? {
            let report = super::apply::one(&common, &apply, &repository, &target, None).await?;
            if report.class() != Class::Done {
                return Ok(exit_code(report.class()));
            }
        }
    }
    out("\n" + paint.bold(&Line::ours("The record branch, newest first")));
    out(paint.dim(&say(format!("$ tranche log --repo {}", plan.display()))));
    let log = Log { rollout: None, max_count: None, output: super::args::Output::Text };
    super::log::run(&common, &log).await?;
    out("\n" + paint.bold(&Line::ours("Explore it")));
    let plan = plan.display();
    for line in [
        format!("git -C {plan} log --stat tranche/sandbox"),
        format!("git -C {plan} show tranche/sandbox:README.md"),
        format!("git -C {plan} show tranche/sandbox:rollouts/default/rolling-example.yaml"),
        format!("tranche status --repo {plan} --target sandbox"),
        format!("tranche plan --repo {plan} --target sandbox"),
    ] {
        out("  " + say(line));
    }
    Ok(0)
}

/// A new directory for the demo.
fn directory(options: &Demo) -> Result<PathBuf, Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::usage(
            format!("{} cannot be made: {error}", path.display()),
            "name a directory that does not exist yet: `tranche demo --dir DIR`",
        )
    };
    if let Some(dir) = &options.dir {
        let dir = std::path::absolute(dir).map_err(|error| failed(dir, error))?;
        std::fs::create_dir(&dir).map_err(|error| failed(&dir, error))?;
        return Ok(dir);
    }
    let base = std::env::temp_dir();
    for number in 1..1_000 {
        let dir = base.join(format!("tranche-demo-{}-{number}", std::process::id()));
        match std::fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&dir, error)),
        }
    }
    Err(Failure::plain(&format!("no free directory in {}", base.display())))
}

/// Commits one file and moves `main`.
fn commit(
    store: &GitStore,
    plan: &Path,
    parent: Option<&CommitId>,
    path: &str,
    text: &str,
    message: &str,
) -> Result<CommitId, Failure> {
    let change = Change { path: path.to_owned(), bytes: Some(text.as_bytes().to_vec()) };
    let now = jiff::Timestamp::now();
    let commit = store.commit(parent, &[change], &format!("{message}\n"), now)?;
    let moved = git2::Repository::open_bare(plan).and_then(|repository| {
        let id = git2::Oid::from_str(&commit.0)?;
        repository.reference("refs/heads/main", id, true, message).map(|_| ())
    });
    moved.map_err(|error| Failure::plain(error.message()))?;
    Ok(commit)
}
