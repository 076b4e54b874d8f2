//! The git edge against real bare repositories: what is read, what is
//! written, and what becomes of a push.

#![expect(clippy::disallowed_methods, reason = "tests make real repositories with git")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use git2::{ObjectType, Repository};
use jiff::Timestamp;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tranche::edge::git::{
    Access, Ahead, GitRemote, GitStore, Identity, RemoteUrl, ahead, default_branch, locate,
};
use tranche::port::{Change, CommitId, Objects as _, PushOutcome, Remote as _, RemoteError};

const RECORD: &str = "tranche/sandbox";

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn git(dir: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["-c", "user.name=dev", "-c", "user.email=dev@users.noreply.invalid"])
        .args(["-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .current_dir(dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A bare remote with one plan commit on `main`, and a checkout of it.
struct Lab {
    dir: TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tranche_lab::scratch().unwrap();
        git(dir.path(), &["init", "--quiet", "--bare", "remote.git"]);
        git(dir.path(), &["init", "--quiet", "work"]);
        let lab = Self { dir };
        git(&lab.work(), &["remote", "add", "origin", lab.bare().to_str().unwrap()]);
        lab.plan("web.yaml", "replicas: 1\n");
        lab
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    fn bare(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    fn plan(&self, file: &str, text: &str) -> CommitId {
        let work = self.work();
        std::fs::create_dir_all(work.join(file).parent().unwrap()).unwrap();
        std::fs::write(work.join(file), text).unwrap();
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "--quiet", "-m", file]);
        git(&work, &["push", "--quiet", "origin", "HEAD:refs/heads/main"]);
        CommitId(git(&work, &["rev-parse", "HEAD"]))
    }

    fn url(&self) -> RemoteUrl {
        RemoteUrl::parse(self.bare().to_str().unwrap()).unwrap()
    }

    fn open(&self, cache: &str) -> GitRemote {
        GitRemote::open(&self.url(), "main", &self.dir.path().join(cache)).unwrap()
    }

    fn tip(&self, reference: &str) -> String {
        git(&self.bare(), &["for-each-ref", "--format=%(objectname)", reference])
    }

    fn hook(&self, name: &str, body: &str) {
        let at = self.bare().join("hooks").join(name);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(&at, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn write(path: &str, text: &str) -> Change {
    Change { path: path.to_owned(), bytes: Some(text.as_bytes().to_vec()) }
}

fn record(remote: &GitRemote, parent: Option<&CommitId>, text: &str) -> CommitId {
    let time = Timestamp::from_second(1_700_000_000).unwrap();
    remote.objects().commit(parent, &[write("rollouts/web.yaml", text)], text, time).unwrap()
}

fn outcome(
    remote: &GitRemote,
    expected: Option<&CommitId>,
    new: &CommitId,
) -> Result<PushOutcome, RemoteError> {
    run(remote.push(RECORD, expected, new))
}

#[test]
fn a_fetch_brings_the_plan_and_the_record_if_there_is_one() {
    let lab = Lab::new();
    let remote = lab.open("cache");
    let tips = run(remote.fetch(RECORD)).unwrap();
    assert_eq!(tips.plan.0, lab.tip("refs/heads/main"));
    assert_eq!(tips.record, None);
    assert_eq!(run(remote.fetch_record(RECORD)).unwrap(), None);

    let first = record(&remote, None, "one");
    assert_eq!(outcome(&remote, None, &first).unwrap(), PushOutcome::Won);
    let newer = lab.plan("web.yaml", "replicas: 2\n");
    let tips = run(lab.open("other").fetch(RECORD)).unwrap();
    assert_eq!((tips.plan, tips.record), (newer, Some(first)));
}

#[test]
fn branches_that_only_look_like_the_record_are_not_taken_for_it() {
    let lab = Lab::new();
    for other in ["tranche/sandbox-2", "x/refs/heads/tranche/sandbox"] {
        git(&lab.work(), &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{other}")]);
    }
    let remote = lab.open("cache");
    assert_eq!(run(remote.fetch(RECORD)).unwrap().record, None);
    let first = record(&remote, None, "one");
    assert_eq!(outcome(&remote, None, &first).unwrap(), PushOutcome::Won);
}

#[test]
fn a_record_branch_that_was_deleted_is_none_again() {
    let lab = Lab::new();
    let remote = lab.open("cache");
    let first = record(&remote, None, "one");
    outcome(&remote, None, &first).unwrap();
    assert_eq!(run(remote.fetch(RECORD)).unwrap().record.as_ref(), Some(&first));
    git(&lab.bare(), &["update-ref", "-d", "refs/heads/tranche/sandbox"]);
    assert_eq!(run(remote.fetch(RECORD)).unwrap().record, None);
    let second = record(&remote, Some(&first), "two");
    assert_eq!(outcome(&remote, Some(&first), &second).unwrap(), PushOutcome::Lost);
}

#[test]
fn a_missing_plan_branch_is_named_and_a_missing_remote_is_something_else() {
    let lab = Lab::new();
    let cache = lab.dir.path().join("cache");
    let remote = GitRemote::open(&lab.url(), "mian", &cache).unwrap();
    let error = run(remote.fetch(RECORD)).unwrap_err();
    assert!(matches!(error, RemoteError::Missing { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("\"mian\"") && said.contains("remote.git"), "{said}");

    let nowhere = RemoteUrl::parse("/nowhere/at-all.git").unwrap();
    let remote = GitRemote::open(&nowhere, "main", &cache).unwrap();
    let error = run(remote.fetch(RECORD)).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
    assert!(GitRemote::open(&nowhere, "--upload-pack=id", &cache).is_err());
}

#[test]
fn a_push_by_a_stale_lease_is_lost_and_the_winner_stays() {
    let lab = Lab::new();
    let (a, b) = (lab.open("a"), lab.open("b"));
    let ours = record(&a, None, "ours");
    let theirs = record(&b, None, "theirs");
    assert_eq!(outcome(&a, None, &ours).unwrap(), PushOutcome::Won);
    assert_eq!(outcome(&b, None, &theirs).unwrap(), PushOutcome::Lost, "create only");
    assert_eq!(lab.tip("refs/heads/tranche/sandbox"), ours.0);

    // The same push again finds its own commit there.
    assert_eq!(outcome(&a, None, &ours).unwrap(), PushOutcome::Won);

    // Built on the old tip after the remote has moved.
    let next = record(&a, Some(&ours), "next");
    assert_eq!(outcome(&a, Some(&ours), &next).unwrap(), PushOutcome::Won);
    run(b.fetch_record(RECORD)).unwrap();
    let late = record(&b, Some(&ours), "late");
    assert_eq!(outcome(&b, Some(&ours), &late).unwrap(), PushOutcome::Lost);
    let after = record(&b, Some(&next), "after");
    assert_eq!(outcome(&b, Some(&next), &after).unwrap(), PushOutcome::Won);

    // Somebody has built on ours since: won all the same.
    assert_eq!(outcome(&a, Some(&ours), &next).unwrap(), PushOutcome::Won);
}

#[test]
fn history_is_never_overwritten_even_by_a_valid_lease() {
    let lab = Lab::new();
    let remote = lab.open("cache");
    let first = record(&remote, None, "one");
    outcome(&remote, None, &first).unwrap();
    let unrelated = record(&remote, None, "rewritten");
    let error = outcome(&remote, Some(&first), &unrelated).unwrap_err();
    assert!(error.to_string().contains("no fast-forward"), "{error}");
    assert_eq!(lab.tip("refs/heads/tranche/sandbox"), first.0);
}

#[test]
fn a_refusing_hook_is_heard_but_its_text_is_made_harmless() {
    let lab = Lab::new();
    let text = "no \\033[31mpushes https://me:token@h.test/ today\\n";
    lab.hook("pre-receive", &format!("printf '{text}' >&2; exit 1"));
    let remote = lab.open("cache");
    let first = record(&remote, None, "one");
    let refused = outcome(&remote, None, &first).unwrap();
    let PushOutcome::Refused(said) = refused else { unreachable!("{refused:?}") };
    assert!(said.contains("pushes https://***@h.test/ today"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains("token"), "{said}");
}

#[test]
fn an_unmoved_branch_is_no_answer_yet_and_the_same_commit_is_pushed_again() {
    let lab = Lab::new();
    // What a server says that is locked for a moment: no to the first push.
    lab.hook("pre-receive", "if [ ! -e seen ]; then touch seen; exit 1; fi");
    let remote = lab.open("cache");
    let first = record(&remote, None, "one");
    assert_eq!(outcome(&remote, None, &first).unwrap(), PushOutcome::Won);
    assert_eq!(lab.tip("refs/heads/tranche/sandbox"), first.0);
}

#[test]
fn a_push_that_lands_although_the_server_says_no_is_won() {
    let lab = Lab::new();
    // The hook sets the ref itself and then refuses the push: the answer says
    // no, the remote's ref says yes.
    lab.hook(
        "pre-receive",
        "read old new ref; cp -r \"$GIT_OBJECT_DIRECTORY\"/. objects/; \
         unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES; \
         git update-ref \"$ref\" \"$new\"; exit 1",
    );
    let remote = lab.open("cache");
    let first = record(&remote, None, "one");
    assert_eq!(outcome(&remote, None, &first).unwrap(), PushOutcome::Won);
}

#[test]
fn an_outcome_that_cannot_be_read_is_an_error() {
    let lab = Lab::new();
    let remote = lab.open("cache");
    let first = record(&remote, None, "one");
    std::fs::rename(lab.bare(), lab.dir.path().join("away.git")).unwrap();
    let error = outcome(&remote, None, &first).unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
}

#[test]
fn of_two_pushes_at_once_one_wins_and_one_loses() {
    let lab = Lab::new();
    let first = lab.open("base");
    let base = record(&first, None, "base");
    outcome(&first, None, &base).unwrap();
    // Both have sent everything before either ref is updated.
    lab.hook("pre-receive", "sleep 1");
    let outcomes: Vec<PushOutcome> = std::thread::scope(|scope| {
        let (lab, base) = (&lab, &base);
        let race = |name: &'static str| {
            scope.spawn(move || {
                let remote = lab.open(name);
                run(remote.fetch_record(RECORD)).unwrap();
                let new = record(&remote, Some(base), name);
                outcome(&remote, Some(base), &new).unwrap()
            })
        };
        let threads = [race("a"), race("b")];
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    assert_eq!((count(PushOutcome::Won), count(PushOutcome::Lost)), (1, 1), "{outcomes:?}");
}

#[test]
fn eight_runs_share_one_cache_without_disturbing_each_other() {
    let lab = Lab::new();
    let one = |n: usize| {
        let branch = format!("tranche/t{n}");
        let mut tip: Option<CommitId> = None;
        for round in 0..4 {
            // A new value each time: creation, sweeping and removal race too.
            let remote = lab.open("shared");
            let tips = run(remote.fetch(&branch)).unwrap();
            assert_eq!(tips.plan.0, lab.tip("refs/heads/main"));
            assert_eq!(tips.record, tip, "round {round} of {branch}");
            let next = record(&remote, tip.as_ref(), &format!("{n} {round}"));
            let pushed = run(remote.push(&branch, tip.as_ref(), &next)).unwrap();
            assert_eq!(pushed, PushOutcome::Won);
            tip = Some(next);
        }
    };
    let one = &one;
    std::thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || one(n));
        }
    });
    let runs = lab.dir.path().join("shared/refs/run");
    let left: Vec<_> = std::fs::read_dir(runs).unwrap().collect();
    assert!(left.is_empty(), "run refs are removed: {left:?}");
}

#[test]
fn files_are_read_without_symlinks_and_only_if_wanted() {
    let lab = Lab::new();
    let work = lab.work();
    std::os::unix::fs::symlink("/etc/passwd", work.join("link.yaml")).unwrap();
    std::fs::write(work.join("run.sh"), "#!/bin/sh\n").unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(work.join("run.sh"), executable).unwrap();
    std::fs::write(work.join("big.yaml"), vec![b'#'; 5000]).unwrap();
    let module = format!("160000,{},module", git(&work, &["rev-parse", "HEAD"]));
    std::fs::create_dir(work.join("module")).unwrap();
    git(&work, &["update-index", "--add", "--cacheinfo", &module]);
    let commit = lab.plan("apps/web.yaml", "kind: Application\n");

    let remote = lab.open("cache");
    run(remote.fetch(RECORD)).unwrap();
    let objects = remote.objects();
    let mut asked = Vec::new();
    let mut wanted = |path: &str, size: usize| {
        asked.push(path.to_owned());
        size < 1000
    };
    let files = objects.files(&commit, &mut wanted).unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["apps/web.yaml", "run.sh", "web.yaml"]);
    assert_eq!(asked, ["apps/web.yaml", "big.yaml", "run.sh", "web.yaml"]);

    assert_eq!(objects.file(&commit, "apps/web.yaml").unwrap().unwrap(), b"kind: Application\n");
    for none in ["link.yaml", "module", "apps", "nothing", "apps/web.yaml/x"] {
        assert_eq!(objects.file(&commit, none).unwrap(), None, "{none}");
    }
    assert_eq!(objects.names(&commit, "apps").unwrap(), ["web.yaml"]);
    assert!(objects.names(&commit, "nowhere").unwrap().is_empty());
    assert!(objects.names(&commit, "").unwrap().contains(&"run.sh".to_owned()));
}

#[test]
fn hostile_names_in_a_tree_are_an_error_that_names_them() {
    let dir = tranche_lab::scratch().unwrap();
    let repository = Repository::init_bare(dir.path()).unwrap();
    let odb = repository.odb().unwrap();
    let blob = odb.write(ObjectType::Blob, b"x").unwrap();
    let tree_of = |name: &str, mode: &str, oid: git2::Oid| {
        let mut raw = format!("{mode} {name}\0").into_bytes();
        raw.extend_from_slice(oid.as_bytes());
        odb.write(ObjectType::Tree, &raw).unwrap()
    };
    let store = GitStore::open(dir.path()).unwrap();
    for name in ["..", ".", ".git", ".GIT", "a\\b", "../../etc"] {
        let tree = tree_of("inner", "40000", tree_of(name, "100644", blob));
        let who = "a <a> 1700000000 +0000";
        let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nx\n");
        let commit = odb.write(ObjectType::Commit, text.as_bytes()).unwrap();
        let commit = CommitId(commit.to_string());
        let error = store.files(&commit, &mut |_, _| true).unwrap_err().to_string();
        assert!(error.contains("inner/") && error.contains(&commit.0), "{name}: {error}");
    }
}

#[test]
fn a_commit_changes_only_what_it_says_and_is_the_same_every_time() {
    let lab = Lab::new();
    let time = Timestamp::from_second(1_763_000_000).unwrap();
    let remove = |path: &str| Change { path: path.to_owned(), bytes: None };
    let make = |store: &GitStore| {
        let first = [write("a/b/one.yaml", "1"), write("a/two.yaml", "2"), write("README.md", "x")];
        let base = store.commit(None, &first, "base\n\nSeq: 0\n", time).unwrap();
        let change = [remove("a/b/one.yaml"), remove("gone/too.yaml"), write("README.md", "y")];
        let next = store.commit(Some(&base), &change, "next", time).unwrap();
        (base, next)
    };
    let (a, b) = (lab.open("a"), lab.open("b"));
    let (base, next) = make(a.objects());
    assert_eq!(make(b.objects()), (base.clone(), next.clone()));

    let store = a.objects();
    assert_eq!(store.names(&next, "").unwrap(), ["README.md", "a"]);
    assert_eq!(store.names(&next, "a").unwrap(), ["two.yaml"], "emptied directories go");
    assert_eq!(store.file(&next, "README.md").unwrap().unwrap(), b"y");
    let info = store.info(&next).unwrap();
    assert_eq!((info.parent, info.time), (Some(base), time));
    assert_eq!((info.author.as_str(), info.message.as_str()), ("tranche", "next"));
    let nothing = store.commit(Some(&next), &[], "nothing", time).unwrap();
    assert_eq!(store.tree_id(&nothing).unwrap(), store.tree_id(&next).unwrap());
    let all = [remove("a/two.yaml"), remove("README.md")];
    let empty = store.commit(Some(&next), &all, "empty", time).unwrap();
    assert!(store.names(&empty, "").unwrap().is_empty());

    for bad in ["../x", "/x", ".git/config", "a//b", ""] {
        assert!(store.commit(None, &[write(bad, "x")], "bad", time).is_err(), "{bad}");
    }
    let clash = [write("a", "x"), write("a/b", "y")];
    assert!(store.commit(None, &clash, "bad", time).is_err());

    let cache = lab.dir.path().join("a");
    let me = Identity { name: "ops bot".to_owned(), email: "ops@users.noreply.invalid".to_owned() };
    let named = GitStore::open(&cache).unwrap().with_identity(me);
    let theirs = named.commit(None, &[], "x", time).unwrap();
    assert_eq!(named.info(&theirs).unwrap().author, "ops bot");
    git(&cache, &["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn history_is_walked_along_first_parents_and_holes_are_named() {
    let lab = Lab::new();
    let root = CommitId(lab.tip("refs/heads/main"));
    let work = lab.work();
    git(&work, &["checkout", "--quiet", "-b", "side"]);
    std::fs::write(work.join("side.yaml"), "1").unwrap();
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "--quiet", "-m", "side"]);
    let side = CommitId(git(&work, &["rev-parse", "HEAD"]));
    git(&work, &["checkout", "--quiet", "-"]);
    let second = lab.plan("b.yaml", "2");
    git(&work, &["merge", "--quiet", "--no-ff", "-m", "merge", "side"]);
    git(&work, &["push", "--quiet", "origin", "HEAD:refs/heads/main"]);
    let merge = CommitId(git(&work, &["rev-parse", "HEAD"]));

    let remote = lab.open("cache");
    run(remote.fetch(RECORD)).unwrap();
    let store = remote.objects();
    let walked = store.first_parents(&merge, None).unwrap();
    assert_eq!(walked, [root.clone(), second.clone(), merge.clone()]);
    assert_eq!(store.first_parents(&merge, Some(&second)).unwrap(), std::slice::from_ref(&merge));
    assert!(store.first_parents(&merge, Some(&merge)).unwrap().is_empty());
    let error = store.first_parents(&merge, Some(&side)).unwrap_err().to_string();
    assert!(error.contains(&side.0) && error.contains(&merge.0), "{error}");
    assert_eq!(store.root(&merge).unwrap(), root);
    assert!(store.contains(&merge, &side).unwrap());
    assert!(!store.contains(&side, &second).unwrap());
    let unknown = CommitId("1".repeat(40));
    assert!(!store.contains(&merge, &unknown).unwrap());
    assert!(store.contains(&unknown, &merge).is_err());
    assert!(store.root(&CommitId("main".to_owned())).is_err());

    let url = format!("file://{}", lab.bare().display());
    git(lab.dir.path(), &["clone", "--quiet", "--bare", "--depth=1", &url, "shallow.git"]);
    let shallow = GitStore::open(&lab.dir.path().join("shallow.git")).unwrap();
    for failed in
        [shallow.root(&merge).map(|_| ()), shallow.first_parents(&merge, None).map(|_| ())]
    {
        let said = failed.unwrap_err().to_string();
        assert!(said.contains(&second.0) && said.contains(&merge.0), "{said}");
    }
}

#[test]
fn the_truth_is_the_remote_of_a_checkout_and_the_repository_itself_if_it_has_none() {
    let lab = Lab::new();
    let work = lab.work();
    let at = |path: &Path| path.to_str().unwrap().to_owned();
    let real = |url: &RemoteUrl| url.path().canonicalize().unwrap();
    std::fs::create_dir_all(work.join("deep/er")).unwrap();
    let found = run(locate(&at(&work.join("deep/er")), None, None, &Access::default())).unwrap();
    assert_eq!(found.url, lab.url());
    assert_eq!(found.plan_branch, "main");
    assert_eq!(found.worktree.unwrap().canonicalize().unwrap(), work.canonicalize().unwrap());

    let named = |remote| run(locate(&at(&work), remote, Some("main"), &Access::default()));
    assert_eq!(named(Some("origin")).unwrap().url, lab.url());
    let absent = named(Some("upstream")).unwrap_err().to_string();
    assert!(absent.ends_with("no remote \"upstream\" (it has: origin)"), "{absent}");
    git(&work, &["remote", "rename", "origin", "forge"]);
    let absent = named(None).unwrap_err().to_string();
    assert!(absent.ends_with("no remote \"origin\" (it has: forge)"), "{absent}");
    assert_eq!(named(Some("forge")).unwrap().url, lab.url());
    git(&work, &["remote", "remove", "forge"]);
    assert_eq!(real(&named(None).unwrap().url), work.canonicalize().unwrap());
    let absent = named(Some("forge")).unwrap_err().to_string();
    assert!(absent.ends_with("no remote \"forge\", nor any other"), "{absent}");
    git(&work, &["remote", "add", "origin", lab.url().as_str()]);

    git(&work, &["remote", "set-url", "origin", "../remote.git"]);
    let found =
        run(locate(&at(&work), None, Some("refs/heads/release"), &Access::default())).unwrap();
    assert_eq!(real(&found.url), lab.bare().canonicalize().unwrap());
    assert_eq!(found.plan_branch, "release");

    git(&lab.bare(), &["branch", "trunk", "main"]);
    git(&lab.bare(), &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    let bare = run(locate(&at(&lab.bare()), None, None, &Access::default())).unwrap();
    assert_eq!((bare.plan_branch.as_str(), bare.worktree), ("trunk", None));
    let url = RemoteUrl::parse(&format!("file://{}", lab.bare().display())).unwrap();
    assert_eq!(run(default_branch(&url, &Access::default())).unwrap(), "trunk");

    git(&work, &["remote", "set-url", "origin", "https://u:secret@host.test/r.git"]);
    let found = run(locate(&at(&work), None, Some("main"), &Access::default())).unwrap();
    assert_eq!(found.url.as_str(), "https://host.test/r.git");
    assert!(!format!("{found:?} {}", found.url).contains("secret"));
    assert!(run(locate("/nowhere/at-all", None, None, &Access::default())).is_err());
    assert!(run(locate(&at(&lab.bare()), None, Some("--x"), &Access::default())).is_err());
}

#[test]
fn what_a_checkout_has_and_the_plan_branch_has_not_is_told() {
    let lab = Lab::new();
    let work = lab.work();
    let store = GitStore::open(&lab.bare()).unwrap();
    let tip = CommitId(git(&lab.bare(), &["rev-parse", "main"]).trim().to_owned());
    let told = || ahead(&work, &store, &tip, &|path: &str| path.ends_with(".yaml"));
    assert_eq!(told(), Ahead::default());
    std::fs::write(work.join("notes.txt"), "not of the plan").unwrap();
    assert_eq!(told(), Ahead::default());
    std::fs::create_dir_all(work.join("apps")).unwrap();
    std::fs::write(work.join("apps/new.yaml"), "a: 1\n").unwrap();
    assert_eq!(told(), Ahead { uncommitted: true, unpushed: None });
    git(&work, &["add", "."]);
    assert!(told().uncommitted, "staged is not committed");
    git(&work, &["commit", "--quiet", "--message", "new"]);
    let head = CommitId(git(&work, &["rev-parse", "HEAD"]).trim().to_owned());
    assert_eq!(told(), Ahead { uncommitted: false, unpushed: Some(head) });
    git(&work, &["checkout", "--quiet", "--detach", "HEAD~1"]);
    assert_eq!(told(), Ahead::default());
    std::fs::remove_dir_all(work.join(".git")).unwrap();
    assert_eq!(told(), Ahead::default(), "what cannot be told is not said");
}
