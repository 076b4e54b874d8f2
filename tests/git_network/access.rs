//! Who is let in, by which credential, and what those are told who are not.

use crate::place::{BEARER, PASSWORD, Place, RECORD, USER, mine, push, record, run};
use std::process::Command;
use tranche::edge::git::{Access, GitRemote, RemoteUrl, locate};
use tranche::port::{PushOutcome, Remote as _, RemoteError};

/// Fetches and pushes.
fn works(remote: &GitRemote, place: &Place) {
    let tips = run(remote.fetch(RECORD)).unwrap();
    assert_eq!(Some(tips.plan), place.tip("main"));
    let next = record(remote, tips.record.as_ref(), "more");
    assert_eq!(push(remote, tips.record.as_ref(), &next).unwrap(), PushOutcome::Won);
    assert_eq!(place.tip(RECORD), Some(next));
}

#[test]
fn the_operators_environment_opens_it() {
    let place = Place::closed();
    works(&place.remote("cache", &mine()), &place);
    let seen = place.server.seen().unwrap();
    assert_eq!(seen.refused, 0, "credentials go with the first request: {seen:?}");
}

#[test]
fn credentials_in_the_url_open_it() {
    let place = Place::closed();
    let url = place.http().replace("http://", "http://deploy:correct-horse%25%2Fbattery@");
    let url = RemoteUrl::parse(&url).unwrap();
    assert_eq!(url.as_str(), place.http());
    let remote = GitRemote::open(&url, "main", &place.path("cache")).unwrap();
    works(&remote, &place);
}

#[test]
fn the_header_of_a_checkout_opens_it_and_one_for_another_host_is_not_sent() {
    let place = Place::closed();
    let work = place.path("work");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let ended = command.arg("-C").arg(&work).args(arguments).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    };
    std::fs::create_dir(&work).unwrap();
    git(&["init", "--quiet"]);
    git(&["remote", "add", "origin", &place.http()]);
    let at = work.to_str().unwrap();
    let header = format!("AUTHORIZATION: {BEARER}");
    let none = Access::default();

    for other in ["http://127.0.0.1:1/", "https://127.0.0.1/", "http://localhost/"] {
        git(&["config", &format!("http.{other}.extraheader"), &header]);
    }
    git(&["config", "http.extraheader", &header]);
    let error = run(locate(at, None, None, &none)).unwrap_err();
    assert!(matches!(error, RemoteError::Unauthorized { .. }), "{error:?}");
    assert_eq!(place.server.seen().unwrap().authorized, 0);

    git(&["config", &format!("http.{}/.extraheader", place.server.origin()), &header]);
    let found = run(locate(at, None, None, &none)).unwrap();
    assert_eq!(found.plan_branch, "main");
    assert!(!format!("{found:?}").contains("staple"), "{found:?}");
    works(&GitRemote::open(&found.url, "main", &place.path("cache")).unwrap(), &place);
}

#[test]
fn a_wrong_password_is_no_access_and_is_not_tried_again_and_again() {
    let place = Place::closed();
    for password in [Some("wrong-horse"), None] {
        let access = Access::new(Some(USER.to_owned()), password.map(str::to_owned));
        let remote = place.remote("cache", &access);
        let error = run(remote.fetch(RECORD)).unwrap_err();
        assert!(matches!(error, RemoteError::Unauthorized { .. }), "{error:?}");
        assert!(!error.to_string().contains("wrong-horse"), "{error}");
    }
    // Who may read and not push is told so after one push.
    let open = Place::open();
    open.server
        .fault(&tranche_lab::git::Fault::Status(403), tranche_lab::git::Where::Receive, None)
        .unwrap();
    let remote = open.remote("cache", &Access::default());
    let first = record(&remote, None, "one");
    let error = push(&remote, None, &first).unwrap_err();
    assert!(matches!(error, RemoteError::Unauthorized { .. }), "{error:?}");
}

#[test]
fn what_a_server_repeats_of_the_credentials_is_not_shown() {
    let place = Place::closed();
    let access = Access::new(Some("x".to_owned()), Some("wrong-horse".to_owned()));
    let error = run(place.remote("cache", &access).fetch(RECORD)).unwrap_err();
    let encoded = "eDp3cm9uZy1ob3JzZQ==";
    assert!(!error.to_string().contains(encoded), "{error}");
    place.bare.hook("pre-receive", &format!("echo 'you are {PASSWORD}' >&2; exit 1")).unwrap();
    let remote = place.remote("cache", &mine());
    let first = record(&remote, None, "one");
    let refused = push(&remote, None, &first).unwrap();
    let PushOutcome::Refused(said) = refused else { panic!("{refused:?}") };
    assert!(said.contains("you are ***"), "{said}");
}
