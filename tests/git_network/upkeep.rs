//! The cache over time: it is mended when it is damaged, and does not grow
//! without end.

use crate::place::{Place, RECORD, mine, push, record, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use tranche::edge::git::{GitRemote, Location, RemoteUrl};
use tranche::port::{Objects as _, PushOutcome, Remote as _, RemoteError, Tips};

fn connect(place: &Place) -> Result<(GitRemote, Tips), RemoteError> {
    through(place, "cache", None)
}

fn through(
    place: &Place,
    cache: &str,
    worktree: Option<PathBuf>,
) -> Result<(GitRemote, Tips), RemoteError> {
    let access = mine();
    let url = RemoteUrl::parse(&place.http()).unwrap().opened_by(&access, &[]);
    let location = Location { url, plan_branch: "main".to_owned(), worktree };
    run(GitRemote::connect(&location, &place.path(cache), &access, RECORD))
}

fn packs(place: &Place) -> Vec<PathBuf> {
    let dir = place.path("cache").join("objects/pack");
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|name| name == "pack")).collect()
}

fn git(dir: &Path, arguments: &[&str]) {
    let ended = Command::new("git").arg("--git-dir").arg(dir).args(arguments).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_damaged_cache_is_made_anew() {
    let place = Place::closed();
    let (remote, tips) = connect(&place).unwrap();
    let first = record(&remote, None, "one");
    assert_eq!(push(&remote, None, &first).unwrap(), PushOutcome::Won);
    drop(remote);
    git(&place.path("cache"), &["repack", "-a", "-d", "-q"]);
    let damaged = packs(&place);
    assert_eq!(damaged.len(), 1);
    for pack in damaged {
        let bytes = std::fs::read(&pack).unwrap();
        std::fs::remove_file(&pack).unwrap();
        std::fs::write(&pack, &bytes[..bytes.len() / 3]).unwrap();
    }
    place.plan(&[("more.yaml", "replicas: 2\n")]);
    let (remote, newer) = connect(&place).unwrap();
    assert_eq!(newer.record, Some(first));
    assert_ne!(newer.plan, tips.plan);
    let files = remote.objects().files(&newer.plan, &mut |_, _| true).unwrap();
    assert_eq!(files.len(), 2);
}

#[test]
fn damage_that_only_a_read_meets_is_an_error_once() {
    let place = Place::closed();
    let (remote, tips) = connect(&place).unwrap();
    drop(remote);
    let blob = Command::new("git")
        .arg("--git-dir")
        .arg(place.path("cache"))
        .args(["rev-parse", &format!("{}:web.txt", tips.plan)])
        .output()
        .unwrap();
    let blob = String::from_utf8(blob.stdout).unwrap().trim().to_owned();
    let all = packs(&place);
    for pack in &all {
        let aside = place.path("aside.pack");
        std::fs::rename(pack, &aside).unwrap();
        std::fs::remove_file(pack.with_extension("idx")).unwrap();
        let input = std::fs::File::open(&aside).unwrap();
        let ended = Command::new("git")
            .arg("--git-dir")
            .arg(place.path("cache"))
            .args(["unpack-objects", "-q"])
            .stdin(input)
            .status()
            .unwrap();
        assert!(ended.success());
    }
    std::fs::remove_file(place.path("cache/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let (remote, tips) = connect(&place).unwrap();
    let error = remote.objects().files(&tips.plan, &mut |_, _| true).unwrap_err();
    assert!(matches!(error, RemoteError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains(&blob), "{error}");
    drop(remote);
    let (remote, tips) = connect(&place).unwrap();
    assert_eq!(remote.objects().files(&tips.plan, &mut |_, _| true).unwrap().len(), 1);
}

#[test]
fn many_fetches_do_not_leave_many_packs() {
    let place = Place::open();
    let mut most = 0;
    for n in 0..30 {
        // Above fetch.unpackLimit: each fetch leaves a pack.
        let files: Vec<(String, String)> =
            (0..110).map(|file| (format!("{file}.yaml"), format!("{n} {file}\n"))).collect();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        place.plan(&files);
        let (remote, tips) = connect(&place).unwrap();
        assert_eq!(Some(tips.plan), place.tip("main"));
        drop(remote);
        most = most.max(packs(&place).len());
    }
    assert!(most <= 20, "{most} packs");
    git(&place.path("cache"), &["fsck", "--connectivity-only"]);
}

#[test]
fn a_checkout_saves_the_download_and_may_be_removed_afterwards() {
    let place = Place::closed();
    let work = place.path("work");
    let clone = |depth: &str| {
        let from = format!("file://{}", place.bare.path().display());
        let mut command = Command::new("git");
        let to = place.path(&format!("work{depth}"));
        command.args(["clone", "--quiet"]).args((!depth.is_empty()).then_some(depth));
        assert!(command.arg(from).arg(&to).status().unwrap().success());
        to
    };
    place.plan(&[("more.yaml", "replicas: 2\n")]);
    clone("");
    let requests = |work: &dyn Fn()| {
        let before = place.server.seen().unwrap().requests;
        work();
        place.server.seen().unwrap().requests - before
    };
    let whole = requests(&|| drop(through(&place, "plain", None).unwrap()));
    let saved = requests(&|| {
        let (remote, tips) = through(&place, "cache", Some(work.clone())).unwrap();
        assert_eq!(remote.objects().files(&tips.plan, &mut |_, _| true).unwrap().len(), 2);
    });
    assert!(saved < whole, "{saved} requests, {whole} without a checkout");

    // A shallow checkout would leave holes: nothing is taken from it.
    let shallow = clone("--depth=1");
    let (remote, tips) = through(&place, "other", Some(shallow)).unwrap();
    assert_eq!(remote.objects().first_parents(&tips.plan, None).unwrap().len(), 2);

    std::fs::remove_dir_all(&work).unwrap();
    let (remote, tips) = through(&place, "cache", Some(work)).unwrap();
    assert_eq!(remote.objects().files(&tips.plan, &mut |_, _| true).unwrap().len(), 2);
    assert_eq!(remote.objects().first_parents(&tips.plan, None).unwrap().len(), 2);
    git(&place.path("cache"), &["fsck", "--connectivity-only"]);
}
