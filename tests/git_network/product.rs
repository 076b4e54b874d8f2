//! The program from end to end over a network remote: rollouts, errors and
//! exit codes, and that no credential is left behind.

use crate::place::{BEARER, PASSWORD, Place, RECORD, USER, holding};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tranche_lab::git::{Fault, Where};

const APPLICATION: &str = include_str!("../../testdata/transcripts/partition/application.yaml");
const ROLLOUT: &str = include_str!("../../testdata/transcripts/partition/approllout.yaml");
const PROJECT: &str = include_str!("../../testdata/transcripts/partition/tranche.yaml");

fn plan(place: &Place) {
    place.plan(&[
        ("tranche.yaml", PROJECT),
        ("application.yaml", APPLICATION),
        ("approllout.yaml", ROLLOUT),
    ]);
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).unwrap()
}

/// Runs it, and shows all that it said if it does not end so.
#[track_caller]
fn ends(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// The secrets as they are, as basic authentication sends them, and as a URL
/// holds them.
const CANARIES: [&str; 4] = [
    PASSWORD,
    "staple-0815-token",
    "ZGVwbG95OmNvcnJlY3QtaG9yc2UlL2JhdHRlcnk=",
    "correct-horse%25%2Fbattery",
];

fn clean(place: &Place, said: &str) {
    assert!(CANARIES.iter().all(|secret| !said.contains(secret)), "{said}");
    let found = holding(place.dir.path(), &CANARIES);
    let allowed = ["home/.gitconfig", "home/.git-credentials", "work/.git/config"];
    let found: Vec<_> =
        found.iter().filter(|path| !allowed.iter().any(|name| path.ends_with(name))).collect();
    assert!(found.is_empty(), "{found:?}");
    // Packed objects are compressed: what was committed is asked of git.
    let log = Command::new("git")
        .arg("--git-dir")
        .arg(place.bare.path())
        .args(["log", "-p", "--all", "--format=raw"])
        .output()
        .unwrap();
    let log = text(&log);
    assert!(log.contains("commit ") && CANARIES.iter().all(|secret| !log.contains(secret)));
}

/// A `PATH` whose git writes its arguments down first: `clean` looks there too.
fn wrapped_git(place: &Place, shown: &Path) -> String {
    let bin = place.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let real = Command::new("sh").args(["-c", "command -v git"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let body =
        format!("#!/bin/sh\necho \"$*\" >>'{}'\nexec '{}' \"$@\"\n", shown.display(), real.trim());
    std::fs::write(bin.join("git"), body).unwrap();
    std::fs::set_permissions(bin.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_rollout_over_http_by_each_kind_of_credential_leaves_none_behind() {
    let place = Place::closed();
    plan(&place);
    let url = place.http();
    let with_login = url.replace("http://", "http://deploy:correct-horse%25%2Fbattery@");
    let mut said = String::new();
    let shown = place.path("arguments");
    let path = wrapped_git(&place, &shown);

    // The operator's environment; each command line of git is kept.
    let mut command = place.tranche(&["apply", "--wait", "10m", "--repo", &url]);
    command.env("PATH", path);
    command.env("TRANCHE_GIT_USERNAME", USER).env("TRANCHE_GIT_PASSWORD", PASSWORD);
    said += &ends(&mut command, 3);
    assert!(place.tip(RECORD).is_some(), "{said}");
    assert!(std::fs::read_to_string(&shown).unwrap().contains("push --porcelain"));

    // A login in the URL; the same sandbox and the same cache.
    said += &ends(&mut place.tranche(&["status", "--repo", &with_login]), 0);

    // A helper of the user's own.
    place.configure("[credential]\n\thelper = store\n");
    let stored = format!("{}\n", with_login.trim_end_matches("/plan.git"));
    std::fs::write(place.path("home/.git-credentials"), stored).unwrap();
    said += &ends(&mut place.tranche(&["status", "--repo", &url]), 0);
    place.configure("");

    // The header that a CI system leaves in its checkout.
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        assert!(command.args(arguments).output().unwrap().status.success(), "{arguments:?}");
    };
    let work = place.path("work");
    let work = work.to_str().unwrap();
    git(&["clone", "--quiet", place.bare.path().to_str().unwrap(), work]);
    git(&["-C", work, "remote", "set-url", "origin", &url]);
    let key = format!("http.{}/.extraheader", place.server.origin());
    git(&["-C", work, "config", &key, &format!("AUTHORIZATION: {BEARER}")]);
    said += &ends(&mut place.tranche(&["log", "--repo", work]), 0);

    // None, and a wrong one.
    let none = ends(&mut place.tranche(&["status", "--repo", &url]), 1);
    assert!(none.contains("no access") && none.contains("TRANCHE_GIT_PASSWORD"), "{none}");
    let wrong = url.replace("http://", "http://deploy:correct-horse%25%2Fbatterx@");
    said += &ends(&mut place.tranche(&["status", "--repo", &wrong]), 1);
    assert!(!said.contains("batterx"), "{said}");
    clean(&place, &(said + &none));
}

#[test]
fn a_rollout_over_ssh() {
    let place = Place::closed();
    plan(&place);
    let url = place.server.ssh("plan.git");
    let ssh = place.server.keys().command("client", "known_hosts");
    place.configure(&format!("[core]\n\tsshCommand = {ssh}\n"));
    let said = ends(&mut place.tranche(&["apply", "--wait", "10m", "--repo", &url]), 3);
    assert!(place.tip(RECORD).is_some(), "{said}");
    let seen = place.server.seen().unwrap();
    assert_eq!(seen.requests, 0, "all of it went over ssh: {seen:?}");
    ends(&mut place.tranche(&["status", "--repo", &url]), 0);
    let private = place.server.keys().private();
    let line = private.lines().nth(1).unwrap();
    assert!(!said.contains(line), "{said}");
    assert_eq!(holding(&place.path("home"), &[line]), Vec::<std::path::PathBuf>::new());
}

#[test]
fn each_refusal_of_an_ssh_remote_says_what_to_do() {
    let place = Place::closed();
    plan(&place);
    let url = place.server.ssh("plan.git");
    let keys = place.server.keys();
    let said = |key: &str, hosts: &str, url: &str, code: i32| {
        let ssh = keys.command(key, hosts);
        ends(place.tranche(&["status", "--repo", url]).env("GIT_SSH_COMMAND", ssh), code)
    };
    let unknown = said("client", "no_hosts", &url, 1);
    assert!(unknown.contains("key is not trusted") && unknown.contains("known_hosts"), "{unknown}");
    let changed = said("client", "changed_hosts", &url, 1);
    assert!(changed.contains("key is not trusted"), "{changed}");
    let stranger = said("stranger", "known_hosts", &url, 1);
    assert!(stranger.contains("no access") && stranger.contains("give ssh a key"), "{stranger}");
    let nowhere = said("client", "known_hosts", &place.server.ssh("none.git"), 1);
    assert!(nowhere.contains("no repository there"), "{nowhere}");
    said("client", "known_hosts", &url, 0);

    place.server.fault(&Fault::Hang, Where::Ssh, None).unwrap();
    let ssh = keys.command("client", "known_hosts");
    let mut late = place.tranche(&["status", "--repo", &url]);
    let late = ends(late.env("GIT_SSH_COMMAND", ssh).env("TRANCHE_GIT_TIMEOUT", "2s"), 1);
    assert!(late.contains("no answer within 2 s"), "{late}");
    assert!(late.contains("TRANCHE_GIT_TIMEOUT"), "{late}");
}

#[test]
fn a_certificate_is_checked_and_credentials_go_over_https() {
    let place = Place::closed();
    plan(&place);
    let url = place.server.https("plan.git");
    let login = |command: &mut Command| {
        command.env("TRANCHE_GIT_USERNAME", USER).env("TRANCHE_GIT_PASSWORD", PASSWORD);
    };
    let mut command = place.tranche(&["status", "--repo", &url]);
    login(&mut command);
    let said = ends(command.env("GIT_SSL_NO_VERIFY", "1"), 1);
    assert!(said.contains("certificate"), "{said}");
    assert_eq!(place.server.seen().unwrap().requests, 0);

    let trusted = place.server.certificate();
    let mut command = place.tranche(&["apply", "--wait", "10m", "--repo", &url]);
    login(&mut command);
    ends(command.env("GIT_SSL_CAINFO", trusted), 3);
    assert!(place.tip(RECORD).is_some());
    assert_eq!(place.server.seen().unwrap().refused, 0);
}

#[test]
fn a_url_that_the_user_rewrites_is_reached_by_the_other_way() {
    let place = Place::open();
    plan(&place);
    let keys = place.server.keys();
    let ssh = place.server.ssh("plan.git");
    let rewrite = |ours: &str, theirs: &str, hosts: &str| {
        let command = keys.command("client", hosts);
        place.configure(&format!(
            "[core]\n\tsshCommand = {command}\n[url \"{theirs}\"]\n\tinsteadOf = {ours}\n"
        ));
    };
    let forge = "https://forge.example/plan.git";
    rewrite(forge, &ssh, "known_hosts");
    ends(&mut place.tranche(&["status", "--repo", forge]), 0);
    rewrite(forge, &ssh, "no_hosts");
    let said = ends(&mut place.tranche(&["status", "--repo", forge]), 1);
    assert!(said.contains("key is not trusted"), "{said}");
    // Plain http is no way round the rules either.
    rewrite(forge, &place.http(), "known_hosts");
    ends(&mut place.tranche(&["status", "--repo", forge]), 1);
}

#[test]
fn urls_that_are_not_spoken_to_are_refused_before_anything_is_started() {
    let place = Place::open();
    for url in ["ext::sh -c id", "ssh://-oProxyCommand=id/r", "http://u:secret@host.test/r.git"] {
        let said = ends(&mut place.tranche(&["status", "--repo", url]), 77);
        assert!(said.contains("next: ") && !said.contains("secret"), "{said}");
    }
}

#[test]
fn a_push_that_a_hook_refuses_ends_the_run_before_anything_is_written() {
    let place = Place::open();
    plan(&place);
    place.bare.hook("pre-receive", "echo 'GH006: protected branch' >&2; exit 1").unwrap();
    let said = ends(&mut place.tranche(&["apply", "--repo", &place.http()]), 1);
    assert!(said.contains("protected branch") && said.contains("next: "), "{said}");
    assert_eq!(place.tip(RECORD), None);
}

#[test]
fn a_rollout_goes_on_where_answers_are_lost() {
    let place = Place::open();
    plan(&place);
    for _ in 0..3 {
        place.server.fault(&Fault::LostAck, Where::Receive, Some(1)).unwrap();
        place.server.fault(&Fault::Status(503), Where::Receive, Some(1)).unwrap();
    }
    let said = ends(&mut place.tranche(&["apply", "--wait", "10m", "--repo", &place.http()]), 3);
    let accepted = place.bare.pushes();
    let mut once = accepted.clone();
    once.dedup();
    assert_eq!(accepted, once, "no commit was pushed twice: {said}");
}

/// Ten runs at once, with a server that answers when it likes: each step is
/// recorded once, and no run ends in any other way than it should.
fn ten_at_once(place: &Place, url: &str) {
    let whole = ROLLOUT.replace("    batchPartition: 0\n", "");
    assert_ne!(whole, ROLLOUT);
    place.plan(&[("application.yaml", APPLICATION), ("approllout.yaml", &whole)]);
    let delay = "n=$(od -An -N1 -tu1 /dev/urandom); sleep \"$(printf '0.%03d' $((n % 100)))\"";
    place.bare.hook("pre-receive", delay).unwrap();
    let start = |_| {
        let mut command = place.tranche(&["apply", "--repo", url]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let runs: Vec<_> = (0..10).map(start).collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let code = output.status.code().unwrap();
        assert!([0, 3, 5].contains(&code), "exit {code}: {}", text(&output));
    }
    ends(&mut place.tranche(&["apply", "--wait", "10m", "--repo", url]), 0);
    let log = Command::new("git")
        .arg("--git-dir")
        .arg(place.bare.path())
        .args(["log", "--format=%(trailers:key=Step,valueonly)%(trailers:key=Phase,valueonly)"])
        .arg(RECORD)
        .output()
        .unwrap();
    let log = text(&log);
    let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    let mut results: Vec<&[&str]> =
        lines.windows(2).filter(|pair| pair.last() == Some(&"result")).collect();
    results.sort_unstable();
    results.dedup();
    let all = lines.iter().filter(|line| **line == "result").count();
    assert_eq!((results.len(), all), (3, 3), "one result for each of three batches: {log}");
}

#[test]
fn ten_runs_at_once_over_http() {
    let place = Place::open();
    ten_at_once(&place, &place.http());
}

#[test]
fn ten_runs_at_once_over_ssh() {
    let place = Place::open();
    let ssh = place.server.keys().command("client", "known_hosts");
    place.configure(&format!("[core]\n\tsshCommand = {ssh}\n"));
    ten_at_once(&place, &place.server.ssh("plan.git"));
}
